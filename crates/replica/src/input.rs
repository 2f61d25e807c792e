//! What a replica is told.

use store::CommitReceipt;
use types::{Digest, HashedEntry, Height, IdentityPublicKey, PersonalPart};

use crate::check::CheckedMessage;

/// An order to take in, with its personal part. The caller has checked that they belong together and
/// that a customer's signature is right.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The public part.
    pub entry: HashedEntry,
    /// The personal part.
    pub personal: PersonalPart,
    /// Under which key the answer is to be remembered, if any.
    pub answered: Option<Answered>,
}

/// An answer to be remembered under an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// Digest of the key.
    pub key: Digest,
    /// Digest of the request's body.
    pub body: Digest,
}

/// Something that happened.
#[derive(Debug)]
pub enum Event {
    /// Time passed: the wake-up asked for, or any other moment.
    Tick,
    /// Orders to take in, as one batch where they fit.
    Submit(Vec<Submission>),
    /// A connection to a member or observer stands.
    Connected(IdentityPublicKey),
    /// The last connection to it ended.
    Disconnected(IdentityPublicKey),
    /// A checked message from a member or observer.
    Message(IdentityPublicKey, CheckedMessage),
    /// The store has made everything up to the receipt's sequence durable.
    Committed(CommitReceipt),
    /// The store's index holds the final chain up to this height.
    Indexed(Height),
}
