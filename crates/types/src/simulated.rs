//! Signatures for simulation: nothing is secret, everything is fast, and the behaviour towards the
//! protocol is that of the real ones (unique signatures, keys that differ).
//!
//! Never used by a running node.

use crate::{
    encoding::{Domain, hash_bytes},
    fixed::{
        Fixed, IdentityPublicKey, IdentitySignature, LotteryPublicKey, LotterySignature, kind,
    },
    signatures::{IdentityCheck, IdentitySecret, LotterySecret, Signatures},
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

fn lottery_signature(key: &LotteryPublicKey, message: &[u8]) -> LotterySignature {
    LotterySignature::new(stretch(digest(&[b"ticket", key.as_ref(), message])))
}

/// A kind of its own, so that no ticket passes for a proof of possession.
fn possession_proof(key: &LotteryPublicKey, message: &[u8]) -> LotterySignature {
    LotterySignature::new(stretch(digest(&[b"possession", key.as_ref(), message])))
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
    fn lottery_public(&self, secret: &LotterySecret) -> LotteryPublicKey {
        LotteryPublicKey::new(stretch(digest(&[b"lottery key", secret.expose()])))
    }
    fn sign_lottery(&self, secret: &LotterySecret, message: &[u8]) -> LotterySignature {
        lottery_signature(&self.lottery_public(secret), message)
    }
    fn verify_lottery(
        &self,
        key: &LotteryPublicKey,
        message: &[u8],
        signature: &LotterySignature,
    ) -> bool {
        lottery_signature(key, message) == *signature
    }
    fn prove_possession(&self, secret: &LotterySecret, message: &[u8]) -> LotterySignature {
        possession_proof(&self.lottery_public(secret), message)
    }
    fn verify_possession(
        &self,
        key: &LotteryPublicKey,
        message: &[u8],
        proof: &LotterySignature,
    ) -> bool {
        possession_proof(key, message) == *proof
    }
}
