//! Canonical encoding (borsh) and domain-separated hashing.

use borsh::{BorshDeserialize, BorshSerialize};
use sha2::{Digest as _, Sha256};

use crate::fixed::{ChainId, Fixed};

/// Bytes that are not the canonical encoding of what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {what}: {reason}")]
pub struct DecodeError {
    what: &'static str,
    reason: String,
}

/// What is hashed or signed is mostly shorter, so that it is put together without moving it.
pub(crate) const USUAL_BYTES: usize = 256;

/// The canonical encoding of a value: the one byte string that stands for it.
pub fn encode<T: BorshSerialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(encoded_len(value));
    encode_into(&mut bytes, value);
    bytes
}

/// Appends the canonical encoding of a value.
pub fn encode_into<T: BorshSerialize + ?Sized>(bytes: &mut Vec<u8>, value: &T) {
    let written = value.serialize(bytes);
    assert!(written.is_ok(), "encoding into memory cannot fail");
}

/// The length of the canonical encoding of a value, which is not made for it.
pub fn encoded_len<T: BorshSerialize + ?Sized>(value: &T) -> usize {
    let length = borsh::object_length(value);
    assert!(length.is_ok(), "counting bytes cannot fail");
    length.unwrap_or_default()
}

/// Reads a value from its canonical encoding.
///
/// # Errors
/// When the bytes are cut short, followed by others, or hold something out of bounds.
pub fn decode<T: BorshDeserialize>(bytes: &[u8]) -> Result<T, DecodeError> {
    borsh::from_slice(bytes).map_err(|error| DecodeError {
        what: short_name::<T>(),
        reason: error.to_string(),
    })
}

/// The last part of a type's path, for messages.
fn short_name<T>() -> &'static str {
    let name = std::any::type_name::<T>();
    name.rsplit("::").next().unwrap_or(name)
}

/// What a hash or a signature is over; no two uses share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// Chain id of a genesis.
    Genesis,
    /// Member id of a genesis record.
    Member,
    /// Proof of possession of a lottery key.
    Possession,
    /// A customer's signature of an order.
    Order,
    /// Hash of a personal part.
    Personal,
    /// The leaves of a batch's entries.
    BatchEntries,
    /// A batch's id.
    Batch,
    /// An author's signature over a batch.
    BatchSignature,
    /// The list of batches of a block.
    BatchList,
    /// A block's hash.
    Header,
    /// A proposer's signature over a block's hash.
    BlockSignature,
    /// A ticket of the lottery.
    Ticket,
    /// The chain of seeds.
    Seed,
    /// A vote to certify.
    Certify,
    /// A vote to finalize.
    Finalize,
}

impl Domain {
    /// The tag hashed first, so that no byte string means two things.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Genesis => "dexter/1/genesis",
            Self::Member => "dexter/1/member",
            Self::Possession => "dexter/1/possession",
            Self::Order => "dexter/1/order",
            Self::Personal => "dexter/1/personal",
            Self::BatchEntries => "dexter/1/batch-entries",
            Self::Batch => "dexter/1/batch",
            Self::BatchSignature => "dexter/1/batch-signature",
            Self::BatchList => "dexter/1/batch-list",
            Self::Header => "dexter/1/header",
            Self::BlockSignature => "dexter/1/block-signature",
            Self::Ticket => "dexter/1/ticket",
            Self::Seed => "dexter/1/seed",
            Self::Certify => "dexter/1/certify",
            Self::Finalize => "dexter/1/finalize",
        }
    }
}

/// SHA-256 over the domain's tag (a length byte before it) and the canonical encoding of a value.
pub fn hash<K, T: BorshSerialize + ?Sized>(domain: Domain, value: &T) -> Fixed<K, 32> {
    hash_with(&mut Vec::with_capacity(USUAL_BYTES), domain, value)
}

/// As [`hash()`], for many values one after the other: what is hashed is put together in `scratch`.
pub(crate) fn hash_with<K, T: BorshSerialize + ?Sized>(
    scratch: &mut Vec<u8>,
    domain: Domain,
    value: &T,
) -> Fixed<K, 32> {
    scratch.clear();
    put_tag(scratch, domain);
    encode_into(scratch, value);
    sha256(scratch)
}

fn put_tag(bytes: &mut Vec<u8>, domain: Domain) {
    let tag = domain.tag().as_bytes();
    bytes.push(u8::try_from(tag.len()).unwrap_or(u8::MAX));
    bytes.extend_from_slice(tag);
}

/// SHA-256 over the domain's tag (a length byte before it) and bytes.
pub fn hash_bytes<K>(domain: Domain, bytes: &[u8]) -> Fixed<K, 32> {
    let mut all = Vec::new();
    put_tag(&mut all, domain);
    all.extend_from_slice(bytes);
    sha256(&all)
}

/// Plain SHA-256 of bytes, where the protocol asks for no tag.
pub fn sha256<K>(bytes: &[u8]) -> Fixed<K, 32> {
    Fixed::new(Sha256::digest(bytes).into())
}

/// The bytes a signature covers: the domain's tag (a length byte before it), the chain id, and the
/// canonical encoding of a value (`docs/protocol.md` §2).
pub fn signing_bytes<T: BorshSerialize + ?Sized>(
    domain: Domain,
    chain: &ChainId,
    value: &T,
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    put_tag(&mut bytes, domain);
    bytes.extend_from_slice(chain.as_bytes());
    encode_into(&mut bytes, value);
    bytes
}
