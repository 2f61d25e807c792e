//! Bugs that can be put in on purpose, to see that the simulator's checkers notice them.
//!
//! Without the feature `mutations`, which no program is built with, [`mutated`] is always false and
//! leaves no trace in the compiled code. With it a test activates mutations for its own thread, and
//! the code behaves at the marked place as if a rule of `docs/protocol.md` had been left out.

/// A bug that can be put in. The doc comment of each says what goes wrong; the name of a rule is its
/// number in `docs/protocol.md` §5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Mutation {
    // consensus
    /// Rule 1: proposes before the own wait has passed.
    ProposeEarly,
    /// Rule 1: proposes although a better votable block is known.
    ProposeDespiteBetter,
    /// Rule 1: proposes again and again.
    ProposeTwice,
    /// Rule 1: sends the block as soon as it is prepared, before the own wait has passed.
    SendWhenPrepared,
    /// Rule 1: the conditions are tested once, when the wait is over, and not again [470].
    ProposeOnlyOnTime,
    /// Rule 2: votes before the block's wait has passed.
    VoteEarly,
    /// Rule 2: votes without waiting for the grace.
    VoteWithoutGrace,
    /// Rule 2: votes although a better votable block is known.
    VoteDespiteBetter,
    /// Rule 2: waits for ever for the vote of others on a better block.
    NoPatience,
    /// Rule 2: forgets that it has voted for a block and votes for it at every turn.
    VoteAgain,
    /// Rule 3: votes for the blocks of proposers that are proved to lie.
    IgnoreDisqualification,
    /// Rule 3: a certified block of a disqualified proposer does not count.
    IgnoreCertifiedOfLiars,
    /// Rule 4: does not enter the next height when a block is certified.
    StayAtDoneHeight,
    /// Rule 4: votes to finalize a block although it voted to certify another one.
    FinalizeDespiteOtherVotes,
    /// Rule 4: votes to certify at a height at which it has voted to finalize.
    CertifyAfterFinalize,
    /// Stretch: the grace stays what it is, however far finality lags.
    NoStretch,
    /// Stretch: the grace is stretched without a cap.
    StretchWithoutCap,
    /// Stretch: the wait is stretched as well.
    StretchTheWait,
    /// Work: a member always has work.
    NeverSleep,
    /// Work: certified blocks that are not final are no work [250].
    ForgetUnfinished,
    /// Work: certified blocks that are not final are work at once.
    UnfinishedAtOnce,
    /// Work: a proposal of others is no work.
    IgnoreProposals,
    /// Work: no heartbeat.
    NoHeartbeat,
    /// Work: the clock goes on when work vanishes.
    KeepClock,
    /// Work: the clock starts at entering, though work came later.
    ClockFromEntering,
    /// §4: the draw is of the range of half as many members.
    HalfTheWait,
    /// Rule 4: one vote less than a quorum makes a certificate.
    SmallQuorum,
    /// Rules 4 and 5: shares are not verified, so one wrong one spoils the certificate.
    SpoiledShares,
    /// Votes: a voter may vote for any number of blocks of a height.
    VotesWithoutBound,

    // replica
    /// §7: messages leave before what they rest on is durable.
    SendBeforePersist,
    /// §7: votes are not written down.
    ForgetToPersist,
    /// §7: comes back from a crash without its votes.
    ForgetVotes,
    /// §7: comes back from a crash without its proposals.
    ForgetProposals,
    /// §7: comes back from a crash without its certificates of blocks that are not final.
    ForgetCertificates,
    /// §7: comes back from a crash without its finality certificates.
    ForgetFinality,
    /// §7: comes back from a crash without the proof of who lied.
    ForgetEvidence,
    /// §7: comes back from a crash without the batches that are in no block.
    ForgetBatches,
    /// §5: a finality certificate does not serve where a certificate does [271].
    FinalityDoesNotServe,
    /// Rule 3: the proof of a lie is not sent to all.
    KeepEvidence,
    /// Rule 3: who votes for a liar's block, or passes one on, is not sent the proof [166].
    NoEvidenceForVoters,
    /// §3: takes blocks and evidence without their proposer's signature [679].
    UnsignedBlocks,
    /// Rule 3: keeps every block of a proposer.
    KeepAllBlocks,
    /// Rule 3: keeps two blocks of a proposer and drops a third one although it is certified.
    DropCertified,
    /// §7: neither asks a voter for what it lacks nor passes the best block of others on [1570].
    NoFetch,
    /// §7: sends nothing again [150].
    NoResend,
    /// §7: a peer's status is not answered [219].
    NoStatusAnswer,
    /// §5, Work: an empty proposal on a final parent is not answered with the finality certificate.
    NoNeedlessAnswer,
    /// Votable: blocks whose personal parts are missing.
    VoteWithoutPersonal,
    /// Votable: blocks of any timestamp.
    VoteForTheFuture,
    /// §6: a ticket is not checked.
    AnyTicket,
    /// §6: a timestamp may be that of the parent or earlier.
    AnyTimestamp,
    /// §6: the order log may be anything.
    AnyLog,
    /// §6: a batch may be sealed again.
    SealedBefore,
    /// §3: batches need no signature of their author.
    UnsignedBatches,
    /// §5: certificates are taken unseen.
    AnyCertificate,
    /// §5: votes are taken from anybody in any name.
    VotesInAnyName,
    /// §7: messages for any height ahead are kept.
    NoWindow,
    /// §3: a pool without caps.
    PoolWithoutCaps,
    /// §3: entries are recorded once for every block that brings them.
    RecordAgain,
    /// §3: recorded orders are looked for as if they had been placed a moment later.
    LookAtAnotherTime,
    /// The answer under an idempotency key is written down before the orders it promises.
    AnswerBeforeOrders,
    /// §7: a fetched run of final blocks is not proved on the disk.
    UnprovedFinality,

    // store
    /// A sync does nothing.
    SyncNothing,
    /// A sync that fails is passed over.
    IgnoreFailedSync,
    /// A write that fails is passed over.
    IgnoreFailedWrite,
    /// No marks are written, so damage passes for the trace of a crash.
    NoMarks,
    /// What a crash left half written stays, and the log goes on behind it.
    KeepTornTail,
    /// A restart reads from the end of the log only.
    ScanFromEnd,
    /// A segment is followed by another before it is durable.
    RollWithoutSync,
    /// Answers are in the index before the log is durable.
    AnswersBeforeSync,
    /// Checksums are not compared.
    IgnoreChecksums,

    // the simulation itself, where a rule matters only when something else goes wrong
    /// Every second member never gets hold of the personal parts of the first member's batches.
    LosePersonalParts,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Self; 72] = [
        Self::ProposeEarly,
        Self::ProposeDespiteBetter,
        Self::ProposeTwice,
        Self::SendWhenPrepared,
        Self::ProposeOnlyOnTime,
        Self::VoteEarly,
        Self::VoteWithoutGrace,
        Self::VoteDespiteBetter,
        Self::NoPatience,
        Self::VoteAgain,
        Self::IgnoreDisqualification,
        Self::IgnoreCertifiedOfLiars,
        Self::StayAtDoneHeight,
        Self::FinalizeDespiteOtherVotes,
        Self::CertifyAfterFinalize,
        Self::NoStretch,
        Self::StretchWithoutCap,
        Self::StretchTheWait,
        Self::NeverSleep,
        Self::ForgetUnfinished,
        Self::UnfinishedAtOnce,
        Self::IgnoreProposals,
        Self::NoHeartbeat,
        Self::KeepClock,
        Self::ClockFromEntering,
        Self::HalfTheWait,
        Self::SmallQuorum,
        Self::SpoiledShares,
        Self::VotesWithoutBound,
        Self::SendBeforePersist,
        Self::ForgetToPersist,
        Self::ForgetVotes,
        Self::ForgetProposals,
        Self::ForgetCertificates,
        Self::ForgetFinality,
        Self::ForgetEvidence,
        Self::ForgetBatches,
        Self::FinalityDoesNotServe,
        Self::KeepEvidence,
        Self::NoEvidenceForVoters,
        Self::UnsignedBlocks,
        Self::KeepAllBlocks,
        Self::DropCertified,
        Self::NoFetch,
        Self::NoResend,
        Self::NoStatusAnswer,
        Self::NoNeedlessAnswer,
        Self::VoteWithoutPersonal,
        Self::VoteForTheFuture,
        Self::AnyTicket,
        Self::AnyTimestamp,
        Self::AnyLog,
        Self::SealedBefore,
        Self::UnsignedBatches,
        Self::AnyCertificate,
        Self::VotesInAnyName,
        Self::NoWindow,
        Self::PoolWithoutCaps,
        Self::RecordAgain,
        Self::LookAtAnotherTime,
        Self::AnswerBeforeOrders,
        Self::UnprovedFinality,
        Self::SyncNothing,
        Self::IgnoreFailedSync,
        Self::IgnoreFailedWrite,
        Self::NoMarks,
        Self::KeepTornTail,
        Self::ScanFromEnd,
        Self::RollWithoutSync,
        Self::AnswersBeforeSync,
        Self::IgnoreChecksums,
        Self::LosePersonalParts,
    ];
}

/// True where the mutation is active for this thread.
#[cfg(not(feature = "mutations"))]
#[inline(always)]
pub const fn mutated(_: Mutation) -> bool {
    false
}

#[cfg(feature = "mutations")]
pub use active::{Suspended, activate, mutated, suspend};

#[cfg(feature = "mutations")]
mod active {
    use std::cell::Cell;

    use super::Mutation;

    thread_local! {
        static ACTIVE: Cell<u128> = const { Cell::new(0) };
    }

    const fn bit(mutation: Mutation) -> u128 {
        1_u128.wrapping_shl(mutation as u32)
    }

    /// True where the mutation is active for this thread.
    pub fn mutated(mutation: Mutation) -> bool {
        ACTIVE.get() & bit(mutation) != 0
    }

    /// While it lives, no mutation is active for this thread.
    #[derive(Debug)]
    pub struct Suspended(u128);

    /// Suspends the mutations for a while.
    #[must_use]
    pub fn suspend() -> Suspended {
        Suspended(ACTIVE.replace(0))
    }

    impl Drop for Suspended {
        fn drop(&mut self) {
            ACTIVE.set(self.0);
        }
    }

    /// Activates these mutations, and no others, for this thread.
    pub fn activate(mutations: &[Mutation]) {
        let bits = mutations.iter().map(|mutation| bit(*mutation));
        ACTIVE.set(bits.fold(0, |all, bit| all | bit));
    }
}
