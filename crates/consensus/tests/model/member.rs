//! One honest member: the production rules, asked whether they may cast a vote.

use std::fmt;

use consensus::{Action, Candidate, Consensus, Rank, Settings, Work};
use types::{
    Epoch, Height, IdentitySignature, MemberIndex, Micros, Monotonic, Timing, Vote, VoteKind,
};

use crate::tree::{Block, Blocks, Renaming, Tree};

pub(crate) const ME: MemberIndex = MemberIndex(0);

const BUSY: Work = Work {
    eligible_batch: true,
    unfinished: true,
};

const SETTINGS: Settings = Settings {
    timing: Timing {
        min_wait: Micros(0),
        mean_wait: Micros(1_000),
        grace: Micros(1_000),
    },
    resend_interval: Micros(1_000),
    heartbeat: Micros(0),
};

/// So late that every wait, grace and patience is over.
const AFTER_EVERYTHING: Monotonic = Monotonic(1 << 60);

/// What a member has voted for, all of it persisted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Votes {
    pub(crate) certify: Blocks,
    pub(crate) finalize: Blocks,
}

/// A vote for a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Ballot {
    Certify(Block),
    Finalize(Block),
}

/// A rule left out on purpose, to see the checker notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// A member votes to finalize a block although it voted to certify another of that height.
    FinalizesInSpiteOfOtherVotes,
    /// A member votes to certify a block although it voted to finalize another of that height.
    CertifiesInSpiteOfFinalizing,
    /// A member comes back from a crash without its votes.
    ForgetsVotes,
    /// A member takes a block for valid although its parent is not certified.
    BuildsOnUncertified,
}

impl Ballot {
    pub(crate) fn block(self) -> Block {
        match self {
            Self::Certify(block) | Self::Finalize(block) => block,
        }
    }
}

impl fmt::Display for Ballot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certify(block) => write!(formatter, "to certify block {block}"),
            Self::Finalize(block) => write!(formatter, "to finalize block {block}"),
        }
    }
}

impl Votes {
    pub(crate) fn contains(self, ballot: Ballot) -> bool {
        match ballot {
            Ballot::Certify(block) => self.certify.contains(block),
            Ballot::Finalize(block) => self.finalize.contains(block),
        }
    }

    #[must_use]
    pub(crate) fn with(self, ballot: Ballot) -> Self {
        match ballot {
            Ballot::Certify(block) => Self {
                certify: self.certify.with(block),
                ..self
            },
            Ballot::Finalize(block) => Self {
                finalize: self.finalize.with(block),
                ..self
            },
        }
    }

    #[must_use]
    pub(crate) fn renamed(self, names: &Renaming) -> Self {
        Self {
            certify: names.apply(self.certify),
            finalize: names.apply(self.finalize),
        }
    }

    /// What a member with this flaw minds of its votes when it is to cast `ballot`.
    fn minded(self, flaw: Option<Flaw>, ballot: Ballot) -> Self {
        match (flaw, ballot) {
            (Some(Flaw::ForgetsVotes), _) => Self::default(),
            (Some(Flaw::FinalizesInSpiteOfOtherVotes), Ballot::Finalize(block)) => Self {
                certify: self.certify.and(Blocks::default().with(block)),
                ..self
            },
            (Some(Flaw::CertifiesInSpiteOfFinalizing), Ballot::Certify(_)) => Self {
                finalize: Blocks::default(),
                ..self
            },
            _ => self,
        }
    }
}

/// True when a member that has voted `votes` may cast `ballot`. The rules are asked under the
/// circumstances that hold them back least: the member has just restarted with its votes, it knows no
/// certificates but those the ballot rests on, no block but the ballot's, and all waits are over.
pub(crate) fn may_cast(tree: &Tree, flaw: Option<Flaw>, votes: Votes, ballot: Ballot) -> bool {
    let mut member = restarted(tree, None, votes.minded(flaw, ballot));
    let start = Monotonic::default();
    match ballot {
        Ballot::Certify(block) => {
            if let Some(parent) = tree.parent(block) {
                learn_path(tree, &mut member, parent);
            }
            let parent = tree.hash(tree.parent(block));
            member.enter(start, tree.height(block), parent, None);
            member.valid(tree.height(block), candidate(tree, block, Micros(0)));
        }
        Ballot::Finalize(block) => learn_path(tree, &mut member, block),
    }
    let (mut actions, _) = member.poll(start, BUSY);
    actions.extend(member.poll(AFTER_EVERYTHING, BUSY).0);
    actions
        .iter()
        .any(|action| ballot_of(tree, action) == Some(ballot))
}

/// A member that comes back with its final head and with its votes above that.
pub(crate) fn restarted(tree: &Tree, head: Option<Block>, votes: Votes) -> Consensus {
    let final_height = head.map_or(Height::GENESIS, |head| tree.height(head));
    let mut member = Consensus::new(SETTINGS, Some(ME), final_height, tree.hash(head));
    for (kind, blocks) in [
        (VoteKind::Certify, votes.certify),
        (VoteKind::Finalize, votes.finalize),
    ] {
        for block in blocks
            .iter()
            .filter(|block| tree.height(*block) > final_height)
        {
            member.recover_vote(&Vote {
                kind,
                epoch: Epoch(0),
                height: tree.height(block),
                block: tree.hash(Some(block)),
                voter: ME,
                signature: IdentitySignature::ZERO,
            });
        }
    }
    member
}

fn learn_path(tree: &Tree, member: &mut Consensus, block: Block) {
    for certified in tree.path(block).iter() {
        member.certified(tree.height(certified), tree.hash(Some(certified)));
    }
}

/// A votable block. Its proposer is the member of its number; who proposed it plays no part in safety.
pub(crate) fn candidate(tree: &Tree, block: Block, wait: Micros) -> Candidate {
    Candidate {
        block: tree.hash(Some(block)),
        rank: Rank {
            u: wait.0,
            proposer: MemberIndex(u16::try_from(block).unwrap()),
        },
        wait,
        votable: true,
        empty: false,
    }
}

/// The vote that an action casts, if it is one.
pub(crate) fn ballot_of(tree: &Tree, action: &Action) -> Option<Ballot> {
    let Action::Vote { kind, block, .. } = action else {
        return None;
    };
    let block = tree.block(*block);
    Some(match kind {
        VoteKind::Certify => Ballot::Certify(block),
        VoteKind::Finalize => Ballot::Finalize(block),
    })
}
