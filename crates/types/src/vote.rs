//! Votes and the certificates they add up to (`docs/protocol.md` §5).

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::{
    encoding::{Domain, signing_bytes},
    fixed::{BlockHash, ChainId, IdentitySignature},
    members::MemberSet,
    mutation::{Mutation, mutated},
    signatures::{IdentityCheck, IdentitySecret, Signatures},
    units::{Epoch, Height, MemberIndex},
};

/// What a vote says.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum VoteKind {
    /// "My clock has seen this block's wait pass, and the block is valid."
    Certify,
    /// "I voted to certify nothing else at this height, and never shall."
    Finalize,
}

/// One member's vote on one block.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Vote {
    /// What it says.
    pub kind: VoteKind,
    /// The block's epoch.
    pub epoch: Epoch,
    /// The block's height.
    pub height: Height,
    /// The block.
    pub block: BlockHash,
    /// Who votes.
    pub voter: MemberIndex,
    /// The voter's signature over all but the voter.
    pub signature: IdentitySignature,
}

/// A quorum's votes of one kind on one block.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// What the votes say.
    pub kind: VoteKind,
    /// The block's epoch.
    pub epoch: Epoch,
    /// The block's height.
    pub height: Height,
    /// The block.
    pub block: BlockHash,
    /// Who voted, in rising order without repetition, and their signatures.
    pub votes: Vec<Share>,
}

/// One member's part in a certificate.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// Who voted.
    pub voter: MemberIndex,
    /// The signature of its vote.
    pub signature: IdentitySignature,
}

/// The bytes a vote's signature covers.
pub fn vote_signing_bytes(
    kind: VoteKind,
    chain: &ChainId,
    epoch: Epoch,
    height: Height,
    block: &BlockHash,
) -> Vec<u8> {
    let domain = match kind {
        VoteKind::Certify => Domain::Certify,
        VoteKind::Finalize => Domain::Finalize,
    };
    signing_bytes(domain, chain, &(epoch, height, block))
}

impl Vote {
    /// Signs a vote.
    #[expect(clippy::too_many_arguments, reason = "a vote is made of exactly these")]
    pub fn sign(
        signatures: &dyn Signatures,
        secret: &IdentitySecret,
        chain: &ChainId,
        kind: VoteKind,
        epoch: Epoch,
        height: Height,
        block: BlockHash,
        voter: MemberIndex,
    ) -> Self {
        let signature = signatures.sign_identity(
            secret,
            &vote_signing_bytes(kind, chain, epoch, height, &block),
        );
        Self {
            kind,
            epoch,
            height,
            block,
            voter,
            signature,
        }
    }

    /// Its part in a certificate.
    pub const fn share(&self) -> Share {
        Share {
            voter: self.voter,
            signature: self.signature,
        }
    }

    /// The bytes the signature covers.
    pub fn signing_bytes(&self, chain: &ChainId) -> Vec<u8> {
        vote_signing_bytes(self.kind, chain, self.epoch, self.height, &self.block)
    }
}

impl Certificate {
    /// Checks that a quorum of these members, each once, signed.
    pub fn verify(
        &self,
        signatures: &dyn Signatures,
        chain: &ChainId,
        members: &MemberSet,
    ) -> bool {
        if mutated(Mutation::AnyCertificate) {
            return true;
        }
        let rising = self.votes.is_sorted_by(|one, next| one.voter < next.voter);
        if !rising || self.votes.len() < members.quorum() {
            return false;
        }
        let message = vote_signing_bytes(self.kind, chain, self.epoch, self.height, &self.block);
        verify_shares(signatures, members, &message, &self.votes)
    }
}

/// Checks that each of these members signed the message.
pub fn verify_shares(
    signatures: &dyn Signatures,
    members: &MemberSet,
    message: &[u8],
    shares: &[Share],
) -> bool {
    let checks: Option<Vec<IdentityCheck>> = shares
        .iter()
        .map(|share| {
            Some(IdentityCheck {
                key: members.get(share.voter)?.identity_key,
                message: message.to_vec(),
                signature: share.signature,
            })
        })
        .collect();
    checks.is_some_and(|checks| signatures.verify_identities(&checks))
}
