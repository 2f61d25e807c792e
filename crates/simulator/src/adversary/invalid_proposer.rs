//! Sends blocks that are invalid.

use std::collections::BTreeMap;

use replica::Outgoing;
use types::{
    BatchId, BlockHash, ChainId, Epoch, FullBatch, Header, Height, IdentityPublicKey,
    IdentitySignature, LogSize, LotterySignature, MemberIndex, Message, Now, Proposal, SignedBlock,
    UnixMillis, VoteKind, block::batches_root,
};

use super::{
    Lie, Member,
    member::{Chance, proposal, to_one},
};
use crate::{
    network::{MAX_BATCH_ORDERS, MAX_BLOCK_ORDERS},
    random::Random,
};

/// So many heights are given a block with more orders than it may have: those orders are real, and are
/// recorded in other blocks.
const MOST_OVER_LIMITS: usize = 2;

/// The batches of blocks of so many heights are remembered.
const HEIGHTS_KEPT: usize = 16;

/// What is wrong with a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    Version,
    Chain,
    Epoch,
    Height,
    Parent,
    Timestamp,
    OthersName,
    NoMember,
    Ticket,
    BatchList,
    BatchTwice,
    UnknownBatch,
    SealedBefore,
    OverLimits,
    LogSize,
    LogRoot,
    Unsigned,
}

const FLAWS: [Flaw; 17] = [
    Flaw::Version,
    Flaw::Chain,
    Flaw::Epoch,
    Flaw::Height,
    Flaw::Parent,
    Flaw::Timestamp,
    Flaw::OthersName,
    Flaw::NoMember,
    Flaw::Ticket,
    Flaw::BatchList,
    Flaw::BatchTwice,
    Flaw::UnknownBatch,
    Flaw::SealedBefore,
    Flaw::OverLimits,
    Flaw::LogSize,
    Flaw::LogRoot,
    Flaw::Unsigned,
];

/// At every height it sends, at once, a block to each of the others, each wrong in another way, and votes
/// for it. Everyone checks everything by itself before it votes (`docs/protocol.md` §6), and nothing
/// invalid is passed on.
pub(super) struct InvalidProposer {
    member: Member,
    random: Random,
    /// The batches of the last blocks heard of.
    named: BTreeMap<Height, Vec<BatchId>>,
    /// More orders than a block may have, for each height at which such a block was sent.
    too_many: BTreeMap<Height, Vec<FullBatch>>,
}

impl InvalidProposer {
    pub(super) fn new(member: Member) -> Self {
        Self {
            random: member.random(Chance::Lie),
            member,
            named: BTreeMap::new(),
            too_many: BTreeMap::new(),
        }
    }

    /// A block at that place and for that peer: the same whenever it is sent.
    fn propose(&mut self, proposed: &Proposal, peer: IdentityPublicKey) -> Vec<Outgoing> {
        let height = proposed.block.header().height;
        let host = self.member.network.host_of(&peer).unwrap_or(0);
        let place = usize::try_from(height.0).unwrap_or(0) * 5 + host;
        let mut said = Vec::new();
        let block = match FLAWS[place % FLAWS.len()] {
            Flaw::OverLimits => {
                let batches = self.too_many(height);
                let ids = batches.iter().map(|full| full.batch.id()).collect();
                said.extend(
                    batches
                        .into_iter()
                        .map(|full| to_one(peer, Message::Batch(full))),
                );
                self.naming(proposed, ids)
            }
            flaw => self.spoil(&proposed.block, flaw),
        };
        let vote = self.member.vote(VoteKind::Certify, height, block.hash());
        let certificate = proposed.parent_certificate.clone();
        said.push(to_one(peer, proposal(block, certificate)));
        said.push(to_one(peer, Message::Vote(vote)));
        said
    }

    fn too_many(&mut self, height: Height) -> Vec<FullBatch> {
        let made = self.too_many.len();
        if let Some(batches) = self.too_many.get(&height) {
            return batches.clone();
        }
        if made >= MOST_OVER_LIMITS {
            return Vec::new();
        }
        let (block, batch) = (u64::from(MAX_BLOCK_ORDERS), u64::from(MAX_BATCH_ORDERS));
        let first = 1_000 + made as u64 * 10_000;
        let batches: Vec<FullBatch> = (0..=block / batch)
            .map(|number| self.member.batch(first + number * batch, batch))
            .collect();
        self.too_many.insert(height, batches.clone());
        batches
    }

    fn naming(&self, proposed: &Proposal, batches: Vec<BatchId>) -> SignedBlock {
        let mut header = proposed.block.header().clone();
        header.batches_root = batches_root(&batches);
        header.log_size = LogSize(header.log_size.0 + 1);
        self.member.sign(header, batches)
    }

    fn spoil(&mut self, block: &SignedBlock, flaw: Flaw) -> SignedBlock {
        let mut header: Header = block.header().clone();
        let mut batches = block.block.batches.clone();
        // Not random, so that the block is the same whenever it is sent.
        let nothing = [header.height.0.to_le_bytes()[0]; 32];
        let own = self.member.host;
        match flaw {
            Flaw::Version => header.version += 1,
            Flaw::Chain => header.chain = ChainId::new(nothing),
            Flaw::Epoch => header.epoch = Epoch(1),
            Flaw::Height => header.height = header.height.next(),
            Flaw::Parent => header.parent = BlockHash::new(nothing),
            Flaw::Timestamp => header.timestamp = UnixMillis(0),
            Flaw::OthersName => {
                let other = (own + 1) % self.member.network.len();
                header.proposer = self.member.network.index(other);
            }
            Flaw::NoMember => header.proposer = MemberIndex(u16::MAX),
            Flaw::Ticket => {
                let mut ticket = *header.ticket.as_bytes();
                ticket[0] ^= 1;
                header.ticket = LotterySignature::new(ticket);
            }
            Flaw::BatchTwice => {
                let twice = batches.first().copied().unwrap_or(BatchId::new(nothing));
                batches.extend([twice, twice]);
            }
            Flaw::UnknownBatch => batches.push(BatchId::new(nothing)),
            Flaw::SealedBefore => batches.extend(self.sealed_below(header.height)),
            Flaw::LogSize => header.log_size = LogSize(header.log_size.0 + 1),
            Flaw::LogRoot => header.log_root = types::Digest::new(nothing),
            Flaw::BatchList | Flaw::Unsigned | Flaw::OverLimits => {}
        }
        header.batches_root = batches_root(&batches);
        if flaw == Flaw::BatchList {
            batches.push(BatchId::new(nothing));
        }
        let mut spoiled = self.member.sign(header, batches);
        if flaw == Flaw::Unsigned {
            spoiled.signature = IdentitySignature::new(self.random.bytes());
        }
        spoiled
    }

    /// A batch that is probably in a block two heights below.
    fn sealed_below(&self, height: Height) -> Option<BatchId> {
        let below = self.named.range(..height.previous());
        below
            .rev()
            .find_map(|(_, batches)| batches.first().copied())
    }
}

impl Lie for InvalidProposer {
    fn overhear(&mut self, _: IdentityPublicKey, message: &Message) -> Vec<Outgoing> {
        if let Message::Proposal(proposal) = message {
            let batches = proposal.block.block.batches.clone();
            self.named.insert(proposal.block.header().height, batches);
            if self.named.len() > HEIGHTS_KEPT {
                self.named.pop_first();
            }
        }
        Vec::new()
    }

    fn twist(&mut self, _: Now, said: Vec<Outgoing>) -> Vec<Outgoing> {
        let mut twisted = Vec::new();
        for outgoing in said {
            match &*outgoing.message {
                Message::Proposal(proposal) if self.member.made(proposal) => {
                    for peer in self.member.receivers(outgoing.to) {
                        twisted.extend(self.propose(proposal, peer));
                    }
                }
                _ => twisted.push(outgoing),
            }
        }
        twisted
    }
}
