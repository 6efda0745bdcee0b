//! Maintenance windows by the API.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use serde_json::{Value, json};

use crate::support::api::Api;

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_opens_a_window_and_ends_it() {
    let api = Api::start().await;
    let id = api.monitor(json!({})).await;
    let fields = json!({"name": "v2", "monitor_ids": [id], "duration_minutes": 10});
    let made = api.send(&api.editor, "POST", "/api/v1/maintenance-windows", Some(fields)).await;
    let made = made.data(201);
    assert_eq!(made["is_active"], true);
    assert_eq!(made["starts_at"], "2030-01-01T00:00:00.000+00:00");
    assert_eq!(made["ends_at"], "2030-01-01T00:10:00.000+00:00");
    assert_eq!(made["next_starts_at"], Value::Null);
    let monitor = format!("/api/v1/monitors/{id}");
    assert_eq!(api.admin("GET", &monitor, None).await.data(200)["in_maintenance"], true);
    api.clock.advance_ms(60_000);
    let path = format!("/api/v1/maintenance-windows/{}", made["id"]);
    let ended = api.admin("POST", &format!("{path}/end"), None).await.data(200);
    assert_eq!(ended["is_active"], false);
    assert_eq!(ended["ends_at"], "2030-01-01T00:01:00.000+00:00");
    assert_eq!(api.admin("GET", &monitor, None).await.data(200)["in_maintenance"], false);
    assert_eq!(api.admin("DELETE", &path, None).await.status, 204);
    api.admin("POST", &format!("{path}/end"), None).await.problem(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_named() {
    let api = Api::start().await;
    for (fields, wrong) in [
        (json!({}), vec!["ends_at", "monitor_ids"]),
        (json!({"monitor_ids": [99], "duration_minutes": 5}), vec!["monitor_ids"]),
        (json!({"tags": ["a"], "duration_minutes": 0}), vec!["duration_minutes"]),
        (
            json!({"tags": ["a"], "duration_minutes": 5, "ends_at": "2031-01-01T00:00:00Z"}),
            vec!["duration_minutes"],
        ),
        (
            json!({"tags": ["a"], "cron": "0 3 * *", "timezone": "Mars/Base"}),
            vec!["cron", "duration_minutes", "timezone"],
        ),
        (
            json!({"tags": ["a"], "duration_minutes": 5, "cron": "0 3 * * *",
                "starts_at": "2031-01-01T00:00:00Z", "ends_at": "2031-01-01T01:00:00Z"}),
            vec!["ends_at", "starts_at"],
        ),
        (json!({"tags": ["a"], "ends_at": "2031-01-01 00:00"}), vec!["ends_at"]),
    ] {
        let answer = api.admin("POST", "/api/v1/maintenance-windows", Some(fields.clone())).await;
        assert_eq!(answer.wrong_fields(), wrong, "{fields}");
    }
    let all = api.admin("GET", "/api/v1/maintenance-windows", None).await.json();
    assert_eq!(all["meta"]["total"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planned_window_is_changed() {
    let api = Api::start().await;
    let fields = json!({"tags": ["db"], "starts_at": "2030-01-02T02:00:00+01:00",
        "ends_at": "2030-01-02T03:00:00+01:00"});
    let made = api.admin("POST", "/api/v1/maintenance-windows", Some(fields)).await.data(201);
    assert_eq!(made["next_starts_at"], "2030-01-02T01:00:00.000+00:00");
    let path = format!("/api/v1/maintenance-windows/{}", made["id"]);
    let patch = json!({"name": "reindex", "duration_minutes": 30});
    let changed = api.admin("PATCH", &path, Some(patch)).await.data(200);
    assert_eq!(changed["ends_at"], "2030-01-02T01:30:00.000+00:00");
    assert_eq!(changed["tags"], json!(["db"]));
    assert_eq!(changed, api.admin("GET", &path, None).await.data(200));
}

/// What a window named when it was made may be gone by now; that must not keep people from changing the rest.
#[tokio::test(flavor = "multi_thread")]
async fn a_window_outlives_its_monitors() {
    let api = Api::start().await;
    let (gone, kept) = (api.monitor(json!({})).await, api.monitor(json!({})).await);
    let fields = json!({"monitor_ids": [gone, kept], "duration_minutes": 10});
    let made = api.admin("POST", "/api/v1/maintenance-windows", Some(fields)).await.data(201);
    api.admin("DELETE", &format!("/api/v1/monitors/{gone}"), None).await;
    let path = format!("/api/v1/maintenance-windows/{}", made["id"]);
    let left = api.admin("GET", &path, None).await.data(200);
    assert_eq!(left["monitor_ids"], json!([kept]));
    let renamed = api.admin("PATCH", &path, Some(json!({"name": "v3"}))).await.data(200);
    assert_eq!((&renamed["name"], &renamed["monitor_ids"]), (&json!("v3"), &json!([kept])));
    let unknown = api.admin("PATCH", &path, Some(json!({"monitor_ids": [kept, gone]}))).await;
    assert_eq!(unknown.wrong_fields(), ["monitor_ids"], "named anew, it is a mistake");
    api.admin("DELETE", &format!("/api/v1/monitors/{kept}"), None).await;
    let empty = api.admin("GET", &path, None).await.data(200);
    assert_eq!(empty["monitor_ids"], json!([]), "it goes with the monitor");
    let longer = api.admin("PATCH", &path, Some(json!({"duration_minutes": 20}))).await;
    assert_eq!(longer.data(200)["monitor_ids"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_repeats_is_made_ended_and_changed() {
    let api = Api::start().await;
    let fields = json!({"tags": ["db"], "cron": "30 23 * * *", "timezone": "Europe/Riga",
        "duration_minutes": 60});
    let made = api.admin("POST", "/api/v1/maintenance-windows", Some(fields)).await.data(201);
    assert_eq!(made["starts_at"], "2030-01-01T21:30:00.000+00:00");
    assert_eq!(made["next_starts_at"], made["starts_at"]);
    assert_eq!((&made["is_active"], &made["duration_minutes"]), (&json!(false), &json!(60)));
    let path = format!("/api/v1/maintenance-windows/{}", made["id"]);
    let same = api.admin("PATCH", &path, Some(made.clone())).await.data(200);
    assert_eq!(same, made, "what was read may be sent back");
    api.clock.advance_ms((21 * 60 + 40) * 60_000);
    let open = api.admin("GET", &path, None).await.data(200);
    assert_eq!(open["is_active"], true);
    assert_eq!(open["next_starts_at"], "2030-01-02T21:30:00.000+00:00");
    let longer = json!({"ends_at": "2030-01-01T23:00:00Z"});
    let longer = api.admin("PATCH", &path, Some(longer)).await.data(200);
    assert_eq!(longer["ends_at"], "2030-01-01T23:00:00.000+00:00");
    let ended = api.admin("POST", &format!("{path}/end"), None).await.data(200);
    assert_eq!(
        (&ended["is_active"], &ended["starts_at"]),
        (&json!(false), &open["next_starts_at"])
    );
    let moved = api.admin("PATCH", &path, Some(json!({"timezone": "UTC"}))).await.data(200);
    assert_eq!(moved["starts_at"], "2030-01-01T23:30:00.000+00:00");
    let once = json!({"cron": null, "duration_minutes": 5});
    let once = api.admin("PATCH", &path, Some(once)).await.data(200);
    assert_eq!(
        (&once["cron"], &once["ends_at"]),
        (&Value::Null, &json!("2030-01-01T23:35:00.000+00:00"))
    );
}
