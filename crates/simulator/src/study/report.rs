//! What a study found.

use crate::study::{
    settings::{Part, Settings},
    statistics::{ChiSquare, Distribution, equal_chances},
};

/// So many standard deviations to each side of what is expected hold 95 of 100 cases.
const DEVIATIONS_OF_95_PERCENT: f64 = 1.959_964;

/// What a study found. Times are in microseconds of simulated time.
#[derive(Debug, Clone)]
pub struct Report {
    /// What was studied.
    pub settings: Settings,
    /// Why it ended.
    pub ending: Ending,
    /// How many heights became final.
    pub heights: u64,
    /// How much time passed in the simulated world.
    pub simulated: u64,
    /// How many things happened.
    pub events: u64,
    /// What the links carried.
    pub traffic: Traffic,
    /// What became of the orders.
    pub orders: OrderCounts,
    /// From an order's being accepted to its being final at the member that took it.
    pub order_to_final: Distribution,
    /// From a block's being made to its being final at a quorum.
    pub block_to_final: Distribution,
    /// From there being work for a height to its block's being certified.
    pub height_duration: Distribution,
    /// Heights whose own block got a finality certificate; the others are final by a descendant's.
    pub direct: u64,
    /// Heights whose final block records no order.
    pub empty: u64,
    /// Heights at which more than one block was certified.
    pub forks: u64,
    /// Heights won by the shortest wait that a living member had drawn.
    pub shortest_wait_won: u64,
    /// The members, in the order of their indexes.
    pub members: Vec<MemberReport>,
    /// The wins of the honest members against equal chances; `None` where there are not two of them.
    pub fairness: Option<ChiSquare>,
    /// What dead members cost; `None` where none is dead.
    pub dead: Option<DeadReport>,
    /// How long heights took as time went on.
    pub course: Vec<Stretch>,
    /// What happened to the network.
    pub mishaps: Vec<Mishap>,
}

/// Why a study ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// All heights are final.
    Complete,
    /// It was told to stop.
    Stopped,
    /// Orders wait and none becomes final any more.
    StoodStill,
    /// What must always hold did not.
    Violated(String),
}

/// What the links carried, each receiver counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// How many messages.
    pub messages: u64,
    /// How many bytes they have, without what connections add.
    pub bytes: u64,
}

/// What became of the orders.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OrderCounts {
    /// Placed at some member's till.
    pub placed: u64,
    /// Safe on that member's disk, and its customer told so.
    pub accepted: u64,
    /// Final at that member.
    pub final_: u64,
    /// In vain: the member did not run, died before it answered, or had no room.
    pub turned_away: u64,
}

/// One member.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberReport {
    /// What it was.
    pub part: Part,
    /// How many final blocks it made.
    pub wins: u64,
}

/// What dead members cost, in microseconds beyond the time that a height takes whose shortest wait
/// belongs to a living member.
#[derive(Debug, Clone)]
pub struct DeadReport {
    /// Heights whose shortest wait a dead member had drawn.
    pub heights: u64,
    /// The cost of such a height.
    pub winner: Cost,
    /// The cost of any height.
    pub member: Cost,
}

/// A cost; the mean gap between two waits is the measure of it.
#[derive(Debug, Clone)]
pub struct Cost {
    /// From the shortest wait of all to the block's being certified.
    pub(super) beyond_shortest: Distribution,
    /// The median of that where the shortest wait won.
    pub(super) usual: u64,
    /// The mean gap between two members' waits.
    pub(super) gap: u64,
}

impl Cost {
    /// The cost that this share of the heights does not exceed, in mean gaps.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let beyond = self.beyond_shortest.quantile(share)?;
        Some(self.in_gaps(beyond as f64))
    }

    /// The mean cost, in mean gaps.
    pub fn mean(&self) -> Option<f64> {
        (self.beyond_shortest.count() > 0).then(|| self.in_gaps(self.beyond_shortest.mean()))
    }

    /// Each cost that occurs, in mean gaps and rising, with the share of the heights that do not exceed
    /// it.
    pub fn curve(&self) -> Vec<(f64, f64)> {
        let curve = self.beyond_shortest.curve().into_iter();
        curve
            .map(|(beyond, share)| (self.in_gaps(beyond as f64), share))
            .collect()
    }

    fn in_gaps(&self, beyond: f64) -> f64 {
        (beyond - self.usual as f64) / self.gap as f64
    }
}

/// Heights one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// When the first of them began.
    pub from: u64,
    /// When the last of them was final.
    pub to: u64,
    /// How long they took: the median.
    pub median: u64,
    /// How long the longest took.
    pub longest: u64,
}

/// Something that happened to the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mishap {
    /// When.
    pub at: u64,
    /// Until when.
    pub until: u64,
    /// What.
    pub kind: MishapKind,
}

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MishapKind {
    /// So many members could not hear the others, nor be heard.
    Partition {
        /// How many were on the smaller side.
        apart: usize,
    },
    /// A member's process died and was started again at the end.
    Crash {
        /// Whose.
        member: usize,
    },
}

/// Wins among equal members.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExpectedWins {
    /// How many each honest member should have.
    pub each: f64,
    /// In 95 of 100 cases it has at least so many,
    pub least: f64,
    /// and at most so many.
    pub most: f64,
}

impl Report {
    /// The wins of the honest members.
    fn honest_wins(&self) -> Vec<u64> {
        let honest = |member: &&MemberReport| member.part == Part::Honest;
        self.members
            .iter()
            .filter(honest)
            .map(|member| member.wins)
            .collect()
    }

    /// How many wins an honest member should have; `None` where nobody won.
    pub fn expected_wins(&self) -> Option<ExpectedWins> {
        let wins = self.honest_wins();
        let total: u64 = wins.iter().sum();
        if total == 0 {
            return None;
        }
        let (total, chance) = (total as f64, 1.0 / wins.len() as f64);
        let each = total * chance;
        let margin = DEVIATIONS_OF_95_PERCENT * (each * (1.0 - chance)).sqrt();
        Some(ExpectedWins {
            each,
            least: (each - margin).max(0.0),
            most: each + margin,
        })
    }

    pub(super) fn judge_fairness(&mut self) {
        self.fairness = equal_chances(&self.honest_wins());
    }

    /// Heights a second of simulated time.
    pub fn heights_a_second(&self) -> f64 {
        self.heights as f64 * 1e6 / self.simulated.max(1) as f64
    }
}
