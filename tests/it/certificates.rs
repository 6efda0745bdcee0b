//! Certificates from the handshake to the warning, and where they are shown.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "its tasks end with the test's runtime")]

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use watchbell::account::{Role, session, user};
use watchbell::cli::check;
use watchbell::clock::{Clock, SystemClock, Timestamp};
use watchbell::monitor::Status;
use watchbell::probe::EgressRules;

use crate::support::api::{Answer, Api, START};
use crate::support::app::{TestApp, spawn_app};
use crate::support::stub::Stub;
use crate::support::tls::{Identity, acceptor, authority};
use crate::support::{CAP, eventually};

const DAY_MS: i64 = 86_400_000;

/// An HTTPS server that answers 200. Gives its host and port.
async fn https(identity: Identity) -> String {
    let acceptor = acceptor(identity, &[]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
                let _ = stream.shutdown().await;
            });
        }
    });
    address.to_string()
}

/// A server whose certificate has so many days left by the clock of `app`. It is not verified, as that clock is not the machine's.
async fn with_days_left(app: &TestApp, days: i64) -> String {
    https(authority().issue_until(&["shop.example"], app.now().plus_ms(days * DAY_MS))).await
}

async fn watch(app: &TestApp, fields: Value) -> i64 {
    let mut all = json!({"verify_tls": false, "timeout_seconds": 60});
    all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    app.make("/monitors", all).await["id"].as_i64().unwrap()
}

#[tokio::test]
async fn six_days_left_are_told_once_also_over_a_restart() {
    let (app, receiver) = (spawn_app().await, Stub::start().await);
    app.webhook(&receiver).await;
    let host = with_days_left(&app, 6).await;
    let id = watch(&app, json!({"url": format!("https://{host}/health")})).await;
    let told = receiver.wait_for(1).await[0].json();
    assert_eq!(told["event"], "certificate.expiring");
    let text = format!(
        "🟠 *{host}/health* certificate expires in 6 days\n\
         Expires: 2030-01-07 00:00 UTC\n\
         Certificate: shop.example, issued by Test Root"
    );
    assert_eq!(told["text"], text);
    assert_eq!((&told["incident"], &told["monitor"]["id"]), (&Value::Null, &json!(id)));
    assert_eq!(told["check"]["status_code"], 200);
    app.checks(id, 2).await;
    assert_eq!(app.deliveries().await.len(), 1, "not again on the next checks");
    assert_eq!(app.watched(id).await.state.status, Status::Up);
    assert_eq!(app.get("/incidents").await, json!([]));

    let (database, clock) = app.halt().await;
    let app = TestApp::start(database, clock, &[]).await;
    app.checks(id, 2).await;
    assert_eq!(app.deliveries().await.len(), 1, "not again after a restart");
    app.advance(5 * 86_400);
    receiver.wait_for(2).await;
    app.checks(id, 1).await;
    let texts = receiver.wait_for_texts(2).await;
    assert!(texts[1].contains("certificate expires in 23h 5"), "the last threshold: {texts:?}");
    app.stop().await;
    assert_eq!(receiver.count(), 2);
}

#[tokio::test]
async fn the_warning_can_be_set_and_left_out() {
    let (app, receiver) = (spawn_app().await, Stub::start().await);
    app.webhook(&receiver).await;
    let host = with_days_left(&app, 6).await;
    let url = format!("https://{host}/");
    let mut quiet = Vec::new();
    for fields in [
        json!({"url": url, "tls_expiry_days": [5, 1]}),
        json!({"url": url, "tls_expiry_days": []}),
        json!({"url": url, "notify_on": ["down", "up"]}),
        json!({"url": url, "channel_ids": []}),
    ] {
        quiet.push(watch(&app, fields).await);
    }
    let window = json!({"name": "deploy", "tags": ["busy"], "duration_minutes": 60});
    app.make("/maintenance-windows", window).await;
    for id in quiet {
        app.until(id, |w| w.state.certificate.is_some()).await;
    }
    assert!(app.deliveries().await.is_empty());
    let fields = json!({"type": "tls", "url": format!("tls://{host}"), "tls_expiry_days": [6], "tags": ["busy"]});
    watch(&app, fields).await;
    let texts = receiver.wait_for_texts(1).await;
    let first = format!("🟠 *{host}* certificate expires in 6 days");
    assert_eq!(texts[0].lines().next(), Some(first.as_str()), "told in a window too");
    app.stop().await;
}

#[tokio::test]
async fn the_certificate_is_shown_by_the_api() {
    let app = spawn_app().await;
    let host = with_days_left(&app, 90).await;
    for fields in [
        json!({"url": format!("https://{host}/")}),
        json!({"type": "tls", "url": format!("tls://{host}")}),
    ] {
        let id = watch(&app, fields).await;
        app.until(id, |w| w.state.certificate.is_some()).await;
        let shown = app.get(&format!("/monitors/{id}")).await;
        let certificate = &shown["certificate"];
        assert_eq!(certificate["days_left"], 90, "{shown}");
        assert_eq!(certificate["issuer"], "Test Root");
        assert_eq!(certificate["names"], json!(["shop.example"]));
        assert_eq!(certificate["not_after"], "2030-04-01T00:00:00.000+00:00");
        assert_eq!(shown["tls_expiry_days"], json!([30, 14, 7, 1]));
        assert_eq!(shown["current_status"], "up");
    }
    let listed = app.get("/monitors?type=tls").await;
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["url"], format!("tls://{host}"));
    assert_eq!(listed[0]["name"], "127.0.0.1");
    app.stop().await;
}

#[tokio::test]
async fn a_tls_monitor_takes_no_fields_of_others() {
    let app = spawn_app().await;
    for (fields, wrong) in [
        (json!({"url": "https://a.example"}), vec!["url"]),
        (json!({}), vec!["url"]),
        (
            json!({"url": "tls://a.example", "method": "GET", "keyword": "x"}),
            vec!["keyword", "method"],
        ),
        (
            json!({"url": "tls://a.example", "tls_expiry_days": "7", "retries": -1}),
            vec!["retries", "tls_expiry_days"],
        ),
    ] {
        let mut body = fields.clone();
        body["type"] = json!("tls");
        let answer = app.api("POST", "/monitors", body).await;
        assert_eq!(answer.wrong_fields(), wrong, "{fields}");
    }
    app.stop().await;
}

/// Opens a page as an admin who is signed in, or posts a form to it.
async fn page(api: &Api, cookie: &str, path: &str, form: Option<&[(&str, &str)]>) -> Answer {
    let method = if form.is_some() { "POST" } else { "GET" };
    let request = api.request(method, path).header("cookie", cookie);
    Api::answer(match form {
        Some(form) => request.form(form),
        None => request,
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tls_monitor_is_made_by_form_and_its_page_shows_the_certificate() {
    let api = Api::start().await;
    let made = user::create(
        &api.db,
        api.logins.passwords(),
        "a@example.com",
        "long enough",
        Role::Admin,
        START,
    );
    let token = session::begin(&api.db, made.await.unwrap().id, START).await.unwrap();
    let cookie = format!("{}={token}", session::COOKIE);
    let names = ["shop.example", "a.example", "b.example", "c.example"];
    let end = START.plus_ms(12 * DAY_MS);
    let host = https(authority().issue_until(&names, end)).await;

    let empty = page(&api, &cookie, "/monitors/new?type=tls", None).await;
    assert!(empty.text.contains("value=\"30, 14, 7, 1\""), "{}", empty.text);
    let form = [
        ("type", "tls"),
        ("url", host.as_str()),
        ("interval_choice", "300"),
        ("timeout_seconds", "60"),
        ("tls_expiry_days", "20, 10"),
        ("notify_on", "certificate"),
    ];
    let mut wrong = form;
    wrong[4].1 = "ten";
    let refused = page(&api, &cookie, "/monitors", Some(&wrong)).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text.contains("The list of days must have whole numbers"), "{}", refused.text);
    // The answer leads to the page of the new monitor.
    let made = page(&api, &cookie, "/monitors", Some(&form)).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let listed = api.admin("GET", "/api/v1/monitors?type=tls", None).await.data(200);
    let path = format!("/monitors/{}", listed[0]["id"]);
    let shown = api.admin("GET", &format!("/api/v1{path}"), None).await.data(200);
    assert_eq!(shown["url"], format!("tls://{host}"));
    assert_eq!(shown["verify_tls"], false);
    assert_eq!(shown["tls_expiry_days"], json!([20, 10]));
    assert_eq!(
        (&shown["check_interval_seconds"], &shown["notify_on"]),
        (&json!(300), &json!(["certificate"]))
    );

    let text = eventually(CAP, || async {
        let text = page(&api, &cookie, &path, None).await.text;
        text.contains("12 days").then_some(text)
    })
    .await;
    for words in [
        "TLS handshake every 5 min",
        "Renew soon",
        "warns at 10 days left",
        "Test Root",
        "shop.example, a.example, b.example +1",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(!text.contains("href=\"tls:"), "no browser opens that");
    let edit = page(&api, &cookie, &format!("{path}/edit"), None).await;
    assert!(edit.text.contains("value=\"20, 10\""), "{}", edit.text);
}

#[tokio::test]
async fn the_command_line_shows_the_certificate() {
    let end = Timestamp(SystemClock.now().0 / 1000 * 1000).plus_ms(6 * DAY_MS);
    let host = https(authority().issue_until(&["shop.example"], end)).await;
    for url in [format!("tls://{host}"), format!("https://{host}/")] {
        // Its authority is unknown to the system, which says so; the certificate is shown all the same.
        let run = async |json: bool| {
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let now = SystemClock.now();
            let code = check::run(&url, json, EgressRules::default(), now, &mut out, &mut err);
            assert_eq!((code.await.unwrap(), err.len()), (1, 0), "{url}");
            String::from_utf8(out).unwrap()
        };
        let text = run(false).await;
        assert!(
            text.contains(" is DOWN: certificate is not trusted: the chain is incomplete"),
            "{text}"
        );
        let until = end.to_utc().format("%Y-%m-%d %H:%M UTC");
        assert!(text.contains(&format!("  certificate {until}, 6 days left\n")), "{text}");
        assert!(text.contains("  subject     shop.example\n  issuer      Test Root\n"), "{text}");
        let json: Value = serde_json::from_str(&run(true).await).unwrap();
        assert_eq!(json["error"]["kind"], "tls");
        assert_eq!(json["certificate"]["days_left"], 6, "{json}");
        assert_eq!(json["certificate"]["not_after"], end.to_rfc3339());
    }
}
