//! Escalation: who is told when, by the real server with receivers that record what came.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod held;
mod link;
mod policies;
mod quiet;

use serde_json::{Value, json};
use watchbell::monitor::Status;

use crate::support::app::{TestApp, spawn_app};
use crate::support::stub::Stub;
use crate::support::{CAP, eventually};

/// A server with a failing target and three receivers, each with a channel that is no default one.
struct Scene {
    app: TestApp,
    target: Stub,
    receivers: [Stub; 3],
    channels: [i64; 3],
}

impl Scene {
    async fn new() -> Self {
        let app = spawn_app().await;
        let target = Stub::start().await;
        let receivers = [Stub::start().await, Stub::start().await, Stub::start().await];
        let mut channels = [0; 3];
        for (n, receiver) in receivers.iter().enumerate() {
            let name = ["chat", "pager", "boss"][n];
            let body = json!({"type": "webhook", "name": name, "url": receiver.url("/hook")});
            channels[n] = app.make("/channels", body).await["id"].as_i64().unwrap();
        }
        Self { app, target, receivers, channels }
    }

    /// Makes a policy of steps: minutes, and which of the receivers.
    async fn policy(&self, steps: &[(u32, &[usize])], more: Value) -> i64 {
        let ids = |chosen: &[usize]| chosen.iter().map(|n| self.channels[*n]).collect::<Vec<_>>();
        let steps: Vec<Value> = steps
            .iter()
            .map(|(after, chosen)| json!({"after_minutes": after, "channel_ids": ids(chosen)}))
            .collect();
        let mut body = json!({"name": "Primary", "steps": steps});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.app.make("/escalation-policies", body).await["id"].as_i64().unwrap()
    }

    /// Makes a monitor with the policy that is checked once a day, so that nothing but the ladder moves meanwhile.
    async fn monitor(&self, policy: i64) -> i64 {
        let fields = json!({"retries": 0, "check_interval_seconds": 86_400,
            "escalation_policy_id": policy});
        self.app.monitor(&self.target, fields).await
    }

    /// The same, and it is down at once. Gives the monitor and its incident.
    async fn outage(&self, policy: i64) -> (i64, i64) {
        self.target.answer(500, "");
        let id = self.monitor(policy).await;
        self.app.until(id, |w| w.state.status == Status::Down).await;
        let incident = self.app.get("/incidents?state=open").await[0]["id"].as_i64().unwrap();
        (id, incident)
    }

    async fn recover(&self, id: i64) {
        self.target.answer(200, "");
        // A check that was under way, of an edit say, may have asked before.
        while self.app.post(&format!("/monitors/{id}/check")).await["verdict"] != "up" {}
        self.app.until(id, |w| w.state.status == Status::Up).await;
    }

    /// Waits until each receiver has got exactly these events.
    #[track_caller]
    fn got(&self, expected: [&[&str]; 3]) -> impl Future<Output = ()> {
        let expected: Vec<Vec<String>> = expected
            .iter()
            .map(|all| all.iter().map(|e| format!("{}{e}", prefix(e))).collect())
            .collect();
        let caller = std::panic::Location::caller();
        async move {
            let mut last = Vec::new();
            for _ in 0..600 {
                last = self.receivers.iter().map(events).collect::<Vec<_>>();
                if last == expected {
                    return;
                }
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            panic!("{caller}: got {last:?}, expected {expected:?}");
        }
    }

    /// Advances minute by minute, so that each step is seen in its own time.
    async fn minutes(&self, n: usize) {
        for _ in 0..n {
            self.app.advance(60);
            self.settled().await;
        }
    }

    /// Waits until the watcher has done what is due and the sender has sent what there was.
    async fn settled(&self) {
        let now = self.app.now();
        eventually(CAP, || async {
            let mut reader = self.app.db.read().await.unwrap();
            let conn = &mut reader.conn();
            let to_climb = watchbell::store::ladders::due(conn, now, 1).await.unwrap();
            let due = watchbell::store::outbox::oldest_due(conn, now).await.unwrap();
            (to_climb.is_empty() && due.is_none()).then_some(())
        })
        .await;
    }

    async fn timeline(&self, incident: i64) -> Vec<(String, String)> {
        let detail = self.app.get(&format!("/incidents/{incident}")).await;
        let line = |line: &Value| {
            let word = |name: &str| line[name].as_str().unwrap().to_owned();
            (word("kind"), word("detail"))
        };
        detail["timeline"].as_array().unwrap().iter().map(line).collect()
    }

    async fn acknowledge(&self, incident: i64) {
        self.app.post(&format!("/incidents/{incident}/acknowledge")).await;
    }
}

fn prefix(event: &str) -> &'static str {
    match event {
        "reminder" | "acknowledged" => "incident.",
        _ => "monitor.",
    }
}

fn events(receiver: &Stub) -> Vec<String> {
    let event = |request: &crate::support::stub::Request| {
        request.json()["event"].as_str().unwrap().to_owned()
    };
    receiver.requests().iter().map(event).collect()
}

#[tokio::test]
async fn steps_come_in_their_time_and_recovery_stops_them_and_tells_everybody_told() {
    let scene = Scene::new().await;
    let policy = scene.policy(&[(0, &[0]), (5, &[0, 1]), (15, &[2])], json!({})).await;
    let (id, incident) = scene.outage(policy).await;
    scene.got([&["down"], &[], &[]]).await;
    scene.minutes(4).await;
    scene.got([&["down"], &[], &[]]).await;
    scene.minutes(1).await;
    // Who was told is reminded, who was not is told.
    scene.got([&["down", "reminder"], &["down"], &[]]).await;
    let reminder = scene.receivers[0].requests()[1].json();
    let text = reminder["text"].as_str().unwrap();
    assert!(
        text.starts_with(&format!(
            "🔴 *{}/health* is still DOWN\nStatus: 500\nDuration: 5m",
            scene.target.host()
        )),
        "{text}"
    );
    assert_eq!(reminder["check"]["status_code"], 500);
    assert_eq!(reminder["incident"]["id"], incident);
    scene.recover(id).await;
    scene.minutes(20).await;
    scene.got([&["down", "reminder", "up"], &["down", "up"], &[]]).await;
    let notified: Vec<String> = scene
        .timeline(incident)
        .await
        .into_iter()
        .filter(|(kind, _)| kind == "notified")
        .map(|(_, detail)| detail)
        .collect();
    assert_eq!(notified, ["Step 1: chat", "Step 2: chat, pager"]);
    scene.app.stop().await;
}

#[tokio::test]
async fn it_repeats_so_often_and_no_more() {
    let scene = Scene::new().await;
    let more = json!({"repeat_every_minutes": 10, "repeat_times": 2});
    let policy = scene.policy(&[(0, &[0]), (2, &[1])], more).await;
    scene.outage(policy).await;
    scene.minutes(13).await;
    scene.got([&["down", "reminder"], &["down", "reminder"], &[]]).await;
    scene.minutes(60).await;
    let all: &[&str] = &["down", "reminder", "reminder"];
    scene.got([all, all, &[]]).await;
    scene.app.stop().await;
}

#[tokio::test]
async fn acknowledging_stops_it_and_is_told_to_who_was_told_and_the_second_changes_nothing() {
    let scene = Scene::new().await;
    let policy = scene.policy(&[(0, &[0]), (5, &[1])], json!({"repeat_every_minutes": 10})).await;
    let (id, incident) = scene.outage(policy).await;
    scene.minutes(1).await;
    scene.acknowledge(incident).await;
    scene.got([&["down", "acknowledged"], &[], &[]]).await;
    let first = scene.app.get(&format!("/incidents/{incident}")).await;
    assert_eq!(first["state"], "acknowledged");
    let text = scene.receivers[0].requests()[1].text();
    assert!(text.contains("is acknowledged by test\nStatus: 500\nDuration: 1m"), "{text}");
    scene.minutes(3).await;
    scene.acknowledge(incident).await;
    assert_eq!(
        scene.app.get(&format!("/incidents/{incident}")).await["timeline"],
        first["timeline"]
    );
    scene.minutes(30).await;
    scene.recover(id).await;
    scene.got([&["down", "acknowledged", "up"], &[], &[]]).await;
    scene.app.stop().await;
}

#[tokio::test]
async fn an_acknowledgement_and_a_step_at_the_same_moment_come_in_either_order_whole() {
    for round in 0..6 {
        let scene = Scene::new().await;
        let policy = scene.policy(&[(0, &[0]), (5, &[1])], json!({})).await;
        let (_, incident) = scene.outage(policy).await;
        scene.minutes(4).await;
        // The watcher wakes as the clock moves, and the request comes at the same time.
        scene.app.advance(60);
        if round % 2 == 1 {
            tokio::task::yield_now().await;
        }
        scene.acknowledge(incident).await;
        scene.settled().await;
        let detail = scene.timeline(incident).await;
        let place = |wanted: &str| {
            detail.iter().position(|(kind, words)| kind == wanted && !words.starts_with("Step 1"))
        };
        let acknowledged = place("acknowledged").unwrap();
        match place("notified") {
            // The step came first: who was told by it hears of the acknowledgement too.
            Some(step) => {
                assert!(step < acknowledged, "{detail:?}");
                scene.got([&["down", "acknowledged"], &["down", "acknowledged"], &[]]).await;
            }
            None => scene.got([&["down", "acknowledged"], &[], &[]]).await,
        }
        scene.app.stop().await;
    }
}

#[tokio::test]
async fn when_the_acknowledgement_runs_out_the_ladder_goes_on_and_can_be_acknowledged_again() {
    let scene = Scene::new().await;
    let more = json!({"ack_timeout_minutes": 30});
    let policy = scene.policy(&[(0, &[0]), (5, &[1]), (10, &[2])], more).await;
    let (_, incident) = scene.outage(policy).await;
    scene.minutes(2).await;
    scene.acknowledge(incident).await;
    scene.minutes(29).await;
    scene.got([&["down", "acknowledged"], &[], &[]]).await;
    scene.minutes(1).await;
    scene.got([&["down", "acknowledged"], &["down"], &[]]).await;
    let open = scene.app.get(&format!("/incidents/{incident}")).await;
    assert_eq!((&open["state"], &open["acknowledged_by"]), (&json!("open"), &Value::Null));
    scene.acknowledge(incident).await;
    scene.minutes(20).await;
    scene.got([&["down", "acknowledged", "acknowledged"], &["down", "acknowledged"], &[]]).await;
    scene.app.stop().await;
}

#[tokio::test]
async fn own_downtime_over_steps_makes_up_for_them_once() {
    let scene = Scene::new().await;
    let more = json!({"repeat_every_minutes": 10, "repeat_times": 5});
    let policy = scene.policy(&[(0, &[0]), (5, &[0, 1])], more).await;
    scene.outage(policy).await;
    scene.got([&["down"], &[], &[]]).await;
    let Scene { app, target, receivers, channels } = scene;
    let (database, clock) = app.halt().await;
    clock.advance_ms(27 * 60_000);
    let app = TestApp::start(database, clock, &[]).await;
    let scene = Scene { app, target, receivers, channels };
    // Steps of the minutes 5, 10, 15, 20 and 25 were missed.
    scene.got([&["down", "reminder"], &["down"], &[]]).await;
    scene.minutes(3).await;
    scene.got([&["down", "reminder", "reminder"], &["down"], &[]]).await;
    scene.app.stop().await;
}

#[tokio::test]
async fn an_incident_keeps_the_policy_that_it_opened_with() {
    let scene = Scene::new().await;
    let policy = scene.policy(&[(0, &[0]), (5, &[1])], json!({})).await;
    let (id, _) = scene.outage(policy).await;
    let steps = json!([{"after_minutes": 1, "channel_ids": [scene.channels[2]]}]);
    scene.app.patch(&format!("/escalation-policies/{policy}"), json!({"steps": steps})).await;
    scene.minutes(5).await;
    scene.got([&["down"], &["down"], &[]]).await;
    // Nor does it matter that the monitor has another one now, or none.
    scene.app.patch(&format!("/monitors/{id}"), json!({"channel_ids": []})).await;
    scene.recover(id).await;
    scene.got([&["down", "up"], &["down", "up"], &[]]).await;
    scene.app.stop().await;
}

#[tokio::test]
async fn a_step_whose_channels_are_gone_or_disabled_is_skipped_at_once_and_noted() {
    let scene = Scene::new().await;
    let policy = scene.policy(&[(0, &[0]), (5, &[1]), (15, &[2])], json!({})).await;
    let disabled = format!("/channels/{}", scene.channels[0]);
    scene.app.patch(&disabled, json!({"enabled": false})).await;
    let (_, incident) = scene.outage(policy).await;
    scene.got([&[], &["down"], &[]]).await;
    scene.minutes(9).await;
    scene.got([&[], &["down"], &[]]).await;
    scene.minutes(1).await;
    scene.got([&[], &["down"], &["down"]]).await;
    let skipped = (
        "step_skipped".to_owned(),
        "Step 1 was skipped: its channels are gone or disabled".to_owned(),
    );
    assert!(scene.timeline(incident).await.contains(&skipped));
    scene.app.stop().await;
}

#[tokio::test]
async fn nobody_notified_is_said() {
    let scene = Scene::new().await;
    let policy = scene.policy(&[(0, &[0]), (5, &[0])], json!({})).await;
    scene.app.delete(&format!("/channels/{}", scene.channels[0])).await;
    let (_, incident) = scene.outage(policy).await;
    let kinds: Vec<String> =
        scene.timeline(incident).await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["detected", "confirmed", "step_skipped", "step_skipped", "nobody_notified"]);
    let read = scene.app.get(&format!("/escalation-policies/{policy}")).await;
    assert_eq!(read["steps"][0]["channel_ids"], json!([]), "what is gone is not named");
    scene.app.stop().await;
}

#[tokio::test]
async fn pausing_or_deleting_ends_it() {
    let scene = Scene::new().await;
    let policy = scene.policy(&[(0, &[0]), (5, &[1])], json!({})).await;
    let (id, _) = scene.outage(policy).await;
    scene.got([&["down"], &[], &[]]).await;
    scene.app.delete(&format!("/monitors/{id}")).await;
    scene.minutes(10).await;
    scene.got([&["down", "up"], &[], &[]]).await;
    scene.app.stop().await;
}

#[tokio::test]
async fn a_heartbeat_climbs_too() {
    let scene = Scene::new().await;
    let policy = scene.policy(&[(0, &[0]), (5, &[1])], json!({})).await;
    let fields = json!({"name": "job", "period_seconds": 60, "grace_seconds": 0,
        "first_ping_within_seconds": 60, "escalation_policy_id": policy});
    let id = scene.app.make("/heartbeats", fields).await["id"].as_i64().unwrap();
    scene.app.advance(60);
    scene.app.until(id, |w| w.state.status == Status::Down).await;
    scene.got([&["down"], &[], &[]]).await;
    scene.minutes(5).await;
    scene.got([&["down"], &["down"], &[]]).await;
    let later = scene.receivers[1].requests()[0].json();
    assert_eq!(later["check"], Value::Null);
    scene.app.stop().await;
}
