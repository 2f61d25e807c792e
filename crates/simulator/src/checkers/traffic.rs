//! Traffic: where nothing goes wrong hardly more than one block a height is proposed, and hardly a vote
//! leaves twice.

use std::collections::{BTreeMap, BTreeSet};

use types::{BlockHash, Height, VoteKind};

use super::{Checker, Facts};
use crate::observation::Observation;

/// A second block is proposed now and then, by a member whose wait ended while the first was on its
/// way. So many for every two heights, and some to begin with.
const PROPOSALS_FOR_TWO_HEIGHTS: usize = 3;
const PROPOSALS_TO_BEGIN_WITH: usize = 5;

/// A height that takes longer than the resend interval lets a vote leave again.
const MOST_SENDS: u32 = 3;

#[derive(Default)]
pub(super) struct Traffic {
    proposed: BTreeSet<BlockHash>,
    votes: BTreeMap<(usize, VoteKind, BlockHash), u32>,
    highest: Height,
}

impl Checker for Traffic {
    fn name(&self) -> &'static str {
        "traffic"
    }

    fn observe(&mut self, facts: &Facts, seen: &Observation) -> Result<(), String> {
        if !facts.calm {
            return Ok(());
        }
        match seen {
            Observation::Proposed { block, .. } => {
                self.proposed.insert(*block);
            }
            Observation::VoteSent { host, vote } => {
                let count = self
                    .votes
                    .entry((*host, vote.kind, vote.block))
                    .or_default();
                *count += 1;
            }
            Observation::Final { header, .. } => self.highest = self.highest.max(header.height),
            Observation::Ended => {
                let heights = usize::try_from(self.highest.0).unwrap_or(usize::MAX);
                let proposed = self.proposed.len();
                let most = heights * PROPOSALS_FOR_TWO_HEIGHTS / 2 + PROPOSALS_TO_BEGIN_WITH;
                if proposed > most {
                    return Err(format!(
                        "{proposed} blocks were proposed for {heights} heights"
                    ));
                }
                if let Some(((host, ..), count)) =
                    self.votes.iter().find(|(_, count)| **count > MOST_SENDS)
                {
                    return Err(format!("member {host} sent one of its votes {count} times"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
