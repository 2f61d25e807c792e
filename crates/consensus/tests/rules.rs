//! Every rule of a height (`docs/protocol.md` §5) with the exact answers of `Consensus::poll`.
//!
//! Times are in milliseconds since the member started. The grace is 10 ms and the member's own wait,
//! where it draws a ticket, 50 ms.

use consensus::{Action, Candidate, Consensus, Draw, Rank, Settings, Work};
use types::{
    BlockHash, Digest, Epoch, Header, Height, IdentitySignature, LogSize, LotterySignature,
    MemberIndex, Micros, Monotonic, SignedHeader, Timing, UnixMillis, Vote, VoteKind,
};

const ME: MemberIndex = MemberIndex(5);
const OWN_WAIT: u64 = 50;
const BUSY: Work = Work {
    eligible_batch: true,
    unfinished: false,
};
const IDLE: Work = Work {
    eligible_batch: false,
    unfinished: false,
};
const UNFINISHED: Work = Work {
    eligible_batch: false,
    unfinished: true,
};

fn settings() -> Settings {
    let timing = Timing {
        min_wait: Micros(0),
        mean_wait: Micros::from_millis(5),
        grace: Micros::from_millis(10),
    };
    Settings {
        timing,
        resend_interval: Micros::from_millis(100),
        heartbeat: Micros(0),
    }
}

fn block(number: u8) -> BlockHash {
    BlockHash::new([number; 32])
}

fn at(millis: u64) -> Monotonic {
    Monotonic(millis * 1_000)
}

fn own_draw() -> Draw {
    Draw {
        ticket: LotterySignature::ZERO,
        rank: Rank {
            u: OWN_WAIT,
            proposer: ME,
        },
        wait: Micros::from_millis(OWN_WAIT),
    }
}

/// A member without a ticket of its own, at height 1 since time 0.
fn voter() -> Consensus {
    voter_with(settings())
}

fn voter_with(settings: Settings) -> Consensus {
    let mut member = Consensus::new(settings, Some(ME), Height(0), block(0));
    member.enter(at(0), Height(1), block(0), None);
    member
}

/// A member with a ticket of its own, at height 1 since time 0.
fn proposer() -> Consensus {
    let mut member = voter();
    member.enter(at(0), Height(1), block(0), Some(own_draw()));
    member
}

/// A member at height `lag` + 1 whose final head is the genesis, with a ticket of its own.
fn lagging(lag: u64) -> Consensus {
    let mut member = Consensus::new(settings(), Some(ME), Height(0), block(0));
    member.enter(at(0), Height(lag + 1), block(99), Some(own_draw()));
    member
}

/// Block `proposer` by the member of that number, votable and not empty, with its wait in
/// milliseconds; the shorter the wait, the better.
fn candidate(proposer: u8, wait: u64) -> Candidate {
    Candidate {
        block: block(proposer),
        rank: Rank {
            u: wait,
            proposer: MemberIndex(proposer.into()),
        },
        wait: Micros::from_millis(wait),
        votable: true,
        empty: false,
    }
}

fn not_votable(candidate: Candidate) -> Candidate {
    Candidate {
        votable: false,
        ..candidate
    }
}

fn empty(candidate: Candidate) -> Candidate {
    Candidate {
        empty: true,
        ..candidate
    }
}

fn header(height: u64, proposer: u8, version: u64) -> SignedHeader {
    let header = Header {
        version: types::FORMAT_VERSION,
        chain: types::ChainId::ZERO,
        epoch: Epoch(0),
        height: Height(height),
        parent: block(0),
        timestamp: UnixMillis(version),
        proposer: MemberIndex(proposer.into()),
        ticket: LotterySignature::ZERO,
        batches_root: Digest::ZERO,
        log_size: LogSize(0),
        log_root: Digest::ZERO,
    };
    let signature = IdentitySignature::ZERO;
    SignedHeader { header, signature }
}

fn own_vote(kind: VoteKind, height: u64, number: u8) -> Vote {
    Vote {
        kind,
        epoch: Epoch(0),
        height: Height(height),
        block: block(number),
        voter: ME,
        signature: IdentitySignature::ZERO,
    }
}

fn propose(height: u64, parent: u8) -> Action {
    Action::Propose {
        height: Height(height),
        parent: block(parent),
    }
}

fn prepare(height: u64, parent: u8) -> Action {
    Action::Prepare {
        height: Height(height),
        parent: block(parent),
    }
}

fn certify(height: u64, number: u8) -> Action {
    Action::Vote {
        kind: VoteKind::Certify,
        height: Height(height),
        block: block(number),
    }
}

fn finalize(height: u64, number: u8) -> Action {
    Action::Vote {
        kind: VoteKind::Finalize,
        height: Height(height),
        block: block(number),
    }
}

/// Polls at a time and asserts the answer: the actions, and when to ask again.
#[track_caller]
fn expect<const N: usize>(
    member: &mut Consensus,
    now: Monotonic,
    work: Work,
    actions: [Action; N],
    wake: Option<u64>,
) {
    assert_eq!(
        member.poll(now, work),
        (actions.to_vec(), wake.map(at)),
        "at {} µs",
        now.0
    );
}

/// One microsecond before a time.
fn before(millis: u64) -> Monotonic {
    Monotonic(millis * 1_000 - 1)
}

// Rule 1: propose.

#[test]
fn proposes_when_its_wait_has_passed() {
    let mut member = proposer();
    expect(&mut member, at(0), BUSY, [], Some(50));
    expect(&mut member, before(50), BUSY, [], Some(50));
    expect(&mut member, at(50), BUSY, [propose(1, 0)], None);
}

#[test]
fn proposes_once() {
    let mut member = proposer();
    expect(&mut member, at(0), BUSY, [], Some(50));
    expect(&mut member, at(50), BUSY, [propose(1, 0)], None);
    member.proposed(Height(1));
    expect(&mut member, at(51), BUSY, [], None);
    // Having proposed before a restart counts, and counts for that height only.
    let mut restarted = proposer();
    restarted.proposed(Height(1));
    expect(&mut restarted, at(0), BUSY, [], None);
    restarted.enter(at(10), Height(2), block(7), Some(own_draw()));
    expect(&mut restarted, at(10), BUSY, [], Some(60));
    expect(&mut restarted, at(60), BUSY, [propose(2, 7)], None);
}

#[test]
fn prepares_its_block_so_long_before_its_wait_is_over_as_it_takes() {
    let mut member = proposer();
    member.set_lead(Micros::from_millis(4));
    expect(&mut member, at(0), BUSY, [], Some(46));
    expect(&mut member, before(46), BUSY, [], Some(46));
    expect(&mut member, at(46), BUSY, [prepare(1, 0)], Some(50));
    expect(&mut member, at(47), BUSY, [], Some(50));
    expect(&mut member, at(50), BUSY, [propose(1, 0)], None);

    // At most the grace before; and each height anew.
    member.proposed(Height(1));
    member.set_lead(Micros::from_millis(30));
    member.enter(at(60), Height(2), block(7), Some(own_draw()));
    expect(&mut member, at(60), BUSY, [], Some(100));
    expect(&mut member, at(103), BUSY, [prepare(2, 7)], Some(110));
    // Whoever comes too late proposes at once.
    member.enter(at(110), Height(3), block(8), Some(own_draw()));
    expect(&mut member, at(110), BUSY, [], Some(150));
    expect(&mut member, at(161), BUSY, [propose(3, 8)], None);
}

/// A certified block that is not final is work, too, until it is.
#[test]
fn prepares_nothing_while_there_is_nothing_to_seal() {
    let mut member = proposer();
    member.set_lead(Micros::from_millis(4));
    let unfinished = Work {
        unfinished: true,
        ..IDLE
    };
    expect(&mut member, at(0), unfinished, [], Some(20));
    expect(&mut member, at(20), unfinished, [], Some(70));
    expect(&mut member, at(67), unfinished, [], Some(70));
    // A batch comes late.
    expect(&mut member, at(68), BUSY, [prepare(1, 0)], Some(70));
    let mut member = proposer();
    member.set_lead(Micros::from_millis(4));
    expect(&mut member, at(20), unfinished, [], Some(70));
    expect(&mut member, at(70), unfinished, [propose(1, 0)], None);
}

#[test]
fn a_better_votable_block_holds_its_preparation_back() {
    let mut member = proposer();
    member.set_lead(Micros::from_millis(4));
    member.valid(Height(1), candidate(1, 45));
    expect(&mut member, at(0), BUSY, [], Some(55));
    expect(&mut member, at(46), BUSY, [], Some(55));
    assert!(member.disqualify(Height(1), MemberIndex(1)));
    expect(&mut member, at(48), BUSY, [prepare(1, 0)], Some(50));
    // What is prepared is held back as well.
    member.valid(Height(1), candidate(2, 48));
    expect(&mut member, at(50), BUSY, [], Some(58));
}

#[test]
fn does_not_propose_without_work_or_ticket() {
    let mut idle = proposer();
    expect(&mut idle, at(1_000), IDLE, [], None);
    let mut without_ticket = voter();
    expect(&mut without_ticket, at(0), BUSY, [], None);
    expect(&mut without_ticket, at(1_000), BUSY, [], None);
}

#[test]
fn a_better_votable_block_holds_its_proposal_back_a_worse_one_does_not() {
    let mut member = proposer();
    expect(&mut member, at(0), BUSY, [], Some(50));
    member.valid(Height(1), candidate(1, 45));
    expect(&mut member, at(50), BUSY, [], Some(55));

    let mut member = proposer();
    expect(&mut member, at(0), BUSY, [], Some(50));
    member.valid(Height(1), candidate(1, 55));
    member.valid(Height(1), not_votable(candidate(2, 10)));
    expect(&mut member, at(50), BUSY, [propose(1, 0)], Some(65));
}

#[test]
fn equal_draws_are_ranked_by_proposer() {
    let mut member = proposer();
    expect(&mut member, at(0), BUSY, [], Some(50));
    member.valid(Height(1), candidate(4, OWN_WAIT));
    expect(&mut member, at(50), BUSY, [], Some(60));

    let mut member = proposer();
    expect(&mut member, at(0), BUSY, [], Some(50));
    member.valid(Height(1), candidate(6, OWN_WAIT));
    expect(&mut member, at(50), BUSY, [propose(1, 0)], Some(60));
}

/// The condition stands: when what held the proposal back is gone, it is made after all.
#[test]
fn proposes_late_once_nothing_better_is_left() {
    let mut member = proposer();
    expect(&mut member, at(0), BUSY, [], Some(50));
    member.valid(Height(1), candidate(1, 45));
    expect(&mut member, at(52), BUSY, [], Some(55));
    assert!(member.disqualify(Height(1), MemberIndex(1)));
    expect(&mut member, at(54), BUSY, [propose(1, 0)], None);

    let mut member = proposer();
    expect(&mut member, at(0), BUSY, [], Some(50));
    member.valid(Height(1), candidate(1, 45));
    expect(&mut member, at(52), BUSY, [], Some(55));
    member.valid(Height(1), not_votable(candidate(1, 45)));
    expect(&mut member, at(54), BUSY, [propose(1, 0)], None);
}

#[test]
fn does_not_propose_at_a_height_that_is_done() {
    let mut member = proposer();
    expect(&mut member, at(0), BUSY, [], Some(50));
    member.certified(Height(1), block(1));
    expect(&mut member, at(50), BUSY, [finalize(1, 1)], None);
    let mut member = proposer();
    expect(&mut member, at(0), BUSY, [], Some(50));
    member.finalized(Height(1));
    expect(&mut member, at(50), BUSY, [], None);
}

#[test]
fn builds_on_the_entry_block() {
    let mut member = voter();
    member.enter(at(5), Height(3), block(8), Some(own_draw()));
    assert_eq!((member.height(), member.parent()), (Height(3), block(8)));
    assert_eq!(member.own_draw(), Some(&own_draw()));
    expect(&mut member, at(5), BUSY, [], Some(55));
    expect(&mut member, at(55), BUSY, [propose(3, 8)], None);
    // Heights never go back.
    member.enter(at(60), Height(2), block(9), None);
    assert_eq!((member.height(), member.parent()), (Height(3), block(8)));
    assert_eq!((member.entered(), member.clock()), (at(5), Some(at(5))));
}

// Rule 2: vote to certify.

#[test]
fn votes_once_wait_and_grace_have_passed() {
    let mut member = voter();
    member.valid(Height(1), candidate(1, 20));
    expect(&mut member, at(0), BUSY, [], Some(30));
    expect(&mut member, before(30), BUSY, [], Some(30));
    expect(&mut member, at(30), BUSY, [certify(1, 1)], None);
    expect(&mut member, at(31), BUSY, [], None);
    // Learning of it again changes nothing.
    member.valid(Height(1), candidate(1, 20));
    expect(&mut member, at(32), BUSY, [], None);
}

#[test]
fn waits_on_its_own_clock_from_when_there_was_work() {
    let mut member = voter();
    expect(&mut member, at(70), BUSY, [], None);
    member.valid(Height(1), candidate(1, 20));
    expect(&mut member, at(75), BUSY, [], Some(100));
    expect(&mut member, at(100), BUSY, [certify(1, 1)], None);
}

#[test]
fn the_rule_holds_for_its_own_block_too() {
    let mut member = proposer();
    expect(&mut member, at(0), BUSY, [], Some(50));
    expect(&mut member, at(50), BUSY, [propose(1, 0)], None);
    member.proposed(Height(1));
    member.valid(Height(1), candidate(5, OWN_WAIT));
    expect(&mut member, at(50), BUSY, [], Some(60));
    expect(&mut member, at(60), BUSY, [certify(1, 5)], None);
}

#[test]
fn votes_only_for_what_is_votable() {
    let mut member = voter();
    member.valid(Height(1), not_votable(candidate(1, 20)));
    expect(&mut member, at(0), BUSY, [], None);
    expect(&mut member, at(40), BUSY, [], None);
    member.valid(Height(1), candidate(1, 20));
    expect(&mut member, at(41), BUSY, [certify(1, 1)], None);
}

#[test]
fn a_better_block_holds_the_vote_back_until_patience_ends() {
    let mut member = voter();
    member.valid(Height(1), candidate(1, 20));
    member.valid(Height(1), candidate(2, 40));
    expect(&mut member, at(0), BUSY, [], Some(30));
    // Block 2 could be voted for at 50; patience adds 8 × 10.
    expect(&mut member, at(30), BUSY, [certify(1, 1)], Some(130));
    expect(&mut member, before(130), BUSY, [], Some(130));
    expect(&mut member, at(130), BUSY, [certify(1, 2)], None);
}

#[test]
fn a_better_block_that_comes_late_still_gets_a_vote() {
    let mut member = voter();
    member.valid(Height(1), candidate(2, 40));
    expect(&mut member, at(0), BUSY, [], Some(50));
    expect(&mut member, at(50), BUSY, [certify(1, 2)], None);
    member.valid(Height(1), candidate(1, 20));
    expect(&mut member, at(55), BUSY, [certify(1, 1)], None);
    member.valid(Height(1), candidate(3, 10));
    expect(&mut member, at(60), BUSY, [certify(1, 3)], None);
}

#[test]
fn what_is_not_votable_or_by_a_liar_holds_nobody_back() {
    let mut member = voter();
    member.valid(Height(1), not_votable(candidate(1, 20)));
    member.valid(Height(1), candidate(2, 30));
    member.valid(Height(1), candidate(3, 40));
    assert!(member.disqualify(Height(1), MemberIndex(2)));
    expect(&mut member, at(0), BUSY, [], Some(50));
    expect(&mut member, at(50), BUSY, [certify(1, 3)], None);
    assert_eq!(member.best(Height(1)), Some(block(3)));
}

#[test]
fn patience_is_at_most_the_cap_of_the_stretch() {
    let mut slow = settings();
    slow.timing.grace = Micros::from_millis(10_000);
    let mut member = voter_with(slow);
    member.valid(Height(1), candidate(1, 20));
    member.valid(Height(1), candidate(2, 40));
    expect(&mut member, at(0), BUSY, [], Some(10_020));
    // 8 × 10 s would be 80 s; the cap is 60 s.
    expect(&mut member, at(10_020), BUSY, [certify(1, 1)], Some(70_040));
    expect(&mut member, before(70_040), BUSY, [], Some(70_040));
    expect(&mut member, at(70_040), BUSY, [certify(1, 2)], None);
    // Ten resend intervals, where they are longer.
    slow.resend_interval = Micros::from_millis(7_000);
    let mut member = voter_with(slow);
    member.valid(Height(1), candidate(1, 20));
    member.valid(Height(1), candidate(2, 40));
    expect(&mut member, at(0), BUSY, [], Some(10_020));
    expect(&mut member, at(10_020), BUSY, [certify(1, 1)], Some(80_040));
}

#[test]
fn votes_for_nothing_at_a_height_that_is_done_or_below() {
    let mut member = voter();
    member.valid(Height(1), candidate(1, 20));
    expect(&mut member, at(0), BUSY, [], Some(30));
    member.certified(Height(1), block(2));
    assert!(member.is_done(Height(1)) && !member.is_done(Height(2)));
    expect(&mut member, at(30), BUSY, [finalize(1, 2)], None);
    expect(&mut member, at(1_000), BUSY, [], None);

    let mut member = voter();
    member.valid(Height(1), candidate(1, 20));
    expect(&mut member, at(0), BUSY, [], Some(30));
    member.certified(Height(3), block(9));
    expect(&mut member, at(30), BUSY, [finalize(3, 9)], None);
}

#[test]
fn votes_only_at_the_height_it_is_at() {
    let mut member = voter();
    member.valid(Height(2), candidate(1, 20));
    expect(&mut member, at(0), BUSY, [], None);
    expect(&mut member, at(1_000), BUSY, [], None);
    member.certified(Height(1), block(9));
    member.enter(at(1_000), Height(2), block(9), None);
    expect(&mut member, at(1_000), BUSY, [finalize(1, 9)], Some(1_030));
    expect(&mut member, at(1_030), BUSY, [certify(2, 1)], None);
}

#[test]
fn a_vote_cast_before_a_restart_is_not_cast_again() {
    let mut member = voter();
    member.recover_vote(&own_vote(VoteKind::Certify, 1, 1));
    member.valid(Height(1), candidate(1, 20));
    member.valid(Height(1), candidate(2, 40));
    expect(&mut member, at(0), BUSY, [], Some(130));
    expect(&mut member, at(130), BUSY, [certify(1, 2)], None);
    // Both count when it comes to finalizing.
    member.certified(Height(1), block(1));
    expect(&mut member, at(131), BUSY, [], None);
}

// Rule 3: disqualify.

#[test]
fn two_different_headers_of_one_proposer_at_one_height_disqualify_it_there() {
    let mut member = voter();
    member.valid(Height(1), candidate(1, 20));
    member.valid(Height(2), candidate(1, 20));
    assert_eq!(member.header(&header(1, 1, 1)), None);
    assert_eq!(member.header(&header(1, 1, 1)), None, "the same again");
    assert_eq!(member.header(&header(1, 2, 2)), None, "another proposer");
    assert_eq!(member.header(&header(2, 1, 2)), None, "another height");
    assert!(!member.is_disqualified(Height(1), MemberIndex(1)));
    expect(&mut member, at(0), BUSY, [], Some(30));

    let evidence = member.header(&header(1, 1, 2)).unwrap();
    assert_eq!(evidence.first, header(1, 1, 1));
    assert_eq!(evidence.second, header(1, 1, 2));
    assert_eq!(member.header(&header(1, 1, 3)), None, "known already");
    assert!(member.is_disqualified(Height(1), MemberIndex(1)));
    assert!(!member.is_disqualified(Height(1), MemberIndex(2)));
    assert!(!member.is_disqualified(Height(2), MemberIndex(1)));
    expect(&mut member, at(30), BUSY, [], None);

    member.enter(at(30), Height(2), block(9), None);
    expect(&mut member, at(30), BUSY, [], Some(60));
    expect(&mut member, at(60), BUSY, [certify(2, 1)], None);
}

#[test]
fn evidence_from_others_disqualifies_too_and_is_news_once() {
    let mut member = voter();
    member.valid(Height(1), candidate(1, 20));
    assert!(member.disqualify(Height(1), MemberIndex(1)));
    assert!(!member.disqualify(Height(1), MemberIndex(1)));
    assert!(!member.disqualify(Height(0), MemberIndex(1)), "final");
    expect(&mut member, at(0), BUSY, [], None);
    expect(&mut member, at(1_000), BUSY, [], None);
    assert_eq!(member.best(Height(1)), None);
}

#[test]
fn a_certified_block_counts_whoever_made_it() {
    let mut member = voter();
    member.valid(Height(1), candidate(1, 20));
    assert!(member.disqualify(Height(1), MemberIndex(1)));
    member.certified(Height(1), block(1));
    assert!(member.is_done(Height(1)));
    expect(&mut member, at(0), BUSY, [finalize(1, 1)], None);
}

// Rule 4: certify, and vote to finalize.

#[test]
fn votes_to_finalize_what_is_certified_unless_it_voted_for_another() {
    // Which blocks it voted to certify before block 1 was certified, and what follows.
    let cases: [(&[u8], &[Action]); 4] = [
        (&[], &[finalize(1, 1)]),
        (&[1], &[finalize(1, 1)]),
        (&[2], &[]),
        (&[1, 2], &[]),
    ];
    for (voted, expected) in cases {
        let mut member = voter();
        for number in voted {
            member.recover_vote(&own_vote(VoteKind::Certify, 1, *number));
        }
        member.certified(Height(1), block(1));
        let answer = member.poll(at(0), BUSY);
        assert_eq!(answer, (expected.to_vec(), None), "{voted:?}");
        member.certified(Height(1), block(1));
        assert_eq!(member.poll(at(1), BUSY), (vec![], None), "{voted:?}");
    }
}

#[test]
fn votes_to_finalize_at_most_once_a_height() {
    let mut member = voter();
    member.certified(Height(1), block(1));
    member.certified(Height(1), block(2));
    expect(&mut member, at(0), BUSY, [finalize(1, 1)], None);
    member.certified(Height(2), block(3));
    expect(&mut member, at(1), BUSY, [finalize(2, 3)], None);
}

/// Where two blocks of a height are certified neither can become final, so that a vote is of no use.
#[test]
fn votes_to_finalize_only_the_first_certified_block() {
    let mut member = voter();
    member.recover_vote(&own_vote(VoteKind::Certify, 1, 2));
    member.certified(Height(1), block(1));
    member.certified(Height(1), block(2));
    expect(&mut member, at(0), BUSY, [], None);
}

#[test]
fn a_vote_of_another_height_does_not_matter() {
    let mut member = voter();
    member.recover_vote(&own_vote(VoteKind::Certify, 2, 7));
    member.certified(Height(1), block(1));
    member.certified(Height(2), block(8));
    expect(&mut member, at(0), BUSY, [finalize(1, 1)], None);
}

#[test]
fn a_finalize_vote_from_before_a_restart_forbids_every_other_vote_there() {
    let mut member = voter();
    member.recover_vote(&own_vote(VoteKind::Finalize, 1, 1));
    member.valid(Height(1), candidate(1, 20));
    member.valid(Height(1), candidate(2, 10));
    expect(&mut member, at(0), BUSY, [], None);
    expect(&mut member, at(1_000), BUSY, [], None);
    member.certified(Height(1), block(2));
    expect(&mut member, at(1_001), BUSY, [], None);
    // The next height is free.
    member.valid(Height(2), candidate(3, 20));
    member.enter(at(1_001), Height(2), block(2), None);
    expect(&mut member, at(1_001), BUSY, [], Some(1_031));
    expect(&mut member, at(1_031), BUSY, [certify(2, 3)], None);
}

#[test]
fn nothing_is_voted_at_or_below_the_final_head() {
    let mut member = voter();
    member.finalized(Height(4));
    member.certified(Height(4), block(1));
    member.certified(Height(3), block(2));
    member.valid(Height(4), candidate(1, 20));
    assert_eq!(member.best(Height(4)), None);
    expect(&mut member, at(1_000), BUSY, [], None);
    assert!(member.is_done(Height(4)) && !member.is_done(Height(5)));
}

// Stretch.

#[test]
fn the_grace_doubles_with_every_height_that_finality_lags() {
    let stretched = |lag| lagging(lag).stretched_grace().as_millis();
    let expected = [10, 10, 20, 40, 80, 160, 320, 640, 1_280];
    for (lag, millis) in (0..).zip(expected) {
        assert_eq!(stretched(lag), millis, "{lag}");
    }
    assert_eq!(stretched(13), 40_960);
    for lag in [14, 15, 64, 65, 66, 1_000_000, u64::MAX - 1] {
        assert_eq!(stretched(lag), 60_000, "{lag}");
    }
}

#[test]
fn the_stretch_is_capped_at_ten_resend_intervals_where_that_is_more() {
    let mut settings = settings();
    settings.resend_interval = Micros::from_millis(7_000);
    let mut member = Consensus::new(settings, Some(ME), Height(0), block(0));
    member.enter(at(0), Height(41), block(40), None);
    assert_eq!(member.stretched_grace(), Micros::from_millis(70_000));
}

#[test]
fn the_stretch_multiplies_the_grace_only() {
    let mut member = lagging(3);
    expect(&mut member, at(0), BUSY, [], Some(50));
    expect(&mut member, at(50), BUSY, [propose(4, 99)], None);
    member.proposed(Height(4));
    member.valid(Height(4), candidate(1, 20));
    member.valid(Height(4), candidate(2, 25));
    // s = 4: 20 + 40, and 25 + 40 + 8 × 40.
    expect(&mut member, at(51), BUSY, [], Some(60));
    expect(&mut member, at(60), BUSY, [certify(4, 1)], Some(385));
    expect(&mut member, at(385), BUSY, [certify(4, 2)], None);
}

#[test]
fn the_stretch_is_evaluated_continuously() {
    let mut member = lagging(4);
    member.valid(Height(5), candidate(1, 20));
    member.proposed(Height(5));
    expect(&mut member, at(0), BUSY, [], Some(100));
    member.finalized(Height(2));
    expect(&mut member, at(30), BUSY, [], Some(40));
    member.finalized(Height(4));
    expect(&mut member, at(31), BUSY, [certify(5, 1)], None);
}

// Work.

#[test]
fn the_clock_starts_at_the_later_of_entering_and_getting_work() {
    let mut member = voter();
    assert_eq!(member.clock(), None);
    expect(&mut member, at(10), IDLE, [], None);
    assert_eq!(member.clock(), None);
    expect(&mut member, at(30), BUSY, [], None);
    assert_eq!(member.clock(), Some(at(30)));
    expect(&mut member, at(35), BUSY, [], None);
    assert_eq!(member.clock(), Some(at(30)));
    member.enter(at(40), Height(2), block(1), None);
    assert_eq!(member.clock(), None);
    expect(&mut member, at(40), BUSY, [], None);
    assert_eq!(member.clock(), Some(at(40)));
}

#[test]
fn the_clock_is_dropped_when_work_vanishes_and_starts_anew() {
    let mut member = proposer();
    expect(&mut member, at(0), BUSY, [], Some(50));
    expect(&mut member, at(30), IDLE, [], None);
    assert_eq!(member.clock(), None);
    expect(&mut member, at(60), IDLE, [], None);
    expect(&mut member, at(70), BUSY, [], Some(120));
    expect(&mut member, at(120), BUSY, [propose(1, 0)], None);
}

#[test]
fn unfinished_business_is_work_two_graces_after_entering() {
    let mut member = proposer();
    expect(&mut member, at(0), UNFINISHED, [], Some(20));
    expect(&mut member, before(20), UNFINISHED, [], Some(20));
    assert_eq!(member.clock(), None);
    expect(&mut member, at(20), UNFINISHED, [], Some(70));
    assert_eq!(member.clock(), Some(at(20)));
    expect(&mut member, at(70), UNFINISHED, [propose(1, 0)], None);
}

#[test]
fn the_two_graces_are_not_stretched() {
    let mut member = lagging(4);
    expect(&mut member, at(0), UNFINISHED, [], Some(20));
    expect(&mut member, at(20), UNFINISHED, [], Some(70));
}

#[test]
fn a_votable_proposal_that_is_not_empty_is_work() {
    let mut member = voter();
    member.valid(Height(1), empty(candidate(1, 20)));
    expect(&mut member, at(0), IDLE, [], None);
    member.valid(Height(1), not_votable(candidate(2, 25)));
    expect(&mut member, at(5), IDLE, [], None);
    member.valid(Height(2), candidate(3, 25));
    expect(&mut member, at(6), IDLE, [], None);
    assert_eq!(member.clock(), None);
    member.valid(Height(1), candidate(2, 25));
    expect(&mut member, at(10), IDLE, [], Some(40));
    assert_eq!(member.clock(), Some(at(10)));
    // The clock runs for every block of the height, the empty one too.
    expect(&mut member, at(40), IDLE, [certify(1, 1)], Some(125));
}

/// Its batches are waiting to be sealed, by someone else.
#[test]
fn the_proposal_of_a_liar_is_work_too() {
    let mut member = proposer();
    member.valid(Height(1), candidate(1, 20));
    assert!(member.disqualify(Height(1), MemberIndex(1)));
    expect(&mut member, at(0), IDLE, [], Some(50));
    expect(&mut member, at(50), IDLE, [propose(1, 0)], None);
}

#[test]
fn a_heartbeat_is_work_once_it_has_passed_since_entering() {
    let mut beating = settings();
    beating.heartbeat = Micros::from_millis(500);
    let mut member = voter_with(beating);
    member.enter(at(0), Height(1), block(0), Some(own_draw()));
    expect(&mut member, at(0), IDLE, [], Some(500));
    expect(&mut member, before(500), IDLE, [], Some(500));
    expect(&mut member, at(500), IDLE, [], Some(550));
    expect(&mut member, at(550), IDLE, [propose(1, 0)], None);
    member.enter(at(600), Height(2), block(1), Some(own_draw()));
    expect(&mut member, at(600), IDLE, [], Some(1_100));
    expect(&mut member, at(601), UNFINISHED, [], Some(620));
}

#[test]
fn without_work_it_sleeps() {
    let mut member = proposer();
    member.valid(Height(1), empty(candidate(1, 20)));
    expect(&mut member, at(0), IDLE, [], None);
    expect(&mut member, at(1_000_000), IDLE, [], None);
}

// Observers.

#[test]
fn an_observer_does_nothing() {
    let mut observer = Consensus::new(settings(), None, Height(0), block(0));
    observer.enter(at(0), Height(1), block(0), None);
    observer.valid(Height(1), candidate(1, 20));
    expect(&mut observer, at(0), BUSY, [], None);
    expect(&mut observer, at(1_000), BUSY, [], None);
    observer.certified(Height(1), block(1));
    assert!(observer.is_done(Height(1)));
    observer.enter(at(1_000), Height(2), block(1), None);
    expect(&mut observer, at(2_000), BUSY, [], None);
}
