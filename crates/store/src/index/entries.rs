//! What recorded orders bring into the index: where each is, and whose it is.

use sha2::{Digest as _, Sha256};
use types::{Digest, LogIndex, OrderId};

use super::runs::{CUSTOMERS, ORDERS, Pair, Piece, RECEIVERS};

/// Of a hash so many bytes are enough to tell it from all others.
pub(super) const KEY_BYTES: usize = 16;

/// Ids, receivers and customers of orders at consecutive places of the order log, and the Merkle nodes that they
/// complete.
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

    /// Adds the next Merkle nodes. In the end all are there that the orders complete, in the order of their positions;
    /// or none, where the index holds them already.
    pub fn push_nodes(&mut self, nodes: Vec<Digest>) {
        if self.piece.nodes.is_empty() {
            self.piece.nodes = nodes;
        } else {
            self.piece.nodes.extend(nodes);
        }
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

/// How many Merkle nodes one value holds: 4 KiB, one block of the index, so that reading a node of
/// a large block reads no more than that.
const NODES_A_VALUE: usize = 128;

/// Keys and values of [`Space::Nodes`](super::Space::Nodes) for nodes from a position on.
pub(super) fn values_of(
    mut position: u64,
    nodes: &[Digest],
) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    nodes.chunks(NODES_A_VALUE).map(move |nodes| {
        let key = position.to_be_bytes().to_vec();
        position += nodes.len() as u64;
        let hashes = nodes.iter().flat_map(|node| *node.as_bytes()).collect();
        (key, hashes)
    })
}

/// The node at a position, where such a key and value hold it.
pub(super) fn node_in((key, hashes): &(Vec<u8>, Vec<u8>), position: u64) -> Option<Digest> {
    let first = u64::from_be_bytes(*key.first_chunk()?);
    let place = usize::try_from(position.checked_sub(first)?).ok()?;
    hashes.as_chunks().0.get(place).copied().map(Digest::new)
}
