//! Probes and regions by the API: making, editing, rotating, and which names and regions are refused.
#![allow(clippy::disallowed_methods, reason = "a test has no supervisor")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::app::spawn_app;
use crate::support::hand_probe::Probe;
use crate::support::stub::Stub;

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_rotated_ends_the_poll_that_waits() {
    let app = spawn_app().await;
    let probe = Probe::make(&app, "eu-west").await;
    let known = probe.poll(&app, 0).await.json();
    let mut body = probe.poll_body(&app, 25);
    (body["epoch"], body["revision"]) = (known["epoch"].clone(), known["revision"].clone());
    let held = tokio::spawn(Api::answer(probe.request(&app, "poll", &body)));
    let rotated = app.post(&format!("/probes/{}/rotate", probe.id)).await;
    assert_ne!(rotated["token"].as_str().unwrap(), probe.token);
    held.await.unwrap().problem(401);
    let token = rotated["token"].as_str().unwrap().to_owned();
    let probe = Probe { token, ..probe };
    assert_eq!(probe.poll(&app, 0).await.status, 200);
    let off = app.patch(&format!("/probes/{}", probe.id), json!({"enabled": false})).await;
    assert_eq!(off["status"], "disabled");
    probe.poll(&app, 0).await.problem(403);
    app.delete(&format!("/probes/{}", probe.id)).await;
    probe.poll(&app, 0).await.problem(401);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_and_regions_by_the_api() {
    let app = spawn_app().await;
    let target = Stub::start().await;
    assert_eq!(app.api("POST", "/probes", json!({})).await.wrong_fields(), ["region"]);
    let own = json!({"region": "local", "x": 1});
    assert_eq!(app.api("POST", "/probes", own).await.wrong_fields(), ["region", "x"]);
    let eu = app.make("/probes", json!({"region": "eu-west", "name": "fra-1"})).await;
    assert!(eu["token"].as_str().unwrap().starts_with("wbp_"));
    let again = json!({"region": "eu-west"});
    assert_eq!(app.api("POST", "/probes", again).await.wrong_fields(), ["region"]);
    let path = format!("/probes/{}", eu["id"]);
    let read = app.get(&path).await;
    assert_eq!((&read["name"], &read["status"]), (&json!("fra-1"), &json!("new")));
    assert!(read.get("token").is_none(), "shown once");
    assert_eq!(app.patch(&path, json!({"name": "fra-2"})).await["name"], "fra-2");
    let moved = app.api("PATCH", &path, json!({"region": "x"})).await;
    assert_eq!(moved.wrong_fields(), ["region"]);
    let regions = app.get("/regions").await;
    let names: Vec<_> = regions.as_array().unwrap().iter().map(|r| &r["name"]).collect();
    assert_eq!(names, ["local", "eu-west"]);

    for (fields, wrong) in [
        (json!({"regions": ["eu-west", "mars"]}), vec!["regions"]),
        (json!({"regions": ["local", "eu-west"], "region_quorum": 3}), vec!["region_quorum"]),
        (json!({"region_quorum": 2}), vec!["region_quorum"]),
        (json!({"region_quorum": "most"}), vec!["region_quorum"]),
        (json!({"regions": "eu-west"}), vec!["regions"]),
        (json!({"regions": ["mars"], "retries": -1}), vec!["regions", "retries"]),
    ] {
        let mut body = json!({"url": target.url("/")});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        assert_eq!(app.api("POST", "/monitors", body).await.wrong_fields(), wrong, "{fields}");
    }
    let beat = json!({"name": "job", "period_seconds": 60, "regions": ["local"]});
    assert_eq!(app.api("POST", "/heartbeats", beat).await.wrong_fields(), ["regions"]);
    let plain = app.monitor(&target, json!({})).await;
    let shown = app.get(&format!("/monitors/{plain}")).await;
    assert_eq!(
        (&shown["regions"], &shown["region_quorum"]),
        (&json!(["local"]), &json!("majority"))
    );
    let fields = json!({"regions": ["eu-west", "local"], "region_quorum": 1});
    let shown = app.patch(&format!("/monitors/{plain}"), fields).await;
    assert_eq!(shown["regions"], json!(["eu-west", "local"]));
    assert_eq!(shown["region_quorum"], 1);
    app.api("DELETE", &path, Value::Null).await.problem(409);
    let shown = app.patch(&format!("/monitors/{plain}"), json!({"regions": null})).await;
    assert_eq!(shown["regions"], json!(["local"]));
    app.delete(&path).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_looks_like_another_is_refused() {
    let app = spawn_app().await;
    // Turned round, of no width, a space that is another one, a filler, a line of its own.
    for unseen in
        ["\u{202e}", "\u{2067}", "\u{200b}", "\u{feff}", "\u{a0}", "\u{3164}", "\u{e0061}", "\n"]
    {
        let name = format!("eu{unseen}west");
        let made = app.api("POST", "/probes", json!({"region": name})).await.problem(422);
        let reason = made["errors"]["region"].as_str().unwrap();
        assert!(reason.contains("characters that can be seen"), "{reason}");
        let named = app.api("POST", "/probes", json!({"region": "eu", "name": name})).await;
        assert_eq!(named.wrong_fields(), ["name"]);
    }
    let made =
        app.make("/probes", json!({"region": "São Paulo 東京 القاهرة 🇪🇺", "name": "ş 1"})).await;
    let path = format!("/probes/{}", made["id"]);
    let hidden = app.api("PATCH", &path, json!({"name": "a\u{2060}"})).await;
    assert_eq!(hidden.wrong_fields(), ["name"]);
    assert_eq!(app.get(&path).await["name"], "ş 1");
    app.stop().await;
}
