//! Orders as lines of JSON, made before anything is measured.

use std::{thread, time::Duration};

use anyhow::Context as _;
use api::{
    model::{DecimalText, NewOrder, SALT_BYTES, Salt},
    money::format_amount,
    time::{Time, now},
};
use bytes::Bytes;
use types::{
    Amount, BlsAndEd25519, ChainId, Currency, Entry, IdentitySecret, MemberId, Order, PersonalPart,
    Text, UnixMillis, Voucher, encode,
};

/// How many customers there are, and keys they sign with.
const CUSTOMERS: usize = 64;
/// How many different lines there are of orders that may be sent again: the random salt that a node
/// gives to each makes it another order.
const DIFFERENT_LINES: usize = 4_096;
/// What an order is for is written in so many bytes where it is signed: with a till instead of the
/// key and the signature it would be 200 bytes in all.
const SIGNED_ORDER_WITHOUT_KEY: usize = 200;

/// What orders are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Vouched for by the till that takes them.
    Till {
        /// Of so many bytes of canonical encoding, the personal part included.
        bytes: usize,
    },
    /// The same of 200 bytes, with a customer's key and signature instead of the till's id.
    Signed,
}

/// Lines of JSON, one an order.
#[derive(Debug, Clone)]
pub(crate) struct Lines {
    bytes: Bytes,
    /// Where each line ends, its line feed included.
    ends: Vec<usize>,
    next: usize,
}

impl Lines {
    fn new(lines: impl Iterator<Item = String>) -> Self {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for line in lines {
            bytes.extend_from_slice(line.as_bytes());
            bytes.push(b'\n');
            ends.push(bytes.len());
        }
        Self {
            bytes: bytes.into(),
            ends,
            next: 0,
        }
    }

    /// The next lines, at least one and at most so many, and how many they are. After the last line
    /// comes the first one again.
    pub(crate) fn take(&mut self, most: usize) -> (Bytes, usize) {
        let first = self.next;
        let start = first.checked_sub(1).map_or(0, |before| self.ends[before]);
        let count = most.clamp(1, self.ends.len() - first);
        let end = self.ends[first + count - 1];
        self.next = (first + count) % self.ends.len();
        (self.bytes.slice(start..end), count)
    }
}

/// Makes lines for each of some shops. Signed ones are as many as asked for, all different orders, and placed one after
/// the other `over` some time, as customers sign them.
///
/// # Errors
/// When no order is so short or so long.
pub(crate) fn prepare(
    kind: Kind,
    shops: &[&str],
    chain: ChainId,
    count: usize,
    over: Duration,
) -> anyhow::Result<Vec<Lines>> {
    match kind {
        Kind::Till { bytes } => {
            let lines = |shop: &&str| {
                let details = details(shop, bytes)?;
                let line = |number| json(&new_order(number, &details));
                Ok(Lines::new((0..DIFFERENT_LINES).map(line)))
            };
            shops.iter().map(lines).collect()
        }
        Kind::Signed => signed_lines(shops, chain, count, over),
    }
}

fn signed_lines(
    shops: &[&str],
    chain: ChainId,
    count: usize,
    over: Duration,
) -> anyhow::Result<Vec<Lines>> {
    // Every call makes other orders than the one before.
    let first_at = now();
    let over = u64::try_from(over.as_millis())?;
    let placed_at = |number: usize| first_at.plus_millis(over * number as u64 / count as u64);
    let signers: Vec<Signer> = shops
        .iter()
        .map(|shop| Signer::new(chain, shop))
        .collect::<anyhow::Result<_>>()?;
    let lines = thread::scope(|scope| {
        let threads: Vec<_> = signers
            .iter()
            .map(|signer| {
                let line = |number| signer.line(number, placed_at(number));
                scope.spawn(move || Lines::new((0..count).map(line)))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("signing does not panic"))
            .collect()
    });
    Ok(lines)
}

fn customer(number: usize) -> String {
    format!("customer {:02}", number % CUSTOMERS)
}

fn amount() -> Amount {
    Amount {
        minor_units: 450,
        currency: euro(),
    }
}

fn euro() -> Currency {
    "EUR".parse().expect("three upper-case letters")
}

fn new_order(number: usize, details: &str) -> NewOrder {
    NewOrder {
        customer: customer(number),
        details: details.to_owned(),
        amount: DecimalText::new(format_amount(&amount())),
        currency: None,
        receiver: None,
        placed_at: None,
        salt: None,
        key: None,
        signature: None,
    }
}

fn json(order: &NewOrder) -> String {
    serde_json::to_string(order).expect("an order is always JSON")
}

/// Details with which a till's order of a shop is so long in all.
fn details(shop: &str, bytes: usize) -> anyhow::Result<String> {
    let parts = parts(0, shop, "", UnixMillis(0), [0; SALT_BYTES])?;
    let shortest = encode(&Entry::Order(parts.0)).len() + encode(&parts.1).len();
    let length = bytes
        .checked_sub(shortest)
        .with_context(|| format!("an order has at least {shortest} bytes, not {bytes}"))?;
    Ok("flat white, ".chars().cycle().take(length).collect())
}

/// The parts of a till's order.
fn parts(
    number: usize,
    shop: &str,
    details: &str,
    placed_at: UnixMillis,
    salt: [u8; SALT_BYTES],
) -> anyhow::Result<(Order, PersonalPart)> {
    let personal = PersonalPart {
        salt,
        customer: Text::new(customer(number))?,
        details: Text::new(details)?,
    };
    let order = Order {
        receiver: Text::new(shop)?,
        amount: amount(),
        placed_at,
        personal_hash: personal.hash(),
        voucher: Voucher::Till(MemberId::ZERO),
    };
    Ok((order, personal))
}

/// Signs orders for one shop as its customers do.
struct Signer {
    chain: ChainId,
    shop: String,
    details: String,
    keys: Vec<IdentitySecret>,
}

impl Signer {
    fn new(chain: ChainId, shop: &str) -> anyhow::Result<Self> {
        Ok(Self {
            chain,
            shop: shop.to_owned(),
            details: details(shop, SIGNED_ORDER_WITHOUT_KEY)?,
            keys: keys(),
        })
    }

    /// The order of a number, signed by one of the customers.
    fn line(&self, number: usize, placed_at: UnixMillis) -> String {
        let mut salt = [0; SALT_BYTES];
        salt[..8].copy_from_slice(&number.to_le_bytes());
        let parts = parts(number, &self.shop, &self.details, placed_at, salt);
        let (order, personal) = parts.expect("the texts are short");
        let order = order.sign(
            &BlsAndEd25519::new(),
            &self.chain,
            &self.keys[number % CUSTOMERS],
        );
        let Voucher::Key { key, signature } = order.voucher else {
            unreachable!("it has just been signed");
        };
        json(&NewOrder {
            currency: Some(order.amount.currency.to_string()),
            receiver: Some(self.shop.clone()),
            placed_at: Some(Time(placed_at)),
            salt: Some(Salt(personal.salt)),
            key: Some(key),
            signature: Some(signature),
            ..new_order(number, &self.details)
        })
    }
}

/// The customers' keys; they follow from numbers, so that a run can be repeated.
pub(crate) fn keys() -> Vec<IdentitySecret> {
    let number = |number| u8::try_from(number).expect("fewer than 256 customers");
    (1..=CUSTOMERS)
        .map(|key| IdentitySecret::new([number(key); 32]))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use types::Signatures as _;

    use super::*;

    #[test]
    fn lines_come_round_again() {
        let mut lines = Lines::new(["a", "bb", "ccc"].map(str::to_owned).into_iter());
        assert_eq!(lines.take(2), (Bytes::from("a\nbb\n"), 2));
        assert_eq!(lines.take(2), (Bytes::from("ccc\n"), 1));
        assert_eq!(lines.take(0), (Bytes::from("a\n"), 1));
        assert_eq!(lines.take(9), (Bytes::from("bb\nccc\n"), 2));
    }

    #[test]
    fn orders_of_a_till_are_as_long_as_asked_for() {
        for bytes in [200, 512] {
            let details = details("shop1", bytes).unwrap();
            let (order, personal) = parts(7, "shop1", &details, now(), [9; SALT_BYTES]).unwrap();
            let length = encode(&Entry::Order(order)).len() + encode(&personal).len();
            assert_eq!(length, bytes);
        }
        assert!(details("shop1", 20).is_err());
    }

    #[test]
    fn signed_orders_are_different_and_rightly_signed() {
        let chain = ChainId::new([5; 32]);
        let all = prepare(
            Kind::Signed,
            &["shop1", "shop2"],
            chain,
            100,
            Duration::from_secs(1),
        )
        .unwrap();
        let mut ids = BTreeSet::new();
        for lines in all {
            let text = String::from_utf8(lines.bytes.to_vec()).unwrap();
            for line in text.lines() {
                let new: NewOrder = serde_json::from_str(line).unwrap();
                let personal = PersonalPart {
                    salt: new.salt.unwrap().0,
                    customer: Text::new(new.customer).unwrap(),
                    details: Text::new(new.details).unwrap(),
                };
                let order = Order {
                    receiver: Text::new(new.receiver.unwrap()).unwrap(),
                    amount: amount(),
                    placed_at: new.placed_at.unwrap().0,
                    personal_hash: personal.hash(),
                    voucher: Voucher::Key {
                        key: new.key.unwrap(),
                        signature: new.signature.unwrap(),
                    },
                };
                let check = order.check(&chain).unwrap();
                assert!(BlsAndEd25519::new().verify_identities(&[check]));
                assert!(ids.insert(order.id()));
            }
        }
        assert_eq!(ids.len(), 200);
    }
}
