//! Signatures for simulation: nothing is secret, everything is fast, and the behaviour towards the
//! protocol is that of the real ones (unique signatures, aggregates that spoil, keys that differ).
//!
//! Never used by a running node.

use crate::{
    encoding::{Domain, hash_bytes},
    fixed::{Fixed, IdentityPublicKey, IdentitySignature, VotingPublicKey, VotingSignature, kind},
    signatures::{IdentityCheck, IdentitySecret, Signatures, VotingSecret},
};

/// Signatures anyone could forge: a hash of public key and message.
#[derive(Debug, Default, Clone, Copy)]
pub struct Simulated;

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(part);
    }
    let digest: Fixed<kind::Digest, 32> = hash_bytes(Domain::Possession, &bytes);
    *digest.as_bytes()
}

/// Repeats 32 bytes until `N` are filled.
fn stretch<const N: usize>(seed: [u8; 32]) -> [u8; N] {
    let mut bytes = [0; N];
    for (to, from) in bytes.iter_mut().zip(seed.iter().cycle()) {
        *to = *from;
    }
    bytes
}

fn voting_signature(key: &VotingPublicKey, message: &[u8]) -> VotingSignature {
    VotingSignature::new(stretch(digest(&[b"vote", key.as_ref(), message])))
}

/// A kind of its own, so that no vote passes for a proof of possession.
fn possession_proof(key: &VotingPublicKey, message: &[u8]) -> VotingSignature {
    VotingSignature::new(stretch(digest(&[b"possession", key.as_ref(), message])))
}

fn identity_signature(key: &IdentityPublicKey, message: &[u8]) -> IdentitySignature {
    IdentitySignature::new(stretch(digest(&[b"identity", key.as_ref(), message])))
}

impl Signatures for Simulated {
    fn identity_public(&self, secret: &IdentitySecret) -> IdentityPublicKey {
        IdentityPublicKey::new(digest(&[b"identity key", secret.expose()]))
    }
    fn sign_identity(&self, secret: &IdentitySecret, message: &[u8]) -> IdentitySignature {
        identity_signature(&self.identity_public(secret), message)
    }
    fn verify_identity(
        &self,
        key: &IdentityPublicKey,
        message: &[u8],
        signature: &IdentitySignature,
    ) -> bool {
        identity_signature(key, message) == *signature
    }
    fn verify_identities(&self, checks: &[IdentityCheck]) -> bool {
        checks
            .iter()
            .all(|check| self.verify_identity(&check.key, &check.message, &check.signature))
    }
    fn voting_public(&self, secret: &VotingSecret) -> VotingPublicKey {
        VotingPublicKey::new(stretch(digest(&[b"voting key", secret.expose()])))
    }
    fn sign_voting(&self, secret: &VotingSecret, message: &[u8]) -> VotingSignature {
        voting_signature(&self.voting_public(secret), message)
    }
    fn verify_voting(
        &self,
        key: &VotingPublicKey,
        message: &[u8],
        signature: &VotingSignature,
    ) -> bool {
        voting_signature(key, message) == *signature
    }
    /// The exclusive or of all signatures, so that one wrong share spoils the whole.
    fn aggregate(&self, signatures: &[VotingSignature]) -> Option<VotingSignature> {
        let mut sum = [0; 48];
        for signature in signatures {
            for (to, from) in sum.iter_mut().zip(signature.as_bytes()) {
                *to ^= from;
            }
        }
        (!signatures.is_empty()).then_some(VotingSignature::new(sum))
    }
    fn verify_aggregate(
        &self,
        keys: &[VotingPublicKey],
        message: &[u8],
        signature: &VotingSignature,
    ) -> bool {
        let shares: Vec<_> = keys
            .iter()
            .map(|key| voting_signature(key, message))
            .collect();
        self.aggregate(&shares) == Some(*signature)
    }
    fn prove_possession(&self, secret: &VotingSecret, message: &[u8]) -> VotingSignature {
        possession_proof(&self.voting_public(secret), message)
    }
    fn verify_possession(
        &self,
        key: &VotingPublicKey,
        message: &[u8],
        proof: &VotingSignature,
    ) -> bool {
        possession_proof(key, message) == *proof
    }
}
