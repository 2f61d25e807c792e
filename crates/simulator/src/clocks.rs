//! A member's own clocks: one that runs too fast or too slow and never goes back, and one on the wall
//! that somebody may set.

use types::{Monotonic, Now, UnixMillis};

/// What the wall clocks show when a simulation begins: some moment after its genesis.
pub(crate) const EPOCH_MILLIS: u64 = 2_000_000_000;

/// A rate is given in parts of this.
pub(crate) const EXACT_RATE: u64 = 1_000_000;

/// The clocks of one host. Times are in microseconds of the world's true time unless they say
/// otherwise.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    /// True time at which the monotonic clock showed `shown`.
    since: u64,
    shown: u64,
    /// Microseconds shown in a true second.
    rate: u64,
    wall_offset_millis: i64,
}

impl Clock {
    pub(crate) fn new(rate: u64, wall_offset_millis: i64) -> Self {
        Self {
            since: 0,
            shown: 0,
            rate,
            wall_offset_millis,
        }
    }

    /// The machine boots: the monotonic clock starts somewhere anew.
    pub(crate) fn boot(&mut self, time: u64, shown: u64) {
        self.since = time;
        self.shown = shown;
    }

    /// Both clocks.
    pub(crate) fn read(&self, time: u64) -> Now {
        let wall = i64::try_from(EPOCH_MILLIS + time / 1_000)
            .unwrap_or(i64::MAX)
            .saturating_add(self.wall_offset_millis);
        Now {
            monotonic: Monotonic(self.monotonic(time)),
            wall: UnixMillis(u64::try_from(wall).unwrap_or(0)),
        }
    }

    fn monotonic(&self, time: u64) -> u64 {
        let elapsed = u128::from(time.saturating_sub(self.since));
        let shown = elapsed * u128::from(self.rate) / u128::from(EXACT_RATE);
        self.shown + u64::try_from(shown).unwrap_or(u64::MAX / 2)
    }

    /// The first true time at which the monotonic clock shows this, at the earliest `time`.
    pub(crate) fn when(&self, shown: Monotonic, time: u64) -> u64 {
        let ahead = u128::from(shown.0.saturating_sub(self.shown)) * u128::from(EXACT_RATE);
        let elapsed = ahead.div_ceil(u128::from(self.rate));
        let elapsed = u64::try_from(elapsed).unwrap_or(u64::MAX / 2);
        time.max(self.since.saturating_add(elapsed))
    }

    /// The machine slept from one time to another and its monotonic clock stood still.
    pub(crate) fn suspended(&mut self, from: u64, to: u64) {
        self.shown = self.monotonic(from);
        self.since = to;
    }

    /// Somebody sets the wall clock.
    pub(crate) fn set_wall_offset(&mut self, millis: i64) {
        self.wall_offset_millis = millis;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_shows_what_it_was_asked_to_wait_for_and_not_before() {
        for rate in [900_000, 999_999, 1_000_000, 1_000_001, 1_100_000] {
            let mut clock = Clock::new(rate, 0);
            clock.boot(17, 1_234);
            for shown in [1_234, 1_235, 5_000, 1_000_007] {
                let when = clock.when(Monotonic(shown), 17);
                assert!(clock.read(when).monotonic.0 >= shown, "{rate} {shown}");
                assert!(
                    when == 17 || clock.read(when - 1).monotonic.0 < shown,
                    "{rate} {shown}"
                );
            }
        }
    }

    #[test]
    fn a_suspended_clock_stands_still_and_the_wall_goes_on() {
        let mut clock = Clock::new(EXACT_RATE, -5);
        clock.suspended(1_000_000, 3_000_000);
        let now = clock.read(3_500_000);
        assert_eq!(now.monotonic, Monotonic(1_500_000));
        assert_eq!(now.wall, UnixMillis(EPOCH_MILLIS + 3_500 - 5));
    }
}
