//! A member that was never started before comes up to a long chain.

use std::time::{Duration, Instant};

use anyhow::bail;
use api::model::StatusView;
use tokio::time::sleep;

use super::{Setting, TILL};
use crate::{
    cluster::NODES,
    http, progress,
    report::{Scenario, What},
    trial::{Load, Trial},
};

/// The scenario's name.
pub(crate) const CATCH_UP: &str = "catch-up";

/// Who comes late.
const LATE: usize = NODES - 1;
/// How often it is asked how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// Runs it.
///
/// # Errors
/// When the network fails, or the member does not come up.
pub(super) async fn run(setting: &Setting) -> anyhow::Result<Scenario> {
    let mut trial = Trial::start_without_last(&setting.workshop, TILL).await?;
    grow(&mut trial, setting, setting.effort.chain).await?;
    let mut scenario = Scenario::new(CATCH_UP);
    for run in 0..setting.effort.runs {
        setting.announce(CATCH_UP, run);
        let orders = trial.log_size();
        let start = Instant::now();
        trial.cluster.start_node(LATE)?;
        wait_log_size(&trial, orders).await?;
        let seconds = start.elapsed().as_secs_f64();
        let usage = trial.cluster.usage_of(LATE)?;
        scenario.add([
            (What::Orders, orders as f64),
            (What::OrdersPerSecond, orders as f64 / seconds),
            (
                What::CpuMicrosPerOrder,
                usage.cpu.as_secs_f64() * 1e6 / orders as f64,
            ),
            (
                What::ResidentMib,
                usage.resident_bytes as f64 / (1 << 20) as f64,
            ),
        ]);
        trial.cluster.kill_node(LATE)?;
        trial.cluster.forget_chain(LATE)?;
    }
    Ok(scenario)
}

/// Floods a network until so many orders are final.
///
/// # Errors
/// When it fails, or an order is lost.
pub(super) async fn grow(trial: &mut Trial, setting: &Setting, orders: u64) -> anyhow::Result<()> {
    while trial.log_size() < orders {
        trial.step(Load::Flood, setting.effort.step).await?;
        progress::say(format_args!(
            "growing: {} of {orders} orders",
            trial.log_size()
        ));
    }
    Ok(())
}

/// Waits until the late member has so many final orders.
async fn wait_log_size(trial: &Trial, orders: u64) -> anyhow::Result<()> {
    let (start, node) = (Instant::now(), trial.cluster.node(LATE).api);
    loop {
        // It does not answer before it has started.
        let status = http::json::<StatusView>(node, "/v1/status").await;
        let log_size = status.map_or(0, |status| status.log_size);
        if log_size == orders {
            return Ok(());
        }
        if start.elapsed() > PATIENCE {
            bail!("a member that came late has {log_size} of {orders} orders after {PATIENCE:?}");
        }
        sleep(LOOK_EVERY).await;
    }
}
