//! One order a request, on connections that stay open: every client sends its next order when the
//! last one is answered.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::CONTENT_TYPE;
use tokio::task::JoinSet;

use super::{Sent, answers::read_answer, orders::Lines};
use crate::http;

/// Sends orders from so many clients, spread over the nodes, until `end`.
///
/// # Errors
/// When a node breaks a connection.
pub(crate) async fn send_singly(
    nodes: Vec<(SocketAddr, Lines)>,
    clients: usize,
    length: Duration,
) -> anyhow::Result<Sent> {
    let end = Instant::now() + length;
    let mut running = JoinSet::new();
    for (node, lines) in nodes.iter().cycle().take(clients) {
        running.spawn(client(*node, lines.clone(), end));
    }
    let mut sent = Sent::default();
    while let Some(ended) = running.join_next().await {
        sent.add(ended??);
    }
    Ok(sent)
}

async fn client(node: SocketAddr, mut lines: Lines, end: Instant) -> anyhow::Result<Sent> {
    let mut connection = http::connect(node).await?;
    let mut sent = Sent::default();
    loop {
        let due = Instant::now();
        if due >= end {
            return Ok(sent);
        }
        let (line, _) = lines.take(1);
        let request = http::request("POST", node, "/v1/orders")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::<Bytes>::new(line))?;
        let answer = connection.send_request(request).await?;
        let body = answer.into_body().collect().await?.to_bytes();
        sent.answered(read_answer(&body), due);
    }
}
