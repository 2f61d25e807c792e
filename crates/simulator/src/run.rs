//! A simulation from beginning to end.

use std::sync::mpsc::Sender;

use types::Digest;

use crate::{
    checkers::{Violation, settling_time},
    observation::Overheard,
    plan::Plan,
    world::World,
};

/// For how many resend intervals an idle network is watched.
const IDLE_INTERVALS: u64 = 32;

/// The interval doubles up to eight times itself, so in that time a member tells a peer seven times
/// where it stands; twice as often is allowed.
const MESSAGES_TO_AN_IDLE_PEER: u64 = 14;

/// Each height waits for a beat, and the grace doubles with each until it fits links that are far
/// slower than it was made for.
const BEATS_TO_STRETCH: u64 = 16;

/// More events than this in one simulation are a storm: members that keep each other busy for ever.
/// The longest of ordinary ones have a tenth of them.
const MOST_EVENTS: u64 = 2_000_000;

/// So are more messages than this on their way at once.
const MOST_WAITING: usize = 300_000;

/// What came out of a simulation in which every property held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// The hash over everything that happened.
    pub trace: Digest,
    /// How many things happened.
    pub events: u64,
    /// How many messages were sent, each receiver counted.
    pub messages: u64,
    /// How many processes ended.
    pub crashes: u64,
    /// The height of the final chain.
    pub height: u64,
    /// How many orders it records.
    pub orders: usize,
    /// How long it took after everything had healed, in microseconds.
    pub settled_after: u64,
    /// How long it might have taken, in microseconds.
    pub settling_time: u64,
}

/// A property did not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("seed {seed}: {violation}\n{picture}\nreplay it with: {replay}")]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// What did not hold.
    pub violation: Violation,
    /// Where everybody stood.
    pub picture: String,
    /// The command that runs the seed again.
    pub replay: String,
}

/// Simulates a plan.
///
/// # Errors
/// When a property does not hold.
pub fn run_plan(plan: Plan) -> Result<Outcome, Box<Failure>> {
    check(World::new(plan))
}

/// Simulates a plan without some of the checkers, to see what others make of what these would have noticed.
///
/// # Errors
/// When a property does not hold.
pub fn run_plan_without(plan: Plan, checkers: &[&str]) -> Result<Outcome, Box<Failure>> {
    let mut world = World::new(plan);
    world.leave_out(checkers);
    check(world)
}

/// Simulates a plan and tells a listener what liars say and what comes of it.
///
/// # Errors
/// When a property does not hold.
pub fn run_overheard(plan: Plan, listener: Sender<Overheard>) -> Result<Outcome, Box<Failure>> {
    let mut world = World::new(plan);
    world.listener = Some(listener);
    check(world)
}

fn check(mut world: World) -> Result<Outcome, Box<Failure>> {
    let seed = world.plan.seed;
    let real = if world.plan.real_signatures {
        "REAL_SIGNATURES=1 "
    } else {
        ""
    };
    simulate(&mut world).map_err(|violation| {
        Box::new(Failure {
            seed,
            violation,
            picture: world.describe(),
            replay: format!(
                "SEED={seed} {real}cargo test -p dexter-simulator --test seeds replay -- --nocapture"
            ),
        })
    })
}

fn simulate(world: &mut World) -> Result<Outcome, Violation> {
    while !world.healed {
        step(world)?;
    }
    let healed_at = world.time;
    let settling_time = settling_time(&world.plan, world.behind());
    let honest = world.plan.honest();
    while world.unplaced > 0 || !world.progress.is_settled(&honest) {
        step(world)?;
        if world.time > healed_at + settling_time {
            return Err(Violation {
                checker: "progress",
                what: format!(
                    "{settling_time} us after everything has healed: {}",
                    world.progress.describe()
                ),
            });
        }
    }
    let settled_after = world.time - healed_at;
    if world.plan.heartbeat.0 > 0 {
        heartbeats(world)?;
    } else if honest.len() == world.plan.members() {
        sleeps(world, settling_time)?;
    }
    world.finish()?;
    Ok(Outcome {
        seed: world.plan.seed,
        trace: world.trace.hash(),
        events: world.events,
        messages: world.messages,
        crashes: world.crashes,
        height: world.progress.highest().0,
        orders: world.progress.orders(),
        settled_after,
        settling_time,
    })
}

/// Nothing is left to do: everybody falls asleep, writes nothing more, and only tells where it stands.
fn sleeps(world: &mut World, patience: u64) -> Result<(), Violation> {
    let sleep = |what: String| Violation {
        checker: "sleep",
        what,
    };
    let deadline = world.time + patience;
    while !world.is_quiet() {
        step(world)?;
        if world.time > deadline {
            return Err(sleep(
                "somebody still works although all is final".to_owned(),
            ));
        }
    }
    // What is on its way arrives.
    let settled = world.time + 4 * world.plan.links.distance.longest_delay();
    advance_to(world, settled)?;
    let (records, messages) = (world.records, world.messages);
    let interval = world.plan.timing.resend_interval(world.plan.members()).0;
    let until = world.time + IDLE_INTERVALS * interval;
    advance_to(world, until)?;
    if world.records > records {
        let count = world.records - records;
        return Err(sleep(format!(
            "members that sleep have written {count} records"
        )));
    }
    let members = world.plan.members() as u64;
    let sent = world.messages - messages;
    if sent > MESSAGES_TO_AN_IDLE_PEER * members * (members - 1) {
        return Err(Violation {
            checker: "traffic",
            what: format!("members that sleep have sent {sent} messages"),
        });
    }
    Ok(())
}

/// With a heartbeat, blocks are made although there is nothing to seal.
fn heartbeats(world: &mut World) -> Result<(), Violation> {
    let first = world.progress.highest();
    let patience =
        settling_time(&world.plan, world.behind()) + BEATS_TO_STRETCH * world.plan.heartbeat.0;
    let deadline = world.time + patience;
    while world.progress.highest().above(first) < 2 {
        step(world)?;
        if world.time > deadline {
            return Err(Violation {
                checker: "progress",
                what: format!("no heartbeat in {patience} us: the final head is still at {first}"),
            });
        }
    }
    Ok(())
}

fn advance_to(world: &mut World, time: u64) -> Result<(), Violation> {
    while world.next_at().is_some_and(|next| next <= time) {
        step(world)?;
    }
    world.time = time;
    Ok(())
}

fn step(world: &mut World) -> Result<(), Violation> {
    if world.events > MOST_EVENTS || world.waiting() > MOST_WAITING {
        return Err(Violation {
            // Once all is well, being busy is no excuse.
            checker: if world.healed { "progress" } else { "traffic" },
            what: "members keep each other busy for ever".to_owned(),
        });
    }
    if !world.advance()? {
        return Err(Violation {
            checker: "progress",
            what: "nothing will ever happen again".to_owned(),
        });
    }
    Ok(())
}
