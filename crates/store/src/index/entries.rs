//! What recorded orders bring into the index: where each is, and whose it is.

use borsh::{BorshDeserialize, BorshSerialize};
use sha2::{Digest as _, Sha256};
use siphasher::sip128::SipHasher13;
use types::{LogIndex, OrderId, UnixMillis};

use super::runs::{CUSTOMERS, ORDERS, Pair, Piece, RECEIVERS};

/// How long a key is.
pub(super) const KEY_BYTES: usize = 16;

/// Makes the keys of orders: SipHash-1-3 of 128 bits (J.-P. Aumasson, D. Bernstein 2012) of their ids. An order whose
/// key is there is taken for recorded, so nobody may be able to make two with one key, as half an id would allow for
/// 2^64 hashes. Hence the secret, which every index has of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct IdHasher {
    secret: [u8; KEY_BYTES],
}

impl IdHasher {
    /// With a secret that everybody knows.
    pub(super) const KNOWN: Self = Self {
        secret: [0; KEY_BYTES],
    };

    /// With a new secret.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(super) fn random() -> std::io::Result<Self> {
        let mut secret = [0; KEY_BYTES];
        getrandom::fill(&mut secret)?;
        Ok(Self { secret })
    }

    /// The key of an order.
    pub(super) fn key(&self, id: &OrderId) -> u128 {
        let hasher = SipHasher13::new_with_key(&self.secret);
        hasher.hash(id.as_bytes()).as_u128()
    }
}

/// Ids, receivers and customers of orders at consecutive places of the order log, and when they were placed.
#[derive(Debug)]
pub struct Entries {
    pub(super) piece: Piece,
    hasher: IdHasher,
    /// Orders that follow each other mostly go to the same receiver.
    last_receiver: Option<(String, u128)>,
}

impl Entries {
    /// None yet; the first one will be at this place.
    pub(super) fn from_place(first: LogIndex, hasher: IdHasher) -> Self {
        Self {
            piece: Piece {
                places: first.0..first.0,
                ..Piece::default()
            },
            hasher,
            last_receiver: None,
        }
    }

    /// Makes room for so many orders at once.
    pub fn reserve(&mut self, orders: usize) {
        for table in &mut self.piece.tables {
            table.reserve(orders);
        }
    }

    /// Adds the order at the next place. The customer is `None` where it is not known.
    pub fn push(
        &mut self,
        id: &OrderId,
        placed_at: UnixMillis,
        receiver: &str,
        customer: Option<&str>,
    ) {
        let receiver = match &self.last_receiver {
            Some((last, key)) if last == receiver => *key,
            _ => {
                let key = key_of(receiver);
                self.last_receiver = Some((receiver.to_owned(), key));
                key
            }
        };
        let Piece {
            places,
            times,
            tables,
        } = &mut self.piece;
        let place = places.end;
        let pair = |key| Pair { key, place };
        tables[ORDERS].push(pair(self.hasher.key(id)));
        tables[RECEIVERS].push(pair(receiver));
        tables[CUSTOMERS].extend(customer.map(|customer| pair(key_of(customer))));
        times.insert(placed_at);
        places.end += 1;
    }
}

/// The key of a text and a place in the order log. The text itself is checked on reading, so 16 bytes
/// of the hash are enough.
pub(crate) fn text_key(text: &str, index: LogIndex) -> Vec<u8> {
    let (key, place) = (key_of(text), index.0);
    Pair { key, place }.to_bytes().to_vec()
}

fn key_of(text: &str) -> u128 {
    let hash = Sha256::digest(text.as_bytes());
    let mut first = [0; KEY_BYTES];
    first.copy_from_slice(&hash[..KEY_BYTES]);
    u128::from_be_bytes(first)
}
