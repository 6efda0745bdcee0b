//! What a probe may send that no probe of ours does: forged, replayed, of others, too much, without end, of another time.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use uuid::Uuid;
use watchbell::monitor::Status;

use crate::support::api::Api;
use crate::support::app::spawn_app;
use crate::support::hand_probe::{Probe, World};

/// A result with these fields in the place of its own.
fn with(mut found: Value, fields: Value) -> Value {
    found["result"].as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_old_too_long_or_too_much_is_refused() {
    let world = World::start(json!({})).await;
    let (app, eu, id) = (&world.app, &world.eu, world.id);
    let found = |ms: i64| eu.found(id, app.now().plus_ms(ms), "up");
    for wrong in [
        with(found(0), json!({"started_at": "1970-01-01T00:00:00.000+00:00"})),
        with(found(0), json!({"started_at": "9999-12-31T23:59:59.999+00:00"})),
        found(-3_600_000),
        with(found(1), json!({"error": {"kind": "status", "text": "x".repeat(300_000)}})),
        with(found(2), json!({"error": {"kind": "status", "text": "a\u{0}b"}})),
        with(found(3), json!({"failed_checks": {"a\u{0}": "b"}})),
    ] {
        let receipt = eu.send(app, vec![wrong.clone()]).await.json();
        assert_eq!((&receipt["accepted"], &receipt["refused"]), (&json!(0), &json!(1)), "{wrong}");
    }
    assert!(world.metric("watchbell_probe_refused_total{reason=\"clock\"}").await >= 3);
    let many = (0..501).map(found).collect();
    assert_eq!(eu.send(app, many).await.wrong_fields(), ["results"]);
    let most = (0..500).map(found).collect();
    assert_eq!(eu.send(app, most).await.json()["accepted"], 500);
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_kept_only_of_who_has_shown_a_token() {
    let app = spawn_app().await;
    let probe = Probe::make(&app, "eu-west").await;
    let send = |token: &str| {
        let request = app.request("POST", "/api/probe/v1/results").bearer_auth(token);
        // It never ends: whoever waits for all of it before looking at the token waits for ever.
        let endless = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
        Api::answer(request.body(reqwest::Body::wrap_stream(endless)))
    };
    send("wbp_forged").await.problem(401);
    let long = app.request("POST", "/api/probe/v1/results").bearer_auth(&probe.token);
    Api::answer(long.body(vec![b' '; 17 << 20])).await.problem(413);
    let mut extremes = probe.poll_body(&app, 0);
    extremes["clock"] = json!(i64::MIN);
    extremes["latency_ms"] = json!(i64::MAX);
    assert_eq!(Api::answer(probe.request(&app, "poll", &extremes)).await.status, 200);
    app.get("/probes").await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forged_replayed_or_not_its_own_is_refused_and_counted() {
    let world = World::start(json!({})).await;
    let (app, eu) = (&world.app, &world.eu);
    let other = app.monitor(&world.target, json!({"regions": ["us-east"]})).await;
    assert_eq!(eu.report(app, other, "down").await, (0, 1), "a monitor that it was not given");
    assert_eq!(eu.report(app, 999, "down").await, (0, 1));
    let foreign = vec![world.us.found(world.id, app.now(), "down")];
    assert_eq!(eu.send(app, foreign).await.json()["refused"], 1, "another region's");
    let future = vec![eu.found(world.id, app.now().plus_ms(3_600_000), "down")];
    assert_eq!(eu.send(app, future).await.json()["refused"], 1, "a clock that is an hour ahead");
    assert!(!app.watched(world.id).await.state.regions.contains_key("eu-west"));

    let forged = Probe { token: "wbp_forged".to_owned(), region: "eu-west".to_owned(), ..*eu };
    forged.poll(app, 0).await.problem(401);
    let admin = app.make("/tokens", json!({"name": "x", "role": "admin"})).await;
    let token = admin["token"].as_str().unwrap().to_owned();
    let not_a_probe = Probe { token, region: "eu-west".to_owned(), ..*eu };
    not_a_probe.poll(app, 0).await.problem(401);
    // Another process with the same token takes over; what the first one sent is not taken again.
    let newer = Probe {
        instance: Uuid::new_v4(),
        token: eu.token.clone(),
        region: eu.region.clone(),
        ..*eu
    };
    assert_eq!(newer.poll(app, 0).await.status, 200);
    eu.poll(app, 0).await.problem(409);
    let old = vec![eu.found(world.id, app.now(), "down")];
    eu.send(app, old).await.problem(409);
    let mut body = newer.poll_body(app, 0);
    body["version"] = json!(7);
    let answer = Api::answer(newer.request(app, "poll", &body)).await.problem(426);
    assert!(answer["detail"].as_str().unwrap().contains("update the server"), "{answer}");

    for (reason, least) in
        [("token", 2), ("monitor", 2), ("region", 1), ("clock", 1), ("replaced", 2), ("message", 1)]
    {
        let name = format!("watchbell_probe_refused_total{{reason=\"{reason}\"}}");
        assert!(world.metric(&name).await >= least, "{reason}");
    }
    app.api("GET", "/probes", Value::Null).await.data(200);
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_before_an_edit_says_nothing_of_the_time_after_it() {
    let world = World::start(json!({"regions": ["eu-west", "us-east"], "region_quorum": 1})).await;
    let (app, id) = (&world.app, world.id);
    world.both("up", "up").await;
    let path = format!("/monitors/{id}");
    app.advance(1);
    app.patch(&path, json!({"name": "other", "check_interval_seconds": 30})).await;
    let known = |ms: i64, verdict: &str, settings_at: i64| {
        let mut found = world.eu.found(id, app.now().plus_ms(ms), verdict);
        found["settings_at"] = json!(settings_at);
        found
    };
    let renamed_at = app.now().0;
    let renamed = vec![known(0, "up", renamed_at - 1)];
    assert_eq!(world.eu.send(app, renamed).await.json()["accepted"], 1, "it asks the same");

    app.advance(1);
    app.patch(&path, json!({"expected_status": "503"})).await;
    app.advance(1);
    // The probe was away: it went on by what it knew. What it found before the edit was right then.
    let old = vec![known(-1500, "up", renamed_at), known(0, "down", renamed_at)];
    let receipt = world.eu.send(app, old).await.json();
    assert_eq!((&receipt["accepted"], &receipt["refused"]), (&json!(1), &json!(1)));
    assert_eq!(world.metric("watchbell_probe_refused_total{reason=\"settings\"}").await, 1);
    assert_eq!(app.watched(id).await.state.status, Status::Up, "no false alarm");
    let new = vec![known(100, "down", app.now().0)];
    assert_eq!(world.eu.send(app, new).await.json()["accepted"], 1);
    world.status(Status::Down).await;
    world.receiver.wait_for(1).await;
    world.app.stop().await;
}
