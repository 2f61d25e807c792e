//! The pool: order of arrival, shares, personal parts that come later.

mod support;

use std::sync::Arc;

use ledger::{Pool, PoolLimits, PoolRefusal};
use support::{batch, member, order_id, personal, till_batch};
use types::{PersonalParts, VerifiedBatch};

fn whole(orders: &[u64]) -> PersonalParts {
    let parts = orders.iter().map(|number| Some(personal(*number)));
    Arc::new(parts.collect())
}

fn none(count: usize) -> PersonalParts {
    Arc::new(vec![None; count])
}

fn put(pool: &mut Pool, batch: &VerifiedBatch) {
    assert!(pool.insert(batch.clone(), none(batch.entries().len()), true));
}

fn ids(pool: &Pool) -> Vec<types::BatchId> {
    pool.iter().map(|held| held.batch.id()).collect()
}

#[test]
fn gives_batches_in_the_order_in_which_they_came() {
    let mut pool = Pool::default();
    assert!(pool.is_empty());
    let mut batches: Vec<_> = (1..=20).map(|number| batch(1, number, &[number])).collect();
    for batch in &batches {
        put(&mut pool, batch);
    }
    let of =
        |batches: &[VerifiedBatch]| -> Vec<_> { batches.iter().map(VerifiedBatch::id).collect() };
    assert_eq!(ids(&pool), of(&batches));
    // One that comes back comes last.
    let again = batches.remove(3);
    assert!(pool.remove(&again.id()).is_some());
    assert_eq!(ids(&pool), of(&batches));
    put(&mut pool, &again);
    batches.push(again);
    assert_eq!(ids(&pool), of(&batches));
    assert_eq!((pool.len(), pool.orders()), (20, 20));
}

#[test]
fn a_batch_held_already_changes_nothing() {
    let mut pool = Pool::default();
    let first = batch(1, 1, &[1]);
    put(&mut pool, &first);
    put(&mut pool, &batch(1, 2, &[2]));
    assert!(!pool.insert(first.clone(), whole(&[1]), true));
    assert!(!pool.insert(first.clone(), none(1), false));
    assert_eq!(ids(&pool)[0], first.id());
    assert_eq!((pool.len(), pool.orders()), (2, 2));
    assert!(pool.get(&first.id()).unwrap().complete);
    // What is known of it stays, too.
    pool.note_recorded(&first.id(), 1);
    assert!(!pool.insert(first.clone(), whole(&[1]), true));
    assert_eq!(pool.get(&first.id()).unwrap().recorded, 1);
}

#[test]
fn personal_parts_can_come_later() {
    let mut pool = Pool::default();
    let batch = batch(1, 1, &[1, 2]);
    assert!(pool.insert(
        batch.clone(),
        Arc::new(vec![Some(personal(1)), None]),
        false
    ));
    let held = pool.get(&batch.id()).unwrap();
    assert!(!held.complete);
    assert_eq!(**held.full().personal, [Some(personal(1)), None]);
    assert!(pool.insert(batch.clone(), whole(&[1, 2]), true));
    let held = pool.get(&batch.id()).unwrap();
    assert!(held.complete);
    assert_eq!(held.full().personal, whole(&[1, 2]));
    assert_eq!(held.full().is_complete(), Some(true));
    assert_eq!(&held.full().batch, batch.batch());
    // What is complete stays so.
    assert!(!pool.insert(batch.clone(), none(2), false));
    assert!(pool.get(&batch.id()).unwrap().complete);
    assert_eq!((pool.len(), pool.orders()), (1, 2));
}

#[test]
fn every_author_has_its_share() {
    let limits = PoolLimits {
        author_orders: 3,
        author_bytes: 1_000_000,
    };
    let mut pool = Pool::new(limits, None);
    put(&mut pool, &batch(1, 1, &[1, 2]));
    let full = Err(PoolRefusal { orders: 2 });
    assert_eq!(pool.room_for(&member(1), 1, 0), Ok(()));
    assert_eq!(pool.room_for(&member(1), 2, 0), full);
    assert_eq!(pool.room_for(&member(2), 3, 0), Ok(()));
    assert_eq!(
        pool.room_for(&member(2), 4, 0),
        Err(PoolRefusal { orders: 0 })
    );
    assert_eq!(pool.room_for(&member(1), u64::MAX, 0), full);
    // What a proposal names is put in all the same.
    let named = batch(1, 2, &[3, 4, 5]);
    put(&mut pool, &named);
    assert_eq!(
        pool.room_for(&member(1), 0, 0),
        Err(PoolRefusal { orders: 5 })
    );
    assert!(pool.remove(&named.id()).is_some());
    assert_eq!(pool.room_for(&member(1), 1, 0), Ok(()));
}

#[test]
fn a_share_is_bounded_in_bytes_too() {
    let first = batch(1, 1, &[1]);
    let bytes = u64::from(first.bytes());
    let limits = PoolLimits {
        author_orders: 100,
        author_bytes: 2 * bytes,
    };
    let mut pool = Pool::new(limits, None);
    put(&mut pool, &first);
    assert_eq!(pool.room_for(&member(1), 1, bytes), Ok(()));
    assert_eq!(
        pool.room_for(&member(1), 1, bytes + 1),
        Err(PoolRefusal { orders: 1 })
    );
}

#[test]
fn taking_a_batch_out_makes_room_again() {
    let limits = PoolLimits {
        author_orders: 2,
        author_bytes: 1_000_000,
    };
    let mut pool = Pool::new(limits, None);
    let batch = batch(1, 1, &[1, 2]);
    put(&mut pool, &batch);
    assert!(pool.room_for(&member(1), 1, 0).is_err());
    let held = pool.remove(&batch.id()).unwrap();
    assert_eq!(held.batch.id(), batch.id());
    assert_eq!(pool.room_for(&member(1), 2, 1_000_000), Ok(()));
    assert!(pool.remove(&batch.id()).is_none());
    assert!(pool.get(&batch.id()).is_none());
    assert!(pool.is_empty());
    assert_eq!(pool.orders(), 0);
    assert_eq!(pool.iter().count(), 0);
}

#[test]
fn an_order_in_two_batches_is_held_until_both_are_gone() {
    let mut pool = Pool::default();
    let (first, second) = (batch(1, 1, &[1, 2]), batch(2, 1, &[2, 3, 3]));
    put(&mut pool, &first);
    put(&mut pool, &second);
    let has = |pool: &Pool| [1, 2, 3, 4].map(|number| pool.has_order(&order_id(number)));
    assert_eq!(has(&pool), [true, true, true, false]);
    assert!(pool.remove(&first.id()).is_some());
    assert_eq!(has(&pool), [false, true, true, false]);
    assert!(pool.remove(&second.id()).is_some());
    assert_eq!(has(&pool), [false; 4]);
}

#[test]
fn of_orders_that_tills_vouch_for_it_looks_for_its_members_own() {
    let mut pool = Pool::new(PoolLimits::default(), Some(member(1)));
    let (own, other) = (till_batch(1, &[1, 2]), till_batch(2, &[3]));
    let ids = |batch: &VerifiedBatch| batch.entries().iter().map(|(id, _)| *id).collect();
    let (of_own, of_other): (Vec<_>, Vec<_>) = (ids(&own), ids(&other));
    put(&mut pool, &own);
    put(&mut pool, &other);
    assert!(of_own.iter().all(|id| pool.has_order(id)));
    assert!(!pool.has_order(&of_other[0]));
    assert_eq!(pool.orders(), 3);
    assert!(pool.remove(&other.id()).is_some());
    assert!(pool.remove(&own.id()).is_some());
    assert!(!of_own.iter().any(|id| pool.has_order(id)));
}

#[test]
fn a_refusal_says_what_to_do() {
    let said = PoolRefusal { orders: 7 }.to_string();
    let expected = "the pool already holds 7 orders of this member that are not final yet; \
                    try again in a moment";
    assert_eq!(said, expected);
}
