//! What goes wrong, and when: a plan that follows from a seed, and its execution.

use std::{
    fmt, thread,
    time::{Duration, Instant},
};

use super::{
    cluster::{Cluster, MEMBERS},
    random::Random,
};
use crate::support::Condition;

/// From the first fault on, how long it takes until all is well.
const LASTS: Duration = Duration::from_secs(20);
/// How long one fault lasts: from a hiccup to far more than a few rounds of votes.
const SHORTEST: Duration = Duration::from_millis(150);
const LONGEST: Duration = Duration::from_millis(2_500);
/// The slowest link, in the range of the waits of the lottery and of sending again.
const MOST_DELAY: Duration = Duration::from_millis(300);

/// One thing that is wrong for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// These members' processes are killed, to start again when it is over. A power cut may take back
    /// what is in the index, which is not synced; here it takes all of it.
    Kill {
        members: Vec<usize>,
        index_lost: bool,
    },
    /// These members' processes stand still.
    Freeze { members: Vec<usize> },
    /// Connections break on these ways, and on the ways back.
    Cut { ways: Vec<(usize, usize)> },
    /// What goes these ways comes later.
    Delay {
        ways: Vec<(usize, usize)>,
        by: Duration,
    },
    /// Nothing comes through on these ways, and all of it at once when it is over.
    Stall { ways: Vec<(usize, usize)> },
}

impl Fault {
    /// What it does to one way.
    pub(crate) fn condition(&self, way: (usize, usize)) -> Option<Condition> {
        let (ways, condition) = match self {
            Self::Cut { ways } => {
                let cut = true;
                (
                    ways,
                    Condition {
                        cut,
                        ..Condition::default()
                    },
                )
            }
            Self::Delay { ways, by } => {
                let delay = *by;
                (
                    ways,
                    Condition {
                        delay,
                        ..Condition::default()
                    },
                )
            }
            Self::Stall { ways } => {
                let stalled = true;
                (
                    ways,
                    Condition {
                        stalled,
                        ..Condition::default()
                    },
                )
            }
            Self::Kill { .. } | Self::Freeze { .. } => return None,
        };
        ways.contains(&way).then_some(condition)
    }

    pub(crate) fn killed(&self) -> Option<&[usize]> {
        match self {
            Self::Kill { members, .. } => Some(members),
            _ => None,
        }
    }

    pub(crate) fn without_index(&self) -> Option<&[usize]> {
        match self {
            Self::Kill {
                members,
                index_lost: true,
            } => Some(members),
            _ => None,
        }
    }

    pub(crate) fn frozen(&self) -> Option<&[usize]> {
        match self {
            Self::Freeze { members } => Some(members),
            _ => None,
        }
    }
}

/// A fault and its time, from the beginning of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Planned {
    from: Duration,
    until: Duration,
    fault: Fault,
}

/// Every kind of fault several times, at random moments, so that many fall together: one member at a
/// time mostly, but also more than the network tolerates, which then must stand still and lose nothing.
pub(crate) fn plan(seed: u64) -> Vec<Planned> {
    let random = &mut Random::new(seed);
    let mut faults = vec![
        Fault::Kill {
            members: (0..MEMBERS).collect(),
            index_lost: true,
        },
        Fault::Kill {
            members: some(random, 2),
            index_lost: false,
        },
        Fault::Freeze {
            members: some(random, 2),
        },
    ];
    for index_lost in [false, false, true, true] {
        faults.push(Fault::Kill {
            members: some(random, 1),
            index_lost,
        });
    }
    for _ in 0..3 {
        faults.push(Fault::Freeze {
            members: some(random, 1),
        });
    }
    for apart in [1, 1, 2] {
        // One alone, or two and two.
        faults.push(Fault::Cut {
            ways: between(&some(random, apart)),
        });
    }
    for _ in 0..3 {
        let ways = link(random).to_vec();
        faults.push(Fault::Cut { ways });
        let by = random.between(Duration::from_millis(1), MOST_DELAY);
        let ways = link(random).to_vec();
        faults.push(Fault::Delay { ways, by });
        let ways = link(random)[..1].to_vec();
        faults.push(Fault::Stall { ways });
    }
    let slow = some(random, 1);
    faults.push(Fault::Delay {
        ways: between(&slow),
        by: random.between(Duration::from_millis(1), MOST_DELAY),
    });
    let deaf = some(random, 1)[0];
    faults.push(Fault::Stall {
        ways: (0..MEMBERS)
            .filter(|other| *other != deaf)
            .map(|other| (other, deaf))
            .collect(),
    });
    let planned = faults.into_iter().map(|fault| {
        let lasts = random.between(SHORTEST, LONGEST);
        let from = random.between(Duration::ZERO, LASTS - lasts);
        Planned {
            from,
            until: from + lasts,
            fault,
        }
    });
    let mut planned: Vec<Planned> = planned.collect();
    planned.sort_by_key(|planned| planned.from);
    planned
}

/// So many different members.
fn some(random: &mut Random, count: usize) -> Vec<usize> {
    let mut members: Vec<usize> = (0..MEMBERS).collect();
    while members.len() > count {
        let leaves = *random.pick(&members);
        members.retain(|member| *member != leaves);
    }
    members
}

/// Both ways between two different members.
fn link(random: &mut Random) -> [(usize, usize); 2] {
    let ends = some(random, 2);
    let way = *random.pick(&[(ends[0], ends[1]), (ends[1], ends[0])]);
    [way, (way.1, way.0)]
}

/// All ways between some members and the others.
fn between(some: &[usize]) -> Vec<(usize, usize)> {
    let others = (0..MEMBERS).filter(|member| !some.contains(member));
    others
        .flat_map(|other| {
            some.iter()
                .flat_map(move |&one| [(one, other), (other, one)])
        })
        .collect()
}

/// Does what is planned; all is well again afterwards.
pub(crate) fn execute(plan: &[Planned], cluster: &mut Cluster) {
    let start = Instant::now();
    let mut changes: Vec<Duration> = plan
        .iter()
        .flat_map(|planned| [planned.from, planned.until])
        .collect();
    changes.sort_unstable();
    for now in changes {
        // Starting a process takes its time; what is late by then is done at once, and not left out.
        thread::sleep(now.saturating_sub(start.elapsed()));
        let present = plan
            .iter()
            .filter(|planned| planned.from <= now && now < planned.until);
        let faults: Vec<Fault> = present.map(|planned| planned.fault.clone()).collect();
        cluster.suffer(&faults);
    }
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, until) = (self.from.as_secs_f64(), self.until.as_secs_f64());
        write!(f, "{from:6.3} to {until:6.3} s: {:?}", self.fault)
    }
}

#[test]
fn a_plan_follows_from_its_seed() {
    assert_eq!(plan(7), plan(7));
    assert_ne!(plan(7), plan(8));
    let faults = plan(7);
    assert!(
        faults
            .iter()
            .all(|it| it.from < it.until && it.until <= LASTS)
    );
}
