//! Headers and blocks (`docs/protocol.md` §3).

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::{
    encoding::{Domain, hash, signing_bytes},
    fixed::{
        BatchId, BlockHash, ChainId, Digest, IdentityPublicKey, IdentitySignature, LotterySignature,
    },
    mutation::{Mutation, mutated},
    signatures::{IdentitySecret, Signatures},
    units::{Epoch, Height, LogSize, MemberIndex, UnixMillis},
};

/// What a block is, in one hash's reach.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Format version.
    pub version: u16,
    /// The network.
    pub chain: ChainId,
    /// The epoch whose members may propose and vote.
    pub epoch: Epoch,
    /// How many blocks are below.
    pub height: Height,
    /// The block below; the genesis block's hash is the chain id's bytes.
    pub parent: BlockHash,
    /// When the proposer sealed it: max(its wall clock, parent's + 1).
    pub timestamp: UnixMillis,
    /// Who proposes.
    pub proposer: MemberIndex,
    /// The proposer's ticket on the parent's seed: its wait follows from it.
    pub ticket: LotterySignature,
    /// Hash of the list of batch ids.
    pub batches_root: Digest,
    /// Entries in the order log after this block.
    pub log_size: LogSize,
    /// Root of the order log after this block.
    pub log_root: Digest,
}

/// A header and the ids of the batches it seals, executed in that order.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Block {
    /// The header.
    pub header: Header,
    /// Distinct batch ids.
    pub batches: Vec<BatchId>,
}

/// A header under its proposer's signature.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SignedHeader {
    /// The header.
    pub header: Header,
    /// The proposer's Ed25519 signature over the block's hash.
    pub signature: IdentitySignature,
}

/// A block under its proposer's signature: the only form in which a block travels.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SignedBlock {
    /// The block.
    pub block: Block,
    /// The proposer's Ed25519 signature over the block's hash.
    pub signature: IdentitySignature,
}

/// Two different headers of one proposer at one height: proof that it lied.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Equivocation {
    /// The one seen first.
    pub first: SignedHeader,
    /// The other.
    pub second: SignedHeader,
}

/// The hash that stands for the genesis as the parent of height 1.
pub fn genesis_block_hash(chain: &ChainId) -> BlockHash {
    BlockHash::new(*chain.as_bytes())
}

/// The hash of a list of batch ids, as a header carries it.
pub fn batches_root(batches: &[BatchId]) -> Digest {
    hash(Domain::BatchList, batches)
}

impl Header {
    /// The block's hash: SHA-256 of the header.
    pub fn hash(&self) -> BlockHash {
        hash(Domain::Header, self)
    }
}

fn signing_bytes_of(header: &Header) -> Vec<u8> {
    signing_bytes(Domain::BlockSignature, &header.chain, &header.hash())
}

impl SignedHeader {
    /// Checks the signature against the proposer's identity key.
    pub fn is_signed_by(&self, signatures: &dyn Signatures, key: &IdentityPublicKey) -> bool {
        signatures.verify_identity(key, &signing_bytes_of(&self.header), &self.signature)
            || mutated(Mutation::UnsignedBlocks)
    }
}

impl SignedBlock {
    /// Signs a block as its proposer.
    pub fn sign(signatures: &dyn Signatures, secret: &IdentitySecret, block: Block) -> Self {
        let signature = signatures.sign_identity(secret, &signing_bytes_of(&block.header));
        Self { block, signature }
    }
    /// The block's hash.
    pub fn hash(&self) -> BlockHash {
        self.block.header.hash()
    }
    /// The header.
    pub const fn header(&self) -> &Header {
        &self.block.header
    }
    /// The header with the signature, without the list of batches.
    pub fn signed_header(&self) -> SignedHeader {
        SignedHeader {
            header: self.block.header.clone(),
            signature: self.signature,
        }
    }
}

impl Equivocation {
    /// True when these are two different headers for one chain, epoch, height and proposer, and the
    /// key's signature is right on both.
    pub fn is_proof_against(&self, signatures: &dyn Signatures, key: &IdentityPublicKey) -> bool {
        let place = |header: &Header| (header.chain, header.epoch, header.height, header.proposer);
        place(&self.first.header) == place(&self.second.header)
            && self.first.header.hash() != self.second.header.hash()
            && self.first.is_signed_by(signatures, key)
            && self.second.is_signed_by(signatures, key)
    }
}
