//! Monitors that depend on others: whose alerts are held, who is named, and what is told when the parent is well again.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use watchbell::incident::TimelineKind;
use watchbell::monitor::Status;
use watchbell::store::{incidents, timeline};

use crate::support::app::{TestApp, spawn_app};
use crate::support::stub::Stub;
use crate::support::{CAP, eventually};

/// A router and a shop behind it, both well; who is told of them.
struct Scene {
    app: TestApp,
    router: (Stub, i64),
    shop: (Stub, i64),
    receiver: Stub,
}

impl Scene {
    async fn new(router_fields: Value) -> Self {
        let (app, receiver) = (spawn_app().await, Stub::start().await);
        app.webhook(&receiver).await;
        let (router, shop) = (Stub::start().await, Stub::start().await);
        let mut fields = json!({"name": "router", "retries": 0});
        fields.as_object_mut().unwrap().extend(router_fields.as_object().unwrap().clone());
        let parent = app.monitor(&router, fields).await;
        let fields = json!({"name": "shop", "retries": 0, "depends_on": [parent]});
        let child = app.monitor(&shop, fields).await;
        for id in [parent, child] {
            app.until(id, |w| w.state.status == Status::Up).await;
        }
        Self { app, router: (router, parent), shop: (shop, child), receiver }
    }

    fn fail(&self) {
        self.router.0.answer(500, "");
        self.shop.0.answer(500, "");
        self.app.advance(60);
    }

    async fn down(&self, id: i64) {
        self.app.until(id, |w| w.state.status == Status::Down).await;
    }

    /// Waits until the alerts of the shop's outage are held, and gives the lines that say why.
    async fn held(&self) -> Vec<String> {
        let (app, id) = (&self.app, self.shop.1);
        eventually(CAP, || async {
            let mut reader = app.db.read().await.unwrap();
            let conn = &mut reader.conn();
            let incident = incidents::open_of(conn, id).await.unwrap()?;
            let lines = timeline::list(conn, incident.id).await.unwrap();
            let held = lines.into_iter().filter(|line| line.kind == TimelineKind::Held);
            incident.alerts_held.then(|| held.map(|line| line.detail).collect())
        })
        .await
    }

    /// Has a monitor checked now.
    async fn look(&self, id: i64) {
        self.app.post(&format!("/monitors/{id}/check")).await;
    }

    async fn texts(&self, n: usize) -> String {
        self.receiver.wait_for_texts(n).await.join("\n")
    }
}

#[tokio::test]
async fn a_dependant_is_held_while_its_parent_is_down_and_told_after_a_fresh_look() {
    let scene = Scene::new(json!({})).await;
    scene.fail();
    scene.down(scene.router.1).await;
    scene.down(scene.shop.1).await;
    let held = scene.held().await;
    assert!(held[0].starts_with("Held: depends on router, which is"), "{held:?}");
    let text = scene.texts(1).await;
    let first =
        format!("🔴 *{}/health* is DOWN\nStatus: 500\nDuration: 0s\n", scene.router.0.host());
    assert!(text.starts_with(&first), "{text}");
    let named = text.lines().last().unwrap();
    assert!(named.starts_with("Holds the alerts of: shop"), "{text}");
    // Checks of the shop that fail meanwhile change nothing.
    for _ in 0..2 {
        scene.app.advance(10);
        scene.look(scene.shop.1).await;
    }
    assert_eq!(scene.app.deliveries().await.len(), 1);
    scene.router.0.answer(200, "");
    scene.app.advance(10);
    scene.look(scene.router.1).await;
    let text = scene.texts(3).await;
    assert!(text.contains(&format!("*{}/health* is back online", scene.router.0.host())), "{text}");
    assert!(text.contains(&format!("🔴 *{}/health* is DOWN", scene.shop.0.host())), "{text}");
    scene.app.stop().await;
    assert_eq!(scene.receiver.count(), 3);
}

#[tokio::test]
async fn a_dependant_that_recovers_with_its_parent_is_never_told() {
    let scene = Scene::new(json!({})).await;
    scene.fail();
    scene.down(scene.router.1).await;
    scene.down(scene.shop.1).await;
    scene.texts(1).await;
    scene.router.0.answer(200, "");
    scene.shop.0.answer(200, "");
    scene.app.advance(60);
    for id in [scene.router.1, scene.shop.1] {
        scene.app.until(id, |w| w.state.status == Status::Up).await;
    }
    let text = scene.texts(2).await;
    assert!(!text.contains(&scene.shop.0.host()), "{text}");
    scene.app.stop().await;
    assert_eq!(scene.receiver.count(), 2);
}

#[tokio::test]
async fn a_parent_that_is_re_checked_holds_too_and_lets_go_when_it_is_well() {
    let scene = Scene::new(json!({"retries": 1})).await;
    scene.fail();
    scene.app.until(scene.router.1, |w| w.state.is_confirming()).await;
    scene.down(scene.shop.1).await;
    scene.held().await;
    assert_eq!(scene.app.deliveries().await, []);
    scene.router.0.answer(200, "");
    scene.app.advance(5);
    let text = scene.texts(1).await;
    assert!(text.contains(&format!("🔴 *{}/health* is DOWN", scene.shop.0.host())), "{text}");
    scene.app.stop().await;
    assert_eq!(scene.receiver.count(), 1);
}

#[tokio::test]
async fn a_dependant_that_fails_alone_has_its_parent_checked_at_once_and_is_told() {
    let scene = Scene::new(json!({"check_interval_seconds": 86_400})).await;
    scene.shop.0.answer(500, "");
    let before = scene.app.results(scene.router.1, 1).await.len();
    scene.app.advance(60);
    let text = scene.texts(1).await;
    assert!(text.contains(&format!("🔴 *{}/health* is DOWN", scene.shop.0.host())), "{text}");
    let looks = scene.app.results(scene.router.1, before + 1).await;
    assert_eq!(looks[0].started_at, scene.app.now(), "looked at out of turn");
    scene.app.stop().await;
}

#[tokio::test]
async fn a_parent_that_is_found_down_by_that_look_holds() {
    let scene = Scene::new(json!({"check_interval_seconds": 86_400})).await;
    scene.fail();
    scene.down(scene.router.1).await;
    scene.down(scene.shop.1).await;
    let text = scene.texts(1).await;
    assert!(text.contains("Holds the alerts of: shop (failing)"), "{text}");
    assert_eq!(scene.app.deliveries().await.len(), 1);
    scene.app.stop().await;
}

#[tokio::test]
async fn a_paused_parent_holds_nothing_and_a_deleted_one_lets_go() {
    let scene = Scene::new(json!({})).await;
    let router = format!("/monitors/{}", scene.router.1);
    scene.fail();
    scene.down(scene.router.1).await;
    scene.down(scene.shop.1).await;
    scene.texts(1).await;
    scene.app.delete(&router).await;
    let text = scene.texts(3).await;
    assert!(text.contains("watching stopped: deleted"), "{text}");
    assert!(text.contains(&format!("🔴 *{}/health* is DOWN", scene.shop.0.host())), "{text}");
    let shop = scene.app.get(&format!("/monitors/{}", scene.shop.1)).await;
    assert_eq!(shop["depends_on"], json!([]));
    scene.app.stop().await;

    let scene = Scene::new(json!({})).await;
    scene.app.post(&format!("/monitors/{}/pause", scene.router.1)).await;
    scene.shop.0.answer(500, "");
    scene.app.advance(60);
    assert!(scene.texts(1).await.contains(&scene.shop.0.host()));
    scene.app.stop().await;
}

#[tokio::test]
async fn what_is_held_outlives_a_restart() {
    let scene = Scene::new(json!({})).await;
    scene.fail();
    scene.down(scene.router.1).await;
    scene.down(scene.shop.1).await;
    scene.texts(1).await;
    let Scene { app, router, shop, receiver } = scene;
    eventually(CAP, || async { app.deliveries().await[0].delivered_at.map(drop) }).await;
    let (database, clock) = app.halt().await;
    router.0.answer(200, "");
    let app = TestApp::start(database, clock, &[]).await;
    app.advance(60);
    let text = receiver.wait_for_texts(3).await.join("\n");
    assert!(text.contains(&format!("🔴 *{}/health* is DOWN", shop.0.host())), "{text}");
    app.stop().await;
}

#[tokio::test]
async fn jobs_depend_and_are_depended_on() {
    let (app, receiver) = (spawn_app().await, Stub::start().await);
    app.webhook(&receiver).await;
    let make = async |name: &str, parents: Value| {
        let fields = json!({"name": name, "period_seconds": 3600, "depends_on": parents});
        let made = app.make("/heartbeats", fields).await;
        (made["id"].as_i64().unwrap(), made["uuid"].as_str().unwrap().to_owned())
    };
    let (host, host_uuid) = make("host", json!([])).await;
    let (_, job_uuid) = make("job", json!([host])).await;
    let ping = async |uuid: &str, suffix: &str| {
        let sent = app.request("POST", &format!("/ping/{uuid}{suffix}")).send().await;
        assert_eq!(sent.unwrap().status(), 200);
    };
    ping(&host_uuid, "/fail").await;
    ping(&job_uuid, "/fail").await;
    let text = receiver.wait_for_texts(1).await.remove(0);
    assert_eq!(text, "🔴 *host* is DOWN\nReported failure\nDuration: 0s\nHolds the alerts of: job");
    assert_eq!(app.deliveries().await.len(), 1);
    ping(&host_uuid, "").await;
    let texts = receiver.wait_for_texts(3).await.join("\n");
    assert!(texts.contains("🟢 *host* is back") && texts.contains("🔴 *job* is DOWN"), "{texts}");
    app.stop().await;
}

#[tokio::test]
async fn circles_unknown_ones_and_itself_are_refused() {
    let (app, target) = (spawn_app().await, Stub::start().await);
    let make = async |parents: Value| app.monitor(&target, json!({"depends_on": parents})).await;
    let a = make(json!([])).await;
    let b = make(json!([a])).await;
    let c = make(json!([b, a])).await;
    let other = make(json!([])).await;
    for (id, parents) in [
        (a, json!([c])),
        (a, json!([b])),
        (b, json!([c])),
        (a, json!([a])),
        (c, json!([9999])),
        (c, json!([a, other, 9999])),
        (c, json!("a")),
        (c, json!([0])),
    ] {
        let body = json!({"depends_on": parents});
        let answer = app.api("PATCH", &format!("/monitors/{id}"), body.clone()).await;
        assert_eq!(answer.wrong_fields(), ["depends_on"], "{id} {body}: {}", answer.text);
    }
    let body = json!({"url": "nonsense", "depends_on": [9999]});
    let answer = app.api("POST", "/monitors", body).await;
    assert_eq!(answer.wrong_fields(), ["depends_on", "url"]);
    // What was refused has changed nothing, and what breaks the circle is taken.
    let shown = app.get(&format!("/monitors/{c}")).await;
    assert_eq!(shown["depends_on"], json!([b, a]));
    app.patch(&format!("/monitors/{b}"), json!({"depends_on": []})).await;
    app.patch(&format!("/monitors/{c}"), json!({"depends_on": null})).await;
    let shown = app.patch(&format!("/monitors/{a}"), json!({"depends_on": [c]})).await;
    assert_eq!(shown["depends_on"], json!([c]));
    app.stop().await;
}
