//! What a study is about, and the plan of the world that follows from it.

use types::{FaultModel, Preset, Timing};

use crate::{
    adversary::Kind,
    clocks::EXACT_RATE,
    links::{Distance, LinkPlan},
    plan::{HostPlan, Plan, Role},
    random::{Random, Stream},
};

/// Nothing heals in a study; this is far beyond its end and small enough to reckon with.
const NEVER: u64 = u64::MAX / 16;

/// Small, so that the log of a long study can be given back piece by piece.
const SEGMENT_BYTES: u32 = 128 * 1024;

/// How long an ordinary disk needs for a sync, in microseconds: a solid-state disk of a small computer.
const SYNC_MICROS: (u64, u64) = (200, 1_000);

/// So many of a hundred messages around the world take at least twice as long as usual.
const UNLUCKY_AROUND_THE_WORLD: u64 = 1;

/// One member in so many has a slow disk where there are slow disks.
const ONE_SLOW_DISK_IN: usize = 3;

/// The network that is studied.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// How many members it has, 1 to 100.
    pub members: usize,
    /// How members may fail.
    pub fault_model: FaultModel,
    /// How far apart they are.
    pub distance: Distance,
    /// The lottery's times.
    pub timing: Timing,
    /// What goes wrong.
    pub faults: Faults,
    /// How many heights are to become final.
    pub heights: u64,
    /// How many orders are placed.
    pub orders: Rate,
    /// The most orders a block seals.
    pub max_block_orders: u32,
    /// Everything that happens by chance follows from it.
    pub seed: u64,
}

/// How many orders are placed, in the whole network. They come one by one at random times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    /// So many a second.
    ASecond(f64),
    /// So many in the time that a block takes.
    ABlock(f64),
}

/// What goes wrong, from the beginning to the end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults {
    /// So many of a hundred messages are lost.
    pub loss: u64,
    /// So many of a hundred messages arrive twice.
    pub duplication: u64,
    /// Now and then the network falls into two parts.
    pub partitions: bool,
    /// Now and then a member's process dies and is started again later.
    pub crashes: bool,
    /// One member in three has a slow disk.
    pub slow_disks: bool,
    /// Clocks run up to a tenth too fast or too slow, and wall clocks are off by up to 2 s.
    pub clocks: bool,
    /// So many members never start.
    pub dead: usize,
    /// So many members of each kind lie.
    pub liars: Vec<(Kind, usize)>,
}

impl Faults {
    /// How many members lie.
    pub fn liars(&self) -> usize {
        self.liars.iter().map(|(_, count)| count).sum()
    }
}

/// What a member of a study is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// It follows the rules.
    Honest,
    /// It never starts.
    Dead,
    /// It lies.
    Liar(Kind),
}

impl Settings {
    /// What each member is: the honest ones, then the liars, then the dead.
    pub fn parts(&self) -> Vec<Part> {
        let liars = self.faults.liars.iter();
        let others: Vec<Part> = liars
            .flat_map(|(kind, count)| std::iter::repeat_n(Part::Liar(*kind), *count))
            .chain(std::iter::repeat_n(Part::Dead, self.faults.dead))
            .take(self.members)
            .collect();
        let honest = self.members - others.len();
        std::iter::repeat_n(Part::Honest, honest)
            .chain(others)
            .collect()
    }

    /// How many members make a quorum.
    pub fn quorum(&self) -> usize {
        self.fault_model.quorum(self.members)
    }

    /// About how long a height takes when nothing goes wrong, in microseconds: the winner's wait, the
    /// grace, and the way of a block and of a vote with their syncs.
    pub(super) fn usual_height(&self) -> u64 {
        let timing = &self.timing;
        let ways = self.distance.longest_delay() + 2 * SYNC_MICROS.1;
        timing.min_wait.0 + timing.mean_wait.0 + timing.grace.0.max(ways) + ways
    }

    /// The world of this study. Nothing happens in it but what its members do; orders and mishaps are
    /// brought in as time goes on.
    pub(super) fn plan(&self) -> Plan {
        let mut random = Random::new(self.seed, Stream::Plan);
        let mut plan = Plan::calm(self.seed, self.members, self.fault_model, Preset::Lan);
        plan.timing = self.timing;
        plan.max_block_orders = self.max_block_orders;
        plan.segment_bytes = SEGMENT_BYTES;
        plan.faulty_until = NEVER;
        plan.placements.clear();
        plan.links = LinkPlan {
            distance: self.distance,
            loss: self.faults.loss,
            duplication: self.faults.duplication,
            unlucky: match self.distance {
                Distance::Wan => UNLUCKY_AROUND_THE_WORLD,
                Distance::Lan | Distance::Metro => 0,
            },
        };
        let hosts = plan.hosts.iter_mut().zip(self.parts());
        for (number, (host, part)) in hosts.enumerate() {
            self.fill(host, number, part, &mut random);
        }
        plan
    }

    fn fill(&self, host: &mut HostPlan, number: usize, part: Part, random: &mut Random) {
        host.role = match part {
            Part::Honest | Part::Dead => Role::Honest,
            Part::Liar(kind) => Role::Adversary(kind),
        };
        host.starts_at = match part {
            Part::Dead => NEVER,
            Part::Honest | Part::Liar(_) => random.below(1_000),
        };
        host.sync_micros = if self.faults.slow_disks && number.is_multiple_of(ONE_SLOW_DISK_IN) {
            match self.distance {
                Distance::Lan => (1_000, 10_000),
                Distance::Metro | Distance::Wan => (1_000, 40_000),
            }
        } else {
            SYNC_MICROS
        };
        if self.faults.clocks {
            host.clock_rate = random.between(EXACT_RATE * 9 / 10, EXACT_RATE * 11 / 10);
            host.wall_offset_millis = i64::try_from(random.below(4_000)).unwrap_or(0) - 2_000;
        }
    }
}
