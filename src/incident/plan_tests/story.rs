//! Random stories through `step` and `plan`, against an oracle that fits on a page: who is told what, and when nobody.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::json;

use super::{NOW, check, incident, monitor, site, window};
use crate::clock::Timestamp;
use crate::incident::Incident;
use crate::incident::maintenance::MaintenanceWindow;
use crate::incident::message::AlertEvent;
use crate::incident::plan::{IncidentChange, Routing, plan};
use crate::monitor::heartbeat::{Signal, SignalKind};
use crate::monitor::state::{Event, Policy, State, step};
use crate::monitor::{CheckResult, Kind, Monitor, Status, Verdict};

/// One thing that happens in a story.
#[derive(Debug, Clone)]
enum Act {
    Check(Verdict),
    Signal(SignalKind),
    /// Enough time for any deadline passes, and it is looked at.
    Silence,
    Window(bool),
    HoldEnded,
    Pause,
    Resume,
    Edit,
    Away,
    Channels(BTreeSet<i64>),
}

fn act(kind: Kind) -> impl Strategy<Value = Act> {
    let happens = match kind {
        Kind::Http | Kind::Tcp | Kind::Dns | Kind::Tls | Kind::Icmp => {
            prop::sample::select(Verdict::ALL).prop_map(Act::Check).boxed()
        }
        Kind::Heartbeat => prop_oneof![
            4 => prop::sample::select(SignalKind::ALL).prop_map(Act::Signal),
            2 => Just(Act::Silence),
            1 => Just(Act::HoldEnded),
        ]
        .boxed(),
    };
    prop_oneof![
        12 => happens,
        3 => any::<bool>().prop_map(Act::Window),
        1 => prop_oneof![Just(Act::Pause), Just(Act::Edit), Just(Act::Away)],
        1 => Just(Act::Resume),
        1 => prop::collection::btree_set(1..4_i64, 0..4).prop_map(Act::Channels),
    ]
}

/// Alerts of one act: the outage or its end, to whom.
type Told = Vec<(AlertEvent, BTreeSet<i64>)>;

/// What the engine does with `step` and `plan`, without a database.
struct World {
    monitor: Monitor,
    state: State,
    incident: Option<Incident>,
    told: BTreeSet<i64>,
    channels: BTreeSet<i64>,
    window: Option<MaintenanceWindow>,
    now: Timestamp,
}

impl World {
    fn new(monitor: Monitor) -> Self {
        Self {
            state: State::unknown(NOW),
            incident: None,
            told: BTreeSet::new(),
            channels: BTreeSet::from([1, 2]),
            window: None,
            now: NOW,
            monitor,
        }
    }

    fn act(&mut self, act: &Act) -> Told {
        self.now = self.now.plus_ms(1000);
        let now = self.now;
        match act {
            Act::Check(verdict) => {
                let result = check(now, *verdict);
                self.event(&Event::Checked(&result), Some(&result))
            }
            Act::Signal(kind) => self.event(
                &Event::Signalled(&Signal { kind: *kind, rid: None, exit_status: None, at: now }),
                None,
            ),
            Act::Silence => {
                self.now = now.plus_ms(86_400_000);
                self.event(&Event::DeadlinePassed, None)
            }
            Act::HoldEnded => self.event(&Event::HoldEnded, None),
            Act::Pause => self.event(&Event::Paused, None),
            Act::Resume => self.event(&Event::Resumed, None),
            Act::Edit => self.event(&Event::Edited { window_changed: true }, None),
            Act::Away => self.event(&Event::WasAway(now.plus_ms(-500)), None),
            Act::Window(open) => {
                self.window = open.then(|| window(self.monitor.id));
                Told::new()
            }
            Act::Channels(channels) => {
                self.channels.clone_from(channels);
                Told::new()
            }
        }
    }

    fn event(&mut self, event: &Event<'_>, result: Option<&CheckResult>) -> Told {
        let (state, facts) =
            step(&self.state, event, &Policy::of(&self.monitor.settings.target), self.now);
        self.state = state;
        let routing = Routing {
            channel_ids: self.channels.iter().copied().collect(),
            told: self.told.iter().copied().collect(),
            window: self.window.as_ref(),
            incident: self.incident.as_ref(),
            ..Routing::default()
        };
        let plan = plan(&self.monitor, &facts, result, &routing, self.now);
        match plan.incident {
            Some(IncidentChange::Open { started_at, cause, alerts_held }) => {
                assert!(self.incident.is_none(), "one open incident");
                self.incident = Some(incident(started_at, cause, alerts_held));
            }
            Some(IncidentChange::Update { cause, alerts_held }) => {
                let open = self.incident.as_mut().expect("only an open one is changed");
                (open.cause, open.alerts_held) = (cause, alerts_held);
            }
            Some(IncidentChange::Resolve) => {
                assert!(self.incident.take().is_some(), "only an open one ends");
                self.told.clear();
            }
            None => {}
        }
        if let Some(told) = plan.degraded_told {
            self.state.degraded_told = told;
        }
        let of_incident = plan.notices.into_iter().filter(|notice| notice.of_incident);
        let told: Told = of_incident
            .map(|notice| (notice.event, notice.channel_ids.into_iter().collect()))
            .collect();
        for (event, channels) in &told {
            if *event == AlertEvent::MonitorDown {
                self.told.extend(channels);
            }
        }
        told
    }
}

/// Says who must be told, from as little as it takes: failures and successes in a row, and who knows.
#[derive(Default)]
struct Oracle {
    fails: u32,
    successes: u32,
    is_paused: bool,
    is_down: bool,
    is_held: bool,
    /// Whether a heartbeat's deadline is running.
    is_armed: bool,
    was_pinged: bool,
    knows: BTreeSet<i64>,
}

impl Oracle {
    fn act(&mut self, act: &Act, world: &World) -> Told {
        let policy = Policy::of(&world.monitor.settings.target);
        if matches!(act, Act::Signal(SignalKind::Success | SignalKind::Fail)) {
            self.was_pinged = true;
        }
        match act {
            Act::Resume if self.is_paused => {
                self.is_paused = false;
                self.is_armed = self.was_pinged;
                Told::new()
            }
            _ if self.is_paused => Told::new(),
            Act::Pause => {
                self.is_paused = true;
                self.fails = 0;
                self.ends()
            }
            Act::Check(Verdict::Up | Verdict::Degraded) => {
                self.fails = 0;
                self.successes += 1;
                if self.successes >= policy.recovery_checks { self.ends() } else { Told::new() }
            }
            Act::Signal(SignalKind::Success) => {
                self.is_armed = true;
                self.ends()
            }
            Act::Check(Verdict::Down) => {
                self.successes = 0;
                self.fails += 1;
                if self.is_down || self.fails > policy.retries {
                    self.fails_now(world)
                } else {
                    Told::new()
                }
            }
            Act::Signal(SignalKind::Fail) => self.fails_now(world),
            Act::Silence if self.is_armed && !self.is_down => self.fails_now(world),
            Act::HoldEnded if self.is_down => self.fails_now(world),
            Act::Edit => {
                (self.fails, self.successes) = (0, 0);
                Told::new()
            }
            Act::Away => {
                self.fails = 0;
                Told::new()
            }
            _ => Told::new(),
        }
    }

    fn fails_now(&mut self, world: &World) -> Told {
        let is_news = !self.is_down || self.is_held;
        self.is_down = true;
        self.is_held = is_news && world.window.is_some();
        if !is_news || self.is_held {
            return Told::new();
        }
        self.knows.clone_from(&world.channels);
        tell(AlertEvent::MonitorDown, self.knows.clone())
    }

    fn ends(&mut self) -> Told {
        (self.is_down, self.is_held, self.successes) = (false, false, 0);
        tell(AlertEvent::MonitorUp, std::mem::take(&mut self.knows))
    }
}

fn tell(event: AlertEvent, channels: BTreeSet<i64>) -> Told {
    if channels.is_empty() { Told::new() } else { vec![(event, channels)] }
}

fn play(monitor: Monitor, acts: &[Act]) -> Result<(), TestCaseError> {
    let mut world = World::new(monitor);
    let mut oracle = Oracle::default();
    let mut last: BTreeMap<i64, AlertEvent> = BTreeMap::new();
    for (n, act) in acts.iter().enumerate() {
        let expected = oracle.act(act, &world);
        let told = world.act(act);
        prop_assert_eq!(&told, &expected, "after act {} of {:?}", n, acts);
        prop_assert_eq!(world.state.status == Status::Down, oracle.is_down);
        prop_assert_eq!(world.incident.is_some(), oracle.is_down, "an incident while it is down");
        prop_assert_eq!(world.incident.as_ref().is_some_and(|i| i.alerts_held), oracle.is_held);
        for (event, channels) in told {
            prop_assert!(
                event == AlertEvent::MonitorUp || world.window.is_none(),
                "silence inside"
            );
            for channel in channels {
                let before = last.insert(channel, event).unwrap_or(AlertEvent::MonitorUp);
                prop_assert_ne!(before, event, "down and up take turns at each channel");
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn checks_tell_what_the_oracle_says(
        retries in 0..3_u32,
        recovery_checks in 1..3_u32,
        acts in prop::collection::vec(act(Kind::Http), 0..60),
    ) {
        play(site(json!({"retries": retries, "recovery_checks": recovery_checks})), &acts)?;
    }

    #[test]
    fn heartbeats_tell_what_the_oracle_says(acts in prop::collection::vec(act(Kind::Heartbeat), 0..60)) {
        play(monitor(Kind::Heartbeat, json!({"name": "job", "period_seconds": 60})), &acts)?;
    }
}
