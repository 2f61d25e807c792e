//! The two kinds of keys, and the one trait behind which signing is done.
//!
//! - *Identity*: Ed25519. Signs blocks, batches, votes, customers' orders and connections. Checked by
//!   ZIP-215 rules, singly and in bulk with the same result (`docs/protocol.md` §3).
//! - *Lottery*: BLS12-381, signatures in G1 (48 bytes), public keys in G2 (96 bytes). Draws tickets:
//!   there is one signature of a key on a message, so that nobody can choose among several.

use std::{collections::BTreeMap, sync::Mutex};

use blst::{BLST_ERROR, min_sig};
use ed25519_zebra::{VerificationKeyBytes, batch as ed25519_batch};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::fixed::{IdentityPublicKey, IdentitySignature, LotteryPublicKey, LotterySignature};

/// The secret of an identity key: the 32-byte Ed25519 seed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct IdentitySecret([u8; 32]);

/// The secret of a lottery key: 32 bytes of key material from which the BLS scalar is derived.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct LotterySecret([u8; 32]);

impl IdentitySecret {
    /// From the 32-byte seed.
    pub const fn new(seed: [u8; 32]) -> Self {
        Self(seed)
    }
    /// The seed, for the key file and the transport.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}
impl LotterySecret {
    /// From 32 bytes of key material.
    pub const fn new(material: [u8; 32]) -> Self {
        Self(material)
    }
    /// The key material, for the key file.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}
impl std::fmt::Debug for IdentitySecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdentitySecret(hidden)")
    }
}
impl std::fmt::Debug for LotterySecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LotterySecret(hidden)")
    }
}

/// One Ed25519 signature to check.
#[derive(Debug, Clone)]
pub struct IdentityCheck {
    /// Who signed.
    pub key: IdentityPublicKey,
    /// What was signed.
    pub message: Vec<u8>,
    /// The signature.
    pub signature: IdentitySignature,
}

/// Signing and checking, real ([`BlsAndEd25519`]) or simulated ([`crate::Simulated`]).
pub trait Signatures: Send + Sync {
    /// The public key of an identity secret.
    fn identity_public(&self, secret: &IdentitySecret) -> IdentityPublicKey;
    /// Signs with an identity key.
    fn sign_identity(&self, secret: &IdentitySecret, message: &[u8]) -> IdentitySignature;
    /// Checks one identity signature.
    fn verify_identity(
        &self,
        key: &IdentityPublicKey,
        message: &[u8],
        signature: &IdentitySignature,
    ) -> bool;
    /// Checks many identity signatures: true when every one of them is right.
    fn verify_identities(&self, checks: &[IdentityCheck]) -> bool;

    /// The public key of a lottery secret.
    fn lottery_public(&self, secret: &LotterySecret) -> LotteryPublicKey;
    /// Signs with a lottery key; the same secret and message always yield the same signature.
    fn sign_lottery(&self, secret: &LotterySecret, message: &[u8]) -> LotterySignature;
    /// Checks one lottery signature.
    fn verify_lottery(
        &self,
        key: &LotteryPublicKey,
        message: &[u8],
        signature: &LotterySignature,
    ) -> bool;
    /// Proves that the holder of a lottery key knows its secret.
    fn prove_possession(&self, secret: &LotterySecret, message: &[u8]) -> LotterySignature;
    /// Checks a proof of possession, and that the key is a point of the right subgroup and not the
    /// identity.
    fn verify_possession(
        &self,
        key: &LotteryPublicKey,
        message: &[u8],
        proof: &LotterySignature,
    ) -> bool;
}

/// Ciphersuite of the BLS signatures draft (proof-of-possession scheme, signatures in G1).
const SIGNATURE_SUITE: &[u8] = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_";
const POSSESSION_SUITE: &[u8] = b"BLS_POP_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_";

/// How many decompressed lottery keys are kept: all members of the largest network foreseen (100)
/// through many changes of membership.
const MOST_CACHED_KEYS: usize = 1024;

/// The real signatures.
#[derive(Default)]
pub struct BlsAndEd25519 {
    /// Decompressing and checking a G2 point costs more than a pairing; members are few.
    checked_keys: Mutex<BTreeMap<LotteryPublicKey, min_sig::PublicKey>>,
}

impl BlsAndEd25519 {
    /// With an empty cache of keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// The key as a checked point: on the curve, in the subgroup, not the identity.
    fn checked_key(&self, key: &LotteryPublicKey) -> Option<min_sig::PublicKey> {
        let mut cache = match self.checked_keys.lock() {
            Ok(cache) => cache,
            Err(poisoned) => poisoned.into_inner(),
        };
        if let Some(known) = cache.get(key) {
            return Some(*known);
        }
        let point = min_sig::PublicKey::key_validate(key.as_bytes()).ok()?;
        if cache.len() >= MOST_CACHED_KEYS {
            cache.clear();
        }
        cache.insert(*key, point);
        Some(point)
    }

    fn verify_bls(
        &self,
        key: &LotteryPublicKey,
        message: &[u8],
        suite: &[u8],
        signature: &LotterySignature,
    ) -> bool {
        let Some(point) = self.checked_key(key) else {
            return false;
        };
        min_sig::Signature::from_bytes(signature.as_bytes()).is_ok_and(|signature| {
            signature.verify(true, message, suite, &[], &point, false) == BLST_ERROR::BLST_SUCCESS
        })
    }

    fn secret(secret: &LotterySecret) -> min_sig::SecretKey {
        let key = min_sig::SecretKey::key_gen(secret.expose(), &[]);
        assert!(
            key.is_ok(),
            "32 bytes of key material always make a BLS key"
        );
        key.unwrap_or_default()
    }
}

impl Signatures for BlsAndEd25519 {
    fn identity_public(&self, secret: &IdentitySecret) -> IdentityPublicKey {
        let signing = ed25519_zebra::SigningKey::from(*secret.expose());
        IdentityPublicKey::new(ed25519_zebra::VerificationKey::from(&signing).into())
    }

    fn sign_identity(&self, secret: &IdentitySecret, message: &[u8]) -> IdentitySignature {
        let signing = ed25519_zebra::SigningKey::from(*secret.expose());
        IdentitySignature::new(signing.sign(message).to_bytes())
    }

    fn verify_identity(
        &self,
        key: &IdentityPublicKey,
        message: &[u8],
        signature: &IdentitySignature,
    ) -> bool {
        let signature = ed25519_zebra::Signature::from_bytes(signature.as_bytes());
        ed25519_zebra::VerificationKey::try_from(*key.as_bytes())
            .is_ok_and(|key| key.verify(&signature, message).is_ok())
    }

    fn verify_identities(&self, checks: &[IdentityCheck]) -> bool {
        match checks {
            [] => return true,
            [check] => {
                return self.verify_identity(&check.key, &check.message, &check.signature);
            }
            _ => {}
        }
        let mut batch = ed25519_batch::Verifier::new();
        for check in checks {
            let signature = ed25519_zebra::Signature::from_bytes(check.signature.as_bytes());
            batch.queue((
                VerificationKeyBytes::from(*check.key.as_bytes()),
                signature,
                &check.message,
            ));
        }
        // Nobody can foresee the coefficients, and the answer does not depend on them.
        batch.verify(rand::rng()).is_ok()
    }

    fn lottery_public(&self, secret: &LotterySecret) -> LotteryPublicKey {
        LotteryPublicKey::new(Self::secret(secret).sk_to_pk().compress())
    }

    fn sign_lottery(&self, secret: &LotterySecret, message: &[u8]) -> LotterySignature {
        LotterySignature::new(
            Self::secret(secret)
                .sign(message, SIGNATURE_SUITE, &[])
                .compress(),
        )
    }

    fn verify_lottery(
        &self,
        key: &LotteryPublicKey,
        message: &[u8],
        signature: &LotterySignature,
    ) -> bool {
        self.verify_bls(key, message, SIGNATURE_SUITE, signature)
    }

    fn prove_possession(&self, secret: &LotterySecret, message: &[u8]) -> LotterySignature {
        LotterySignature::new(
            Self::secret(secret)
                .sign(message, POSSESSION_SUITE, &[])
                .compress(),
        )
    }

    fn verify_possession(
        &self,
        key: &LotteryPublicKey,
        message: &[u8],
        proof: &LotterySignature,
    ) -> bool {
        self.verify_bls(key, message, POSSESSION_SUITE, proof)
    }
}
