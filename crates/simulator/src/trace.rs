//! A hash over everything that happens: two runs of one seed have the same.

use types::{Digest, encoding::sha256};

/// Hashed in pieces of this many bytes, so that hashing costs little beside what is hashed.
const PIECE: usize = 16 * 1024;

/// The rolling hash.
#[derive(Debug)]
pub(crate) struct Trace {
    state: Digest,
    waiting: Vec<u8>,
}

impl Trace {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            state: sha256(&seed.to_le_bytes()),
            waiting: Vec::with_capacity(PIECE),
        }
    }

    /// Takes a number in.
    pub(crate) fn number(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }

    /// Takes bytes in.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= PIECE {
            self.fold();
        }
    }

    fn fold(&mut self) {
        let mut piece = self.state.as_bytes().to_vec();
        piece.append(&mut self.waiting);
        self.state = sha256(&piece);
    }

    /// The hash so far.
    pub(crate) fn hash(&mut self) -> Digest {
        self.fold();
        self.state
    }
}
