//! Many members in virtual time, over links, clocks and disks that fail; one seed decides everything.
//!
//! What runs is the production replica and store, driven as a node drives them. A simulation has two
//! phases: first faults happen (safety must hold), then everything heals but the liars, who stay (now
//! every order that was answered must become final at every honest member within a stated time). The
//! [`checkers`] see only what can be seen of honest members from outside.
//!
//! There is no wall clock, no thread and no other source of chance than the seed: the same seed gives
//! the same [`Outcome`], with the same hash over everything that happened.

pub mod adversary;
pub mod campaign;
pub mod checkers;
pub mod network;
pub mod observation;
pub mod plan;
pub mod study;

mod clocks;
mod disks;
mod faults;
mod host;
mod links;
mod lives;
mod orders;
mod process;
mod queue;
mod random;
mod run;
mod seeds;
mod trace;
mod world;

pub use checkers::Violation;
pub use disks::Failing;
pub use links::{Distance, LinkPlan};
pub use plan::Plan;
pub use run::{Failure, Outcome, run_overheard, run_plan, run_plan_without};
