//! Results that a probe hands in long after it found them: the gap that they lie in is filled.

use super::Group;
use crate::clock::Timestamp;
use crate::monitor::mend::{mend, part, warm_up_ms};
use crate::monitor::state::Policy;
use crate::monitor::{CheckResult, Monitor, MonitorId, StatusChange};
use crate::store::{Conn, Result, history, results};

/// A result that comes so long after the end of its check, in ms, was kept by its probe meanwhile.
const LATE_MS: i64 = 5_000;

/// Whether a result was kept by a probe that could not hand it in.
pub(super) fn is_late(monitor: &Monitor, result: &CheckResult, now: Timestamp) -> bool {
    let is_regional = Policy::of(&monitor.settings.target).rule.is_some();
    let took_ms = result.phases.total.map_or(0, i64::from);
    is_regional && now.since(result.started_at) - took_ms >= LATE_MS
}

impl Group<'_> {
    /// Notes that the history may know more now of what was from `first` to `last`.
    pub(super) fn came_late(&mut self, id: MonitorId, first: Timestamp, last: Timestamp) {
        let span = self.late.entry(id).or_insert((first, last));
        *span = (span.0.min(first), span.1.max(last));
    }

    /// Fills the gaps that late results lie in. To be called when all that the group has found is written.
    pub(super) async fn mend_history(&mut self, conn: &mut Conn<'_>) -> Result<()> {
        for (id, came) in std::mem::take(&mut self.late) {
            // A gap may have begun long before: the change before the first that is of interest is given too.
            for gap in gaps(&self.changes_of(conn, id, came.0).await?) {
                self.mend_gap(conn, id, gap, came).await?;
            }
        }
        Ok(())
    }

    async fn mend_gap(
        &self,
        conn: &mut Conn<'_>,
        id: MonitorId,
        gap: (Timestamp, Timestamp),
        came: (Timestamp, Timestamp),
    ) -> Result<()> {
        let Some(watched) = self.known.by_id.get(&id) else { return Ok(()) };
        let target = &watched.monitor.settings.target;
        let policy = Policy::of(target);
        let (Some(rule), Some(pace)) = (policy.rule, target.pace()) else { return Ok(()) };
        let Some(part) = part(gap, came, rule) else { return Ok(()) };
        let earlier = self.changes_of(conn, id, gap.0.plus_ms(-1)).await?;
        let before = earlier.iter().rfind(|change| change.at < gap.0);
        let Some(before) = before.and_then(|change| change.status) else { return Ok(()) };
        let since = part.0.plus_ms(-warm_up_ms(rule, pace));
        let found = results::between(conn, id, (since, part.1)).await?;
        let found: Vec<CheckResult> = found.into_iter().map(|stored| stored.result).collect();
        let mut changes = mend(part, before, &found, &policy);
        // Up to the part it is a gap, and after it.
        if part.0 > gap.0 && changes.first().is_some_and(|first| first.status.is_none()) {
            changes.remove(0);
        }
        if part.1 < gap.1 && changes.last().is_some_and(|last| last.status.is_some()) {
            changes.push(StatusChange { at: part.1, status: None });
        }
        let until = part.1.plus_ms(i64::from(part.1 < gap.1));
        history::replace_status_changes(conn, id, (part.0, until), &changes).await?;
        crate::report::roller::became_known(conn, id, part, self.now).await
    }

    async fn changes_of(
        &self,
        conn: &mut Conn<'_>,
        id: MonitorId,
        since: Timestamp,
    ) -> Result<Vec<StatusChange>> {
        Ok(history::status_changes(conn, &[id], since).await?.remove(&id).unwrap_or_default())
    }
}

/// The gaps that are over.
fn gaps(changes: &[StatusChange]) -> Vec<(Timestamp, Timestamp)> {
    let over = changes.windows(2).filter(|pair| pair[0].status.is_none());
    over.map(|pair| (pair[0].at, pair[1].at)).collect()
}
