//! Many seeds, on all cores.

use std::{
    collections::BTreeMap,
    num::NonZero,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::{Failure, Outcome, Plan, plan::Role, run_plan};

/// After so many failures no further seed is tried: the first ones are enough to work on.
const MOST_FAILURES: usize = 5;

/// What came out of many simulations.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// How many seeds held.
    pub seeds: usize,
    /// How many of them with real signatures.
    pub real_signatures: usize,
    /// How many had liars.
    pub with_liars: usize,
    /// How many had liars, faults of disks, of clocks and of links at once.
    pub mixed: usize,
    /// How often each kind of liar took part.
    pub liars: BTreeMap<String, usize>,
    /// Things that happened.
    pub events: u64,
    /// Messages sent, each receiver counted.
    pub messages: u64,
    /// Processes that ended.
    pub crashes: u64,
    /// Heights that became final.
    pub heights: u64,
    /// Orders that were recorded.
    pub orders: usize,
    /// The greatest share of its settling time that a seed needed, in percent, and which.
    pub slowest: (u64, u64),
}

impl Summary {
    fn add(&mut self, plan: &PlanFacts, outcome: &Outcome) {
        self.seeds += 1;
        self.real_signatures += usize::from(plan.real_signatures);
        self.with_liars += usize::from(!plan.liars.is_empty());
        self.mixed += usize::from(plan.mixed);
        for liar in &plan.liars {
            *self.liars.entry(liar.clone()).or_default() += 1;
        }
        self.events += outcome.events;
        self.messages += outcome.messages;
        self.crashes += outcome.crashes;
        self.heights += outcome.height;
        self.orders += outcome.orders;
        let share = 100 * outcome.settled_after / outcome.settling_time.max(1);
        self.slowest = self.slowest.max((share, outcome.seed));
    }
}

/// What a summary says of a plan.
struct PlanFacts {
    real_signatures: bool,
    mixed: bool,
    liars: Vec<String>,
}

impl PlanFacts {
    fn of(plan: &Plan) -> Self {
        let liars: Vec<String> = plan
            .hosts
            .iter()
            .filter_map(|host| match host.role {
                Role::Honest => None,
                Role::Forgetful => Some("one that forgets its votes".to_owned()),
                Role::Adversary(kind) => Some(kind.to_string()),
            })
            .collect();
        Self {
            real_signatures: plan.real_signatures,
            mixed: plan.is_mixed(),
            liars,
        }
    }
}

/// Simulates these seeds, every `real_signatures`-th of them with real signatures (0 is none), on all
/// cores. `progress` is called after each with what has come out so far.
///
/// # Errors
/// What did not hold, of the first seeds that failed.
pub fn run_seeds(
    seeds: &[u64],
    real_signatures: usize,
    progress: &(dyn Fn(&Summary) + Sync),
) -> Result<Summary, Vec<Failure>> {
    let next = AtomicUsize::new(0);
    let state = Mutex::new((Summary::default(), Vec::new()));
    let work = || {
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(seed) = seeds.get(place) else { return };
            let mut plan = Plan::new(*seed);
            plan.real_signatures = real_signatures > 0 && place.is_multiple_of(real_signatures);
            let facts = PlanFacts::of(&plan);
            let result = run_plan(plan);
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            match result {
                Ok(outcome) => {
                    state.0.add(&facts, &outcome);
                    progress(&state.0);
                }
                Err(failure) => state.1.push(*failure),
            }
            if state.1.len() >= MOST_FAILURES {
                return;
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let (summary, failures) = state.into_inner().unwrap_or_else(PoisonError::into_inner);
    if failures.is_empty() {
        Ok(summary)
    } else {
        Err(failures)
    }
}
