//! What recorded orders bring into the index: where each is, and whose it is.

use sha2::{Digest as _, Sha256};
use types::{LogIndex, OrderId};

use super::runs::{CUSTOMERS, ORDERS, Pair, Piece, RECEIVERS};

/// Of a hash so many bytes are enough to tell it from all others.
pub(super) const KEY_BYTES: usize = 16;

/// Ids, receivers and customers of orders at consecutive places of the order log.
#[derive(Debug, Default)]
pub struct Entries {
    pub(super) piece: Piece,
    /// Orders that follow each other mostly go to the same receiver.
    last_receiver: Option<(String, u128)>,
}

impl Entries {
    /// None yet; the first one will be at this place.
    pub fn from_place(first: LogIndex) -> Self {
        Self {
            piece: Piece {
                places: first.0..first.0,
                ..Piece::default()
            },
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
    pub fn push(&mut self, id: &OrderId, receiver: &str, customer: Option<&str>) {
        let receiver = match &self.last_receiver {
            Some((last, key)) if last == receiver => *key,
            _ => {
                let key = key_of(receiver);
                self.last_receiver = Some((receiver.to_owned(), key));
                key
            }
        };
        let Piece { places, tables, .. } = &mut self.piece;
        let place = places.end;
        let pair = |key| Pair { key, place };
        tables[ORDERS].push(pair(key_of_id(id)));
        tables[RECEIVERS].push(pair(receiver));
        tables[CUSTOMERS].extend(customer.map(|customer| pair(key_of(customer))));
        places.end += 1;
    }
}

/// The key of a text and a place in the order log. The text itself is checked on reading, so 16 bytes
/// of the hash are enough.
pub(crate) fn text_key(text: &str, index: LogIndex) -> Vec<u8> {
    let (key, place) = (key_of(text), index.0);
    Pair { key, place }.to_bytes().to_vec()
}

/// The key of an order.
pub(super) fn key_of_id(id: &OrderId) -> u128 {
    first_bytes(id.as_bytes())
}

fn key_of(text: &str) -> u128 {
    first_bytes(&Sha256::digest(text.as_bytes()).into())
}

fn first_bytes(hash: &[u8; 32]) -> u128 {
    let mut first = [0; KEY_BYTES];
    first.copy_from_slice(&hash[..KEY_BYTES]);
    u128::from_be_bytes(first)
}
