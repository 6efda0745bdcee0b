//! Dependencies: whose parents are looked at, whose alerts wait for them, and who is let go when they are well.

use std::sync::Arc;

use super::Group;
use crate::checker::run::Command;
use crate::clock::Timestamp;
use crate::incident::dependency::{
    Dependencies, HeldBy, Why, held_by, is_in_trouble, must_be_looked_at,
};
use crate::monitor::state::{Event, Fact, State};
use crate::monitor::{CheckResult, Kind, MonitorId, Status};
use crate::store::{Conn, Result, dependencies, incidents, monitors};

impl Group<'_> {
    /// What all monitors depend on. Only the writer changes it, so it is read once.
    pub(super) async fn dependencies(&mut self, conn: &mut Conn<'_>) -> Result<&mut Dependencies> {
        let all = match self.known.dependencies.take() {
            Some(all) => all,
            None => dependencies::all(conn).await?,
        };
        Ok(self.known.dependencies.insert(all))
    }

    /// Reads those of `ids` that are not known yet.
    pub(super) async fn know(&mut self, conn: &mut Conn<'_>, ids: &[MonitorId]) -> Result<()> {
        let unknown: Vec<MonitorId> =
            ids.iter().copied().filter(|id| !self.known.by_id.contains_key(id)).collect();
        for watched in monitors::by_ids(conn, &unknown).await? {
            self.known.put(watched);
        }
        Ok(())
    }

    /// What is wrong with letting `id` (`None`: one that is yet to be made) depend on `parents`.
    pub(super) async fn wrong_parents(
        &mut self,
        conn: &mut Conn<'_>,
        id: Option<MonitorId>,
        parents: &[MonitorId],
    ) -> Result<Option<String>> {
        let existing = monitors::existing(conn, parents).await?;
        let missing: Vec<MonitorId> =
            parents.iter().copied().filter(|parent| !existing.contains(parent)).collect();
        if !missing.is_empty() {
            return Ok(Some(format!("names monitors that do not exist: {}", list(&missing))));
        }
        let Some(id) = id else { return Ok(None) };
        if parents.contains(&id) {
            return Ok(Some("names the monitor itself".to_owned()));
        }
        let circular = self.dependencies(conn).await?.circular(id, parents);
        let reason = || format!("goes in a circle: these depend on it: {}", list(&circular));
        Ok((!circular.is_empty()).then(reason))
    }

    /// What holds the alerts that `facts` about a monitor lead to.
    pub(super) async fn held_by(
        &mut self,
        conn: &mut Conn<'_>,
        id: MonitorId,
        facts: &[Fact],
        outage: Option<Timestamp>,
        check: Option<&CheckResult>,
    ) -> Result<Option<HeldBy>> {
        let failing_since = facts.iter().find_map(|fact| match fact {
            Fact::WentDown { started_at, .. } => Some(*started_at),
            Fact::StillDown { .. } => outage,
            // Slow is not failing: only a parent that is known to fail holds that.
            Fact::Degraded => Some(Timestamp(i64::MIN)),
            _ => None,
        });
        let Some(failing_since) = failing_since else { return Ok(None) };
        let parents = self.dependencies(conn).await?.parents(id).to_vec();
        self.know(conn, &parents).await?;
        let parents = parents.iter().filter_map(|id| self.known.by_id.get(id));
        let parents = parents.map(|watched| (&*watched.monitor, &watched.state));
        Ok(held_by(parents, failing_since, check.map(|check| check.started_at)))
    }

    /// Alerts are held: sees to it that what they wait for comes.
    pub(super) fn await_parent(&mut self, id: MonitorId, by: &HeldBy) {
        match by.why {
            Why::NotLookedAt => {
                self.known.awaiting.entry(by.id).or_default().insert(id);
                self.effects.commands.push(Command::CheckSoon(by.id));
            }
            Why::JustBack => self.effects.commands.push(Command::CheckSoon(id)),
            // Its recovery lets go.
            Why::Down | Why::Confirming => {}
        }
    }

    /// The dependants of a monitor, for its message: what they are called, and whether they fail already.
    pub(super) async fn dependants(
        &mut self,
        conn: &mut Conn<'_>,
        id: MonitorId,
    ) -> Result<Vec<(String, bool)>> {
        let below: Vec<MonitorId> = self.dependencies(conn).await?.below(id).into_iter().collect();
        self.know(conn, &below).await?;
        let watched = below.iter().filter_map(|id| self.known.by_id.get(id));
        let watched = watched.filter(|watched| !watched.monitor.paused);
        Ok(watched.map(|w| (w.monitor.settings.name.clone(), is_in_trouble(&w.state))).collect())
    }

    /// After an event of `id` that was in the state `before`: looks at what it depends on if it fails, and sees to those that
    /// depend on it.
    pub(super) async fn follow_dependencies(
        &mut self,
        conn: &mut Conn<'_>,
        id: MonitorId,
        before: &State,
    ) -> Result<()> {
        if self.dependencies(conn).await?.is_empty() {
            return Ok(());
        }
        let Some(state) = self.known.by_id.get(&id).map(|watched| &watched.state) else {
            return Ok(());
        };
        if is_in_trouble(state) {
            let since = state.failing.map_or(state.since, |failing| failing.first_at);
            if state.failing != before.failing || state.status != before.status {
                self.look_at_parents(conn, id, since).await?;
            }
        } else {
            let awaiting = self.known.awaiting.remove(&id).unwrap_or_default();
            let freed: Vec<MonitorId> = if is_in_trouble(before) {
                self.dependencies(conn).await?.children(id).collect()
            } else {
                Vec::new()
            };
            for child in awaiting.into_iter().filter(|child| !freed.contains(child)) {
                // It failed while this one was well: what was found of it stands.
                self.hold_may_end(conn, child, true).await?;
            }
            for child in freed {
                self.hold_may_end(conn, child, false).await?;
            }
        }
        Ok(())
    }

    /// Whether [`Group::follow_dependencies`] has nothing to do for a monitor that was in the state `before`.
    pub(super) fn lets_nobody_go(&self, id: MonitorId, before: &State) -> bool {
        let is_well = |state: &State| !is_in_trouble(state);
        let stays_well =
            || is_well(before) && self.known.by_id.get(&id).is_some_and(|now| is_well(&now.state));
        match &self.known.dependencies {
            Some(all) if all.is_empty() => true,
            Some(_) => stays_well() && !self.known.awaiting.contains_key(&id),
            None => false,
        }
    }

    async fn look_at_parents(
        &mut self,
        conn: &mut Conn<'_>,
        id: MonitorId,
        failing_since: Timestamp,
    ) -> Result<()> {
        let parents = self.dependencies(conn).await?.parents(id).to_vec();
        self.know(conn, &parents).await?;
        let unlooked = parents.into_iter().filter(|parent| {
            let watched = self.known.by_id.get(parent);
            watched.is_some_and(|w| must_be_looked_at(&w.monitor, &w.state, failing_since))
        });
        self.effects.commands.extend(unlooked.map(Command::CheckSoon));
        Ok(())
    }

    /// What held the alerts of `id` may be over. They go out now if what is known of it `stands`, or if it is a job, which cannot
    /// be looked at; else after a fresh failing check.
    pub(super) async fn hold_may_end(
        &mut self,
        conn: &mut Conn<'_>,
        id: MonitorId,
        stands: bool,
    ) -> Result<()> {
        self.know(conn, &[id]).await?;
        let Some(watched) = self.known.by_id.get(&id) else { return Ok(()) };
        let is_job = watched.monitor.kind() == Kind::Heartbeat;
        if watched.state.status != Status::Down {
            return Ok(());
        }
        let incident = incidents::open_of(conn, id).await?;
        if !incident.is_some_and(|incident| incident.alerts_held) {
            return Ok(());
        }
        if stands || is_job {
            Box::pin(self.event(conn, id, &Event::HoldEnded, None)).await
        } else {
            self.effects.commands.push(Command::CheckSoon(id));
            Ok(())
        }
    }

    /// A monitor is being deleted: nothing depends on it any more. Gives those that did.
    pub(super) async fn drop_dependency(
        &mut self,
        conn: &mut Conn<'_>,
        id: MonitorId,
    ) -> Result<Vec<MonitorId>> {
        let children = self.dependencies(conn).await?.remove(id);
        self.known.awaiting.remove(&id);
        for child in &children {
            self.reload(conn, *child).await?;
            let Some(watched) = self.known.by_id.get_mut(child) else { continue };
            let monitor = Arc::make_mut(&mut watched.monitor);
            monitor.settings.depends_on.retain(|parent| *parent != id);
            monitors::update(conn, self.sealer, monitor).await?;
        }
        Ok(children)
    }
}

fn list(ids: &[MonitorId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
