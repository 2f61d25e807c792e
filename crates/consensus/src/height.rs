//! What a member knows and has done at one height.

use std::collections::{BTreeMap, BTreeSet};

use types::{BlockHash, MemberIndex, Micros, Mutation, SignedHeader, mutated};

use crate::lottery::Rank;

/// A valid block of a height, as far as voting needs to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// The block.
    pub block: BlockHash,
    /// Its place among those of its height, with its proposer.
    pub rank: Rank,
    /// The wait its proposer drew.
    pub wait: Micros,
    /// True when every personal part is held and the timestamp is at most 10 s ahead.
    pub votable: bool,
    /// True when it seals no batch.
    pub empty: bool,
}

/// One height as a member sees it.
#[derive(Debug, Default)]
pub(crate) struct HeightState {
    /// Valid blocks.
    pub(crate) candidates: BTreeMap<BlockHash, Candidate>,
    /// The signed headers seen of each proposer: the second one is proof that it lied.
    pub(crate) headers: BTreeMap<MemberIndex, SignedHeader>,
    /// Proposers of two headers.
    pub(crate) disqualified: BTreeSet<MemberIndex>,
    /// Blocks this member voted to certify.
    pub(crate) voted: BTreeSet<BlockHash>,
    /// The block this member voted to finalize.
    pub(crate) finalize_voted: Option<BlockHash>,
    /// This member has proposed.
    pub(crate) proposed: bool,
    /// Certified valid blocks, in the order in which they became known.
    pub(crate) certified: Vec<BlockHash>,
}

impl HeightState {
    /// The best votable block from a member not disqualified.
    pub(crate) fn best(&self) -> Option<&Candidate> {
        self.eligible().min_by_key(|candidate| candidate.rank)
    }

    /// True when a better votable block keeps the vote for one of this rank back (rule 2).
    pub(crate) fn holds_back(&self, rank: &Rank) -> bool {
        self.best().is_some_and(|best| best.rank < *rank) && !mutated(Mutation::VoteDespiteBetter)
    }

    /// True when some votable block, whoever made it, seals a batch: that is work (§5).
    pub(crate) fn has_votable_orders(&self) -> bool {
        let mut candidates = self.candidates.values();
        candidates.any(|candidate| candidate.votable && !candidate.empty)
    }

    /// Votable blocks from members not disqualified.
    pub(crate) fn eligible(&self) -> impl Iterator<Item = &Candidate> {
        self.candidates.values().filter(|candidate| {
            candidate.votable
                && (!self.disqualified.contains(&candidate.rank.proposer)
                    || mutated(Mutation::IgnoreDisqualification))
        })
    }
}
