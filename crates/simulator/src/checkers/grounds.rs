//! A vote to certify rests on something: the member has written the block down itself, holds every
//! batch of it with all personal parts, its ticket is its proposer's, and its timestamp is not too far
//! ahead of the member's clock.

use std::collections::{BTreeMap, BTreeSet};

use types::{BatchId, BlockHash, Header, Height, Now, VoteKind};

use super::{
    Checker, Facts,
    fairness::{next_seed, ticket_bytes},
};
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
    /// The seeds of the blocks whose ancestors are all known.
    seeds: BTreeMap<BlockHash, [u8; 32]>,
}

struct Sealed {
    header: Header,
    batches: Vec<BatchId>,
}

impl Grounds {
    fn voted(&self, facts: &Facts, host: usize, now: Now, block: BlockHash) -> Result<(), String> {
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
        let timestamp_millis = sealed.header.timestamp.0;
        if timestamp_millis > now.wall.0 + MOST_AHEAD_MILLIS {
            return Err(format!(
                "member {host} voted for {name}, whose timestamp is {} ms ahead",
                timestamp_millis - now.wall.0
            ));
        }
        if !self.is_right(facts, &sealed.header) {
            return Err(format!(
                "member {host} voted for {name}, whose ticket is not its proposer's"
            ));
        }
        Ok(())
    }

    fn seed(&self, facts: &Facts, header: &Header) -> Option<[u8; 32]> {
        match header.height {
            Height(1) => Some(*facts.chain.as_bytes()),
            _ => self.seeds.get(&header.parent).copied(),
        }
    }

    /// Whether the block's ticket is its proposer's, as far as its ancestors are known.
    fn is_right(&self, facts: &Facts, header: &Header) -> bool {
        let Some(seed) = self.seed(facts, header) else {
            return true;
        };
        let bytes = ticket_bytes(facts, header, &seed);
        let proposer = facts.cards.get(header.proposer.as_usize());
        proposer.is_some_and(|proposer| {
            let key = &proposer.lottery_key;
            facts.signatures.verify_lottery(key, &bytes, &header.ticket)
        })
    }
}

impl Checker for Grounds {
    fn name(&self) -> &'static str {
        "grounds"
    }

    fn observe(&mut self, facts: &Facts, seen: &Observation) -> Result<(), String> {
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
                if let Some(seed) = self.seed(facts, header) {
                    let seed = next_seed(&seed, header.ticket.as_ref());
                    self.seeds.insert(*block, seed);
                }
                self.blocks.entry(*block).or_insert_with(|| Sealed {
                    header: header.clone(),
                    batches: batches.clone(),
                });
            }
            Observation::VoteMade { host, now, vote } if vote.kind == VoteKind::Certify => {
                return self.voted(facts, *host, *now, vote.block);
            }
            _ => {}
        }
        Ok(())
    }
}
