//! Every kind of error is problem+json, and nothing is half done.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use serde_json::json;

use crate::support::api::Api;

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_not_what_they_should_be() {
    let api = Api::start().await;
    let post = |kind: &'static str, body: Vec<u8>| {
        let request = api.request("POST", "/api/v1/monitors").bearer_auth(&api.admin);
        Api::answer(request.header("content-type", kind).body(body))
    };
    post("application/json", b"{\"url\": ".to_vec()).await.problem(400);
    post("application/json", b"\xff\xfe".to_vec()).await.problem(400);
    post("application/json", Vec::new()).await.problem(400);
    post("application/json", "[".repeat(100_000).into_bytes()).await.problem(400);
    post("text/plain", b"{}".to_vec()).await.problem(415);
    post("application/x-www-form-urlencoded", b"url=x".to_vec()).await.problem(415);
    post("application/json", b"[]".to_vec()).await.problem(422);
    post("application/json", b"\"text\"".to_vec()).await.problem(422);
    let long = format!("{{\"url\": \"{}\"}}", "x".repeat(1 << 20));
    post("application/json", long.into_bytes()).await.problem(413);
    let kind = "application/json; charset=utf-8";
    let made = post(kind, json!({"url": api.silent}).to_string().into_bytes()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let all = api.admin("GET", "/api/v1/monitors", None).await.json();
    assert_eq!(all["meta"]["total"], 1, "the others left nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_are_not_there() {
    let api = Api::start().await;
    for path in [
        "/api/v1/",
        "/api/v1/nothing",
        "/api/v1/monitors/7",
        "/api/v1/monitors/x",
        "/api/v1/monitors/99999999999999999999",
        "/api/v1/heartbeats/7",
        "/api/v1/monitors/7/results",
        "/api/v1/monitors/7/pings/1/body",
        "/api/v1/incidents/7",
        "/api/v1/maintenance-windows/7",
        "/api/v1/tokens/700",
        "/api/v1/users/7",
    ] {
        api.admin("GET", path, None).await.problem(404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_that_an_address_does_not_have() {
    let api = Api::start().await;
    for (method, path, allow) in [
        ("DELETE", "/api/v1/monitors", "GET, POST, HEAD"),
        ("PUT", "/api/v1/monitors/1", "GET, PATCH, DELETE, HEAD"),
        ("GET", "/api/v1/monitors/1/pause", "POST"),
        ("POST", "/api/v1/status", "GET, HEAD"),
    ] {
        let answer = api.admin(method, path, None).await;
        answer.problem(405);
        assert_eq!(answer.header("allow"), allow, "{method} {path}");
    }
    let head = api.admin("HEAD", "/api/v1/monitors", None).await;
    assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_field_is_named_at_once() {
    let api = Api::start().await;
    let wrong = json!({
        "url": "example.com", "name": 7, "check_interval_seconds": 0, "timeout_seconds": "10",
        "expected_status": "2xx", "headers": [], "retries": -1, "tags": "a", "channel_ids": [99],
        "interval": 60, "follow_redirects": "yes", "method": "G T",
    });
    let answer = api.admin("POST", "/api/v1/monitors", Some(wrong.clone())).await;
    let mut names: Vec<&String> = wrong.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(answer.wrong_fields().iter().collect::<Vec<_>>(), names);
    let all = api.admin("GET", "/api/v1/monitors", None).await.json();
    assert_eq!(all["meta"]["total"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_are_read_with_care() {
    let api = Api::start().await;
    for (query, wrong) in [
        ("page=0", vec!["page"]),
        ("per_page=201", vec!["per_page"]),
        ("page=x&per_page=-1&colour=red", vec!["colour", "page", "per_page"]),
        ("status=sad", vec!["status"]),
        ("type=tcpp", vec!["type"]),
        ("q=%00", vec!["q"]),
    ] {
        let answer = api.admin("GET", &format!("/api/v1/monitors?{query}"), None).await;
        assert_eq!(answer.wrong_fields(), wrong, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_have_edges() {
    let api = Api::start().await;
    for n in 0..5 {
        api.monitor(json!({"name": format!("m{n}")})).await;
    }
    for (query, rows, current_page, per_page) in [
        ("", 5, 1, 20),
        ("?per_page=2", 2, 1, 2),
        ("?per_page=2&page=3", 1, 3, 2),
        ("?per_page=2&page=4", 0, 4, 2),
        ("?page=9223372036854775807&per_page=200", 0, i64::MAX, 200),
    ] {
        let answer = api.admin("GET", &format!("/api/v1/monitors{query}"), None).await;
        assert_eq!(answer.data(200).as_array().unwrap().len(), rows, "{query}");
        let meta = &answer.json()["meta"];
        let expected = json!({"current_page": current_page, "per_page": per_page, "total": 5});
        assert_eq!(*meta, expected, "{query}");
    }
}
