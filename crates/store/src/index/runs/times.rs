//! When orders were placed, as a few ranges of time.

use std::ops::RangeInclusive;

use borsh::{BorshDeserialize, BorshSerialize};
use types::UnixMillis;

/// So many ranges are kept apart: that of orders placed one after the other, and those of a few clocks that are wrong.
const MOST_RANGES: usize = 8;

/// When orders were placed, and perhaps a little more: the nearest ranges are joined while there are too many.
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(in super::super) struct Times {
    /// The first and the last millisecond of each range: rising, and apart from each other.
    ranges: Vec<(UnixMillis, UnixMillis)>,
}

impl Times {
    /// Includes a moment.
    pub(in super::super) fn insert(&mut self, at: UnixMillis) {
        if !self.may_hold(at) {
            self.include([(at, at)]);
        }
    }

    /// Includes others.
    pub(super) fn extend(&mut self, others: &Self) {
        self.include(others.ranges.iter().copied());
    }

    fn include(&mut self, ranges: impl IntoIterator<Item = (UnixMillis, UnixMillis)>) {
        self.ranges.extend(ranges);
        self.ranges.sort_unstable();
        self.ranges.dedup_by(|(next, next_end), (_, end)| {
            let overlaps = *next <= *end;
            if overlaps {
                *end = (*end).max(*next_end);
            }
            overlaps
        });
        while self.ranges.len() > MOST_RANGES {
            let gaps = self.ranges.windows(2).map(|pair| pair[1].0.0 - pair[0].1.0);
            let Some((nearest, _)) = (0..).zip(gaps).min_by_key(|(_, gap)| *gap) else {
                return;
            };
            let (_, end) = self.ranges.remove(nearest + 1);
            self.ranges[nearest].1 = end;
        }
    }

    /// False only where nothing was placed at this moment.
    pub(in super::super) fn may_hold(&self, at: UnixMillis) -> bool {
        self.may_hold_any(&(at..=at))
    }

    /// False only where nothing was placed in this time.
    pub(in super::super) fn may_hold_any(&self, time: &RangeInclusive<UnixMillis>) -> bool {
        let mut ranges = self.ranges.iter();
        ranges.any(|(first, last)| first <= time.end() && time.start() <= last)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(moments: &[u64]) -> Times {
        let mut times = Times::default();
        for at in moments {
            times.insert(UnixMillis(*at));
        }
        times
    }

    #[test]
    fn the_first_and_the_last_moment_there_are() {
        let times = of(&[u64::MAX, 0]);
        for at in [0, u64::MAX] {
            assert!(times.may_hold(UnixMillis(at)));
        }
        assert!(!times.may_hold_any(&(UnixMillis(1)..=UnixMillis(u64::MAX - 1))));
    }

    #[test]
    fn wrong_clocks_do_not_join_what_is_far_apart() {
        let (today, tomorrow) = (1_700_000_000_000, 1_700_086_400_000);
        let moments: Vec<u64> = (0..5_000)
            .flat_map(|order| [today + 3 * order, order, tomorrow + order])
            .collect();
        let times = of(&moments);
        assert!(!times.may_hold(UnixMillis(6_000)));
        assert!(!times.may_hold(UnixMillis(today - 1)));
        assert!(!times.may_hold(UnixMillis(today + 15_000)));
        assert!(!times.may_hold(UnixMillis(tomorrow + 5_000)));
    }

    proptest! {
        #[test]
        fn every_moment_is_held(
            moments in proptest::collection::vec(0..1_000_u64, 1..60),
            others in proptest::collection::vec(0..1_000_u64, 1..60),
            around in 0..30_u64,
        ) {
            let mut times = of(&moments);
            times.extend(&of(&others));
            for at in moments.iter().chain(&others) {
                prop_assert!(times.may_hold(UnixMillis(*at)));
                let time = at.saturating_sub(around)..=at + around;
                prop_assert!(times.may_hold_any(&(UnixMillis(*time.start())..=UnixMillis(*time.end()))));
            }
            let ranges = &times.ranges;
            prop_assert!((1..=MOST_RANGES).contains(&ranges.len()));
            prop_assert!(ranges.iter().all(|(first, last)| first <= last));
            prop_assert!(ranges.windows(2).all(|pair| pair[0].1 < pair[1].0));
            let span = |times: &[u64]| (times.iter().min().copied(), times.iter().max().copied());
            let all: Vec<u64> = moments.iter().chain(&others).copied().collect();
            let ends = (ranges.first().map(|range| range.0.0), ranges.last().map(|range| range.1.0));
            prop_assert_eq!(ends, span(&all));
        }
    }
}
