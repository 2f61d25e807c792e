//! A node is killed under load and started again: how long nothing becomes final, and that nothing is
//! lost.

use std::time::{Duration, Instant};

use super::{Setting, TILL, throughput};
use crate::{
    report::{Scenario, What},
    trial::{Step, Trial},
};

/// The scenario's name.
pub(crate) const FAILURE: &str = "failure";

/// At which part of saturation.
const LOAD: f64 = 0.5;
/// How many steps long the network is under load: as long before the node is killed, while it is
/// down, and after it was started again.
pub(super) const STEPS: u32 = 3;
/// How long the times are in which the fewest orders become final.
const WINDOW: Duration = Duration::from_millis(500);

/// Runs it.
///
/// # Errors
/// When the network does not go on, or an order is lost.
pub(super) async fn run(setting: &Setting) -> anyhow::Result<Scenario> {
    let rate = LOAD * throughput::saturation(setting).await?;
    let length = STEPS * setting.effort.step;
    let mut scenario = Scenario::new(FAILURE);
    for run in 0..setting.effort.runs {
        setting.announce(FAILURE, run);
        let mut trial = Trial::start(&setting.workshop, TILL).await?;
        let step = trial.failing_step(rate, length).await?;
        scenario.add(step.throughput());
        scenario.add(step.times());
        scenario.add(figures(&step, rate));
    }
    Ok(scenario)
}

fn figures(step: &Step, rate: f64) -> [(What, f64); 3] {
    let finals: Vec<(Instant, u64)> = step
        .seen
        .values()
        .map(|seen| (seen.at, seen.block.orders))
        .collect();
    let killed = step.start + step.length / STEPS;
    let end = step.start + step.length;
    let before: Vec<Duration> = gaps(&finals, step.start, killed);
    let mean = before.iter().sum::<Duration>() / u32::try_from(before.len()).unwrap_or(1).max(1);
    let longest = gaps(&finals, killed, end).into_iter().max();
    let fewest = fewest(&finals, killed, end) as f64 / WINDOW.as_secs_f64();
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    [
        (What::LongestGapMs, millis(longest.unwrap_or(step.length))),
        (What::MeanHeightMs, millis(mean)),
        (What::LowestPercent, 100.0 * fewest / rate),
    ]
}

/// The times between one final block with orders and the next, of those that end within a time.
fn gaps(finals: &[(Instant, u64)], from: Instant, to: Instant) -> Vec<Duration> {
    let with_orders: Vec<Instant> = finals
        .iter()
        .filter(|(_, orders)| *orders > 0)
        .map(|(at, _)| *at)
        .collect();
    with_orders
        .windows(2)
        .filter(|pair| (from..=to).contains(&pair[1]))
        .map(|pair| pair[1] - pair[0])
        .collect()
}

/// The fewest orders that became final in a window after any final block within a time.
fn fewest(finals: &[(Instant, u64)], from: Instant, to: Instant) -> u64 {
    let begins = finals
        .iter()
        .map(|(at, _)| *at)
        .filter(|at| *at >= from && *at + WINDOW <= to);
    let within = |begin: Instant| {
        finals
            .iter()
            .filter(|(at, _)| *at > begin && *at <= begin + WINDOW)
            .map(|(_, orders)| orders)
            .sum()
    };
    begins.map(within).min().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_between_blocks_with_orders() {
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let finals = [(100, 5), (200, 5), (300, 0), (500, 5), (600, 5)];
        let finals = finals.map(|(millis, orders)| (after(millis), orders));
        let millis = |from, to| -> Vec<u128> {
            let gaps = gaps(&finals, after(from), after(to));
            gaps.iter().map(Duration::as_millis).collect()
        };
        assert_eq!(millis(0, 250), [100]);
        assert_eq!(millis(250, 1_000), [300, 100]);
    }

    #[test]
    fn the_lowest_window_is_found() {
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let blocks = [0, 100, 200, 300, 900, 1_000, 1_100, 1_200, 1_300, 1_400];
        let finals = blocks.map(|millis| (after(millis), 10));
        assert_eq!(fewest(&finals, start, after(1_400)), 0);
        assert_eq!(fewest(&finals, after(850), after(1_400)), 50);
    }
}
