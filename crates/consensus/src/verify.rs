//! Checking headers (`docs/protocol.md` §6) and whole chains from genesis.

use std::{collections::BTreeSet, sync::Arc};

use types::{
    BatchId, BlockHash, Certificate, ChainId, FinalBlock, Frontier, Genesis, Header, Height,
    MemberSet, Mutation, OrderId, RecordedIds, Seed, Signatures, Sought, Timing, UnixMillis,
    VerifiedBatch, VoteKind,
    batch::BatchLimits,
    block::{batches_root, genesis_block_hash},
    genesis::next_seed,
    mutated,
};

use crate::lottery::ticket_bytes;

/// Why a header is invalid on its parent: its proposer's fault, for everyone and for ever.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Another format version.
    #[error("format version {0} is not known here")]
    Version(u16),
    /// Of another network.
    #[error("it belongs to another network")]
    Chain,
    /// Of another epoch.
    #[error("its epoch is not the parent's")]
    Epoch,
    /// Not one above its parent.
    #[error("its height is not one above its parent's")]
    Height,
    /// It names another parent.
    #[error("it names another parent")]
    Parent,
    /// Not later than its parent.
    #[error("its timestamp is not later than its parent's")]
    Timestamp,
    /// No such member.
    #[error("its proposer is not a member")]
    Proposer,
    /// The proposer did not sign it.
    #[error("its proposer's signature is wrong")]
    Signature,
    /// The ticket is not the proposer's on the parent's seed.
    #[error("its ticket is not its proposer's on the parent's seed")]
    Ticket,
    /// The list of batches is another.
    #[error("its list of batches does not match its header")]
    Batches,
}

/// A parent as its children's headers see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// Its hash.
    pub hash: BlockHash,
    /// Its height.
    pub height: Height,
    /// The seed its children's tickets are drawn on.
    pub seed: Seed,
    /// Its timestamp.
    pub timestamp: UnixMillis,
}

/// Checks a header against its parent: everything but the proposer's signature, which is over the
/// block, and what executing the block yields.
///
/// # Errors
/// The first thing that does not hold.
pub fn check_header(
    signatures: &dyn Signatures,
    chain: &ChainId,
    members: &MemberSet,
    parent: &Parent,
    header: &Header,
) -> Result<(), HeaderError> {
    check_links(chain, parent, header)?;
    let proposer = members.get(header.proposer).ok_or(HeaderError::Proposer)?;
    let bytes = ticket_bytes(chain, header.epoch, header.height, &parent.seed);
    if !signatures.verify_lottery(&proposer.lottery_key, &bytes, &header.ticket)
        && !mutated(Mutation::AnyTicket)
    {
        return Err(HeaderError::Ticket);
    }
    Ok(())
}

fn check_links(chain: &ChainId, parent: &Parent, header: &Header) -> Result<(), HeaderError> {
    if header.version != types::FORMAT_VERSION {
        return Err(HeaderError::Version(header.version));
    }
    if header.chain != *chain {
        return Err(HeaderError::Chain);
    }
    if header.epoch.0 != 0 {
        return Err(HeaderError::Epoch);
    }
    if header.height != parent.height.next() {
        return Err(HeaderError::Height);
    }
    if header.parent != parent.hash {
        return Err(HeaderError::Parent);
    }
    if header.timestamp <= parent.timestamp && !mutated(Mutation::AnyTimestamp) {
        return Err(HeaderError::Timestamp);
    }
    Ok(())
}

/// Where and why a chain does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("block {height}: {reason}")]
pub struct VerifyError {
    /// The height of the block at fault.
    pub height: Height,
    /// What is wrong with it.
    pub reason: String,
}

/// What a checked chain amounts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The last block's height.
    pub height: Height,
    /// The last block's hash.
    pub block: BlockHash,
    /// Entries in the order log.
    pub orders: u64,
    /// Blocks with a finality certificate of their own.
    pub certificates: u64,
}

/// Checks a chain block by block, from genesis: hashes, links, tickets, waits, batches, signatures,
/// personal parts, the order log, and finality certificates. Trusts nothing but the genesis.
pub struct ChainVerifier {
    chain: ChainId,
    members: Arc<MemberSet>,
    limits: ledger::BlockLimits,
    batch_limits: BatchLimits,
    timing: Timing,
    head: Parent,
    frontier: Frontier,
    recorded: Ids,
    batches: BTreeSet<BatchId>,
    certificates: u64,
    last_certified: Height,
}

#[derive(Default)]
struct Ids(BTreeSet<OrderId>);

impl RecordedIds for Ids {
    fn is_recorded(&self, order: Sought<'_>) -> bool {
        self.0.contains(order.id)
    }
}

/// The genesis as the parent of height 1.
pub fn genesis_parent(genesis: &Genesis) -> Parent {
    Parent {
        hash: genesis_block_hash(&genesis.chain_id()),
        height: Height::GENESIS,
        seed: genesis.seed(),
        timestamp: genesis.genesis_time,
    }
}

impl ChainVerifier {
    /// At the genesis, which the caller has checked ([`Genesis::check`]).
    pub fn new(genesis: &Genesis) -> Self {
        Self {
            chain: genesis.chain_id(),
            members: Arc::new(genesis.member_set()),
            limits: ledger::BlockLimits::of(genesis),
            batch_limits: genesis.batch_limits(),
            timing: genesis.timing,
            head: genesis_parent(genesis),
            frontier: Frontier::new(),
            recorded: Ids::default(),
            batches: BTreeSet::new(),
            certificates: 0,
            last_certified: Height::GENESIS,
        }
    }

    /// Checks the next block, and its finality certificate if it has one of its own.
    ///
    /// # Errors
    /// The first thing that does not hold; the verifier is of no use afterwards.
    pub fn push(
        &mut self,
        signatures: &dyn Signatures,
        block: &FinalBlock,
        certificate: Option<&Certificate>,
    ) -> Result<(), VerifyError> {
        let height = self.head.height.next();
        self.check(signatures, block, certificate)
            .map_err(|reason| VerifyError { height, reason })
    }

    fn check(
        &mut self,
        signatures: &dyn Signatures,
        block: &FinalBlock,
        certificate: Option<&Certificate>,
    ) -> Result<(), String> {
        let header = block.block.header();
        check_header(signatures, &self.chain, &self.members, &self.head, header)
            .map_err(|error| error.to_string())?;
        let key = self
            .members
            .get(header.proposer)
            .map(|member| member.identity_key);
        if !key.is_some_and(|key| block.block.signed_header().is_signed_by(signatures, &key)) {
            return Err(HeaderError::Signature.to_string());
        }
        if header.batches_root != batches_root(&block.block.block.batches) {
            return Err(HeaderError::Batches.to_string());
        }
        let batches = self.check_batches(signatures, block)?;
        let executed = ledger::execute(&self.frontier, &self.recorded, &batches);
        if executed.frontier.size() != header.log_size
            || executed.frontier.root() != header.log_root
        {
            return Err("the order log it commits to is not what its orders yield".to_owned());
        }
        let hash = header.hash();
        if let Some(certificate) = certificate {
            self.check_certificate(signatures, certificate, hash, header.height)?;
        }
        self.recorded.0.extend(executed.recorded.ids());
        self.frontier = executed.frontier;
        self.head = Parent {
            hash,
            height: header.height,
            seed: next_seed(&self.head.seed, &header.ticket),
            timestamp: header.timestamp,
        };
        Ok(())
    }

    fn check_batches(
        &mut self,
        signatures: &dyn Signatures,
        block: &FinalBlock,
    ) -> Result<Vec<VerifiedBatch>, String> {
        let listed = &block.block.block.batches;
        if listed.len() != block.batches.len() {
            return Err("not all of its batches are there".to_owned());
        }
        let mut verified = Vec::new();
        for (id, full) in listed.iter().zip(&block.batches) {
            let author = self
                .members
                .by_id(&full.batch.author)
                .ok_or("a batch is by nobody among the members")?;
            let batch = full
                .batch
                .clone()
                .verify(
                    signatures,
                    &self.chain,
                    &author.identity_key,
                    self.batch_limits,
                )
                .map_err(|error| error.to_string())?;
            if batch.id() != *id {
                return Err(format!(
                    "batch {} is not the one its list names",
                    id.short()
                ));
            }
            if !self.batches.insert(*id) {
                return Err(format!("batch {} is sealed twice", id.short()));
            }
            if full.is_complete().is_none() {
                return Err("a customer or details are not those the order commits to".to_owned());
            }
            verified.push(batch);
        }
        if !ledger::fits(self.limits, &verified) {
            return Err("it seals more than the network's limits allow".to_owned());
        }
        Ok(verified)
    }

    fn check_certificate(
        &mut self,
        signatures: &dyn Signatures,
        certificate: &Certificate,
        hash: BlockHash,
        height: Height,
    ) -> Result<(), String> {
        let about_it = certificate.kind == VoteKind::Finalize
            && certificate.block == hash
            && certificate.height == height
            && certificate.epoch.0 == 0;
        if !about_it {
            return Err("its finality certificate is about something else".to_owned());
        }
        if !certificate.verify(signatures, &self.chain, &self.members) {
            return Err(
                "its finality certificate is not signed by a quorum of the members".to_owned(),
            );
        }
        self.certificates = self.certificates.saturating_add(1);
        self.last_certified = height;
        Ok(())
    }

    /// The wait the proposer of the last block had drawn, recomputed from its ticket.
    pub fn wait_of(&self, header: &Header) -> types::Micros {
        crate::lottery::draw_of(
            header.ticket,
            header.proposer,
            &self.timing,
            self.members.len(),
        )
        .wait
    }

    /// The end of the chain: everything must be covered by a finality certificate.
    ///
    /// # Errors
    /// When blocks above the last certificate are left: nothing proves that they are final.
    pub fn finish(self) -> Result<Verified, VerifyError> {
        if self.last_certified != self.head.height {
            return Err(VerifyError {
                height: self.head.height,
                reason: format!(
                    "no finality certificate covers the blocks above {}",
                    self.last_certified
                ),
            });
        }
        Ok(Verified {
            height: self.head.height,
            block: self.head.hash,
            orders: self.frontier.size().0,
            certificates: self.certificates,
        })
    }
}
