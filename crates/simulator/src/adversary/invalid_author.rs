//! Sends batches that are invalid.

use std::sync::Arc;

use replica::Outgoing;
use types::{
    Batch, Entry, FullBatch, IdentityPublicKey, IdentitySignature, MemberId, Message, Monotonic,
    Now, Order, PersonalPart, Voucher, units::MAX_MINOR_UNITS,
};

use super::{
    Lie, Member, Puppet, Timer,
    member::{Chance, garbage, to_all},
};
use crate::{network::MAX_BATCH_ORDERS, random::Random};

/// What is wrong with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    Signature,
    ForeignTill,
    OrderSignature,
    Empty,
    TooMany,
    Amount,
    UnknownAuthor,
    OthersName,
    OthersPersonalPart,
    TooFewPersonalParts,
    NoPersonalPart,
}

const FLAWS: [Flaw; 11] = [
    Flaw::Signature,
    Flaw::ForeignTill,
    Flaw::OrderSignature,
    Flaw::Empty,
    Flaw::TooMany,
    Flaw::Amount,
    Flaw::UnknownAuthor,
    Flaw::OthersName,
    Flaw::OthersPersonalPart,
    Flaw::TooFewPersonalParts,
    Flaw::NoPersonalPart,
];

/// Sends batches that are wrong in every way one after the other, and spoils the personal parts of those
/// that it sends in answer to a question. What is wrong with a batch itself makes it invalid for everyone
/// and for ever; a garbage personal part blames its sender, never the batch (`docs/protocol.md` §3).
pub(super) struct InvalidAuthor {
    member: Member,
    random: Random,
    timer: Timer,
    next: usize,
}

impl InvalidAuthor {
    pub(super) fn new(member: Member, now: Now) -> Self {
        let every = types::Micros(member.interval().0 / 2);
        Self {
            random: member.random(Chance::Lie),
            timer: Timer::new(&member, Chance::Timer, every, now),
            member,
            next: 0,
        }
    }

    fn spoiled(&mut self, flaw: Flaw) -> FullBatch {
        let number = 100_000 + self.next as u64 * 1_000;
        let count = match flaw {
            Flaw::TooMany => u64::from(MAX_BATCH_ORDERS) + 1,
            _ => 2,
        };
        let member = &self.member;
        let other = (member.host + 1) % member.network.len();
        let other: MemberId = member.network.members.members()[other].id;
        let good = member.batch(number, count);
        let mut orders: Vec<Order> = good
            .batch
            .entries
            .iter()
            .map(|entry| entry.order().clone())
            .collect();
        let mut personal = good.personal.to_vec();
        match flaw {
            Flaw::ForeignTill => orders[1].voucher = Voucher::Till(other),
            Flaw::OrderSignature => {
                orders[1].voucher = Voucher::Key {
                    key: IdentityPublicKey::new(self.random.bytes()),
                    signature: garbage(&mut self.random),
                };
            }
            Flaw::Empty => {
                orders.clear();
                personal.clear();
            }
            Flaw::Amount => orders[1].amount.minor_units = MAX_MINOR_UNITS + 1,
            Flaw::OthersPersonalPart => personal.swap(0, 1),
            Flaw::TooFewPersonalParts => personal.truncate(1),
            Flaw::NoPersonalPart => personal[1] = None,
            Flaw::Signature | Flaw::TooMany | Flaw::UnknownAuthor | Flaw::OthersName => {}
        }
        let full = self.member.batch_of(number, orders, personal);
        let author = match flaw {
            Flaw::UnknownAuthor => MemberId::new(self.random.bytes()),
            Flaw::OthersName => other,
            Flaw::Signature => return self.unsigned(full),
            _ => return full,
        };
        self.written_by(author, full)
    }

    fn unsigned(&mut self, full: FullBatch) -> FullBatch {
        let mut batch = Batch::clone(&full.batch);
        batch.signature = IdentitySignature::new(self.random.bytes());
        FullBatch {
            batch: Arc::new(batch),
            personal: full.personal,
        }
    }

    /// A batch by somebody else, whose tills vouch for the orders; signed by this member.
    fn written_by(&self, author: MemberId, full: FullBatch) -> FullBatch {
        let network = &self.member.network;
        let orders = full.batch.entries.iter().map(|entry| {
            Entry::Order(Order {
                voucher: Voucher::Till(author),
                ..entry.order().clone()
            })
        });
        let batch = Batch::sign(
            &*network.signatures,
            &network.chain,
            &self.member.keys().identity,
            author,
            full.batch.number,
            orders,
        );
        FullBatch {
            batch: batch.batch().clone(),
            personal: full.personal,
        }
    }

    fn garble(&mut self, full: &FullBatch) -> FullBatch {
        let garble = |part: &Option<PersonalPart>| {
            part.clone().map(|part| PersonalPart {
                salt: self.random.bytes(),
                ..part
            })
        };
        FullBatch {
            batch: full.batch.clone(),
            personal: Arc::new(full.personal.iter().map(garble).collect()),
        }
    }
}

impl Lie for InvalidAuthor {
    fn twist(&mut self, _: Now, said: Vec<Outgoing>) -> Vec<Outgoing> {
        let mut twisted = Vec::new();
        for mut outgoing in said {
            if let (Message::Batch(full), replica::To::Peer(_)) = (&*outgoing.message, outgoing.to)
                && self.random.percent(50)
            {
                outgoing.message = Arc::new(Message::Batch(self.garble(full)));
            }
            twisted.push(outgoing);
        }
        twisted
    }

    fn act(&mut self, now: Now, _: &mut Puppet) -> Vec<Outgoing> {
        if !self.timer.is_due(now) {
            return Vec::new();
        }
        let flaw = FLAWS[self.next % FLAWS.len()];
        let spoiled = self.spoiled(flaw);
        self.next += 1;
        vec![to_all(Message::Batch(spoiled))]
    }

    fn wake(&self) -> Option<Monotonic> {
        Some(self.timer.due())
    }
}
