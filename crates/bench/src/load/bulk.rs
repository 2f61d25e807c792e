//! Orders in bulk: one request whose body goes on and on, answered line by line meanwhile.

use std::{
    convert::Infallible,
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{bail, ensure};
use bytes::Bytes;
use http_body_util::{
    BodyExt as _,
    channel::{Channel, Sender},
};
use hyper::{
    body::{Frame, Incoming},
    header::CONTENT_TYPE,
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use super::{
    Sent,
    answers::{LineReader, read_answer},
    observer::Following,
    orders::Lines,
};
use crate::http;

/// How often what is due by then is sent: often enough not to be seen in latencies of tens of
/// milliseconds, seldom enough to cost little.
const TICK: Duration = Duration::from_millis(1);
/// How many lines are written at once at most.
const MOST_LINES: usize = 1_000;
/// Pieces of the body that may wait to be written; more wait for the node to read.
const PIECES: usize = 2;

/// When orders are due, at each of the nodes.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    /// When the first one is.
    pub(crate) start: Instant,
    /// For how long.
    pub(crate) length: Duration,
    /// How many.
    pub(crate) pace: Pace,
}

/// How many orders are due at a node.
#[derive(Debug, Clone)]
pub(crate) enum Pace {
    /// So many a second.
    Even(f64),
    /// As many as became final, and some more.
    Following(Following),
}

impl Schedule {
    /// When the order of this number is due. Those that follow others are due all the time.
    fn due(&self, number: u64) -> Instant {
        match &self.pace {
            Pace::Even(rate) => self.start + Duration::from_secs_f64(number as f64 / rate),
            Pace::Following(_) => self.start,
        }
    }

    /// How many orders are due after so long.
    fn count(&self, elapsed: Duration) -> u64 {
        match &self.pace {
            Pace::Even(rate) => (elapsed.min(self.length).as_secs_f64() * rate) as u64,
            Pace::Following(_) if elapsed >= self.length => 0,
            Pace::Following(following) => following.count(),
        }
    }
}

/// Sends each of some nodes its orders as the schedule says, until it is told to give up, and reads all
/// answers.
///
/// # Errors
/// When a node refuses the request.
pub(crate) async fn send_bulk(
    nodes: Vec<(SocketAddr, Lines)>,
    schedule: Schedule,
    give_up: watch::Receiver<bool>,
) -> anyhow::Result<Sent> {
    let mut running = JoinSet::new();
    for (node, lines) in nodes {
        running.spawn(stream(node, lines, schedule.clone(), give_up.clone()));
    }
    let mut sent = Sent::default();
    while let Some(ended) = running.join_next().await {
        sent.add(ended??);
    }
    Ok(sent)
}

/// Sends orders to one node in one request.
async fn stream(
    node: SocketAddr,
    lines: Lines,
    schedule: Schedule,
    mut give_up: watch::Receiver<bool>,
) -> anyhow::Result<Sent> {
    let (mut body, channel) = Channel::<Bytes, Infallible>::new(PIECES);
    let mut connection = http::connect(node).await?;
    let request = http::request("POST", node, "/v1/orders")
        .header(CONTENT_TYPE, "application/x-ndjson")
        .body(channel)?;
    let answers = async {
        let answer = connection.send_request(request).await?;
        if answer.status() != 200 {
            bail!("bulk orders: {}", http::refusal(answer).await);
        }
        Ok(read(answer.into_body(), &schedule).await)
    };
    let orders = async {
        let mut count = 0;
        tokio::select! {
            () = feed(&mut body, lines, &schedule, &mut count) => {}
            // The other end is gone when the whole step has failed.
            _ = give_up.wait_for(|given_up| *given_up) => {}
        }
        // The body ends here.
        drop(body);
        count
    };
    let (count, answers) = tokio::join!(orders, answers);
    let mut sent = answers?;
    sent.unanswered = count - sent.placed.len() as u64 - sent.refused;
    ensure!(
        sent.unanswered == 0 || sent.broken.is_some(),
        "of {count} orders sent in bulk {} were not answered",
        sent.unanswered
    );
    Ok(sent)
}

/// Reads answers until there are no more.
async fn read(mut body: Incoming, schedule: &Schedule) -> Sent {
    let (mut sent, mut reader, mut number) = (Sent::default(), LineReader::default(), 0);
    while let Some(frame) = body.frame().await {
        match frame.map(Frame::into_data) {
            Ok(Ok(piece)) => reader.read(&piece, |line| {
                sent.answered(read_answer(line), schedule.due(number));
                number += 1;
            }),
            // Trailers tell nothing of orders.
            Ok(Err(_)) => {}
            Err(error) => {
                sent.broken = Some(error.to_string());
                break;
            }
        }
    }
    sent
}

/// Sends what is due as long as more becomes due, and counts it.
async fn feed(
    body: &mut Sender<Bytes, Infallible>,
    mut lines: Lines,
    schedule: &Schedule,
    sent: &mut u64,
) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let elapsed = schedule.start.elapsed();
        let due = schedule.count(elapsed);
        while *sent < due {
            let most = usize::try_from(due - *sent).unwrap_or(MOST_LINES);
            let (piece, count) = lines.take(most.min(MOST_LINES));
            if body.send_data(piece).await.is_err() {
                // The node has closed the connection, which the reading side tells.
                return;
            }
            *sent += count as u64;
        }
        if elapsed >= schedule.length {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_due_evenly_and_for_so_long() {
        let schedule = Schedule {
            start: Instant::now(),
            length: Duration::from_secs(3),
            pace: Pace::Even(2_000.0),
        };
        assert_eq!(schedule.count(Duration::from_millis(10)), 20);
        assert_eq!(schedule.count(Duration::from_secs(9)), 6_000);
        assert_eq!(schedule.due(20), schedule.start + Duration::from_millis(10));
    }
}
