//! Adding votes up to certificates.

use std::collections::BTreeMap;

use types::{
    BlockHash, Certificate, ChainId, Epoch, Height, MemberIndex, MemberSet, Mutation, Share,
    Signatures, Vote, VoteKind, mutated, vote::verify_shares,
};

/// What became of a vote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VoteOutcome {
    /// Counted, not enough yet.
    Counted,
    /// Known already, or more than an honest voter sends.
    Ignored,
    /// A quorum: the certificate, and those whose shares were wrong.
    Certificate(Certificate, Vec<MemberIndex>),
    /// Shares were wrong and have been thrown out; not enough are left.
    Spoiled(Vec<MemberIndex>),
}

#[derive(Debug, Default)]
struct Votes {
    shares: BTreeMap<MemberIndex, Held>,
    certified: bool,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    share: Share,
    verified: bool,
}

/// What a vote says; votes that say the same add up.
type Key = (Height, Epoch, VoteKind, BlockHash);

const fn key_of(vote: &Vote) -> Key {
    (vote.height, vote.epoch, vote.kind, vote.block)
}

/// The votes of the heights not yet final. Shares are checked together once there are enough of
/// them; a wrong one is found by bisection and thrown out.
#[derive(Debug, Default)]
pub struct Tally {
    votes: BTreeMap<Key, Votes>,
}

impl Tally {
    /// With no votes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts a vote, which the caller took from its voter and nobody else, so that no member can spoil
    /// a share in another's name. `own` says that it is this member's own, persisted one and needs no
    /// check.
    pub fn add(
        &mut self,
        signatures: &dyn Signatures,
        chain: &ChainId,
        members: &MemberSet,
        vote: &Vote,
        own: bool,
    ) -> VoteOutcome {
        let key = key_of(vote);
        if self.hashes_of(vote) >= members.len() && !mutated(Mutation::VotesWithoutBound) {
            // An honest member votes at most once a proposer a height.
            return VoteOutcome::Ignored;
        }
        let votes = self.votes.entry(key).or_default();
        let held = Held {
            share: vote.share(),
            verified: own,
        };
        if votes.shares.contains_key(&vote.voter) {
            return VoteOutcome::Ignored;
        }
        votes.shares.insert(vote.voter, held);
        if votes.certified || votes.shares.len() < members.quorum() {
            return VoteOutcome::Counted;
        }
        Self::certify(votes, signatures, chain, members, vote)
    }

    fn certify(
        votes: &mut Votes,
        signatures: &dyn Signatures,
        chain: &ChainId,
        members: &MemberSet,
        vote: &Vote,
    ) -> VoteOutcome {
        let message = vote.signing_bytes(chain);
        let unverified: Vec<Share> = votes
            .shares
            .values()
            .filter(|held| !held.verified)
            .map(|held| held.share)
            .collect();
        let mut wrong = Vec::new();
        if !mutated(Mutation::SpoiledShares) {
            find_wrong(signatures, members, &message, &unverified, &mut wrong);
        }
        for voter in &wrong {
            votes.shares.remove(voter);
        }
        for held in votes.shares.values_mut() {
            held.verified = true;
        }
        if votes.shares.len() < members.quorum() {
            return VoteOutcome::Spoiled(wrong);
        }
        votes.certified = true;
        let certificate = Certificate {
            kind: vote.kind,
            epoch: vote.epoch,
            height: vote.height,
            block: vote.block,
            votes: votes.shares.values().map(|held| held.share).collect(),
        };
        VoteOutcome::Certificate(certificate, wrong)
    }

    /// The most different blocks of one height that one voter has voted for with votes of one kind.
    pub fn most_hashes_of_a_voter(&self) -> usize {
        let mut most = 0;
        let mut counts: BTreeMap<MemberIndex, usize> = BTreeMap::new();
        let mut place = None;
        // Those of one height and kind follow one another.
        for ((height, _, kind, _), votes) in &self.votes {
            if place.replace((height, kind)) != Some((height, kind)) {
                counts.clear();
            }
            for voter in votes.shares.keys() {
                let count = counts.entry(*voter).or_default();
                *count = count.saturating_add(1);
                most = most.max(*count);
            }
        }
        most
    }

    /// The highest height there is a vote for.
    pub fn highest(&self) -> Option<Height> {
        self.votes.last_key_value().map(|((height, ..), _)| *height)
    }

    /// Different blocks a voter has voted for with this kind at this height.
    fn hashes_of(&self, vote: &Vote) -> usize {
        let (height, epoch, kind) = (vote.height, vote.epoch, vote.kind);
        let (first, last) = (BlockHash::new([0; 32]), BlockHash::new([u8::MAX; 32]));
        self.votes
            .range((height, epoch, kind, first)..=(height, epoch, kind, last))
            .filter(|(_, votes)| votes.shares.contains_key(&vote.voter))
            .count()
    }

    /// True when the voter's share for this is counted already.
    pub fn has(&self, vote: &Vote) -> bool {
        self.votes
            .get(&key_of(vote))
            .is_some_and(|votes| votes.shares.contains_key(&vote.voter))
    }

    /// How many shares are kept.
    pub fn shares(&self) -> usize {
        self.votes.values().map(|votes| votes.shares.len()).sum()
    }

    /// Forgets everything at and below a height.
    pub fn forget_to(&mut self, height: Height) {
        self.votes.retain(|(of, ..), _| *of > height);
    }
}

/// Checks all shares together; where one is wrong, halves them until the wrong ones are found.
fn find_wrong(
    signatures: &dyn Signatures,
    members: &MemberSet,
    message: &[u8],
    shares: &[Share],
    wrong: &mut Vec<MemberIndex>,
) {
    if verify_shares(signatures, members, message, shares) {
        return;
    }
    if let [share] = shares {
        wrong.push(share.voter);
        return;
    }
    let (left, right) = shares.split_at(shares.len() / 2);
    find_wrong(signatures, members, message, left, wrong);
    find_wrong(signatures, members, message, right, wrong);
}
