//! Pages as a browser, or whoever asks for one, gets them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use serde_json::json;
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
async fn what_an_address_asks_wrongly_is_left_out() {
    let api = Api::start().await;
    let cookie = signed_in(&api).await;
    let monitor = api.monitor(json!({"url": "http://127.0.0.1:1/"})).await;
    for path in [
        &format!("/monitors/{monitor}?series=phase&series=region&range=90d&range=x&show=abc"),
        &format!("/monitors/{monitor}/checks?open=x&before="),
        "/incidents?show=abc&monitor=x",
        "/channels?open=1&open=2&show=",
        "/maintenance?show=-x&from=never",
        "/monitors/new?type=a&type=b&from=x",
        "/escalation/new?from=x",
        "/settings/profile?done=a&done=b",
    ] {
        let answer = Api::answer(api.request("GET", path).header("cookie", &cookie)).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    }
    let strict = api.admin("GET", "/api/v1/incidents?monitor_id=x", None).await;
    assert_eq!(strict.status, 422, "the API says what is wrong");
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

/// What a browser sends of a form: its rows in the order of the page.
fn posted(pairs: &[(&str, &str)]) -> String {
    let url = reqwest::Url::parse_with_params("http://x/", pairs).unwrap();
    url.query().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_makes_assertions_keeps_them_and_says_which_row_is_wrong() {
    let api = Api::start().await;
    let cookie = signed_in(&api).await;
    let id = api.monitor(json!({})).await;
    let edit = format!("/monitors/{id}/edit");
    let get = async |path: &str| {
        Api::answer(api.request("GET", path).header("cookie", &cookie)).await.text
    };
    let form = "application/x-www-form-urlencoded";
    let post = async |rows: &[[&str; 4]]| {
        let mut pairs =
            vec![("type", "http"), ("url", "http://127.0.0.1:1/"), ("notify_on", "down")];
        for [source, path, op, value] in rows {
            pairs.extend([("assertion_source", *source), ("assertion_path", *path)]);
            pairs.extend([("assertion_op", *op), ("assertion_value", *value)]);
        }
        let request = api.request("POST", &format!("/monitors/{id}")).header("cookie", &cookie);
        Api::answer(request.header("content-type", form).body(posted(&pairs))).await
    };
    let empty = ["json", "", "eq", ""];
    let rows = |page: &str| page.matches("name=\"assertion_path\"").count();
    assert_eq!(rows(&get(&edit).await), 3, "some empty rows, as there may be no script");

    let answer =
        post(&[["json", "$.status", "eq", "ok"], empty, ["status", "", "lt", "300"]]).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let stored = api.admin("GET", &format!("/api/v1/monitors/{id}"), None).await.data(200);
    assert_eq!(stored["assertions"][0]["value"], "ok");
    assert_eq!(stored["assertions"].as_array().unwrap().len(), 2);
    let page = get(&edit).await;
    assert_eq!(rows(&page), 5);
    assert!(page.contains("value=\"$.status\"") && page.contains("2 assertions"));
    let page = get(&format!("/monitors/{id}")).await;
    let words = "A check passes when the status is 200-299, $.status equals &#34;ok&#34; and the status code is \
        less than 300.";
    assert!(page.contains(words), "{page}");

    let answer =
        post(&[["json", "$.status", "eq", "ok"], empty, ["json", "status", "eq", "<b>"]]).await;
    assert_eq!(answer.status, 422);
    assert!(answer.text.contains("id=\"assertion-2-error\""), "{}", answer.text);
    assert!(answer.text.contains("Path must start with $, as $.status."));
    assert!(
        answer.text.contains("value=\"&#60;b&#62;\"")
            && answer.text.contains("href=\"#assertions\"")
    );
}
