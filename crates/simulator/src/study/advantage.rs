//! What liars gain: how often they win for the share of members that they are, and how much longer the
//! others' orders wait.

use std::{num::NonZero, ops::ControlFlow, thread};

use crate::{
    adversary::Kind,
    study::{self, Ending, Part, Report, Settings},
};

/// Each figure comes from so many networks, which differ in their seeds.
pub const NETWORKS: usize = 20;

/// Student's t with one degree of freedom less than there are networks: so many standard errors to each
/// side of the mean hold 95 of 100 cases.
const ERRORS_OF_95_PERCENT: f64 = 2.093_024;

/// The mean of a figure over all networks. They are independent of each other, which the heights of one
/// need not be: who is far away is far away at each of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// In 95 of 100 cases the true mean is at least so much,
    pub least: f64,
    /// and at most so much.
    pub most: f64,
}

impl Estimate {
    /// One value a network.
    fn of(values: &[f64]) -> Self {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let margin = ERRORS_OF_95_PERCENT * (squares / (count - 1.0) / count).sqrt();
        Self {
            mean,
            least: mean - margin,
            most: mean + margin,
        }
    }
}

/// What liars of one kind gain.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Advantage {
    /// The share of the final blocks that liars made, divided by the share of the members that they are.
    pub wins: Estimate,
    /// The median time from an honest member's accepting an order to its being final there, divided by
    /// that of the same network without liars.
    pub time_to_final: Estimate,
}

/// A network did not come to its last height.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the network of seed {seed} did not come to its last height: {ending:?}")]
pub struct Unfinished {
    /// Its seed.
    pub seed: u64,
    /// Why it ended.
    pub ending: Ending,
}

/// Networks in which nobody lies, to compare others with.
#[derive(Debug, Clone)]
pub struct Yardstick {
    settings: Settings,
    /// The median time to final in each of them.
    times_to_final: Vec<f64>,
}

impl Yardstick {
    /// Studies networks of these settings: with their seed, and with those that follow it.
    ///
    /// # Errors
    /// When a network does not come to its last height.
    pub fn new(settings: Settings) -> Result<Self, Unfinished> {
        let reports = study_all(&settings)?;
        Ok(Self {
            settings,
            times_to_final: reports.iter().map(time_to_final).collect(),
        })
    }

    /// How many liars the networks tolerate.
    pub const fn liars(&self) -> usize {
        (self.settings.members - 1) / 3
    }

    /// What so many liars of a kind gain in the same networks.
    ///
    /// # Errors
    /// When a network does not come to its last height.
    pub fn measure(&self, kind: Kind) -> Result<Advantage, Unfinished> {
        let mut settings = self.settings.clone();
        settings.faults.liars = vec![(kind, self.liars())];
        let reports = study_all(&settings)?;
        let fair = self.liars() as f64 / settings.members as f64;
        let wins: Vec<f64> = reports.iter().map(|report| won(report) / fair).collect();
        let times = reports.iter().map(time_to_final).zip(&self.times_to_final);
        let times: Vec<f64> = times.map(|(time, usual)| time / usual).collect();
        Ok(Advantage {
            wins: Estimate::of(&wins),
            time_to_final: Estimate::of(&times),
        })
    }
}

/// The share of the final blocks that liars made.
fn won(report: &Report) -> f64 {
    let liars = report.members.iter();
    let liars = liars.filter(|member| matches!(member.part, Part::Liar(_)));
    let wins: u64 = liars.map(|member| member.wins).sum();
    wins as f64 / report.heights as f64
}

/// The median time to final of an order, in microseconds.
fn time_to_final(report: &Report) -> f64 {
    report.order_to_final.quantile(0.5).unwrap_or(0) as f64
}

/// Studies all networks of these settings, on all cores.
fn study_all(settings: &Settings) -> Result<Vec<Report>, Unfinished> {
    let of_seed = |seed| Settings {
        seed,
        ..settings.clone()
    };
    let networks: Vec<Settings> = (settings.seed..).take(NETWORKS).map(of_seed).collect();
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let mut reports = Vec::with_capacity(NETWORKS);
    for some in networks.chunks(cores) {
        thread::scope(|scope| {
            let study = |settings| study::run(settings, &mut |_| ControlFlow::Continue(()));
            let threads: Vec<_> = some
                .iter()
                .map(|settings| scope.spawn(move || study(settings)))
                .collect();
            for thread in threads {
                reports.push(thread.join().expect("a study does not panic"));
            }
        });
    }
    match reports
        .iter()
        .find(|report| report.ending != Ending::Complete)
    {
        Some(unfinished) => Err(Unfinished {
            seed: unfinished.settings.seed,
            ending: unfinished.ending.clone(),
        }),
        None => Ok(reports),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_twenty_values() {
        // 1 to 20: the standard error is the root of 35 / 20.
        let values: Vec<f64> = (1..=20_u32).map(f64::from).collect();
        let estimate = Estimate::of(&values);
        assert!((estimate.mean - 10.5).abs() < 1e-12);
        assert!((estimate.least - 7.731_19).abs() < 1e-5, "{estimate:?}");
        assert!((estimate.most - 13.268_81).abs() < 1e-5, "{estimate:?}");
    }
}
