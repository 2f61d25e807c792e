//! Why it is enough for the model to ask [`may_cast`]: a member that lives on, told of anything in any
//! order, casts no vote that the model would not let it cast after the same votes. What it knows besides
//! these and the certificates that a vote rests on only holds it back.

use std::{cell::RefCell, collections::BTreeMap};

use consensus::{Action, Candidate, Consensus, Draw, Rank, Work};
use proptest::{
    collection::vec,
    prelude::*,
    sample::Index,
    test_runner::{RngAlgorithm, TestCaseResult, TestError, TestRng, TestRunner},
};
use types::{Height, LotterySignature, Micros, Monotonic};

use crate::{
    member::{Ballot, ME, Votes, ballot_of, candidate, may_cast, restarted},
    tree::{Block, Blocks, Tree},
};

/// Three heights, in which every block has a rival.
const CHILDREN: &[usize] = &[2, 2, 2];

/// What may happen to a member. An index chooses among the blocks that may be meant.
#[derive(Debug, Clone)]
enum Event {
    /// It enters the height above a certified block, or the first one.
    Enter {
        on: Index,
        own_wait: Option<u64>,
    },
    /// A block proves valid, or becomes votable, or is not any more.
    Valid {
        block: Index,
        wait: u64,
        votable: bool,
        empty: bool,
    },
    Certified(Index),
    /// A finality certificate serves for the block and for all its ancestors.
    Finalized(Index),
    Disqualify(Index),
    /// Time passes, and the member does what it then has to do.
    Poll {
        after: u64,
        work: Work,
    },
    /// It comes back with its final head, its votes and some of the certificates above.
    Restart {
        certificates: Blocks,
    },
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let index = any::<Index>;
    // Graces of the tests' settings are 1,000 µs: these are on both sides of every time that counts.
    let micros = || prop_oneof![0..3_000_u64, 0..30_000_u64];
    let work = any::<(bool, bool)>().prop_map(|(eligible_batch, unfinished)| Work {
        eligible_batch,
        unfinished,
    });
    let event = prop_oneof![
        4 => (index(), proptest::option::of(micros()))
            .prop_map(|(on, own_wait)| Event::Enter { on, own_wait }),
        8 => (index(), micros(), prop::bool::weighted(0.8), any::<bool>())
            .prop_map(|(block, wait, votable, empty)| Event::Valid { block, wait, votable, empty }),
        4 => index().prop_map(Event::Certified),
        1 => index().prop_map(Event::Finalized),
        1 => index().prop_map(Event::Disqualify),
        8 => (micros(), work).prop_map(|(after, work)| Event::Poll { after, work }),
        1 => any::<u16>().prop_map(|bits| Event::Restart { certificates: Blocks::from_bits(bits) }),
    ];
    vec(event, 0..80)
}

/// How often what was seen in all walks: votes by kind and height, and votes to certify a second block
/// of a height.
type Seen = BTreeMap<(&'static str, u64), u64>;

/// A member and all it has come to know and done.
struct Life<'a> {
    tree: &'a Tree,
    member: Consensus,
    votes: Votes,
    certified: Blocks,
    head: Option<Block>,
    now: Monotonic,
    /// It comes back from a crash without its votes.
    forgets: bool,
}

impl<'a> Life<'a> {
    fn new(tree: &'a Tree, forgets: bool) -> Self {
        Self {
            tree,
            member: restarted(tree, None, Votes::default()),
            votes: Votes::default(),
            certified: Blocks::default(),
            head: None,
            now: Monotonic::default(),
            forgets,
        }
    }

    /// The blocks that may be valid as far as the member knows: their parents are certified.
    fn valid_blocks(&self) -> Vec<Block> {
        let certified = |block: &Block| {
            let parent = self.tree.parent(*block);
            parent.is_none_or(|parent| self.certified.contains(parent))
        };
        self.tree.blocks().filter(certified).collect()
    }

    fn chosen(&self, index: &Index) -> Block {
        *index.get(&self.valid_blocks())
    }

    fn live(&mut self, event: &Event, seen: &mut Seen) -> TestCaseResult {
        match event {
            Event::Enter { on, own_wait } => {
                // A block that may be valid has a certified parent, or the genesis.
                let child = self.chosen(on);
                let parent = self.tree.hash(self.tree.parent(child));
                let height = self.tree.height(child);
                let draw = own_wait.map(draw);
                self.member.enter(self.now, height, parent, draw);
            }
            Event::Valid {
                block,
                wait,
                votable,
                empty,
            } => {
                let block = self.chosen(block);
                let candidate = Candidate {
                    votable: *votable,
                    empty: *empty,
                    ..candidate(self.tree, block, Micros(*wait))
                };
                self.member.valid(self.tree.height(block), candidate);
            }
            Event::Certified(block) => self.certify(self.chosen(block)),
            Event::Finalized(block) => self.finalize(block.index(self.tree.blocks().len())),
            Event::Disqualify(block) => {
                let block = self.chosen(block);
                let rank = candidate(self.tree, block, Micros(0)).rank;
                let height = self.tree.height(block);
                self.member.disqualify(height, rank.proposer);
            }
            Event::Poll { after, work } => return self.poll(*after, *work, seen),
            Event::Restart { certificates } => self.restart(*certificates),
        }
        Ok(())
    }

    fn certify(&mut self, block: Block) {
        self.certified = self.certified.with(block);
        let (height, hash) = (self.tree.height(block), self.tree.hash(Some(block)));
        self.member.certified(height, hash);
    }

    fn finalize(&mut self, block: Block) {
        if self.tree.height(block) > self.final_height() {
            self.head = Some(block);
            self.certified = self.certified.or(self.tree.path(block));
            self.member.finalized(self.tree.height(block));
        }
    }

    fn final_height(&self) -> Height {
        self.head
            .map_or(Height::GENESIS, |head| self.tree.height(head))
    }

    fn restart(&mut self, certificates: Blocks) {
        let recovered = if self.forgets {
            Votes::default()
        } else {
            self.votes
        };
        self.member = restarted(self.tree, self.head, recovered);
        self.now = Monotonic::default();
        let before = self.certified.and(certificates);
        self.certified = self
            .head
            .map_or(Blocks::default(), |head| self.tree.path(head));
        for block in before.iter() {
            // A block is certified once it is valid, and valid once its parent is certified.
            if self.valid_blocks().contains(&block) {
                self.certify(block);
            }
        }
    }

    /// Every vote is one that the model allows.
    fn poll(&mut self, after: u64, work: Work, seen: &mut Seen) -> TestCaseResult {
        self.now = self.now.plus(Micros(after));
        let (actions, _) = self.member.poll(self.now, work);
        for action in &actions {
            if let Action::Propose { height, .. } = action {
                self.member.proposed(*height);
            }
            let Some(ballot) = ballot_of(self.tree, action) else {
                continue;
            };
            if self.votes.contains(ballot) {
                // Nothing comes of sending the same vote again.
                continue;
            }
            self.note(ballot, seen);
            let known = match ballot {
                Ballot::Certify(block) => self.valid_blocks().contains(&block),
                Ballot::Finalize(block) => self.certified.contains(block),
            };
            prop_assert!(known, "votes {ballot} without a certificate");
            prop_assert!(
                may_cast(self.tree, None, self.votes, ballot),
                "votes {ballot} after {:?}",
                self.votes
            );
            self.votes = self.votes.with(ballot);
        }
        Ok(())
    }

    fn note(&self, ballot: Ballot, seen: &mut Seen) {
        let height = self.tree.height(ballot.block());
        let what = match ballot {
            Ballot::Finalize(_) => "to finalize",
            Ballot::Certify(_) => {
                let mut others = self.votes.certify.iter();
                if others.any(|other| self.tree.height(other) == height) {
                    "to certify another"
                } else {
                    "to certify"
                }
            }
        };
        *seen.entry((what, height.0)).or_default() += 1;
    }
}

fn draw(wait: u64) -> Draw {
    Draw {
        ticket: LotterySignature::ZERO,
        rank: Rank {
            u: wait,
            proposer: ME,
        },
        wait: Micros(wait),
    }
}

/// Walks through `cases` lives, the same in every run.
fn walk(cases: u32, forgets: bool) -> (Result<(), TestError<Vec<Event>>>, Seen) {
    let tree = Tree::new(CHILDREN);
    let seen = RefCell::new(Seen::new());
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let result = TestRunner::new_with_rng(config, rng).run(&events(), |events| {
        let mut life = Life::new(&tree, forgets);
        events
            .iter()
            .try_for_each(|event| life.live(event, &mut seen.borrow_mut()))
    });
    (result, seen.into_inner())
}

#[test]
fn what_else_a_member_knows_only_holds_it_back() {
    let (result, seen) = walk(20_000, false);
    result.unwrap();
    println!("{seen:?}");
    for what in ["to certify", "to certify another", "to finalize"] {
        for height in 1..=3 {
            let count = seen.get(&(what, height)).copied().unwrap_or_default();
            assert!(count >= 100, "{count} votes {what} at height {height}");
        }
    }
}

/// The walk sees it when a member does something else than the model thinks.
#[test]
fn a_member_that_forgets_its_votes_leaves_the_model() {
    let (result, _) = walk(20_000, true);
    let Err(TestError::Fail(reason, life)) = result else {
        panic!("no walk left the model: {result:?}");
    };
    println!("{reason}: {life:#?}");
    assert!(reason.message().contains("after Votes"), "{reason}");
    let restarts = life
        .iter()
        .filter(|event| matches!(event, Event::Restart { .. }));
    assert_eq!(restarts.count(), 1, "{life:?}");
}
