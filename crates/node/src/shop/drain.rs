//! How fast the pool drains, and so when there is likely to be room in it.

use std::time::{Duration, Instant};

/// Orders that became final count for about so long: a few heights where waits are long.
const MEMORY: Duration = Duration::from_secs(10);
/// The longest that a client is asked to wait. Where nothing drains nobody knows, and a client that
/// looks once a minute costs nothing.
const LONGEST_WAIT_SECONDS: f64 = 60.0;

/// The recent rate at which orders became final, as an average that fades.
#[derive(Default)]
pub(super) struct Drain {
    /// Orders that became final, each counting less the longer ago it was.
    recent: f64,
    /// When they were counted; `None` before there were any.
    at: Option<Instant>,
}

impl Drain {
    /// Takes note of orders that became final.
    pub(super) fn note(&mut self, orders: usize, now: Instant) {
        self.recent = self.faded(now) + orders as f64;
        self.at = Some(now);
    }

    /// How long so many orders take to become final at the recent rate: whole seconds, 1 to 60.
    pub(super) fn seconds_for(&self, orders: usize, now: Instant) -> u32 {
        let rate = self.faded(now) / MEMORY.as_secs_f64();
        // At least one order, so that it is infinite without any rate.
        let seconds = orders.max(1) as f64 / rate;
        seconds.ceil().clamp(1.0, LONGEST_WAIT_SECONDS) as u32
    }

    fn faded(&self, now: Instant) -> f64 {
        let passed = self
            .at
            .map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        self.recent * (-passed.as_secs_f64() / MEMORY.as_secs_f64()).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_follows_from_what_waits_and_the_recent_rate() {
        let start = Instant::now();
        let mut drain = Drain::default();
        assert_eq!(drain.seconds_for(1, start), 60, "nothing drained yet");
        // 500 orders a second for a minute.
        let mut now = start;
        for _ in 0..600 {
            now += Duration::from_millis(100);
            drain.note(50, now);
        }
        assert_eq!(drain.seconds_for(0, now), 1);
        assert_eq!(drain.seconds_for(100, now), 1);
        assert_eq!(drain.seconds_for(5_000, now), 10);
        assert_eq!(drain.seconds_for(100_000, now), 60);
        // It drained long ago.
        assert_eq!(drain.seconds_for(100, now + Duration::from_secs(600)), 60);
    }
}
