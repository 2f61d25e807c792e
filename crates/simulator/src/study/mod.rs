//! What would this network do? A study lets a network run for many heights with a steady stream of
//! orders, and takes figures.
//!
//! It drives the same world with the same production replicas as every simulation; the checkers of
//! agreement, of prefix consistency and of bounds watch it. Where nobody lies, memory does not grow with
//! its length, but for some dozen bytes a height and member.

pub mod advantage;

mod arrivals;
mod collector;
mod draws;
mod forget;
mod mishaps;
mod report;
mod settings;
mod statistics;

use std::ops::ControlFlow;

pub(crate) use collector::Collector;
pub use report::{
    Cost, DeadReport, Ending, ExpectedWins, MemberReport, Mishap, MishapKind, OrderCounts, Report,
    Stretch, Traffic,
};
pub use settings::{Faults, Part, Rate, Settings};
pub use statistics::{ChiSquare, Distribution, equal_chances};

use crate::{Violation, world::World};
use arrivals::Arrivals;
use mishaps::Mishaps;

/// So often the caller is told how far a study is, in events: some thousand times a second.
const EVENTS_A_MOMENT: u64 = 256;

/// So often members forget what is final everywhere, in heights.
const FORGET_EVERY: u64 = 128;

/// Nothing became final for so many of the longest resend intervals: nothing will.
const STANDSTILL_RESENDS: u64 = 20;

/// A resend interval doubles at most to eight times itself.
const MOST_RESEND: u64 = 8;

/// How far a study is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Final heights.
    pub heights: u64,
    /// Simulated time, in microseconds.
    pub simulated: u64,
    /// How many things happened.
    pub events: u64,
}

/// Runs a study. `watch` hears many times a second how far it is and may end it; the report then
/// tells of what there is.
pub fn run(settings: &Settings, watch: &mut dyn FnMut(Moment) -> ControlFlow<()>) -> Report {
    let world = World::studied(settings.plan(), |network| Collector::new(settings, network));
    let mut study = Study {
        world,
        arrivals: Arrivals::new(settings),
        mishaps: Mishaps::new(settings),
        happened: Vec::new(),
        // A liar may bring up again what is long final.
        forgotten: (settings.faults.liars() == 0).then_some(0),
        standstill: STANDSTILL_RESENDS
            * MOST_RESEND
            * settings.timing.resend_interval(settings.members).0,
    };
    let ending = study.run(settings.heights, watch);
    let (simulated, events) = (study.world.time, study.world.events);
    let collector = study.world.collector.take();
    let collector = collector.expect("the world of a study has a collector");
    let mut report = collector.report(ending, simulated, events);
    report.mishaps = study.happened;
    report
}

struct Study {
    world: World,
    arrivals: Arrivals,
    mishaps: Mishaps,
    happened: Vec<Mishap>,
    /// Up to which height members have forgotten; `None` where they never do.
    forgotten: Option<u64>,
    /// After so long without a final height nothing is expected any more, in microseconds.
    standstill: u64,
}

impl Study {
    fn run(&mut self, heights: u64, watch: &mut dyn FnMut(Moment) -> ControlFlow<()>) -> Ending {
        loop {
            let moment = Moment {
                heights: self.collector().heights.min(heights),
                simulated: self.world.time,
                events: self.world.events,
            };
            if watch(moment).is_break() {
                return Ending::Stopped;
            }
            for _ in 0..EVENTS_A_MOMENT {
                if self.collector().heights >= heights {
                    return Ending::Complete;
                }
                if let Err(violation) = self.step() {
                    return Ending::Violated(violation.to_string());
                }
            }
            let now = self.world.time;
            if self.collector().standstill(now) > self.standstill {
                return Ending::StoodStill;
            }
            self.forget();
        }
    }

    fn collector(&mut self) -> &mut Collector {
        self.world
            .collector
            .as_deref_mut()
            .expect("the world of a study has a collector")
    }

    /// Lets the next thing happen, within the world or to it.
    fn step(&mut self) -> Result<(), Violation> {
        let within = self.world.next_at().unwrap_or(u64::MAX);
        let mishap = self.mishaps.next_at().unwrap_or(u64::MAX);
        let order = self.arrivals.next_at;
        if within < mishap.min(order) {
            self.world.advance()?;
        } else if mishap <= order {
            self.world.time = mishap;
            let happened = self.mishaps.happen(&mut self.world, mishap);
            for mishap in &happened {
                if let MishapKind::Crash { member } = mishap.kind {
                    self.collector().died(member);
                }
            }
            self.happened.extend(happened);
        } else {
            self.place(order)?;
        }
        Ok(())
    }

    fn place(&mut self, now: u64) -> Result<(), Violation> {
        self.world.time = now;
        let height = self.collector().usual_height();
        let Some((host, submission)) = self.arrivals.next(&self.world.network, height) else {
            // Nobody takes orders, so no more are placed.
            self.arrivals.next_at = u64::MAX;
            return Ok(());
        };
        let accepting = self.world.hosts[host].is_running();
        let order = *submission.entry.id();
        self.collector().placed(now, order, host, accepting);
        self.world.submit(host, std::iter::once(submission))
    }

    fn forget(&mut self) {
        let Some(forgotten) = self.forgotten else {
            return;
        };
        let everywhere = self.collector().final_everywhere();
        let height = everywhere.saturating_sub(forget::KEPT);
        if height < forgotten + FORGET_EVERY {
            return;
        }
        let Some(log_size) = self.collector().log_size(height) else {
            return;
        };
        self.forgotten = Some(height);
        let now = self.world.time;
        self.collector().give_up(now);
        for host in &self.world.hosts {
            forget::forget(host, height, log_size).expect("an index in memory does not fail");
        }
    }
}
