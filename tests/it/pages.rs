//! Pages as a browser, or whoever asks for one, gets them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use watchbell::account::{Role, session, user};

use crate::support::api::{Api, START};

/// A cookie of somebody who is signed in as an admin.
async fn signed_in(api: &Api) -> String {
    let (db, passwords) = (&api.db, api.logins.passwords());
    let made = user::create(db, passwords, "a@example.com", "long enough", Role::Admin, START);
    let token = session::begin(db, made.await.unwrap().id, START).await.unwrap();
    format!("{}={token}", session::COOKIE)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_answered_with_a_page() {
    let api = Api::start().await;
    let cookie = signed_in(&api).await;
    let form = "application/x-www-form-urlencoded";
    for (method, path, content_type, body, status) in [
        ("GET", "/monitors/x", form, "", 404),
        ("GET", "/incidents/99999999999999999999", form, "", 404),
        ("GET", "/monitors/1/pings/x", form, "", 404),
        ("GET", "/events?rows=x", form, "", 400),
        ("POST", "/login", form, "email=a", 400),
        ("POST", "/theme", form, "", 400),
        ("POST", "/monitors", "application/json", "{}", 415),
    ] {
        let request = api.request(method, path).header("cookie", &cookie);
        let request = request.header("content-type", content_type).body(body);
        let answer = Api::answer(request).await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert!(answer.header("content-type").starts_with("text/html"), "{method} {path}");
        assert!(answer.text.starts_with("<!DOCTYPE html>"), "{method} {path}: {}", answer.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_answers_head_without_a_body() {
    let api = Api::start().await;
    let cookie = signed_in(&api).await;
    for (path, status) in [("/monitors", 200), ("/", 200), ("/nothing", 404)] {
        let request = api.request("HEAD", path).header("cookie", &cookie);
        let answer = Api::answer(request).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (status, ""), "{path}");
    }
    let nobody = Api::answer(api.request("HEAD", "/login")).await;
    assert_eq!(nobody.status, 200);
    let stream = Api::answer(api.request("HEAD", "/events").header("cookie", &cookie)).await;
    assert!(!stream.status.is_success(), "it would never end");
}
