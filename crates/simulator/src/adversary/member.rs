//! The member whose keys an adversary has, and what can be made with them.

use std::sync::Arc;

use replica::{Outgoing, Submission, To};
use types::{
    Batch, Block, BlockHash, Entry, Epoch, FullBatch, Header, Height, IdentityPublicKey,
    IdentitySignature, MemberIndex, Message, Micros, Order, PersonalPart, Proposal, SignedBlock,
    Vote, VoteKind,
};

use crate::{
    network::{Keys, Network},
    orders,
    plan::OrderNumber,
    random::{Random, Stream},
};

/// Orders of liars are numbered from here on, far above those that are planned.
const FIRST_NUMBER: u64 = 1 << 40;

/// What a stream of a liar's chances is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Chance {
    /// What the lie chooses.
    Lie = 0,
    /// When the lie is told again.
    Timer = 1,
    /// When the puppet takes orders in.
    Till = 2,
}

/// The member.
#[derive(Clone)]
pub(crate) struct Member {
    /// The network it lies to.
    pub(crate) network: Arc<Network>,
    /// Its place among the members.
    pub(crate) host: usize,
    /// The simulation's seed.
    pub(crate) seed: u64,
}

impl Member {
    /// Chances of its own.
    pub(crate) fn random(&self, chance: Chance) -> Random {
        let number = self.host as u64 * 4 + chance as u64;
        Random::numbered(self.seed, Stream::Adversaries, number)
    }

    /// Its index.
    pub(crate) fn index(&self) -> MemberIndex {
        self.network.index(self.host)
    }

    pub(crate) fn keys(&self) -> &Keys {
        self.network.keys(self.host)
    }

    /// The interval after which members send again what may have been lost.
    pub(crate) fn interval(&self) -> Micros {
        self.network
            .genesis
            .timing
            .resend_interval(self.network.len())
    }

    /// The identity keys of the other members, in the order of their indexes.
    pub(crate) fn others(&self) -> Vec<IdentityPublicKey> {
        (0..self.network.len())
            .filter(|host| *host != self.host)
            .map(|host| self.network.keys(host).public)
            .collect()
    }

    /// Those for whom a message is.
    pub(crate) fn receivers(&self, to: To) -> Vec<IdentityPublicKey> {
        match to {
            To::All => self.others(),
            To::Peer(peer) => vec![peer],
        }
    }

    /// A vote under this member's name, whatever it is for.
    pub(crate) fn vote(&self, kind: VoteKind, height: Height, block: BlockHash) -> Vote {
        self.vote_in(Epoch(0), kind, height, block)
    }

    /// A vote of any epoch.
    pub(crate) fn vote_in(
        &self,
        epoch: Epoch,
        kind: VoteKind,
        height: Height,
        block: BlockHash,
    ) -> Vote {
        let (signatures, identity) = (&*self.network.signatures, &self.keys().identity);
        let chain = &self.network.chain;
        Vote::sign(
            signatures,
            identity,
            chain,
            kind,
            epoch,
            height,
            block,
            self.index(),
        )
    }

    /// A block under this member's signature, whatever it is.
    pub(crate) fn sign(&self, header: Header, batches: Vec<types::BatchId>) -> SignedBlock {
        let block = Block { header, batches };
        SignedBlock::sign(&*self.network.signatures, &self.keys().identity, block)
    }

    /// True for a proposal of its own.
    pub(crate) fn made(&self, proposal: &Proposal) -> bool {
        proposal.block.header().proposer == self.index()
    }

    /// The order of a number, vouched for by this member's till, as somebody would place it.
    pub(crate) fn submission(&self, number: u64) -> Submission {
        let number = OrderNumber {
            number: FIRST_NUMBER + ((self.host as u64) << 32) + number,
            till: Some(self.host),
            placed_at: 0,
        };
        let submission = orders::submission(&self.network, number);
        Submission {
            answered: None,
            ..submission
        }
    }

    /// A batch of so many orders under this member's signature, from an order's number on.
    pub(crate) fn batch(&self, first: u64, count: u64) -> FullBatch {
        let submissions = (first..first + count).map(|number| self.submission(number));
        let (orders, personal): (Vec<Order>, Vec<Option<PersonalPart>>) = submissions
            .map(|submission| {
                (
                    submission.entry.into_entry().into_order(),
                    Some(submission.personal),
                )
            })
            .unzip();
        self.batch_of(first, orders, personal)
    }

    /// A batch of these orders under this member's signature.
    pub(crate) fn batch_of(
        &self,
        number: u64,
        orders: Vec<Order>,
        personal: Vec<Option<PersonalPart>>,
    ) -> FullBatch {
        let network = &self.network;
        let batch = Batch::sign(
            &*network.signatures,
            &network.chain,
            &self.keys().identity,
            network.members.members()[self.host].id,
            number,
            orders.into_iter().map(Entry::Order),
        );
        FullBatch {
            batch: batch.batch().clone(),
            personal: Arc::new(personal),
        }
    }
}

/// A signature that nobody made.
pub(crate) fn garbage(random: &mut Random) -> IdentitySignature {
    IdentitySignature::new(random.bytes())
}

/// A message to everybody.
pub(crate) fn to_all(message: Message) -> Outgoing {
    Outgoing {
        to: To::All,
        message: Arc::new(message),
    }
}

/// A message to one member.
pub(crate) fn to_one(peer: IdentityPublicKey, message: Message) -> Outgoing {
    Outgoing {
        to: To::Peer(peer),
        message: Arc::new(message),
    }
}

/// A block on its way.
pub(crate) fn proposal(
    block: SignedBlock,
    parent_certificate: Option<types::Certificate>,
) -> Message {
    Message::Proposal(Box::new(Proposal {
        block,
        parent_certificate,
    }))
}
