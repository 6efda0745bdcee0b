//! The pages of one thing: a channel that fails and its deliveries, an incident, a monitor's checks, planned work.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use serde_json::{Value, json};
use watchbell::account::{Role, session, user};

use crate::support::api::{Answer, Api, START, answering};
use crate::support::eventually;

const HEALTH: &str =
    r#"{"status":"fail","checks":{"database":"error: <b>no</b> slots","redis":"ok"}}"#;

struct Seen {
    api: Api,
    cookie: String,
}

impl Seen {
    async fn start() -> Self {
        let api = Api::start().await;
        let (db, passwords) = (&api.db, api.logins.passwords());
        let made = user::create(db, passwords, "a@example.com", "long enough", Role::Admin, START);
        let token = session::begin(db, made.await.unwrap().id, START).await.unwrap();
        let cookie = format!("{}={token}", session::COOKIE);
        Self { api, cookie }
    }

    async fn page(&self, path: &str) -> String {
        let answer =
            Api::answer(self.api.request("GET", path).header("cookie", &self.cookie)).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.text
    }

    async fn post(&self, path: &str, pairs: &[(&str, &str)], part: bool) -> Answer {
        let mut request = self.api.request("POST", path).header("cookie", &self.cookie);
        if part {
            request = request.header("x-part", "1");
        }
        let url = reqwest::Url::parse_with_params("http://x/", pairs).unwrap();
        let body = url.query().unwrap_or_default().to_owned();
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        Api::answer(request.body(body)).await
    }

    async fn list(&self, path: &str) -> Vec<Value> {
        let found = self.api.admin("GET", &format!("/api/v1{path}"), None).await.data(200);
        found.as_array().unwrap().clone()
    }

    /// Waits until a list has something.
    async fn until(&self, path: &str) -> Vec<Value> {
        eventually(Duration::from_secs(30), || async {
            Some(self.list(path).await).filter(|found| !found.is_empty())
        })
        .await
    }
}

fn has(page: &str, parts: &[&str]) {
    for part in parts {
        assert!(page.contains(part), "{part:?} is not in {page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_on_a_channel_that_is_gone_is_told_on_every_page_that_it_concerns() {
    let seen = Seen::start().await;
    let url = format!("{}hooks/s3cr3t", answering(410, "no <i>such</i> hook"));
    let channel = json!({"type": "mattermost", "name": "Ops", "url": url, "is_default": true});
    seen.api.admin("POST", "/api/v1/channels", Some(channel)).await.data(201);
    let id = seen
        .api
        .monitor(
            json!({"name": "Shop", "url": answering(503, HEALTH), "retries": 0, "tags": ["pay"]}),
        )
        .await;
    let failed = seen.until("/deliveries?state=failed").await;
    let delivery = failed[0]["id"].as_i64().unwrap();

    let channels = seen.page("/channels").await;
    has(&channels, &["Failing", "1 monitor<", "1 monitor has no other channel that works"]);
    has(&channels, &["Its address is gone at the far end", "no &#60;i&#62;such&#60;/i&#62; hook"]);
    let open = seen.page(&format!("/channels?state=failed&open={delivery}")).await;
    has(&open, &["POST ***", "Sent once, not tried again", ">410</mark>", "Send again"]);
    let alone = seen.page(&format!("/deliveries/{delivery}")).await;
    has(&alone, &["POST ***", "is DOWN", "checks.database"]);
    assert!(!alone.contains("s3cr3t") && !open.contains("s3cr3t"));
    let again = seen.post(&format!("/deliveries/{delivery}/retry"), &[], false).await;
    assert_eq!(again.status, 200, "{}", again.text);
    assert!(again.text.contains("Down to Ops"), "the page of the delivery");

    let incident = seen.until("/incidents?state=open").await[0]["id"].as_i64().unwrap();
    let story = seen.page(&format!("/incidents/{incident}")).await;
    has(&story, &["Confirmed in", "First alert", "Told 1 channel", "seen from local"]);
    has(
        &story,
        &["503 · checks.database", "error: &#60;b&#62;no&#60;/b&#62; slots", "Uptime, 30 days"],
    );

    let result = seen.list(&format!("/monitors/{id}/results")).await[0]["id"].as_i64().unwrap();
    let checks = seen.page(&format!("/monitors/{id}/checks?open={result}")).await;
    has(&checks, &["HTTP 503", "<mark>checks.database</mark>", "Copy as curl", "curl -sSLi -m 10"]);
    let raw = ["<details class=\"raw\" open>", "HTTP/1.1 503 Service Unavailable\ncontent-length:"];
    has(&checks, &raw);
    has(&checks, &["error: &#60;b&#62;no&#60;/b&#62; slots&#34;,&#34;redis"]);
    has(&story, &["<details class=\"raw\">", "&#34;redis&#34;:&#34;ok&#34;"]);
    let csv = seen.page(&format!("/monitors/{id}/checks.csv")).await;
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].starts_with("started_at,region,verdict,status_code"), "{csv}");
    assert_eq!(lines.len(), 1 + seen.list(&format!("/monitors/{id}/results")).await.len());
    assert!(lines[1].contains("\"local\",down,503,"), "{csv}");
    let page = seen.page(&format!("/monitors/{id}?checks=failed")).await;
    has(
        &page,
        &["Recent checks", &format!("/monitors/{id}/checks?open={result}#c-{result}"), "data-days"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_says_what_it_means_before_it_is_saved() {
    let seen = Seen::start().await;
    for name in ["Shop", "Search"] {
        seen.api.monitor(json!({"name": name, "tags": ["edge"]})).await;
    }
    let other = json!({"name": "Swap <b>", "tags": ["edge"], "starts_at": "2030-01-04T21:30:00Z", "duration_minutes": 60});
    seen.api.admin("POST", "/api/v1/maintenance-windows", Some(other)).await.data(201);
    let form = [
        ("name", "CDN certificate"),
        ("tags", "edge"),
        ("repeats", "weekly"),
        ("starts_at", "2030-01-04T22:00"),
        ("ends_at", "2030-01-04T23:00"),
        ("timezone", "Europe/Berlin"),
    ];
    let told = seen.post("/maintenance/preview", &form, true).await;
    assert_eq!(told.status, 200, "{}", told.text);
    has(&told.text, &["21:00 to 22:00 UTC", "2 monitors now", "/monitors?tag=edge"]);
    has(&told.text, &["Fri 4 Jan, 22:00 to 23:00 · 21:00 UTC", "Fri 11 Jan, 22:00 to 23:00"]);
    has(&told.text, &["Overlaps Swap &#60;b&#62;", "2 monitors of both", "Schedule for Fri 22:00"]);
    assert_eq!(seen.list("/maintenance-windows").await.len(), 1, "nothing was saved");

    let whole = seen.post("/maintenance/preview", &form, false).await;
    has(
        &whole.text,
        &["<!DOCTYPE html>", "value=\"CDN certificate\"", "Fri 18 Jan, 22:00 to 23:00"],
    );
    let wrong = seen
        .post("/maintenance/preview", &[("timezone", "Mars/<b>"), ("tags", "edge")], true)
        .await;
    has(&wrong.text, &["The time zone must be the name of a time zone"]);

    let saved = seen.post("/maintenance", &form, false).await;
    assert_eq!(saved.status, 200, "{}", saved.text);
    has(
        &saved.text,
        &["2 monitors", "tag edge", "then 11 Jan, 18 Jan", "31 December to 13 January"],
    );
    let month = seen.page("/maintenance?view=month&from=2030-01-09").await;
    has(&month, &["January 2030", "2 windows from January 2030"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_tried_before_it_is_saved() {
    let seen = Seen::start().await;
    let url = answering(200, "ok");
    let good = [("url", url.as_str()), ("name", "Hook"), ("method", "POST")];
    let told = seen.post("/channels/new/webhook/try", &good, true).await;
    has(&told.text, &["Test delivered in", "The answer was 200 ok."]);
    let wrong = seen.post("/channels/new/webhook/try", &[("url", "ftp://x")], true).await;
    has(&wrong.text, &["URL starts with ftp:, but must start with http"]);
    assert_eq!(seen.list("/channels").await.len(), 0, "nothing was saved");
    let whole = seen.post("/channels/new/webhook/try", &good, false).await;
    has(
        &whole.text,
        &["<!DOCTYPE html>", "Test delivered in", "value=\"Hook\"", "What it will look like"],
    );
}
