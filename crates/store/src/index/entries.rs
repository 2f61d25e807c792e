//! What recorded orders bring into the index: where each is, and whose it is.

use std::{fmt, io};

use borsh::{BorshDeserialize, BorshSerialize};
use siphasher::sip128::SipHasher13;
use types::{LogIndex, OrderId, UnixMillis};

use super::runs::{CUSTOMERS, ORDERS, Pair, Piece, RECEIVERS};

/// How long a key is.
pub(super) const KEY_BYTES: usize = 16;

/// Makes keys of ids and texts: SipHash-1-3 of 128 bits (J.-P. Aumasson, D. Bernstein 2012). An order whose key is there
/// is taken for recorded, so nobody may be able to make two with one key, as half an id would allow for 2^64 hashes.
/// Hence the secret, which every index has of its own.
#[derive(Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct KeyHasher {
    secret: [u8; KEY_BYTES],
}

impl fmt::Debug for KeyHasher {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHasher")
    }
}

impl KeyHasher {
    /// With a secret that everybody knows.
    pub(super) const KNOWN: Self = Self {
        secret: [0; KEY_BYTES],
    };

    /// With a new secret.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(super) fn random() -> io::Result<Self> {
        let mut secret = [0; KEY_BYTES];
        getrandom::fill(&mut secret)?;
        Ok(Self { secret })
    }

    /// The key of an order.
    pub(super) fn of_id(&self, id: &OrderId) -> u128 {
        self.key(id.as_bytes())
    }

    /// The key of a customer or receiver.
    pub(super) fn of_text(&self, text: &str) -> u128 {
        self.key(text.as_bytes())
    }

    fn key(&self, bytes: &[u8]) -> u128 {
        let hasher = SipHasher13::new_with_key(&self.secret);
        hasher.hash(bytes).as_u128()
    }
}

/// Ids, receivers and customers of orders at consecutive places of the order log, and when they were placed.
#[derive(Debug)]
pub struct Entries {
    pub(super) piece: Piece,
    hasher: KeyHasher,
    /// Orders that follow each other mostly go to the same receiver.
    last_receiver: Option<(String, u128)>,
}

impl Entries {
    /// None yet; the first one will be at this place.
    pub(super) fn from_place(first: LogIndex, hasher: KeyHasher) -> Self {
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
                let key = self.hasher.of_text(receiver);
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
        tables[ORDERS].push(pair(self.hasher.of_id(id)));
        tables[RECEIVERS].push(pair(receiver));
        tables[CUSTOMERS].extend(customer.map(|customer| pair(self.hasher.of_text(customer))));
        times.insert(placed_at);
        places.end += 1;
    }
}
