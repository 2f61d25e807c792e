//! Orders that no customer signed: the till that takes them vouches for them.

use super::{Setting, TILL, throughput};
use crate::{
    load::Kind,
    report::Scenario,
    trial::{Load, Trial},
};

/// In bulk, 200 bytes each.
pub(crate) const TILL_BULK: &str = "till-bulk";
/// In bulk, 512 bytes each.
pub(crate) const TILL_LARGE: &str = "till-bulk-512";
/// One a request.
pub(crate) const TILL_SINGLE: &str = "till-single";

/// To compare with systems that are measured with orders of this size.
const LARGE_BYTES: usize = 512;

/// Runs all three parts.
///
/// # Errors
/// When a network fails, or an order is lost.
pub(super) async fn run(setting: &Setting) -> anyhow::Result<Vec<Scenario>> {
    let usual = throughput::run(TILL_BULK, setting, TILL).await?;
    if setting.effort.rate.is_some() {
        return Ok(vec![usual]);
    }
    let large = Kind::Till { bytes: LARGE_BYTES };
    Ok(vec![
        usual,
        throughput::run(TILL_LARGE, setting, large).await?,
        single(setting).await?,
    ])
}

/// Clients that each wait for one order's answer before they place the next.
async fn single(setting: &Setting) -> anyhow::Result<Scenario> {
    let mut scenario = Scenario::new(TILL_SINGLE);
    for run in 0..setting.effort.runs {
        setting.announce(TILL_SINGLE, run);
        let mut trial = Trial::start(&setting.workshop, TILL).await?;
        // Connections and programs are warm after a first step.
        trial.step(Load::Single, setting.effort.step).await?;
        let step = trial.step(Load::Single, 2 * setting.effort.step).await?;
        scenario.add(step.throughput());
        scenario.add(step.times());
        scenario.add(step.prices());
    }
    Ok(scenario)
}
