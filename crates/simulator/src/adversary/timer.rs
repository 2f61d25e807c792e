//! When a lie is told again: at irregular times.

use types::{Micros, Monotonic, Now};

use super::{Member, member::Chance};
use crate::random::Random;

/// Comes about once an interval.
pub(super) struct Timer {
    random: Random,
    interval: Micros,
    due: Monotonic,
}

impl Timer {
    /// Due about once in so long.
    pub(super) fn new(member: &Member, chance: Chance, interval: Micros, now: Now) -> Self {
        let mut timer = Self {
            random: member.random(chance),
            interval,
            due: now.monotonic,
        };
        timer.set(now);
        timer
    }

    fn set(&mut self, now: Now) {
        let ahead = self
            .random
            .between(self.interval.0 / 2, self.interval.0 * 3 / 2);
        self.due = now.monotonic.plus(Micros(ahead.max(1)));
    }

    /// True when its time has come; it then runs anew.
    pub(super) fn is_due(&mut self, now: Now) -> bool {
        let due = now.monotonic >= self.due;
        if due {
            self.set(now);
        }
        due
    }

    /// When its time comes.
    pub(super) const fn due(&self) -> Monotonic {
        self.due
    }
}
