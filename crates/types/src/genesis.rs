//! What a network is founded on: its members, its timing, its limits (`docs/protocol.md` §2).

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::{
    batch::BatchLimits,
    encoding::{Domain, hash, hash_bytes},
    fixed::{
        ChainId, IdentityPublicKey, IdentitySignature, LotteryPublicKey, LotterySignature,
        MemberId, Seed,
    },
    members::{FaultModel, Member, MemberSet},
    signatures::{IdentitySecret, LotterySecret, Signatures},
    text::Text,
    units::{Currency, Micros, UnixMillis},
};

/// The longest name of a network or a member, in bytes of UTF-8.
pub const MAX_NAME_BYTES: usize = 64;
/// The most members a network may have: a certificate with the votes of all of them has 7 KB, and is
/// verified in two milliseconds.
pub const MAX_MEMBERS: usize = 100;
/// The largest block, in bytes of public encoding: a message with it and its personal parts stays
/// under the network's bound.
pub const MAX_BLOCK_BYTES: u32 = 8 * 1024 * 1024;
/// The most entries a block may seal.
pub const MAX_BLOCK_ORDERS: u32 = 20_000;
/// The longest mean wait or grace: an hour.
pub const MAX_WAIT: Micros = Micros(3_600_000_000);

/// A member's public keys, its name and its proof of possession: what it hands to the founders.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberCard {
    /// What people call it.
    pub name: Text<MAX_NAME_BYTES>,
    /// Its Ed25519 key.
    pub identity_key: IdentityPublicKey,
    /// Its BLS key.
    pub lottery_key: LotteryPublicKey,
    /// Proof that it knows the BLS key's secret.
    pub possession: LotterySignature,
}

/// The lottery's times.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// The shortest wait.
    #[serde(rename = "min_wait_us")]
    pub min_wait: Micros,
    /// The expected winning wait above the shortest.
    #[serde(rename = "mean_wait_us")]
    pub mean_wait: Micros,
    /// How long members hold their vote for a better block that may be under way.
    #[serde(rename = "grace_us")]
    pub grace: Micros,
}

/// Timings that fit common networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// One building: 0 / 5 / 5 ms.
    Lan,
    /// One city: 0 / 20 / 30 ms.
    Metro,
    /// The world: 0 / 100 / 200 ms.
    Wan,
}

impl Preset {
    /// The preset's waits and grace.
    pub const fn timing(self) -> Timing {
        let (mean, grace) = match self {
            Self::Lan => (5, 5),
            Self::Metro => (20, 30),
            Self::Wan => (100, 200),
        };
        Timing {
            min_wait: Micros(0),
            mean_wait: Micros::from_millis(mean),
            grace: Micros::from_millis(grace),
        }
    }
}

impl Timing {
    /// Waits from `shortest` to `longest` among `members`, uniform: the original's "1 to 20 s".
    pub const fn between(shortest: Micros, longest: Micros, members: usize, grace: Micros) -> Self {
        let range = longest.0.saturating_sub(shortest.0);
        let mean = match range.checked_div((members as u64).saturating_add(1)) {
            Some(mean) => mean,
            None => 0,
        };
        Self {
            min_wait: shortest,
            mean_wait: Micros(mean),
            grace,
        }
    }

    /// The longest wait a member can draw among `members`.
    pub const fn longest_wait(&self, members: usize) -> Micros {
        self.min_wait
            .plus(self.mean_wait.times((members as u64).saturating_add(1)))
    }

    /// How long a member stays in one height before it sends again what may have been lost:
    /// max(100 ms LAN, 300 ms metro, 600 ms WAN, 2 × (longest wait + grace)) (`docs/protocol.md` §7).
    /// The preset is known by its grace.
    pub const fn resend_interval(&self, members: usize) -> Micros {
        let preset = if self.grace.0 <= 20_000 {
            100
        } else if self.grace.0 <= 100_000 {
            300
        } else {
            600
        };
        let preset = Micros::from_millis(preset);
        let waits = self.longest_wait(members).plus(self.grace).times(2);
        if waits.0 > preset.0 { waits } else { preset }
    }
}

/// Everything a network's members agree on before its first block.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// Format version.
    pub version: u16,
    /// What people call the network.
    pub network: Text<MAX_NAME_BYTES>,
    /// When it was founded.
    #[serde(rename = "genesis_time_ms")]
    pub genesis_time: UnixMillis,
    /// What a bare amount is in.
    pub currency: Currency,
    /// How members may fail.
    pub fault_model: FaultModel,
    /// The lottery's times.
    pub timing: Timing,
    /// The most entries a block seals.
    pub max_block_orders: u32,
    /// The most bytes of public encoding a block seals.
    pub max_block_bytes: u32,
    /// The most entries a batch carries.
    pub max_batch_orders: u32,
    /// Makes an empty block after so long without work; 0 is never.
    #[serde(rename = "heartbeat_us", default)]
    pub heartbeat: Micros,
    /// How members come and go.
    #[serde(default)]
    pub admission: Admission,
    /// The founding members.
    pub members: Vec<MemberCard>,
}

/// How members come and go.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Admission {
    /// The founding members are all there will be.
    #[default]
    Fixed,
}

/// What is wrong with a genesis. Its founders' fault; a corrected file helps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// Written by another version.
    #[error("the genesis has format version {found}; this program reads version {expected}")]
    Version {
        /// The file's.
        found: u16,
        /// Ours.
        expected: u16,
    },
    /// No members, or too many.
    #[error("a network has 1 to {MAX_MEMBERS} members; the genesis lists {0}")]
    MemberCount(usize),
    /// One name or key twice.
    #[error("two members share the {what} of {name:?}")]
    Duplicate {
        /// What they share.
        what: &'static str,
        /// One of them.
        name: String,
    },
    /// A card whose keys are not proved.
    #[error("the card of {0:?} is not right: it does not prove that its keys are its own")]
    Possession(String),
    /// A name that is empty.
    #[error("{0} needs a name")]
    NoName(&'static str),
    /// A limit out of its bounds.
    #[error("{name} is {value}; it must be {bounds}")]
    OutOfBounds {
        /// Which.
        name: &'static str,
        /// What it is.
        value: u64,
        /// What it may be.
        bounds: String,
    },
}

impl MemberCard {
    /// Makes a card from a member's secrets.
    pub fn new(
        signatures: &dyn Signatures,
        name: Text<MAX_NAME_BYTES>,
        identity: &IdentitySecret,
        lottery: &LotterySecret,
    ) -> Self {
        let identity_key = signatures.identity_public(identity);
        let lottery_key = signatures.lottery_public(lottery);
        let possession = signatures.prove_possession(
            lottery,
            &possession_bytes(&name, &identity_key, &lottery_key),
        );
        Self {
            name,
            identity_key,
            lottery_key,
            possession,
        }
    }

    /// True when the proof of possession fits, and the identity key is none for which everybody can sign.
    pub fn is_proved(&self, signatures: &dyn Signatures) -> bool {
        if signatures.verify_identity(&self.identity_key, &[], &NOBODYS_SIGNATURE) {
            return false;
        }
        let bytes = possession_bytes(&self.name, &self.identity_key, &self.lottery_key);
        signatures.verify_possession(&self.lottery_key, &bytes, &self.possession)
    }

    /// The permanent id: the hash of the card.
    pub fn id(&self) -> MemberId {
        hash(Domain::Member, self)
    }
}

/// The identity point and the scalar 0, made without any secret: by ZIP-215 it holds, for every message,
/// where the key is a point of small order.
const NOBODYS_SIGNATURE: IdentitySignature = {
    let mut bytes = [0; 64];
    bytes[0] = 1;
    IdentitySignature::new(bytes)
};

/// What a proof of possession signs. No chain id: a card is made before its network is.
fn possession_bytes(
    name: &Text<MAX_NAME_BYTES>,
    identity: &IdentityPublicKey,
    lottery: &LotteryPublicKey,
) -> Vec<u8> {
    let digest: crate::fixed::Digest = hash(Domain::Possession, &(name, identity, lottery));
    digest.as_bytes().to_vec()
}

impl Genesis {
    /// Checks that the network can work: bounds, distinct members, proofs of possession.
    ///
    /// # Errors
    /// The first fault found.
    pub fn check(&self, signatures: &dyn Signatures) -> Result<(), GenesisError> {
        if self.version != crate::FORMAT_VERSION {
            return Err(GenesisError::Version {
                found: self.version,
                expected: crate::FORMAT_VERSION,
            });
        }
        if self.members.is_empty() || self.members.len() > MAX_MEMBERS {
            return Err(GenesisError::MemberCount(self.members.len()));
        }
        if self.network.as_str().is_empty() {
            return Err(GenesisError::NoName("the network"));
        }
        self.check_limits()?;
        for (place, member) in self.members.iter().enumerate() {
            let name = member.name.as_str();
            if name.is_empty() {
                return Err(GenesisError::NoName("every member"));
            }
            for other in self.members.iter().skip(place.saturating_add(1)) {
                let what = if other.name == member.name {
                    "name"
                } else if other.identity_key == member.identity_key {
                    "identity key"
                } else if other.lottery_key == member.lottery_key {
                    "lottery key"
                } else {
                    continue;
                };
                return Err(GenesisError::Duplicate {
                    what,
                    name: name.to_owned(),
                });
            }
            if !member.is_proved(signatures) {
                return Err(GenesisError::Possession(name.to_owned()));
            }
        }
        Ok(())
    }

    fn check_limits(&self) -> Result<(), GenesisError> {
        let within = |name, value: u64, least: u64, most: u64| {
            if value >= least && value <= most {
                return Ok(());
            }
            Err(GenesisError::OutOfBounds {
                name,
                value,
                bounds: format!("{least} to {most}"),
            })
        };
        let longest = MAX_WAIT.0;
        within(
            "max_block_orders",
            self.max_block_orders.into(),
            1,
            MAX_BLOCK_ORDERS.into(),
        )?;
        within(
            "max_batch_orders",
            self.max_batch_orders.into(),
            1,
            self.max_block_orders.into(),
        )?;
        within(
            "max_block_bytes",
            self.max_block_bytes.into(),
            128 * 1024,
            MAX_BLOCK_BYTES.into(),
        )?;
        within("min_wait_us", self.timing.min_wait.0, 0, longest)?;
        within("mean_wait_us", self.timing.mean_wait.0, 1, longest)?;
        within("grace_us", self.timing.grace.0, 1, longest)?;
        within("heartbeat_us", self.heartbeat.0, 0, u64::MAX)
    }

    /// The network's id: SHA-256 of the canonical encoding.
    pub fn chain_id(&self) -> ChainId {
        hash(Domain::Genesis, self)
    }

    /// The first seed of the lottery: the chain id.
    pub fn seed(&self) -> Seed {
        Seed::new(*self.chain_id().as_bytes())
    }

    /// The members of the first epoch.
    pub fn member_set(&self) -> MemberSet {
        let members = self
            .members
            .iter()
            .map(|card| Member {
                id: card.id(),
                name: card.name.as_str().to_owned(),
                identity_key: card.identity_key,
                lottery_key: card.lottery_key,
            })
            .collect();
        MemberSet::new(members, self.fault_model)
    }

    /// The limits a batch must keep.
    pub const fn batch_limits(&self) -> BatchLimits {
        BatchLimits {
            max_batch_orders: self.max_batch_orders,
            max_block_bytes: self.max_block_bytes,
        }
    }
}

/// The next link of the lottery's chain of seeds: SHA-256(tag ‖ parent's seed ‖ ticket)
/// (`docs/protocol.md` §4).
pub fn next_seed(parent: &Seed, ticket: &LotterySignature) -> Seed {
    let mut bytes = parent.as_bytes().to_vec();
    bytes.extend_from_slice(ticket.as_bytes());
    hash_bytes(Domain::Seed, &bytes)
}
