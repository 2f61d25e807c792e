//! Votes and the certificates they add up to (`docs/protocol.md` §5).

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::{
    encoding::{Domain, signing_bytes},
    fixed::{BlockHash, ChainId, VotingSignature},
    members::MemberSet,
    mutation::{Mutation, mutated},
    signatures::{Signatures, VotingSecret},
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
    /// The voter's BLS signature over all but the voter, so that votes aggregate.
    pub signature: VotingSignature,
}

/// A quorum's votes of one kind on one block, as one signature.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Certificate {
    /// What the votes say.
    pub kind: VoteKind,
    /// The block's epoch.
    pub epoch: Epoch,
    /// The block's height.
    pub height: Height,
    /// The block.
    pub block: BlockHash,
    /// Who voted, in rising order without repetition.
    pub signers: Vec<MemberIndex>,
    /// The aggregate of their signatures.
    pub signature: VotingSignature,
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
        secret: &VotingSecret,
        chain: &ChainId,
        kind: VoteKind,
        epoch: Epoch,
        height: Height,
        block: BlockHash,
        voter: MemberIndex,
    ) -> Self {
        let signature = signatures.sign_voting(
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
        let rising = self.signers.windows(2).all(|pair| match pair {
            [first, second] => first < second,
            _ => false,
        });
        if mutated(Mutation::AnyCertificate) {
            return true;
        }
        if !rising || self.signers.len() < members.quorum() {
            return false;
        }
        let keys: Option<Vec<_>> = self
            .signers
            .iter()
            .map(|index| members.get(*index).map(|member| member.voting_key))
            .collect();
        let message = vote_signing_bytes(self.kind, chain, self.epoch, self.height, &self.block);
        keys.is_some_and(|keys| signatures.verify_aggregate(&keys, &message, &self.signature))
    }
}
