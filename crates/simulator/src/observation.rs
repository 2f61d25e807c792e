//! What can be seen of the honest members from outside: all that the checkers know.

use std::sync::Arc;

use replica::{Fault, Holdings, Outgoing};
use types::{
    Batch, BatchId, BlockHash, Certificate, Header, Height, MemberIndex, Monotonic, Now, OrderId,
    Vote,
};

/// Something seen. A host's number is its member's index.
#[derive(Debug, Clone)]
pub enum Observation {
    /// A process has started on what its disk held.
    Started {
        /// Whose.
        host: usize,
        /// Its final head as it says.
        final_height: Height,
    },
    /// A step of a replica is over.
    Stepped {
        /// Whose.
        host: usize,
        /// What its own clock showed.
        now: Monotonic,
        /// The height it works on.
        height: Height,
        /// The height of its final head.
        final_height: Height,
        /// Since when its clock for that height runs, as it says.
        clock: Option<Monotonic>,
        /// How much of everything it keeps.
        holdings: Holdings,
        /// Messages the step wants sent.
        messages: usize,
        /// Records the step wants persisted.
        records: usize,
    },
    /// A member holds a batch: it persists it, or comes back with it from a restart.
    Held {
        /// Who.
        host: usize,
        /// Its public part.
        batch: Arc<Batch>,
        /// Every personal part is there and matches.
        complete: bool,
    },
    /// A member persists a block.
    Block {
        /// Who.
        host: usize,
        /// Its hash.
        block: BlockHash,
        /// Its header.
        header: Header,
        /// The batches it seals.
        batches: Vec<BatchId>,
    },
    /// A member's step wants a block of its own sent; what it rests on may not be on its disk yet.
    ProposalMade {
        /// Who.
        host: usize,
        /// What its own clock showed.
        now: Monotonic,
        /// Where.
        height: Height,
        /// Which.
        block: BlockHash,
    },
    /// A member sent a block of its own.
    Proposed {
        /// Who.
        host: usize,
        /// Where.
        height: Height,
        /// Which.
        block: BlockHash,
    },
    /// A member's step made a vote; it is not on its disk yet.
    VoteMade {
        /// Who.
        host: usize,
        /// What its own clocks showed.
        now: Now,
        /// The vote.
        vote: Vote,
    },
    /// A vote left its member's machine.
    VoteSent {
        /// Who.
        host: usize,
        /// The vote.
        vote: Vote,
    },
    /// A member sent the proof that a proposer signed two blocks of one height.
    EvidenceSent {
        /// Who.
        host: usize,
        /// Whom it proves to lie.
        proposer: MemberIndex,
        /// Where.
        height: Height,
    },
    /// A member persisted or sent a certificate.
    Certificate {
        /// Who.
        host: usize,
        /// Which.
        certificate: Certificate,
    },
    /// A member says that another one broke the rules.
    Blamed {
        /// Who says so.
        host: usize,
        /// Of whom.
        peer: usize,
        /// What it did.
        reason: String,
    },
    /// A member has a block in its final chain and says so, perhaps again after a restart.
    Final {
        /// Who.
        host: usize,
        /// Which.
        block: BlockHash,
        /// Its header.
        header: Header,
        /// The batches it seals.
        batches: Vec<BatchId>,
        /// The orders it records.
        orders: Vec<OrderId>,
    },
    /// Whoever placed an order was told that it is taken.
    Answered {
        /// By whom.
        host: usize,
        /// Which order.
        order: OrderId,
        /// Which order was placed.
        placed: OrderId,
    },
    /// Everything has healed, and the members have had their time.
    Ended,
}

/// Something that a listener is told of.
#[derive(Debug, Clone)]
pub struct Overheard {
    /// When, in microseconds of the world's true time.
    pub time: u64,
    /// What.
    pub what: What,
}

/// What a liar says, and what comes of it.
#[derive(Debug, Clone)]
pub enum What {
    /// A liar says something.
    Said {
        /// Who.
        host: usize,
        /// To whom and what.
        outgoing: Outgoing,
    },
    /// A message of a liar is refused before it reaches the rules.
    Refused {
        /// Whose.
        from: usize,
        /// Why.
        fault: Fault,
    },
    /// Something is seen of an honest member.
    Seen(Box<Observation>),
}
