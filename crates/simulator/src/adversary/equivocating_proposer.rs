//! Proposes two blocks where it may propose one.

use std::collections::BTreeMap;

use replica::Outgoing;
use types::{Height, IdentityPublicKey, Message, Now, Proposal, SignedBlock, VoteKind};

use super::{
    Lie, Member,
    member::{proposal, to_one},
};

/// The twins of so many heights are remembered, to be sent again.
const TWINS_KEPT: usize = 64;

/// The first half of the others gets one block, the second half the other, each with this member's votes
/// to certify and to finalize it. Two signed headers disqualify their proposer (`docs/protocol.md` §5,
/// rule 3), and at most one of the blocks can be final.
pub(super) struct EquivocatingProposer {
    member: Member,
    second_half: Vec<IdentityPublicKey>,
    /// The second block of each height at which it proposed.
    twins: BTreeMap<Height, SignedBlock>,
}

impl EquivocatingProposer {
    pub(super) fn new(member: Member) -> Self {
        let others = member.others();
        Self {
            second_half: others[others.len() / 2..].to_vec(),
            member,
            twins: BTreeMap::new(),
        }
    }

    /// The same block a moment later: another hash under the same ticket.
    fn twin(&mut self, block: &SignedBlock) -> SignedBlock {
        let member = &self.member;
        let twin = self.twins.entry(block.header().height).or_insert_with(|| {
            let mut header = block.header().clone();
            header.timestamp = header.timestamp.plus_millis(7);
            member.sign(header, block.block.batches.clone())
        });
        let twin = twin.clone();
        if self.twins.len() > TWINS_KEPT {
            self.twins.pop_first();
        }
        twin
    }

    fn propose(&mut self, proposed: &Proposal, peers: &[IdentityPublicKey]) -> Vec<Outgoing> {
        let height = proposed.block.header().height;
        let twin = self.twin(&proposed.block);
        let mut said = Vec::new();
        for peer in peers {
            let block = if self.second_half.contains(peer) {
                &twin
            } else {
                &proposed.block
            };
            let certificate = proposed.parent_certificate.clone();
            said.push(to_one(*peer, proposal(block.clone(), certificate)));
            for kind in [VoteKind::Certify, VoteKind::Finalize] {
                let vote = self.member.vote(kind, height, block.hash());
                said.push(to_one(*peer, Message::Vote(vote)));
            }
        }
        said
    }
}

impl Lie for EquivocatingProposer {
    /// Who asks for the twin gets it: the puppet does not know of it.
    fn overhear(&mut self, from: IdentityPublicKey, message: &Message) -> Vec<Outgoing> {
        let Message::FetchBlock { height, block } = message else {
            return Vec::new();
        };
        let twin = self.twins.get(height).filter(|twin| twin.hash() == *block);
        twin.map(|twin| to_one(from, proposal(twin.clone(), None)))
            .into_iter()
            .collect()
    }

    fn twist(&mut self, _: Now, said: Vec<Outgoing>) -> Vec<Outgoing> {
        let own = self.member.index();
        let mut twisted = Vec::new();
        for outgoing in said {
            match &*outgoing.message {
                Message::Proposal(proposal) if self.member.made(proposal) => {
                    let peers = self.member.receivers(outgoing.to);
                    twisted.extend(self.propose(proposal, &peers));
                }
                // It votes for both of its own blocks already, and does not betray itself.
                Message::Vote(vote) if self.twins.contains_key(&vote.height) => {}
                Message::Evidence(evidence) if evidence.first.header.proposer == own => {}
                _ => twisted.push(outgoing),
            }
        }
        twisted
    }
}
