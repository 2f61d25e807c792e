//! Model check of the voting rules (`docs/protocol.md` §5, "Why it is safe"): every order in which
//! honest members can cast votes, whatever liars, network, clocks and crashes do.

mod flaws;
mod member;
mod network;
mod tree;
mod walk;

use std::{collections::HashSet, time::Instant};

use stateright::{Checker, Model, StateRecorder};
use types::FaultModel;

use crate::network::{AGREEMENT, ANCESTRY, FORK, HEALED, Network, State};

/// Visits all states of a network with as many liars as its fault model allows: every claim must hold,
/// none for want of cases, and the states must be as many as they were when the model was last judged.
/// Their number does not depend on the number of threads. Each block of height h − 1 has `children[h - 1]`
/// children.
fn check(
    fault_model: FaultModel,
    members: usize,
    children: &[usize],
    states: usize,
    threads: usize,
) {
    let quorum = fault_model.quorum(members);
    let liars = match fault_model {
        FaultModel::Byzantine => fault_model.tolerated(members),
        FaultModel::Crash => 0,
    };
    let start = Instant::now();
    let checker = Network::new(members, quorum, liars, children)
        .checker()
        .threads(threads)
        .spawn_bfs()
        .join();
    println!(
        "{fault_model:?}, quorum {quorum} of {members}, {liars} lie, children {children:?}: \
         {} states, {} steps, {:.1} s",
        checker.unique_state_count(),
        checker.state_count(),
        start.elapsed().as_secs_f64(),
    );
    checker.assert_no_discovery(AGREEMENT);
    checker.assert_no_discovery(ANCESTRY);
    checker.assert_any_discovery(FORK);
    checker.assert_any_discovery(HEALED);
    assert_eq!(checker.unique_state_count(), states);
}

#[test]
fn one_of_four_lies_and_the_others_agree() {
    let check = |children: &[usize], states| check(FaultModel::Byzantine, 4, children, states, 1);
    check(&[2, 2], 11_564);
    check(&[3, 2], 214_459);
    check(&[2, 1, 1], 78_377);
    check(&[1, 2, 2], 355_010);
    check(&[2, 1, 2], 557_750);
}

#[test]
fn two_of_seven_lie_and_the_others_agree() {
    check(FaultModel::Byzantine, 7, &[2, 1], 122_357, 1);
}

#[test]
fn nobody_lies_and_all_agree() {
    let check = |members, children: &[usize], states| {
        check(FaultModel::Crash, members, children, states, 1);
    };
    check(3, &[2, 2], 11_564);
    check(4, &[2, 2], 69_523);
    check(4, &[2, 1, 1], 363_937);
}

/// The same with more forks: three times five million states.
#[test]
#[ignore = "takes minutes and 1 GB of memory"]
fn all_agree_whichever_forks_there_are() {
    let threads = std::thread::available_parallelism().map_or(1, Into::into);
    check(FaultModel::Byzantine, 4, &[2, 2, 1], 5_211_701, threads);
    check(FaultModel::Crash, 4, &[1, 2, 2], 5_016_977, threads);
    check(FaultModel::Crash, 4, &[2, 1, 2], 5_425_835, threads);
}

/// Every state of a network, each named in one way.
fn states(network: Network) -> HashSet<State> {
    let (recorder, recorded) = StateRecorder::new_with_accessor();
    let checker = network.checker().visitor(recorder).spawn_bfs().join();
    let recorded = recorded();
    assert_eq!(recorded.len(), checker.unique_state_count());
    let model = checker.model();
    recorded
        .iter()
        .map(|state| model.canonical(state))
        .collect()
}

/// Names play no part: a search that takes states for one where they differ in names alone sees no
/// less than one that keeps them apart.
#[test]
fn alike_states_may_be_taken_for_one() {
    for (members, quorum, liars, children, count) in [
        (3, 2, 0, &[3][..], 73),
        (4, 3, 0, &[2], 55),
        (4, 3, 1, &[2, 1], 1_488),
    ] {
        let network = || Network::new(members, quorum, liars, children);
        let (reduced, all) = (states(network()), states(network().hunting(None)));
        assert_eq!(reduced, all);
        assert_eq!(all.len(), count);
    }
}
