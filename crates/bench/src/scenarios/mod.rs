//! The scenarios, one a file.

mod catch_up;
mod estimate;
mod failure;
mod growth;
mod idle;
mod latency;
mod read;
mod signed;
mod single;
mod throughput;
mod till;

use std::{cell::Cell, time::Duration};

use clap::ValueEnum;

use crate::{cluster::Workshop, load::Kind, progress, report::Scenario, saturation::Care};

pub(crate) use catch_up::CATCH_UP;
pub(crate) use failure::FAILURE;
pub(crate) use growth::{GROWTH, RESTART};
pub(crate) use idle::IDLE;
pub(crate) use latency::{Distance, LAN, METRO, WAN};
pub(crate) use read::READ;
pub(crate) use signed::SIGNED;
pub(crate) use single::TILL_SINGLE;
pub(crate) use till::{TILL_BULK, TILL_LARGE};

/// Bytes of canonical encoding of a usual order, the personal part included.
pub(crate) const ORDER_BYTES: usize = 200;
/// A usual order.
const TILL: Kind = Kind::Till { bytes: ORDER_BYTES };

/// What can be run by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// Orders that tills vouch for, in bulk.
    Till,
    /// The same, one a request.
    Single,
    /// Orders that customers signed.
    Signed,
    /// One order at a time, near and far.
    Latency,
    /// A node is killed under load and started again.
    Failure,
    /// A member that was never started before comes up to a long chain.
    CatchUp,
    /// A chain becomes ten and a hundred times as long, and a node starts with it.
    Growth,
    /// A network without orders.
    Idle,
    /// Looking orders up while others are placed.
    Read,
}

/// How much is done of everything.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// How often each scenario is run.
    pub(crate) runs: usize,
    /// How long orders are sent at one rate.
    pub(crate) step: Duration,
    /// How much is done to find the highest rate.
    pub(crate) care: Care,
    /// How long an idle network is watched.
    pub(crate) idle: Duration,
    /// Offered in bulk instead of rising rates up to saturation.
    pub(crate) rate: Option<f64>,
    /// How many orders a long chain has; there are chains of a tenth and of ten times as many, too.
    pub(crate) chain: u64,
}

impl Effort {
    /// Enough to compare with.
    pub(crate) const WHOLE: Self = Self {
        runs: 5,
        step: Duration::from_secs(3),
        care: Care {
            close_enough: 1.05,
            tries: 2,
        },
        idle: Duration::from_secs(60),
        rate: None,
        chain: 1_000_000,
    };
    /// Enough to see whether something broke.
    pub(crate) const QUICK: Self = Self {
        runs: 1,
        step: Duration::from_millis(1_500),
        care: Care {
            close_enough: 1.2,
            tries: 2,
        },
        idle: Duration::from_secs(6),
        rate: None,
        chain: 5_000,
    };
}

/// What scenarios work with.
pub(crate) struct Setting {
    /// Where networks are made.
    pub(crate) workshop: Workshop,
    /// How much is done.
    pub(crate) effort: Effort,
    /// Orders a second that a network sustains, once that is known.
    saturation: Cell<Option<f64>>,
}

impl Setting {
    /// Nothing is known yet.
    pub(crate) const fn new(workshop: Workshop, effort: Effort) -> Self {
        Self {
            workshop,
            effort,
            saturation: Cell::new(None),
        }
    }

    /// Says on which run of which scenario work goes on.
    fn announce(&self, scenario: &str, run: usize) {
        let (run, runs) = (run + 1, self.effort.runs);
        progress::say(format_args!("{scenario}: run {run} of {runs}"));
    }

    /// Runs a scenario; what each of its parts gave.
    ///
    /// # Errors
    /// When a network fails, or an order is lost.
    pub(crate) async fn run(&self, name: Name) -> anyhow::Result<Vec<Scenario>> {
        Ok(match name {
            Name::Till => till::run(self).await?,
            Name::Single => vec![single::run(self).await?],
            Name::Signed => vec![signed::run(self).await?],
            Name::Latency => latency::run(self).await?,
            Name::Failure => vec![failure::run(self).await?],
            Name::CatchUp => vec![catch_up::run(self).await?],
            Name::Growth => growth::run(self).await?,
            Name::Idle => vec![idle::run(self).await?],
            Name::Read => vec![read::run(self).await?],
        })
    }
}
