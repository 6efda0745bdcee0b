//! The monitor list as a browser gets it, and what is done with several monitors at once.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use watchbell::account::{Role, session, user};

use crate::support::api::{Answer, Api, START};

const FORM: &str = "application/x-www-form-urlencoded";

/// Somebody with a browser.
struct Browser<'a> {
    api: &'a Api,
    cookie: String,
}

impl<'a> Browser<'a> {
    async fn of(api: &'a Api, email: &str, role: Role) -> Self {
        let made = user::create(&api.db, api.logins.passwords(), email, "long enough", role, START);
        let token = session::begin(&api.db, made.await.unwrap().id, START).await.unwrap();
        Self { api, cookie: format!("{}={token}", session::COOKIE) }
    }

    async fn get(&self, path: &str) -> Answer {
        Api::answer(self.api.request("GET", path).header("cookie", &self.cookie)).await
    }

    async fn page(&self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.text
    }

    /// Posts a form; redirects are followed, as a browser does.
    async fn bulk(&self, pairs: &[(&str, &str)]) -> Answer {
        let url = reqwest::Url::parse_with_params("http://x/", pairs).unwrap();
        let body = url.query().unwrap_or_default().to_owned();
        let request = self.api.request("POST", "/monitors/bulk").header("cookie", &self.cookie);
        Api::answer(request.header("content-type", FORM).body(body)).await
    }
}

/// The numbers of the rows of a page, in their order.
fn rows(page: &str) -> Vec<i64> {
    let ids = page.split("<tr id=\"m-").skip(1);
    ids.map(|rest| rest.split('"').next().unwrap().parse().unwrap()).collect()
}

/// The value of a hidden field.
fn hidden<'p>(page: &'p str, name: &str) -> &'p str {
    let mark = format!("name=\"{name}\" value=\"");
    let rest = page.split(&mark).nth(1).unwrap_or_else(|| panic!("no {name} in {page}"));
    rest.split('"').next().unwrap()
}

async fn field(api: &Api, id: i64, name: &str) -> Value {
    api.admin("GET", &format!("/api/v1/monitors/{id}"), None).await.data(200)[name].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_filters_and_views_show_each_monitor_once() {
    let api = Api::start().await;
    let b = api.monitor(json!({"name": "b", "tags": ["shop", "eu"]})).await;
    let a = api.monitor(json!({"name": "a", "tags": ["eu"]})).await;
    let c = api.monitor(json!({"name": "c"})).await;
    let one = Browser::of(&api, "a@example.com", Role::Admin).await;
    let page = one.page("/monitors").await;
    assert_eq!(rows(&page), [a, b, c], "by first tag, what has none last");
    for title in ["<b>eu</b>", "<b>shop</b>", "<b>No tag</b>"] {
        assert!(page.contains(title), "{title}: {page}");
    }
    for (query, expected) in [
        ("view=flat", vec![a, b, c]),
        ("tag=eu", vec![a, b]),
        ("tag=shop&status=waiting", vec![b]),
        ("status=down", vec![]),
        ("type=heartbeat", vec![]),
        ("q=B", vec![b]),
        ("q=%00", vec![a, b, c]),
        ("view=group&fold=tag%3Aeu", vec![b, c]),
        ("sort=name&view=flat", vec![a, b, c]),
        ("sort=changed&view=flat", vec![b, a, c]),
        ("sort=nonsense&view=9&show=-1&density=x&unknown=1&view=flat", vec![a, b, c]),
    ] {
        let found = rows(&one.page(&format!("/monitors?{query}")).await);
        // Those of the same moment may come in any order.
        let sorted = |mut ids: Vec<i64>| {
            ids.sort_unstable();
            ids
        };
        if query.starts_with("sort=changed") {
            assert_eq!(sorted(found), sorted(expected), "{query}");
        } else {
            assert_eq!(found, expected, "{query}");
        }
    }
    assert!(one.page("/monitors?q=zzz&tag=eu").await.contains("No monitor matches zzz + tag:eu."));
}

#[tokio::test(flavor = "multi_thread")]
async fn how_one_likes_the_list_is_remembered_by_a_cookie() {
    let api = Api::start().await;
    api.monitor(json!({"name": "a", "tags": ["x & \"y\" <b>"]})).await;
    let mut one = Browser::of(&api, "a@example.com", Role::Admin).await;
    let fold = "fold=tag%3Ax+%26+%22y%22+%3Cb%3E";
    let answer = one.get(&format!("/monitors?{fold}&density=comfortable")).await;
    assert!(rows(&answer.text).is_empty());
    let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
    assert!(cookie.starts_with("watchbell_list="), "{cookie}");
    one.cookie = format!("{}; {cookie}", one.cookie);
    let again = one.get("/monitors").await;
    assert!(rows(&again.text).is_empty() && again.text.contains("plain-time comfortable"));
    assert_eq!(again.header("set-cookie"), "", "nothing new to remember");
    assert_eq!(rows(&one.page("/monitors?q=a").await).len(), 1, "a search shows what is folded");
    one.cookie = format!("{}; watchbell_list=%00!!", one.cookie.split("; ").next().unwrap());
    assert_eq!(rows(&one.page("/monitors").await).len(), 1, "a broken cookie remembers nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_are_paused_and_resumed_and_that_is_undone_once() {
    let api = Api::start().await;
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(api.monitor(json!({ "name": name })).await);
    }
    let one = Browser::of(&api, "a@example.com", Role::Editor).await;
    let other = Browser::of(&api, "b@example.com", Role::Editor).await;
    let id = |n: usize| ids[n].to_string();
    api.admin("POST", &format!("/api/v1/monitors/{}/pause", ids[2]), None).await.data(200);
    let page =
        one.bulk(&[("action", "pause"), ("id", &id(0)), ("id", &id(2)), ("id", "999")]).await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(page.text.contains("Paused 1 monitor<"), "the other is paused already: {}", page.text);
    assert_eq!(field(&api, ids[0], "current_status").await, "paused");
    assert_eq!(field(&api, ids[1], "current_status").await, "pending");
    let token = hidden(&page.text, "undo").to_owned();
    let undo = [("action", "undo"), ("undo", token.as_str())];
    assert_eq!(other.bulk(&undo).await.status, 409, "it is not theirs");
    assert!(one.bulk(&undo).await.text.contains("Undone for 1 monitor"));
    assert_eq!(field(&api, ids[0], "current_status").await, "pending");
    assert_eq!(field(&api, ids[2], "current_status").await, "paused", "it was so before");
    assert_eq!(one.bulk(&undo).await.status, 409, "it is undone already");
    let again = one.bulk(&[("action", "resume"), ("all", "1"), ("query", "status=paused")]).await;
    assert!(again.text.contains("Resumed 1 monitor<"), "{}", again.text);
    let nothing = one.bulk(&[("action", "resume"), ("all", "1"), ("query", "q=c")]).await;
    assert!(nothing.text.contains("Nothing to do: it is watched already."), "{}", nothing.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_and_channels_are_added_and_taken_away_and_put_back() {
    let api = Api::start().await;
    let channel = json!({"type": "webhook", "name": "hook", "url": "http://127.0.0.1:1/"});
    let channel =
        api.admin("POST", "/api/v1/channels", Some(channel)).await.data(201)["id"].clone();
    let channel = channel.as_i64().unwrap();
    let a = api.monitor(json!({"name": "a", "tags": ["old"]})).await;
    let b =
        api.monitor(json!({"name": "b", "tags": ["new", "old"], "channel_ids": [channel]})).await;
    let one = Browser::of(&api, "a@example.com", Role::Editor).await;
    let all = |act: &'static str| [("action", act), ("all", "1")];
    let with = async |act: &'static str, name: &'static str, value: &str| {
        let [action, all] = all(act);
        let answer = one.bulk(&[action, all, (name, value)]).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.text
    };
    let undo = async |page: &str| {
        let token = hidden(page, "undo").to_owned();
        one.bulk(&[("action", "undo"), ("undo", &token)]).await
    };
    let page = with("tag", "tag", "new").await;
    assert!(page.contains("Tagged 1 monitor with new"), "{page}");
    assert_eq!(field(&api, a, "tags").await, json!(["old", "new"]));
    assert_eq!(field(&api, b, "tags").await, json!(["new", "old"]));
    undo(&page).await;
    assert_eq!(field(&api, a, "tags").await, json!(["old"]));
    let page = with("untag", "tag", "old").await;
    assert_eq!(field(&api, b, "tags").await, json!(["new"]));
    undo(&page).await;
    assert_eq!(field(&api, b, "tags").await, json!(["new", "old"]), "in their order");
    let page = with("channel", "channel", &channel.to_string()).await;
    assert!(page.contains("Added the channel to 1 monitor"), "{page}");
    assert_eq!(field(&api, a, "channel_ids").await, json!([channel]));
    undo(&page).await;
    let put_back = field(&api, a, "channel_ids").await;
    assert_ne!(put_back, json!([channel]), "the usual ones again");
    let page = with("unchannel", "channel", &channel.to_string()).await;
    assert_eq!(field(&api, b, "channel_ids").await, json!([]));
    undo(&page).await;
    assert_eq!(field(&api, b, "channel_ids").await, json!([channel]));
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_several_asks_first_and_says_what_is_lost() {
    let api = Api::start().await;
    let mut ids = Vec::new();
    for n in 0..12 {
        ids.push(api.monitor(json!({ "name": format!("<m{n:02}>") })).await);
    }
    let one = Browser::of(&api, "a@example.com", Role::Editor).await;
    let question = one.bulk(&[("action", "delete"), ("all", "1")]).await.text;
    assert!(question.contains("Delete 12 monitors and their history?"), "{question}");
    assert!(question.contains("&#60;m00&#62;") && question.contains("and 2 more"), "{question}");
    assert_eq!(rows(&one.page("/monitors").await).len(), 12, "nothing is deleted yet");
    let listed = hidden(&question, "ids").to_owned();
    let late = api.monitor(json!({"name": "made meanwhile"})).await;
    let done = one.bulk(&[("action", "delete"), ("ids", &listed), ("confirmed", "1")]).await;
    assert!(done.text.contains("Deleted 12 monitors"), "{}", done.text);
    assert_eq!(rows(&one.page("/monitors").await), [late]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_refused_and_changes_nothing() {
    let api = Api::start().await;
    let a = api.monitor(json!({"name": "a"})).await.to_string();
    let one = Browser::of(&api, "a@example.com", Role::Editor).await;
    for (pairs, reason) in [
        (vec![("action", "pause")], "tick at least one"),
        (vec![("action", "pause"), ("id", "x"), ("ids", "1x,,")], "tick at least one"),
        (vec![("id", a.as_str())], "action"),
        (vec![("action", "explode"), ("id", a.as_str())], "must be one of"),
        (vec![("action", "tag"), ("id", a.as_str()), ("tag", "  ")], "write the tag"),
        (vec![("action", "channel"), ("id", a.as_str()), ("channel", "77")], "must be a channel"),
    ] {
        let answer = one.bulk(&pairs).await;
        assert_eq!(answer.status, 422, "{pairs:?}");
        assert!(answer.text.contains(reason), "{pairs:?}: {}", answer.text);
    }
    let viewer = Browser::of(&api, "v@example.com", Role::Viewer).await;
    assert_eq!(viewer.bulk(&[("action", "pause"), ("id", a.as_str())]).await.status, 403);
    let page = viewer.page("/monitors").await;
    assert!(!page.contains("data-bulk"), "who may not do it is not offered it");
    assert_eq!(field(&api, a.parse().unwrap(), "current_status").await, "pending");
}

#[tokio::test(flavor = "multi_thread")]
async fn jump_lists_the_few_that_fit_best_as_text() {
    let api = Api::start().await;
    for n in 0..10 {
        api.monitor(json!({ "name": format!("shop {n} <i>") })).await;
    }
    let one = Browser::of(&api, "a@example.com", Role::Viewer).await;
    let found = one.page("/monitors/jump?q=SHOP").await;
    assert_eq!(found.matches("role=\"option\"").count(), 8);
    assert!(found.contains("shop 0 &#60;i&#62;") && !found.contains("<i>"), "{found}");
    assert_eq!(one.page("/monitors/jump?q=zzz").await.trim(), "");
}
