//! Customers: orders that come one by one, at random times, for as long as a study lasts.

use crate::{
    network::Network,
    orders,
    plan::OrderNumber,
    random::{Random, Stream},
    study::settings::{Part, Rate, Settings},
};
use replica::Submission;

/// The mean time between two orders in a network that takes as good as none, in microseconds.
const HARDLY_EVER: f64 = 1e15;

/// The orders still to come.
pub(super) struct Arrivals {
    random: Random,
    rate: Rate,
    /// The members that take orders.
    tills: Vec<usize>,
    /// When the next order is placed.
    pub(super) next_at: u64,
    number: u64,
}

impl Arrivals {
    pub(super) fn new(settings: &Settings) -> Self {
        let parts = settings.parts().into_iter().enumerate();
        let tills = parts
            .filter(|(_, part)| *part == Part::Honest)
            .map(|(host, _)| host);
        let mut arrivals = Self {
            random: Random::new(settings.seed, Stream::Arrivals),
            rate: settings.orders,
            tills: tills.collect(),
            // Everybody has started by then.
            next_at: 2_000,
            number: 0,
        };
        arrivals.schedule(settings.usual_height());
        arrivals
    }

    /// The order whose time has come, and who takes it; `height` is how long a height takes at
    /// present, in microseconds.
    pub(super) fn next(&mut self, network: &Network, height: u64) -> Option<(usize, Submission)> {
        let till = (!self.tills.is_empty()).then(|| self.random.index(self.tills.len()))?;
        let host = self.tills[till];
        let order = OrderNumber {
            number: self.number,
            till: Some(host),
            placed_at: self.next_at,
        };
        self.number += 1;
        let mut submission = orders::submission(network, order);
        // Answers to repeated requests are kept for a day, which a study does not need.
        submission.answered = None;
        self.schedule(height);
        Some((host, submission))
    }

    fn schedule(&mut self, height: u64) {
        let mean = match self.rate {
            Rate::ASecond(rate) => 1e6 / rate,
            Rate::ABlock(rate) => height as f64 / rate,
        };
        let mean = mean.clamp(1.0, HARDLY_EVER) as u64;
        self.next_at = self
            .next_at
            .saturating_add(exponential(&mut self.random, mean));
    }
}

/// A time between two independent events that are `mean` apart on average. By von Neumann's game
/// of falling numbers, which needs no logarithm: machines differ in a logarithm's last digit, and one
/// seed must give the same everywhere.
fn exponential(random: &mut Random, mean: u64) -> u64 {
    const ONE: u64 = 1 << 32;
    let mut whole = 0;
    loop {
        let first = random.below(ONE);
        let mut last = first;
        let mut falling = 1;
        loop {
            let next = random.below(ONE);
            if next >= last {
                break;
            }
            last = next;
            falling += 1;
        }
        if falling % 2 == 1 {
            let part = u128::from(mean) * u128::from(first) / u128::from(ONE);
            return whole * mean + u64::try_from(part).unwrap_or(u64::MAX);
        }
        whole += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_between_orders_are_exponential() {
        let mut random = Random::new(1, Stream::Arrivals);
        let count = 100_000;
        let times: Vec<u64> = (0..count)
            .map(|_| exponential(&mut random, 1_000))
            .collect();
        let mean = times.iter().sum::<u64>() as f64 / f64::from(count);
        assert!((980.0..1_020.0).contains(&mean), "{mean}");
        for (beyond, expected) in [(500, 0.606_5), (1_000, 0.367_9), (3_000, 0.049_8)] {
            let share =
                times.iter().filter(|time| **time > beyond).count() as f64 / f64::from(count);
            assert!((share - expected).abs() < 0.006, "{beyond}: {share}");
        }
    }
}
