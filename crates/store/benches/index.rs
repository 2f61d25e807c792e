//! The index: a block's worth of orders goes in, and single orders are looked up.

use divan::{Bencher, black_box, counter::ItemsCount};
use store::{FjallIndex, Index as _, index::Entries};
use tempfile::TempDir;
use types::{LogIndex, OrderId, Sought, UnixMillis, encoding::sha256};

/// Orders a block.
const BLOCK: u64 = 1_000;
/// How many customers place them.
const CUSTOMERS: u64 = 64;
/// Blocks before orders are looked up: more than one table on the disk.
const BLOCKS: u64 = 200;
/// Blocks that go in one after the other.
const INSERTED: u32 = 200;
/// Orders that are looked up at a time.
const LOOKED_UP: u32 = 1_000;

fn main() {
    divan::main();
}

/// An id as even as real ones are; another one for every number.
fn id(number: u64) -> OrderId {
    sha256(&number.to_le_bytes())
}

/// When an order was placed: one each millisecond.
fn placed_at(number: u64) -> UnixMillis {
    UnixMillis(1_700_000_000_000 + number)
}

/// What a block brings: its orders' places in the order log by their ids, by receiver and by customer.
fn block(index: &FjallIndex, number: u64) -> Entries {
    let first = number * BLOCK;
    let mut entries = index.entries_from(LogIndex(first));
    for order in first..first + BLOCK {
        let customer = format!("customer {}", order % CUSTOMERS);
        entries.push(&id(order), placed_at(order), "shop", Some(&customer));
    }
    entries
}

/// An empty index, which is removed with its folder.
fn empty() -> (FjallIndex, TempDir) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let index = FjallIndex::open(folder.path()).expect("an index can be made");
    (index, folder)
}

fn filled() -> (FjallIndex, TempDir) {
    let (index, folder) = empty();
    for number in 0..BLOCKS {
        index
            .write_entries(Vec::new(), block(&index, number))
            .expect("the index is whole");
    }
    (index, folder)
}

#[divan::bench(sample_count = INSERTED, sample_size = 1)]
fn insert_a_block_of_1000_orders(bencher: Bencher<'_, '_>) {
    let (index, _folder) = empty();
    let mut numbers = 0..;
    bencher
        .counter(ItemsCount::new(BLOCK))
        .with_inputs(|| block(&index, numbers.next().expect("numbers do not end")))
        .bench_local_values(|entries| {
            let written = index.write_entries(Vec::new(), entries);
            written.expect("the index is whole");
        });
}

#[divan::bench(sample_size = LOOKED_UP)]
fn look_up_a_present_order(bencher: Bencher<'_, '_>) {
    look_up(bencher, 0, true);
}

#[divan::bench(sample_size = LOOKED_UP)]
fn look_up_an_absent_order(bencher: Bencher<'_, '_>) {
    look_up(bencher, BLOCK * BLOCKS, false);
}

/// Looks up one order after the other, from a number on.
fn look_up(bencher: Bencher<'_, '_>, from: u64, present: bool) {
    let (index, _folder) = filled();
    let mut numbers = (from..from + BLOCK * BLOCKS).cycle();
    bencher
        .with_inputs(|| id(numbers.next().expect("numbers come again")))
        .bench_local_values(|id| {
            let found = index.places_of_orders(&[black_box(&id).into()]);
            assert_eq!(found.expect("the index is whole")[0].is_some(), present);
        });
}

/// As of every batch: are any of its orders there already? They are not, and were placed when others were that are.
#[divan::bench]
fn look_up_1000_absent_orders_together(bencher: Bencher<'_, '_>) {
    look_up_together(bencher, |number| placed_at(number % (BLOCK * BLOCKS)));
}

/// As of every batch of orders that are new: they were placed after all that are there.
#[divan::bench]
fn look_up_1000_later_orders_together(bencher: Bencher<'_, '_>) {
    look_up_together(bencher, placed_at);
}

fn look_up_together(bencher: Bencher<'_, '_>, placed_at: impl Fn(u64) -> UnixMillis + Sync) {
    let (index, _folder) = filled();
    let mut first = BLOCK * BLOCKS;
    bencher
        .counter(ItemsCount::new(BLOCK))
        .with_inputs(|| {
            first += BLOCK;
            let orders = (first..first + BLOCK).map(|number| (id(number), placed_at(number)));
            orders.collect::<Vec<_>>()
        })
        .bench_local_values(|orders| {
            let sought = orders.iter().map(|(id, placed_at)| Sought {
                id,
                placed_at: Some(*placed_at),
            });
            let sought: Vec<_> = sought.collect();
            let found = index.places_of_orders(black_box(&sought));
            assert!(
                found
                    .expect("the index is whole")
                    .iter()
                    .all(Option::is_none)
            );
        });
}
