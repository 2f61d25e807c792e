//! The load: orders made ready beforehand, sent in bulk or one a request, and what became of each.
//!
//! An order counts from the moment it was due, not from when the load process got round to sending it.
//! Its answer tells its id. When it became final follows from the chain, read after the measured time,
//! and from the moment at which an event of its block arrived; so watching costs the nodes one event a
//! block.

mod account;
mod answers;
mod bulk;
mod observer;
mod orders;
mod single;

use std::time::Instant;

use types::OrderId;

pub(crate) use account::{Latencies, latencies, micros, settle};
pub(crate) use bulk::{Pace, Schedule, send_bulk};
pub(crate) use observer::{Blocks, Observer, final_rate};
pub(crate) use orders::{Kind, Lines, keys, prepare};
pub(crate) use single::send_singly;

/// An order that a node answered for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placed {
    /// Its id.
    pub(crate) id: OrderId,
    /// When it was due to be sent.
    pub(crate) due: Instant,
}

/// What came of sending.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// The orders that were accepted.
    pub(crate) placed: Vec<Placed>,
    /// How many were refused, and how the first of them was.
    pub(crate) refused: u64,
    /// In words.
    pub(crate) first_refusal: Option<String>,
    /// Why a connection broke, if one did.
    pub(crate) broken: Option<String>,
    /// How many orders were sent and not answered because of that: they may have been taken.
    pub(crate) unanswered: u64,
}

impl Sent {
    /// Takes note of an answer.
    fn answered(&mut self, answer: Result<OrderId, String>, due: Instant) {
        match answer {
            Ok(id) => self.placed.push(Placed { id, due }),
            Err(refusal) => {
                self.refused += 1;
                self.first_refusal.get_or_insert(refusal);
            }
        }
    }

    /// Adds what came of sending elsewhere.
    pub(crate) fn add(&mut self, other: Self) {
        self.placed.extend(other.placed);
        self.refused += other.refused;
        self.first_refusal = self.first_refusal.take().or(other.first_refusal);
        self.broken = self.broken.take().or(other.broken);
        self.unanswered += other.unanswered;
    }
}
