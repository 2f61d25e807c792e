//! Choosing what a block seals.

mod support;

use ledger::{BlockLimits, choose, fits};
use support::batch;
use types::VerifiedBatch;

fn chosen(limits: BlockLimits, batches: &[VerifiedBatch]) -> Vec<u64> {
    let chosen = choose(limits, batches);
    assert!(fits(limits, &chosen));
    chosen.iter().map(|batch| batch.batch().number).collect()
}

fn limits(max_orders: u32, max_bytes: u32) -> BlockLimits {
    BlockLimits {
        max_orders,
        max_bytes,
    }
}

#[test]
fn takes_what_fits_in_order_and_passes_over_what_does_not() {
    let batches = [
        batch(1, 1, &[1, 2]),
        batch(1, 2, &[3, 4, 5]),
        batch(1, 3, &[6, 7]),
        batch(1, 4, &[8]),
    ];
    let of = |max_orders| chosen(limits(max_orders, u32::MAX), &batches);
    assert_eq!(of(0), Vec::<u64>::new());
    assert_eq!(of(1), [4]);
    assert_eq!(of(2), [1]);
    assert_eq!(of(3), [1, 4]);
    assert_eq!(of(4), [1, 3]);
    assert_eq!(of(5), [1, 2]);
    assert_eq!(of(6), [1, 2, 4]);
    assert_eq!(of(7), [1, 2, 3]);
    assert_eq!(of(8), [1, 2, 3, 4]);
    assert_eq!(of(u32::MAX), [1, 2, 3, 4]);
}

#[test]
fn bytes_are_a_limit_too() {
    let batches = [
        batch(1, 1, &[1]),
        batch(1, 2, &[2, 3, 4]),
        batch(1, 3, &[5]),
    ];
    let [small, large, _] = batches.each_ref().map(VerifiedBatch::bytes);
    let of = |max_bytes| chosen(limits(100, max_bytes), &batches);
    assert_eq!(of(small - 1), Vec::<u64>::new());
    assert_eq!(of(small), [1]);
    assert_eq!(of(2 * small), [1, 3]);
    assert_eq!(of(small + large - 1), [1, 3]);
    assert_eq!(of(small + large), [1, 2]);
    assert_eq!(of(2 * small + large), [1, 2, 3]);
}

#[test]
fn the_limits_count_all_entries_and_all_bytes() {
    let batches = [batch(1, 1, &[1, 2]), batch(2, 1, &[1, 2])];
    let bytes: u32 = batches.iter().map(VerifiedBatch::bytes).sum();
    assert!(fits(limits(4, bytes), &batches));
    assert!(!fits(limits(3, bytes), &batches));
    assert!(!fits(limits(4, bytes - 1), &batches));
    assert!(fits(limits(0, 0), &[]));
}
