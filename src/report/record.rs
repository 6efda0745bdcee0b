//! What is known of a monitor's past: roll-ups up to the last settled hour, its changes of status from there on. Every uptime and every
//! bar comes from here. Pure.

use super::uptime::{Span, Tally, outages, tally};
use crate::clock::Timestamp;
use crate::monitor::StatusChange;

/// A stretch of settled time that was not simply up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Odd {
    /// From when to when: an hour, or a day that was the same throughout.
    pub span: Span,
    /// What it was instead.
    pub tally: Tally,
    /// How often it went down in it.
    pub outages: i64,
}

/// The past of one monitor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// From when on there are roll-ups of it.
    pub since: Timestamp,
    /// Up to when there are.
    pub settled: Timestamp,
    /// What was not simply up between them. In order; no two overlap.
    pub odd: Vec<Odd>,
    /// Its changes of status from `settled` on, and those before since when it was last known. In order.
    pub changes: Vec<StatusChange>,
    /// The maintenance that covers it after `settled`.
    pub quiet: Vec<Span>,
}

impl Record {
    /// Adds up what happened in each of `spans`, which are in order and do not overlap.
    ///
    /// Exact but for one thing: an hour that was not the same throughout and lies across an edge is shared out by length.
    pub fn tallies(&self, spans: &[Span]) -> Vec<Tally> {
        let unsettled: Vec<Span> =
            spans.iter().map(|span| (span.0.max(self.settled), span.1.max(self.settled))).collect();
        let mut tallies = tally(&self.changes, &self.quiet, &unsettled);
        for (sum, span) in tallies.iter_mut().zip(spans) {
            *sum += self.settled_tally((span.0.max(self.since), span.1.min(self.settled)));
        }
        tallies
    }

    fn settled_tally(&self, span: Span) -> Tally {
        // It ends before there are roll-ups, or begins after them. A day that is kept as one may reach over both of its ends.
        if span.1 <= span.0 {
            return Tally::default();
        }
        let mut sum = Tally { up_ms: span.1.since(span.0), ..Tally::default() };
        let first = self.odd.partition_point(|odd| odd.span.1 <= span.0);
        for odd in self.odd.iter().skip(first).take_while(|odd| odd.span.0 < span.1) {
            let within = odd.span.1.min(span.1).since(odd.span.0.max(span.0));
            sum.up_ms -= within;
            sum += odd.tally.share(within, odd.span.1.since(odd.span.0));
        }
        sum
    }

    /// What is known of the time from `from` to `to`.
    pub fn tally(&self, from: Timestamp, to: Timestamp) -> Tally {
        self.tallies(&[(from, to)]).first().copied().unwrap_or_default()
    }

    /// How often it went down since `from`.
    pub fn outages(&self, from: Timestamp) -> usize {
        let before =
            self.odd.iter().filter(|odd| odd.span.1 > from).map(|odd| odd.outages).sum::<i64>();
        let recent = outages(&self.changes).filter(|at| *at >= self.settled.max(from)).count();
        usize::try_from(before).unwrap_or_default() + recent
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::monitor::Status;
    use crate::report::rollup::{Grain, HOUR_MS, hours};

    fn status() -> impl Strategy<Value = Option<Status>> {
        prop_oneof![Just(None), prop::sample::select(Status::ALL).prop_map(Some)]
    }

    proptest! {
        /// The oracle is the tally over the changes themselves.
        #[test]
        fn roll_ups_say_the_same_as_the_changes_they_are_made_of(
            mut changes in prop::collection::vec((0..40 * 60i64, status()), 0..12),
            quiet in prop::collection::vec((0..40 * 60i64, 0..300i64), 0..4),
            settled in 0..40i64,
            edges in prop::collection::btree_set(0..41i64, 2..6),
        ) {
            let minute = |n: i64| Timestamp(n * 60_000);
            changes.sort_by_key(|c| c.0);
            changes.dedup_by_key(|c| c.0);
            let changes: Vec<_> =
                changes.into_iter().map(|(at, status)| StatusChange { at: minute(at), status }).collect();
            let quiet: Vec<Span> = quiet.iter().map(|(at, len)| (minute(*at), minute(at + len))).collect();
            let settled = Timestamp(settled * HOUR_MS);
            let odd = hours((Timestamp(0), settled), &[], &changes, &quiet)
                .into_iter()
                .filter(|hour| hour.tally.up_ms < HOUR_MS)
                .map(|hour| Odd { span: Grain::Hour.span(hour.slot), tally: hour.tally, outages: hour.outages })
                .collect();
            let after = changes.partition_point(|c| c.at <= settled).saturating_sub(1);
            let record = Record {
                since: Timestamp(0),
                settled,
                odd,
                changes: changes[after..].to_vec(),
                quiet: quiet.clone(),
            };
            let edges: Vec<_> = edges.into_iter().map(|hour| Timestamp(hour * HOUR_MS)).collect();
            let spans: Vec<Span> = edges.windows(2).map(|pair| (pair[0], pair[1])).collect();
            prop_assert_eq!(record.tallies(&spans), tally(&changes, &quiet, &spans));
        }
    }

    #[test]
    fn an_hour_across_an_edge_is_shared_out_and_nothing_comes_before_the_first() {
        let hour = |n: i64| Timestamp(n * HOUR_MS);
        let half = Tally { up_ms: HOUR_MS / 2, down_ms: HOUR_MS / 2, ..Tally::default() };
        let record = Record {
            since: hour(1),
            settled: hour(4),
            odd: vec![Odd { span: (hour(2), hour(3)), tally: half, outages: 1 }],
            ..Record::default()
        };
        let middle = Timestamp(2 * HOUR_MS + HOUR_MS / 2);
        let found = record.tallies(&[(hour(0), middle), (middle, hour(9))]);
        let ms = |tally: Tally| (tally.up_ms, tally.down_ms);
        assert_eq!(ms(found[0]), (HOUR_MS + HOUR_MS / 4, HOUR_MS / 4));
        assert_eq!(ms(found[1]), (HOUR_MS + HOUR_MS / 4, HOUR_MS / 4));
        assert_eq!(record.tally(hour(0), hour(1)), Tally::default());
        assert_eq!((record.outages(hour(0)), record.outages(hour(3))), (1, 0));
    }

    /// A job that was never heard of has a first day of which nothing is known, and that is kept as a whole.
    #[test]
    fn nothing_is_known_of_the_time_before_a_monitor_was_made() {
        let hour = |n: i64| Timestamp(n * HOUR_MS);
        let record = Record {
            since: hour(23),
            settled: hour(48),
            odd: vec![
                Odd { span: (hour(0), hour(24)), tally: Tally::default(), outages: 0 },
                Odd { span: (hour(24), hour(48)), tally: Tally::default(), outages: 0 },
            ],
            ..Record::default()
        };
        // A day of Berlin, which ends at 22:00 UTC.
        assert_eq!(record.tally(hour(-2), hour(22)), Tally::default());
        assert_eq!(record.tally(hour(22), hour(46)), Tally::default());
    }
}
