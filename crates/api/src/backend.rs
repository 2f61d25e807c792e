//! What the interface needs of the node: take an order, look things up, tell what happens.

use std::sync::Arc;

use futures::future::BoxFuture;
use types::{
    BlockHash, Certificate, ChainId, Digest, Epoch, Equivocation, FinalBlock, Genesis, Height,
    LogIndex, LogSize, Member, MemberId, Micros, Order, OrderId, PersonalPart, Receipt,
    SignedHeader, UnixMillis, block::Header,
};

use crate::{
    feed::EventFeed,
    model::{Menu, OrderState, PoolCounts, RaceView, Traffic},
};

/// The most orders that are submitted together: as many as a batch holds unless its network was
/// founded otherwise.
pub const MAX_GROUP_ORDERS: usize = 1_000;

/// The node as the interface sees it. Implemented by the node over its replica and store, and by the
/// tests in memory.
///
/// Every method may be called by many requests at once; dropping a future gives up waiting, it does
/// not undo anything.
pub trait Backend: Send + Sync + 'static {
    /// What the network is founded on.
    fn genesis(&self) -> &Genesis;
    /// The network's id.
    fn chain_id(&self) -> ChainId;
    /// The permanent id of this node's member.
    fn member_id(&self) -> MemberId;
    /// The name of this node's member: the receiver of an order that names none.
    fn member_name(&self) -> &str;
    /// The program's version.
    fn version(&self) -> &str;
    /// What happens, for the event stream.
    fn events(&self) -> &Arc<EventFeed>;

    /// How the node stands.
    fn status(&self) -> BoxFuture<'_, Result<NodeStatus, ReadError>>;
    /// The race of the height it works on.
    fn race(&self) -> BoxFuture<'_, Result<RaceView, ReadError>>;
    /// The members of the present epoch, in the order of their indexes.
    fn members(&self) -> BoxFuture<'_, Result<Vec<MemberStatus>, ReadError>>;
    /// The shop's own menu.
    fn menu(&self) -> Menu;
    /// Keeps another menu, checked already; resolves once it is durable.
    fn put_menu(&self, menu: Menu) -> BoxFuture<'_, Result<(), NotKept>>;
    /// What this node can prove of members that lied, the highest height first, at most `limit` of it.
    fn evidence(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Equivocation>, ReadError>>;
    /// What waits to be sealed: the counts, and at most `limit` orders, oldest first.
    fn pool(&self, limit: usize) -> BoxFuture<'_, Result<PoolPage, ReadError>>;

    /// Takes a group of at most [`MAX_GROUP_ORDERS`] orders; resolves once those it takes are durable
    /// at this node, with an answer for each in the same order. Checks customers' signatures. A group
    /// is taken together or, where there is no room for all of it, not at all.
    fn submit(&self, group: Vec<Submission>) -> BoxFuture<'_, Result<Vec<Answer>, Full>>;
    /// Resolves once an order this node accepted is final. The caller bounds the wait.
    fn when_final(&self, id: OrderId) -> BoxFuture<'_, Result<Placement, ReadError>>;
    /// An order, wherever it stands.
    fn order(&self, id: OrderId) -> BoxFuture<'_, Result<Option<OrderRecord>, ReadError>>;
    /// Final orders in the order of the order log: those that match, after a place, at most `limit`.
    /// It may stop early to bound the search; `next` then says where to go on.
    fn orders(&self, search: OrderSearch) -> BoxFuture<'_, Result<OrderSearchPage, ReadError>>;
    /// The proof of an order with the members of its header's epoch; `None` unless the order is final.
    fn receipt(&self, id: OrderId) -> BoxFuture<'_, Result<Option<Proven>, ReadError>>;

    /// A block, final or certified, with the orders it recorded.
    fn block(&self, name: BlockName) -> BoxFuture<'_, Result<Option<BlockRecord>, ReadError>>;
    /// At most `limit` blocks, newest first, below `before` if given.
    fn blocks(
        &self,
        before: Option<Height>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<BlockInfo>, ReadError>>;
    /// A run of final blocks from a height on, each with its finality certificate if it has one of its
    /// own: at least one where there is one that a certificate covers, and a few megabytes at most unless
    /// one block is more.
    fn final_blocks(&self, from: Height) -> BoxFuture<'_, Result<Vec<FinalFrame>, ReadError>>;
    /// As [`Backend::final_blocks`], of headers alone, and far fewer bytes.
    fn final_headers(&self, from: Height) -> BoxFuture<'_, Result<Vec<HeaderFrame>, ReadError>>;
}

/// The receipt of a final order, and the members of its header's epoch.
pub type Proven = (Receipt, Vec<Member>);

/// A final block and its finality certificate, if it has one of its own.
pub type FinalFrame = (FinalBlock, Option<Certificate>);

/// The header of a final block under its proposer's signature, and the block's finality certificate, if
/// it has one of its own.
pub type HeaderFrame = (SignedHeader, Option<Certificate>);

/// How the node stands.
#[derive(Debug, Clone)]
pub struct NodeStatus {
    /// The epoch it is in.
    pub epoch: Epoch,
    /// The height it works on.
    pub height: Height,
    /// The height of its newest final block.
    pub final_height: Height,
    /// That block's hash.
    pub final_hash: BlockHash,
    /// How many final orders there are.
    pub log_size: LogSize,
    /// What waits to be sealed.
    pub pool: PoolCounts,
    /// With how many other members it is connected.
    pub connected: usize,
    /// Whether it takes orders and can get them sealed, or why not.
    pub ready: Result<(), String>,
}

/// A member as this node sees it.
#[derive(Debug, Clone)]
pub struct MemberStatus {
    /// The member.
    pub member: Member,
    /// True while connected; true for this node's own.
    pub connected: bool,
    /// Its final height, as it last said.
    pub final_height: Option<Height>,
    /// How many final blocks it won.
    pub wins: u64,
    /// What went over the connection with it, while there is one.
    pub traffic: Option<Traffic>,
}

/// Part of the pool.
#[derive(Debug, Clone)]
pub struct PoolPage {
    /// How much waits in all.
    pub counts: PoolCounts,
    /// The oldest of it.
    pub orders: Vec<OrderRecord>,
}

/// An order to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// The public part. Its till, where it has one, is this node's member.
    pub order: Order,
    /// The personal part; matches the public part's hash.
    pub personal: PersonalPart,
    /// How a repeated request is known, where the client asks for it.
    pub idempotency: Option<Idempotency>,
}

/// How a repeated request is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Idempotency {
    /// SHA-256 of the client's key.
    pub key: Digest,
    /// SHA-256 of the request's body.
    pub body: Digest,
}

/// What became of one order of a group.
pub type Answer = Result<Accepted, SubmitError>;

/// An order that is durable at this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// Its id; for a repeated request the first one's.
    pub id: OrderId,
}

/// Too many orders wait already; nothing of a group was taken. Nobody's fault; trying again later
/// helps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "too many orders wait to be sealed, and this one was not taken; send it again in {retry_after_seconds} s"
)]
pub struct Full {
    /// The group, given back.
    pub group: Vec<Submission>,
    /// When there is likely to be room again; at least 1.
    pub retry_after_seconds: u32,
}

/// Why an order is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The very same order is known already. Trying again does not help, nor is it needed.
    #[error(
        "this very order is already taken; it is recorded once, and can be looked up by its id"
    )]
    Duplicate {
        /// Its id.
        id: OrderId,
    },
    /// The client used the key before with another body. The client's fault.
    #[error(
        "this Idempotency-Key came with another body in the last 24 hours; give a new key to a new order"
    )]
    KeyReused,
    /// The order is bad by itself. The client's fault.
    #[error("{0}")]
    Invalid(String),
    /// The node is going down. Trying again after its restart helps.
    #[error("the node is stopping; try again when it is back")]
    Stopping,
}

/// Why something cannot be looked up. The node's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The node has just started and does not know yet all that it told before. Trying again in a
    /// moment helps.
    #[error("the node is reading its chain; try again in a moment")]
    Starting,
    /// The node is going down. Trying again after its restart helps.
    #[error("the node is stopping; try again when it is back")]
    Stopping,
    /// The disk or an index failed.
    #[error("the node cannot read its own data: {0}; its log tells more")]
    Failed(String),
}

/// Why something could not be kept on the node's disk. The disk's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} could not be written: {reason}; look at the disk's free space and permissions")]
pub struct NotKept {
    /// What.
    pub what: &'static str,
    /// What the system said.
    pub reason: String,
}

/// Where an order was sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The block's height.
    pub height: Height,
    /// The block.
    pub block: BlockHash,
    /// The order's place in the order log.
    pub log_index: LogIndex,
    /// Who won the block.
    pub winner: Winner,
    /// The block's timestamp.
    pub sealed_at: UnixMillis,
}

/// Who won a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Winner {
    /// The member.
    pub id: MemberId,
    /// Its name.
    pub name: String,
    /// How long it waited.
    pub wait: Micros,
}

/// An order with all that is known of it.
#[derive(Debug, Clone)]
pub struct OrderRecord {
    /// Its id.
    pub id: OrderId,
    /// The public part.
    pub order: Order,
    /// The personal part, unless erased.
    pub personal: Option<PersonalPart>,
    /// How far it has come.
    pub state: OrderState,
    /// Where it was sealed, once final.
    pub placement: Option<Placement>,
}

/// Which final orders are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderSearch {
    /// Of this customer only.
    pub customer: Option<String>,
    /// For this receiver only.
    pub receiver: Option<String>,
    /// Behind this place in the order log only.
    pub after: Option<LogIndex>,
    /// At most so many.
    pub limit: usize,
}

/// Final orders that match.
#[derive(Debug, Clone)]
pub struct OrderSearchPage {
    /// The orders.
    pub orders: Vec<OrderRecord>,
    /// The place after which to go on; `None` when there are no more.
    pub next: Option<LogIndex>,
}

/// How a block is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockName {
    /// The final, or else a certified, block of this height.
    Height(Height),
    /// The block of this hash.
    Hash(BlockHash),
}

/// A block in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockInfo {
    /// Its header.
    pub header: Header,
    /// Its hash.
    pub hash: BlockHash,
    /// Who won it.
    pub winner: Winner,
    /// How many orders it recorded.
    pub orders: u64,
    /// True once it is final.
    pub is_final: bool,
    /// From its timestamp to its being final here, where this node saw it happen.
    pub time_to_final: Option<Micros>,
}

/// A block with the orders it recorded, in the order of the order log; skipped entries are left out.
#[derive(Debug, Clone)]
pub struct BlockRecord {
    /// The block.
    pub info: BlockInfo,
    /// Its orders.
    pub orders: Vec<RecordedOrder>,
}

/// An order of a block.
#[derive(Debug, Clone)]
pub struct RecordedOrder {
    /// Its id.
    pub id: OrderId,
    /// The public part.
    pub order: Order,
    /// The personal part, unless erased.
    pub personal: Option<PersonalPart>,
}
