//! What is asserted of an answer, from the request that sets it to the alert, and the rows of the form.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use watchbell::monitor::{ErrorKind, Verdict};

use crate::support::api::Api;
use crate::support::app::spawn_app;
use crate::support::stub::{Stub, Told};

/// A 200 that says in its body that it is not well.
const DEGRADED: &str =
    r#"{"status":"degraded","checks":{"database":"error: no slots left","redis":"ok"}}"#;
const OK: &str = r#"{"status":"ok","checks":{"database":"ok","redis":"ok"}}"#;

fn status_is_ok() -> Value {
    json!([{"source": "json", "path": "$.status", "op": "eq", "value": "ok"}])
}

#[tokio::test]
async fn a_200_that_says_it_is_degraded_goes_down_and_is_told_with_its_parts() {
    let (app, target, receiver) = (spawn_app().await, Stub::start().await, Stub::start().await);
    app.webhook(&receiver).await;
    target.answer(200, DEGRADED);
    let fields = json!({"assertions": status_is_ok(), "retries": 0});
    let id = app.monitor(&target, fields).await;
    let text = receiver.wait_for_texts(1).await.remove(0);
    assert_eq!(
        text.lines().nth(1).unwrap(),
        "Error: assertion failed: $.status is \"degraded\", expected \"ok\" | checks.database: error: no slots left"
    );
    let alert = receiver.requests()[0].json();
    assert_eq!(alert["incident"]["cause"], "assertion");
    assert_eq!(alert["check"]["status_code"], 200);
    assert_eq!(alert["check"]["failed_checks"], json!({"checks.database": "error: no slots left"}));

    target.answer(200, OK);
    app.checks(id, 1).await;
    assert!(receiver.wait_for_texts(2).await[1].contains("is back online\nStatus: 200\n"));
    let results = app.results(id, 2).await;
    assert_eq!(results[0].verdict, Verdict::Up);
    assert_eq!(results[1].error.as_ref().unwrap().kind, ErrorKind::Assertion);
    let shown = app.get(&format!("/monitors/{id}/results")).await;
    assert_eq!(shown[1]["error_kind"], "assertion");
    app.stop().await;
}

#[tokio::test]
async fn each_source_is_read_from_the_answer() {
    let (app, target) = (spawn_app().await, Stub::start().await);
    let headers = vec![
        ("Content-Type", "application/json".to_owned()),
        ("X-Cache", "MISS".to_owned()),
        ("X-Cache", "HIT".to_owned()),
    ];
    target.tell(Told::Answer(201, headers, r#"{"queue":{"depth":7},"n":"3"}"#.to_owned()));
    let id = app.monitor(&target, json!({"retries": 0})).await;
    let check = async |assertion: Value| {
        app.patch(&format!("/monitors/{id}"), json!({"assertions": [assertion]})).await;
        let result = app.post(&format!("/monitors/{id}/check")).await;
        let told = result["error"].as_str().unwrap_or_default();
        told.trim_start_matches("assertion failed: ").to_owned()
    };
    for (source, path, op, value, told) in [
        ("json", "$.queue.depth", "lt", json!(10), ""),
        ("json", "$.queue.depth", "gt", json!(10), "$.queue.depth is 7, expected more than 10"),
        ("json", "$..n", "eq", json!(3), ""),
        ("header", "content-TYPE", "contains", json!("json"), ""),
        ("header", "x-cache", "eq", json!("HIT"), ""),
        (
            "header",
            "x-cache",
            "eq",
            json!("STALE"),
            "header x-cache (1 of 2) is \"MISS\", expected \"STALE\"",
        ),
        ("header", "x-gone", "exists", Value::Null, "header x-gone is missing"),
        ("body", "", "matches", json!("depth.:[0-9]"), ""),
        ("status", "", "eq", json!(200), "the status code is 201, expected 200"),
        ("response_ms", "", "lt", json!(120_000), ""),
    ] {
        let assertion = json!({"source": source, "path": path, "op": op, "value": value});
        assert_eq!(check(assertion.clone()).await, told, "{assertion}");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_status_and_a_keyword_are_told_rather_than_an_assertion() {
    let (app, target) = (spawn_app().await, Stub::start().await);
    target.answer(503, DEGRADED);
    let fields = json!({"assertions": status_is_ok(), "keyword": "fine", "retries": 0});
    let id = app.monitor(&target, fields).await;
    let kinds = async |status| {
        target.answer(status, DEGRADED);
        app.post(&format!("/monitors/{id}/check")).await["error_kind"].clone()
    };
    assert_eq!(kinds(503).await, "status");
    assert_eq!(kinds(200).await, "keyword");
    app.patch(&format!("/monitors/{id}"), json!({"keyword": null})).await;
    assert_eq!(kinds(200).await, "assertion");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_names_the_wrong_entry_and_reads_back_what_was_given() {
    let api = Api::start().await;
    let given = json!([
        {"source": "json", "path": "$.status", "op": "eq", "value": "ok"},
        {"source": "header", "path": "X-Cache", "op": "exists", "value": false},
        {"source": "response_ms", "op": "lt", "value": 500},
    ]);
    let id = api.monitor(json!({"assertions": given})).await;
    let path = format!("/api/v1/monitors/{id}");
    let mut expected = given.clone();
    expected[2]["path"] = Value::Null;
    assert_eq!(api.admin("GET", &path, None).await.data(200)["assertions"], expected);

    let wrong = json!([given[0], {"source": "json", "path": "$.a[", "op": "eq", "value": 1}]);
    let problem = api.admin("PATCH", &path, Some(json!({"assertions": wrong}))).await.problem(422);
    let reason = problem["errors"]["assertions"].as_str().unwrap();
    assert!(reason.starts_with("entry 2: path is not a JSONPath: "), "{reason}");

    let renamed = api.admin("PATCH", &path, Some(json!({"name": "x"}))).await.data(200);
    assert_eq!(renamed["assertions"], expected, "a PATCH keeps what it does not name");
    let reset = api.admin("PATCH", &path, Some(json!({"assertions": null}))).await.data(200);
    assert_eq!(reset["assertions"], json!([]));
    let beat = json!({"type": "heartbeat", "name": "j", "period_seconds": 60, "assertions": []});
    let refused = api.admin("POST", "/api/v1/monitors", Some(beat)).await;
    assert_eq!(refused.wrong_fields(), ["assertions"]);
}
