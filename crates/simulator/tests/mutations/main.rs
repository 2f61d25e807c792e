//! Every checker is proved: a bug put in on purpose is caught, by which checker and on which seed. The
//! same simulation without the bug holds.
//!
//! Built with the feature `mutations` only: `cargo xtask test` does it, or
//! `cargo test -p dexter-simulator --features mutations --test mutations`.

mod stories;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    panic::catch_unwind,
};

use simulator::adversary::Kind::*;
use simulator::run_plan_without;
use stories::Story::{self, *};
use types::{
    Mutation::{self, *},
    mutation::activate,
};

/// A bug, the checker that catches it, and where.
#[derive(Debug, Clone, Copy)]
struct Row {
    bug: Mutation,
    /// What else is left out. Where one rule mends what another one should have prevented, leaving one
    /// out does no harm: it shows only where the other is left out too, which alone does none either.
    beside: &'static [Mutation],
    /// Checkers that say nothing: they would catch the bug before it has done its harm.
    silent: &'static [&'static str],
    checker: &'static str,
    story: Story,
}

const fn alone(bug: Mutation, checker: &'static str, story: Story) -> Row {
    beside(&[], bug, checker, story)
}

const fn beside(
    beside: &'static [Mutation],
    bug: Mutation,
    checker: &'static str,
    story: Story,
) -> Row {
    Row {
        bug,
        beside,
        silent: &[],
        checker,
        story,
    }
}

const fn unnoticed(bug: Mutation, checker: &'static str, story: Story) -> Row {
    Row {
        silent: &["blame", "votes"],
        ..alone(bug, checker, story)
    }
}

const CAUGHT: &[Row] = &[
    alone(ProposeEarly, "elapsed time", Seed(0)),
    alone(ProposeDespiteBetter, "traffic", Calm(1, 4)),
    alone(ProposeTwice, "votes", Seed(32)),
    alone(SendWhenPrepared, "elapsed time", Seed(0)),
    alone(
        ProposeOnlyOnTime,
        "progress",
        Patient(10, 7, &[EquivocatingProposer, WithholdingWinner]),
    ),
    alone(VoteEarly, "elapsed time", Seed(0)),
    alone(VoteWithoutGrace, "elapsed time", Seed(0)),
    alone(VoteDespiteBetter, "progress", Far(0, 4, &[])),
    beside(&[LosePersonalParts], NoPatience, "progress", Disputed(0, 4)),
    alone(VoteAgain, "votes", Seed(0)),
    alone(IgnoreDisqualification, "votes", Seed(0)),
    alone(
        IgnoreCertifiedOfLiars,
        "progress",
        Liars(20, 4, &[InvalidProposer]),
    ),
    alone(StayAtDoneHeight, "progress", Seed(0)),
    alone(FinalizeDespiteOtherVotes, "votes", Seed(0)),
    beside(
        &[ForgetCertificates],
        CertifyAfterFinalize,
        "votes",
        FarOutages(1, 4),
    ),
    alone(NoStretch, "progress", Far(0, 4, &[])),
    alone(StretchWithoutCap, "progress", Unfinished(0)),
    alone(StretchTheWait, "progress", Unfinished(0)),
    alone(NeverSleep, "sleep", Seed(0)),
    alone(ForgetUnfinished, "progress", Far(3, 4, &[])),
    alone(UnfinishedAtOnce, "sleep", Seed(0)),
    beside(
        &[ForgetUnfinished],
        IgnoreProposals,
        "progress",
        Far(11, 4, &[]),
    ),
    alone(NoHeartbeat, "progress", Heartbeat(0, 4)),
    alone(KeepClock, "sleep", Seed(2)),
    alone(ClockFromEntering, "elapsed time", Seed(0)),
    alone(HalfTheWait, "elapsed time", Seed(0)),
    alone(SmallQuorum, "certificates", Seed(0)),
    alone(
        SpoiledShares,
        "certificates",
        Liars(0, 4, &[CertificateForger]),
    ),
    alone(VotesWithoutBound, "bounds", Liars(0, 4, &[Flooder])),
    alone(SendBeforePersist, "votes", Seed(5)),
    alone(ForgetToPersist, "votes", Seed(0)),
    alone(ForgetVotes, "votes", Seed(2)),
    alone(ForgetProposals, "votes", Seed(5)),
    alone(ForgetCertificates, "votes", FarOutages(4, 4)),
    alone(ForgetFinality, "prefix", Seed(3)),
    alone(
        ForgetEvidence,
        "votes",
        Outages(3, 7, &[EquivocatingProposer, WithholdingWinner]),
    ),
    alone(ForgetBatches, "prefix", Seed(3)),
    alone(FinalityDoesNotServe, "progress", Seed(1)),
    beside(
        &[NoEvidenceForVoters, NoPatience],
        KeepEvidence,
        "progress",
        Liars(6, 4, &[LateEquivocator]),
    ),
    beside(
        &[NoPatience],
        NoEvidenceForVoters,
        "progress",
        Lossy(3, 4, &[LateEquivocator]),
    ),
    alone(UnsignedBlocks, "blame", Liars(0, 4, &[HeaderForger])),
    unnoticed(UnsignedBlocks, "progress", Liars(0, 4, &[HeaderForger])),
    alone(KeepAllBlocks, "bounds", Liars(0, 4, &[Flooder])),
    alone(DropCertified, "progress", Liars(2, 4, &[LateEquivocator])),
    beside(
        &[NoPatience],
        NoFetch,
        "progress",
        Liars(1, 4, &[WithholdingWinner]),
    ),
    alone(NoResend, "progress", Seed(35)),
    alone(NoStatusAnswer, "progress", Seed(1)),
    beside(
        &[NoStatusAnswer],
        NoNeedlessAnswer,
        "progress",
        Lossy(4, 4, &[]),
    ),
    alone(
        VoteWithoutPersonal,
        "grounds",
        Liars(0, 4, &[SelectiveSender]),
    ),
    alone(VoteForTheFuture, "grounds", Seed(0)),
    beside(
        &[IgnoreDisqualification],
        AnyTicket,
        "grounds",
        Liars(1, 4, &[InvalidProposer]),
    ),
    alone(AnyTimestamp, "validity", Liars(2, 4, &[InvalidProposer])),
    alone(
        AnyLog,
        "validity",
        Liars(6, 7, &[InvalidProposer, InvalidProposer]),
    ),
    alone(SealedBefore, "sleep", Seed(702)),
    alone(UnsignedBatches, "validity", Liars(0, 4, &[InvalidAuthor])),
    alone(
        AnyCertificate,
        "certificates",
        Liars(1, 4, &[CertificateForger]),
    ),
    alone(VotesInAnyName, "blame", Liars(0, 4, &[CertificateForger])),
    alone(NoWindow, "bounds", Liars(0, 4, &[Flooder])),
    alone(PoolWithoutCaps, "bounds", Liars(0, 4, &[Flooder])),
    alone(RecordAgain, "orders", Seed(53)),
    alone(LookAtAnotherTime, "orders", Seed(403)),
    alone(AnswerBeforeOrders, "progress", Seed(5)),
    alone(UnprovedFinality, "prefix", Newcomer(41)),
    alone(SyncNothing, "prefix", Seed(0)),
    alone(IgnoreFailedSync, "stopped", Seed(455)),
    alone(IgnoreFailedWrite, "stopped", Seed(7)),
    alone(NoMarks, "disk", Seed(9)),
    alone(KeepTornTail, "stopped", Seed(1)),
    alone(ScanFromEnd, "votes", Seed(12)),
    alone(RollWithoutSync, "stopped", Seed(1)),
    alone(AnswersBeforeSync, "stopped", Crashes(28, 4)),
    alone(IgnoreChecksums, "disk", Seed(42)),
];

/// No bugs, but what rules are there for: it does harm only where such a rule is left out.
const CONDITIONS: &[Mutation] = &[LosePersonalParts];

impl Row {
    /// The checker that notices these mutations in the row's simulation, if one does.
    fn noticed(&self, mutations: &[Mutation]) -> Option<String> {
        let result = catch_unwind(|| {
            activate(mutations);
            run_plan_without(self.story.plan(), self.silent)
        });
        activate(&[]);
        match result {
            Ok(Ok(_)) => None,
            Ok(Err(failure)) => Some(failure.violation.checker.to_owned()),
            Err(_) => Some("a panic".to_owned()),
        }
    }

    fn with_bug(&self) -> Option<String> {
        let all: Vec<Mutation> = self.beside.iter().copied().chain([self.bug]).collect();
        self.noticed(&all)
    }
}

impl fmt::Display for Row {
    /// A line of the table in `docs/simulation.md`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| `{:?}`", self.bug)?;
        for other in self.beside {
            write!(f, " beside `{other:?}`")?;
        }
        write!(f, " | {}", self.checker)?;
        if !self.silent.is_empty() {
            write!(f, ", {} silent", self.silent.join(" and "))?;
        }
        write!(f, " | `{:?}` |", self.story)
    }
}

#[test]
fn every_mutation_is_caught_by_the_checker_named_for_it() {
    let mut faults = Vec::new();
    println!("| mutation | caught by | where |\n| --- | --- | --- |");
    for row in CAUGHT {
        match row.with_bug() {
            Some(by) if by == row.checker => println!("{row}"),
            Some(by) => faults.push(format!("caught by {by}: {row}")),
            None => faults.push(format!("not caught: {row}")),
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn without_the_bug_the_same_simulations_hold() {
    let mut faults = Vec::new();
    let simulations: BTreeMap<String, &Row> = CAUGHT
        .iter()
        .map(|row| {
            (
                format!("{:?} {:?} {:?}", row.story, row.beside, row.silent),
                row,
            )
        })
        .collect();
    for row in simulations.into_values() {
        if let Some(by) = row.noticed(row.beside) {
            faults.push(format!("fails by itself, noticed by {by}: {row}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_mutation_there_is_is_in_the_table() {
    let caught = CAUGHT.iter().map(|row| row.bug);
    let known: BTreeSet<Mutation> = caught.chain(CONDITIONS.iter().copied()).collect();
    assert_eq!(known, BTreeSet::from(Mutation::ALL));
}
