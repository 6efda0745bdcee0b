use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use AlertEvent::{MonitorDown as Down, MonitorUp as Up};

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;

/// A channel that is told of alerts by a sender that looks when one comes and when one that waits is due.
#[derive(Default)]
struct Channel {
    queued: Vec<Queued>,
    /// Where each alert is in `queued`, by its number: summaries are between them.
    places: Vec<usize>,
    waiting: Vec<Waiting>,
    /// When each message was sent, and which alerts were in it.
    messages: Vec<(i64, Vec<i64>)>,
    /// When to look next.
    wakes_at: Option<i64>,
}

impl Channel {
    fn queue(&mut self, at: i64, monitor_id: MonitorId, event: AlertEvent) {
        let (id, created_at) = (self.places.len() as i64, Timestamp(at));
        self.places.push(self.queued.len());
        self.queued.push(Queued { monitor_id: Some(monitor_id), event, created_at });
        self.waiting.push(Waiting { id, monitor_id, created_at });
    }

    fn look(&mut self, now: i64) {
        let mut held = HashSet::new();
        self.wakes_at = None;
        for decision in decide(&self.waiting, &self.queued, Timestamp(now)) {
            match decision {
                Decision::Hold { ids, until } => {
                    assert!(until.0 > now);
                    held.extend(ids);
                    self.wakes_at = Some(self.wakes_at.map_or(until.0, |at| at.min(until.0)));
                }
                Decision::Together { ids } => {
                    let told: HashSet<i64> = ids.iter().copied().collect();
                    self.waiting.retain(|one| !told.contains(&one.id));
                    let (event, created_at) = (AlertEvent::Summary, Timestamp(now));
                    self.queued.push(Queued { monitor_id: None, event, created_at });
                    self.messages.push((now, ids));
                }
            }
        }
        let (held, single) = self.waiting.iter().partition(|one| held.contains(&one.id));
        self.waiting = held;
        let single: Vec<Waiting> = single;
        self.messages.extend(single.iter().map(|one| (now, vec![one.id])));
    }

    /// Lets time pass until then.
    fn pass(&mut self, until: i64) {
        while let Some(at) = self.wakes_at.filter(|at| *at <= until) {
            self.look(at);
        }
    }

    /// Tells a monitor's changes, the first of them a failure, and looks on for an hour.
    fn changes(at: &[i64]) -> Self {
        let mut channel = Self::default();
        for (place, at) in at.iter().enumerate() {
            channel.pass(*at);
            channel.queue(*at, 1, if place % 2 == 0 { Down } else { Up });
            channel.look(*at);
        }
        channel.pass(i64::MAX);
        assert_eq!(channel.waiting, []);
        channel
    }

    fn alert(&self, id: i64) -> &Queued {
        &self.queued[self.places[id as usize]]
    }

    fn times(&self) -> Vec<i64> {
        self.messages.iter().map(|(at, _)| at / SECOND).collect()
    }
}

fn every(gap: i64, count: i64) -> Vec<i64> {
    (0..count).map(|n| n * gap).collect()
}

#[test]
fn up_to_ten_alerts_in_half_a_minute_are_told_one_by_one_and_at_once() {
    let mut channel = Channel::default();
    for n in 0..40 {
        channel.queue(n * 3 * SECOND, n, Down);
        channel.look(n * 3 * SECOND);
    }
    assert_eq!(channel.messages.len(), 40);
    assert!(channel.messages.iter().all(|(at, ids)| *at == ids[0] * 3 * SECOND));
}

#[test]
fn a_storm_that_comes_one_by_one_to_a_channel_that_answers_at_once_is_told_together_too() {
    let mut channel = Channel::default();
    for n in 0..150 {
        let at = n * 160;
        channel.pass(at);
        channel.queue(at, n, Down);
        channel.look(at);
    }
    channel.pass(i64::MAX);
    assert_eq!(channel.waiting, []);
    let lengths: Vec<usize> = channel.messages.iter().map(|(_, ids)| ids.len()).collect();
    assert!(lengths[..10].iter().all(|length| *length == 1), "{lengths:?}");
    assert!(lengths.len() <= 13, "{lengths:?}");
    for (at, ids) in &channel.messages {
        let waited = ids.iter().map(|id| at - channel.alert(*id).created_at.0).max();
        assert!(waited <= Some(SPACING_MS), "{waited:?}");
    }
}

#[test]
fn what_fails_in_one_moment_is_one_message() {
    let mut channel = Channel::default();
    for n in 0..1000 {
        channel.queue(0, n, Down);
    }
    channel.look(0);
    assert_eq!(channel.messages, [(0, (0..1000).collect())]);
}

#[test]
fn a_storm_of_a_thousand_is_few_messages_and_each_is_told_soon() {
    for seconds in [1, 10, 60, 120] {
        let mut channel = Channel::default();
        for now in 0..=seconds + 30 {
            for n in 0..1000 / seconds {
                let id = now * (1000 / seconds) + n;
                if now < seconds {
                    channel.queue(now * SECOND, id, Down);
                }
            }
            channel.look(now * SECOND);
        }
        assert_eq!(channel.waiting, [], "{seconds}");
        let alone = channel.messages.iter().filter(|(_, ids)| ids.len() == 1).count();
        assert!(alone <= 10, "{seconds}: {alone}");
        assert!(channel.messages.len() <= 20, "{seconds}: {}", channel.messages.len());
        for (at, ids) in &channel.messages {
            for id in ids {
                let waited = at - channel.alert(*id).created_at.0;
                assert!(waited <= SPACING_MS, "{seconds}: {waited}");
            }
        }
    }
}

#[test]
fn four_changes_are_told_at_once_and_a_fifth_waits_until_it_is_calm() {
    assert_eq!(Channel::changes(&every(SECOND, 4)).times(), [0, 1, 2, 3]);
    assert_eq!(Channel::changes(&every(MINUTE, 4)).times(), [0, 60, 120, 180]);
    assert_eq!(Channel::changes(&every(MINUTE, 5)).times(), [0, 60, 120, 180, 240 + 300]);
    // Slow then, and not flapping.
    let channel = Channel::changes(&every(11 * MINUTE, 6));
    assert_eq!(channel.times(), [0, 660, 1320, 1980, 2640, 3300]);
}

#[test]
fn an_hour_of_flapping_is_four_messages_and_another_then_tells_how_it_ended() {
    for gap in [1, 5, 20, 60, 100, 200, 300, 420, 450] {
        for extra in 0..2 {
            let times = every(gap * SECOND, 3600 / gap + extra);
            let last = times.len() as i64 - 1;
            let channel = Channel::changes(&times);
            let in_the_hour = channel.times().iter().filter(|at| **at < 3600).count();
            assert!(in_the_hour <= 4, "{gap}: {:?}", channel.times());
            assert!(channel.messages.len() <= 5, "{gap}: {:?}", channel.times());
            let (at, ids) = channel.messages.last().unwrap();
            assert_eq!(ids.last(), Some(&last), "{gap}");
            assert!(at - times[last as usize] <= CALM_MS.1, "{gap}: {:?}", channel.times());
        }
    }
}

#[test]
fn what_flaps_for_hours_is_told_every_hour() {
    let channel = Channel::changes(&every(MINUTE, 300));
    let times = channel.times();
    assert_eq!(times[..4], [0, 60, 120, 180]);
    assert!((3..=6).contains(&(times.len() - 4)), "{times:?}");
    assert!(times[3..].windows(2).all(|pair| pair[1] - pair[0] <= 3600 + 60), "{times:?}");
}

#[test]
fn many_that_flap_together_are_told_together() {
    let mut channel = Channel::default();
    for change in 0..6 {
        channel.pass(change * MINUTE);
        for monitor in 0..500 {
            channel.queue(change * MINUTE, monitor, if change % 2 == 0 { Down } else { Up });
        }
        channel.look(change * MINUTE);
    }
    channel.pass(i64::MAX);
    assert_eq!(channel.waiting, []);
    assert!(channel.messages.len() <= 8, "{:?}", channel.times());
}

proptest! {
    /// Whatever comes: each alert is told once, those of a monitor in order, and none waits for over an hour and a storm's spacing.
    #[test]
    fn every_alert_is_told_once_in_order_and_in_time(
        steps in prop::collection::vec((0_i64..400, 0_i64..6, 1_usize..15), 1..60),
    ) {
        let mut channel = Channel::default();
        let mut now = 0;
        for (pause, monitor, count) in steps {
            now += pause * SECOND;
            channel.pass(now);
            for n in 0..count {
                let down = channel.queued.iter().filter(|q| q.monitor_id == Some(monitor + n as i64));
                let down = down.count() % 2 == 0;
                channel.queue(now, monitor + n as i64, if down { Down } else { Up });
            }
            channel.look(now);
        }
        channel.pass(now + LONGEST_MS + SPACING_MS);
        prop_assert!(channel.waiting.is_empty());
        let told: Vec<i64> = channel.messages.iter().flat_map(|(_, ids)| ids.clone()).collect();
        let mut once = told.clone();
        once.sort_unstable();
        once.dedup();
        let queued = channel.places.len();
        prop_assert_eq!((told.len(), once.len()), (queued, queued));
        let mut last = BTreeMap::new();
        for id in told {
            let monitor = channel.alert(id).monitor_id;
            let before = last.insert(monitor, id).unwrap_or(-1);
            prop_assert!(before < id);
        }
    }
}
