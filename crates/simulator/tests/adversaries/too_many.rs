//! More liars than a network tolerates break agreement, and the checker of agreement reports it; as many
//! as it tolerates, telling the same lie in the same network, do not.

use simulator::{
    Plan,
    adversary::Kind,
    plan::{Fault, Role},
    run_plan,
};
use types::{FaultModel, Preset};

/// How members may fail, how many there are, and how many of them may lie. In each of these networks
/// one liar more is enough for two quorums that share no honest member (`docs/protocol.md` §2).
const NETWORKS: [(FaultModel, usize, usize); 4] = [
    (FaultModel::Byzantine, 4, 1),
    (FaultModel::Byzantine, 7, 2),
    (FaultModel::Crash, 3, 0),
    (FaultModel::Crash, 5, 0),
];

const SEEDS: std::ops::Range<u64> = 0..8;

/// Liars sit in the middle, and each is another host to the members before them than to those after
/// them. Neither these two halves hear each other, nor do the liars: a half that has a quorum with them
/// is a network of its own.
fn two_halves(seed: u64, fault_model: FaultModel, members: usize, liars: usize) -> Plan {
    let mut plan = Plan::calm(seed, members, fault_model, Preset::Lan);
    plan.calm = false;
    plan.steady = false;
    let first_liar = (members - liars) / 2;
    for host in &mut plan.hosts[first_liar..first_liar + liars] {
        host.role = Role::Adversary(Kind::SplitBrain);
    }
    let honest = plan.honest();
    let pairs = (0..members).flat_map(|from| (0..members).map(move |to| (from, to)));
    let links = pairs.filter(
        |(from, to)| match (honest.contains(from), honest.contains(to)) {
            (true, true) => (*from < first_liar) != (*to < first_liar),
            (false, false) => true,
            _ => false,
        },
    );
    let cut = Fault::Cut {
        links: links.collect(),
        until: plan.faulty_until,
        reset: false,
    };
    plan.faults.push((0, cut));
    plan
}

#[test]
fn one_liar_more_than_tolerated_breaks_agreement() {
    for (fault_model, members, tolerated) in NETWORKS {
        for seed in SEEDS {
            let run = || run_plan(two_halves(seed, fault_model, members, tolerated + 1));
            let failure = run().expect_err("two halves have different final blocks");
            assert_eq!(failure.violation.checker, "agreement", "{failure}");
            assert_eq!(run(), Err(failure));
        }
    }
}

#[test]
fn as_many_liars_as_tolerated_do_not() {
    for (fault_model, members, tolerated) in NETWORKS {
        for seed in SEEDS {
            if let Err(failure) = run_plan(two_halves(seed, fault_model, members, tolerated)) {
                panic!("{fault_model:?}, {members} members: {failure}");
            }
        }
    }
}
