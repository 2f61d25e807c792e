//! What makes a row of a file one order, once and for ever: its source's name, its number, and what
//! it says, under a secret of the importer.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use types::{
    Amount, MemberId, Order, OrderId, PersonalPart, UnixMillis, Voucher, encode,
    order::{MAX_CUSTOMER_BYTES, MAX_DETAILS_BYTES, MAX_RECEIVER_BYTES},
    text::Text,
};
use zeroize::Zeroizing;

/// Tells a row from every other one; also its idempotency key.
pub(super) type RowKey = [u8; 16];

/// Said first to the secret, so that it answers no other question.
const TAG: &str = "dexter/1/import";

/// What a row says, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RowOrder {
    /// Who gets the money.
    pub(super) receiver: Text<MAX_RECEIVER_BYTES>,
    /// Who bought.
    pub(super) customer: Text<MAX_CUSTOMER_BYTES>,
    /// What was bought.
    pub(super) details: Text<MAX_DETAILS_BYTES>,
    /// For how much.
    pub(super) amount: Amount,
    /// When.
    pub(super) placed_at: UnixMillis,
}

/// What the importer's secret makes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RowIdentity {
    /// The order's salt: nobody without the secret can guess it, and with it the same row always
    /// makes the same order.
    pub(super) salt: [u8; 16],
    /// Tells the row from every other one.
    pub(super) key: RowKey,
}

/// Derives rows' identities from a secret and a source's name.
pub(super) struct Identities {
    secret: Zeroizing<[u8; 32]>,
    source: String,
}

impl Identities {
    /// For the rows of a source.
    pub(super) fn new(secret: Zeroizing<[u8; 32]>, source: &str) -> Self {
        Self {
            secret,
            source: source.to_owned(),
        }
    }

    /// The identity of the row with this number: HMAC-SHA-256 over source, number and what the row
    /// says. The number tells identical rows apart.
    pub(super) fn of(&self, number: u64, row: &RowOrder) -> RowIdentity {
        let said = encode(&(
            (TAG, self.source.as_str(), number),
            (
                row.receiver.as_str(),
                row.customer.as_str(),
                row.details.as_str(),
            ),
            (row.amount, row.placed_at),
        ));
        let mac = <Hmac<Sha256>>::new_from_slice(&*self.secret);
        let mut mac = mac.expect("HMAC takes a secret of any length");
        mac.update(&said);
        let code: [u8; 32] = mac.finalize().into_bytes().into();
        let (mut salt, mut key) = ([0; 16], [0; 16]);
        salt.copy_from_slice(&code[..16]);
        key.copy_from_slice(&code[16..]);
        RowIdentity { salt, key }
    }
}

impl RowOrder {
    /// The id of the order that a row becomes at a member's till.
    pub(super) fn order_id(&self, salt: [u8; 16], till: MemberId) -> OrderId {
        let personal = PersonalPart {
            salt,
            customer: self.customer.clone(),
            details: self.details.clone(),
        };
        let order = Order {
            receiver: self.receiver.clone(),
            amount: self.amount,
            placed_at: self.placed_at,
            personal_hash: personal.hash(),
            voucher: Voucher::Till(till),
        };
        order.id()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> RowOrder {
        RowOrder {
            receiver: Text::new("shop").unwrap(),
            customer: Text::new("cash").unwrap(),
            details: Text::new("Latte").unwrap(),
            amount: Amount {
                minor_units: 3_870,
                currency: "UAH".parse().unwrap(),
            },
            placed_at: UnixMillis(1_709_288_100_000),
        }
    }

    #[test]
    fn the_same_row_is_the_same_order_and_another_is_another() {
        let identities = Identities::new(Zeroizing::new([1; 32]), "coffee.csv");
        let first = identities.of(1, &row());
        assert_eq!(identities.of(1, &row()), first);
        let others = [
            identities.of(2, &row()),
            identities.of(
                1,
                &RowOrder {
                    details: Text::new("Mocha").unwrap(),
                    ..row()
                },
            ),
            identities.of(
                1,
                &RowOrder {
                    placed_at: UnixMillis(0),
                    ..row()
                },
            ),
            Identities::new(Zeroizing::new([1; 32]), "tea.csv").of(1, &row()),
            Identities::new(Zeroizing::new([2; 32]), "coffee.csv").of(1, &row()),
        ];
        for other in others {
            assert_ne!(other.salt, first.salt);
            assert_ne!(other.key, first.key);
        }
        let till = MemberId::new([3; 32]);
        assert_eq!(
            row().order_id(first.salt, till),
            row().order_id(first.salt, till)
        );
        assert_ne!(
            row().order_id(first.salt, till),
            row().order_id(first.salt, MemberId::new([4; 32]))
        );
        assert_ne!(
            row().order_id(first.salt, till),
            row().order_id(others[0].salt, till)
        );
    }

    #[test]
    fn golden() {
        // Pinned, and computed by another program: were it to change, a resumed import would import its
        // rows twice.
        let identity = Identities::new(Zeroizing::new([1; 32]), "coffee.csv").of(1, &row());
        assert_eq!(
            hex::encode(identity.salt),
            "0def3cfa8053605d56a3ae23ed275698"
        );
        assert_eq!(
            hex::encode(identity.key),
            "a0fe5abe1abe3fac8f4b4e7930c08428"
        );
    }
}
