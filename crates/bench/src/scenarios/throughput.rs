//! Orders in bulk at rising rates, up to saturation.

use anyhow::Context as _;

use super::{Effort, Setting, TILL};
use crate::{
    load::Kind,
    progress,
    report::{RatePoint, Scenario, What},
    saturation::{SUSTAINED, Search},
    trial::{Load, Step, Trial},
};

/// The first rate of the first run: a network that sustains less is found, too.
pub(super) const FIRST_RATE: f64 = 8_000.0;
/// A run begins at this part of what the run before sustained.
const BEGIN_AT: f64 = 0.5;
/// At which part of saturation times are told.
const TIMES_AT: f64 = 0.8;

/// Runs a kind of orders up to saturation. Orders a second and costs are told of the highest rate that
/// was sustained, times of four fifths of it.
///
/// # Errors
/// When a network fails, or an order is lost.
pub(super) async fn run(name: &str, setting: &Setting, kind: Kind) -> anyhow::Result<Scenario> {
    let effort = setting.effort;
    let mut scenario = Scenario::new(name);
    let mut first_rate = FIRST_RATE;
    for run in 0..setting.effort.runs {
        setting.announce(name, run);
        let mut trial = Trial::start(&setting.workshop, kind).await?;
        let Saturated { rate, best, rates } =
            saturate(&mut trial, name, first_rate, effort).await?;
        let times_at = if effort.rate.is_some() {
            rate
        } else {
            rate * TIMES_AT
        };
        let times = trial.step(Load::Even(times_at), effort.step).await?;
        scenario.add(best.throughput());
        scenario.add(times.times());
        scenario.add(best.prices());
        scenario.rates = rates;
        first_rate = rate * BEGIN_AT;
    }
    if kind == TILL {
        setting
            .saturation
            .set(scenario.median(What::OrdersPerSecond));
    }
    Ok(scenario)
}

/// How many usual orders a second a network sustains: as this run measured, or as a search tells.
///
/// # Errors
/// When a network fails, or an order is lost.
pub(super) async fn saturation(setting: &Setting) -> anyhow::Result<f64> {
    if let Some(known) = setting.saturation.get() {
        return Ok(known);
    }
    let mut trial = Trial::start(&setting.workshop, TILL).await?;
    let found = saturate(&mut trial, "saturation", FIRST_RATE, setting.effort).await?;
    setting.saturation.set(Some(found.rate));
    Ok(found.rate)
}

/// The highest rate that was sustained, and how all rates went.
struct Saturated {
    rate: f64,
    best: Step,
    rates: Vec<RatePoint>,
}

async fn saturate(
    trial: &mut Trial,
    name: &str,
    first_rate: f64,
    effort: Effort,
) -> anyhow::Result<Saturated> {
    if let Some(rate) = effort.rate {
        let step = trial.step(Load::Even(rate), effort.step).await?;
        let rates = vec![step.at_rate(rate)];
        return Ok(Saturated {
            rate,
            best: step,
            rates,
        });
    }
    let mut search = Search::from(first_rate, effort.care);
    let (mut best, mut rates) = (None, Vec::new());
    while let Some(rate) = search.next() {
        let step = trial.step(Load::Even(rate), effort.step).await?;
        let sustained = step.sustains(rate);
        rates.push(step.at_rate(rate));
        progress::say(format_args!("{name}: {}", in_words(rate, &step, sustained)));
        search.tell(sustained);
        if sustained {
            best = Some((rate, step));
        }
    }
    rates.sort_by(|one, other| one.offered.total_cmp(&other.offered));
    let (rate, best) = best.context("no rate was sustained")?;
    Ok(Saturated { rate, best, rates })
}

fn in_words(rate: f64, step: &Step, sustained: bool) -> String {
    let verdict = match (&step.first_refusal, step.overrun, sustained) {
        (Some(refusal), _, _) => format!("{} refused, the first with {refusal}", step.refused),
        (None, true, _) => "not sustained: final orders fell a second behind".to_owned(),
        (None, false, true) => "sustained".to_owned(),
        (None, false, false) => "not sustained".to_owned(),
    };
    let RatePoint {
        reached, p99_ms, ..
    } = step.at_rate(rate);
    format!("{rate:.0} orders/s offered, {reached:.0} reached, p99 {p99_ms:.0} ms; {verdict}")
}

impl Step {
    /// Nearly all that was offered became final meanwhile, and nothing was refused.
    fn sustains(&self, rate: f64) -> bool {
        !self.overrun && self.refused == 0 && self.final_rate >= SUSTAINED * rate
    }

    fn at_rate(&self, offered: f64) -> RatePoint {
        RatePoint {
            offered,
            reached: self.final_rate,
            p50_ms: self.millis(0.5),
            p99_ms: self.millis(0.99),
        }
    }
}
