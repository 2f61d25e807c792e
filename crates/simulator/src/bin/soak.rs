//! Simulates many seeds and prints a summary: `cargo xtask soak [SEEDS [FIRST]]`.

use std::{
    env,
    io::{self, Write as _},
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use simulator::campaign::{Summary, run_seeds};

/// How many seeds a release is tried with.
const SEEDS: u64 = 20_000;

/// One seed in so many has real signatures.
const REAL_ONE_IN: usize = 200;

fn main() -> ExitCode {
    let mut numbers = Vec::new();
    for argument in env::args().skip(1) {
        match argument.parse::<u64>() {
            Ok(number) => numbers.push(number),
            Err(error) => {
                eprintln!(
                    "{argument:?} is no number of seeds ({error}); usage: soak [SEEDS [FIRST]]"
                );
                return ExitCode::FAILURE;
            }
        }
    }
    let count = numbers.first().copied().unwrap_or(SEEDS);
    let first = numbers.get(1).copied().unwrap_or(0);
    let seeds: Vec<u64> = (first..first.saturating_add(count)).collect();
    let start = Instant::now();
    let said = AtomicU64::new(0);
    let progress = |summary: &Summary| {
        let seconds = start.elapsed().as_secs();
        if said.fetch_max(seconds, Ordering::Relaxed) < seconds {
            let left = seconds * (count - summary.seeds as u64) / summary.seeds.max(1) as u64;
            eprint!(
                "\r{} of {count} seeds, about {left} s left  ",
                summary.seeds
            );
            // Progress that cannot be shown is no reason to stop.
            let _ = io::stderr().flush();
        }
    };
    let result = run_seeds(&seeds, REAL_ONE_IN, &progress);
    eprintln!();
    match result {
        Ok(summary) => {
            print(first, count, &summary, start.elapsed().as_secs_f64());
            ExitCode::SUCCESS
        }
        Err(failures) => {
            for failure in failures {
                eprintln!("{failure}\n");
            }
            ExitCode::FAILURE
        }
    }
}

fn print(first: u64, count: u64, summary: &Summary, seconds: f64) {
    let percent = |part: usize| 100 * part / summary.seeds.max(1);
    println!("| figure | value |\n| --- | ---: |");
    println!("| seeds | {count}, from {first} |");
    println!("| with real signatures | {} |", summary.real_signatures);
    println!("| with liars | {} % |", percent(summary.with_liars));
    println!(
        "| with liars and faults of disks, clocks and links | {} % |",
        percent(summary.mixed)
    );
    println!("| events | {} |", summary.events);
    println!("| messages | {} |", summary.messages);
    println!("| processes ended | {} |", summary.crashes);
    println!("| heights final | {} |", summary.heights);
    println!("| orders recorded | {} |", summary.orders);
    let (share, seed) = summary.slowest;
    println!("| most of its settling time that a seed needed | {share} % (seed {seed}) |");
    println!("| time | {seconds:.0} s |");
    for (liar, times) in &summary.liars {
        println!("| {liar} | {times} times |");
    }
}
