//! Votes for every block it hears of.

use std::collections::BTreeSet;

use replica::Outgoing;
use types::{BlockHash, IdentityPublicKey, Message, VoteKind};

use super::{Lie, Member, member::to_all};

/// Votes at once, to certify and to finalize, whatever the block's wait, whether it holds the block or
/// not. Two quorums share an honest member (`docs/protocol.md` §5, "Why it is safe").
pub(super) struct VoteForEverything {
    member: Member,
    voted: BTreeSet<BlockHash>,
}

impl VoteForEverything {
    pub(super) const fn new(member: Member) -> Self {
        Self {
            member,
            voted: BTreeSet::new(),
        }
    }
}

impl Lie for VoteForEverything {
    fn overhear(&mut self, _: IdentityPublicKey, message: &Message) -> Vec<Outgoing> {
        let (height, block) = match message {
            Message::Proposal(proposal) => (proposal.block.header().height, proposal.block.hash()),
            Message::Vote(vote) => (vote.height, vote.block),
            Message::Certificate(certificate) => (certificate.height, certificate.block),
            _ => return Vec::new(),
        };
        if !self.voted.insert(block) {
            return Vec::new();
        }
        [VoteKind::Certify, VoteKind::Finalize]
            .map(|kind| to_all(Message::Vote(self.member.vote(kind, height, block))))
            .to_vec()
    }
}
