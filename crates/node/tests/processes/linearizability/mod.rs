//! Clients of a network that suffers whatever a test can think of are told nothing but one order book.
//!
//! Four members run as real processes, of which one may fail; they talk over links that the test can
//! cut, delay and stall (`support/links.rs`). A plan drawn from a seed (`nemesis.rs`) kills, freezes and
//! separates them, also more of them at a time than the network tolerates, while clients
//! (`clients.rs`) place orders, again under their keys where no answer comes, and read them at any
//! node. Everything they ask and are told is taken down with its times (`history.rs`). In the end all
//! is well again, the network goes on, and `checker.rs` judges the history.

mod bad_histories;
mod checker;
mod clients;
mod cluster;
mod history;
mod nemesis;
mod random;
mod search;

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::atomic::Ordering,
    thread,
};

use checker::check;
use clients::{Clients, final_log};
use cluster::{Cluster, MEMBERS};
use history::{Answer, Operation, Recorder};
use random::Random;

/// Enough for some to go on while others wait for a node that stands still.
const CLIENTS: usize = 8;
/// A broken rule is mostly broken many times.
const MOST_VIOLATIONS: usize = 10;
/// Gives another seed than a fresh one.
const SEED_VARIABLE: &str = "DEXTER_LINEARIZABILITY_SEED";

#[test]
fn clients_see_one_order_book_whatever_happens() {
    one_order_book(2026);
}

#[test]
fn clients_see_one_order_book_whatever_else_happens() {
    let given = std::env::var(SEED_VARIABLE).ok();
    // The hash of nothing under random keys is a random number.
    let fresh = || RandomState::new().hash_one(());
    one_order_book(given.map_or_else(fresh, |seed| seed.parse().unwrap()));
}

fn one_order_book(seed: u64) {
    println!("seed {seed}; run again with {SEED_VARIABLE}={seed}");
    let plan = nemesis::plan(seed);
    plan.iter().for_each(|planned| println!("{planned}"));
    let mut cluster = Cluster::start();
    let shops = cluster.shops();
    let history = Recorder::new();
    let clients = Clients::new(&shops, &history);
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let random = Random::new(seed.wrapping_add(1 + u64::try_from(client).unwrap()));
            let clients = &clients;
            scope.spawn(move || clients.run(client, random));
        }
        // Whatever happens, the clients end.
        let _stop = StopAtEnd(&clients);
        nemesis::execute(&plan, &mut cluster);
    });
    println!("all is well again after {:?}", history.elapsed());
    cluster.wait_ready();
    (0..MEMBERS).for_each(|node| clients.place_last(CLIENTS, node));
    cluster.wait_agreed();
    let logs: Vec<_> = shops.iter().map(final_log).collect();

    let operations = history.operations();
    println!("{}", summary(&operations, logs[0].len()));
    let violations = check(&operations, &logs);
    for violation in violations.iter().take(MOST_VIOLATIONS) {
        println!("{violation}");
    }
    assert!(
        violations.is_empty(),
        "{} violations with seed {seed}",
        violations.len()
    );
    cluster.assert_links_are_all_there_is();
}

/// Tells the clients to stop when it is dropped, also when the nemesis fails.
struct StopAtEnd<'a>(&'a Clients<'a>);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

fn summary(operations: &[Operation], log: usize) -> String {
    let count = |of: fn(&Answer) -> bool| operations.iter().filter(|it| of(&it.answer)).count();
    format!(
        "{} operations: {} orders answered as accepted, {} as final, {} unknown outcomes; {log} final orders",
        operations.len(),
        count(|answer| matches!(answer, Answer::Accepted { .. })),
        count(|answer| matches!(answer, Answer::Final { .. })),
        count(|answer| matches!(answer, Answer::Unknown(_))),
    )
}
