//! Batches: what one member took in, under one signature (`docs/protocol.md` §3).

use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize, io};

use crate::{
    encoding::{Domain, encoded_len, hash, signing_bytes},
    fixed::{BatchId, ChainId, Digest, IdentityPublicKey, IdentitySignature, MemberId, OrderId},
    mutation::{Mutation, mutated},
    order::{Entry, HashedEntry, MAX_ENTRY_BYTES, OrderError, PersonalPart, Sought, Voucher},
    signatures::{IdentityCheck, IdentitySecret, Signatures},
};

/// One or more entries that one member took in.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Batch {
    /// The author's permanent id.
    pub author: MemberId,
    /// Rises with every batch of the author.
    pub number: u64,
    /// What it carries, in order.
    #[borsh(deserialize_with = "list")]
    pub entries: Vec<Entry>,
    /// The author's signature over author, number and the hash of the entries.
    pub signature: IdentitySignature,
}

/// A batch with the personal parts that travel beside it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize)]
pub struct FullBatch {
    /// The public part.
    pub batch: Arc<Batch>,
    /// One for every entry; `None` where it was erased or is not held.
    pub personal: PersonalParts,
}

/// Personal parts in the order of their entries. Shared: whoever holds the batch holds the same ones.
pub type PersonalParts = Arc<Vec<Option<PersonalPart>>>;

impl BorshDeserialize for FullBatch {
    /// A missing personal part is one byte here and far more in memory, so there are at most as many
    /// of them as entries.
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let batch = Arc::new(Batch::deserialize_reader(reader)?);
        let count = count(reader)?;
        if count > batch.entries.len() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "more personal parts than entries",
            ));
        }
        let personal = Arc::new(items(reader, count)?);
        Ok(Self { batch, personal })
    }
}

/// A list gets room for so many items before the first has come, and doubles it from there: a usual batch's at once,
/// where borsh begins with 4 KiB; and for a count that is a lie, still no more than some hundred kilobytes.
const ROOM_AT_ONCE: usize = 1_024;

fn list<R: io::Read>(reader: &mut R) -> io::Result<Vec<Entry>> {
    let count = count(reader)?;
    items(reader, count)
}

fn count<R: io::Read>(reader: &mut R) -> io::Result<usize> {
    let count = u32::deserialize_reader(reader)?;
    usize::try_from(count).map_err(|_| io::ErrorKind::InvalidData.into())
}

fn items<T: BorshDeserialize, R: io::Read>(reader: &mut R, count: usize) -> io::Result<Vec<T>> {
    let mut items = Vec::with_capacity(count.min(ROOM_AT_ONCE));
    for _ in 0..count {
        items.push(T::deserialize_reader(reader)?);
    }
    Ok(items)
}

/// Why a batch is refused. Always the author's (or, for personal parts, the sender's) fault; trying
/// again does not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// No entries, or more than the network allows.
    #[error("the batch carries {entries} entries; the network allows 1 to {most}")]
    EntryCount {
        /// How many it carries.
        entries: usize,
        /// How many it may carry.
        most: u32,
    },
    /// Public encoding larger than a block may be.
    #[error("the batch is {bytes} bytes; a block takes at most {most}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The network's limit.
        most: u32,
    },
    /// One entry is too large.
    #[error("entry {entry} of the batch is larger than {MAX_ENTRY_BYTES} bytes")]
    EntryTooLarge {
        /// Its place in the batch.
        entry: usize,
    },
    /// The author is not a member.
    #[error("the batch's author {0} is not a member")]
    UnknownAuthor(MemberId),
    /// An entry is vouched for by a till other than the author's.
    #[error("entry {entry} is vouched for by another member than the batch's author")]
    ForeignTill {
        /// Its place in the batch.
        entry: usize,
    },
    /// An order is bad by itself.
    #[error("entry {entry}: {error}")]
    Order {
        /// Its place in the batch.
        entry: usize,
        /// What is wrong.
        error: OrderError,
    },
    /// A signature, the author's or a customer's, is wrong.
    #[error("a signature of the batch is wrong")]
    WrongSignature,
}

/// A batch that passed every check that needs no chain. Made by [`Batch::verify`] and
/// [`Batch::inspect`], or of what this member made or wrote down itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedBatch {
    batch: Arc<Batch>,
    id: BatchId,
    /// Order id and leaf hash of every entry.
    entries: Arc<Vec<(OrderId, Digest)>>,
    /// Length of the public encoding.
    bytes: u32,
    /// Some entry has a customer's signature.
    signed: bool,
}

/// The limits a batch must keep, from the genesis.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    /// Entries a batch.
    pub max_batch_orders: u32,
    /// Bytes of public encoding a block.
    pub max_block_bytes: u32,
}

impl Batch {
    /// Makes and signs a batch. What is in it is for the author to have checked.
    pub fn sign(
        signatures: &dyn Signatures,
        chain: &ChainId,
        secret: &IdentitySecret,
        author: MemberId,
        number: u64,
        entries: impl IntoIterator<Item: Into<HashedEntry>>,
    ) -> VerifiedBatch {
        let entries = entries.into_iter();
        let count = entries.size_hint().0;
        let mut batch = Self {
            author,
            number,
            entries: Vec::with_capacity(count),
            signature: IdentitySignature::ZERO,
        };
        let mut hashes = Hashes::for_entries(count);
        for entry in entries {
            let entry = entry.into();
            hashes.add(entry.hashes());
            batch.entries.push(entry.into_entry());
        }
        let entries_hash = hashes.hash();
        batch.signature =
            signatures.sign_identity(secret, &batch.signing_bytes(chain, &entries_hash));
        VerifiedBatch::of(batch.into(), hashes, &entries_hash)
    }

    /// The hash over the leaves of the entries.
    pub fn entries_hash(&self) -> Digest {
        Hashes::of(&self.entries).hash()
    }

    fn signing_bytes(&self, chain: &ChainId, entries_hash: &Digest) -> Vec<u8> {
        signing_bytes(
            Domain::BatchSignature,
            chain,
            &(self.author, self.number, entries_hash),
        )
    }

    /// The batch's id: SHA-256 over author, number, hash of the entries and signature.
    pub fn id(&self) -> BatchId {
        self.id_with(&self.entries_hash())
    }

    fn id_with(&self, entries_hash: &Digest) -> BatchId {
        hash(
            Domain::Batch,
            &(self.author, self.number, entries_hash, self.signature),
        )
    }

    /// Checks everything that needs no chain: sizes, bounds, vouchers, and all signatures in bulk.
    /// `author_key` is the identity key of the batch's author.
    ///
    /// # Errors
    /// The first fault found; it makes the whole batch invalid, for everyone and for ever.
    pub fn verify(
        self: Arc<Self>,
        signatures: &dyn Signatures,
        chain: &ChainId,
        author_key: &IdentityPublicKey,
        limits: BatchLimits,
    ) -> Result<VerifiedBatch, BatchError> {
        let mut checks = Vec::new();
        let batch = self.inspect(chain, author_key, limits, &mut checks)?;
        if signatures.verify_identities(&checks) {
            Ok(batch)
        } else {
            Err(BatchError::WrongSignature)
        }
    }

    /// As [`Batch::verify`], but adds the signatures to `checks`, for the caller to verify together with
    /// others: what it returns counts only once they were found right.
    ///
    /// # Errors
    /// The first fault found other than a wrong signature.
    pub fn inspect(
        self: Arc<Self>,
        chain: &ChainId,
        author_key: &IdentityPublicKey,
        limits: BatchLimits,
        checks: &mut Vec<IdentityCheck>,
    ) -> Result<VerifiedBatch, BatchError> {
        let most = limits.max_batch_orders;
        if self.entries.is_empty() || self.entries.len() > most as usize {
            return Err(BatchError::EntryCount {
                entries: self.entries.len(),
                most,
            });
        }
        let mut hashes = Hashes::for_entries(self.entries.len());
        let mut scratch = Vec::new();
        for (place, entry) in self.entries.iter().enumerate() {
            let hashed = entry.hashes_with(&mut scratch);
            let (_, _, length) = hashed;
            if length > MAX_ENTRY_BYTES {
                return Err(BatchError::EntryTooLarge { entry: place });
            }
            hashes.add(hashed);
            let order = entry.order();
            order.check_bounds().map_err(|error| BatchError::Order {
                entry: place,
                error,
            })?;
            if matches!(&order.voucher, Voucher::Till(member) if *member != self.author) {
                return Err(BatchError::ForeignTill { entry: place });
            }
            checks.extend(order.check(chain));
        }
        let (bytes, most) = (self.bytes_with(&hashes), limits.max_block_bytes);
        if bytes > most as usize {
            return Err(BatchError::TooLarge { bytes, most });
        }
        let entries_hash = hashes.hash();
        if !mutated(Mutation::UnsignedBatches) {
            checks.push(IdentityCheck {
                key: *author_key,
                message: self.signing_bytes(chain, &entries_hash),
                signature: self.signature,
            });
        }
        Ok(VerifiedBatch::of(self, hashes, &entries_hash))
    }

    /// The length of the encoding with these entries.
    fn bytes_with(&self, entries: &Hashes) -> usize {
        encoded_len(&(self.author, self.number, 0_u32, self.signature))
            .saturating_add(entries.bytes)
    }
}

/// What is made of a batch's entries.
struct Hashes {
    /// Order id and leaf hash of each.
    entries: Vec<(OrderId, Digest)>,
    /// Length of their encodings.
    bytes: usize,
}

impl Hashes {
    /// None yet, with room for so many.
    fn for_entries(count: usize) -> Self {
        Self {
            entries: Vec::with_capacity(count),
            bytes: 0,
        }
    }

    fn of(entries: &[Entry]) -> Self {
        let mut scratch = Vec::new();
        let mut hashes = Self::for_entries(entries.len());
        for entry in entries {
            hashes.add(entry.hashes_with(&mut scratch));
        }
        hashes
    }

    fn add(&mut self, (id, leaf, length): (OrderId, Digest, usize)) {
        self.entries.push((id, leaf));
        self.bytes = self.bytes.saturating_add(length);
    }

    /// The hash over the leaves.
    fn hash(&self) -> Digest {
        let leaves: Vec<&Digest> = self.entries.iter().map(|(_, leaf)| leaf).collect();
        hash(Domain::BatchEntries, &leaves)
    }
}

impl VerifiedBatch {
    /// A batch read back from this member's own disk, where only verified ones are written and a
    /// checksum guards every record. Signatures are not checked again.
    pub fn from_own_disk(batch: Arc<Batch>) -> Self {
        let hashes = Hashes::of(&batch.entries);
        let entries_hash = hashes.hash();
        Self::of(batch, hashes, &entries_hash)
    }

    fn of(batch: Arc<Batch>, hashes: Hashes, entries_hash: &Digest) -> Self {
        let bytes = batch.bytes_with(&hashes);
        let mut entries = batch.entries.iter();
        Self {
            signed: entries.any(|entry| matches!(entry.order().voucher, Voucher::Key { .. })),
            id: batch.id_with(entries_hash),
            entries: Arc::new(hashes.entries),
            bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
            batch,
        }
    }

    /// The batch.
    pub const fn batch(&self) -> &Arc<Batch> {
        &self.batch
    }
    /// True when some entry has a customer's signature; the author's till vouches for the others.
    pub const fn has_signed_entries(&self) -> bool {
        self.signed
    }
    /// Its id.
    pub const fn id(&self) -> BatchId {
        self.id
    }
    /// Order id and leaf hash of every entry, in order.
    pub fn entries(&self) -> &[(OrderId, Digest)] {
        &self.entries
    }
    /// All entries, in order, to look for them.
    pub fn sought(&self) -> impl Iterator<Item = Sought<'_>> {
        let entries = self.entries.iter().zip(&self.batch.entries);
        entries.map(|((id, _), entry)| {
            let later = u64::from(mutated(Mutation::LookAtAnotherTime));
            let placed_at = entry.order().placed_at.plus_millis(later);
            Sought {
                id,
                placed_at: Some(placed_at),
            }
        })
    }
    /// Length of its public encoding in bytes.
    pub const fn bytes(&self) -> u32 {
        self.bytes
    }
    /// How many entries it carries.
    pub fn len(&self) -> u32 {
        u32::try_from(self.entries.len()).unwrap_or(u32::MAX)
    }
    /// Never: a batch carries at least one entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl FullBatch {
    /// The personal part of the entry at a place; `None` where it was erased or is not held.
    pub fn personal_part(&self, place: usize) -> Option<&PersonalPart> {
        self.personal.get(place).and_then(Option::as_ref)
    }

    /// Whether there is a personal part for every entry; `None` where one that is there does not match its
    /// hash or keep within its bounds, or there are more or fewer places for them than entries.
    pub fn is_complete(&self) -> Option<bool> {
        let entries = &self.batch.entries;
        if self.personal.len() != entries.len() {
            return None;
        }
        let mut scratch = Vec::new();
        let mut complete = true;
        for (entry, personal) in entries.iter().zip(&*self.personal) {
            match personal {
                None => complete = false,
                Some(personal) if personal.is_of_with(entry.order(), &mut scratch) => {}
                Some(_) => return None,
            }
        }
        Some(complete)
    }
}
