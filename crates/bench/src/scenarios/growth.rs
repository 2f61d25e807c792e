//! Whether a chain that grows makes its nodes slower or larger, and how long a node with a long chain
//! takes to start.

use std::time::Instant;

use super::{Setting, TILL, catch_up::grow};
use crate::{
    cluster::NODES,
    report::{Scenario, What},
    trial::{Load, Trial},
};

/// The scenarios' names, from the shortest chain to the longest; each is ten times as long as the one
/// before.
pub(crate) const GROWTH: [&str; 3] = ["growth", "growth-tenfold", "growth-hundredfold"];
/// Starting again with the longest.
pub(crate) const RESTART: &str = "restart";

/// Who is stopped and started.
const RESTARTED: usize = 0;

/// Runs them all on one chain.
///
/// # Errors
/// When a network fails, or an order is lost.
pub(super) async fn run(setting: &Setting) -> anyhow::Result<Vec<Scenario>> {
    let mut trial = Trial::start(&setting.workshop, TILL).await?;
    let (mut scenarios, mut orders) = (Vec::new(), setting.effort.chain / 10);
    for name in GROWTH {
        grow(&mut trial, setting, orders).await?;
        let mut scenario = Scenario::new(name);
        for run in 0..setting.effort.runs {
            setting.announce(name, run);
            let step = trial.step(Load::Flood, setting.effort.step).await?;
            let costs = trial.cluster.costs().await?;
            let orders = trial.log_size() as f64;
            scenario.add([(What::Orders, orders)]);
            scenario.add(step.throughput());
            scenario.add([
                (What::ResidentMib, costs.resident_mib()),
                (
                    What::DiskBytesPerOrder,
                    costs.disk_bytes as f64 / NODES as f64 / orders,
                ),
            ]);
        }
        scenarios.push(scenario);
        orders *= 10;
    }
    scenarios.push(restart(&mut trial, setting).await?);
    Ok(scenarios)
}

async fn restart(trial: &mut Trial, setting: &Setting) -> anyhow::Result<Scenario> {
    let mut scenario = Scenario::new(RESTART);
    for run in 0..setting.effort.runs {
        setting.announce(RESTART, run);
        trial.cluster.stop_node(RESTARTED)?;
        let start = Instant::now();
        trial.cluster.start_node(RESTARTED)?;
        trial.cluster.wait_ready(RESTARTED).await?;
        let millis = start.elapsed().as_secs_f64() * 1e3;
        let resident = trial.cluster.usage_of(RESTARTED)?.resident_bytes;
        scenario.add([
            (What::Orders, trial.log_size() as f64),
            (What::ReadyMs, millis),
            (What::ResidentMib, resident as f64 / (1 << 20) as f64),
        ]);
    }
    Ok(scenario)
}
