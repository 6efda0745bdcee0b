//! The list of monitors: filters, search, pages, order.

use serde_json::json;
use watchbell::monitor::state::{Failing, State};
use watchbell::monitor::{Kind, Status};
use watchbell::store::Db;
use watchbell::store::monitors::{self, Filter};

use super::{NONE, NOW, add, heartbeat, http, named, on_each, read, write};

async fn ids(db: &Db, filter: &Filter) -> Vec<i64> {
    let listed = read!(db, c => monitors::list(c, filter, 1000, 0));
    let count = read!(db, c => monitors::count(c, filter));
    assert_eq!(listed.len() as i64, count, "{filter:?}");
    listed.iter().map(|watched| watched.monitor.id).collect()
}

#[tokio::test]
async fn a_search_ignores_case_and_takes_every_character_as_it_is() {
    on_each(async |db| {
        let percent = named(db, "100% done").await;
        let under = named(db, "a_b").await;
        let bang = named(db, "wow! 100").await;
        let umlaut = named(db, "ÄRGER straße").await;
        let tagged = add(
            db,
            &http(json!({"name": "x", "url": "https://Example.org:8443/Path", "tags": ["Tier-1"]})),
        )
        .await
        .monitor
        .id;
        let search = async |text: &str| {
            ids(db, &Filter { text: Some(text.to_owned()), ..Filter::default() }).await
        };
        assert_eq!(search("%").await, [percent]);
        assert_eq!(search("_").await, [under]);
        assert_eq!(search("!").await, [bang]);
        assert_eq!(search("100").await, [percent, bang]);
        assert_eq!(search("ärger").await, [umlaut], "also beyond ASCII");
        assert_eq!(search("STRASSE").await, NONE, "but a fold is no transliteration");
        assert_eq!(search("  a_B ").await, [under], "space around it does not count");
        assert_eq!(search("org:8443/path").await, [tagged]);
        assert_eq!(search("tier-").await, [tagged]);
        assert_eq!(search("https").await, NONE, "the scheme says nothing");
        assert_eq!(search("' OR 1=1 --").await, NONE);
        assert_eq!(search("").await.len(), 5);
        assert_eq!(search("   ").await.len(), 5);
    })
    .await;
}

#[tokio::test]
async fn filters_limit_alone_and_together() {
    on_each(async |db| {
        let job = add(db, &heartbeat("job")).await.monitor.id;
        let a = add(db, &http(json!({"name": "a", "tags": ["red", "blue"]}))).await.monitor.id;
        let b = add(db, &http(json!({"name": "b", "tags": ["blue"]}))).await.monitor.id;
        let mut late = State::unknown(NOW);
        late.status = Status::Up;
        late.beat.due_at = Some(NOW);
        let mut confirming = State::unknown(NOW);
        confirming.failing = Some(Failing { first_at: NOW, count: 1 });
        let mut down = State::unknown(NOW);
        down.status = Status::Down;
        write!(db, c => monitors::save_states(c, &[(job, &late), (a, &confirming), (b, &down)]))
            .unwrap();
        let all = Filter::default;
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(ids(db, &all()).await, [job, a, b]);
        assert_eq!(ids(db, &Filter { kind: Some(Kind::Heartbeat), ..all() }).await, [job]);
        assert_eq!(ids(db, &Filter { status: Some(Status::Down), ..all() }).await, [b]);
        assert_eq!(ids(db, &Filter { late_at: Some(NOW), ..all() }).await, [job]);
        assert_eq!(ids(db, &Filter { late_at: Some(NOW.plus_ms(-1)), ..all() }).await, NONE);
        assert_eq!(ids(db, &Filter { confirming: true, ..all() }).await, [a]);
        assert_eq!(ids(db, &Filter { tag: text("blue"), ..all() }).await, [a, b]);
        assert_eq!(ids(db, &Filter { tag: text("Blue"), ..all() }).await, NONE, "tags are exact");
        assert_eq!(
            ids(
                db,
                &Filter { tag: text("blue"), text: text("b"), status: Some(Status::Down), ..all() }
            )
            .await,
            [b]
        );
        assert_eq!(ids(db, &Filter { ids: Some(vec![b, job, 99]), ..all() }).await, [job, b]);
        assert_eq!(ids(db, &Filter { attention_first: true, ..all() }).await, [b, a, job]);
        let mut counts = read!(db, c => monitors::count_by_status(c));
        counts.sort_unstable_by_key(|(status, _)| status.as_str());
        assert_eq!(counts, [(Status::Down, 1), (Status::Pending, 1), (Status::Up, 1)]);
        assert_eq!(read!(db, c => monitors::tags(c)), ["blue", "red"]);
    })
    .await;
}

/// A filter for certain monitors, none of which there is, shows none; it must not be taken for no filter.
#[tokio::test]
async fn a_list_of_no_ids_shows_nothing() {
    on_each(async |db| {
        named(db, "a").await;
        assert_eq!(ids(db, &Filter { ids: Some(Vec::new()), ..Filter::default() }).await, NONE);
    })
    .await;
}

#[tokio::test]
async fn pages_show_each_monitor_once() {
    on_each(async |db| {
        let mut made = Vec::new();
        for n in 0..7 {
            made.push(named(db, &format!("m{n}")).await);
        }
        let filter = Filter::default();
        let mut seen = Vec::new();
        for page in 0..4 {
            let rows = read!(db, c => monitors::list(c, &filter, 3, page * 3));
            seen.push(rows.len());
            for (row, id) in rows.iter().zip(&made[(page as usize * 3).min(7)..]) {
                assert_eq!(row.monitor.id, *id);
            }
        }
        assert_eq!(seen, [3, 3, 1, 0]);
    })
    .await;
}
