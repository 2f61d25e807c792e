//! Executing blocks on the order log.

mod support;

use std::collections::BTreeSet;

use ledger::{Executed, execute, would_record};
use proptest::prelude::*;
use support::{batch, entry, order_id};
use types::{
    Digest, Frontier, OrderId, RecordedIds, Sought,
    merkle::{self, LOWEST_KEPT_LEVEL, Node},
};

/// Orders already recorded in a branch.
#[derive(Default)]
struct Branch(BTreeSet<OrderId>);

impl RecordedIds for Branch {
    fn is_recorded(&self, order: Sought<'_>) -> bool {
        self.0.contains(order.id)
    }
}

fn leaf(number: u64) -> Digest {
    merkle::leaf_hash(&entry(number).leaf_bytes())
}

/// The nodes that are kept, in the order of their positions after these leaves, by the definition of a
/// position.
fn kept_nodes_of(leaves: &[Digest]) -> Vec<Digest> {
    let mut placed = Vec::new();
    for level in LOWEST_KEPT_LEVEL..u64::BITS {
        let width = 1_usize << level;
        if width > leaves.len() {
            break;
        }
        for (index, subtree) in (0..).zip(leaves.chunks_exact(width)) {
            let node = Node { level, index };
            placed.push((node.position(), merkle::root(subtree)));
        }
    }
    placed.sort();
    placed.into_iter().map(|(_, node)| node).collect()
}

/// What was recorded: ids, and the places of batch and entry.
fn recorded(executed: &Executed) -> Vec<(OrderId, u32, u32)> {
    let recorded = executed
        .recorded
        .ids()
        .iter()
        .zip(executed.recorded.places());
    recorded.map(|(id, at)| (*id, at.batch, at.entry)).collect()
}

fn leaves(numbers: &[u64]) -> Vec<Digest> {
    numbers.iter().copied().map(leaf).collect()
}

#[test]
fn every_new_order_is_a_leaf() {
    let batches = [batch(1, 1, &[1, 2]), batch(2, 1, &[3])];
    let executed = execute(&Frontier::new(), &Branch::default(), &batches);
    let leaves = leaves(&[1, 2, 3]);
    assert_eq!(executed.frontier.size().0, 3);
    assert_eq!(executed.frontier.root(), merkle::root(&leaves));
    assert_eq!(executed.nodes, []);
    let expected = [
        (order_id(1), 0, 0),
        (order_id(2), 0, 1),
        (order_id(3), 1, 0),
    ];
    assert_eq!(recorded(&executed), expected);
}

#[test]
fn nodes_of_many_leaves_are_kept() {
    let numbers: Vec<u64> = (0..200).collect();
    let batches = [batch(1, 1, &numbers[..150]), batch(2, 1, &numbers[150..])];
    let executed = execute(&Frontier::new(), &Branch::default(), &batches);
    let kept = kept_nodes_of(&leaves(&numbers));
    // Three subtrees of 64 leaves and one of 128.
    assert_eq!(kept.len(), 4);
    assert_eq!(executed.nodes, kept);
}

#[test]
fn duplicates_in_branch_block_and_batch_are_skipped() {
    let branch = Branch([order_id(1), order_id(9)].into());
    let batches = [batch(1, 1, &[1, 2, 2]), batch(2, 1, &[2, 3, 1, 4])];
    let executed = execute(&Frontier::new(), &branch, &batches);
    let expected = [
        (order_id(2), 0, 1),
        (order_id(3), 1, 1),
        (order_id(4), 1, 3),
    ];
    assert_eq!(recorded(&executed), expected);
    assert_eq!(executed.frontier.root(), merkle::root(&leaves(&[2, 3, 4])));
}

#[test]
fn the_other_of_two_batches_with_one_order_stays_valid() {
    let batches = [batch(1, 1, &[1]), batch(2, 1, &[1])];
    let executed = execute(&Frontier::new(), &Branch::default(), &batches);
    assert_eq!(recorded(&executed), [(order_id(1), 0, 0)]);
}

#[test]
fn without_batches_nothing_changes() {
    let before = execute(
        &Frontier::new(),
        &Branch::default(),
        &[batch(1, 1, &[1, 2, 3])],
    );
    let after = execute(&before.frontier, &Branch::default(), &[]);
    assert_eq!(after.frontier, before.frontier);
    assert_eq!((after.recorded.len(), after.nodes.len()), (0, 0));
}

#[test]
fn a_batch_records_something_unless_all_of_it_is_recorded() {
    let branch = Branch([order_id(1), order_id(2)].into());
    assert!(!would_record(&branch, &batch(1, 1, &[1, 2, 1]), 0));
    assert!(would_record(&branch, &batch(1, 1, &[1, 2, 3]), 0));
    assert!(would_record(&branch, &batch(1, 1, &[1, 2, 3]), 2));
    assert!(!would_record(&branch, &batch(1, 1, &[3, 1, 2]), 1));
    assert!(would_record(&Branch::default(), &batch(1, 1, &[1]), 0));
}

proptest! {
    /// However orders are split into batches and blocks, and however often they come again, the
    /// log is one tree of the distinct ones in the order in which they came first.
    #[test]
    fn any_split_into_blocks_yields_one_tree(
        blocks in prop::collection::vec(
            prop::collection::vec(prop::collection::vec(0..400_u64, 1..60), 0..4),
            0..12,
        ),
    ) {
        let (mut frontier, mut branch) = (Frontier::new(), Branch::default());
        let (mut nodes, mut ids, mut number) = (Vec::new(), Vec::new(), 0);
        for block in &blocks {
            let batches: Vec<_> = block
                .iter()
                .map(|orders| {
                    number += 1;
                    batch(1, number, orders)
                })
                .collect();
            let executed = execute(&frontier, &branch, &batches);
            for (id, batch, entry) in recorded(&executed) {
                let (batch, entry) = (batch as usize, entry as usize);
                prop_assert_eq!(batches[batch].entries()[entry].0, id);
                prop_assert!(branch.0.insert(id));
                ids.push(id);
            }
            nodes.extend(executed.nodes);
            frontier = executed.frontier;
        }
        let mut distinct = Vec::new();
        for number in blocks.iter().flatten().flatten() {
            if !distinct.contains(number) {
                distinct.push(*number);
            }
        }
        let leaves = leaves(&distinct);
        prop_assert_eq!(frontier.size().0, leaves.len() as u64);
        prop_assert_eq!(frontier.root(), merkle::root(&leaves));
        prop_assert_eq!(nodes, kept_nodes_of(&leaves));
        let expected: Vec<_> = distinct.iter().copied().map(order_id).collect();
        prop_assert_eq!(ids, expected);
    }
}
