//! Random lives of a job against an oracle: the contract's table, written out.

use proptest::prelude::*;

use super::{Event, SignalKind, Status, Timestamp, pending};

/// What happens to a job in the property test.
#[derive(Debug, Clone, Copy)]
enum Act {
    Signal(SignalKind),
    Look,
    Pause,
    Resume,
    Away(i64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => prop::sample::select(SignalKind::ALL).prop_map(Act::Signal),
        4 => Just(Act::Look),
        1 => Just(Act::Pause),
        1 => Just(Act::Resume),
        1 => (1..200i64).prop_map(Act::Away),
    ]
}

/// The oracle: the contract's table written out for a job with one run at a time.
#[derive(Debug)]
struct Oracle {
    status: Status,
    window: Option<(i64, i64)>,
    run: Option<i64>,
    was_pinged: bool,
}

impl Oracle {
    fn act(&mut self, act: Act, now: i64) -> Vec<&'static str> {
        use SignalKind::{Fail, Ignored, Log, Start, Success};
        let was_down = self.status == Status::Down;
        self.was_pinged |= matches!(act, Act::Signal(Success | Fail));
        let is_paused = self.status == Status::Paused;
        let mut told = Vec::new();
        match act {
            Act::Signal(Log | Ignored) => {}
            Act::Signal(_) if is_paused => {}
            Act::Signal(Start) => self.run = Some(now + 10),
            Act::Signal(Success) => {
                (self.status, self.run) = (Status::Up, None);
                self.window = Some((now + 60, now + 90));
                told.extend(was_down.then_some("up"));
            }
            Act::Signal(Fail) => {
                (self.status, self.run) = (Status::Down, None);
                told.extend((!was_down).then_some("down"));
            }
            Act::Look if matches!(self.status, Status::Up | Status::Pending) => {
                let deadline = self.window.map(|w| w.1).into_iter().chain(self.run).min();
                if deadline.is_some_and(|deadline| deadline <= now) {
                    self.status = Status::Down;
                    self.run = self.run.filter(|deadline| *deadline > now);
                    told.push("down");
                }
            }
            Act::Pause => {
                told.extend(was_down.then_some("stopped"));
                (self.status, self.window, self.run) = (Status::Paused, None, None);
            }
            Act::Resume if is_paused => {
                self.status = Status::Pending;
                self.window = self.was_pinged.then_some((now + 60, now + 90));
            }
            Act::Away(for_seconds) if !is_paused => {
                let inside = |at: i64| now - for_seconds <= at && at <= now;
                if self.window.is_some_and(|(due, deadline)| inside(due) || inside(deadline)) {
                    self.window = Some((now + 60, now + 90));
                }
                if self.run.is_some_and(inside) {
                    self.run = Some(now + 10);
                }
            }
            Act::Look | Act::Resume | Act::Away(_) => {}
        }
        told
    }
}

proptest! {
    #[test]
    fn random_lives_agree_with_the_oracle(
        acts in prop::collection::vec((act(), 1..100i64), 0..60)
    ) {
        let mut now = 0;
        let mut job = pending();
        let mut oracle =
            Oracle { status: Status::Pending, window: None, run: None, was_pinged: false };
        for (act, wait) in acts {
            now += wait;
            match act {
                Act::Signal(kind) => job.signal(kind, now),
                Act::Look => job.look(now),
                Act::Pause => job.event(&Event::Paused, now),
                Act::Resume => job.event(&Event::Resumed, now),
                Act::Away(ago) => job.event(&Event::WasAway(Timestamp((now - ago) * 1000)), now),
            };
            let told = oracle.act(act, now);
            prop_assert_eq!(job.told(), told, "{:?} at {}", act, now);
            prop_assert_eq!(job.state.status, oracle.status);
        }
    }
}
