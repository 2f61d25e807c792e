//! Partitions and crashes that come now and then, for as long as a study lasts.

use crate::{
    plan::Fault,
    queue::Happening,
    random::{Random, Stream},
    study::{
        report::{Mishap, MishapKind},
        settings::{Part, Settings},
    },
    world::World,
};

/// The network falls apart after about so many heights of working.
const HEIGHTS_BETWEEN_PARTITIONS: u64 = 200;

/// It is whole again after at most so many heights' time.
const LONGEST_PARTITION: u64 = 20;

/// A process dies after about so many heights.
const HEIGHTS_BETWEEN_CRASHES: u64 = 100;

/// It is started again after at most so many heights' time, and at least a tenth of that.
const LONGEST_DOWN: u64 = 50;

/// What is still to come.
pub(super) struct Mishaps {
    random: Random,
    /// About how long a height takes, in microseconds.
    height: u64,
    members: usize,
    /// The members that can crash.
    honest: Vec<usize>,
    partition_at: Option<u64>,
    crash_at: Option<u64>,
}

impl Mishaps {
    pub(super) fn new(settings: &Settings) -> Self {
        let mut random = Random::new(settings.seed, Stream::Mishaps);
        let height = settings.usual_height();
        let mut first = |wanted: bool, heights: u64| {
            wanted.then(|| height * random.between(heights / 4, heights * 2))
        };
        let honest = settings.parts().into_iter().enumerate();
        let honest: Vec<usize> = honest
            .filter(|(_, part)| *part == Part::Honest)
            .map(|(host, _)| host)
            .collect();
        let parts = settings.faults.partitions && settings.members > 1;
        let dies = settings.faults.crashes && !honest.is_empty();
        Self {
            partition_at: first(parts, HEIGHTS_BETWEEN_PARTITIONS),
            crash_at: first(dies, HEIGHTS_BETWEEN_CRASHES),
            random,
            height,
            members: settings.members,
            honest,
        }
    }

    /// When the next one comes.
    pub(super) fn next_at(&self) -> Option<u64> {
        self.partition_at.into_iter().chain(self.crash_at).min()
    }

    /// Lets what is due happen.
    pub(super) fn happen(&mut self, world: &mut World, now: u64) -> Vec<Mishap> {
        let mut happened = Vec::new();
        if self.partition_at.is_some_and(|at| at <= now) {
            let until = now + self.height * self.random.between(1, LONGEST_PARTITION);
            self.partition_at = Some(until + self.pause(HEIGHTS_BETWEEN_PARTITIONS));
            let apart = self.partition(world, now, until);
            happened.push(Mishap {
                at: now,
                until,
                kind: MishapKind::Partition { apart },
            });
        }
        if self.crash_at.is_some_and(|at| at <= now) {
            let longest = self.height * LONGEST_DOWN;
            let down = self.random.between(longest / 10, longest);
            self.crash_at = Some(now + self.pause(HEIGHTS_BETWEEN_CRASHES));
            let member = self.random.pick(&self.honest);
            let fault = Fault::Kill {
                host: member,
                power: false,
                down,
            };
            add(world, now, fault);
            happened.push(Mishap {
                at: now,
                until: now + down,
                kind: MishapKind::Crash { member },
            });
        }
        happened
    }

    fn pause(&mut self, heights: u64) -> u64 {
        self.height * self.random.between(heights / 2, heights * 3 / 2)
    }

    /// Cuts all links between two parts; returns how many members are in the smaller one.
    fn partition(&mut self, world: &mut World, now: u64, until: u64) -> usize {
        let mut members: Vec<usize> = (0..self.members).collect();
        for place in (1..members.len()).rev() {
            members.swap(place, self.random.index(place + 1));
        }
        let apart = 1 + self.random.index(self.members / 2);
        let (few, many) = members.split_at(apart);
        let links = few
            .iter()
            .flat_map(|one| {
                many.iter()
                    .flat_map(|other| [(*one, *other), (*other, *one)])
            })
            .collect();
        let fault = Fault::Cut {
            links,
            until,
            reset: true,
        };
        add(world, now, fault);
        apart
    }
}

/// Adds a fault to the world's plan.
fn add(world: &mut World, at: u64, fault: Fault) {
    let number = world.plan.faults.len();
    world.plan.faults.push((at, fault));
    world.schedule(at, Happening::Fault { number });
}
