//! Shows one of the others, in the last moment, other blocks than the one the rest has voted for.

use std::collections::BTreeMap;

use replica::Outgoing;
use types::{BlockHash, Height, IdentityPublicKey, Message, Now, Proposal, SignedBlock};

use super::{
    Lie, Member,
    finality_withholder::is_to_finalize,
    member::{proposal, to_one},
};

/// The blocks of so many heights are remembered.
const HEIGHTS_KEPT: usize = 64;

/// The last of the others does not get its block. As soon as somebody votes for that, so that it will be
/// certified, the last one gets two others of the same height: as many as are kept of a proposer, and the
/// certified one is a third (`docs/protocol.md` §5, rule 3). It has no part in finality, as a
/// [`FinalityWithholder`](super::finality_withholder::FinalityWithholder) has not, so the last one's votes
/// are needed. At every other height it does not even vote to certify, so that the proof of its lie must
/// reach everybody.
pub(super) struct LateEquivocator {
    member: Member,
    last: Option<IdentityPublicKey>,
    /// What it proposed at each height.
    proposed: BTreeMap<Height, Proposal>,
}

const fn votes_at(height: Height) -> bool {
    height.0.is_multiple_of(2)
}

impl LateEquivocator {
    pub(super) fn new(member: Member) -> Self {
        Self {
            last: member.others().last().copied(),
            member,
            proposed: BTreeMap::new(),
        }
    }

    /// The same block some moments later: other hashes under the same ticket.
    fn others(&self, proposed: &Proposal) -> [SignedBlock; 2] {
        [7, 14].map(|millis| {
            let mut header = proposed.block.header().clone();
            header.timestamp = header.timestamp.plus_millis(millis);
            self.member
                .sign(header, proposed.block.block.batches.clone())
        })
    }

    fn show_others(&self, height: Height, voted: BlockHash) -> Vec<Outgoing> {
        let (Some(last), Some(proposed)) = (self.last, self.proposed.get(&height)) else {
            return Vec::new();
        };
        if proposed.block.hash() != voted {
            return Vec::new();
        }
        self.others(proposed)
            .map(|block| to_one(last, proposal(block, proposed.parent_certificate.clone())))
            .to_vec()
    }
}

impl Lie for LateEquivocator {
    fn overhear(&mut self, _: IdentityPublicKey, message: &Message) -> Vec<Outgoing> {
        match message {
            Message::Vote(vote) => self.show_others(vote.height, vote.block),
            _ => Vec::new(),
        }
    }

    fn lets_hear(&self, message: &Message) -> bool {
        match message {
            Message::Vote(vote) => !is_to_finalize(message) && votes_at(vote.height),
            _ => true,
        }
    }

    fn twist(&mut self, _: Now, said: Vec<Outgoing>) -> Vec<Outgoing> {
        let own = self.member.index();
        let mut twisted = Vec::new();
        for outgoing in said {
            match &*outgoing.message {
                Message::Proposal(proposed) if self.member.made(proposed) => {
                    let height = proposed.block.header().height;
                    self.proposed.insert(height, Proposal::clone(proposed));
                    if self.proposed.len() > HEIGHTS_KEPT {
                        self.proposed.pop_first();
                    }
                    let mut receivers = self.member.receivers(outgoing.to);
                    receivers.retain(|peer| Some(*peer) != self.last);
                    let message = &outgoing.message;
                    twisted.extend(receivers.into_iter().map(|peer| Outgoing {
                        to: replica::To::Peer(peer),
                        message: message.clone(),
                    }));
                }
                vote if is_to_finalize(vote) => {}
                Message::Vote(vote) if !votes_at(vote.height) => {}
                // It does not betray itself.
                Message::Evidence(evidence) if evidence.first.header.proposer == own => {}
                _ => twisted.push(outgoing),
            }
        }
        twisted
    }
}
