//! What was measured, and how it is told.

mod bars;
mod compare;
mod plots;
mod table;

use std::{fs, path::Path};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};

use crate::limits::Limits;

pub(crate) use compare::compare;
pub(crate) use plots::plot;
pub(crate) use table::show;

/// The version of the form in which results are written.
const FORMAT: u32 = 1;

/// One run of the benchmark.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// The form's version.
    pub(crate) format: u32,
    /// When it was begun, in RFC 3339.
    pub(crate) begun: String,
    /// What it ran on.
    pub(crate) machine: String,
    /// It was only a quick look.
    pub(crate) quick: bool,
    /// How the genesis of the throughput scenarios was founded.
    pub(crate) throughput_genesis: String,
    /// What the machine can do.
    pub(crate) limits: Limits,
    /// What was measured.
    pub(crate) scenarios: Vec<Scenario>,
}

/// What one scenario gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Scenario {
    /// Its name.
    pub(crate) name: String,
    /// What was measured.
    pub(crate) figures: Vec<Figure>,
    /// What came of each rate, where rates were risen to saturation; of the last run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) rates: Vec<RatePoint>,
}

/// Something that was measured in every run of a scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// What it is.
    pub(crate) what: What,
    /// Its value in each run.
    pub(crate) runs: Vec<f64>,
}

/// How a rate went.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct RatePoint {
    /// Orders a second that were due.
    pub(crate) offered: f64,
    /// Orders a second that became final.
    pub(crate) reached: f64,
    /// Half of them took at most so long, in milliseconds.
    pub(crate) p50_ms: f64,
    /// 99 of 100 of them took at most so long.
    pub(crate) p99_ms: f64,
}

/// What can be measured; the names are those in `bench.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    /// Final orders a second.
    OrdersPerSecond,
    /// Due to final, half of the orders.
    P50Ms,
    /// Due to final, 99 of 100.
    P99Ms,
    /// Due to final, the slowest.
    MaxMs,
    /// Processor microseconds an order, summed over all nodes.
    CpuMicrosPerOrder,
    /// Processor microseconds an order of the load process.
    LoadCpuMicrosPerOrder,
    /// Bytes on each node's disk an order.
    DiskBytesPerOrder,
    /// Memory of the node that holds most.
    ResidentMib,
    /// Messages an order between all nodes.
    MessagesPerOrder,
    /// Bytes of them.
    WireBytesPerOrder,
    /// Blocks a second.
    BlocksPerSecond,
    /// Of 100 blocks so many were final by votes of their own.
    DirectPercent,
    /// How long the winners of the orders' blocks had waited, on average.
    WinnerWaitMs,
    /// Of 100 of a processor core so much at each node.
    CorePercentPerNode,
    /// Bytes written to disks by all nodes.
    WrittenBytes,
    /// Packets between all nodes a second.
    PacketsPerSecond,
    /// The longest time without a final order.
    LongestGapMs,
    /// The mean time from one final block to the next while all was well.
    MeanHeightMs,
    /// The fewest orders that became final in half a second, of 100 that were due.
    LowestPercent,
    /// How many final orders there were.
    Orders,
    /// From starting a node to its being ready.
    ReadyMs,
    /// Looking up an order by its id, half of the times.
    OrderP50Ms,
    /// 99 of 100 times.
    OrderP99Ms,
    /// Listing a customer's orders, half of the times.
    CustomerP50Ms,
    /// 99 of 100 times.
    CustomerP99Ms,
}

/// Which way a figure should go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    /// The more, the better.
    More,
    /// The less, the better.
    Less,
    /// It only tells how things were.
    Neither,
}

impl What {
    /// Which way it should go.
    pub(crate) const fn better(self) -> Better {
        match self {
            Self::OrdersPerSecond | Self::DirectPercent | Self::LowestPercent => Better::More,
            Self::Orders | Self::WinnerWaitMs | Self::MeanHeightMs | Self::BlocksPerSecond => {
                Better::Neither
            }
            _ => Better::Less,
        }
    }

    /// Its name in a table's head.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::OrdersPerSecond => "final orders/s",
            Self::P50Ms => "p50 ms",
            Self::P99Ms => "p99 ms",
            Self::MaxMs => "max ms",
            Self::CpuMicrosPerOrder => "CPU µs/order",
            Self::LoadCpuMicrosPerOrder => "load CPU µs/order",
            Self::DiskBytesPerOrder => "disk B/order",
            Self::ResidentMib => "resident MiB",
            Self::MessagesPerOrder => "messages/order",
            Self::WireBytesPerOrder => "wire B/order",
            Self::BlocksPerSecond => "blocks/s",
            Self::DirectPercent => "final directly %",
            Self::WinnerWaitMs => "winner's wait ms",
            Self::CorePercentPerNode => "% of a core/node",
            Self::WrittenBytes => "bytes written",
            Self::PacketsPerSecond => "packets/s",
            Self::LongestGapMs => "longest gap ms",
            Self::MeanHeightMs => "mean height ms",
            Self::LowestPercent => "lowest half second %",
            Self::Orders => "orders",
            Self::ReadyMs => "ready after ms",
            Self::OrderP50Ms => "order p50 ms",
            Self::OrderP99Ms => "order p99 ms",
            Self::CustomerP50Ms => "customer p50 ms",
            Self::CustomerP99Ms => "customer p99 ms",
        }
    }
}

impl Report {
    /// A report without scenarios yet.
    pub(crate) fn new(machine: String, quick: bool, genesis: String, limits: Limits) -> Self {
        Self {
            format: FORMAT,
            begun: jiff::Timestamp::now().strftime("%FT%TZ").to_string(),
            machine,
            quick,
            throughput_genesis: genesis,
            limits,
            scenarios: Vec::new(),
        }
    }

    /// Reads a report from a file.
    ///
    /// # Errors
    /// When it cannot be read, or is of another form.
    pub(crate) fn read(file: &Path) -> anyhow::Result<Self> {
        let json = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let report: Self = serde_json::from_slice(&json)
            .with_context(|| format!("{} is not a result of this benchmark", file.display()))?;
        ensure!(
            report.format == FORMAT,
            "{} has the form of version {}; this program reads version {FORMAT}: measure again",
            file.display(),
            report.format
        );
        Ok(report)
    }

    /// Writes the report to a file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn write(&self, file: &Path) -> anyhow::Result<()> {
        let mut json = serde_json::to_string_pretty(self)?;
        json.push('\n');
        fs::write(file, json).with_context(|| format!("cannot write {}", file.display()))
    }

    /// What a scenario gave, if it was run.
    pub(crate) fn scenario(&self, name: &str) -> Option<&Scenario> {
        self.scenarios.iter().find(|scenario| scenario.name == name)
    }
}

impl Scenario {
    /// A scenario without figures yet.
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            figures: Vec::new(),
            rates: Vec::new(),
        }
    }

    /// Adds what one run gave.
    pub(crate) fn add(&mut self, figures: impl IntoIterator<Item = (What, f64)>) {
        for (what, value) in figures {
            match self.figures.iter_mut().find(|figure| figure.what == what) {
                Some(figure) => figure.runs.push(value),
                None => self.figures.push(Figure {
                    what,
                    runs: vec![value],
                }),
            }
        }
    }

    /// A figure, if it was measured.
    pub(crate) fn figure(&self, what: What) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.what == what)
    }

    /// A figure's median.
    pub(crate) fn median(&self, what: What) -> Option<f64> {
        self.figure(what).map(Figure::median)
    }
}

impl Figure {
    /// The middle one of all runs; of an even number the mean of the middle two.
    pub(crate) fn median(&self) -> f64 {
        let mut runs = self.runs.clone();
        runs.sort_by(f64::total_cmp);
        let middle = runs.len() / 2;
        match runs.len() {
            0 => 0.0,
            count if count % 2 == 0 => f64::midpoint(runs[middle - 1], runs[middle]),
            _ => runs[middle],
        }
    }

    /// The least of all runs.
    pub(crate) fn min(&self) -> f64 {
        self.runs.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The greatest of all runs.
    pub(crate) fn max(&self) -> f64 {
        self.runs.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_gather_all_runs() {
        let mut scenario = Scenario::new("till");
        for value in [3.0, 1.0, 8.0] {
            scenario.add([(What::P50Ms, value), (What::P99Ms, 2.0 * value)]);
        }
        let figure = scenario.figure(What::P50Ms).unwrap();
        assert_eq!(
            (figure.median(), figure.min(), figure.max()),
            (3.0, 1.0, 8.0)
        );
        assert_eq!(scenario.median(What::P99Ms), Some(6.0));
        assert_eq!(scenario.median(What::MaxMs), None);
        scenario.add([(What::P50Ms, 5.0)]);
        assert_eq!(scenario.median(What::P50Ms), Some(4.0));
    }
}
