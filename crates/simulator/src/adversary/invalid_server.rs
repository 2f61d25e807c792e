//! Answers questions with something wrong.

use std::{collections::BTreeMap, sync::Arc};

use replica::{Outgoing, To};
use types::{
    BlockHash, Certificate, FinalBlock, Header, IdentityPublicKey, IdentitySignature, Message, Now,
    PersonalPart, Proposal, VoteKind,
};

use super::{
    Lie, Member,
    member::{Chance, garbage, to_one},
};
use crate::random::Random;

/// The blocks of so many heights are remembered, to be given out for others.
const BLOCKS_KEPT: usize = 64;

/// Sends final blocks that do not follow from each other, that nobody signed, with other personal parts
/// or under a certificate of something else, and blocks that were not asked for; it tells everyone that
/// it has more, so that it is asked. A run of final blocks is checked by hash and certificate, and every
/// proposer's signature by itself, since no hash covers it; blocks are executed again
/// (`docs/protocol.md` §7).
pub(super) struct InvalidServer {
    member: Member,
    random: Random,
    blocks: BTreeMap<BlockHash, Proposal>,
}

impl InvalidServer {
    pub(super) fn new(member: Member) -> Self {
        Self {
            random: member.random(Chance::Lie),
            member,
            blocks: BTreeMap::new(),
        }
    }

    fn final_blocks(
        &mut self,
        blocks: &[FinalBlock],
        headers: &[Header],
        certificate: &Certificate,
    ) -> Message {
        let mut blocks = blocks.to_vec();
        let mut headers = headers.to_vec();
        let mut certificate = certificate.clone();
        let place = self.random.index(blocks.len());
        match self.random.below(8) {
            0 => blocks[place].block.signature = garbage(&mut self.random),
            1 => {
                blocks.remove(place);
            }
            2 => self.garble(&mut blocks[place]),
            3 => certificate.kind = VoteKind::Certify,
            4 => certificate.votes[0].signature = IdentitySignature::new(self.random.bytes()),
            5 => certificate.votes.truncate(1),
            6 => headers.push(blocks[place].block.header().clone()),
            // Right, but without the batches: they must be asked for.
            _ => blocks
                .iter_mut()
                .for_each(|block| block.batches = Vec::new()),
        }
        Message::FinalBlocks {
            blocks,
            headers,
            certificate,
        }
    }

    fn garble(&mut self, block: &mut FinalBlock) {
        let random = &mut self.random;
        let parts = block
            .batches
            .iter_mut()
            .flat_map(|full| Arc::make_mut(&mut full.personal).iter_mut().flatten());
        for part in parts {
            *part = PersonalPart {
                salt: random.bytes(),
                ..part.clone()
            };
        }
    }

    /// Some other block.
    fn other_block(&mut self, proposed: &Proposal) -> Option<Message> {
        let count = self.blocks.len().max(1);
        let place = self.random.index(count);
        let other = self.blocks.values().nth(place)?;
        (other.block.hash() != proposed.block.hash())
            .then(|| Message::Proposal(Box::new(other.clone())))
    }
}

impl Lie for InvalidServer {
    fn overhear(&mut self, from: IdentityPublicKey, message: &Message) -> Vec<Outgoing> {
        match message {
            Message::Proposal(proposal) => {
                self.blocks
                    .insert(proposal.block.hash(), Proposal::clone(proposal));
                if self.blocks.len() > BLOCKS_KEPT {
                    self.blocks.pop_first();
                }
                Vec::new()
            }
            Message::Status(status) => {
                let mut ahead = *status;
                ahead.height = status.height.plus(3);
                ahead.final_height = status.final_height.plus(3);
                // Its own status would give the lie away, and be answered: it says it only to some.
                if self.random.percent(30) {
                    vec![to_one(from, Message::Status(ahead))]
                } else {
                    Vec::new()
                }
            }
            _ => Vec::new(),
        }
    }

    fn twist(&mut self, _: Now, said: Vec<Outgoing>) -> Vec<Outgoing> {
        let mut twisted = Vec::new();
        for mut outgoing in said {
            let message = match (&*outgoing.message, outgoing.to) {
                (
                    Message::FinalBlocks {
                        blocks,
                        headers,
                        certificate,
                    },
                    _,
                ) => Some(self.final_blocks(blocks, headers, certificate)),
                (Message::Proposal(proposed), To::Peer(_)) if !self.member.made(proposed) => {
                    self.other_block(proposed)
                }
                _ => None,
            };
            if let Some(message) = message {
                outgoing.message = Arc::new(message);
            }
            twisted.push(outgoing);
        }
        twisted
    }
}
