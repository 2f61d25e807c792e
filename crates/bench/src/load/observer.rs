//! Watching blocks become final, on one connection to one node that is given no orders: its stream of
//! events carries little else.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use anyhow::{Context as _, bail};
use api::model::{BlockSummary, EventData};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::{sync::watch, task::JoinHandle};

use super::answers::LineReader;
use crate::{cluster::PATIENCE, http};

/// Orders that are under way at a time where as many are sent as become final: half a second's of the
/// fastest network foreseen.
const UNDER_WAY: u64 = 40_000;

/// A final block, as it was seen.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// When its event arrived.
    pub(crate) at: Instant,
    /// The block.
    pub(crate) block: BlockSummary,
}

/// What an observer has seen so far, by height.
pub(crate) type Blocks = BTreeMap<u64, Seen>;

/// Watches a node until it is dropped.
pub(crate) struct Observer {
    blocks: Arc<Mutex<Blocks>>,
    /// How many final orders there are.
    log_size: watch::Receiver<u64>,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Observer {
    /// Begins to watch.
    ///
    /// # Errors
    /// When the node does not answer.
    pub(crate) async fn of(node: SocketAddr) -> anyhow::Result<Self> {
        let events = http::stream(node, "/v1/events").await?;
        let blocks = Arc::default();
        let (sender, log_size) = watch::channel(0);
        let task = tokio::spawn(watch_events(events, Arc::clone(&blocks), sender));
        Ok(Self {
            blocks,
            log_size,
            task,
        })
    }

    /// The blocks above a height seen so far.
    pub(crate) fn blocks_above(&self, height: u64) -> Blocks {
        lock(&self.blocks)
            .range(height + 1..)
            .map(|(height, seen)| (*height, seen.clone()))
            .collect()
    }

    /// How many final orders there are.
    pub(crate) fn log_size(&self) -> u64 {
        *self.log_size.borrow()
    }

    /// How many orders one of `tills` may have sent for as many as became final from `before` on.
    pub(crate) fn following(&self, before: u64, tills: u64) -> Following {
        Following {
            log_size: self.log_size.clone(),
            before,
            tills,
        }
    }

    /// Waits until there are so many final orders.
    ///
    /// # Errors
    /// When there are not in time, or the stream of events broke.
    pub(crate) async fn wait_final(&mut self, log_size: u64) -> anyhow::Result<()> {
        let reached = self.log_size.wait_for(|size| *size >= log_size);
        let in_time = tokio::time::timeout(PATIENCE, reached).await;
        match in_time.map(|reached| reached.is_ok()) {
            Ok(true) => Ok(()),
            Ok(false) => {
                (&mut self.task).await??;
                bail!("the stream of events ended")
            }
            Err(_) => {
                let size = self.log_size();
                bail!("of {log_size} orders that must be final only {size} are after {PATIENCE:?}")
            }
        }
    }
}

/// How many orders may be sent: as many as became final, and so many more that the network is never
/// without.
#[derive(Debug, Clone)]
pub(crate) struct Following {
    log_size: watch::Receiver<u64>,
    before: u64,
    tills: u64,
}

impl Following {
    /// How many each till may have sent by now.
    pub(crate) fn count(&self) -> u64 {
        let done = self.log_size.borrow().saturating_sub(self.before);
        (done + UNDER_WAY) / self.tills
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn watch_events(
    mut events: Incoming,
    blocks: Arc<Mutex<Blocks>>,
    log_size: watch::Sender<u64>,
) -> anyhow::Result<()> {
    let mut reader = LineReader::default();
    while let Some(frame) = events.frame().await {
        let Ok(piece) = frame?.into_data() else {
            continue;
        };
        let at = Instant::now();
        let mut missed = Ok(());
        reader.read(&piece, |line| match final_block(line) {
            Ok(Some(block)) => {
                log_size.send_replace(block.log_size);
                lock(&blocks).insert(block.height, Seen { at, block });
            }
            Ok(None) => {}
            Err(error) => missed = Err(error),
        });
        missed?;
    }
    Ok(())
}

/// The block that a line of the stream tells to be final, if it does.
fn final_block(line: &[u8]) -> anyhow::Result<Option<BlockSummary>> {
    let Some(data) = line.strip_prefix(b"data: ") else {
        return Ok(None);
    };
    let event = serde_json::from_slice(data).context("an event has an unknown form")?;
    match event {
        EventData::BlockFinal { block } => Ok(Some(block)),
        EventData::Reset => bail!("events were missed: the load process was too slow to take them"),
        _ => Ok(None),
    }
}

fn lock(blocks: &Mutex<Blocks>) -> MutexGuard<'_, Blocks> {
    blocks.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many orders were final at a moment.
pub(crate) type FinalAt = (Instant, u64);

/// How many orders a second became final from the last block that was final by `settled` up to the last
/// of all; from `start` where no block was final by then.
pub(crate) fn final_rate(blocks: &Blocks, start: FinalAt, settled: Instant) -> f64 {
    let final_at = |seen: &Seen| (seen.at, seen.block.log_size);
    let early = blocks.values().rfind(|seen| seen.at <= settled);
    let (begin, before) = early.map_or(start, final_at);
    let (end, after) = blocks.values().next_back().map_or(start, final_at);
    let time = end.saturating_duration_since(begin).as_secs_f64();
    if time > 0.0 {
        (after - before) as f64 / time
    } else {
        0.0
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use types::{BlockHash, MemberId, UnixMillis};

    use super::*;

    /// A block seen at a moment, after which there are so many final orders.
    pub(crate) fn seen(height: u64, at: Instant, log_size: u64) -> (u64, Seen) {
        let block = BlockSummary {
            height,
            hash: BlockHash::ZERO,
            parent: BlockHash::ZERO,
            epoch: 0,
            timestamp: api::time::Time(UnixMillis(0)),
            winner: String::new(),
            winner_id: MemberId::ZERO,
            wait_us: 0,
            orders: 1,
            log_size,
            is_final: true,
            time_to_final_ms: None,
        };
        (height, Seen { at, block })
    }

    #[test]
    fn only_final_blocks_count() {
        let (_, Seen { block, .. }) = seen(7, Instant::now(), 30);
        let line = |event| format!("data: {}", serde_json::to_string(&event).unwrap());
        let told = line(EventData::BlockFinal {
            block: block.clone(),
        });
        assert_eq!(final_block(told.as_bytes()).unwrap(), Some(block.clone()));
        let sealed = line(EventData::BlockSealed { block });
        for other in [&*sealed, "event: block-final", "id: 5", ""] {
            assert_eq!(final_block(other.as_bytes()).unwrap(), None);
        }
        assert!(final_block(line(EventData::Reset).as_bytes()).is_err());
    }

    #[test]
    fn the_rate_is_that_after_settling_and_takes_stalls_into_account() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let rate = |blocks: &[(u64, u64)]| {
            let blocks = blocks.iter().zip(1..);
            let blocks: Blocks = blocks
                .map(|((seconds, size), height)| seen(height, after(*seconds), *size))
                .collect();
            final_rate(&blocks, (start, 100), after(2))
        };
        assert_eq!(rate(&[]), 0.0);
        assert_eq!(rate(&[(1, 150), (2, 200), (3, 300), (4, 400)]), 100.0);
        assert_eq!(rate(&[(10, 300), (10, 600)]), 50.0);
    }
}
