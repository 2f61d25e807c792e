//! What this machine can do in one thread, without a network: what scenarios are compared with.

use std::{
    fs::File,
    hint::black_box,
    io::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use api::model::NewOrder;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use types::{BlsAndEd25519, ChainId, LotterySecret, Signatures as _, signatures::IdentityCheck};

use crate::{
    load::{Kind, keys, prepare},
    scenarios::ORDER_BYTES,
};

/// How often each limit is measured. The best time counts, because others on the machine only make it
/// worse; of syncs the median, because they are the disk's.
const ROUNDS: usize = 50;
/// How long one measurement takes at least.
const ROUND: Duration = Duration::from_millis(4);
/// How many signatures are checked together: a batch's.
const BULK: usize = 1_000;
/// What is signed is about as long as what a customer signs.
const SIGNED_BYTES: usize = 150;
/// About what is hashed of an order at a time.
const HASHED_BYTES: usize = 300;
/// About what is appended at a time: a vote, a block.
const APPENDED_BYTES: usize = 4_096;

/// Microseconds for each.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Limits {
    /// Checking one Ed25519 signature of a bulk.
    pub(crate) ed25519_bulk: f64,
    /// SHA-256 of 300 bytes.
    pub(crate) sha256: f64,
    /// Appending 4 KiB to a file and `fdatasync`.
    pub(crate) append_sync: f64,
    /// Checking one BLS signature.
    pub(crate) bls: f64,
    /// Reading the JSON of an order.
    pub(crate) json: f64,
}

impl Limits {
    /// Measures them; files are written in a folder.
    ///
    /// # Errors
    /// When files cannot be written there.
    pub(crate) fn measure(folder: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            ed25519_bulk: ed25519_bulk(),
            sha256: sha256(),
            append_sync: append_sync(folder)
                .with_context(|| format!("cannot write in {}", folder.display()))?,
            bls: bls(),
            json: json()?,
        })
    }

    /// The names of the limits, and what they are in microseconds.
    pub(crate) fn all(&self) -> [(&'static str, f64); 5] {
        [
            ("Ed25519 verification, one of a bulk", self.ed25519_bulk),
            ("SHA-256 of 300 bytes", self.sha256),
            ("append 4 KiB + fdatasync", self.append_sync),
            ("BLS verification", self.bls),
            ("JSON of an order", self.json),
        ]
    }
}

/// How many microseconds an operation takes in each round.
fn times(mut operation: impl FnMut()) -> [f64; ROUNDS] {
    std::array::from_fn(|_| {
        let (start, mut count) = (Instant::now(), 0_u32);
        while count == 0 || start.elapsed() < ROUND {
            operation();
            count += 1;
        }
        start.elapsed().as_secs_f64() * 1e6 / f64::from(count)
    })
}

/// How many microseconds an operation takes at best.
fn time(operation: impl FnMut()) -> f64 {
    times(operation).into_iter().fold(f64::INFINITY, f64::min)
}

fn ed25519_bulk() -> f64 {
    let signatures = BlsAndEd25519::new();
    let keys = keys();
    let checks: Vec<IdentityCheck> = (0..BULK)
        .zip(keys.iter().cycle())
        .map(|(number, secret)| {
            let mut message = vec![7; SIGNED_BYTES];
            message[..8].copy_from_slice(&number.to_le_bytes());
            IdentityCheck {
                key: signatures.identity_public(secret),
                signature: signatures.sign_identity(secret, &message),
                message,
            }
        })
        .collect();
    time(|| assert!(signatures.verify_identities(black_box(&checks)))) / BULK as f64
}

fn sha256() -> f64 {
    let bytes = [5_u8; HASHED_BYTES];
    // One alone is hardly longer than looking at the clock.
    time(|| {
        for _ in 0..100 {
            black_box(Sha256::digest(black_box(bytes)));
        }
    }) / 100.0
}

fn append_sync(folder: &Path) -> std::io::Result<f64> {
    let mut file = tempfile::tempfile_in(folder)?;
    let append = |file: &mut File| {
        file.write_all(&[3; APPENDED_BYTES])?;
        file.sync_data()
    };
    let mut failed = Ok(());
    let mut micros = times(|| {
        if let Err(error) = append(&mut file) {
            failed = Err(error);
        }
    });
    micros.sort_by(f64::total_cmp);
    failed.map(|()| micros[ROUNDS / 2])
}

fn bls() -> f64 {
    let signatures = BlsAndEd25519::new();
    let message = ChainId::new([1; 32]);
    let secret = LotterySecret::new([1; 32]);
    let key = signatures.lottery_public(&secret);
    let ticket = signatures.sign_lottery(&secret, message.as_bytes());
    time(|| assert!(signatures.verify_lottery(&key, message.as_bytes(), black_box(&ticket))))
}

fn json() -> anyhow::Result<f64> {
    let kind = Kind::Till { bytes: ORDER_BYTES };
    let mut lines = prepare(kind, &["shop1"], ChainId::ZERO, 1, Duration::ZERO)?;
    let (line, _) = lines[0].take(1);
    Ok(time(|| {
        let order: NewOrder = serde_json::from_slice(black_box(&line)).expect("it is an order");
        black_box(order);
    }))
}
