//! The ladder on the table, and against an oracle that looks at every minute.

use proptest::prelude::*;

use super::*;

const START: Timestamp = Timestamp(1_800_000_000_000);
const ALL: [i64; 4] = [1, 2, 3, 4];

fn minute(minutes: i64) -> Timestamp {
    START.plus_ms(minutes * MINUTE_MS)
}

fn policy(steps: &[(u32, &[i64])], repeat: Option<(u32, Option<u32>)>) -> EscalationPolicy {
    let step = |(after_minutes, channel_ids): &(u32, &[i64])| EscalationStep {
        name: String::new(),
        after_minutes: *after_minutes,
        channel_ids: channel_ids.to_vec(),
    };
    EscalationPolicy {
        id: 1,
        name: "Primary".to_owned(),
        steps: steps.iter().map(step).collect(),
        repeat_every_minutes: repeat.map(|(every, _)| every),
        repeat_times: repeat.and_then(|(_, times)| times),
        ack_timeout_minutes: None,
    }
}

/// A ladder that has begun at [`START`].
fn begun(policy: EscalationPolicy) -> Ladder {
    let mut ladder = Ladder::new(policy, START);
    ladder.let_go(START);
    ladder
}

#[test]
fn one_that_was_acknowledged_while_it_was_held_begins_and_then_stands_still() {
    let mut ladder = Ladder::new(policy(&[(0, &[1]), (10, &[2])], None), START);
    ladder.acknowledge(minute(1));
    assert!(ladder.let_go(minute(5)));
    let told: Vec<i64> =
        ladder.begin(minute(5), &ALL).into_iter().flat_map(|rung| rung.channel_ids).collect();
    assert_eq!(told, [1]);
    assert!(!ladder.let_go(minute(6)), "it has begun");
    assert_eq!(told_at(&mut ladder, &[6, 30, 300], &ALL), Vec::<String>::new());
    assert!(ladder.is_acknowledged());
}

/// Climbs at the minutes given, and tells who was told at each: `round.step: channels`.
fn told_at(ladder: &mut Ladder, minutes: &[i64], reachable: &[i64]) -> Vec<String> {
    let words = |rung: &Rung| {
        let skipped = if rung.skipped { " skipped" } else { "" };
        format!("{}.{}: {:?}{skipped}", rung.round, rung.step, rung.channel_ids)
    };
    minutes
        .iter()
        .flat_map(|at| {
            let rungs = ladder.climb(minute(*at), reachable);
            rungs.iter().map(|rung| format!("{at} {}", words(rung))).collect::<Vec<_>>()
        })
        .collect()
}

/// Looks each time that the ladder asks to be looked at, for `minutes`.
fn life(ladder: &mut Ladder, minutes: i64, reachable: &[i64]) -> Vec<String> {
    let mut told = Vec::new();
    while let Some(at) = ladder.next_at().filter(|at| *at <= minute(minutes)) {
        told.extend(told_at(ladder, &[at.since(START) / MINUTE_MS], reachable));
    }
    told
}

#[test]
fn steps_come_in_their_time_and_repeat_from_the_first() {
    // The night of ui/06: 03:10:30, 03:15:30, 03:25:30, again from 03:40:30.
    let mut ladder = begun(policy(&[(0, &[1]), (5, &[2]), (15, &[2, 3])], Some((30, Some(1)))));
    assert_eq!(
        life(&mut ladder, 1_000, &ALL),
        [
            "0 0.0: [1]",
            "5 0.1: [2]",
            "15 0.2: [2, 3]",
            "30 1.0: [1]",
            "35 1.1: [2]",
            "45 1.2: [2, 3]"
        ]
    );
    assert_eq!((ladder.next_at(), ladder.next_step()), (None, None));
}

#[test]
fn without_a_number_it_repeats_until_it_is_over() {
    let mut ladder = begun(policy(&[(0, &[1])], Some((10, None))));
    assert_eq!(life(&mut ladder, 10_000, &ALL).len(), 1_001);
    assert!(ladder.next_at().is_some());
    let mut ladder = begun(policy(&[(0, &[1])], Some((10, Some(0)))));
    assert_eq!(life(&mut ladder, 10_000, &ALL), ["0 0.0: [1]"]);
}

#[test]
fn a_step_that_can_tell_nobody_is_skipped_at_once() {
    let mut ladder = begun(policy(&[(0, &[9]), (5, &[2]), (15, &[3])], Some((30, Some(1)))));
    assert_eq!(
        life(&mut ladder, 100, &ALL),
        [
            "0 0.0: [] skipped",
            "0 0.1: [2]",
            "10 0.2: [3]",
            "30 1.0: [] skipped",
            "30 1.1: [2]",
            "40 1.2: [3]"
        ]
    );
    let mut ladder = begun(policy(&[(0, &[1]), (5, &[9]), (15, &[3])], None));
    assert_eq!(life(&mut ladder, 100, &ALL), ["0 0.0: [1]", "5 0.1: [] skipped", "5 0.2: [3]"]);
    let mut ladder = begun(policy(&[(0, &[8]), (5, &[9])], Some((10, Some(1)))));
    assert_eq!(life(&mut ladder, 100, &ALL).len(), 4, "each noted once a round");
}

#[test]
fn what_was_missed_is_made_up_for_once() {
    let steps: &[(u32, &[i64])] = &[(0, &[1]), (5, &[2]), (15, &[2, 3])];
    let mut ladder = begun(policy(steps, None));
    assert_eq!(
        told_at(&mut ladder, &[0, 20, 21], &ALL),
        ["0 0.0: [1]", "20 0.1: [2]", "20 0.2: [3]"],
        "away from minute 1 to 20: each channel hears once"
    );
    let mut ladder = begun(policy(steps, Some((30, Some(9)))));
    assert_eq!(
        told_at(&mut ladder, &[0, 157, 158], &ALL),
        // The last whole round was the fourth; of the fifth two steps are due.
        ["0 0.0: [1]", "157 4.2: [2, 3]", "157 5.0: [1]", "157 5.1: []"]
    );
    assert_eq!(ladder.next_step(), Some(NextStep { round: 5, step: 2, at: minute(165) }));
    let mut ladder = begun(policy(steps, Some((30, Some(2)))));
    assert_eq!(told_at(&mut ladder, &[0, 100_000], &ALL).len(), 4, "the last round alone");
    assert_eq!(ladder.next_at(), None);
}

#[test]
fn acknowledging_stops_it() {
    let mut ladder = begun(policy(&[(0, &[1]), (5, &[2])], Some((10, None))));
    assert_eq!(told_at(&mut ladder, &[0], &ALL), ["0 0.0: [1]"]);
    ladder.acknowledge(minute(2));
    assert_eq!((ladder.next_at(), ladder.next_step()), (None, None));
    assert_eq!(told_at(&mut ladder, &[5, 10, 500], &ALL), [""; 0]);
}

#[test]
fn when_the_acknowledgement_runs_out_the_ladder_goes_on() {
    let with_timeout = |steps: &[(u32, &[i64])]| {
        let policy = EscalationPolicy { ack_timeout_minutes: Some(7), ..policy(steps, None) };
        let mut ladder = begun(policy);
        ladder.climb(START, &ALL);
        ladder
    };
    let mut ladder = with_timeout(&[(0, &[1]), (60, &[2]), (70, &[3])]);
    ladder.acknowledge(minute(2));
    assert_eq!(ladder.next_at(), Some(minute(9)));
    ladder.go_on(minute(9));
    assert_eq!(
        life(&mut ladder, 1_000, &ALL),
        ["9 0.1: [2]", "19 0.2: [3]"],
        "the next step at once, the ones after it at their distance"
    );
    ladder.acknowledge(minute(30));
    ladder.go_on(minute(37));
    assert_eq!(life(&mut ladder, 1_000, &ALL)[0], "37 1.0: [1]", "from the first step again");
}

#[test]
fn the_time_of_windows_does_not_count() {
    let mut ladder = begun(policy(&[(0, &[1]), (10, &[2])], None));
    ladder.climb(START, &ALL);
    // A window from 3 to 7.
    ladder.leave_out(4 * MINUTE_MS, minute(10));
    assert_eq!(ladder.counted_until(), minute(10));
    assert_eq!(told_at(&mut ladder, &[10, 13], &ALL), [""; 0]);
    // And one from 14 on, that ends at 30.
    ladder.hold();
    assert_eq!((ladder.next_at(), ladder.is_held()), (None, true));
    assert_eq!(told_at(&mut ladder, &[14, 20], &ALL), [""; 0]);
    ladder.leave_out(0, minute(30));
    ladder.let_go(minute(30));
    assert_eq!(told_at(&mut ladder, &[30], &ALL), ["30 0.1: [2]"]);
}

#[test]
fn one_that_is_held_from_the_beginning_begins_when_it_is_let_go() {
    let mut ladder = Ladder::new(policy(&[(0, &[1]), (5, &[2])], None), START);
    assert_eq!(ladder.next_at(), None);
    assert_eq!(told_at(&mut ladder, &[0, 60], &ALL), [""; 0]);
    ladder.let_go(minute(60));
    assert_eq!(life(&mut ladder, 100, &ALL), ["60 0.0: [1]", "65 0.1: [2]"]);
}

#[test]
fn it_is_stored_whole() {
    let mut ladder = begun(policy(&[(0, &[1]), (5, &[2])], Some((10, None))));
    ladder.climb(START, &ALL);
    ladder.acknowledge(minute(2));
    let json = serde_json::to_string(&ladder).unwrap();
    assert_eq!(serde_json::from_str::<Ladder>(&json).unwrap(), ladder);
}

#[test]
fn the_first_channels_are_those_of_the_first_step_that_has_some() {
    let policy = policy(&[(0, &[9]), (5, &[2, 8, 3])], None);
    assert_eq!(policy.first_channels(&ALL), [2, 3]);
    assert_eq!(policy.first_channels(&[]), [0; 0]);
}

/// Every step that ever comes within `until` minutes: minute, and who is told. The slow and plain way.
fn oracle(policy: &EscalationPolicy, reachable: &[i64], until: i64) -> Vec<(i64, Vec<i64>)> {
    let rounds = match (policy.repeat_every_minutes, policy.repeat_times) {
        (None, _) => 1,
        (Some(_), Some(times)) => i64::from(times) + 1,
        (Some(every), None) => until / i64::from(every) + 1,
    };
    let mut all = Vec::new();
    for round in 0..rounds {
        let began = round * i64::from(policy.repeat_every_minutes.unwrap_or_default());
        let mut pulled = 0;
        for (n, step) in policy.steps.iter().enumerate() {
            let channels: Vec<i64> =
                step.channel_ids.iter().copied().filter(|id| reachable.contains(id)).collect();
            let at = began + i64::from(step.after_minutes) - pulled;
            if let (true, Some(next)) = (channels.is_empty(), policy.steps.get(n + 1)) {
                pulled += i64::from(next.after_minutes - step.after_minutes);
            }
            all.push((at, channels));
        }
    }
    all
}

prop_compose! {
    fn any_policy()(
        steps in prop::collection::vec((0_u32..20, prop::collection::vec(1_i64..7, 1..4)), 1..5),
        repeats in any::<bool>(),
        slack in 0_u32..20,
        times in prop::option::of(0_u32..6),
    ) -> EscalationPolicy {
        let mut after = 0;
        let steps: Vec<EscalationStep> = steps.into_iter().map(|(gap, channel_ids)| {
            after += gap;
            EscalationStep { name: String::new(), after_minutes: after, channel_ids }
        }).collect();
        EscalationPolicy {
            id: 1,
            name: String::new(),
            steps,
            repeat_every_minutes: repeats.then_some((after + slack).max(1)),
            repeat_times: times.filter(|_| repeats),
            ack_timeout_minutes: None,
        }
    }
}

proptest! {
    /// Whenever it is looked at, who is told then is who should have been told since the last look, each once; and it asks to be
    /// looked at just when the next step comes.
    #[test]
    fn climbs_as_the_oracle(
        policy in any_policy(),
        mut looks in prop::collection::btree_set(1_i64..400, 0..30),
    ) {
        let all = oracle(&policy, &ALL, 1_000);
        let mut ladder = begun(policy);
        looks.insert(0);
        let mut before = -1;
        for look in looks {
            let mut expected: Vec<i64> = all
                .iter()
                .filter(|(at, _)| *at > before && *at <= look)
                .flat_map(|(_, channels)| channels.clone())
                .collect();
            expected.sort_unstable();
            expected.dedup();
            let rungs = ladder.climb(minute(look), &ALL);
            let mut told: Vec<i64> = rungs.iter().flat_map(|rung| rung.channel_ids.clone()).collect();
            told.sort_unstable();
            prop_assert_eq!(told, expected, "at {}", look);
            let next = all.iter().map(|(at, _)| *at).filter(|at| *at > look).min();
            prop_assert_eq!(ladder.next_at(), next.map(minute), "after {}", look);
            before = look;
        }
    }

    /// Nothing is told while it is acknowledged or held, whatever the looks; what comes after is not lost.
    #[test]
    fn stands_still_while_acknowledged(policy in any_policy(), at in 0_i64..50, later in 50_i64..500) {
        let mut ladder = begun(policy);
        ladder.climb(START, &ALL);
        ladder.acknowledge(minute(at));
        let stood = ladder.clone();
        prop_assert_eq!(ladder.climb(minute(later), &ALL), []);
        prop_assert_eq!(&ladder, &stood);
        ladder.go_on(minute(later));
        prop_assert_eq!(ladder.next_at(), Some(minute(later)), "somebody hears of it at once");
        prop_assert!(!ladder.climb(minute(later), &ALL).is_empty());
    }
}
