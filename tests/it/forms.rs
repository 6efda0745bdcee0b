//! The form of a monitor: live test, what was meant, plain words, copies, several at once, a new channel in place.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use serde_json::json;
use watchbell::account::Role;

use crate::support::api::{Answer, Api, answering};
use crate::support::person::Person;

const HEALTH: &str = r#"{"status":"pass","checks":{"database":{"status":"pass"}}}"#;

async fn editor(api: &Api) -> Person {
    Person::made(api, "ed@example.com", Role::Editor).await
}

fn http(url: &str) -> Vec<(&str, &str)> {
    vec![
        ("type", "http"),
        ("url", url),
        ("method", "GET"),
        ("expected_status", "200-299"),
        ("interval_choice", "30"),
        ("timeout_seconds", "10"),
        ("retries", "1"),
        ("retry_interval_seconds", "5"),
        ("recovery_checks", "1"),
        ("notify_on", "down"),
        ("verify_tls", "on"),
        ("follow_redirects", "on"),
    ]
}

fn assertion<'a>(path: &'a str, value: &'a str) -> [(&'a str, &'a str); 4] {
    [
        ("assertion_source", "json"),
        ("assertion_path", path),
        ("assertion_op", "eq"),
        ("assertion_value", value),
    ]
}

async fn monitors(api: &Api) -> usize {
    let list = api.admin("GET", "/api/v1/monitors", None).await.data(200);
    list.as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_test_shows_each_rule_and_offers_what_was_meant_and_saves_nothing() {
    let api = Api::start().await;
    let ed = editor(&api).await;
    let url = answering(200, HEALTH);
    let mut form = http(&url);
    form.extend(assertion("$.status", "pass"));
    form.extend(assertion("$.checks.databse.status", "pass"));
    form.extend([("degraded_after_ms", "100000"), ("test", "1")]);
    let page = ed.post("/monitors", &form).await;
    assert_eq!(page.status, 200, "{}", page.text);
    for words in [
        "Would be Down",
        "but 1 of 4 rules fails",
        "Status is 200, in 200-299",
        "$.status equals &#34;pass&#34;",
        "$.checks.databse.status is missing",
        "Response under 100000 ms",
        "The response has no checks.databse.",
        "Did you mean <button class=\"linkish\" name=\"fix\" value=\"assertion_path#1=$.checks.database.status\"",
        ">checks.database</button>?",
        "Reachable: 200 OK in",
        "&#34;database&#34;",
        "content-length",
    ] {
        assert!(page.text.contains(words), "{words} is not in {}", page.text);
    }
    assert_eq!(monitors(&api).await, 0, "nothing is saved");

    // The link is a button of the form: pressed, the value is in its place and tried.
    form.retain(|(name, _)| *name != "test");
    form.push(("fix", "assertion_path#1=$.checks.database.status"));
    let page = ed.post("/monitors", &form).await;
    assert!(
        page.text.contains("Would be Up") && page.text.contains("4 rules hold"),
        "{}",
        page.text
    );
    assert!(page.text.contains("value=\"$.checks.database.status\""));
    assert_eq!(monitors(&api).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_of_what_does_not_answer_says_why_and_a_wrong_form_is_not_tested() {
    let api = Api::start().await;
    let ed = editor(&api).await;
    let test = async |mut form: Vec<(&str, &str)>| {
        form.push(("test", "1"));
        ed.post("/monitors", &form).await.text
    };
    let refused = test(http("http://127.0.0.1:1/")).await;
    assert!(refused.contains("Not reachable from local: connection refused"), "{refused}");
    let blocked = test(http("http://169.254.169.254/latest")).await;
    assert!(blocked.contains("Would be Down") && blocked.contains("not allowed"), "{blocked}");
    let mut wrong = http("http://127.0.0.1:1/");
    wrong.retain(|(name, _)| *name != "timeout_seconds");
    wrong.extend([("timeout_seconds", "10s"), ("url", "x")]);
    let wrong = test(wrong).await;
    assert!(wrong.contains("1 field needs a fix before there is something to test."), "{wrong}");
    assert!(wrong.contains("name=\"fix\" value=\"timeout_seconds=10\""), "{wrong}");
    let port = [("type", "tcp"), ("url", "127.0.0.1:1"), ("timeout_seconds", "5")];
    assert!(test(port.to_vec()).await.contains("connection refused"));
}

#[tokio::test(flavor = "multi_thread")]
async fn testing_needs_an_editor_and_is_limited() {
    let api = Api::start().await;
    let viewer = Person::made(&api, "vi@example.com", Role::Viewer).await;
    let mut form = http("http://127.0.0.1:1/");
    form.push(("test", "1"));
    assert_eq!(viewer.post("/monitors", &form).await.status, 403);
    let ed = editor(&api).await;
    for _ in 0..30 {
        assert!(ed.post("/monitors", &form).await.text.contains("Would be Down"));
    }
    assert!(ed.post("/monitors", &form).await.text.contains("Too many tests at once."));
    api.clock.advance_ms(60_000);
    assert!(ed.post("/monitors", &form).await.text.contains("Would be Down"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_names_what_is_wrong_and_says_the_rest_in_plain_words() {
    let api = Api::start().await;
    let ed = editor(&api).await;
    let mut form = http("https://a.example/health");
    form.push(("review", "1"));
    let page = ed.post("/monitors", &form).await.text;
    assert!(
        page.contains("We request <b>GET /health</b> every <b>30 s</b> from <b>local</b>."),
        "{page}"
    );
    assert!(page.contains("<b>tell nobody</b>: no channel is ticked."), "{page}");
    form.retain(|(name, _)| *name != "url");
    form.push(("url", "htps://a.example"));
    let page = ed.post("/monitors", &form).await.text;
    assert!(page.contains("value=\"url=https://a.example\""), "{page}");
    assert!(page.contains("1 field needs a fix"), "{page}");
    assert_eq!(monitors(&api).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_has_the_secrets_of_its_model_and_never_shows_them() {
    let api = Api::start().await;
    let ed = editor(&api).await;
    let id = api
        .monitor(json!({"name": "Shop", "headers": {"Authorization": "Bearer S3CRET", "Accept": "*/*"}, "tags": ["a"]}))
        .await;
    let page = ed.get(&format!("/monitors/new?from={id}")).await.text;
    assert!(page.contains("value=\"Copy of Shop\"") && !page.contains("S3CRET"), "{page}");
    let from = id.to_string();
    let mut form = http(&api.silent);
    form.extend([
        ("name", "Twin"),
        ("from", &from),
        ("headers", "Authorization: ***\nAccept: text/html"),
    ]);
    assert_eq!(ed.post("/monitors", &form).await.status, 200, "leads to the new monitor");
    let list = api.admin("GET", "/api/v1/monitors?q=Twin", None).await.data(200);
    let (twin, mut reader) = (list[0]["id"].as_i64().unwrap(), api.db.read().await.unwrap());
    let conn = &mut reader.conn();
    let stored = watchbell::store::monitors::get(conn, &api.sealer, twin).await;
    let stored = stored.unwrap().unwrap().monitor;
    let watchbell::monitor::Target::Http(spec) = &stored.settings.target else {
        panic!("not http")
    };
    let values: Vec<&str> = spec.headers.iter().map(|header| header.value.as_str()).collect();
    assert!(values.contains(&"Bearer S3CRET") && values.contains(&"text/html"), "{values:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_lines_make_several_monitors_or_none() {
    let api = Api::start().await;
    let ed = editor(&api).await;
    let post = async |urls: &str| -> Answer {
        ed.post("/monitors/many", &[("urls", urls), ("tags", "a, b"), ("interval_choice", "300")])
            .await
    };
    let wrong = post("127.0.0.1:5432 Database\nftp://b.example\nhttp://127.0.0.1:1/ok").await;
    assert_eq!(wrong.status, 422);
    assert!(
        wrong.text.contains("Line 2, <code>ftp://b.example</code>: The address starts with ftp:"),
        "{}",
        wrong.text
    );
    assert!(
        wrong.text.contains("1 line cannot be read, so that nothing was made"),
        "{}",
        wrong.text
    );
    assert!(wrong.text.contains("127.0.0.1:5432 Database\n"), "what was typed stays");
    assert_eq!(monitors(&api).await, 0);
    assert_eq!(post("  \n").await.status, 422);
    assert_eq!(post("127.0.0.1:5432 Database\n\nhttp://127.0.0.1:1/ok").await.status, 200);
    let list = api.admin("GET", "/api/v1/monitors?tag=b", None).await.data(200);
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), 2);
    let database = list.iter().find(|m| m["name"] == "Database").unwrap();
    assert_eq!(
        (&database["type"], &database["check_interval_seconds"]),
        (&json!("tcp"), &json!(300))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_added_in_place_and_ticked() {
    let api = Api::start().await;
    let ed = editor(&api).await;
    let mut form = http("https://a.example/health");
    form.extend([("name", "Shop"), ("add_channel", "webhook"), ("new_webhook_url", "nonsense")]);
    let wrong = ed.post("/monitors", &form).await;
    assert_eq!(wrong.status, 422);
    assert!(
        wrong.text.contains("id=\"new_webhook_url-help\"")
            && wrong.text.contains("value=\"nonsense\"")
    );
    assert!(wrong.text.contains("value=\"Shop\""), "the rest of the form stays");
    form.retain(|(name, _)| *name != "new_webhook_url");
    form.push(("new_webhook_url", "http://127.0.0.1:1/hook"));
    let page = ed.post("/monitors", &form).await;
    assert_eq!(page.status, 200, "{}", page.text);
    let channels = api.admin("GET", "/api/v1/channels", None).await.data(200);
    assert_eq!(channels[0]["type"], "webhook");
    assert_eq!(channels[0]["is_default"], true, "the first of all");
    let id = channels[0]["id"].as_i64().unwrap();
    assert!(
        page.text.contains(&format!("name=\"channel_ids\" value=\"{id}\" checked")),
        "{}",
        page.text
    );
    assert!(page.text.contains("tell <b>"), "the plain words name it");
    assert_eq!(monitors(&api).await, 0);
    let mail = [("type", "http"), ("add_channel", "email"), ("new_email_to", "a@example.com")];
    let mail = ed.post("/monitors", &mail).await;
    assert_eq!(mail.status, 422);
    assert!(mail.text.contains("No mail server is set."), "{}", mail.text);
}
