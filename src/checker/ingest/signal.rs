//! Signals of jobs. Most change nothing but the state and the log of their monitor: a group of such is written in one trip.

use super::incoming::counted_kind;
use super::{Group, IncomingPing, Ingest, Reply, Work};
use crate::monitor::MonitorId;
use crate::monitor::heartbeat::{Signal, SignalKind};
use crate::monitor::state::{Event, State};
use crate::store::history::{self, NewPing, Ping};
use crate::store::writer::Written;
use crate::store::{Conn, Held, Result};

/// So many new pings are filed among those of their monitors at once: enough to come to a few for each page that is written, few
/// enough to read through for a page of the log.
pub(super) const NEW_PINGS_MAX: usize = 8192;

/// What a ping counts for until it is filed: one, and one for each of so many bytes of its body.
pub(super) fn weight(ping: &NewPing) -> usize {
    const BYTES: usize = 512;
    1 + ping.body.as_ref().map_or(0, |body| body.len() / BYTES)
}

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

impl Ingest {
    /// Writes a group of signals that nothing else follows from; `None` if there is any other work in it.
    pub(super) async fn write_quiet_pings(
        &mut self,
        held: &mut Held,
        items: &[Work],
    ) -> Option<Result<Written<Self>>> {
        let pings = items.iter().map(|item| match item {
            Work::Pinged(ping) => Some(ping),
            _ => None,
        });
        let pings: Vec<_> = pings.collect::<Option<_>>()?;
        if self.new_pings >= NEW_PINGS_MAX {
            return None;
        }
        let known = std::mem::take(&mut self.known);
        let own_region = self.outlets.hub.own_region();
        let mut group = Group::new((&self.sealer, own_region), known, self.clock.now());
        let mut replies = Vec::with_capacity(pings.len());
        let mut before = Vec::with_capacity(pings.len());
        for ping in &pings {
            let Some((id, state, reply)) = group.take_quiet(ping) else { break };
            before.push((id, state));
            replies.push(reply);
        }
        if replies.len() < pings.len() {
            for (id, state) in before.into_iter().rev() {
                group.set_state(id, state);
            }
            self.known = group.known;
            return None;
        }
        let written = history::write_pings(held, &group.states(), &group.pings).await;
        Some(written.map(|()| (replies, group.into_effects())))
    }
}
