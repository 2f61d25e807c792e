//! All members and everything that can happen to them, as a state machine to be searched.

use std::{collections::HashMap, fmt, sync::Mutex};

use stateright::{Model, Property};

use crate::{
    member::{Ballot, Flaw, Votes, may_cast},
    tree::{Blocks, Tree},
};

/// The claims, by the names under which the checker reports them.
pub(crate) const AGREEMENT: &str = "no two blocks of a height are final";
pub(crate) const ANCESTRY: &str =
    "all certified blocks from a finalized one upwards descend from it";
pub(crate) const FORK: &str = "two blocks of a height are certified";
pub(crate) const HEALED: &str = "a block of the last height is final, above a fork";

/// A network of members, of which some lie.
///
/// A state is what every honest member has persisted: its votes. A liar has voted for everything from
/// the start, which is the most it can do, because votes only ever help a quorum. A vote that was cast
/// may reach anybody at any time or nobody ever: a certificate may be learned as soon as the votes for
/// it exist. Crashes and restarts need no transitions of their own: before each vote a member forgets
/// everything but its votes and learns again the certificates that this vote rests on. What else a
/// member may know only holds it back ([`crate::walk`] checks that).
#[derive(Debug)]
pub(crate) struct Network {
    tree: Tree,
    honest: usize,
    liars: usize,
    quorum: usize,
    flaw: Option<Flaw>,
    /// The search is for a run that breaks agreement: members and blocks keep their names, so that it
    /// can be read, and nothing else is claimed, so that the search ends with the first, a shortest one.
    hunting: bool,
    /// What the rules answered before.
    answers: Mutex<HashMap<(Votes, Ballot), bool>>,
}

/// The votes of each honest member.
pub(crate) type State = Vec<Votes>;

/// One honest member casts a vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cast {
    pub(crate) member: usize,
    pub(crate) ballot: Ballot,
}

impl fmt::Display for Cast {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "member {} votes {}", self.member, self.ballot)
    }
}

impl Network {
    /// A network that follows the rules, in which `liars` of `members` lie. Members are alike, and so
    /// are siblings: states that differ in names alone are one state.
    pub(crate) fn new(members: usize, quorum: usize, liars: usize, children: &[usize]) -> Self {
        Self {
            tree: Tree::new(children),
            honest: members - liars,
            liars,
            quorum,
            flaw: None,
            hunting: false,
            answers: Mutex::default(),
        }
    }

    /// The same network, searched by name and for disagreement only, perhaps with a rule left out.
    pub(crate) fn hunting(self, flaw: Option<Flaw>) -> Self {
        Self {
            flaw,
            hunting: true,
            ..self
        }
    }

    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The blocks for which enough votes can be shown, liars' included.
    fn quorums(&self, state: &[Votes], votes: impl Fn(&Votes) -> Blocks) -> Blocks {
        let enough = |block: &usize| {
            let honest = state.iter().filter(|member| votes(member).contains(*block));
            honest.count() + self.liars >= self.quorum
        };
        self.tree
            .blocks()
            .filter(enough)
            .fold(Blocks::default(), Blocks::with)
    }

    pub(crate) fn certified(&self, state: &[Votes]) -> Blocks {
        self.quorums(state, |member| member.certify)
    }

    /// Blocks with a finality certificate of their own.
    pub(crate) fn finalized(&self, state: &[Votes]) -> Blocks {
        self.quorums(state, |member| member.finalize)
    }

    /// Blocks with a finality certificate, and their ancestors.
    fn all_final(&self, state: &[Votes]) -> Blocks {
        self.finalized(state)
            .iter()
            .fold(Blocks::default(), |all, block| {
                all.or(self.tree.path(block))
            })
    }

    fn may_cast(&self, votes: Votes, ballot: Ballot) -> bool {
        *self
            .answers
            .lock()
            .unwrap()
            .entry((votes, ballot))
            .or_insert_with(|| may_cast(&self.tree, self.flaw, votes, ballot))
    }

    /// The least of all states that differ from this one in names alone.
    pub(crate) fn canonical(&self, state: &[Votes]) -> State {
        let (mut least, mut members) = (state.to_vec(), Vec::with_capacity(state.len()));
        least.sort_unstable();
        for names in self.tree.renamings() {
            members.clear();
            members.extend(state.iter().map(|votes| votes.renamed(names)));
            members.sort_unstable();
            if members < least {
                std::mem::swap(&mut members, &mut least);
            }
        }
        least
    }

    pub(crate) fn agreement(&self, state: &[Votes]) -> bool {
        let all_final = self.all_final(state);
        let mut levels = self.tree.levels().iter();
        levels.all(|level| level.and(all_final).count() <= 1)
    }

    /// Below a block with a finality certificate, rivals of its ancestors may well be certified; from
    /// its height on, nothing but its descendants is.
    fn ancestry(&self, state: &[Votes]) -> bool {
        let certified = self.certified(state);
        self.finalized(state).iter().all(|finalized| {
            certified.iter().all(|block| {
                self.tree.height(block) < self.tree.height(finalized)
                    || self.tree.path(block).contains(finalized)
            })
        })
    }

    fn fork(&self, state: &[Votes]) -> bool {
        let certified = self.certified(state);
        let mut levels = self.tree.levels().iter();
        levels.any(|level| level.and(certified).count() > 1)
    }

    /// The fork is below the final block, by what [`Network::ancestry`] claims.
    fn healed(&self, state: &[Votes]) -> bool {
        let last = self.tree.levels().last().expect("a tree has blocks");
        last.and(self.finalized(state)).count() > 0 && self.fork(state)
    }
}

impl Model for Network {
    type State = State;
    type Action = Cast;

    fn init_states(&self) -> Vec<State> {
        vec![vec![Votes::default(); self.honest]]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Cast>) {
        let certified = self.certified(state);
        let valid = |block| {
            let parent = self.tree.parent(block);
            parent.is_none_or(|parent| certified.contains(parent))
                || self.flaw == Some(Flaw::BuildsOnUncertified)
        };
        let mut push = |member: usize, ballot: Ballot| {
            let votes = state[member];
            if !votes.contains(ballot) && self.may_cast(votes, ballot) {
                actions.push(Cast { member, ballot });
            }
        };
        for member in 0..state.len() {
            for block in self.tree.blocks() {
                if valid(block) {
                    push(member, Ballot::Certify(block));
                }
                if certified.contains(block) {
                    push(member, Ballot::Finalize(block));
                }
            }
        }
    }

    fn next_state(&self, state: &State, action: Cast) -> Option<State> {
        let mut next = state.clone();
        next[action.member] = next[action.member].with(action.ballot);
        Some(if self.hunting {
            next
        } else {
            self.canonical(&next)
        })
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let agreement = Property::always(AGREEMENT, |model: &Self, state: &State| {
            model.agreement(state)
        });
        if self.hunting {
            return vec![agreement];
        }
        vec![
            agreement,
            Property::always(ANCESTRY, |model: &Self, state: &State| {
                model.ancestry(state)
            }),
            Property::sometimes(FORK, |model: &Self, state: &State| model.fork(state)),
            Property::sometimes(HEALED, |model: &Self, state: &State| model.healed(state)),
        ]
    }
}
