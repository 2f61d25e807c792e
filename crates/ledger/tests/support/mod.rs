//! Orders and batches, for the tests of this crate.
#![allow(dead_code, reason = "every test file uses its own part")]

use types::{
    Amount, Batch, ChainId, Entry, IdentityPublicKey, IdentitySecret, IdentitySignature, MemberId,
    Order, OrderId, PersonalPart, Simulated, Text, UnixMillis, VerifiedBatch, Voucher,
};

pub(crate) fn member(number: u8) -> MemberId {
    MemberId::new([number; 32])
}

pub(crate) fn personal(number: u64) -> PersonalPart {
    PersonalPart {
        salt: [1; 16],
        customer: Text::new(format!("ANON-{number}")).unwrap(),
        details: Text::default(),
    }
}

/// An order signed by a customer, so that several batches may carry it.
pub(crate) fn entry(number: u64) -> Entry {
    let key = IdentityPublicKey::new([9; 32]);
    Entry::Order(Order {
        receiver: Text::new("Test Lane").unwrap(),
        amount: Amount {
            minor_units: number,
            currency: "EUR".parse().unwrap(),
        },
        placed_at: UnixMillis(number),
        personal_hash: personal(number).hash(),
        voucher: Voucher::Key {
            key,
            signature: IdentitySignature::ZERO,
        },
    })
}

pub(crate) fn order_id(number: u64) -> OrderId {
    entry(number).id()
}

/// A batch of a member; signatures do not matter here.
pub(crate) fn batch(author: u8, number: u64, orders: &[u64]) -> VerifiedBatch {
    let entries = orders.iter().copied().map(entry);
    signed(author, number, entries.collect())
}

/// A batch of orders that the till of its author vouches for.
pub(crate) fn till_batch(author: u8, orders: &[u64]) -> VerifiedBatch {
    let entries = orders.iter().map(|number| {
        let Entry::Order(order) = entry(*number);
        Entry::Order(Order {
            voucher: Voucher::Till(member(author)),
            ..order
        })
    });
    signed(author, 1, entries.collect())
}

fn signed(author: u8, number: u64, entries: Vec<Entry>) -> VerifiedBatch {
    let secret = IdentitySecret::new([author; 32]);
    let chain = ChainId::ZERO;
    Batch::sign(&Simulated, &chain, &secret, member(author), number, entries)
}
