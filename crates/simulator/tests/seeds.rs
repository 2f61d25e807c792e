//! Random simulations: some seeds that are always the same, some that are new each time, some with real
//! signatures; and one seed twice, which must give the same trace.
//!
//! A failure names its seed and the commit. `SEED=… cargo test -p dexter-simulator --test seeds replay`
//! runs that seed again, event for event.

use std::{env, process::Command, time::SystemTime};

use simulator::{Failure, Plan, campaign::run_seeds, run_plan};

/// Seeds that are always the same.
const FIXED: u64 = 100;
/// Seeds that are new each time.
const FRESH: u64 = 400;
/// Seeds with real signatures; every one takes a hundred times as long.
const REAL: u64 = 100;

/// The commit under test, to find the code again that a seed failed on.
fn commit() -> String {
    let output = Command::new("git").args(["rev-parse", "HEAD"]).output();
    output
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .map_or_else(|| "unknown".to_owned(), |commit| commit.trim().to_owned())
}

fn hold(what: &str, seeds: &[u64], real_signatures: usize) {
    match run_seeds(seeds, real_signatures, &|_| ()) {
        Ok(summary) => {
            assert_eq!(summary.seeds, seeds.len());
            assert!(
                2 * summary.mixed >= summary.seeds,
                "half of all seeds have everything at once: {summary:?}"
            );
            println!("{what}: {summary:?}");
        }
        Err(failures) => {
            let all: Vec<String> = failures.iter().map(Failure::to_string).collect();
            panic!("commit {}, {what}:\n{}", commit(), all.join("\n"));
        }
    }
}

#[test]
fn fixed_seeds_hold() {
    let seeds: Vec<u64> = (0..FIXED).collect();
    hold("fixed seeds", &seeds, 0);
}

#[test]
fn fresh_seeds_hold() {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let first = u64::try_from(now.unwrap().as_millis()).unwrap() << 16;
    let seeds: Vec<u64> = (first..first + FRESH).collect();
    hold(&format!("fresh seeds from {first}"), &seeds, 0);
}

#[test]
fn seeds_hold_with_real_signatures() {
    let seeds: Vec<u64> = (1_000..1_000 + REAL).collect();
    hold("seeds with real signatures", &seeds, 1);
}

#[test]
fn a_seed_twice_gives_the_same_trace() {
    for seed in [7, 42] {
        let (first, second) = (run_plan(Plan::new(seed)), run_plan(Plan::new(seed)));
        assert_eq!(first, second);
        let other = run_plan(Plan::new(seed + 1)).unwrap();
        assert_ne!(first.unwrap().trace, other.trace);
    }
}

#[test]
fn replay() {
    let Ok(seed) = env::var("SEED") else { return };
    let seed = seed.parse().expect("SEED is a number");
    let mut plan = Plan::new(seed);
    plan.real_signatures = env::var_os("REAL_SIGNATURES").is_some();
    match run_plan(plan) {
        Ok(outcome) => println!("{outcome:?}"),
        Err(failure) => panic!("commit {}: {failure}", commit()),
    }
}
