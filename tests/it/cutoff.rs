//! When it is us: held verdicts, doubtful errors, and the one incident of Watchbell's own.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use futures_util::future::join_all;
use serde_json::{Value, json};
use watchbell::incident::Incident;
use watchbell::incident::IncidentState::{self, Open, Resolved};
use watchbell::monitor::{Status, StatusChange, Verdict};
use watchbell::notify::DeliveryState;
use watchbell::store::{history, incidents};

use crate::support::app::{TestApp, deliveries_in, spawn_app_with};
use crate::support::stub::{Stub, Told};
use crate::support::{CAP, eventually};

/// Six monitors on hosts of their own, all of this machine, and a receiver of alerts.
struct Fleet {
    app: TestApp,
    targets: Vec<Stub>,
    ids: Vec<i64>,
    receiver: Stub,
}

impl Fleet {
    async fn start() -> Self {
        Self::start_with(&[]).await
    }

    async fn start_with(flags: &[&str]) -> Self {
        let app = spawn_app_with(flags).await;
        let receiver = Stub::start().await;
        app.webhook(&receiver).await;
        let (mut targets, mut ids) = (Vec::new(), Vec::new());
        for n in 1..=6 {
            let target = Stub::start_at(&format!("127.0.1.{n}")).await;
            let id = app.monitor(&target, json!({})).await;
            app.until(id, |watched| watched.state.status == Status::Up).await;
            targets.push(target);
            ids.push(id);
        }
        Self { app, targets, ids, receiver }
    }

    /// The targets break off every connection, as a firewall of our own would.
    fn cut(&self) {
        self.app.canaries.fall_silent();
        for target in &self.targets {
            target.tell(Told::BreakOff);
        }
    }

    fn heal(&self) {
        for target in &self.targets {
            target.answer(200, "ok");
        }
        self.app.canaries.answer_again();
    }

    /// Checks all targets at once.
    async fn next_round(&self) {
        self.app.advance(60);
        let checks =
            self.ids.iter().map(async |id| self.app.post(&format!("/monitors/{id}/check")).await);
        join_all(checks).await;
    }

    /// Watchbell's own incident, once it is in `state`.
    async fn own_incident(&self, state: IncidentState) -> Incident {
        eventually(CAP, || async {
            // The region is looked at every two seconds while something is wrong with it.
            self.app.advance(2);
            let mut reader = self.app.db.read().await.unwrap();
            let all = incidents::list(&mut reader.conn(), Default::default(), 100, 0).await;
            let own = |one: &Incident| one.monitor_id.is_none() && one.state() == state;
            all.unwrap().into_iter().find(own)
        })
        .await
    }

    /// Waits until all of `ids` are in `status` and known to be, while time passes.
    async fn all_are(&self, ids: &[i64], status: Status) {
        for id in ids {
            eventually(CAP, || async {
                self.app.advance(1);
                let state = self.app.watched(*id).await.state;
                (state.status == status && state.unknown_since.is_none()).then_some(())
            })
            .await;
        }
    }

    async fn changes(&self, id: i64) -> Vec<StatusChange> {
        let mut reader = self.app.db.read().await.unwrap();
        let conn = &mut reader.conn();
        let start = watchbell::clock::Timestamp(0);
        history::status_changes(conn, &[id], start).await.unwrap().remove(&id).unwrap()
    }
}

#[tokio::test]
async fn a_cut_region_is_one_incident_of_our_own_and_nobody_is_down() {
    let fleet = Fleet::start().await;
    let app = &fleet.app;
    fleet.cut();
    fleet.next_round().await;
    let opened = fleet.own_incident(Open).await;
    let incident = app.get(&format!("/incidents/{}", opened.id)).await;
    assert_eq!(incident["monitor_id"], Value::Null);
    assert_eq!(incident["monitor_name"], "Watchbell (region local)");
    assert_eq!((&incident["cause"], &incident["regions"]), (&json!("cut_off"), &json!(["local"])));
    let summary = incident["summary"].as_str().unwrap();
    let end = "of 6 hosts do not answer, and no canary does (the test's canary)";
    assert!(summary.ends_with(end), "{summary}");
    for _ in 0..3 {
        fleet.next_round().await;
    }
    let held = app.results(fleet.ids[5], 0).await;
    assert_eq!(held[0].verdict, Verdict::Unknown);
    assert_eq!(held[0].error.as_ref().unwrap().kind.as_str(), "reset", "what was seen is kept");
    // It heals, but one of them is broken for real.
    fleet.heal();
    fleet.targets[5].answer(500, "");
    fleet.own_incident(Resolved).await;
    let broken = fleet.ids[5];
    fleet.all_are(&fleet.ids[..5], Status::Up).await;
    fleet.all_are(&[broken], Status::Down).await;
    let events = fleet.receiver.wait_for(3).await;
    let of = |event: &str| {
        events.iter().map(|r| r.json()).find(|json| json["event"] == event).unwrap_or_default()
    };
    let cut = of("self.cut_off");
    assert_eq!(cut["monitor"], Value::Null);
    assert_eq!(cut["check"], Value::Null);
    assert_eq!(cut["incident"]["id"], opened.id);
    assert_eq!(cut["incident"]["cause"], "cut_off");
    let text = cut["text"].as_str().unwrap();
    assert!(
        text.starts_with("🟠 *Watchbell (region local)* is cut off from the network\n"),
        "{text}"
    );
    let back = of("self.back");
    assert!(back["incident"]["resolved_at"].is_string());
    assert!(back["text"].as_str().unwrap().contains("is back on the network\nCut off for: "));
    assert_eq!(of("monitor.down")["monitor"]["id"], broken);
    let detail = app.get(&format!("/incidents/{}", opened.id)).await;
    let kinds: Vec<_> = detail["timeline"].as_array().unwrap().iter().map(|e| &e["kind"]).collect();
    for kind in ["detected", "confirmed", "resolved", "delivered"] {
        assert!(kinds.contains(&&json!(kind)), "{kinds:?}");
    }
    // The history has a gap, which uptime leaves out.
    let changes: Vec<_> = fleet.changes(fleet.ids[0]).await.iter().map(|c| c.status).collect();
    // It was up in the very moment in which it was made.
    assert_eq!(changes, [Some(Status::Up), None, Some(Status::Up)]);
    let uptime = app.get(&format!("/monitors/{}", fleet.ids[0])).await["uptime"]["24h"].clone();
    assert_eq!(uptime, 100.0);
    fleet.app.stop().await;
}

#[tokio::test]
async fn the_canaries_are_not_asked_while_all_is_well_or_one_host_is_broken() {
    let fleet = Fleet::start().await;
    fleet.next_round().await;
    fleet.targets[0].answer(500, "");
    fleet.all_are(&fleet.ids[..1], Status::Down).await;
    assert_eq!(fleet.app.canaries.asked(), 0);
    fleet.targets[0].answer(200, "");
    fleet.all_are(&fleet.ids, Status::Up).await;
    fleet.app.stop().await;
}

#[tokio::test]
async fn many_that_are_down_while_the_canaries_answer_are_down() {
    let fleet = Fleet::start().await;
    for target in &fleet.targets {
        target.tell(Told::BreakOff);
    }
    fleet.all_are(&fleet.ids, Status::Down).await;
    assert!(fleet.app.canaries.asked() > 0);
    fleet.heal();
    fleet.all_are(&fleet.ids, Status::Up).await;
    fleet.app.stop().await;
}

/// Canaries that are dead themselves do not hide what is plainly a target's.
#[tokio::test]
async fn a_single_failure_is_the_targets_though_the_canaries_are_silent() {
    let fleet = Fleet::start().await;
    fleet.app.canaries.fall_silent();
    fleet.targets[0].tell(Told::BreakOff);
    fleet.all_are(&fleet.ids[..1], Status::Down).await;
    fleet.targets[0].answer(200, "");
    fleet.all_are(&fleet.ids, Status::Up).await;
    fleet.app.stop().await;
}

/// Its own incident is not made twice, and is ended by the server that finds the region well.
#[tokio::test]
async fn a_restart_while_cut_off_goes_on_where_it_was() {
    let fleet = Fleet::start().await;
    fleet.cut();
    fleet.next_round().await;
    let incident = fleet.own_incident(Open).await;
    let Fleet { app, targets, ids, receiver } = fleet;
    receiver.wait_for(1).await;
    let (database, clock) = app.halt().await;
    let app = TestApp::start(database, clock, &[]).await;
    let fleet = Fleet { app, targets, ids, receiver };
    fleet.heal();
    assert_eq!(fleet.own_incident(Resolved).await.id, incident.id);
    let texts = fleet.receiver.wait_for_texts(2).await;
    assert!(texts[1].contains("is back on the network"), "{texts:?}");
    fleet.app.stop().await;
}

/// Jobs cannot ping us while we are cut off: their windows move on, and a dead one alerts one window later.
#[tokio::test]
async fn a_heartbeat_does_not_go_down_while_cut_off() {
    let fleet = Fleet::start().await;
    let app = &fleet.app;
    let fields = json!({"name": "job", "period_seconds": 100, "grace_seconds": 20});
    let job = app.make("/heartbeats", fields).await;
    let ping = job["ping_url"].as_str().unwrap();
    let path = &ping[ping.find("/api/").unwrap()..];
    assert_eq!(app.request("GET", path).send().await.unwrap().status(), 200);
    fleet.cut();
    fleet.next_round().await;
    fleet.own_incident(Open).await;
    let id = job["id"].as_i64().unwrap();
    let before = app.watched(id).await.state.beat.deadline_at.unwrap();
    app.advance(121);
    app.until(id, |w| w.state.beat.deadline_at.is_some_and(|at| at > before)).await;
    assert_eq!(app.watched(id).await.state.status, Status::Up);
    fleet.heal();
    fleet.own_incident(Resolved).await;
    assert_eq!(app.watched(id).await.state.status, Status::Up);
    fleet.all_are(&[id], Status::Down).await;
    fleet.receiver.wait_for(3).await;
    fleet.app.stop().await;
}

/// What could not be sent while cut off goes out at once when it is back, not at its next turn half an hour later.
#[tokio::test]
async fn alerts_that_found_no_way_are_hurried_when_it_is_back() {
    let fleet = Fleet::start_with(&["--retry-schedule", "36000"]).await;
    fleet.receiver.tell(Told::BreakOff);
    fleet.cut();
    fleet.next_round().await;
    fleet.own_incident(Open).await;
    eventually(CAP, || async {
        let pending = deliveries_in(&fleet.app.db, DeliveryState::Pending).await;
        pending.first().is_some_and(|d| d.attempts > 0).then_some(())
    })
    .await;
    fleet.receiver.answer(200, "");
    fleet.heal();
    fleet.own_incident(Resolved).await;
    let events: Vec<_> = eventually(CAP, || async {
        let came = fleet.receiver.requests();
        let events: Vec<_> = came.iter().map(|r| r.json()["event"].clone()).collect();
        events.contains(&json!("self.back")).then_some(events)
    })
    .await;
    assert_eq!(events.last(), Some(&json!("self.back")), "in order");
    fleet.app.stop().await;
}
