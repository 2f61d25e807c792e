//! What the figures should be: at least or at most so much, and how little the machine would allow.

use std::time::Duration;

use super::{Report, What};
use crate::{
    cluster::NODES,
    scenarios::{
        CATCH_UP, Distance, FAILURE, GROWTH, IDLE, LAN, METRO, ORDER_BYTES, READ, RESTART, SIGNED,
        TILL_BULK, TILL_LARGE, TILL_SINGLE, WAN,
    },
};

/// What every node hashes of an order that a till vouches for: the personal part, the leaf, which is
/// the id, and a node of the order log.
const HASHES: f64 = 3.0;

/// A bar that a figure must pass.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bar {
    /// Of which scenario.
    pub(crate) scenario: &'static str,
    /// Of which figure.
    pub(crate) what: &'static str,
    /// What was measured.
    pub(crate) measured: f64,
    /// What it must be.
    pub(crate) bar: f64,
    /// At least so much, not at most.
    pub(crate) at_least: bool,
}

impl Bar {
    /// The figure passes it.
    pub(crate) fn holds(&self) -> bool {
        if self.at_least {
            self.measured >= self.bar
        } else {
            self.measured <= self.bar
        }
    }
}

/// What a figure would be if nothing but what cannot be left out were done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Floor {
    /// Of which scenario.
    pub(crate) scenario: &'static str,
    /// What was measured.
    pub(crate) measured: f64,
    /// What it would be.
    pub(crate) least: f64,
    /// In which unit.
    pub(crate) unit: &'static str,
    /// What cannot be left out.
    pub(crate) what: &'static str,
}

/// All bars of the scenarios that were run.
pub(crate) fn bars(report: &Report) -> Vec<Bar> {
    let [start, _, hundredfold] = GROWTH;
    let fixed = [
        (TILL_BULK, What::OrdersPerSecond, 80_000.0, true),
        (TILL_BULK, What::CpuMicrosPerOrder, 12.0, false),
        (TILL_BULK, What::P99Ms, 250.0, false),
        (TILL_SINGLE, What::OrdersPerSecond, 15_000.0, true),
        (TILL_SINGLE, What::P99Ms, 100.0, false),
        (SIGNED, What::OrdersPerSecond, 28_000.0, true),
        (LAN.name, What::P50Ms, 20.0, false),
        (LAN.name, What::P99Ms, 45.0, false),
        (CATCH_UP, What::OrdersPerSecond, 150_000.0, true),
        (
            hundredfold,
            What::DiskBytesPerOrder,
            2.0 * ORDER_BYTES as f64,
            false,
        ),
        (RESTART, What::ReadyMs, 1_000.0, false),
        (RESTART, What::ResidentMib, 300.0, false),
        (IDLE, What::CorePercentPerNode, 0.5, false),
        (IDLE, What::WrittenBytes, 0.0, false),
        (READ, What::OrderP99Ms, 5.0, false),
        (READ, What::CustomerP99Ms, 5.0, false),
    ];
    let fixed = fixed.into_iter().map(|(scenario, what, bar, at_least)| {
        Some(Bar {
            scenario,
            what: what.title(),
            measured: median(report, scenario, what)?,
            bar,
            at_least,
        })
    });
    let relative = [
        signed_cpu(report),
        shortest_possible(report, METRO),
        shortest_possible(report, WAN),
        longest_gap(report),
        growth_rate(report, start, hundredfold),
        growth_memory(report, start, hundredfold),
    ];
    fixed.chain(relative).flatten().collect()
}

fn median(report: &Report, scenario: &str, what: What) -> Option<f64> {
    report.scenario(scenario)?.median(what)
}

/// Signatures cost what their verification costs in bulk at each node, and little more.
fn signed_cpu(report: &Report) -> Option<Bar> {
    let what = What::CpuMicrosPerOrder;
    let till = median(report, TILL_BULK, what)?;
    Some(Bar {
        scenario: SIGNED,
        what: what.title(),
        measured: median(report, SIGNED, what)?,
        bar: 1.1 * (till + NODES as f64 * report.limits.ed25519_bulk),
        at_least: false,
    })
}

/// Far from each other members are as fast as their distance allows.
fn shortest_possible(report: &Report, distance: Distance) -> Option<Bar> {
    Some(Bar {
        scenario: distance.name,
        what: What::P50Ms.title(),
        measured: median(report, distance.name, What::P50Ms)?,
        bar: 1.2 * shortest_time(report, distance)?,
        at_least: false,
    })
}

/// A node that is killed costs a few heights.
fn longest_gap(report: &Report) -> Option<Bar> {
    let height = median(report, FAILURE, What::MeanHeightMs)?;
    Some(Bar {
        scenario: FAILURE,
        what: What::LongestGapMs.title(),
        measured: median(report, FAILURE, What::LongestGapMs)?,
        bar: (5.0 * height).max(150.0),
        at_least: false,
    })
}

/// A long chain is as fast as a short one.
fn growth_rate(report: &Report, start: &'static str, end: &'static str) -> Option<Bar> {
    let what = What::OrdersPerSecond;
    Some(Bar {
        scenario: end,
        what: what.title(),
        measured: median(report, end, what)?,
        bar: 0.9 * median(report, start, what)?,
        at_least: true,
    })
}

/// A long chain is not held in memory.
fn growth_memory(report: &Report, start: &'static str, end: &'static str) -> Option<Bar> {
    let grown = |what| Some(median(report, end, what)? - median(report, start, what)?);
    Some(Bar {
        scenario: end,
        what: "memory grown, B/order",
        measured: grown(What::ResidentMib)? * f64::from(1 << 20) / grown(What::Orders)?,
        bar: 16.0,
        at_least: false,
    })
}

/// How soon an order can be final, in milliseconds: the winner waits, the others wait for a better
/// block, three messages follow each other, each from disk, and 3 ms are for signatures and the rest.
fn shortest_time(report: &Report, distance: Distance) -> Option<f64> {
    let scenario = report.scenario(distance.name)?;
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    Some(
        scenario.median(What::WinnerWaitMs)?
            + millis(distance.grace)
            + 3.0 * millis(distance.delay)
            + 3.0 * report.limits.append_sync / 1e3
            + 3.0,
    )
}

/// How little the scenarios that were run could cost.
pub(crate) fn floors(report: &Report) -> Vec<Floor> {
    let limits = &report.limits;
    let nodes = NODES as f64;
    let till = limits.json + nodes * HASHES * limits.sha256;
    let signed = till + nodes * limits.ed25519_bulk;
    let what = "JSON once, and 3 hashes at each node";
    let signed_what = "the same, and a signature at each node";
    let cpu = [
        (TILL_BULK, till, what),
        (TILL_LARGE, till, what),
        (TILL_SINGLE, till, what),
        (SIGNED, signed, signed_what),
    ]
    .into_iter()
    .filter_map(|(scenario, least, what)| {
        Some(Floor {
            scenario,
            measured: median(report, scenario, What::CpuMicrosPerOrder)?,
            least,
            unit: "µs CPU an order",
            what,
        })
    });
    let times = [LAN, METRO, WAN].into_iter().filter_map(|distance| {
        Some(Floor {
            scenario: distance.name,
            measured: median(report, distance.name, What::P50Ms)?,
            least: shortest_time(report, distance)?,
            unit: "ms",
            what: "winner's wait, grace, 3 messages, 3 syncs and 3 ms",
        })
    });
    cpu.chain(times).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{limits::Limits, report::Scenario};

    fn report() -> Report {
        let limits = Limits {
            ed25519_bulk: 20.0,
            sha256: 0.5,
            append_sync: 100.0,
            bls: 900.0,
            json: 1.0,
        };
        Report::new(String::new(), true, String::new(), limits)
    }

    #[test]
    fn bars_are_of_scenarios_that_were_run() {
        let mut report = report();
        assert_eq!((bars(&report), floors(&report)), (vec![], vec![]));
        let mut till = Scenario::new(TILL_BULK);
        till.add([
            (What::OrdersPerSecond, 90_000.0),
            (What::CpuMicrosPerOrder, 18.0),
        ]);
        report.scenarios.push(till);
        let verdicts: Vec<bool> = bars(&report).iter().map(Bar::holds).collect();
        assert_eq!(verdicts, [true, false]);
        assert_eq!(floors(&report)[0].least, 1.0 + 4.0 * 3.0 * 0.5);
    }

    #[test]
    fn what_signatures_may_cost_follows_from_this_run() {
        let mut report = report();
        for (name, cpu) in [(TILL_BULK, 10.0), (SIGNED, 99.0)] {
            let mut scenario = Scenario::new(name);
            scenario.add([(What::CpuMicrosPerOrder, cpu)]);
            report.scenarios.push(scenario);
        }
        let bars = bars(&report);
        let bar = bars.iter().find(|bar| bar.scenario == SIGNED).unwrap();
        assert!((bar.bar - 99.0).abs() < 1e-9, "{bar:?}");
    }
}
