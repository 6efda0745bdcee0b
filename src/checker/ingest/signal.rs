//! Signals of jobs. Most change nothing but the state and the log of their monitor: a group of such is written in one trip.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::incoming::counted_kind;
use super::{Effects, Group, IncomingPing, Ingest, Reply, Work};
use crate::clock::Timestamp;
use crate::monitor::MonitorId;
use crate::monitor::heartbeat::{Signal, SignalKind};
use crate::monitor::state::{Event, Policy, State, step};
use crate::store::history::{NewPing, Ping};
use crate::store::new_pings::{self, Packed, QuietPings};
use crate::store::writer::Written;
use crate::store::{Conn, Result};

/// How long after a failure it is tried again to write what rests, in ms.
const RETRY_MS: i64 = 1_000;
/// From how many signals in a group on their states rest.
const RESTS_FROM: usize = 8;
/// How long states rest after the last signal.
const REST: Duration = Duration::from_millis(100);
/// How long states rest at most while signals go on coming, in ms.
const REST_MAX_MS: i64 = 500;

/// A signal, and the monitor that it is of.
struct Heard {
    id: MonitorId,
    signal: Signal,
    duration_ms: Option<i64>,
}

impl Group<'_> {
    pub(super) async fn pinged(
        &mut self,
        conn: &mut Conn<'_>,
        incoming: &IncomingPing,
    ) -> Result<Reply> {
        let Some(heard) = self.hear(incoming) else { return Ok(Reply::NotFound) };
        self.event(conn, heard.id, &Event::Signalled(&heard.signal), None).await?;
        Ok(self.log(&heard, incoming))
    }

    fn hear(&self, incoming: &IncomingPing) -> Option<Heard> {
        let id = *self.known.by_uuid.get(&incoming.uuid)?;
        let watched = self.known.by_id.get(&id)?;
        let kind = counted_kind(&watched.monitor, incoming);
        let ends_run = matches!(kind, SignalKind::Success | SignalKind::Fail);
        let run = watched.state.beat.run_ended_by(incoming.rid).filter(|_| ends_run);
        // The clock may have been set back meanwhile.
        let lasted_ms = run.map(|run| self.now.since(run.started_at).max(0));
        let signal =
            Signal { kind, rid: incoming.rid, exit_status: incoming.exit_status, at: self.now };
        Some(Heard { id, signal, duration_ms: lasted_ms.or(incoming.duration_ms) })
    }

    fn log(&mut self, heard: &Heard, incoming: &IncomingPing) -> Reply {
        let Some(watched) = self.known.by_id.get_mut(&heard.id) else { return Reply::NotFound };
        watched.state.beat.pings += 1;
        let n = watched.state.beat.pings;
        self.pings.push(NewPing {
            monitor_id: heard.id,
            ping: Ping {
                n,
                at: self.now,
                kind: heard.signal.kind,
                method: incoming.method.clone(),
                remote_addr: incoming.remote_addr.clone(),
                user_agent: incoming.user_agent.clone(),
                rid: incoming.rid,
                exit_status: incoming.exit_status,
                duration_ms: heard.duration_ms,
                body_bytes: incoming.body_bytes,
                note: incoming.note.map(str::to_owned),
            },
            body: incoming.body.clone(),
        });
        Reply::Ping(n)
    }

    /// Takes a signal that nothing else follows from, and gives the state before it; `None` if more does, or its monitor is not known
    /// yet.
    fn take_quiet(&mut self, incoming: &IncomingPing) -> Option<(MonitorId, State, Reply)> {
        let heard = self.hear(incoming)?;
        let (before, facts) = self.advance(heard.id, &Event::Signalled(&heard.signal))?;
        let is_quiet = facts.is_empty() && self.lets_nobody_go(heard.id, &before);
        if !is_quiet {
            self.set_state(heard.id, before);
            return None;
        }
        let reply = self.log(&heard, incoming);
        Some((heard.id, before, reply))
    }
}

/// The states that quiet pings led to and that are not written yet. The pings are: should the states be lost, they follow again from
/// these. Where many clients ping at once, the states would be most of each commit.
#[derive(Debug, Default)]
pub(super) struct Resting {
    /// Whose.
    pub(super) ids: BTreeSet<MonitorId>,
    /// Since when.
    since: Option<Timestamp>,
    /// After writing them has failed: when it may be tried again.
    again_at: Option<Timestamp>,
    /// Whether it is known that there are no others. At the start, and after a failure, it is not.
    pub(super) are_known: bool,
}

impl Resting {
    pub(super) fn after_failure(now: Timestamp) -> Self {
        Self { again_at: Some(now.plus_ms(RETRY_MS)), ..Self::default() }
    }
}

impl Ingest {
    /// Decides on a group of signals that nothing else follows from; `None` if there is any other work in it.
    pub(super) fn decide_quiet_pings(
        &mut self,
        items: &[Work],
    ) -> Option<(Written<Self>, QuietPings)> {
        let pings = items.iter().map(|item| match item {
            Work::Pinged(ping) => Some(ping),
            _ => None,
        });
        let pings: Vec<_> = pings.collect::<Option<_>>()?;
        if !self.resting.are_known {
            return None;
        }
        let now = self.clock.now();
        let known = std::mem::take(&mut self.known);
        let own_region = self.outlets.hub.own_region();
        let mut group = Group::new((&self.sealer, own_region), known, now);
        let mut replies = Vec::with_capacity(pings.len());
        let mut before = Vec::with_capacity(pings.len());
        for ping in &pings {
            let Some((id, state, reply)) = group.take_quiet(ping) else { break };
            before.push((id, state));
            replies.push(reply);
        }
        let is_whole = replies.len() == pings.len();
        let packed = if self.may_rest && is_whole {
            Packed::of(&group.pings).ok()
        } else {
            is_whole.then(Packed::default)
        };
        let Some(packed) = packed else {
            for (id, state) in before.into_iter().rev() {
                group.set_state(id, state);
            }
            self.known = group.known;
            return None;
        };
        self.filing.came(&packed);
        let pings = std::mem::take(&mut group.pings);
        let mut states = Vec::new();
        if self.may_rest && pings.len() >= RESTS_FROM {
            self.resting.ids.extend(std::mem::take(&mut group.dirty));
            self.resting.since.get_or_insert(now);
            self.outlets.rests.store(true, Ordering::Release);
            // What follows from a state follows once it is written.
            group.effects = Effects::default();
        } else {
            states = group.states().into_iter().map(|(id, state)| (id, state.clone())).collect();
        }
        self.known = group.known;
        Some(((replies, group.effects), QuietPings { states, pings, packed }))
    }

    /// Whether it is time to file new pings. First the states are written that follow from them.
    pub(super) fn is_time_to_file(&self, now: Timestamp) -> bool {
        let rests = !self.resting.are_known || !self.resting.ids.is_empty();
        !rests && self.filing.within(now).is_some_and(|within| within.is_zero())
    }

    /// How soon there is something to write though nothing comes.
    pub(super) fn rests_within(&self, now: Timestamp) -> Option<Duration> {
        let states = match self.resting {
            Resting { are_known: false, again_at, .. } => {
                Some(again_at.map_or(Duration::ZERO, |at| until(at, now, RETRY_MS)))
            }
            Resting { since: Some(since), .. } => {
                Some(until(since.plus_ms(REST_MAX_MS), now, REST_MAX_MS).min(REST))
            }
            _ => None,
        };
        [states, self.filing.within(now)].into_iter().flatten().min()
    }
}

/// How long it is until `at`, which was set for at most `longest_ms` ahead: if it seems longer, the clock was set back, and it is now.
pub(super) fn until(at: Timestamp, now: Timestamp, longest_ms: i64) -> Duration {
    let ms = at.since(now);
    Duration::from_millis(if (0..=longest_ms).contains(&ms) { ms.unsigned_abs() } else { 0 })
}

impl Group<'_> {
    /// Brings states up to the pings that were written without them.
    pub(super) async fn catch_up(&mut self, conn: &mut Conn<'_>) -> Result<()> {
        let signals = new_pings::unseen_signals(conn).await?;
        let ids: BTreeSet<MonitorId> = signals.iter().map(|(id, ..)| *id).collect();
        let ids: Vec<MonitorId> = ids.into_iter().collect();
        self.know(conn, &ids).await?;
        for (id, n, signal) in &signals {
            let Some(watched) = self.known.by_id.get_mut(id) else { continue };
            let policy = Policy::of(&watched.monitor.settings.target);
            let (mut state, facts) =
                step(&watched.state, &Event::Signalled(signal), &policy, signal.at);
            if !facts.is_empty() {
                tracing::error!(%id, n, "more follows from a ping than was thought when it came");
            }
            state.beat.pings = *n;
            watched.state = state;
            self.changed(*id);
        }
        Ok(())
    }
}
