//! No vote is ever contradicted, over all votes and blocks that left a member's machine in all its
//! lives: one block a height is proposed, one block a proposer and height is voted for, one block a
//! height is finalized, whoever finalizes a block has voted to certify no other there and votes for no
//! other afterwards. Whoever has told that a proposer lies votes for no block of that proposer there, and
//! whoever has voted at a height certifies nothing below it.

use std::collections::{BTreeMap, BTreeSet};

use types::{BlockHash, Height, MemberIndex, Vote, VoteKind};

use super::{Checker, Facts};
use crate::observation::Observation;

#[derive(Default)]
pub(super) struct Votes {
    proposers: BTreeMap<BlockHash, MemberIndex>,
    proposed: BTreeMap<(usize, Height), BlockHash>,
    certified: BTreeMap<(usize, Height), BTreeSet<BlockHash>>,
    finalized: BTreeMap<(usize, Height), BlockHash>,
    /// The highest height each member has voted at.
    highest: BTreeMap<usize, Height>,
    /// Who has told of whose lies, where.
    disqualified: BTreeSet<(usize, Height, MemberIndex)>,
    /// Votes handed to the disk in any life.
    persisted: BTreeSet<(usize, VoteKind, BlockHash)>,
    /// Votes made in the present life of each member.
    this_life: BTreeSet<(usize, VoteKind, BlockHash)>,
}

impl Votes {
    fn made(&mut self, host: usize, vote: &Vote) -> Result<(), String> {
        let name = vote.block.short();
        let proposer = self.proposers.get(&vote.block).copied();
        let lies = proposer.is_some_and(|proposer| {
            let place = (host, vote.height, proposer);
            self.disqualified.contains(&place)
        });
        let highest = self.highest.get(&host).copied().unwrap_or_default();
        if vote.kind == VoteKind::Certify && vote.height < highest {
            return Err(format!(
                "member {host} voted to certify {name} at {} although it had voted at {highest}",
                vote.height
            ));
        }
        if vote.kind == VoteKind::Certify && lies {
            return Err(format!(
                "member {host} voted for {name} at {} although it had told that its proposer lies",
                vote.height
            ));
        }
        self.persisted.insert((host, vote.kind, vote.block));
        // Made at every turn it would be written down as often.
        if !self.this_life.insert((host, vote.kind, vote.block)) {
            return Err(format!(
                "member {host} made its vote for {name} at {} twice",
                vote.height
            ));
        }
        Ok(())
    }

    fn sent(
        &mut self,
        host: usize,
        kind: VoteKind,
        height: Height,
        block: BlockHash,
    ) -> Result<(), String> {
        let place = (host, height);
        let finalized = self.finalized.get(&place).copied();
        let certified = self.certified.entry(place).or_default();
        match kind {
            VoteKind::Certify => {
                if certified.contains(&block) {
                    return Ok(());
                }
                if let Some(finalized) = finalized
                    && finalized != block
                {
                    return Err(format!(
                        "member {host} voted to finalize {} at {height} and then to certify {}",
                        finalized.short(),
                        block.short()
                    ));
                }
                let proposer = self.proposers.get(&block);
                let twin = certified
                    .iter()
                    .find(|other| proposer.is_some() && self.proposers.get(*other) == proposer);
                if let Some(twin) = twin {
                    return Err(format!(
                        "member {host} voted to certify two blocks of one proposer at {height}: {} and {}",
                        twin.short(),
                        block.short()
                    ));
                }
                certified.insert(block);
            }
            VoteKind::Finalize => {
                if let Some(finalized) = finalized.filter(|finalized| *finalized != block) {
                    return Err(format!(
                        "member {host} voted to finalize {} and {} at {height}",
                        finalized.short(),
                        block.short()
                    ));
                }
                if let Some(other) = certified.iter().find(|other| **other != block) {
                    return Err(format!(
                        "member {host} voted to finalize {} at {height} after voting to certify {}",
                        block.short(),
                        other.short()
                    ));
                }
                self.finalized.insert(place, block);
            }
        }
        Ok(())
    }
}

impl Checker for Votes {
    fn name(&self) -> &'static str {
        "votes"
    }

    fn observe(&mut self, _: &Facts, seen: &Observation) -> Result<(), String> {
        match seen {
            Observation::Block { block, header, .. } => {
                self.proposers.entry(*block).or_insert(header.proposer);
            }
            Observation::Proposed {
                host,
                height,
                block,
            } => {
                let known = self.proposed.entry((*host, *height)).or_insert(*block);
                if known != block {
                    return Err(format!(
                        "member {host} proposed {} and {} at {height}",
                        known.short(),
                        block.short()
                    ));
                }
            }
            Observation::EvidenceSent {
                host,
                proposer,
                height,
            } => {
                self.disqualified.insert((*host, *height, *proposer));
            }
            Observation::VoteMade { host, vote, .. } => return self.made(*host, vote),
            Observation::Started { host, .. } => self.this_life.retain(|(of, ..)| of != host),
            Observation::VoteSent { host, vote } => {
                if vote.voter.as_usize() != *host {
                    return Err(format!("member {host} sent a vote of {:?}", vote.voter));
                }
                if !self.persisted.contains(&(*host, vote.kind, vote.block)) {
                    return Err(format!(
                        "member {host} sent a vote for {} at {} that it had not persisted",
                        vote.block.short(),
                        vote.height
                    ));
                }
                if vote.kind == VoteKind::Certify {
                    let highest = self.highest.entry(*host).or_default();
                    *highest = vote.height.max(*highest);
                }
                return self.sent(*host, vote.kind, vote.height, vote.block);
            }
            _ => {}
        }
        Ok(())
    }
}
