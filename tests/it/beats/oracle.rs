//! Random lives of a job on the real writer and watcher, against an oracle: the contract's table, written out anew.
//!
//! A life is signals, time that passes, clocks that are set, pauses, and deaths: the watcher is dropped without a word and the
//! database opened anew, as after a kill. What the outbox holds in the end is what people were told.
#![allow(clippy::disallowed_methods, reason = "a test has no supervisor")]

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use proptest::prelude::*;
use serde_json::json;
use tokio::sync::{Notify, broadcast, mpsc};
use uuid::Uuid;
use watchbell::checker::IncomingPing;
use watchbell::checker::ingest::{Ingest, Outlets, Reply, Work};
use watchbell::checker::judge::CutOffSince;
use watchbell::checker::run::Command;
use watchbell::checker::watch::Watcher;
use watchbell::clock::{Clock, ManualClock, Timestamp};
use watchbell::monitor::heartbeat::SignalKind::{self, Fail, Ignored, Log, Start, Success};
use watchbell::monitor::{Kind, Status};
use watchbell::notify::config::ChannelSettings;
use watchbell::notify::outbox::Wake;
use watchbell::region::hub::Hub;
use watchbell::seal::Sealer;
use watchbell::store::writer::Writer;
use watchbell::store::{Db, channels, deliveries, history, monitors, settings};

use crate::support::api::START;
use crate::support::app::KEY;
use crate::support::database::TestDatabase;

/// The job: every 60 s, a grace of 30 s, at most 20 s a run, its first ping within 100 s.
const PERIOD: i64 = 60;
const GRACE: i64 = 30;
const RUNTIME: i64 = 20;
const FIRST: i64 = 100;
/// So many signal at the same time.
const CROWD: usize = 20;

#[derive(Debug, Clone, Copy)]
enum Act {
    /// A signal, of one of three runs or none.
    Signal(SignalKind, Option<u8>),
    /// Many such signals at the same time. What they lead to may not be written yet when all are answered.
    Crowd(SignalKind),
    /// So many seconds pass; the watcher looks at the end of them.
    Pass(i64),
    Pause,
    Resume,
    /// Killed; for so many seconds nobody runs (fewer than none: the clock was set back meanwhile).
    Away(i64),
}

fn act() -> impl Strategy<Value = Act> {
    let rid = prop_oneof![2 => Just(None), 3 => (1..=3u8).prop_map(Some)];
    let kind = prop::sample::select(vec![Success, Success, Fail, Start, Start, Log, Ignored]);
    prop_oneof![
        8 => (kind, rid).prop_map(|(kind, rid)| Act::Signal(kind, rid)),
        2 => prop::sample::select(vec![Success, Log]).prop_map(Act::Crowd),
        6 => (1..80i64).prop_map(Act::Pass),
        1 => Just(Act::Pause),
        2 => Just(Act::Resume),
        2 => (-300..300i64).prop_map(Act::Away),
    ]
}

/// The contract's table. Times are seconds since the start.
struct Oracle {
    status: Status,
    window: Option<(Option<i64>, i64)>,
    runs: Vec<(Option<u8>, i64)>,
    was_pinged: bool,
    told: Vec<&'static str>,
    pings: usize,
}

impl Oracle {
    fn new() -> Self {
        let window = Some((None, FIRST));
        Self {
            status: Status::Pending,
            window,
            runs: Vec::new(),
            was_pinged: false,
            told: Vec::new(),
            pings: 0,
        }
    }

    fn end_run(&mut self, rid: Option<u8>) {
        let own = self.runs.iter().position(|run| run.0 == rid);
        if let Some(i) = own.or_else(|| self.runs.iter().position(|run| run.0.is_none())) {
            self.runs.remove(i);
        }
    }

    fn signal(&mut self, kind: SignalKind, rid: Option<u8>, now: i64) {
        self.pings += 1;
        self.was_pinged |= matches!(kind, Success | Fail);
        let was_down = self.status == Status::Down;
        match kind {
            Log | Ignored => {}
            _ if self.status == Status::Paused => {}
            Start => {
                self.runs.retain(|run| run.0 != rid);
                self.runs.push((rid, now + RUNTIME));
            }
            Success => {
                self.end_run(rid);
                self.status = Status::Up;
                self.window = Some((Some(now + PERIOD), now + PERIOD + GRACE));
                if was_down {
                    self.told.push("monitor.up");
                    self.runs.retain(|run| run.1 > now);
                }
            }
            Fail => {
                self.end_run(rid);
                self.status = Status::Down;
                self.told.extend((!was_down).then_some("monitor.down"));
            }
        }
    }

    fn look(&mut self, now: i64) {
        let deadlines = self.runs.iter().map(|run| run.1).chain(self.window.map(|window| window.1));
        let is_past = deadlines.min().is_some_and(|deadline| deadline <= now);
        if is_past && matches!(self.status, Status::Up | Status::Pending) {
            self.status = Status::Down;
            self.told.push("monitor.down");
            self.runs.retain(|run| run.1 > now);
        }
    }

    fn away(&mut self, from: i64, now: i64) {
        if self.status == Status::Paused {
            return;
        }
        let set_back = now < from;
        let inside = |at: i64| from <= at && at <= now;
        for run in &mut self.runs {
            if inside(run.1) || (set_back && run.1 > now + RUNTIME) {
                run.1 = now + RUNTIME;
            }
        }
        let renewed = (Some(now + PERIOD), now + PERIOD + GRACE);
        self.window = match self.window {
            Some((None, limit)) if inside(limit) || (set_back && limit > now + FIRST) => {
                Some((None, now + FIRST))
            }
            Some((Some(due), deadline)) if inside(due) || inside(deadline) => {
                Some((renewed.0, renewed.1.max(deadline)))
            }
            Some((Some(due), _)) if set_back && due > now + PERIOD => Some(renewed),
            window => window,
        };
    }

    fn act(&mut self, act: Act, from: i64, now: i64) {
        match act {
            Act::Signal(kind, rid) => self.signal(kind, rid, now),
            Act::Crowd(kind) => (0..CROWD).for_each(|_| self.signal(kind, None, now)),
            Act::Pass(_) => self.look(now),
            Act::Away(_) => {
                self.away(from, now);
                self.look(now);
            }
            // "watching stopped: paused" goes out as the end of the outage.
            Act::Pause => {
                self.told.extend((self.status == Status::Down).then_some("monitor.up"));
                (self.status, self.window, self.runs) = (Status::Paused, None, Vec::new());
            }
            Act::Resume if self.status == Status::Paused => {
                self.status = Status::Pending;
                self.window = Some(match self.was_pinged {
                    true => (Some(now + PERIOD), now + PERIOD + GRACE),
                    false => (None, now + FIRST),
                });
            }
            Act::Resume => {}
        }
    }
}

/// The parts of a server that a job's life runs through, on a database that outlives them.
struct Server {
    db: Db,
    writer: Writer<Ingest>,
    working: tokio::task::JoinHandle<()>,
    _commands: mpsc::UnboundedReceiver<Command>,
}

impl Server {
    async fn start(database: &TestDatabase, clock: &Arc<ManualClock>) -> Self {
        let db = database.open().await;
        let (commands, queue) = mpsc::unbounded_channel();
        let outlets = Outlets {
            commands: commands.clone(),
            hub: Hub::new("local"),
            live: broadcast::channel(16).0,
            sender: Wake::default(),
            watch: Arc::new(Notify::new()),
            watch_wakes_at: Arc::new(AtomicI64::new(i64::MAX)),
            rests: Arc::default(),
        };
        let ingest = Ingest::new(&db, clock.clone(), Sealer::from_text(KEY), outlets.clone());
        let (writer, working) = Writer::new(db.clone(), ingest);
        let watcher = Watcher {
            clock: clock.clone(),
            db: db.clone(),
            writer: writer.clone(),
            commands,
            live: outlets.live,
            cut_off: CutOffSince::default(),
            wake: outlets.watch,
            wakes_at: outlets.watch_wakes_at,
        };
        let working = tokio::spawn(working);
        watcher.account_for_absence().await.unwrap();
        Self { db, writer, working, _commands: queue }
    }

    async fn write(&self, work: Work) -> Reply {
        self.writer.write(work).await.unwrap()
    }

    /// What the watcher does when it wakes: the deadlines that have passed are looked at.
    async fn look(&self, now: Timestamp) {
        let passed = {
            let mut reader = self.db.read().await.unwrap();
            monitors::past_deadline(&mut reader.conn(), now, 10).await.unwrap()
        };
        for monitor_id in passed {
            self.write(Work::Deadline { monitor_id }).await;
        }
    }

    /// The watcher's sign of life.
    async fn live(&self, now: Timestamp) {
        let mut tx = self.db.begin().await.unwrap();
        settings::set(&mut tx.conn(), "last_alive", &now.0.to_string()).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// A kill: nothing is told to end.
    async fn kill(self) {
        self.working.abort();
        let _ = self.working.await;
    }
}

fn ping(uuid: Uuid, kind: SignalKind, rid: Option<u8>) -> Work {
    Work::Pinged(Box::new(IncomingPing {
        uuid,
        kind,
        exit_status: None,
        rid: rid.map(|rid| Uuid::from_u128(rid.into())),
        duration_ms: None,
        note: None,
        method: "GET".to_owned(),
        remote_addr: String::new(),
        user_agent: String::new(),
        body: None,
        body_bytes: 0,
    }))
}

async fn live_through(acts: Vec<(Act, i64)>) -> Result<(), TestCaseError> {
    let database = TestDatabase::sqlite();
    let clock = ManualClock::new(START);
    let mut server = Server::start(&database, &clock).await;
    {
        let mut tx = server.db.begin().await.unwrap();
        let fields = json!({"type": "webhook", "url": "http://127.0.0.1:9/", "is_default": true});
        let fields = ChannelSettings::read(fields.as_object().unwrap(), None, false).unwrap();
        channels::insert(&mut tx.conn(), &Sealer::from_text(KEY), fields, START).await.unwrap();
        tx.commit().await.unwrap();
    }
    let fields = json!({"name": "job", "period_seconds": PERIOD, "grace_seconds": GRACE,
        "max_runtime_seconds": RUNTIME, "first_ping_within_seconds": FIRST});
    let fields = fields.as_object().unwrap().clone();
    let made = server.write(Work::Create { kind: Kind::Heartbeat, fields }).await;
    let Reply::Watched(made) = made else { panic!("{made:?}") };
    let (id, uuid) = (made.monitor.id, made.monitor.uuid.unwrap());
    let mut oracle = Oracle::new();
    let seconds = |clock: &ManualClock| clock.now().since(START) / 1000;
    for (act, wait) in acts {
        // Signals come some time after what was before; nobody has looked at a deadline meanwhile, so they win.
        let from = seconds(&clock);
        match act {
            Act::Signal(kind, rid) => {
                clock.advance_ms(wait * 1000);
                server.write(ping(uuid, kind, rid)).await;
            }
            Act::Crowd(kind) => {
                clock.advance_ms(wait * 1000);
                let pings = (0..CROWD).map(|_| server.write(ping(uuid, kind, None)));
                futures_util::future::join_all(pings).await;
            }
            Act::Pass(time) => {
                clock.advance_ms(time * 1000);
                server.look(clock.now()).await;
            }
            Act::Pause => drop(server.write(Work::Pause { id }).await),
            Act::Resume => drop(server.write(Work::Resume { id }).await),
            Act::Away(time) => {
                server.kill().await;
                clock.advance_ms(time * 1000);
                server = Server::start(&database, &clock).await;
                server.look(clock.now()).await;
            }
        }
        server.live(clock.now()).await;
        oracle.act(act, from, seconds(&clock));
        let mut reader = server.db.read().await.unwrap();
        let watched = monitors::by_ids(&mut reader.conn(), &[id]).await.unwrap().remove(0);
        prop_assert_eq!(watched.state.status, oracle.status, "{:?}", act);
        if let Act::Signal(Success, _) = act {
            prop_assert!(watched.state.status != Status::Down, "down with a newer success");
        }
    }
    let mut reader = server.db.read().await.unwrap();
    let conn = &mut reader.conn();
    let pings = history::pings(conn, id, 5000, 0).await.unwrap();
    let numbers: Vec<i64> = pings.iter().rev().map(|ping| ping.n).collect();
    prop_assert_eq!(numbers, (1..=oracle.pings as i64).collect::<Vec<_>>(), "no gap");
    let all = deliveries::list(conn, &deliveries::Filter::default(), 1000, 0).await.unwrap();
    let told: Vec<String> =
        all.deliveries.iter().rev().map(|delivery| delivery.event.to_string()).collect();
    prop_assert_eq!(&told, &oracle.told);
    let alternating = ["monitor.down", "monitor.up"].into_iter().cycle().take(told.len());
    prop_assert!(told.iter().eq(alternating), "{:?}", told);
    drop(reader);
    server.kill().await;
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn random_lives_are_told_as_the_table_says(
        acts in prop::collection::vec((act(), 0..50i64), 1..40)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(live_through(acts))?;
    }
}
