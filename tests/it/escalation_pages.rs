//! The pages of escalation policies as a browser without script uses them, and who may do what.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use watchbell::account::{Role, session, user};

use crate::support::api::{Answer, Api, START, answering};

/// Somebody who is signed in, at a browser without script.
struct Browser<'a> {
    api: &'a Api,
    cookie: String,
}

impl<'a> Browser<'a> {
    async fn new(api: &'a Api, role: Role) -> Self {
        let (db, passwords) = (&api.db, api.logins.passwords());
        let email = format!("{role}@example.com");
        let made = user::create(db, passwords, &email, "long enough", role, START);
        let token = session::begin(db, made.await.unwrap().id, START).await.unwrap();
        Self { api, cookie: format!("{}={token}", session::COOKIE) }
    }

    async fn get(&self, path: &str) -> Answer {
        Api::answer(self.api.request("GET", path).header("cookie", &self.cookie)).await
    }

    async fn post(&self, path: &str, pairs: &[(&str, &str)]) -> Answer {
        let url = reqwest::Url::parse_with_params("http://x/", pairs).unwrap();
        let request = self.api.request("POST", path).header("cookie", &self.cookie);
        let form = "application/x-www-form-urlencoded";
        let body = url.query().unwrap_or_default().to_owned();
        Api::answer(request.header("content-type", form).body(body)).await
    }
}

async fn channel(api: &Api, name: &str, url: &str) -> String {
    let body = json!({"type": "webhook", "name": name, "url": url});
    api.admin("POST", "/api/v1/channels", Some(body)).await.data(201)["id"].to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_editor_adds_moves_removes_and_saves_by_buttons_alone() {
    let api = Api::start().await;
    let browser = Browser::new(&api, Role::Editor).await;
    let one = channel(&api, "#ops", &answering(200, "ok")).await;
    let two = channel(&api, "pager", &answering(410, "gone")).await;
    let empty = browser.get("/escalation/new").await;
    assert!(empty.text.contains("As soon as it is confirmed") && empty.text.contains("Nobody yet"));
    let posted = |press: &'static str| {
        vec![
            ("name", "Primary"),
            ("steps", "2"),
            ("wait_0", "0"),
            ("channel_0", one.as_str()),
            ("wait_1", "5"),
            ("title_1", "Wake <b>"),
            ("repeat_every_minutes", "30"),
            ("repeat_times", "1"),
            ("press", press),
        ]
    };
    let policies = async || api.admin("GET", "/api/v1/escalation-policies", None).await.data(200);
    let add: &'static str = format!("add:1:{two}").leak();
    let added = browser.post("/escalation/new", &posted(add)).await;
    assert_eq!(added.status, 200);
    let step = "step 2, Wake &#60;b&#62;";
    for line in ["03:10:05", "03:15:05", step, "Step 1 again", "03:45:05", "Policy ends"] {
        assert!(added.text.contains(line), "{line} in {}", added.text);
    }
    assert!(added.text.contains(&format!("name=\"channel_1\" value=\"{two}\"")));
    for words in ["Not saved yet", "No human is told", "If it went down at 03:10"] {
        assert!(added.text.contains(words), "{words} in {}", added.text);
    }
    let mut both = posted("lower:0:1");
    both.push(("channel_1", two.as_str()));
    let moved = browser.post("/escalation/new", &both).await;
    assert!(moved.text.contains(&format!("name=\"channel_1\" value=\"{one}\"")), "{}", moved.text);
    let weekend = browser.post("/escalation/new", &posted("when:weekend")).await;
    assert!(weekend.text.contains("If it went down on Saturday at 14:00"), "{}", weekend.text);
    let longer = browser.post("/escalation/new", &posted("step")).await;
    assert!(longer.text.contains("name=\"steps\" value=\"3\""));
    assert_eq!(policies().await, json!([]), "nothing is saved by them");

    let wrong = browser.post("/escalation/new", &[("steps", "1"), ("wait_0", "soon")]).await;
    assert_eq!(wrong.status, 422);
    for words in ["The name is missing", "step 1: after_minutes must be a whole number"] {
        assert!(wrong.text.contains(words), "{words} in {}", wrong.text);
    }
    let mut whole = posted("");
    whole.push(("channel_1", two.as_str()));
    let saved = browser.post("/escalation/new", &whole).await;
    assert_eq!(saved.status, 200);
    let policy = policies().await[0].clone();
    let number = |text: &str| text.parse::<i64>().unwrap();
    assert_eq!(
        policy["steps"],
        json!([{"after_minutes": 0, "channel_ids": [number(&one)]},
            {"name": "Wake <b>", "after_minutes": 5, "channel_ids": [number(&two)]}])
    );
    let list = browser.get("/escalation").await;
    let words = "#ops at once, pager after 5 min, again every 30 min, 1 time.";
    assert!(list.text.contains(words), "{}", list.text);

    let copy = browser.get(&format!("/escalation/new?from={}", policy["id"])).await;
    for words in ["value=\"Copy of Primary\"", "value=\"Wake &#60;b&#62;\"", "Not saved yet"] {
        assert!(copy.text.contains(words), "{words} in {}", copy.text);
    }
    let page = format!("/escalation/{}", policy["id"]);
    let mut one_less = whole.clone();
    one_less.extend([("press", "remove:1:0"), ("title_0", "First")]);
    one_less.retain(|pair| *pair != ("press", ""));
    let changed = browser.post(&page, &one_less).await;
    assert!(changed.text.contains("Unsaved: step 1 changed"), "{}", changed.text);
    let run = browser.post(&format!("{page}/test"), &[]).await;
    assert_eq!(run.status, 200);
    assert!(run.text.contains("delivered, 0 ms") && run.text.contains("410 gone"), "{}", run.text);

    let fields = json!({"name": "Shop <b>", "escalation_policy_id": policy["id"]});
    let id = api.monitor(fields).await;
    assert!(browser.get(&page).await.text.contains("Shop &#60;b&#62;"), "used by");
    assert_eq!(browser.post(&format!("{page}/delete"), &[]).await.status, 409);
    let form = browser.get(&format!("/monitors/{id}/edit")).await;
    let chosen = format!("<option value=\"{}\" selected>Primary</option>", policy["id"]);
    assert!(form.text.contains(&chosen), "{}", form.text);
    let to = |policy: &'static str| {
        [
            ("type", "http"),
            ("url", "http://127.0.0.1:1/"),
            ("notify_on", "down"),
            ("channel_ids", "1"),
            ("escalation_policy_id", policy),
        ]
    };
    assert_eq!(browser.post(&format!("/monitors/{id}"), &to("")).await.status, 200);
    let read = async || api.admin("GET", &format!("/api/v1/monitors/{id}"), None).await.data(200);
    assert_eq!(
        (&read().await["channel_ids"], &read().await["escalation_policy_id"]),
        (&json!([1]), &Value::Null)
    );
    assert_eq!(browser.post(&format!("/monitors/{id}"), &to("1")).await.status, 200);
    assert_eq!(
        (&read().await["channel_ids"], &read().await["escalation_policy_id"]),
        (&Value::Null, &json!(1))
    );
    assert_eq!(browser.post(&format!("/monitors/{id}"), &to("")).await.status, 200);
    assert_eq!(browser.post(&format!("{page}/delete"), &[]).await.status, 200);
    assert_eq!(policies().await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_read_policies_and_editors_change_them() {
    let api = Api::start().await;
    let id = channel(&api, "#ops", "http://127.0.0.1:1/").await.parse::<i64>().unwrap();
    let body = || Some(json!({"name": "p", "steps": [{"channel_ids": [id]}]}));
    let path = "/api/v1/escalation-policies";
    api.send(&api.viewer, "POST", path, body()).await.problem(403);
    let made = api.send(&api.editor, "POST", path, body()).await.data(201);
    let one = format!("{path}/{}", made["id"]);
    assert_eq!(api.send(&api.viewer, "GET", &one, None).await.data(200), made);
    let renamed = || Some(json!({"name": "q"}));
    api.send(&api.viewer, "PATCH", &one, renamed()).await.problem(403);
    assert_eq!(api.send(&api.editor, "PATCH", &one, renamed()).await.data(200)["name"], "q");
    let missing = Some(json!({"steps": [{"channel_ids": [id, 77]}]}));
    let problem = api.send(&api.editor, "PATCH", &one, missing).await.problem(422);
    assert!(problem["errors"]["steps"].as_str().unwrap().contains("do not exist: 77"), "{problem}");
    let viewer = Browser::new(&api, Role::Viewer).await;
    let page = viewer.get(&format!("/escalation/{}", made["id"])).await;
    assert_eq!(page.status, 200);
    assert!(!page.text.contains("Save policy") && !page.text.contains("Send test run"));
    for path in ["/escalation/new", "/escalation/1", "/escalation/1/test", "/escalation/1/delete"] {
        assert_eq!(viewer.post(path, &[]).await.status, 403, "{path}");
    }
    api.send(&api.viewer, "DELETE", &one, None).await.problem(403);
    assert_eq!(api.send(&api.editor, "DELETE", &one, None).await.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_and_the_incident_say_who_hears_next_or_that_nobody_was_told() {
    let api = Api::start().await;
    let browser = Browser::new(&api, Role::Editor).await;
    let one = channel(&api, "#ops", &answering(200, "ok")).await.parse::<i64>().unwrap();
    let two = channel(&api, "pager <b>", &answering(200, "ok")).await.parse::<i64>().unwrap();
    let steps = json!([{"channel_ids": [one]}, {"after_minutes": 5, "channel_ids": [two]}]);
    let body = json!({"name": "p", "steps": steps, "ack_timeout_minutes": 60});
    let policy = api.admin("POST", "/api/v1/escalation-policies", Some(body)).await.data(201);
    let fails = async |fields: Value| {
        let id = api.monitor(fields).await;
        let job = api.admin("GET", &format!("/api/v1/monitors/{id}"), None).await.data(200);
        let ping = format!("/api/heartbeats/{}/fail", job["uuid"].as_str().unwrap());
        assert_eq!(Api::answer(api.request("GET", &ping)).await.status, 200);
        let path = format!("/api/v1/monitors/{id}/incidents");
        api.admin("GET", &path, None).await.data(200)[0]["id"].as_i64().unwrap()
    };
    let job = |name: &str, more: Value| {
        let mut body = json!({"type": "heartbeat", "name": name, "period_seconds": 60});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let incident = fails(job("a", json!({"escalation_policy_id": policy["id"]}))).await;
    let page = format!("/incidents/{incident}");
    for path in ["/monitors", page.as_str()] {
        let shown = browser.get(path).await.text;
        assert!(shown.contains("Escalates to pager &#60;b&#62;"), "{path}: {shown}");
        assert!(!shown.contains("Nobody was told"), "{path}");
    }
    browser.post(&format!("{page}/acknowledge"), &[]).await;
    let shown = browser.get(&page).await.text;
    assert!(shown.contains("Escalation goes on") && !shown.contains("Escalates to"), "{shown}");
    let alone = fails(job("b", json!({"channel_ids": []}))).await;
    let page = format!("/incidents/{alone}");
    for path in ["/monitors", page.as_str()] {
        assert!(browser.get(path).await.text.contains("Nobody was told"), "{path}");
    }
}
