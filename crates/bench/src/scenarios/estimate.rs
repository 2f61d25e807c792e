//! About how long scenarios take, so that it can be said before they begin.

use std::time::Duration;

use super::{
    Effort, LAN, METRO, Name, WAN, failure, idle::SETTLING, latency::Distance,
    throughput::FIRST_RATE,
};
use crate::saturation::Search;

/// Founding a network and starting it, or starting a node.
const START: Duration = Duration::from_secs(1);
/// From a step's last order until all are final at all nodes and accounted for.
const AFTER_STEP: Duration = Duration::from_secs(1);
/// How many orders a second a network takes, at least, on two cores.
const RATE: f64 = 40_000.0;

impl Effort {
    /// About how long some scenarios take.
    pub(crate) fn estimate(&self, names: &[Name]) -> Duration {
        let needs_rate = |name: &Name| matches!(name, Name::Failure | Name::Read);
        // Whoever knows the rate from `till` need not search for it.
        let search = if names.iter().any(needs_rate) && !names.contains(&Name::Till) {
            self.search()
        } else {
            Duration::ZERO
        };
        let scenarios = names
            .iter()
            .map(|name| self.before(*name) + self.one_run(*name) * self.runs as u32);
        search + scenarios.sum::<Duration>()
    }

    /// What is done once, however many runs there are.
    fn before(&self, name: Name) -> Duration {
        match name {
            Name::CatchUp => START + self.grow(self.chain),
            Name::Growth => START + self.grow(10 * self.chain),
            _ => Duration::ZERO,
        }
    }

    fn one_run(&self, name: Name) -> Duration {
        match name {
            Name::Till => 2 * self.throughput(),
            Name::Single => START + 3 * self.step + 2 * AFTER_STEP,
            Name::Signed => self.throughput(),
            Name::Latency => [LAN, METRO, WAN].iter().map(Distance::estimate).sum(),
            Name::Failure => 2 * START + failure::STEPS * self.step + AFTER_STEP,
            Name::CatchUp => START + AFTER_STEP,
            // Three lengths of the chain, and a restart.
            Name::Growth => 3 * self.one_step() + START,
            Name::Idle => START + SETTLING + self.idle,
            Name::Read => START + 2 * self.one_step(),
        }
    }

    fn one_step(&self) -> Duration {
        self.step + AFTER_STEP
    }

    /// A search, and a step for the times.
    fn throughput(&self) -> Duration {
        self.search() + self.one_step()
    }

    fn search(&self) -> Duration {
        let (mut search, mut steps) = (Search::from(FIRST_RATE, self.care), 0);
        while let Some(rate) = search.next() {
            search.tell(rate <= RATE);
            steps += 1;
        }
        START + steps * self.one_step()
    }

    fn grow(&self, orders: u64) -> Duration {
        let sending = orders as f64 / RATE;
        self.one_step().mul_f64(sending / self.step.as_secs_f64())
    }
}

impl Distance {
    /// The winner's wait is about as long as all else.
    fn estimate(&self) -> Duration {
        START + 2 * (self.grace + 3 * self.delay) * self.orders as u32
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn all_is_done_in_time() {
        let all = Name::value_variants();
        let (quick, whole) = (Effort::QUICK.estimate(all), Effort::WHOLE.estimate(all));
        assert!(quick < Duration::from_secs(150), "{quick:?}");
        assert!(whole < Duration::from_secs(3_600), "{whole:?}");
    }

    #[test]
    fn a_rate_that_is_not_known_is_searched_for_once() {
        let effort = Effort::QUICK;
        let time = |names: &[Name]| effort.estimate(names);
        let both = time(&[Name::Failure, Name::Read]);
        assert_eq!(
            both,
            time(&[Name::Failure]) + time(&[Name::Read]) - effort.search()
        );
        assert_eq!(
            time(&[Name::Till, Name::Failure]) - time(&[Name::Till]),
            time(&[Name::Failure]) - effort.search()
        );
    }
}
