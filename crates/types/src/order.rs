//! Orders: the public part that is sealed, the personal part that travels beside it, and who
//! vouches for it (`docs/protocol.md` §3).

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{
    encoding::{Domain, USUAL_BYTES, encode, encoded_len, hash, hash_with, signing_bytes},
    fixed::{
        ChainId, Digest, IdentityPublicKey, IdentitySignature, MemberId, OrderId, PersonalHash,
    },
    merkle,
    signatures::{IdentityCheck, IdentitySecret, Signatures},
    text::Text,
    units::{Amount, MAX_MINOR_UNITS, UnixMillis},
};

/// The longest receiver, in bytes of UTF-8.
pub const MAX_RECEIVER_BYTES: usize = 256;
/// The longest customer, in bytes of UTF-8.
pub const MAX_CUSTOMER_BYTES: usize = 256;
/// The longest details: with salt, customer and lengths a personal part stays within 4,096 bytes.
pub const MAX_DETAILS_BYTES: usize = 3_800;
/// The longest encoding of a personal part.
pub const MAX_PERSONAL_BYTES: usize = 4_096;
/// The longest encoding of an order as an entry: the kind of entry, the receiver with its length, the
/// amount, the time, the personal hash, and a customer's key and signature with the kind of voucher.
pub const MAX_ORDER_BYTES: usize = 1 + (4 + MAX_RECEIVER_BYTES) + (8 + 3) + 8 + 32 + (1 + 32 + 64);
/// The longest encoding of an entry: what RFC-style logs can carry in a 16-bit length.
pub const MAX_ENTRY_BYTES: usize = 65_535;

/// The public part of an order. Never changed, never erased.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Order {
    /// The shop or person the money goes to.
    pub receiver: Text<MAX_RECEIVER_BYTES>,
    /// How much.
    pub amount: Amount,
    /// When it was placed, as the one who took it says.
    pub placed_at: UnixMillis,
    /// Commits to customer and details without showing them.
    pub personal_hash: PersonalHash,
    /// Who answers for it.
    pub voucher: Voucher,
}

/// Who vouches for an order.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Voucher {
    /// The member at whose till it was taken; only that member's batches may carry it.
    Till(MemberId),
    /// A customer's (or another node's) own signature.
    Key {
        /// The customer's key.
        key: IdentityPublicKey,
        /// Its signature over the rest of the public part.
        signature: IdentitySignature,
    },
}

/// The personal part of an order: kept beside the chain, can be erased from final blocks.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PersonalPart {
    /// Random, so that the hash of a short text cannot be guessed back.
    pub salt: [u8; 16],
    /// Who bought.
    pub customer: Text<MAX_CUSTOMER_BYTES>,
    /// What was bought.
    pub details: Text<MAX_DETAILS_BYTES>,
}

/// What a batch carries and the order log records. Membership changes will be another kind.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Entry {
    /// An order.
    Order(Order),
}

/// An order that is looked for.
#[derive(Debug, Clone, Copy)]
pub struct Sought<'a> {
    /// Its id.
    pub id: &'a OrderId,
    /// When it was placed, if that is known; one of the id was placed at no other time. What was placed at other times
    /// can be passed over then.
    pub placed_at: Option<UnixMillis>,
}

impl<'a> From<&'a OrderId> for Sought<'a> {
    fn from(id: &'a OrderId) -> Self {
        Self {
            id,
            placed_at: None,
        }
    }
}

/// What is wrong with an order by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// The amount is beyond what an amount may be.
    #[error("the amount is too large: at most {MAX_MINOR_UNITS} minor units are allowed")]
    AmountTooLarge,
    /// The customer's signature does not fit.
    #[error("the customer's signature is not right for this order on this network")]
    WrongSignature,
}

/// The public part without the signature: what the id and a customer's signature are over.
#[derive(BorshSerialize)]
struct Unsigned<'a> {
    receiver: &'a Text<MAX_RECEIVER_BYTES>,
    amount: &'a Amount,
    placed_at: UnixMillis,
    personal_hash: &'a PersonalHash,
    voucher: UnsignedVoucher<'a>,
}
#[derive(BorshSerialize)]
enum UnsignedVoucher<'a> {
    Till(&'a MemberId),
    Key(&'a IdentityPublicKey),
}
/// An entry without the signature.
#[derive(BorshSerialize)]
enum UnsignedEntry<'a> {
    Order(Unsigned<'a>),
}

impl Order {
    fn unsigned(&self) -> Unsigned<'_> {
        Unsigned {
            receiver: &self.receiver,
            amount: &self.amount,
            placed_at: self.placed_at,
            personal_hash: &self.personal_hash,
            voucher: match &self.voucher {
                Voucher::Till(member) => UnsignedVoucher::Till(member),
                Voucher::Key { key, .. } => UnsignedVoucher::Key(key),
            },
        }
    }

    /// The order's id: the hash that its leaf of the order log would have without the signature. An order
    /// that a till vouches for has none, and its leaf's hash is the id.
    pub fn id(&self) -> OrderId {
        self.id_with(&mut Vec::with_capacity(USUAL_BYTES))
    }

    fn id_with(&self, scratch: &mut Vec<u8>) -> OrderId {
        merkle::leaf_hash_of(scratch, &UnsignedEntry::Order(self.unsigned())).0
    }

    /// The bytes a customer signs.
    pub fn signing_bytes(&self, chain: &ChainId) -> Vec<u8> {
        signing_bytes(Domain::Order, chain, &self.unsigned())
    }

    /// Puts a customer's key and signature in place of whatever vouched before.
    pub fn sign(
        mut self,
        signatures: &dyn Signatures,
        chain: &ChainId,
        secret: &IdentitySecret,
    ) -> Self {
        let key = signatures.identity_public(secret);
        self.voucher = Voucher::Key {
            key,
            signature: IdentitySignature::ZERO,
        };
        let signature = signatures.sign_identity(secret, &self.signing_bytes(chain));
        self.voucher = Voucher::Key { key, signature };
        self
    }

    /// The signature check this order needs; none where a member vouches.
    pub fn check(&self, chain: &ChainId) -> Option<IdentityCheck> {
        match &self.voucher {
            Voucher::Till(_) => None,
            Voucher::Key { key, signature } => Some(IdentityCheck {
                key: *key,
                message: self.signing_bytes(chain),
                signature: *signature,
            }),
        }
    }

    /// Checks everything that needs no chain and no signature.
    ///
    /// # Errors
    /// When the amount is out of bounds.
    pub fn check_bounds(&self) -> Result<(), OrderError> {
        if self.amount.minor_units > MAX_MINOR_UNITS {
            return Err(OrderError::AmountTooLarge);
        }
        Ok(())
    }
}

impl PersonalPart {
    /// What the public part commits to.
    pub fn hash(&self) -> PersonalHash {
        hash(Domain::Personal, self)
    }

    /// True when it is the one an order commits to and keeps within its bounds.
    pub fn is_of(&self, order: &Order) -> bool {
        self.is_of_with(order, &mut Vec::new())
    }

    /// As [`PersonalPart::is_of`], put together in `scratch`.
    pub(crate) fn is_of_with(&self, order: &Order, scratch: &mut Vec<u8>) -> bool {
        encoded_len(self) <= MAX_PERSONAL_BYTES
            && order.personal_hash == hash_with(scratch, Domain::Personal, self)
    }
}

/// An entry with what is made of it once: its id, its leaf's hash and the length of its encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashedEntry {
    entry: Entry,
    id: OrderId,
    leaf: Digest,
    bytes: usize,
}

impl HashedEntry {
    /// Hashes an entry, put together in `scratch`.
    pub fn new(entry: Entry, scratch: &mut Vec<u8>) -> Self {
        let (id, leaf, bytes) = entry.hashes_with(scratch);
        Self {
            entry,
            id,
            leaf,
            bytes,
        }
    }

    /// The entry's id.
    pub const fn id(&self) -> &OrderId {
        &self.id
    }
    /// The entry, to look for it.
    pub const fn sought(&self) -> Sought<'_> {
        Sought {
            id: &self.id,
            placed_at: Some(self.entry.order().placed_at),
        }
    }
    /// Length of the entry's encoding in bytes.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
    /// The entry.
    pub const fn entry(&self) -> &Entry {
        &self.entry
    }
    /// The entry alone.
    pub fn into_entry(self) -> Entry {
        self.entry
    }
    /// Id, leaf, and length of the encoding.
    pub(crate) const fn hashes(&self) -> (OrderId, Digest, usize) {
        (self.id, self.leaf, self.bytes)
    }
}

impl From<Entry> for HashedEntry {
    fn from(entry: Entry) -> Self {
        Self::new(entry, &mut Vec::with_capacity(USUAL_BYTES))
    }
}

impl Entry {
    /// The entry's id.
    pub fn id(&self) -> OrderId {
        self.order().id()
    }
    /// The entry's id and its leaf's hash, for less than each by itself.
    pub fn id_and_leaf(&self) -> (OrderId, Digest) {
        let (id, leaf, _) = self.hashes_with(&mut Vec::with_capacity(USUAL_BYTES));
        (id, leaf)
    }
    /// The entry's id, its leaf's hash, and the length of its encoding, put together in `scratch`.
    pub(crate) fn hashes_with(&self, scratch: &mut Vec<u8>) -> (OrderId, Digest, usize) {
        let (leaf, length): (Digest, _) = merkle::leaf_hash_of(scratch, self);
        let id = match &self.order().voucher {
            Voucher::Till(_) => OrderId::new(*leaf.as_bytes()),
            Voucher::Key { .. } => self.order().id_with(scratch),
        };
        (id, leaf, length)
    }
    /// The order, where it is one.
    pub const fn order(&self) -> &Order {
        match self {
            Self::Order(order) => order,
        }
    }
    /// The order alone, where it is one.
    pub fn into_order(self) -> Order {
        match self {
            Self::Order(order) => order,
        }
    }
    /// The entry's canonical encoding: the leaf of the order log.
    pub fn leaf_bytes(&self) -> Vec<u8> {
        encode(self)
    }
}
