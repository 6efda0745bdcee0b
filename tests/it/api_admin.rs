//! Users and tokens by the API.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use serde_json::json;

use crate::support::api::Api;

#[tokio::test(flavor = "multi_thread")]
async fn users_are_made_changed_and_removed_but_an_admin_stays() {
    let api = Api::start().await;
    let ann = json!({"email": "Ann@Example.com", "password": "long enough", "role": "admin"});
    let made = api.admin("POST", "/api/v1/users", Some(ann)).await;
    assert!(!made.text.contains("long enough") && !made.text.contains("argon2"));
    let ann = format!("/api/v1/users/{}", made.data(201)["id"]);
    let twice = json!({"email": "ann@example.COM", "password": "long enough"});
    let refused = api.admin("POST", "/api/v1/users", Some(twice)).await;
    assert_eq!(refused.wrong_fields(), ["email"]);
    let wrong = json!({"email": "nobody", "password": "short", "role": "god", "name": "x"});
    let refused = api.admin("POST", "/api/v1/users", Some(wrong)).await;
    assert_eq!(refused.wrong_fields(), ["email", "name", "password", "role"]);
    let refused = api.admin("POST", "/api/v1/users", Some(json!({}))).await;
    assert_eq!(refused.wrong_fields(), ["email", "password"]);

    api.admin("DELETE", &ann, None).await.problem(409);
    api.admin("PATCH", &ann, Some(json!({"role": "viewer"}))).await.problem(409);
    let bob = json!({"email": "bob@example.com", "password": "long enough"});
    let bob = api.admin("POST", "/api/v1/users", Some(bob)).await.data(201);
    assert_eq!(bob["role"], "viewer");
    let bob = format!("/api/v1/users/{}", bob["id"]);
    let changed = api.admin("PATCH", &bob, Some(json!({"role": "admin"}))).await.data(200);
    assert_eq!(changed["role"], "admin");
    assert_eq!(api.admin("DELETE", &ann, None).await.status, 204);
    api.admin("GET", &ann, None).await.problem(404);
    api.admin("DELETE", &bob, None).await.problem(409);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tokens_secret_is_shown_once() {
    let api = Api::start().await;
    let fields = json!({"name": "ci", "role": "editor"});
    let made = api.admin("POST", "/api/v1/tokens", Some(fields)).await.data(201);
    let path = format!("/api/v1/tokens/{}", made["id"]);
    let read = api.admin("GET", &path, None).await;
    assert!(!read.text.contains("wbt_"), "{}", read.text);
    let changed = api.admin("PATCH", &path, Some(json!({"role": "viewer"}))).await.data(200);
    assert_eq!((changed["name"].as_str(), changed["role"].as_str()), (Some("ci"), Some("viewer")));
    let secret = made["token"].as_str().unwrap();
    api.send(secret, "POST", "/api/v1/monitors", Some(json!({}))).await.problem(403);
    let wrong = json!({"name": "a\u{0}", "role": "root", "scope": "all"});
    let refused = api.admin("POST", "/api/v1/tokens", Some(wrong)).await;
    assert_eq!(refused.wrong_fields(), ["name", "role", "scope"]);
}
