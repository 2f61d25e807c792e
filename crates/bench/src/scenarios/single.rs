//! Orders of tills, one a request, from clients that each wait for an answer before they place the next.

use super::{Setting, TILL};
use crate::{
    report::Scenario,
    trial::{Load, Trial},
};

/// The scenario's name.
pub(crate) const TILL_SINGLE: &str = "till-single";

/// Runs it.
///
/// # Errors
/// When a network fails, or an order is lost.
pub(super) async fn run(setting: &Setting) -> anyhow::Result<Scenario> {
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
