//! Monitors in brief: their first tag follows every change of their tags.

use std::sync::Arc;

use serde_json::json;
use watchbell::monitor::{Status, StatusChange};
use watchbell::store::monitors::{self, Filter};
use watchbell::store::{briefs, history};

use super::{NOW, add, http, named, on_each, read, sealer, write};

#[tokio::test]
async fn the_first_tag_is_known_after_every_change() {
    on_each(async |db| {
        let one = add(db, &http(json!({"name": "b", "tags": ["z", "a"]}))).await.monitor;
        let mut one = Arc::unwrap_or_clone(one);
        let plain = named(db, "a").await;
        let all = async || {
            let found = read!(db, c => briefs::briefs(c, &Filter::default()));
            found.into_iter().map(|brief| (brief.id, brief.group_tag)).collect::<Vec<_>>()
        };
        let id = one.id;
        assert_eq!(all().await, [(plain, String::new()), (id, "z".to_owned())], "by name");
        for tags in [vec!["new".to_owned(), "z".to_owned()], vec![]] {
            one.settings.tags = tags.clone();
            write!(db, c => monitors::update(c, &sealer(), &one)).unwrap();
            assert_eq!(all().await[1], (id, tags.first().cloned().unwrap_or_default()));
        }
    })
    .await;
}

#[tokio::test]
async fn tags_and_last_changes_are_found_for_all_at_once() {
    on_each(async |db| {
        let a = add(db, &http(json!({"name": "a", "tags": ["red", "blue"]}))).await.monitor.id;
        let b = add(db, &http(json!({"name": "b", "tags": ["blue"]}))).await.monitor.id;
        let tagged = async |tags: &[&str]| {
            let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
            let mut ids = read!(db, c => briefs::with_tags(c, &tags));
            ids.sort_unstable();
            ids
        };
        assert_eq!(tagged(&["blue", "red"]).await, [a, b], "each once");
        assert_eq!(tagged(&["red"]).await, [a]);
        assert!(tagged(&[]).await.is_empty());
        let change = |ms: i64, status| StatusChange { at: NOW.plus_ms(ms), status: Some(status) };
        let changes =
            [(a, change(1, Status::Up)), (a, change(9, Status::Down)), (b, change(5, Status::Up))];
        write!(db, c => history::insert_status_changes(c, &changes)).unwrap();
        let last = read!(db, c => briefs::last_changes(c));
        assert_eq!((last[&a], last[&b]), (NOW.plus_ms(9), NOW.plus_ms(5)));
    })
    .await;
}
