//! Looking orders up, one by its id and those of a customer, while others are placed.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::ensure;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::SendRequest;
use tokio::{task::JoinSet, time::sleep};
use types::OrderId;

use super::{Setting, TILL, throughput};
use crate::{
    http,
    load::{Latencies, latencies, micros},
    report::{Scenario, What},
    trial::{Load, Trial},
};

/// The scenario's name.
pub(crate) const READ: &str = "read";

/// At which part of saturation orders are placed.
const LOAD: f64 = 0.5;
/// How long each reader waits between two questions: till systems ask now and then, not all the time.
const PAUSE: Duration = Duration::from_millis(5);
/// From one order that is asked for to the next, in the order log: far enough that they are in other
/// blocks, and a prime, so that all are asked for sooner or later.
const STRIDE: usize = 7_919;
/// Which customer's orders are listed; there are as many customers as numbers here.
const CUSTOMERS: usize = 64;

/// Runs it.
///
/// # Errors
/// When a network fails, or an order is lost or not found.
pub(super) async fn run(setting: &Setting) -> anyhow::Result<Scenario> {
    let rate = LOAD * throughput::saturation(setting).await?;
    let length = setting.effort.step;
    let mut scenario = Scenario::new(READ);
    for run in 0..setting.effort.runs {
        setting.announce(READ, run);
        let mut trial = Trial::start(&setting.workshop, TILL).await?;
        let filled = trial.step(Load::Even(rate), length).await?;
        let known: Vec<OrderId> = filled
            .blocks
            .into_iter()
            .flat_map(|block| block.orders)
            .collect();
        ensure!(!known.is_empty(), "there are no orders to look up");
        let nodes: Vec<SocketAddr> = trial.nodes().collect();
        let (step, read) = tokio::join!(
            trial.step(Load::Even(rate), length),
            read(&nodes, &known, length)
        );
        let (orders, customers) = read?;
        let millis = |times: &Latencies, part| times.value_at_quantile(part) as f64 / 1e3;
        scenario.add(step?.throughput());
        scenario.add([
            (What::OrderP50Ms, millis(&orders, 0.5)),
            (What::OrderP99Ms, millis(&orders, 0.99)),
            (What::CustomerP50Ms, millis(&customers, 0.5)),
            (What::CustomerP99Ms, millis(&customers, 0.99)),
        ]);
    }
    Ok(scenario)
}

/// One reader at each node; how long single orders and customers' listings took.
async fn read(
    nodes: &[SocketAddr],
    known: &[OrderId],
    length: Duration,
) -> anyhow::Result<(Latencies, Latencies)> {
    let end = Instant::now() + length;
    let mut readers = JoinSet::new();
    for (number, node) in nodes.iter().enumerate() {
        let reader = Reader {
            connection: http::connect(*node).await?,
            node: *node,
        };
        let paths: Vec<String> = known
            .iter()
            .cycle()
            .skip(number)
            .step_by(STRIDE % known.len().max(2) + 1)
            .take(known.len().min(10_000))
            .map(|id| format!("/v1/orders/{id}"))
            .collect();
        readers.spawn(reader.run(paths, end));
    }
    let (mut orders, mut customers) = (latencies(), latencies());
    while let Some(ended) = readers.join_next().await {
        let (more_orders, more_customers) = ended??;
        orders.add(more_orders)?;
        customers.add(more_customers)?;
    }
    Ok((orders, customers))
}

/// Somebody who asks a node.
struct Reader {
    connection: SendRequest<Empty<Bytes>>,
    node: SocketAddr,
}

impl Reader {
    async fn run(
        mut self,
        paths: Vec<String>,
        end: Instant,
    ) -> anyhow::Result<(Latencies, Latencies)> {
        let (mut orders, mut customers) = (latencies(), latencies());
        for (number, order) in paths.iter().cycle().enumerate() {
            if Instant::now() >= end {
                break;
            }
            let customer = number % CUSTOMERS;
            let listing = format!("/v1/orders?customer=customer%20{customer:02}&limit=20");
            orders.record(self.ask(order).await?)?;
            customers.record(self.ask(&listing).await?)?;
            sleep(PAUSE).await;
        }
        Ok((orders, customers))
    }

    /// How many microseconds an answer took.
    async fn ask(&mut self, path: &str) -> anyhow::Result<u64> {
        let request = http::request("GET", self.node, path).body(Empty::new())?;
        let start = Instant::now();
        let answer = self.connection.send_request(request).await?;
        ensure!(
            answer.status() == 200,
            "{path}: {}",
            http::refusal(answer).await
        );
        answer.into_body().collect().await?;
        Ok(micros(start.elapsed()))
    }
}
