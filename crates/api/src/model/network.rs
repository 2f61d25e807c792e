//! Bodies about blocks, members, the node and what happens.

use serde::{Deserialize, Serialize};
use types::{
    BlockHash, ChainId, FaultModel, IdentityPublicKey, LotteryPublicKey, MemberId, OrderId,
};
use utoipa::ToSchema;

use crate::{model::OrderView, time::Time};

/// A block in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BlockSummary {
    /// Its height; the genesis is 0 and not listed.
    pub height: u64,
    /// Its hash.
    #[schema(value_type = String)]
    pub hash: BlockHash,
    /// The block below.
    #[schema(value_type = String)]
    pub parent: BlockHash,
    /// The epoch whose members voted.
    pub epoch: u64,
    /// When it was sealed.
    pub timestamp: Time,
    /// The name of the member that won it.
    pub winner: String,
    /// That member's permanent id.
    #[schema(value_type = String)]
    pub winner_id: MemberId,
    /// How long the winner waited, in microseconds.
    pub wait_us: u64,
    /// How many orders it recorded.
    pub orders: u64,
    /// How many orders the order log holds after it.
    pub log_size: u64,
    /// True once it is final.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// From the block's timestamp to its being final at this node, in milliseconds; missing where
    /// this node did not see it happen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_to_final_ms: Option<u64>,
}

/// A block with the ids of its orders; each is shown by `GET /v1/orders/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BlockDetail {
    /// The block.
    pub block: BlockSummary,
    /// The orders it recorded, in the order of the order log.
    #[schema(value_type = Vec<String>)]
    pub order_ids: Vec<OrderId>,
}

/// A page of blocks, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BlockPage {
    /// The blocks.
    pub blocks: Vec<BlockSummary>,
    /// Give this as `before` to get the next page; null on the last page.
    pub next: Option<u64>,
}

/// What waits to be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct PoolCounts {
    /// Orders.
    pub orders: u64,
    /// The batches that carry them.
    pub batches: u64,
}

/// The pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PoolView {
    /// How much waits.
    pub counts: PoolCounts,
    /// The first of the orders that wait, at most as many as asked for.
    pub orders: Vec<OrderView>,
}

/// A member of the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MemberView {
    /// Its permanent id.
    #[schema(value_type = String)]
    pub id: MemberId,
    /// Its name.
    pub name: String,
    /// Its Ed25519 key.
    #[schema(value_type = String)]
    pub identity_key: IdentityPublicKey,
    /// Its BLS key.
    #[schema(value_type = String)]
    pub lottery_key: LotteryPublicKey,
    /// True for the member whose node answers.
    pub this_node: bool,
    /// True while connected; always true for the member whose node answers.
    pub connected: bool,
    /// Its final height, as it last said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub final_height: Option<u64>,
    /// How many final blocks it won.
    pub wins: u64,
    /// What went between it and the node that answers; missing while they are not connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Traffic>,
}

/// What went over a connection since it was made: messages of the protocol, before encryption.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Traffic {
    /// Messages sent to the member.
    pub messages_sent: u64,
    /// Their bytes.
    pub bytes_sent: u64,
    /// Messages received from it.
    pub messages_received: u64,
    /// Their bytes.
    pub bytes_received: u64,
}

/// All members, in the order of their indexes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MemberList {
    /// The members.
    pub members: Vec<MemberView>,
    /// How many make a quorum.
    pub quorum: u64,
}

/// How the node and its network stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatusView {
    /// The network's name.
    pub network: String,
    /// The network's id, which signatures cover.
    #[schema(value_type = String)]
    pub chain: ChainId,
    /// The currency of a bare amount.
    pub currency: String,
    /// How many decimals amounts in it have; missing where ISO 4217 does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency_decimals: Option<u32>,
    /// How members may fail.
    #[schema(value_type = String, example = "byzantine")]
    pub fault_model: FaultModel,
    /// The name of this node's member.
    pub member: String,
    /// Its permanent id.
    #[schema(value_type = String)]
    pub member_id: MemberId,
    /// The program's version.
    pub version: String,
    /// The epoch it is in.
    pub epoch: u64,
    /// The height it works on.
    pub height: u64,
    /// The height of its newest final block.
    pub final_height: u64,
    /// That block's hash; the chain id while there is none.
    #[schema(value_type = String)]
    pub final_hash: BlockHash,
    /// How many final orders there are. While the node reads its chain (see `reason`), this and what
    /// is around it rises to where it was before the restart.
    pub log_size: u64,
    /// What waits to be sealed.
    pub pool: PoolCounts,
    /// How many members there are.
    pub members: u64,
    /// With how many of the others it is connected.
    pub connected: u64,
    /// True when it takes orders and can get them sealed.
    pub ready: bool,
    /// Why it is not ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The race of the height the node works on: what its own member drew, and how long it has waited. What
/// others drew is told with their blocks, and not before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RaceView {
    /// The height the node works on.
    pub height: u64,
    /// The wait that its own member drew at this height, in microseconds; null where it draws none.
    pub own_wait_us: Option<u64>,
    /// How long its clock has run, in microseconds; null while it sleeps, because there is no work.
    pub elapsed_us: Option<u64>,
    /// The shortest wait that can be drawn.
    pub min_wait_us: u64,
    /// The expected winning wait above the shortest. A wait is below `min_wait_us` and so much for each
    /// member and once more.
    pub mean_wait_us: u64,
    /// How long members hold their vote for a better block that may be under way.
    pub grace_us: u64,
    /// How many members draw.
    pub members: u64,
}

/// Proof that a member signed two different blocks of one height: it lies, or its key is used twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EvidenceView {
    /// Which member.
    #[schema(value_type = String)]
    pub member: MemberId,
    /// Its name.
    pub name: String,
    /// The height of both blocks.
    pub height: u64,
    /// The block this node saw first, or was told of first.
    #[schema(value_type = String)]
    pub first: BlockHash,
    /// The other.
    #[schema(value_type = String)]
    pub second: BlockHash,
}

/// What this node can prove of members that lied, the highest height first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EvidenceList {
    /// At most 100 of them.
    pub evidence: Vec<EvidenceView>,
}

/// The answer of `/livez`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Liveness {
    /// Always true: a node that is not alive does not answer.
    pub alive: bool,
}

/// The answer of `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// True when the node takes orders and can get them sealed.
    pub ready: bool,
    /// Why it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The data of an event of `GET /v1/events`; `kind` is the event's name, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum EventData {
    /// This node accepted an order.
    OrderAccepted {
        /// The order.
        #[schema(value_type = String)]
        id: OrderId,
    },
    /// A block was certified.
    BlockSealed {
        /// The block.
        block: BlockSummary,
    },
    /// A block became final.
    BlockFinal {
        /// The block.
        block: BlockSummary,
    },
    /// The node works on another height, or its clock started or stopped. At most twenty a second are
    /// told, and always the last.
    Race(RaceView),
    /// A member connected.
    MemberUp {
        /// Which.
        #[schema(value_type = String)]
        member: MemberId,
        /// Its name.
        name: String,
    },
    /// A member disconnected.
    MemberDown {
        /// Which.
        #[schema(value_type = String)]
        member: MemberId,
        /// Its name.
        name: String,
    },
    /// Events were missed: too many happened, or the node started anew. Read the state again.
    Reset,
}

impl EventData {
    /// The event's name in the stream.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::OrderAccepted { .. } => "order-accepted",
            Self::BlockSealed { .. } => "block-sealed",
            Self::BlockFinal { .. } => "block-final",
            Self::Race(_) => "race",
            Self::MemberUp { .. } => "member-up",
            Self::MemberDown { .. } => "member-down",
            Self::Reset => "reset",
        }
    }
}

/// Problem details as in RFC 9457: the body of every error, as `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemBody {
    /// Names the kind of problem.
    #[serde(rename = "type")]
    #[schema(example = "urn:dexter:problem:pool-full")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What was wrong and what to do.
    pub detail: String,
    /// The order that is meant, where there is one: the recorded one of a duplicate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub order: Option<OrderId>,
}
