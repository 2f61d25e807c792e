//! One order at a time, answered when it is final, near and far.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use api::model::PlacedOrder;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{client::conn::http1::SendRequest, header::CONTENT_TYPE};

use super::{Setting, TILL};
use crate::{
    cluster::{Cluster, NODES, Terms, Timing, Workshop},
    http,
    load::{Latencies, Lines, latencies, micros, prepare},
    report::{Scenario, What},
};

/// How far the members are from each other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Distance {
    /// The scenario's name.
    pub(crate) name: &'static str,
    preset: &'static str,
    /// How long everything between members takes one way.
    pub(crate) delay: Duration,
    /// How long members hold their vote, as the preset says.
    pub(crate) grace: Duration,
    /// How many orders are placed a run.
    pub(super) orders: usize,
}

/// In one building; without relays.
pub(crate) const LAN: Distance = Distance {
    name: "latency-lan",
    preset: "lan",
    delay: Duration::ZERO,
    grace: Duration::from_millis(5),
    orders: 200,
};
/// In one city.
pub(crate) const METRO: Distance = Distance {
    name: "latency-metro",
    preset: "metro",
    delay: Duration::from_millis(4),
    grace: Duration::from_millis(30),
    orders: 60,
};
/// Around the world.
pub(crate) const WAN: Distance = Distance {
    name: "latency-wan",
    preset: "wan",
    delay: Duration::from_millis(50),
    grace: Duration::from_millis(200),
    orders: 24,
};

/// Orders that are placed before any is measured: connections are made, and programs are in memory.
const WARMING: usize = 4;

/// Runs it at all distances.
///
/// # Errors
/// When a network fails, or an order does not become final.
pub(super) async fn run(setting: &Setting) -> anyhow::Result<Vec<Scenario>> {
    let mut scenarios = Vec::new();
    for distance in [LAN, METRO, WAN] {
        let mut scenario = Scenario::new(distance.name);
        for run in 0..setting.effort.runs {
            setting.announce(distance.name, run);
            scenario.add(one_run(&setting.workshop, distance).await?);
        }
        scenarios.push(scenario);
    }
    Ok(scenarios)
}

async fn one_run(workshop: &Workshop, distance: Distance) -> anyhow::Result<[(What, f64); 4]> {
    let terms = Terms {
        timing: Timing::Preset(distance.preset),
        delay: Some(distance.delay).filter(|delay| !delay.is_zero()),
    };
    let cluster = Cluster::start(workshop, terms).await?;
    let mut tills = Vec::new();
    for place in 0..NODES {
        tills.push(Till::at(&cluster, place).await?);
    }
    let (mut times, mut waits) = (latencies(), Vec::new());
    for number in 0..WARMING + distance.orders {
        let (time, wait) = tills[number % NODES].place().await?;
        if number >= WARMING {
            times.record(micros(time))?;
            waits.push(wait.as_secs_f64() * 1e3);
        }
    }
    let millis = |times: &Latencies, part| times.value_at_quantile(part) as f64 / 1e3;
    Ok([
        (What::P50Ms, millis(&times, 0.5)),
        (What::P99Ms, millis(&times, 0.99)),
        (What::MaxMs, millis(&times, 1.0)),
        (
            What::WinnerWaitMs,
            waits.iter().sum::<f64>() / waits.len() as f64,
        ),
    ])
}

/// Where orders are placed at one node.
struct Till {
    connection: SendRequest<Full<Bytes>>,
    host: SocketAddr,
    lines: Lines,
}

impl Till {
    async fn at(cluster: &Cluster, place: usize) -> anyhow::Result<Self> {
        let node = cluster.node(place);
        let lines = prepare(
            TILL,
            &[node.name()],
            types::ChainId::ZERO,
            0,
            Duration::ZERO,
        )?
        .pop();
        Ok(Self {
            connection: http::connect(node.api).await?,
            host: node.api,
            lines: lines.context("no orders")?,
        })
    }

    /// Places an order; how long it took until it was final, and how long the winner of its block had
    /// waited.
    async fn place(&mut self) -> anyhow::Result<(Duration, Duration)> {
        let (line, _) = self.lines.take(1);
        let request = http::request("POST", self.host, "/v1/orders?wait=final")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(line))?;
        let start = Instant::now();
        let answer = self.connection.send_request(request).await?;
        ensure!(
            answer.status() == 201,
            "an order: {}",
            http::refusal(answer).await
        );
        let body = answer.into_body().collect().await?.to_bytes();
        let time = start.elapsed();
        let placed: PlacedOrder = serde_json::from_slice(&body)?;
        let finality = placed
            .finality
            .context("an order was answered that is not final")?;
        Ok((time, Duration::from_micros(finality.wait_us)))
    }
}
