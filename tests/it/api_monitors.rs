//! Monitors and heartbeats by the API.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use serde_json::{Value, json};

use crate::support::api::{Api, answering};

#[tokio::test(flavor = "multi_thread")]
async fn a_monitor_is_made_with_its_defaults_and_read_back() {
    let api = Api::start().await;
    let answer = api.admin("POST", "/api/v1/monitors", Some(json!({"url": api.silent}))).await;
    let made = answer.data(201);
    let id = made["id"].as_i64().unwrap();
    assert_eq!(answer.header("location"), format!("/api/v1/monitors/{id}"));
    for (field, value) in [
        ("type", json!("http")),
        ("name", json!("127.0.0.1")),
        ("method", json!("GET")),
        ("check_interval_seconds", json!(60)),
        ("timeout_seconds", json!(10)),
        ("expected_status", json!("200-299")),
        ("retries", json!(1)),
        ("retry_interval_seconds", json!(5)),
        ("headers", json!({})),
        ("keyword", Value::Null),
        ("current_status", json!("pending")),
        ("in_maintenance", json!(false)),
        ("confirming", json!(false)),
        ("late", json!(false)),
        ("last_checked_at", Value::Null),
        ("created_at", json!("2030-01-01T00:00:00.000+00:00")),
    ] {
        assert_eq!(made[field], value, "{field}");
    }
    let mut read = api.admin("GET", &format!("/api/v1/monitors/{id}"), None).await.data(200);
    let uptime = read.as_object_mut().unwrap().remove("uptime").unwrap();
    assert_eq!(uptime, json!({"24h": null, "7d": null, "30d": null, "90d": null}));
    assert_eq!(read, made);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_keeps_what_it_does_not_name_and_null_is_the_default() {
    let api = Api::start().await;
    let id = api
        .monitor(json!({"retries": 7, "timeout_seconds": 30,
            "keyword": "ok", "expected_status_code": 204}))
        .await;
    let path = format!("/api/v1/monitors/{id}");
    api.clock.advance_ms(1000);
    let patch = json!({"timeout_seconds": null, "name": "shop", "type": "http"});
    let changed = api.admin("PATCH", &path, Some(patch)).await.data(200);
    assert_eq!(changed["timeout_seconds"], 10);
    assert_eq!(changed["retries"], 7);
    assert_eq!(changed["keyword"], "ok");
    assert_eq!(changed["expected_status"], "204");
    assert_eq!(changed["name"], "shop");
    assert_eq!(changed["updated_at"], "2030-01-01T00:00:01.000+00:00");
    let refused = api.admin("PATCH", &path, Some(json!({"url": null, "retries": 101}))).await;
    assert_eq!(refused.wrong_fields(), ["retries", "url"]);
    let refused = json!({"type": "heartbeat", "retries": 101});
    let refused = api.admin("PATCH", &path, Some(refused)).await;
    assert_eq!(refused.wrong_fields(), ["retries", "type"]);
    assert_eq!(api.admin("GET", &path, None).await.data(200)["retries"], 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn secret_headers_read_as_stars_which_keep_them() {
    let api = Api::start().await;
    let id = api
        .monitor(json!({
            "headers": {"Authorization": "Bearer s3cret", "Accept": "text/html"}}))
        .await;
    let path = format!("/api/v1/monitors/{id}");
    let read = api.admin("GET", &path, None).await;
    assert!(!read.text.contains("s3cret"));
    let headers = read.data(200)["headers"].clone();
    assert_eq!(headers, json!({"Authorization": "***", "Accept": "text/html"}));
    let back = json!({"headers": headers});
    assert_eq!(api.admin("PATCH", &path, Some(back)).await.status, 200);
    let stored =
        watchbell::store::monitors::get(&mut api.db.read().await.unwrap().conn(), &api.sealer, id)
            .await
            .unwrap()
            .unwrap();
    let watchbell::monitor::Target::Http(spec) = &stored.monitor.settings.target else {
        panic!("an HTTP monitor")
    };
    assert!(spec.headers.iter().any(|h| h.value == "Bearer s3cret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_may_be_anything_but_nul() {
    let api = Api::start().await;
    for name in ["ü 🔔 <script>alert(1)</script> '\" ; DROP TABLE monitors", &"x".repeat(10_000)]
    {
        let id = api.monitor(json!({"name": name})).await;
        let read = api.admin("GET", &format!("/api/v1/monitors/{id}"), None).await.data(200);
        assert_eq!(read["name"], name);
    }
    for name in [json!("a\u{0}b"), json!("x".repeat(10_001)), json!("  "), json!(["a"])] {
        let fields = json!({"url": "https://example.com", "name": name});
        let answer = api.admin("POST", "/api/v1/monitors", Some(fields)).await;
        assert_eq!(answer.wrong_fields(), ["name"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heartbeat_shows_its_ping_url_and_window() {
    let api = Api::start().await;
    let fields = json!({"name": "backup", "period_seconds": 60, "grace_seconds": 30});
    let made = api.admin("POST", "/api/v1/heartbeats", Some(fields)).await.data(201);
    let uuid = made["uuid"].as_str().unwrap();
    let url = format!("http://watch.example.com/api/heartbeats/{uuid}/ping");
    assert_eq!(made["ping_url"], url);
    assert_eq!(made["last_ping_at"], Value::Null);
    assert_eq!(made["type"], "heartbeat");
    let pinged =
        Api::answer(api.request("POST", &format!("/api/heartbeats/{uuid}/ping")).body("log")).await;
    assert_eq!((pinged.status.as_u16(), pinged.text.as_str()), (200, "OK"));
    let id = &made["id"];
    let path = format!("/api/v1/monitors/{id}");
    let read = api.admin("GET", &path, None).await.data(200);
    assert_eq!(read["current_status"], "up");
    assert_eq!(read["last_ping_at"], "2030-01-01T00:00:00.000+00:00");
    assert_eq!(read["next_due_at"], "2030-01-01T00:01:00.000+00:00");
    assert_eq!(read["deadline_at"], "2030-01-01T00:01:30.000+00:00");
    assert_eq!(read, api.admin("GET", &format!("/api/v1/heartbeats/{id}"), None).await.data(200));
    let pings = api.admin("GET", &format!("{path}/pings"), None).await.data(200);
    assert_eq!(pings[0]["n"], 1);
    assert_eq!(pings[0]["kind"], "success");
    assert_eq!(pings[0]["body_bytes"], 3);
    let body = api.admin("GET", &format!("{path}/pings/1/body"), None).await;
    assert_eq!(body.text, "log");
    assert_eq!(body.header("content-type"), "application/octet-stream");
    assert_eq!(body.header("x-content-type-options"), "nosniff");
    api.admin("GET", &format!("{path}/pings/2/body"), None).await.problem(404);
    api.admin("POST", &format!("{path}/check"), None).await.problem(409);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_job_opens_an_incident_that_is_taken_noted_and_resolved() {
    let api = Api::start().await;
    let fields = json!({"name": "backup", "period_seconds": 60});
    let made = api.admin("POST", "/api/v1/heartbeats", Some(fields)).await.data(201);
    let ping = made["ping_url"].as_str().unwrap().replace("http://watch.example.com", "");
    Api::answer(api.request("GET", &format!("{ping}/2"))).await;
    let open = api.admin("GET", "/api/v1/incidents?state=open", None).await.data(200);
    assert_eq!(open.as_array().unwrap().len(), 1, "{open}");
    assert_eq!(open[0]["cause"], "reported_failure");
    assert_eq!(open[0]["summary"], "Reported failure: exit status 2");
    assert_eq!(open[0]["monitor_id"], made["id"]);
    let path = format!("/api/v1/incidents/{}", open[0]["id"]);
    let taken = api.send(&api.editor, "POST", &format!("{path}/acknowledge"), None).await;
    let taken = taken.data(200);
    assert_eq!(taken["state"], "acknowledged");
    assert_eq!(taken["acknowledged_by"], "editor");
    let again = api.admin("POST", &format!("{path}/acknowledge"), None).await.data(200);
    assert_eq!(again["acknowledged_by"], "editor", "twice changes nothing");
    let unresolved = api.admin("GET", "/api/v1/incidents?state=open", None).await.json();
    assert_eq!(unresolved["meta"]["total"], 1, "taken is still open");
    let comment = json!({"text": "the disk is full"});
    let noted = api.admin("POST", &format!("{path}/comments"), Some(comment)).await.data(200);
    assert!(noted["timeline"].is_array());
    let empty = api.admin("POST", &format!("{path}/comments"), Some(json!({}))).await;
    assert_eq!(empty.wrong_fields(), ["text"]);
    api.clock.advance_ms(5000);
    Api::answer(api.request("GET", &ping)).await;
    let over = api.admin("GET", &path, None).await.data(200);
    assert_eq!(
        (over["state"].as_str(), over["duration_seconds"].as_i64()),
        (Some("resolved"), Some(5))
    );
    let none = api.admin("GET", "/api/v1/incidents?state=open", None).await.json();
    assert_eq!(none["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn heartbeats_are_monitors_but_not_the_other_way_round() {
    let api = Api::start().await;
    let http = api.monitor(json!({})).await;
    let path = format!("/api/v1/heartbeats/{http}");
    for method in ["GET", "DELETE"] {
        api.admin(method, &path, None).await.problem(404);
    }
    let fields = json!({"type": "http", "url": "https://example.com"});
    let answer = api.admin("POST", "/api/v1/heartbeats", Some(fields)).await;
    assert_eq!(answer.wrong_fields(), ["type"]);
    let fields = json!({"type": "heartbeat", "name": "job", "period_seconds": 60});
    let made = api.admin("POST", "/api/v1/monitors", Some(fields)).await.data(201);
    assert_eq!(made["grace_seconds"], 60);
    let list = api.admin("GET", "/api/v1/heartbeats", None).await.json();
    assert_eq!(list["meta"]["total"], 1);
    let wrong = json!({"name": "job", "period_seconds": 60, "url": "https://example.com"});
    let answer = api.admin("POST", "/api/v1/heartbeats", Some(wrong)).await;
    assert_eq!(answer.wrong_fields(), ["url"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pause_resume_and_delete() {
    let api = Api::start().await;
    let id = api.monitor(json!({"headers": {"A": "b"}})).await;
    let path = format!("/api/v1/monitors/{id}");
    let paused = api.admin("POST", &format!("{path}/pause"), None).await.data(200);
    assert_eq!(paused["current_status"], "paused");
    assert_eq!(paused["headers"], json!({"A": "b"}));
    api.admin("POST", &format!("{path}/check"), None).await.problem(409);
    let resumed = api.admin("POST", &format!("{path}/resume"), Some(json!({}))).await.data(200);
    assert_eq!(resumed["current_status"], "pending");
    let wrong = api.admin("POST", &format!("{path}/pause"), Some(json!({"for": 5}))).await;
    assert_eq!(wrong.wrong_fields(), ["for"]);
    let gone = api.admin("DELETE", &path, None).await;
    assert_eq!((gone.status.as_u16(), gone.text.as_str()), (204, ""));
    api.admin("DELETE", &path, None).await.problem(404);
    api.admin("GET", &path, None).await.problem(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_on_demand_answers_with_what_it_found() {
    let api = Api::start().await;
    let id = api.monitor(json!({"url": answering(503, "{\"status\": \"error\"}")})).await;
    let path = format!("/api/v1/monitors/{id}");
    let found = api.admin("POST", &format!("{path}/check"), None).await.data(200);
    assert_eq!(found["verdict"], "down");
    assert_eq!(found["status_code"], 503);
    assert_eq!(found["error_kind"], "status");
    assert_eq!(found["in_maintenance"], false);
    let results = api.admin("GET", &format!("{path}/results"), None).await.data(200);
    assert_eq!(results[0]["verdict"], "down");
    assert!(results[0]["phases"]["total"].is_u64(), "{results}");
    let read = api.admin("GET", &path, None).await.data(200);
    assert_eq!(read["last_result"]["status_code"], 503);
    assert!(read["last_checked_at"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered() {
    let api = Api::start().await;
    api.monitor(json!({"name": "shop", "tags": ["tier-1"]})).await;
    api.monitor(json!({"name": "100% ÄRGER"})).await;
    api.monitor(json!({"type": "heartbeat", "name": "nightly", "period_seconds": 60})).await;
    for (query, names) in [
        ("type=http", vec!["shop", "100% ÄRGER"]),
        ("type=heartbeat", vec!["nightly"]),
        ("tag=tier-1", vec!["shop"]),
        ("q=%C3%A4rger", vec!["100% ÄRGER"]),
        ("q=100%25", vec!["100% ÄRGER"]),
        ("q=HEALTH&status=pending", vec!["shop", "100% ÄRGER"]),
        ("status=down", vec![]),
    ] {
        let list = api.admin("GET", &format!("/api/v1/monitors?{query}"), None).await.data(200);
        let found: Vec<&str> =
            list.as_array().unwrap().iter().map(|m| m["name"].as_str().unwrap()).collect();
        assert_eq!(found, names, "{query}");
    }
    let status = api.admin("GET", "/api/v1/status", None).await.data(200);
    assert_eq!((status["pending"].as_i64(), status["total"].as_i64()), (Some(3), Some(3)));
}
