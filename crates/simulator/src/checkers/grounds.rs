//! A vote to certify rests on something: the member has written the block down itself, holds every
//! batch of it with all personal parts, and the block's timestamp is not too far ahead of its clock.

use std::collections::{BTreeMap, BTreeSet};

use types::{BatchId, BlockHash, Now, VoteKind};

use super::{Checker, Facts};
use crate::observation::Observation;

/// How far a timestamp may be ahead.
const MOST_AHEAD_MILLIS: u64 = 10_000;

#[derive(Default)]
pub(super) struct Grounds {
    /// The batches each member holds whole.
    whole: BTreeSet<(usize, BatchId)>,
    /// The blocks each member has written down, in any life.
    written: BTreeSet<(usize, BlockHash)>,
    blocks: BTreeMap<BlockHash, Sealed>,
}

struct Sealed {
    timestamp_millis: u64,
    batches: Vec<BatchId>,
}

impl Grounds {
    fn voted(&self, host: usize, now: Now, block: BlockHash) -> Result<(), String> {
        let name = block.short();
        let sealed = self
            .blocks
            .get(&block)
            .filter(|_| self.written.contains(&(host, block)));
        let Some(sealed) = sealed else {
            return Err(format!(
                "member {host} voted for {name} and has not written it down"
            ));
        };
        let lacks = |batch: &&BatchId| !self.whole.contains(&(host, **batch));
        if let Some(batch) = sealed.batches.iter().find(lacks) {
            return Err(format!(
                "member {host} voted for {name} and does not hold batch {} of it whole",
                batch.short()
            ));
        }
        if sealed.timestamp_millis > now.wall.0 + MOST_AHEAD_MILLIS {
            return Err(format!(
                "member {host} voted for {name}, whose timestamp is {} ms ahead",
                sealed.timestamp_millis - now.wall.0
            ));
        }
        Ok(())
    }
}

impl Checker for Grounds {
    fn name(&self) -> &'static str {
        "grounds"
    }

    fn observe(&mut self, _: &Facts, seen: &Observation) -> Result<(), String> {
        match seen {
            Observation::Started { host, .. } => self.whole.retain(|(of, _)| of != host),
            Observation::Held {
                host,
                batch,
                complete: true,
            } => {
                self.whole.insert((*host, batch.id()));
            }
            Observation::Block {
                host,
                block,
                header,
                batches,
                ..
            } => {
                self.written.insert((*host, *block));
                self.blocks.entry(*block).or_insert_with(|| Sealed {
                    timestamp_millis: header.timestamp.0,
                    batches: batches.clone(),
                });
            }
            Observation::VoteMade { host, now, vote } if vote.kind == VoteKind::Certify => {
                return self.voted(*host, *now, vote.block);
            }
            _ => {}
        }
        Ok(())
    }
}
