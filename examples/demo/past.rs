//! Ninety days that were: outages, results and pings, the same for the same names.

use watchbell::clock::Timestamp;
use watchbell::monitor::{Status, StatusChange};

pub const MINUTE: i64 = 60_000;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// Numbers that look like chance and are the same for the same seed (splitmix64).
pub struct Chance(u64);

impl Chance {
    /// A row of numbers for a name.
    pub fn of(name: &str) -> Self {
        // FNV-1a: any spread of names over seeds does.
        Self(name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        }))
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: i64) -> i64 {
        (self.next() % end.unsigned_abs().max(1)).cast_signed()
    }
}

/// A time of trouble, over again.
#[derive(Debug, Clone, Copy)]
pub struct Trouble {
    pub status: Status,
    pub from: Timestamp,
    pub to: Timestamp,
}

/// The troubles of a monitor without a story: mostly none or few, as it is in life.
pub fn usual_troubles(name: &str, now: Timestamp) -> Vec<Trouble> {
    let mut chance = Chance::of(name);
    let count = [0, 0, 0, 1, 1, 1, 2, 2, 3, 4][chance.below(10).unsigned_abs() as usize];
    let mut from = now.plus_ms(-90 * DAY);
    let mut troubles = Vec::new();
    for _ in 0..count {
        from = from.plus_ms(DAY + chance.below(85 * DAY / count));
        let status = if chance.below(4) == 0 { Status::Degraded } else { Status::Down };
        let to = from.plus_ms((1 + chance.below(38)) * MINUTE);
        if to < now.plus_ms(-HOUR) {
            troubles.push(Trouble { status, from, to });
        }
        from = to;
    }
    troubles
}

/// The changes of status that a life with `troubles` shows, up before, between and after them.
pub fn changes(since: Timestamp, troubles: &[Trouble]) -> Vec<StatusChange> {
    let mut changes = vec![StatusChange { at: since, status: Some(Status::Up) }];
    for trouble in troubles {
        changes.push(StatusChange { at: trouble.from, status: Some(trouble.status) });
        changes.push(StatusChange { at: trouble.to, status: Some(Status::Up) });
    }
    changes
}
