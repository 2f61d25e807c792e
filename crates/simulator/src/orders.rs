//! The orders that are placed: each number stands for one and the same.

use replica::{Answered, Submission};
use types::{
    Amount, Entry, IdentitySecret, Order, PersonalPart, UnixMillis, Voucher,
    encoding::{encode, sha256},
};

use crate::{clocks::EPOCH_MILLIS, network::Network, network::text, plan::OrderNumber};

/// Every so-manieth order is placed under an idempotency key.
const KEYED: u64 = 3;

/// The order a number stands for.
pub(crate) fn submission(network: &Network, order: OrderNumber) -> Submission {
    let mut salt = [0; 16];
    salt[..8].copy_from_slice(&order.number.to_le_bytes());
    let personal = PersonalPart {
        salt,
        customer: text("Ada"),
        details: text("Flat white"),
    };
    let till = order.till.unwrap_or(0);
    let unsigned = Order {
        receiver: text("shop"),
        amount: Amount {
            minor_units: 450,
            currency: network.genesis.currency,
        },
        placed_at: UnixMillis(EPOCH_MILLIS + order.placed_at / 1_000),
        personal_hash: personal.hash(),
        voucher: Voucher::Till(network.members.members()[till].id),
    };
    let order_itself = if order.till.is_some() {
        unsigned
    } else {
        let secret: types::Digest = sha256(&encode(&("customer", order.number)));
        let customer = IdentitySecret::new(*secret.as_bytes());
        unsigned.sign(&*network.signatures, &network.chain, &customer)
    };
    let answered = order.number.is_multiple_of(KEYED).then(|| Answered {
        key: sha256(&encode(&("key", order.number))),
        body: sha256(&encode(&("body", order.number))),
    });
    Submission {
        entry: Entry::Order(order_itself).into(),
        personal,
        answered,
    }
}
