//! A network without orders: it should sleep.

use std::{sync::atomic::Ordering, time::Duration};

use super::Setting;
use crate::{
    cluster::{Cluster, Costs, NODES, Terms, Timing},
    report::{Scenario, What},
};

/// The scenario's name.
pub(crate) const IDLE: &str = "idle";

/// How long members have to become quiet after they were started.
pub(super) const SETTLING: Duration = Duration::from_secs(5);

/// Runs it.
///
/// # Errors
/// When a network fails.
pub(super) async fn run(setting: &Setting) -> anyhow::Result<Scenario> {
    let mut scenario = Scenario::new(IDLE);
    for run in 0..setting.effort.runs {
        setting.announce(IDLE, run);
        // Relays without a delay, because they count.
        let terms = Terms {
            timing: Timing::Preset("lan"),
            delay: Some(Duration::ZERO),
        };
        let cluster = Cluster::start(&setting.workshop, terms).await?;
        tokio::time::sleep(SETTLING).await;
        let (before, packets_before) = used(&cluster).await?;
        tokio::time::sleep(setting.effort.idle).await;
        let (after, packets_after) = used(&cluster).await?;
        let costs = after.since(&before);
        let seconds = setting.effort.idle.as_secs_f64();
        let cores = costs.cpu.as_secs_f64() / seconds;
        scenario.add([
            (What::CorePercentPerNode, 100.0 * cores / NODES as f64),
            (What::WrittenBytes, costs.written_bytes as f64),
            (
                What::PacketsPerSecond,
                (packets_after - packets_before) as f64 / seconds,
            ),
            (What::ResidentMib, costs.resident_mib()),
        ]);
    }
    Ok(scenario)
}

/// What all nodes used so far, and how much went between them.
async fn used(cluster: &Cluster) -> anyhow::Result<(Costs, u64)> {
    let carried = cluster.carried();
    let packets = carried.map_or(0, |carried| carried.pieces.load(Ordering::Relaxed));
    Ok((cluster.costs().await?, packets))
}
