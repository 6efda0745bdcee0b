//! Every form of a ping: paths, methods, identifiers, headers of the answer, what is no ping.

use reqwest::Response;
use serde_json::json;
use watchbell::monitor::heartbeat::SignalKind::{self, Fail, Log, Start, Success};

use super::Job;
use crate::support::app::spawn_app;

const PREFIXES: [&str; 2] = ["/api/heartbeats", "/ping"];

/// What may stand behind the identifier, and what it says.
const SUFFIXES: [(&str, SignalKind, Option<i64>); 15] = [
    ("", Success, None),
    ("/start", Start, None),
    ("/fail", Fail, None),
    ("/log", Log, None),
    ("/0", Success, Some(0)),
    ("/00", Success, Some(0)),
    ("/1", Fail, Some(1)),
    ("/255", Fail, Some(255)),
    ("/-1", Fail, Some(-1)),
    ("/9223372036854775807", Fail, Some(i64::MAX)),
    ("/-9223372036854775808", Fail, Some(i64::MIN)),
    ("/9223372036854775808", Fail, None),
    ("/-9223372036854775809", Fail, None),
    ("/99999999999999999999999999999999999999999999", Fail, None),
    ("/00000000000000000000000000000000000000000000", Success, Some(0)),
];

fn header(answer: &Response, name: &str) -> String {
    answer.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned()
}

#[tokio::test]
async fn every_path_says_what_it_says_in_each_of_its_forms() {
    let app = spawn_app().await;
    let job = Job::new(&app, json!({})).await;
    let mut expected = Vec::new();
    for prefix in PREFIXES {
        for ping in ["", "/ping"] {
            for (suffix, kind, status) in SUFFIXES {
                for slash in ["", "/"] {
                    let path = format!("{prefix}/{}{ping}{suffix}{slash}", job.uuid);
                    let answer = app.request("GET", &path).send().await.unwrap();
                    assert_eq!(answer.status(), 200, "{path}");
                    expected.push((kind, status, path));
                }
            }
        }
    }
    let pings = job.pings().await;
    assert_eq!(pings.len(), expected.len());
    for (ping, (kind, status, path)) in pings.iter().zip(expected) {
        assert_eq!((ping.kind, ping.exit_status), (kind, status), "{path}");
    }
    app.stop().await;
}

#[tokio::test]
async fn each_method_does_its_own_on_each_path() {
    let app = spawn_app().await;
    let job = Job::new(&app, json!({})).await;
    let uuid = &job.uuid;
    let mut recorded = Vec::new();
    for prefix in ["/api/heartbeats", "/ping", "/api/push"] {
        let path = format!("{prefix}/{uuid}");
        let is_push = prefix == "/api/push";
        for method in ["GET", "HEAD", "POST"] {
            let answer = app.request(method, &path).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{method} {path}");
            assert_eq!(header(&answer, "access-control-allow-origin"), "*");
            assert_eq!(header(&answer, "cache-control"), "no-store");
            assert_eq!(header(&answer, "ping-body-limit"), "10000");
            let kind = if is_push && method != "HEAD" { "application/json" } else { "text/plain" };
            assert!(header(&answer, "content-type").starts_with(kind), "{method} {path}");
            let text = answer.text().await.unwrap();
            let expected = match (method, is_push) {
                ("HEAD", _) => "",
                (_, true) => r#"{"ok":true}"#,
                (_, false) => "OK",
            };
            assert_eq!(text, expected, "{method} {path}");
            recorded.push(method);
        }
        // A preflight records nothing, whatever it asks for.
        let preflight = app.request("OPTIONS", &path).header("origin", "https://a.example");
        let answer =
            preflight.header("access-control-request-method", "POST").send().await.unwrap();
        assert_eq!(answer.status(), 204, "{path}");
        assert_eq!(header(&answer, "access-control-allow-origin"), "*");
        assert!(header(&answer, "access-control-allow-methods").contains("POST"));
        assert_eq!(answer.text().await.unwrap(), "");
        for method in ["PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "get"] {
            let answer = app.request(method, &path).send().await.unwrap();
            assert_eq!(answer.status(), 405, "{method} {path}");
            for allowed in ["GET", "HEAD", "POST", "OPTIONS"] {
                assert!(header(&answer, "allow").contains(allowed), "{method} {path}");
            }
        }
    }
    let methods: Vec<String> = job.pings().await.into_iter().map(|ping| ping.method).collect();
    assert_eq!(methods, recorded);
    app.stop().await;
}

#[tokio::test]
async fn the_identifier_is_read_in_either_case_with_or_without_dashes() {
    let app = spawn_app().await;
    let job = Job::new(&app, json!({})).await;
    let bare = job.uuid.replace('-', "");
    let mixed: String = job
        .uuid
        .chars()
        .enumerate()
        .map(|(i, c)| if i % 2 == 0 { c.to_ascii_uppercase() } else { c })
        .collect();
    let mut sent = 0;
    for prefix in ["/api/heartbeats", "/ping", "/api/push"] {
        for uuid in [&job.uuid, &job.uuid.to_uppercase(), &bare, &bare.to_uppercase(), &mixed] {
            for slash in ["", "/"] {
                let path = format!("{prefix}/{uuid}{slash}");
                let answer = app.request("POST", &path).send().await.unwrap();
                assert_eq!(answer.status(), 200, "{path}");
                sent += 1;
            }
        }
    }
    assert_eq!(job.pings().await.len(), sent);
    app.stop().await;
}

#[tokio::test]
async fn what_names_no_heartbeat_or_no_signal_is_not_found() {
    let app = spawn_app().await;
    let job = Job::new(&app, json!({})).await;
    let gone = Job::new(&app, json!({})).await;
    app.delete(&format!("/heartbeats/{}", gone.id)).await;
    let (uuid, unknown) = (&job.uuid, "01234567-89ab-4def-8123-456789abcdef");
    let mut tails: Vec<String> =
        ["", "x", "ping", "%00", "a/b/c", "%F0%9F"].map(str::to_owned).into();
    tails.extend(
        [unknown, &gone.uuid, &uuid[1..], &format!("{uuid}0"), &format!("{{{uuid}}}")]
            .map(str::to_owned),
    );
    for suffix in
        ["nonsense", "START", "pingfail", "ping/ping", "-", "1.5", "0x1", "start/fail", "%00", "１"]
    {
        tails.push(format!("{uuid}/{suffix}"));
    }
    for prefix in PREFIXES {
        for tail in &tails {
            for method in ["GET", "POST"] {
                let path = format!("{prefix}/{tail}");
                let answer = app.request(method, &path).send().await.unwrap();
                assert_eq!(answer.status(), 404, "{method} {path}");
                assert_eq!(answer.text().await.unwrap(), "not found", "{method} {path}");
            }
        }
    }
    for token in ["", "x", unknown, &gone.uuid] {
        let path = format!("/api/push/{token}?status=up");
        let answer = app.request("GET", &path).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{path}");
        assert_eq!(answer.json::<serde_json::Value>().await.unwrap()["ok"], false);
    }
    assert!(job.pings().await.is_empty());
    app.stop().await;
}

#[tokio::test]
async fn uptime_kumas_push_says_up_and_down_with_words_and_a_time() {
    let app = spawn_app().await;
    let job = Job::new(&app, json!({})).await;
    for (query, kind, body, duration_ms) in [
        ("", Success, None, None),
        ("?status=up&msg=OK&ping=", Success, Some("OK"), None),
        ("?status=up&msg=OK&ping=127", Success, Some("OK"), Some(127)),
        ("?status=up&msg=gr%C3%B6%C3%9Fe&ping=12.6", Success, Some("größe"), Some(13)),
        ("?status=down&msg=disk+full", Fail, Some("disk full"), None),
        ("?status=pending", Fail, None, None),
        ("?status=&msg=&ping=", Success, None, None),
        ("?ping=many&ping=-4", Success, None, None),
        ("?msg=%00%FF%zz&status=up", Success, Some("\0\u{fffd}%zz"), None),
    ] {
        let path = format!("/api/push/{}{query}", job.uuid);
        let answer = app.request("GET", &path).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(answer.text().await.unwrap(), r#"{"ok":true}"#, "{path}");
        let ping = job.last_ping().await;
        assert_eq!((ping.kind, ping.duration_ms), (kind, duration_ms), "{path}");
        assert_eq!(ping.body_bytes, body.map_or(0, |body| body.len() as i64), "{path}");
        if let Some(body) = body {
            let kept = app.bytes(&format!("/monitors/{}/pings/{}/body", job.id, ping.n)).await;
            assert_eq!(String::from_utf8(kept).unwrap(), body, "{path}");
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn a_method_that_the_job_does_not_take_is_logged_as_ignored() {
    let app = spawn_app().await;
    let job = Job::new(&app, json!({"allowed_methods": ["POST"]})).await;
    for (method, suffix, kind) in [
        ("GET", "", SignalKind::Ignored),
        ("HEAD", "/fail", SignalKind::Ignored),
        ("GET", "/start", SignalKind::Ignored),
        ("POST", "", Success),
        ("GET", "/fail", SignalKind::Ignored),
    ] {
        app.advance(1);
        let path = format!("/ping/{}{suffix}", job.uuid);
        let answer = app.request(method, &path).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{method} {path}");
        assert_eq!(job.last_ping().await.kind, kind, "{method} {path}");
    }
    let beat = app.watched(job.id).await.state.beat;
    assert_eq!(beat.last_ping_at, Some(app.now().plus_ms(-1000)), "the success alone moved it");
    assert!(beat.runs.is_empty());
    assert_eq!(job.shown().await["current_status"], "up");
    app.stop().await;
}

#[tokio::test]
async fn a_ping_is_logged_with_all_that_is_known_of_it() {
    let app = spawn_app().await;
    let job = Job::new(&app, json!({})).await;
    let rid = "6ba7b810-9dad-41d1-80b4-00c04fd430c8";
    let path = format!("/ping/{}/3?rid={rid}", job.uuid);
    let request = app.request("POST", &path).header("user-agent", "cron/1 (räum)").body("3 lost");
    assert_eq!(request.send().await.unwrap().status(), 200);
    for odd in ["run-7", "", "%00", rid.get(1..).unwrap()] {
        job.signal(&format!("?rid={odd}")).await;
    }
    job.signal(&format!("?rid={}", rid.replace('-', "").to_uppercase())).await;
    let pings = app.get(&format!("/heartbeats/{}/pings", job.id)).await;
    let pings = pings.as_array().unwrap();
    let first = json!({"n": 1, "at": app.now(), "kind": "fail", "method": "POST", "remote_addr": "127.0.0.1",
        "user_agent": "cron/1 (räum)", "rid": rid, "exit_status": 3, "duration_ms": null, "body_bytes": 6,
        "note": null});
    assert_eq!(pings[5], first);
    for odd in &pings[1..5] {
        assert_eq!((&odd["kind"], &odd["rid"]), (&json!("success"), &json!(null)));
        assert!(odd["note"].as_str().unwrap().contains("rid"), "{odd}");
    }
    assert_eq!((&pings[0]["rid"], &pings[0]["note"]), (&json!(rid), &json!(null)));
    let numbers: Vec<_> = pings.iter().map(|ping| ping["n"].as_i64().unwrap()).collect();
    assert_eq!(numbers, [6, 5, 4, 3, 2, 1]);
    app.stop().await;
}
