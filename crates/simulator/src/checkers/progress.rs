//! Progress: once everything has healed, every honest member has every answered order final within a
//! stated time; and where nothing stands in the way, no height takes longer than a stated time.

use std::collections::{BTreeMap, BTreeSet};

use types::{Height, OrderId};

use super::{Checker, Facts};
use crate::{observation::Observation, plan::Plan};

/// How often all of this may be needed one after the other: to hear of what was missed, to certify
/// what was begun, and to make final what is on top of it, each with an unlucky draw or two.
const ROUNDS: u64 = 12;

/// A resend interval doubles at most to eight times itself.
const MOST_RESEND: u64 = 8;

/// A better block holds votes back for eight graces beyond the one they wait for anyway.
const GRACES: u64 = 9;

/// The grace is stretched to no more than a minute, or ten resend intervals where that is more.
const LEAST_STRETCH_CAP: u64 = 60_000_000;

/// So many heights that are certified one after the other and not final are a standstill: the grace, which
/// doubles at each, fits any network long before.
const MOST_BEHIND: u64 = 200;

/// How long a height may take, in microseconds of true time, when the final head is so many heights
/// behind: what was lost is sent again, the wait passes, and the grace with all patience.
fn height_time(plan: &Plan, behind: u64) -> u64 {
    let members = plan.members() as u64;
    let timing = &plan.timing;
    let longest_wait = timing.min_wait.0 + timing.mean_wait.0 * (members + 1);
    let preset = match timing.grace.0 {
        0..=20_000 => 100_000,
        20_001..=100_000 => 300_000,
        _ => 600_000,
    };
    let resend = preset.max(2 * (longest_wait + timing.grace.0));
    let doublings = u32::try_from(behind).unwrap_or(u32::MAX).min(40);
    let cap = LEAST_STRETCH_CAP.max(10 * resend);
    let grace = (timing.grace.0 << doublings).min(cap);
    let round_trip = 2 * plan.links.distance.longest_delay();
    MOST_RESEND * resend + longest_wait + GRACES * grace + 4 * round_trip
}

/// How long after everything has healed all must be final, in microseconds of true time, when the
/// final head was so many heights behind.
pub(crate) fn settling_time(plan: &Plan, behind: u64) -> u64 {
    ROUNDS * height_time(plan, behind)
}

/// Finality never lags by more than a stated number of heights, and where nothing keeps a quorum from
/// certifying blocks, no height takes longer than a stated time.
pub(super) struct Pace {
    plan: Plan,
}

impl Pace {
    pub(super) fn new(plan: &Plan) -> Self {
        Self { plan: plan.clone() }
    }
}

impl Checker for Pace {
    fn name(&self) -> &'static str {
        "progress"
    }

    fn observe(&mut self, _: &Facts, seen: &Observation) -> Result<(), String> {
        let Observation::Stepped {
            host,
            now,
            height,
            final_height,
            clock,
            ..
        } = seen
        else {
            return Ok(());
        };
        if height.previous().above(*final_height) > MOST_BEHIND {
            return Err(format!(
                "for more than {MOST_BEHIND} heights nothing has become final"
            ));
        }
        if let Some(clock) = clock.filter(|_| self.plan.steady) {
            let taken = now.0.saturating_sub(clock.0);
            let most = height_time(&self.plan, height.above(*final_height));
            if taken > most {
                return Err(format!(
                    "member {host} has had work at {height} for {taken} us; at most {most} are allowed"
                ));
            }
        }
        Ok(())
    }
}

/// Keeps track of what is answered and not final.
#[derive(Default)]
pub(crate) struct Progress {
    recorded: BTreeMap<OrderId, Height>,
    missing: BTreeSet<OrderId>,
    heights: BTreeMap<usize, Height>,
    highest: Height,
    needed: Height,
}

impl Progress {
    pub(crate) fn observe(&mut self, seen: &Observation) {
        match seen {
            Observation::Final {
                host,
                header,
                orders,
                ..
            } => {
                let height = self.heights.entry(*host).or_default();
                *height = header.height.max(*height);
                if header.height > self.highest {
                    self.highest = header.height;
                    for order in orders {
                        self.recorded.insert(*order, header.height);
                        if self.missing.remove(order) {
                            self.needed = header.height;
                        }
                    }
                }
            }
            Observation::Answered { order, .. } => match self.recorded.get(order) {
                Some(height) => self.needed = self.needed.max(*height),
                None => {
                    self.missing.insert(*order);
                }
            },
            _ => {}
        }
    }

    /// True when each of these members has every answered order final.
    pub(crate) fn is_settled(&self, members: &[usize]) -> bool {
        self.missing.is_empty()
            && members
                .iter()
                .all(|host| self.heights.get(host).copied().unwrap_or_default() >= self.needed)
    }

    /// The highest final block.
    pub(crate) fn highest(&self) -> Height {
        self.highest
    }

    /// How many orders are recorded.
    pub(crate) fn orders(&self) -> usize {
        self.recorded.len()
    }

    /// What is not settled.
    pub(crate) fn describe(&self) -> String {
        format!(
            "{} answered orders are in no final block; orders are final up to height {}, members are at {:?}",
            self.missing.len(),
            self.needed,
            self.heights
        )
    }
}
