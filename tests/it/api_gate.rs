//! Who may do what, how often, and what every answer carries.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use serde_json::json;
use watchbell::account::{Role, session, user};

use crate::support::api::{Api, START};

#[tokio::test(flavor = "multi_thread")]
async fn without_a_valid_token_nothing_is_shown() {
    let api = Api::start().await;
    let nobody = Api::answer(api.request("GET", "/api/v1/monitors")).await;
    nobody.problem(401);
    assert!(nobody.header("www-authenticate").starts_with("Bearer"));
    for header in ["Bearer wbt_unknown", "Bearer ", "Basic YTpi", "wbt_x"] {
        let request = api.request("GET", "/api/v1/monitors").header("authorization", header);
        Api::answer(request).await.problem(401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_may_what_the_contract_says() {
    let api = Api::start().await;
    let window = json!({"tags": ["a"], "duration_minutes": 5});
    for (method, path, body, least) in [
        ("GET", "/api/v1/monitors", None, Role::Viewer),
        ("GET", "/api/v1/status", None, Role::Viewer),
        ("POST", "/api/v1/maintenance-windows", Some(window), Role::Editor),
        ("GET", "/api/v1/tokens", None, Role::Admin),
        ("GET", "/api/v1/users", None, Role::Admin),
    ] {
        let tokens =
            [(&api.viewer, Role::Viewer), (&api.editor, Role::Editor), (&api.admin, Role::Admin)];
        for (token, role) in tokens {
            let answer = api.send(token, method, path, body.clone()).await;
            if role >= least {
                assert!(answer.status.is_success(), "{role} {method} {path}: {}", answer.text);
            } else {
                let problem = answer.problem(403);
                assert!(problem["detail"].as_str().unwrap().contains(least.as_str()));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_is_looked_at_before_the_body() {
    let api = Api::start().await;
    let request = api.request("POST", "/api/v1/monitors").bearer_auth(&api.viewer).body("{");
    Api::answer(request).await.problem(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_is_refused_at_once() {
    let api = Api::start().await;
    let made = api.admin("POST", "/api/v1/tokens", Some(json!({"name": "ci"}))).await.data(201);
    let secret = made["token"].as_str().unwrap();
    assert!(secret.starts_with("wbt_"));
    assert_eq!(api.send(secret, "GET", "/api/v1/status", None).await.status, 200);
    let path = format!("/api/v1/tokens/{}", made["id"]);
    assert_eq!(api.admin("DELETE", &path, None).await.status, 204);
    api.send(secret, "GET", "/api/v1/status", None).await.problem(401);
    api.admin("DELETE", &path, None).await.problem(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_may_make_600_requests_a_minute() {
    let api = Api::start().await;
    for _ in 0..600 {
        assert_eq!(api.send(&api.viewer, "GET", "/api/v1/regions", None).await.status, 200);
    }
    let refused = api.send(&api.viewer, "GET", "/api/v1/regions", None).await;
    refused.problem(429);
    let wait: i64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=61).contains(&wait), "{wait}");
    assert_eq!(api.admin("GET", "/api/v1/regions", None).await.status, 200, "others go on");
    api.clock.advance_ms(wait * 1000);
    assert_eq!(api.send(&api.viewer, "GET", "/api/v1/regions", None).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_works_from_our_own_pages_only() {
    let api = Api::start().await;
    let (db, passwords) = (&api.db, api.logins.passwords());
    let made = user::create(db, passwords, "a@example.com", "long enough", Role::Admin, START)
        .await
        .unwrap();
    let token = session::begin(db, made.id, START).await.unwrap();
    let cookie = format!("{}={token}", session::COOKIE);
    let window = json!({"tags": ["a"], "duration_minutes": 5});
    let send = async |name: &str, value: &str| {
        let request = api.request("POST", "/api/v1/maintenance-windows").json(&window);
        Api::answer(request.header("cookie", &cookie).header(name, value)).await.status.as_u16()
    };
    assert_eq!(send("sec-fetch-site", "same-origin").await, 201);
    assert_eq!(send("sec-fetch-site", "cross-site").await, 403);
    assert_eq!(send("origin", "https://evil.example").await, 403);
    assert_eq!(send("origin", "http://watch.example.com").await, 201);
    let own = api.base.clone();
    assert_eq!(send("origin", &own).await, 201);
    assert_eq!(send("authorization", "Basic YTpi").await, 201, "a proxy's, not ours");
    assert_eq!(send("authorization", "Bearer wbt_unknown").await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_carries_the_security_headers() {
    let api = Api::start().await;
    for path in ["/healthz", "/api/docs", "/api/v1/openapi.json", "/api/v1/monitors", "/nowhere"] {
        let answer = Api::answer(api.request("GET", path)).await;
        assert!(answer.header("content-security-policy").contains("default-src 'self'"), "{path}");
        assert!(!answer.header("content-security-policy").contains("unsafe"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_the_api_are_not_kept_on_the_way() {
    let api = Api::start().await;
    for path in ["/api/v1/monitors", "/api/v1/nothing"] {
        assert_eq!(api.admin("GET", path, None).await.header("cache-control"), "no-store");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_pages_need_no_token() {
    let api = Api::start().await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(Api::answer(api.request("GET", path)).await.status, 200);
        assert_eq!(Api::answer(api.request("HEAD", path)).await.status, 200);
    }
    api.db.close().await;
    let answer = Api::answer(api.request("GET", "/readyz")).await;
    assert_eq!(answer.status, 503);
    assert!(answer.json()["checks"]["database"].is_string(), "{}", answer.text);
    assert_eq!(Api::answer(api.request("GET", "/healthz")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_that_do_not_get_their_turn_show() {
    let api = Api::start_with(|config| config.check_permits = 1).await;
    for _ in 0..2 {
        api.monitor(json!({"timeout_seconds": 60})).await;
    }
    assert_eq!(Api::answer(api.request("GET", "/readyz")).await.status, 200);
    api.clock.advance_ms(90_000);
    let answer = Api::answer(api.request("GET", "/readyz")).await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert_eq!(answer.json()["checks"]["checker"], "error: 90 s late");
}
