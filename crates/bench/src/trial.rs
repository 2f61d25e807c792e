//! One network under load, step by step: what went in, what became final, and what it cost.

use std::{
    net::SocketAddr,
    process,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use api::model::StatusView;
use tokio::{sync::watch, time::sleep};
use types::ChainId;

use crate::{
    chain::{self, FinalBlock},
    cluster::{Cluster, Costs, NODES, Terms, Workshop},
    http,
    load::{
        Blocks, Kind, Latencies, Lines, Observer, Pace, Schedule, Sent, final_rate, prepare,
        send_bulk, send_singly, settle,
    },
    report::What,
    usage::Usage,
};

/// How many clients place one order a request.
const CLIENTS: usize = 64;
/// With final orders so far behind those that are due, more orders would only wait longer.
const MOST_BEHIND: Duration = Duration::from_secs(1);
/// How often it is looked at how far they are.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long after its start a step has settled: blocks come at an even pace.
const SETTLING: Duration = Duration::from_millis(300);

/// How a step sends its orders.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Load {
    /// In bulk, so many a second whatever becomes of them.
    Even(f64),
    /// In bulk, as many as the network takes; how long each waits means nothing then.
    Flood,
    /// One a request, each client the next one when the last is answered.
    Single,
}

/// A running network and who watches it. The last of the nodes that run is watched and given no orders.
pub(crate) struct Trial {
    /// The network.
    pub(crate) cluster: Cluster,
    observer: Observer,
    running: usize,
    chain: ChainId,
    kind: Kind,
    /// The height and the number of orders that were final before the next step.
    height: u64,
    log_size: u64,
}

/// What came of a step.
#[derive(Debug)]
pub(crate) struct Step {
    /// Orders a second that became final once it had settled.
    pub(crate) final_rate: f64,
    /// From due to final.
    pub(crate) latencies: Latencies,
    /// How many orders were refused.
    pub(crate) refused: u64,
    /// How the first of them was, in words.
    pub(crate) first_refusal: Option<String>,
    /// Final orders fell so far behind that it was given up.
    pub(crate) overrun: bool,
    /// How many orders became final.
    pub(crate) orders: u64,
    /// What all nodes used, from before the first order to after the last was final everywhere.
    pub(crate) costs: Costs,
    /// Processor time of the load process while it sent.
    pub(crate) load_cpu: Duration,
    /// When it began.
    pub(crate) start: Instant,
    /// How long orders were sent.
    pub(crate) length: Duration,
    /// The blocks that were made.
    pub(crate) blocks: Vec<FinalBlock>,
    /// The same blocks, as they were seen.
    pub(crate) seen: Blocks,
}

impl Trial {
    /// Founds a network and starts it.
    ///
    /// # Errors
    /// When it does not come up.
    pub(crate) async fn start(workshop: &Workshop, kind: Kind) -> anyhow::Result<Self> {
        Self::start_some(workshop, kind, NODES).await
    }

    /// Founds a network and starts all its nodes but the last.
    ///
    /// # Errors
    /// When they do not come up.
    pub(crate) async fn start_without_last(
        workshop: &Workshop,
        kind: Kind,
    ) -> anyhow::Result<Self> {
        Self::start_some(workshop, kind, NODES - 1).await
    }

    async fn start_some(workshop: &Workshop, kind: Kind, running: usize) -> anyhow::Result<Self> {
        let mut cluster = Cluster::found(workshop, Terms::THROUGHPUT).await?;
        cluster.start_nodes(0..running).await?;
        let watched = cluster.node(running - 1).api;
        let observer = Observer::of(watched).await?;
        let status: StatusView = http::json(watched, "/v1/status").await?;
        Ok(Self {
            cluster,
            observer,
            running,
            chain: status.chain,
            kind,
            height: 0,
            log_size: 0,
        })
    }

    /// How many orders are final.
    pub(crate) const fn log_size(&self) -> u64 {
        self.log_size
    }

    /// Where the running nodes' REST interfaces are.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = SocketAddr> {
        (0..self.running).map(|place| self.cluster.node(place).api)
    }

    /// How many nodes are given orders.
    const fn tills(&self) -> usize {
        self.running - 1
    }

    /// Sends orders for so long, waits until all are final at all nodes, and accounts for each.
    ///
    /// # Errors
    /// When an order is lost, a node breaks a connection, or the nodes do not agree.
    pub(crate) async fn step(&mut self, load: Load, length: Duration) -> anyhow::Result<Step> {
        let lines = self.lines(load, length)?;
        let before = self.cluster.costs().await?;
        let start = Instant::now();
        let load_before = Usage::of(process::id())?.cpu;
        let (sent, overrun) = self.send(load, lines, start, length).await?;
        let load_cpu = Usage::of(process::id())?.cpu.saturating_sub(load_before);
        if let Some(error) = &sent.broken {
            bail!("a node broke a connection: {error}");
        }
        let step = self.finish(sent, start, length, &before).await?;
        Ok(Step {
            overrun,
            load_cpu,
            ..step
        })
    }

    /// Like a step, but one of the nodes that take orders is killed after a third of the time and
    /// started again after two thirds.
    ///
    /// # Errors
    /// When an order is lost, or the nodes do not agree.
    pub(crate) async fn failing_step(
        &mut self,
        rate: f64,
        length: Duration,
    ) -> anyhow::Result<Step> {
        let lines = self.lines(Load::Even(rate), length)?;
        let before = self.cluster.costs().await?;
        let start = Instant::now();
        let (schedule, victim) = (self.even(rate, start, length), self.tills() - 1);
        let (_give_up, given_up) = watch::channel(false);
        let targets = self.nodes().zip(lines).collect();
        let sending = tokio::spawn(send_bulk(targets, schedule, given_up));
        sleep(length / 3).await;
        self.cluster.kill_node(victim)?;
        sleep(length / 3).await;
        self.cluster.start_node(victim)?;
        let sent = sending.await??;
        self.cluster.wait_ready(victim).await?;
        self.finish(sent, start, length, &before).await
    }

    /// Waits until all orders of a step are final, and accounts for each.
    async fn finish(
        &mut self,
        sent: Sent,
        start: Instant,
        length: Duration,
        before: &Costs,
    ) -> anyhow::Result<Step> {
        let final_before = self.log_size;
        let accepted = sent.placed.len() as u64;
        self.observer.wait_final(final_before + accepted).await?;
        self.log_size = self.cluster.wait_agreement().await?;
        let costs = self.cluster.costs().await?.since(before);
        let seen = self.observer.blocks_above(self.height);
        let blocks = chain::blocks_above(self.cluster.node(self.tills()).api, self.height).await?;
        self.height = blocks.last().map_or(self.height, |block| block.height);
        Ok(Step {
            final_rate: final_rate(&seen, (start, final_before), start + SETTLING),
            latencies: settle(&sent.placed, &blocks, &seen, sent.unanswered)?,
            refused: sent.refused,
            first_refusal: sent.first_refusal,
            overrun: false,
            orders: self.log_size - final_before,
            costs,
            load_cpu: Duration::ZERO,
            start,
            length,
            blocks,
            seen,
        })
    }

    /// What each node that takes orders is sent.
    fn lines(&self, load: Load, length: Duration) -> anyhow::Result<Vec<Lines>> {
        let shops: Vec<&str> = (0..self.tills())
            .map(|place| self.cluster.node(place).name())
            .collect();
        let count = match (load, self.kind) {
            (Load::Even(rate), _) => {
                (rate * length.as_secs_f64()).ceil() as usize / shops.len() + 1
            }
            (_, Kind::Till { .. }) => 0,
            (Load::Flood | Load::Single, Kind::Signed) => {
                bail!("who sends as much as is taken would run out of signed orders")
            }
        };
        prepare(self.kind, &shops, self.chain, count, length)
    }

    fn even(&self, rate: f64, start: Instant, length: Duration) -> Schedule {
        Schedule {
            start,
            length,
            pace: Pace::Even(rate / self.tills() as f64),
        }
    }

    /// Sends; also says whether it was given up.
    async fn send(
        &self,
        load: Load,
        lines: Vec<Lines>,
        start: Instant,
        length: Duration,
    ) -> anyhow::Result<(Sent, bool)> {
        let targets = self.nodes().zip(lines).collect();
        let (give_up, given_up) = watch::channel(false);
        let rate = match load {
            Load::Even(rate) => rate,
            Load::Flood => {
                let tills = self.tills() as u64;
                let pace = Pace::Following(self.observer.following(self.log_size, tills));
                let schedule = Schedule {
                    start,
                    length,
                    pace,
                };
                return Ok((send_bulk(targets, schedule, given_up).await?, false));
            }
            Load::Single => return Ok((send_singly(targets, CLIENTS, length).await?, false)),
        };
        let sending = send_bulk(targets, self.even(rate, start, length), given_up);
        tokio::pin!(sending);
        let (sent, overrun) = tokio::select! {
            sent = &mut sending => (sent, false),
            () = self.falls_behind(rate, start, length) => {
                give_up.send_replace(true);
                (sending.await, true)
            }
        };
        Ok((sent.context("sending orders")?, overrun))
    }

    /// Returns once final orders are too far behind those that are due.
    async fn falls_behind(&self, rate: f64, start: Instant, length: Duration) {
        loop {
            sleep(LOOK_EVERY).await;
            let due = rate * start.elapsed().min(length).as_secs_f64();
            let done = self.observer.log_size().saturating_sub(self.log_size);
            if due - done as f64 > rate * MOST_BEHIND.as_secs_f64() {
                return;
            }
        }
    }
}

impl Step {
    /// The time within which this part of the orders became final, in milliseconds.
    pub(crate) fn millis(&self, part: f64) -> f64 {
        self.latencies.value_at_quantile(part) as f64 / 1e3
    }

    /// Orders a second.
    pub(crate) fn throughput(&self) -> [(What, f64); 1] {
        [(What::OrdersPerSecond, self.final_rate)]
    }

    /// From due to final.
    pub(crate) fn times(&self) -> [(What, f64); 3] {
        [
            (What::P50Ms, self.millis(0.5)),
            (What::P99Ms, self.millis(0.99)),
            (What::MaxMs, self.millis(1.0)),
        ]
    }

    /// What an order cost.
    pub(crate) fn prices(&self) -> [(What, f64); 8] {
        let each = |value: f64| value / (self.orders as f64).max(1.0);
        let micros = |time: Duration| each(time.as_secs_f64() * 1e6);
        let costs = &self.costs;
        let blocks = self.blocks.len() as f64;
        let direct = self.blocks.iter().filter(|block| block.direct).count() as f64;
        [
            (What::CpuMicrosPerOrder, micros(costs.cpu)),
            (What::LoadCpuMicrosPerOrder, micros(self.load_cpu)),
            (
                What::DiskBytesPerOrder,
                each(costs.disk_bytes as f64 / NODES as f64),
            ),
            (What::ResidentMib, costs.resident_mib()),
            (What::MessagesPerOrder, each(costs.messages as f64)),
            (What::WireBytesPerOrder, each(costs.message_bytes as f64)),
            (What::BlocksPerSecond, blocks / self.length.as_secs_f64()),
            (What::DirectPercent, 100.0 * direct / blocks.max(1.0)),
        ]
    }
}
