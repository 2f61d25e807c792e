//! What the checker finds where a rule is left out or too many members lie: two blocks of a height
//! become final. Each run it finds is read and judged anew, from its votes alone.

use std::collections::{BTreeMap, BTreeSet};

use stateright::{Checker, Model};

use crate::{
    member::{Ballot, Flaw, Votes},
    network::{AGREEMENT, Cast, Network},
    tree::{Block, Blocks, Tree},
};

/// Two blocks of the first height with a child each: a fork, and room for it to grow.
const FORK: &[usize] = &[2, 1];

/// n = 4 and f = 1 of the byzantine model, with the one liar it tolerates.
fn one_liar(flaw: Option<Flaw>) -> Network {
    Network::new(4, 3, 1, FORK).hunting(flaw)
}

/// n = 3 of the crash model, in which nobody lies.
fn no_liar(flaw: Option<Flaw>) -> Network {
    Network::new(3, 2, 0, FORK).hunting(flaw)
}

/// A shortest run after which two blocks of a height are final, or `None` after a complete search.
fn hunt(network: Network) -> Option<Vec<Cast>> {
    let checker = network.checker().spawn_bfs().join();
    assert!(checker.is_done());
    Some(checker.discovery(AGREEMENT)?.into_actions())
}

/// The blocks that `quorum` members voted to finalize, liars included, and their ancestors.
fn final_blocks(tree: &Tree, run: &[Cast], quorum: usize, liars: usize) -> BTreeSet<Block> {
    let mut voters: BTreeMap<Block, BTreeSet<usize>> = BTreeMap::new();
    for cast in run {
        if let Ballot::Finalize(block) = cast.ballot {
            voters.entry(block).or_default().insert(cast.member);
        }
    }
    voters
        .iter()
        .filter(|(_, voters)| voters.len() + liars >= quorum)
        .flat_map(|(block, _)| tree.path(*block).iter())
        .collect()
}

/// Two final blocks of one height.
fn conflict(tree: &Tree, finals: &BTreeSet<Block>) -> Option<(Block, Block)> {
    let mut pairs = finals
        .iter()
        .flat_map(|one| finals.range(one + 1..).map(move |other| (*one, *other)));
    pairs.find(|(one, other)| tree.height(*one) == tree.height(*other))
}

/// The first step of a run that a network does not offer, with the votes before it.
fn first_refused(network: &Network, run: &[Cast]) -> Option<(Cast, Vec<Votes>)> {
    let mut state = network.init_states().remove(0);
    for cast in run {
        let mut offered = Vec::new();
        network.actions(&state, &mut offered);
        if !offered.contains(cast) {
            return Some((*cast, state));
        }
        state = network.next_state(&state, *cast)?;
    }
    None
}

/// Finds a run of `length` votes that breaks agreement in the flawed network of `quorum` and `liars`,
/// and checks that it does, and that the sound network does not follow it. Returns the vote at which
/// that one stops, with the votes before it.
fn counterexample(
    flawed: impl Fn() -> Network,
    (quorum, liars): (usize, usize),
    sound: &Network,
    length: usize,
) -> (Cast, Vec<Votes>) {
    let run = hunt(flawed()).expect("the checker should find two final blocks of a height");
    for cast in &run {
        println!("{cast}");
    }
    let tree = sound.tree();
    let (_, before) = run.split_last().expect("nothing is final at the start");
    let finals = final_blocks(tree, &run, quorum, liars);
    let (one, other) = conflict(tree, &finals).expect("the run should break agreement");
    println!("blocks {one} and {other} are final\n");
    assert!(conflict(tree, &final_blocks(tree, before, quorum, liars)).is_none());
    assert!(first_refused(&flawed(), &run).is_none());
    assert_eq!(run.len(), length);
    first_refused(sound, &run).expect("a sound network should not follow the run")
}

/// The flaw breaks agreement in both fault models, and what the rules refuse of that run is the flaw, as
/// `is_it` recognizes it by the vote and the voter's votes before it.
fn rule_left_out(flaw: Flaw, length: usize, is_it: impl Fn(&Tree, Cast, Votes) -> bool) {
    let one_liar_of_four = (one_liar as fn(Option<Flaw>) -> Network, (3, 1));
    let no_liar_of_three = (no_liar as fn(Option<Flaw>) -> Network, (2, 0));
    for (network, size) in [one_liar_of_four, no_liar_of_three] {
        let sound = network(None);
        let (cast, before) = counterexample(|| network(Some(flaw)), size, &sound, length);
        assert!(
            is_it(sound.tree(), cast, before[cast.member]),
            "{cast}, after {before:?}"
        );
    }
}

/// True when one of `blocks` is a rival of `block`: another of its height.
fn has_rival(tree: &Tree, blocks: Blocks, block: Block) -> bool {
    blocks
        .iter()
        .any(|other| other != block && tree.height(other) == tree.height(block))
}

#[test]
fn finalizing_in_spite_of_other_votes_is_found() {
    let is_it = |tree: &Tree, cast: Cast, votes: Votes| match cast.ballot {
        Ballot::Finalize(block) => has_rival(tree, votes.certify, block),
        Ballot::Certify(_) => false,
    };
    rule_left_out(Flaw::FinalizesInSpiteOfOtherVotes, 10, is_it);
}

#[test]
fn certifying_in_spite_of_finalizing_is_found() {
    let is_it = |tree: &Tree, cast: Cast, votes: Votes| match cast.ballot {
        Ballot::Certify(block) => has_rival(tree, votes.finalize, block),
        Ballot::Finalize(_) => false,
    };
    rule_left_out(Flaw::CertifiesInSpiteOfFinalizing, 10, is_it);
}

#[test]
fn forgetting_votes_at_a_restart_is_found() {
    rule_left_out(Flaw::ForgetsVotes, 8, |tree, cast, votes| {
        let block = cast.ballot.block();
        has_rival(tree, votes.certify.or(votes.finalize), block)
    });
}

#[test]
fn building_on_a_block_that_is_not_certified_is_found() {
    rule_left_out(
        Flaw::BuildsOnUncertified,
        8,
        |tree, cast, _| matches!(cast.ballot, Ballot::Certify(block) if tree.parent(block).is_some()),
    );
}

#[test]
fn a_quorum_too_small_is_found() {
    for (members, quorum, liars, length) in [(4, 2, 1, 4), (4, 2, 0, 8), (7, 4, 2, 8)] {
        let sound = Network::new(members, quorum + 1, liars, &[2]).hunting(None);
        let flawed = || Network::new(members, quorum, liars, &[2]).hunting(None);
        let (cast, _) = counterexample(flawed, (quorum, liars), &sound, length);
        // The certificate is not there.
        assert!(matches!(cast.ballot, Ballot::Finalize(_)), "{cast}");
    }
}

#[test]
fn more_liars_than_the_fault_model_tolerates_are_found() {
    for (members, quorum, liars, length) in [(4, 3, 2, 4), (3, 2, 1, 4), (5, 3, 1, 8)] {
        let sound = Network::new(members, quorum, liars - 1, &[2]).hunting(None);
        let flawed = || Network::new(members, quorum, liars, &[2]).hunting(None);
        let (cast, _) = counterexample(flawed, (quorum, liars), &sound, length);
        assert!(matches!(cast.ballot, Ballot::Finalize(_)), "{cast}");
    }
}

/// §2: the condition on quorums, 2q − n > f, is neither too weak nor too strong.
#[test]
fn agreement_holds_where_two_quorums_share_an_honest_member_and_only_there() {
    let mut held = 0;
    for members in 1..=4 {
        for quorum in 1..=members {
            for liars in 0..=members {
                let network = Network::new(members, quorum, liars, FORK);
                let checker = network.checker().spawn_bfs().join();
                let holds = checker.discovery(AGREEMENT).is_none();
                let share = 2 * quorum > members + liars;
                assert_eq!(holds, share, "{quorum} of {members}, {liars} lie");
                held += usize::from(holds);
            }
        }
    }
    assert_eq!(held, 13);
}
