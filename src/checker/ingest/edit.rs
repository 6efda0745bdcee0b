//! What people do: making, changing, pausing, resuming, deleting monitors; taking and noting incidents.

use std::sync::Arc;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Group, Reply};
use crate::checker::run::Command;
use crate::fields::FieldErrors;
use crate::incident::{IncidentId, TimelineKind};
use crate::live::LiveEvent;
use crate::monitor::state::Event;
use crate::monitor::{Kind, Monitor, MonitorId, Settings};
use crate::store::history::StatusChange;
use crate::store::{
    Conn, Result, channels, escalation_policies, incidents, monitors, probes, timeline, windows,
};

impl Group<'_> {
    pub(super) async fn create(
        &mut self,
        conn: &mut Conn<'_>,
        kind: Kind,
        fields: &Map<String, Value>,
    ) -> Result<Reply> {
        let settings = match self.read_settings(conn, fields, kind, None, None).await? {
            Ok(settings) => settings,
            Err(errors) => return Ok(Reply::Invalid(errors)),
        };
        self.insert(conn, kind, &settings).await
    }

    /// Makes all of them, or none when one cannot be.
    pub(super) async fn create_many(
        &mut self,
        conn: &mut Conn<'_>,
        wanted: &[(Kind, Map<String, Value>)],
    ) -> Result<Reply> {
        let mut read = Vec::with_capacity(wanted.len());
        for (kind, fields) in wanted {
            match self.read_settings(conn, fields, *kind, None, None).await? {
                Ok(settings) => read.push((*kind, settings)),
                Err(errors) => return Ok(Reply::Invalid(errors)),
            }
        }
        for (kind, settings) in &read {
            self.insert(conn, *kind, settings).await?;
        }
        Ok(Reply::Done)
    }

    async fn insert(
        &mut self,
        conn: &mut Conn<'_>,
        kind: Kind,
        settings: &Settings,
    ) -> Result<Reply> {
        let uuid = (kind == Kind::Heartbeat).then(Uuid::new_v4);
        let watched = monitors::insert(conn, self.sealer, settings, uuid, self.now).await?;
        let id = watched.monitor.id;
        let change = StatusChange { at: self.now, status: Some(watched.state.status) };
        self.changes.push((id, change));
        self.dependencies(conn).await?.set(id, &settings.depends_on);
        self.known.put(watched.clone());
        self.effects.live.push(LiveEvent::CountsChanged);
        self.effects.commands.push(Command::Watch(watched.monitor.clone()));
        Ok(Reply::Watched(Box::new(watched)))
    }

    pub(super) async fn update(
        &mut self,
        conn: &mut Conn<'_>,
        id: MonitorId,
        fields: &Map<String, Value>,
    ) -> Result<Reply> {
        self.reload(conn, id).await?;
        let Some(watched) = self.known.by_id.get(&id) else { return Ok(Reply::NotFound) };
        let mut monitor = Monitor::clone(&watched.monitor);
        let before = monitor.settings.target.clone();
        let current = Some(&monitor.settings);
        let kind = monitor.kind();
        monitor.settings = match self.read_settings(conn, fields, kind, Some(id), current).await? {
            Ok(settings) => settings,
            Err(errors) => return Ok(Reply::Invalid(errors)),
        };
        monitor.updated_at = self.now;
        monitors::update(conn, self.sealer, &monitor).await?;
        self.dependencies(conn).await?.set(id, &monitor.settings.depends_on);
        let monitor = Arc::new(monitor);
        if let Some(watched) = self.known.by_id.get_mut(&id) {
            watched.monitor = monitor.clone();
        }
        let window_changed = before != monitor.settings.target;
        self.event(conn, id, &Event::Edited { window_changed }, None).await?;
        if !monitor.paused {
            self.effects.commands.push(Command::Watch(monitor));
        }
        Ok(self.reply_with(id))
    }

    /// Reads settings and proves that what they refer to exists.
    async fn read_settings(
        &mut self,
        conn: &mut Conn<'_>,
        fields: &Map<String, Value>,
        kind: Kind,
        id: Option<MonitorId>,
        current: Option<&Settings>,
    ) -> Result<std::result::Result<Settings, FieldErrors>> {
        let mut read = Settings::read(fields, kind, current);
        if let Some(reason) = self.wrong_parents(conn, id, &ids_in(fields, "depends_on")).await? {
            let mut errors = read.err().unwrap_or_default();
            errors.add("depends_on", reason);
            read = Err(errors);
        }
        let ids = ids_in(fields, "channel_ids");
        let existing = channels::existing(conn, &ids).await?;
        let missing: Vec<String> =
            ids.iter().filter(|id| !existing.contains(id)).map(ToString::to_string).collect();
        let mut wrong = Vec::new();
        if !missing.is_empty() {
            let reason = format!("names channels that do not exist: {}", missing.join(", "));
            wrong.push(("channel_ids", reason));
        }
        if let Some(id) = fields.get("escalation_policy_id").and_then(Value::as_i64)
            && escalation_policies::get(conn, id).await?.is_none()
        {
            let reason = format!("names an escalation policy that does not exist: {id}");
            wrong.push(("escalation_policy_id", reason));
        }
        if let Some(reason) = self.unknown_regions(conn, fields).await? {
            wrong.push(("regions", reason));
        }
        if wrong.is_empty() {
            return Ok(read.map(|settings| self.with_own_region_left_out(settings)));
        }
        let mut errors = read.err().unwrap_or_default();
        for (field, reason) in wrong {
            errors.add(field, reason);
        }
        Ok(Err(errors))
    }

    /// What is wrong with the regions that a request names, if any of them does not exist.
    async fn unknown_regions(
        &self,
        conn: &mut Conn<'_>,
        fields: &Map<String, Value>,
    ) -> Result<Option<String>> {
        let named = fields.get("regions").and_then(Value::as_array);
        let named: Vec<&str> = named.into_iter().flatten().filter_map(Value::as_str).collect();
        if named.is_empty() {
            return Ok(None);
        }
        let mut known = vec![self.own_region.to_owned()];
        known.extend(probes::regions(conn).await?);
        let is_unknown = |name: &&&str| !known.iter().any(|region| region == name.trim());
        let unknown: Vec<&str> = named.iter().filter(is_unknown).copied().collect();
        Ok((!unknown.is_empty()).then(|| {
            let (unknown, known) = (unknown.join(", "), known.join(", "));
            format!("names regions that do not exist: {unknown}; there are {known}")
        }))
    }

    /// The server's own region alone is what a monitor without a choice has.
    fn with_own_region_left_out(&self, mut settings: Settings) -> Settings {
        if let Some(pace) = settings.target.pace_mut()
            && matches!(&pace.regions[..], [only] if only == self.own_region)
        {
            pace.regions.clear();
        }
        settings
    }

    /// Knows all that is checked. The checker shares these monitors, so that no settings are kept twice.
    pub(super) async fn load_checked(&mut self, conn: &mut Conn<'_>) -> Result<Reply> {
        let checked = monitors::checked(conn, self.sealer).await?;
        let ids: Vec<MonitorId> = checked.iter().map(|(id, _)| *id).collect();
        self.know(conn, &ids).await?;
        let mut all = Vec::with_capacity(ids.len());
        for (id, headers) in checked {
            let Some(watched) = self.known.by_id.get_mut(&id) else { continue };
            watched.put_headers(headers);
            all.push(watched.clone());
        }
        Ok(Reply::All(all))
    }

    /// Reads a monitor with its headers, keeping the state that this group has made.
    pub(super) async fn reload(&mut self, conn: &mut Conn<'_>, id: MonitorId) -> Result<()> {
        if let Some(mut watched) = monitors::get(conn, self.sealer, id).await? {
            if let Some(loaded) = self.known.by_id.get(&id) {
                watched.state = loaded.state.clone();
            }
            self.known.put(watched);
        }
        Ok(())
    }

    pub(super) async fn delete(&mut self, conn: &mut Conn<'_>, id: MonitorId) -> Result<Reply> {
        if !self.known.by_id.contains_key(&id) {
            return Ok(Reply::NotFound);
        }
        self.event(conn, id, &Event::Deleted, None).await?;
        let dependants = self.drop_dependency(conn, id).await?;
        self.known.forget(id);
        windows::forget_monitor(conn, id, self.now).await?;
        monitors::delete(conn, id).await?;
        for dependant in dependants {
            self.hold_may_end(conn, dependant, false).await?;
        }
        self.effects.commands.push(Command::Forget(id));
        self.effects.live.push(LiveEvent::CountsChanged);
        Ok(Reply::Done)
    }

    pub(super) async fn pause(&mut self, conn: &mut Conn<'_>, id: MonitorId) -> Result<Reply> {
        let Some(watched) = self.known.by_id.get_mut(&id) else { return Ok(Reply::NotFound) };
        if !watched.monitor.paused {
            Arc::make_mut(&mut watched.monitor).paused = true;
            monitors::set_paused(conn, id, true).await?;
            self.event(conn, id, &Event::Paused, None).await?;
            self.effects.commands.push(Command::Forget(id));
        }
        Ok(self.reply_with(id))
    }

    pub(super) async fn resume(&mut self, conn: &mut Conn<'_>, id: MonitorId) -> Result<Reply> {
        self.reload(conn, id).await?;
        let Some(watched) = self.known.by_id.get_mut(&id) else { return Ok(Reply::NotFound) };
        if watched.monitor.paused {
            Arc::make_mut(&mut watched.monitor).paused = false;
            let monitor = watched.monitor.clone();
            monitors::set_paused(conn, id, false).await?;
            self.event(conn, id, &Event::Resumed, None).await?;
            self.effects.commands.push(Command::Watch(monitor));
        }
        Ok(self.reply_with(id))
    }

    /// Another UUID for a heartbeat: signals to the old one find nothing, also those later in this group.
    pub(super) async fn rotate(&mut self, conn: &mut Conn<'_>, id: MonitorId) -> Result<Reply> {
        let found = self.known.by_id.get(&id).filter(|w| w.monitor.uuid.is_some());
        let Some(mut watched) = found.cloned() else { return Ok(Reply::NotFound) };
        let monitor = Arc::make_mut(&mut watched.monitor);
        monitor.uuid = Some(Uuid::new_v4());
        monitor.updated_at = self.now;
        // A heartbeat has no headers, so that none are lost by writing it as it was loaded.
        monitors::update(conn, self.sealer, monitor).await?;
        self.known.put(watched);
        self.effects.live.push(LiveEvent::MonitorChanged(id));
        Ok(self.reply_with(id))
    }

    pub(super) async fn comment(
        &mut self,
        conn: &mut Conn<'_>,
        id: IncidentId,
        by: &str,
        text: &str,
    ) -> Result<Reply> {
        let Some(incident) = incidents::get(conn, id).await? else { return Ok(Reply::NotFound) };
        let detail = format!("{by}: {text}");
        timeline::add(conn, id, self.now, TimelineKind::Comment, &detail).await?;
        Ok(Reply::Incident(Box::new(incident)))
    }

    pub(super) fn tell_pages(&mut self, monitor_id: Option<MonitorId>) {
        self.effects.live.push(LiveEvent::CountsChanged);
        if let Some(id) = monitor_id {
            self.effects.live.push(LiveEvent::MonitorChanged(id));
        }
    }
}

/// The numbers in a list of a request; what is no number is told where the settings are read.
fn ids_in(fields: &Map<String, Value>, name: &str) -> Vec<i64> {
    let list = fields.get(name).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_i64).collect()
}
