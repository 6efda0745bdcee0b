//! Our own absence on the real app: stopped, suspended, the clock set. It never raises an alarm by itself, and what is dead
//! alerts one window later.

use serde_json::{Value, json};
use watchbell::clock::{ManualClock, Timestamp};
use watchbell::monitor::Status;
use watchbell::report::uptime::outages;
use watchbell::store::{history, settings};

use super::Job;
use crate::support::app::{TestApp, spawn_app};
use crate::support::stub::Stub;
use crate::support::{CAP, eventually};

/// A server that watches: what its clock does from now on, it sees.
async fn watching() -> TestApp {
    let app = spawn_app().await;
    app.clock.limit_lateness_ms(5000);
    eventually(CAP, || async {
        if has_looked(&app).await && app.now() > crate::support::api::START {
            return Some(());
        }
        app.advance(10);
        None
    })
    .await;
    app
}

/// Whether the watcher has looked at this moment, and so has done what follows of an absence.
async fn has_looked(app: &TestApp) -> bool {
    let mut reader = app.db.read().await.unwrap();
    let alive = settings::get(&mut reader.conn(), "last_alive").await.unwrap();
    alive == Some(app.now().0.to_string())
}

async fn deadline_is(app: &TestApp, id: i64, at: Timestamp) {
    app.until(id, |watched| watched.state.beat.deadline_at == Some(at)).await;
}

fn restarted(clock: &ManualClock, away_seconds: i64) {
    clock.advance_ms(away_seconds * 1000);
}

/// Jobs of all kinds over a stop of two periods: one pings again in its window, one does not, one was dead before, one runs,
/// one is expected by cron, one was never heard of, one is far from due.
#[tokio::test]
async fn stopped_for_two_periods() {
    let (app, receiver) = (spawn_app().await, Stub::start().await);
    app.webhook(&receiver).await;
    let hourly = |name: &str| json!({"name": name, "period_seconds": 3600, "grace_seconds": 600});
    let alive = Job::new(&app, hourly("alive")).await;
    let dead = Job::new(&app, hourly("dead")).await;
    let failed = Job::new(&app, hourly("failed")).await;
    let running =
        json!({"name": "running", "period_seconds": 400 * 86_400, "max_runtime_seconds": 900});
    let running = Job::new(&app, running).await;
    let cron = json!({"name": "cron", "cron": "0 * * * *", "grace_seconds": 300});
    let cron = Job::new(&app, cron).await;
    let first = Job::new(&app, json!({"name": "first", "first_ping_within_seconds": 1800})).await;
    let far = Job::new(&app, json!({"name": "far", "period_seconds": 86_400})).await;
    for job in [&alive, &dead, &failed, &cron, &far] {
        job.signal("").await;
    }
    failed.signal("/fail").await;
    running.signal("/start").await;
    receiver.wait_for(1).await;
    let far_deadline = app.watched(far.id).await.state.beat.deadline_at.unwrap();
    let known = [&alive, &dead, &failed, &running, &cron, &first, &far]
        .map(|job| (job.id, job.uuid.clone()));
    let (database, clock) = app.halt().await;
    restarted(&clock, 7200 + 60);
    let app = TestApp::start(database, clock, &[]).await;
    let back = app.now();
    let jobs = known.map(|(id, uuid)| Job::known(&app, id, &uuid));
    let [alive, dead, failed, running, cron, first, far] = &jobs;
    let in_seconds = |seconds: i64| back.plus_ms(seconds * 1000);
    deadline_is(&app, alive.id, in_seconds(4200)).await;
    deadline_is(&app, dead.id, in_seconds(4200)).await;
    // 02:01 back, so 03:00 and the grace.
    deadline_is(&app, cron.id, in_seconds(59 * 60 + 300)).await;
    deadline_is(&app, first.id, in_seconds(1800)).await;
    deadline_is(&app, far.id, far_deadline).await;
    let run = app.watched(running.id).await.state.beat.runs[0];
    assert_eq!(run.deadline_at, Some(in_seconds(900)));
    let statuses = async || {
        let mut all = Vec::new();
        for job in &jobs {
            all.push(app.watched(job.id).await.state.status);
        }
        all
    };
    use Status::{Down, Pending, Up};
    assert_eq!(statuses().await, [Up, Up, Down, Pending, Up, Pending, Up]);
    assert_eq!(app.deliveries().await.len(), 1, "nothing is told by the return itself");
    for (seconds, job) in [(900, running), (1800, first), (59 * 60 + 300, cron)] {
        app.clock.advance_ms(in_seconds(seconds).since(app.now()) - 1);
        let told = app.deliveries().await.len();
        app.clock.advance_ms(1);
        let down = app.until(job.id, |watched| watched.state.status == Down).await;
        assert_eq!(down.state.since, in_seconds(seconds));
        assert_eq!(app.deliveries().await.len(), told + 1);
    }
    app.clock.advance_ms(in_seconds(4199).since(app.now()));
    alive.signal("").await;
    app.advance(1);
    app.until(dead.id, |watched| watched.state.status == Down).await;
    assert_eq!(statuses().await, [Up, Down, Down, Down, Down, Down, Up]);
    assert_eq!(failed.told().await, ["monitor.down"]);
    assert!(alive.told().await.is_empty());
    app.stop().await;
    assert_eq!(receiver.count(), 5);
}

/// What came of the jobs and the target that the clock was turned under.
async fn after_the_clock_was_turned(turn: impl FnOnce(&ManualClock)) {
    let (app, receiver, target) = (watching().await, Stub::start().await, Stub::start().await);
    app.webhook(&receiver).await;
    let site = app.monitor(&target, json!({"retries": 0})).await;
    app.results(site, 1).await;
    let (alive, dead) = (Job::new(&app, json!({})).await, Job::new(&app, json!({})).await);
    let daily = Job::new(&app, json!({"period_seconds": 86_400, "grace_seconds": 60})).await;
    for job in [&alive, &dead, &daily] {
        job.signal("").await;
    }
    turn(&app.clock);
    // The watcher sleeps for ten seconds at most.
    app.advance(10);
    let back = app.now();
    for job in [&alive, &dead] {
        deadline_is(&app, job.id, back.plus_ms(120_000)).await;
    }
    assert!(app.deliveries().await.is_empty(), "no alarm by ourselves");
    assert!(app.watched(daily.id).await.state.beat.deadline_at <= Some(back.plus_ms(86_460_000)));
    // From here on time only passes. Checks go on, and count.
    app.clock.limit_lateness_ms(i64::MAX);
    target.answer(500, "");
    for _ in 0..12 {
        app.advance(10);
        if app.now() == back.plus_ms(110_000) {
            alive.signal("").await;
        }
        eventually(CAP, || async {
            let mut reader = app.db.read().await.unwrap();
            let alive = settings::get(&mut reader.conn(), "last_alive").await.unwrap();
            (alive == Some(app.now().0.to_string())).then_some(())
        })
        .await;
    }
    let down = app.until(site, |watched| watched.state.status == Status::Down).await;
    // It wakes within a minute, and plans anew when the clock was set back.
    assert!(down.state.since >= back && down.state.since <= back.plus_ms(120_000));
    let down = app.until(dead.id, |watched| watched.state.status == Status::Down).await;
    assert_eq!(down.state.since, back.plus_ms(120_000), "the dead job alerts one window later");
    assert_eq!(app.watched(alive.id).await.state.status, Status::Up);
    let told: Vec<Value> =
        receiver.wait_for(2).await.iter().map(|r| r.json()["monitor"]["id"].clone()).collect();
    assert!(told.contains(&json!(site)) && told.contains(&json!(dead.id)), "{told:?}");
    app.stop().await;
    assert_eq!(receiver.count(), 2);
}

#[tokio::test]
async fn the_clock_is_set_an_hour_ahead() {
    after_the_clock_was_turned(|clock| clock.set_by_ms(3_600_000)).await;
}

#[tokio::test]
async fn the_clock_is_set_two_hours_back() {
    after_the_clock_was_turned(|clock| clock.set_by_ms(-7_200_000)).await;
}

/// As SIGSTOP does: time passes and nobody wakes.
#[tokio::test]
async fn the_process_is_stopped_for_ten_minutes() {
    after_the_clock_was_turned(|clock| clock.advance_ms(600_000)).await;
}

#[tokio::test]
async fn the_machine_is_suspended_for_ten_minutes() {
    after_the_clock_was_turned(|clock| clock.set_by_ms(600_000)).await;
}

/// A stop that is shorter than the time between two signs of life, but longer than a window.
#[tokio::test]
async fn the_process_is_stopped_for_less_than_a_sign_of_life() {
    let (app, receiver) = (watching().await, Stub::start().await);
    app.webhook(&receiver).await;
    let job = Job::new(&app, json!({"period_seconds": 2, "grace_seconds": 1})).await;
    let other = Job::new(&app, json!({"period_seconds": 1, "grace_seconds": 0})).await;
    job.signal("").await;
    other.signal("").await;
    app.advance(1);
    // The watcher has looked, and goes to sleep until the job is due in a second.
    app.until(other.id, |watched| watched.state.status == Status::Down).await;
    app.advance(7);
    deadline_is(&app, job.id, app.now().plus_ms(3000)).await;
    assert_eq!(app.watched(job.id).await.state.status, Status::Up);
    app.stop().await;
    assert_eq!(receiver.count(), 1);
}

/// Stopped, and started again on a machine whose clock was set back meanwhile.
#[tokio::test]
async fn stopped_and_started_with_the_clock_set_back() {
    let (app, receiver) = (spawn_app().await, Stub::start().await);
    app.webhook(&receiver).await;
    let job = Job::new(&app, json!({})).await;
    let (id, uuid) = (job.id, job.uuid.clone());
    job.signal("").await;
    let (database, clock) = app.halt().await;
    clock.set_by_ms(-7_200_000);
    let app = TestApp::start(database, clock, &[]).await;
    let back = app.now();
    deadline_is(&app, id, back.plus_ms(120_000)).await;
    let job = Job::known(&app, id, &uuid);
    app.advance(119);
    job.signal("").await;
    assert_eq!(job.shown().await["current_status"], "up");
    app.advance(120);
    app.until(id, |watched| watched.state.status == Status::Down).await;
    app.stop().await;
    assert_eq!(receiver.count(), 1);
}

#[tokio::test]
async fn an_outage_that_lasts_over_restarts_is_one_and_a_short_absence_leaves_no_trace() {
    let app = spawn_app().await;
    let job = app.make("/heartbeats", json!({"name": "job", "period_seconds": 86_400})).await;
    let (id, uuid) = (job["id"].as_i64().unwrap(), job["uuid"].as_str().unwrap());
    app.request("GET", &format!("/ping/{uuid}/fail")).send().await.unwrap();
    app.until(id, |w| w.state.status == Status::Down).await;
    let (mut database, mut clock) = app.halt().await;
    for (away_seconds, rows) in [(1, 1), (2, 1), (600, 3), (1, 3), (600, 5)] {
        clock.advance_ms(away_seconds * 1000);
        let app = TestApp::start(database, clock, &[]).await;
        eventually(CAP, || async { has_looked(&app).await.then_some(()) }).await;
        let mut reader = app.db.read().await.unwrap();
        let mut found =
            history::status_changes(&mut reader.conn(), &[id], Timestamp(0)).await.unwrap();
        drop(reader);
        let changes = found.remove(&id).unwrap_or_default();
        assert_eq!((changes.len(), outages(&changes).count()), (rows, 1), "{changes:?}");
        (database, clock) = app.halt().await;
    }
}
