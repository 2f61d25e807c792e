//! The network that is simulated: its genesis and its members' keys.

use std::sync::Arc;

use ledger::PoolLimits;
use replica::Checker;
use types::{
    BlsAndEd25519, ChainId, Genesis, IdentityPublicKey, IdentitySecret, LotterySecret, MemberCard,
    MemberIndex, MemberSet, Signatures, Simulated, Text, UnixMillis,
    encoding::{encode, sha256},
    genesis::Admission,
};

use crate::plan::Plan;

/// The most orders a block may record; few, so that a simulation reaches the limit.
pub(crate) const MAX_BLOCK_ORDERS: u32 = 100;

/// The most orders of one batch.
pub(crate) const MAX_BATCH_ORDERS: u32 = 50;

/// The caps of every member's pool: a few blocks, as in production, and more than any honest member of
/// a simulation takes in.
pub(crate) const POOL_LIMITS: PoolLimits = PoolLimits {
    author_orders: 2 * MAX_BLOCK_ORDERS as u64,
    author_bytes: 1024 * 1024,
};

/// What everybody knows, and the keys, which only their members use.
pub struct Network {
    /// The genesis.
    pub genesis: Arc<Genesis>,
    /// Its hash.
    pub chain: ChainId,
    /// Its members; a host's number is its member's index.
    pub members: MemberSet,
    /// Signing and checking.
    pub signatures: Arc<dyn Signatures>,
    keys: Vec<Keys>,
}

/// A member's keys.
#[derive(Clone)]
pub struct Keys {
    /// Signs blocks, batches and votes.
    pub identity: IdentitySecret,
    /// Draws tickets.
    pub lottery: LotterySecret,
    /// The public key of the identity.
    pub public: IdentityPublicKey,
}

impl Network {
    /// Checks messages as every member does.
    pub(crate) fn checker(&self) -> Checker<'_> {
        Checker {
            signatures: &*self.signatures,
            genesis: &self.genesis,
            chain: &self.chain,
            members: &self.members,
        }
    }

    /// The network of a plan.
    pub fn found(plan: &Plan) -> Arc<Self> {
        let signatures: Arc<dyn Signatures> = if plan.real_signatures {
            Arc::new(BlsAndEd25519::new())
        } else {
            Arc::new(Simulated)
        };
        let mut keys: Vec<Keys> = (0..plan.members())
            .map(|member| {
                let secret = |purpose: u8| {
                    let secret: types::Digest =
                        sha256(&encode(&(purpose, plan.seed, member as u64)));
                    *secret.as_bytes()
                };
                let identity = IdentitySecret::new(secret(0));
                let public = signatures.identity_public(&identity);
                let lottery = LotterySecret::new(secret(1));
                Keys {
                    identity,
                    lottery,
                    public,
                }
            })
            .collect();
        let cards = keys.iter().enumerate().map(|(member, keys)| {
            let name = text(format!("shop {member}"));
            MemberCard::new(&*signatures, name, &keys.identity, &keys.lottery)
        });
        let genesis = Genesis {
            version: types::FORMAT_VERSION,
            network: text("simulated"),
            genesis_time: UnixMillis(crate::clocks::EPOCH_MILLIS),
            currency: "EUR".parse().expect("EUR is a currency"),
            fault_model: plan.fault_model,
            timing: plan.timing,
            max_block_orders: plan.max_block_orders,
            max_block_bytes: 1024 * 1024,
            max_batch_orders: plan.max_block_orders.min(MAX_BATCH_ORDERS),
            heartbeat: plan.heartbeat,
            admission: Admission::Fixed,
            members: cards.collect(),
        };
        let members = genesis.member_set();
        keys.sort_by_key(|keys| members.index_of_identity(&keys.public));
        Arc::new(Self {
            chain: genesis.chain_id(),
            genesis: Arc::new(genesis),
            members,
            signatures,
            keys,
        })
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Never: a plan has at least one member.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys of a member.
    pub fn keys(&self, host: usize) -> &Keys {
        &self.keys[host]
    }

    /// The host of an identity.
    pub fn host_of(&self, key: &IdentityPublicKey) -> Option<usize> {
        self.keys.iter().position(|keys| keys.public == *key)
    }

    /// A host's index among the members.
    pub fn index(&self, host: usize) -> MemberIndex {
        MemberIndex(u16::try_from(host).expect("a network has at most 100 members"))
    }
}

/// A text that is short enough for any field.
pub(crate) fn text<const N: usize>(text: impl Into<String>) -> Text<N> {
    Text::new(text).expect("the simulator's texts are short")
}
