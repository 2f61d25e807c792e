//! What a replica says is to be done.

use std::sync::Arc;

use store::{CommitReceipt, ExecutedBlock, Record};
use types::{
    BatchId, BlockHash, Certificate, Header, Height, IdentityPublicKey, MemberIndex, Message,
    Micros, Monotonic, OrderId, PersonalParts, RecordedEntries, VerifiedBatch,
};

/// To whom a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// Every member and observer connected.
    All,
    /// One of them.
    Peer(IdentityPublicKey),
}

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// To whom.
    pub to: To,
    /// What.
    pub message: Arc<Message>,
}

/// Messages that may not leave before what they rest on is durable (`docs/protocol.md` §7). Only the
/// store's receipt of a commit that covers them opens the seal.
#[derive(Debug, Default)]
pub struct Sealed {
    messages: Vec<Outgoing>,
    /// The last output up to this one that asked for a sync; 0 when none did.
    rests_on: u64,
}

impl Sealed {
    pub(crate) const fn new(messages: Vec<Outgoing>, rests_on: u64) -> Self {
        Self { messages, rests_on }
    }

    /// The messages, once the store's last receipt covers what they rest on; otherwise the seal stays
    /// closed.
    ///
    /// # Errors
    /// Gives itself back when the receipt is of an earlier commit.
    pub fn unseal(self, receipt: Option<&CommitReceipt>) -> Result<Vec<Outgoing>, Self> {
        let durable = receipt.map_or(0, CommitReceipt::sequence);
        if durable >= self.rests_on {
            Ok(self.messages)
        } else {
            Err(self)
        }
    }

    /// True when there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// What is under the seal, to look at and not to send.
    pub fn peek(&self) -> &[Outgoing] {
        &self.messages
    }
}

/// Why an order was not taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Too many orders are waiting. Nobody's fault; trying again in a moment helps.
    #[error(transparent)]
    PoolFull(#[from] ledger::PoolRefusal),
    /// The same order is in the pool or recorded already.
    #[error("this very order was placed before")]
    Duplicate(OrderId),
    /// This node only observes.
    #[error("this node is not a member of the network and cannot take orders in")]
    Observer,
    /// Another member's till vouches for it; only that member can take it in.
    #[error("the order is vouched for by another member's till")]
    ForeignTill,
    /// The order does not fit a block.
    #[error("the order is larger than a block may be")]
    TooLarge,
}

/// What became of one submission, in the order in which they came.
pub type Submitted = Result<OrderId, Refusal>;

/// Blocks that became final together, lowest first.
#[derive(Debug, Clone)]
pub struct FinalRun {
    /// The blocks, executed.
    pub blocks: Vec<ExecutedBlock>,
    /// The finality certificate of the last one; `None` where a descendant's covers it.
    pub certificate: Option<Certificate>,
}

/// Something people or programs may want to know.
#[derive(Debug, Clone)]
pub enum Notice {
    /// A batch came into the pool.
    Pooled {
        /// The batch.
        batch: VerifiedBatch,
        /// Its personal parts.
        personal: PersonalParts,
    },
    /// Batches left the pool without being sealed: nothing in them was new, or a block that came to
    /// nothing had brought them in without their personal parts or beyond their author's share.
    Dropped(Vec<BatchId>),
    /// A valid block was certified.
    Sealed {
        /// Its hash.
        block: BlockHash,
        /// Its header.
        header: Header,
        /// The wait its proposer had drawn.
        wait: Micros,
        /// The batches it seals.
        batches: Vec<BatchId>,
        /// What it records.
        recorded: Arc<RecordedEntries>,
    },
    /// A block became final.
    Final {
        /// Its hash.
        block: BlockHash,
        /// Its header.
        header: Header,
        /// The wait its proposer had drawn.
        wait: Micros,
        /// The batches it seals.
        batches: Vec<BatchId>,
        /// What it records.
        recorded: Arc<RecordedEntries>,
        /// From first holding the valid block to its being final here; `None` for blocks that were
        /// known to be final before they were certified here.
        time_to_final: Option<Micros>,
    },
    /// A member signed two blocks of one height.
    Equivocation {
        /// Who.
        proposer: MemberIndex,
        /// Where.
        height: Height,
    },
    /// A peer sent something wrong; it is noted and otherwise ignored.
    Fault {
        /// Who.
        peer: IdentityPublicKey,
        /// What was wrong.
        reason: String,
    },
}

/// What a step asks the driver to do, in this order.
#[derive(Debug, Default)]
pub struct Output {
    /// Rises with every step; the store's receipt names it.
    pub sequence: u64,
    /// Append these.
    pub persist: Vec<Record>,
    /// Then make everything appended so far durable, before anything leaves.
    pub sync: bool,
    /// Then send these.
    pub sealed: Sealed,
    /// Then index these, in order.
    pub finalized: Vec<FinalRun>,
    /// These batches need not be kept for a restart any more.
    pub forget: Vec<BatchId>,
    /// What became of each submission; to be told only once it is durable.
    pub submitted: Vec<Submitted>,
    /// What to tell people.
    pub notices: Vec<Notice>,
    /// Call again at this time, if nothing happens before.
    pub wake: Option<Monotonic>,
    /// The node must stop, and why.
    pub fatal: Option<String>,
}
