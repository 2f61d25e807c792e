//! Byte strings of a fixed length that cannot be mixed up: hashes, keys and signatures.

use std::{fmt, marker::PhantomData, str::FromStr};

use borsh::{BorshDeserialize, BorshSerialize, io};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a fixed byte string stands for; a type of its own for every use keeps them apart.
pub trait Kind {
    /// What a person calls it, used in error messages: "a block hash".
    const NAME: &'static str;
}

/// `N` bytes that stand for a `K`. Shown and read as lower-case hexadecimal.
pub struct Fixed<K, const N: usize> {
    bytes: [u8; N],
    kind: PhantomData<fn() -> K>,
}

/// The kinds of fixed byte strings.
pub mod kind {
    use super::Kind;

    /// A SHA-256 hash without a more particular meaning: Merkle nodes, roots.
    pub enum Digest {}
    /// SHA-256 of the canonical encoding of a genesis.
    pub enum Chain {}
    /// SHA-256 of a header.
    pub enum Block {}
    /// SHA-256 of a batch's author, number, root and signature.
    pub enum Batch {}
    /// SHA-256 of an order's public part without the signature.
    pub enum Order {}
    /// SHA-256 of an order's personal part.
    pub enum Personal {}
    /// SHA-256 of a member's genesis record.
    pub enum Member {}
    /// A link of the lottery's chain of seeds.
    pub enum Seed {}
    /// An Ed25519 public key.
    pub enum IdentityKey {}
    /// An Ed25519 signature.
    pub enum IdentitySignature {}
    /// A BLS12-381 public key in G2, compressed.
    pub enum LotteryKey {}
    /// A BLS12-381 signature in G1, compressed.
    pub enum LotterySignature {}

    impl Kind for Digest {
        const NAME: &'static str = "a hash";
    }
    impl Kind for Chain {
        const NAME: &'static str = "a chain id";
    }
    impl Kind for Block {
        const NAME: &'static str = "a block hash";
    }
    impl Kind for Batch {
        const NAME: &'static str = "a batch id";
    }
    impl Kind for Order {
        const NAME: &'static str = "an order id";
    }
    impl Kind for Personal {
        const NAME: &'static str = "a personal hash";
    }
    impl Kind for Member {
        const NAME: &'static str = "a member id";
    }
    impl Kind for Seed {
        const NAME: &'static str = "a seed";
    }
    impl Kind for IdentityKey {
        const NAME: &'static str = "an Ed25519 public key";
    }
    impl Kind for IdentitySignature {
        const NAME: &'static str = "an Ed25519 signature";
    }
    impl Kind for LotteryKey {
        const NAME: &'static str = "a BLS public key";
    }
    impl Kind for LotterySignature {
        const NAME: &'static str = "a BLS signature";
    }
}

/// A SHA-256 hash without a more particular meaning.
pub type Digest = Fixed<kind::Digest, 32>;
/// Names a network: the SHA-256 of its genesis.
pub type ChainId = Fixed<kind::Chain, 32>;
/// Names a block: the SHA-256 of its header.
pub type BlockHash = Fixed<kind::Block, 32>;
/// Names a batch.
pub type BatchId = Fixed<kind::Batch, 32>;
/// Names an order.
pub type OrderId = Fixed<kind::Order, 32>;
/// Commits to an order's personal part.
pub type PersonalHash = Fixed<kind::Personal, 32>;
/// Names a member for ever, also through key rotation.
pub type MemberId = Fixed<kind::Member, 32>;
/// What the tickets of the next height are drawn on.
pub type Seed = Fixed<kind::Seed, 32>;
/// An Ed25519 public key: who signs blocks, batches, votes, orders and connections.
pub type IdentityPublicKey = Fixed<kind::IdentityKey, 32>;
/// An Ed25519 signature.
pub type IdentitySignature = Fixed<kind::IdentitySignature, 64>;
/// A BLS12-381 public key in G2: who draws tickets.
pub type LotteryPublicKey = Fixed<kind::LotteryKey, 96>;
/// A BLS12-381 signature in G1: a ticket, or the proof that a key's secret is known.
pub type LotterySignature = Fixed<kind::LotterySignature, 48>;

/// No byte string here is longer.
const MOST_BYTES: usize = 96;

impl<K, const N: usize> Fixed<K, N> {
    /// All bytes zero; stands for "none" where a format has no option.
    pub const ZERO: Self = Self::new([0; N]);

    /// Wraps the bytes.
    pub const fn new(bytes: [u8; N]) -> Self {
        Self {
            bytes,
            kind: PhantomData,
        }
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; N] {
        &self.bytes
    }

    /// The first eight hexadecimal digits, for people.
    pub fn short(&self) -> String {
        hex::encode(self.bytes.iter().take(4).copied().collect::<Vec<u8>>())
    }
}

impl<K, const N: usize> Clone for Fixed<K, N> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K, const N: usize> Copy for Fixed<K, N> {}
impl<K, const N: usize> PartialEq for Fixed<K, N> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}
impl<K, const N: usize> Eq for Fixed<K, N> {}
impl<K, const N: usize> PartialOrd for Fixed<K, N> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K, const N: usize> Ord for Fixed<K, N> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.bytes.cmp(&other.bytes)
    }
}
impl<K, const N: usize> std::hash::Hash for Fixed<K, N> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write(&self.bytes);
    }
}
impl<K, const N: usize> AsRef<[u8]> for Fixed<K, N> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
impl<K, const N: usize> fmt::Display for Fixed<K, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // On the stack: every answer about an order says its id.
        const { assert!(N <= MOST_BYTES) };
        let mut digits = [0; 2 * MOST_BYTES];
        let digits = digits.get_mut(..N.saturating_mul(2)).ok_or(fmt::Error)?;
        hex::encode_to_slice(self.bytes, digits).map_err(|_| fmt::Error)?;
        f.write_str(str::from_utf8(digits).map_err(|_| fmt::Error)?)
    }
}
impl<K, const N: usize> fmt::Debug for Fixed<K, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

/// A text that is not the hexadecimal form of a fixed byte string.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} is {digits} hexadecimal digits; this is not: {given:.100}")]
pub struct ParseFixedError {
    name: &'static str,
    digits: usize,
    given: String,
}

impl<K: Kind, const N: usize> FromStr for Fixed<K, N> {
    type Err = ParseFixedError;

    fn from_str(text: &str) -> Result<Self, ParseFixedError> {
        let mut bytes = [0; N];
        match hex::decode_to_slice(text, &mut bytes) {
            Ok(()) => Ok(Self::new(bytes)),
            Err(_) => Err(ParseFixedError {
                name: K::NAME,
                digits: N.saturating_mul(2),
                given: text.chars().take(100).collect(),
            }),
        }
    }
}

impl<K, const N: usize> Serialize for Fixed<K, N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de, K: Kind, const N: usize> Deserialize<'de> for Fixed<K, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
impl<K, const N: usize> BorshSerialize for Fixed<K, N> {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(&self.bytes)
    }
}
impl<K, const N: usize> BorshDeserialize for Fixed<K, N> {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        <[u8; N] as BorshDeserialize>::deserialize_reader(reader).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_round_trip_and_refusal() {
        let hash = BlockHash::new([0xab; 32]);
        assert_eq!(hash.to_string().parse::<BlockHash>(), Ok(hash));
        assert_eq!(hash.short(), "abababab");
        let error = "abc".parse::<BlockHash>().unwrap_err().to_string();
        assert_eq!(
            error,
            "a block hash is 64 hexadecimal digits; this is not: abc"
        );
        assert!("zz".repeat(32).parse::<BlockHash>().is_err());
    }
}
