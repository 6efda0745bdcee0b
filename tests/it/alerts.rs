//! What a failing target leads to, from the check to the words that people read.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use watchbell::monitor::{Status, Verdict};

use crate::support::app::{spawn_app, spawn_app_with};
use crate::support::smtp::Sink;
use crate::support::stub::Stub;

#[tokio::test]
async fn the_first_check_comes_with_the_creation_and_coming_up_tells_nobody() {
    let (app, target, receiver) = (spawn_app().await, Stub::start().await, Stub::start().await);
    app.webhook(&receiver).await;
    let id = app.monitor(&target, json!({})).await;
    // The clock stands still, so whatever happens now is due at the moment of creation.
    let results = app.results(id, 1).await;
    assert_eq!((results[0].started_at, results[0].verdict), (app.now(), Verdict::Up));
    app.until(id, |w| w.state.status == Status::Up).await;
    app.checks(id, 2).await;
    assert!(app.deliveries().await.is_empty(), "coming up is no news");
    let shown = app.get(&format!("/monitors/{id}")).await;
    assert_eq!(shown["last_result"]["status_code"], 200);
    app.stop().await;
    assert_eq!(receiver.count(), 0);
}

#[tokio::test]
async fn a_first_check_that_fails_is_told_with_code_and_failed_checks() {
    let (app, target, receiver) = (spawn_app().await, Stub::start().await, Stub::start().await);
    app.webhook(&receiver).await;
    let body = json!({"status": "unhealthy", "checks": {
        "database": "error: FATAL: remaining connection slots reserved", "redis": "ok"}});
    target.answer(503, &body.to_string());
    let started_at = app.now();
    let id = app.monitor(&target, json!({"tags": ["tier-1"]})).await;
    app.until(id, |w| w.state.is_confirming()).await;
    assert!(app.deliveries().await.is_empty(), "nothing before the re-check");
    app.advance(5);
    let told = receiver.wait_for(1).await;
    let host = target.host();
    let reason = "Status: 503 | checks.database: error: FATAL: remaining connection slots reserved";
    assert_eq!(told[0].text(), format!("🔴 *{host}/health* is DOWN\n{reason}\nDuration: 5s"));
    assert_eq!((told[0].method.as_str(), told[0].path.as_str()), ("POST", "/hook"));
    let json = told[0].json();
    assert_eq!(json["event"], "monitor.down");
    assert_eq!(json["monitor"]["tags"], json!(["tier-1"]));
    assert_eq!(json["incident"]["started_at"], json!(started_at), "dated at the first failure");
    assert_eq!(json["incident"]["summary"], reason);
    assert_eq!(json["check"]["status_code"], 503);
    let failed = &json["check"]["failed_checks"];
    assert_eq!(failed["checks.database"], "error: FATAL: remaining connection slots reserved");
    assert!(failed.get("checks.redis").is_none());
    app.stop().await;
}

#[tokio::test]
async fn a_blip_shorter_than_the_retries_sends_nothing_at_all() {
    let (app, target, receiver) = (spawn_app().await, Stub::start().await, Stub::start().await);
    app.webhook(&receiver).await;
    let id = app.monitor(&target, json!({"retries": 2})).await;
    app.results(id, 1).await;
    target.answer(500, "");
    app.checks(id, 1).await;
    for results in [3, 4] {
        app.until(id, |w| w.state.is_confirming()).await;
        if results == 4 {
            target.answer(200, "");
        }
        app.advance(5);
        app.results(id, results).await;
    }
    let shown = app.until(id, |w| !w.state.is_confirming()).await;
    assert_eq!(shown.state.status, Status::Up);
    assert_eq!(app.get("/incidents").await, json!([]));
    assert!(app.deliveries().await.is_empty());
    app.stop().await;
    assert_eq!(receiver.count(), 0);
}

#[tokio::test]
async fn an_outage_is_dated_at_its_first_failure_and_its_end_is_told_to_whoever_was_told() {
    let (app, target) = (spawn_app().await, Stub::start().await);
    let (told, late) = (Stub::start().await, Stub::start().await);
    let channel = app.webhook(&told).await;
    let id = app.monitor(&target, json!({})).await;
    app.results(id, 1).await;
    target.answer(500, "");
    app.checks(id, 1).await;
    app.until(id, |w| w.state.is_confirming()).await;
    let first_failure = app.now();
    app.advance(5);
    told.wait_for(1).await;
    // Who comes later, or is told by default from now on, was not told of the outage and hears nothing of its end.
    app.webhook(&late).await;
    app.patch(&format!("/channels/{channel}"), json!({"is_default": false})).await;
    app.checks(id, 1).await;
    target.answer(200, "");
    app.checks(id, 1).await;
    let texts = told.wait_for_texts(2).await;
    let host = target.host();
    assert_eq!(texts[0], format!("🔴 *{host}/health* is DOWN\nStatus: 500\nDuration: 5s"));
    assert_eq!(
        texts[1],
        format!("🟢 *{host}/health* is back online\nStatus: 200\nDowntime: 2m 5s")
    );
    let incidents = app.get(&format!("/monitors/{id}/incidents")).await;
    assert_eq!(incidents[0]["started_at"], json!(first_failure));
    assert_eq!(incidents[0]["confirmed_at"], json!(first_failure.plus_ms(5000)));
    assert_eq!(incidents[0]["duration_seconds"], 125);
    let number = incidents[0]["id"].as_i64().unwrap();
    app.stop().await;
    assert_eq!((told.count(), late.count()), (2, 0), "incident {number}");
}

#[tokio::test]
async fn a_keyword_that_is_missing_is_an_outage() {
    let (app, target, receiver) = (spawn_app().await, Stub::start().await, Stub::start().await);
    app.webhook(&receiver).await;
    target.answer(200, "we are closed");
    let fields = json!({"keyword": "welcome", "retries": 0});
    let id = app.monitor(&target, fields).await;
    let text = receiver.wait_for_texts(1).await.remove(0);
    let line = text.lines().nth(1).unwrap();
    assert!(line.starts_with("Error: ") && line.contains("welcome"), "{text}");
    target.answer(200, "a warm welcome");
    app.checks(id, 1).await;
    assert!(receiver.wait_for_texts(2).await[1].contains("is back online\nStatus: 200\n"));
    let results = app.results(id, 2).await;
    assert_eq!(json!(results[1].error.as_ref().unwrap().kind), json!("keyword"));
    app.stop().await;
}

#[tokio::test]
async fn a_target_that_is_not_there_is_told_as_such() {
    let (app, receiver) = (spawn_app().await, Stub::start().await);
    app.webhook(&receiver).await;
    // A port that was just given back by the system: nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}/");
    app.make("/monitors", json!({"url": url, "retries": 0})).await;
    let text = receiver.wait_for_texts(1).await.remove(0);
    let expected =
        format!("🔴 *127.0.0.1:{port}* is DOWN\nError: connection refused\nDuration: 0s");
    assert_eq!(text, expected);
    app.stop().await;
}

#[tokio::test]
async fn a_receiver_that_hangs_holds_up_nobody_else() {
    let (app, target) = (spawn_app().await, Stub::start().await);
    let (hanging, quick) = (Stub::start().await, Stub::start().await);
    hanging.tell(crate::support::stub::Told::Hang);
    app.webhook(&hanging).await;
    app.webhook(&quick).await;
    target.answer(500, "");
    let id = app.monitor(&target, json!({"retries": 0})).await;
    quick.wait_for(1).await;
    hanging.wait_for(1).await;
    target.answer(200, "");
    app.checks(id, 1).await;
    assert!(quick.wait_for_texts(2).await[1].contains("back online"));
    assert_eq!(hanging.count(), 1, "the recovery waits for the outage, so that they stay in order");
    hanging.answer(200, "");
    let texts = hanging.wait_for_texts(2).await;
    assert!(texts[0].contains("is DOWN") && texts[1].contains("back online"));
    app.stop().await;
}

#[tokio::test]
async fn an_alert_is_tried_again_under_the_same_id_until_it_is_taken() {
    let (app, target, receiver) = (spawn_app().await, Stub::start().await, Stub::start().await);
    app.webhook(&receiver).await;
    receiver.answer(500, "not now");
    target.answer(500, "");
    app.monitor(&target, json!({"retries": 0})).await;
    for attempts in 1..=3 {
        receiver.wait_for(attempts).await;
        crate::support::eventually(crate::support::CAP, || async {
            let row = app.deliveries().await.pop()?;
            (row.attempts == attempts as i64 && row.next_attempt_at.is_some()).then_some(())
        })
        .await;
        if attempts == 3 {
            receiver.answer(200, "");
        }
        // The longest of the first waits with its spread.
        app.advance(60);
    }
    let tried = receiver.wait_for(4).await;
    let ids: Vec<&str> = tried.iter().map(|request| request.header("webhook-id")).collect();
    assert!(!ids[0].is_empty() && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    app.stop().await;
}

#[tokio::test]
async fn a_channel_that_is_gone_for_good_is_told_on_the_other() {
    let (app, target) = (spawn_app().await, Stub::start().await);
    let (gone, other) = (Stub::start().await, Stub::start().await);
    gone.answer(410, "gone");
    let channel = app.webhook(&gone).await;
    app.webhook(&other).await;
    target.answer(500, "");
    app.monitor(&target, json!({"retries": 0})).await;
    let texts = other.wait_for_texts(2).await;
    assert!(texts.iter().any(|text| text.contains("cannot be reached")), "{texts:?}");
    let failed = app.get(&format!("/deliveries?channel_id={channel}")).await;
    assert_eq!(failed[0]["state"], "failed");
    assert_eq!(failed[0]["last_status"], 410);
    app.stop().await;
    assert_eq!(gone.count(), 1, "no second attempt");
}

#[tokio::test]
async fn a_receiver_that_asks_for_patience_gets_it() {
    let (app, target, receiver) = (spawn_app().await, Stub::start().await, Stub::start().await);
    app.webhook(&receiver).await;
    let headers = vec![("Retry-After", "120".to_owned())];
    receiver.tell(crate::support::stub::Told::Answer(429, headers, String::new()));
    target.answer(500, "");
    app.monitor(&target, json!({"retries": 0})).await;
    let row = crate::support::eventually(crate::support::CAP, || async {
        app.deliveries().await.pop().filter(|row| row.attempts == 1)
    })
    .await;
    assert_eq!(row.next_attempt_at, Some(app.now().plus_ms(120_000)));
    receiver.answer(200, "");
    app.advance(120);
    receiver.wait_for(2).await;
    app.stop().await;
}

#[tokio::test]
async fn slack_and_mail_get_the_same_words() {
    let (sink, slack, target) = (Sink::start().await, Stub::start().await, Stub::start().await);
    let url = sink.url();
    let app = spawn_app_with(&["--smtp-url", &url, "--smtp-from", "watch@example.com"]).await;
    let to = json!(["ann@example.com", "bob@example.com"]);
    app.make("/channels", json!({"type": "email", "to": to, "is_default": true})).await;
    let slack_url = slack.url("/services/T/B/x");
    app.make("/channels", json!({"type": "slack", "url": slack_url, "is_default": true})).await;
    target.answer(503, r#"{"status": "bad", "checks": {"redis": "error: refused"}}"#);
    let id = app.monitor(&target, json!({"retries": 0})).await;
    let host = target.host();
    let text = format!(
        "🔴 *{host}/health* is DOWN\nStatus: 503 | checks.redis: error: refused\nDuration: 0s"
    );
    let said = slack.wait_for(1).await;
    assert_eq!(said[0].text(), text);
    assert!(said[0].json()["blocks"].is_array());
    let mails = sink.wait_for(1).await;
    assert_eq!(mails[0].to, ["ann@example.com", "bob@example.com"]);
    assert!(mails[0].text.contains("multipart/alternative"), "{}", mails[0].text);
    // A mail server that is away for a while delays its own channel alone.
    sink.refuse("451 later");
    target.answer(200, "");
    app.checks(id, 1).await;
    assert!(slack.wait_for_texts(2).await[1].contains("back online"));
    crate::support::eventually(crate::support::CAP, || async {
        let rows = app.deliveries().await;
        rows.iter().any(|row| row.attempts == 1 && row.next_attempt_at.is_some()).then_some(())
    })
    .await;
    // One address that is refused for a while holds up nobody else's mail.
    sink.refuse_only("ann@example.com", "450 greylisted");
    app.advance(10);
    assert_eq!(sink.wait_for(2).await[1].to, ["bob@example.com"]);
    app.stop().await;
}

#[tokio::test]
async fn a_monitor_tells_only_the_channels_that_it_names() {
    let (app, target) = (spawn_app().await, Stub::start().await);
    let (default, own) = (Stub::start().await, Stub::start().await);
    app.webhook(&default).await;
    let url = own.url("/");
    let channel = app.make("/channels", json!({"type": "webhook", "url": url})).await["id"].clone();
    target.answer(500, "");
    let silent = json!({"retries": 0, "channel_ids": []});
    let silent = app.monitor(&target, silent).await;
    app.until(silent, |w| w.state.status == Status::Down).await;
    app.monitor(&target, json!({"retries": 0, "channel_ids": [channel]})).await;
    own.wait_for(1).await;
    app.stop().await;
    assert_eq!((default.count(), own.count()), (0, 1));
}

#[tokio::test]
async fn an_incident_keeps_its_timeline() {
    let (app, target, receiver) = (spawn_app().await, Stub::start().await, Stub::start().await);
    app.webhook(&receiver).await;
    target.answer(500, "");
    let id = app.monitor(&target, json!({"retries": 0})).await;
    receiver.wait_for(1).await;
    let number = app.get("/incidents?state=open").await[0]["id"].clone();
    app.post(&format!("/incidents/{number}/acknowledge")).await;
    target.answer(502, "");
    app.checks(id, 1).await;
    target.answer(200, "");
    app.checks(id, 1).await;
    receiver.wait_for(3).await;
    let detail = crate::support::eventually(crate::support::CAP, || async {
        let detail = app.get(&format!("/incidents/{number}")).await;
        let count =
            detail["timeline"].as_array()?.iter().filter(|l| l["kind"] == "delivered").count();
        (count == 3).then_some(detail)
    })
    .await;
    let kinds: Vec<&Value> =
        detail["timeline"].as_array().unwrap().iter().map(|line| &line["kind"]).collect();
    for kind in ["detected", "confirmed", "delivered", "acknowledged", "reason_changed", "resolved"]
    {
        assert!(kinds.contains(&&json!(kind)), "{kind} in {kinds:?}");
    }
    assert_eq!(
        (&detail["state"], &detail["acknowledged_by"]),
        (&json!("resolved"), &json!("test"))
    );
    assert_eq!(detail["summary"], "Status: 502");
    app.stop().await;
    assert_eq!(receiver.count(), 3, "down, acknowledged, up: another reason is no other alert");
}

/// PostgreSQL takes no NUL in text: what a target says must not keep its own outage from being stored.
#[tokio::test]
async fn odd_characters_of_a_target_do_not_stop_its_alert() {
    let (app, target, receiver) = (spawn_app().await, Stub::start().await, Stub::start().await);
    app.webhook(&receiver).await;
    let body = r#"{"status": "down", "checks": {"a\u0000b": "error: \u0000\u202e\ud83d\udd34 'x'\n\"y\""}}"#;
    target.answer(500, body);
    let id = app.monitor(&target, json!({"retries": 0})).await;
    let text = receiver.wait_for_texts(1).await.remove(0);
    assert!(text.contains("Status: 500 | checks.a") && text.contains("🔴 'x' \"y\""), "{text:?}");
    assert_eq!(app.results(id, 1).await[0].failed_checks.len(), 1);
    app.stop().await;
}
