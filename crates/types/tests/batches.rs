//! Batches: each fault that makes one invalid, provoked by one change, over both kinds of signatures.

mod support;

use std::sync::Arc;

use support::{
    batch, full, genesis, implementations, key_order, personal, sign_batch, spoiled, till_order,
};
use types::{
    Batch, BatchError, ChainId, Entry, FullBatch, Genesis, MemberId, OrderError, Signatures,
    Simulated, VerifiedBatch, Voucher, batch::BatchLimits, decode, encode, merkle,
};

const LIMITS: BatchLimits = BatchLimits {
    max_batch_orders: 3,
    max_block_bytes: 1_000,
};

fn verify(
    signatures: &dyn Signatures,
    genesis: &Genesis,
    batch: Batch,
) -> Result<VerifiedBatch, BatchError> {
    verify_within(signatures, genesis, batch, LIMITS)
}

fn verify_within(
    signatures: &dyn Signatures,
    genesis: &Genesis,
    batch: Batch,
    limits: BatchLimits,
) -> Result<VerifiedBatch, BatchError> {
    let key = genesis.members[0].identity_key;
    Arc::new(batch).verify(signatures, &genesis.chain_id(), &key, limits)
}

#[test]
fn a_right_batch_is_verified() {
    for (name, signatures) in implementations() {
        let signatures = signatures.as_ref();
        let genesis = genesis(signatures, 4);
        let batch = batch(signatures, &genesis);
        let verified = verify(signatures, &genesis, batch.clone()).unwrap();
        assert_eq!(verified.batch().as_ref(), &batch, "{name}");
        assert_eq!(verified.id(), batch.id(), "{name}");
        assert_eq!(verified.len(), 2, "{name}");
        assert_eq!(verified.bytes() as usize, encode(&batch).len(), "{name}");
        let expected: Vec<_> = batch
            .entries
            .iter()
            .map(|entry| (entry.id(), merkle::leaf_hash(&entry.leaf_bytes())))
            .collect();
        assert_eq!(verified.entries(), expected, "{name}");

        let reread = VerifiedBatch::from_own_disk(Arc::new(batch));
        assert_eq!(reread.id(), verified.id(), "{name}");
        assert_eq!(reread.entries(), verified.entries(), "{name}");
        assert_eq!(reread.bytes(), verified.bytes(), "{name}");
    }
}

#[test]
fn it_carries_one_to_the_most_entries() {
    for (name, signatures) in implementations() {
        let signatures = signatures.as_ref();
        let genesis = genesis(signatures, 1);
        let of = |count: u8| {
            let entries = (0..count)
                .map(|number| Entry::Order(till_order(&genesis.members[0], number)))
                .collect();
            let verified = verify(
                signatures,
                &genesis,
                sign_batch(signatures, &genesis, entries),
            );
            verified.map(|batch| batch.len())
        };
        let wrong = |entries| Err(BatchError::EntryCount { entries, most: 3 });
        assert_eq!(of(0), wrong(0), "{name}");
        assert_eq!(of(1), Ok(1), "{name}");
        assert_eq!(of(3), Ok(3), "{name}");
        assert_eq!(of(4), wrong(4), "{name}");
    }
}

#[test]
fn it_fits_a_block_alone() {
    for (name, signatures) in implementations() {
        let signatures = signatures.as_ref();
        let genesis = genesis(signatures, 1);
        let batch = batch(signatures, &genesis);
        let bytes = encode(&batch).len();
        let within = |max_block_bytes| {
            let limits = BatchLimits {
                max_block_bytes,
                ..LIMITS
            };
            verify_within(signatures, &genesis, batch.clone(), limits)
                .map(|verified| verified.bytes() as usize)
        };
        let most = u32::try_from(bytes).unwrap();
        assert_eq!(within(most), Ok(bytes), "{name}");
        let most = most - 1;
        assert_eq!(
            within(most),
            Err(BatchError::TooLarge { bytes, most }),
            "{name}"
        );
    }
}

#[test]
fn an_order_out_of_bounds_makes_it_invalid() {
    for (name, signatures) in implementations() {
        let signatures = signatures.as_ref();
        let genesis = genesis(signatures, 1);
        let mut dear = till_order(&genesis.members[0], 2);
        dear.amount.minor_units = 1_000_000_000_000_001;
        let entries = vec![
            Entry::Order(till_order(&genesis.members[0], 1)),
            Entry::Order(dear),
        ];
        let refused = verify(
            signatures,
            &genesis,
            sign_batch(signatures, &genesis, entries),
        );
        let expected = BatchError::Order {
            entry: 1,
            error: OrderError::AmountTooLarge,
        };
        assert_eq!(refused.unwrap_err(), expected, "{name}");
    }
}

#[test]
fn another_members_till_makes_it_invalid() {
    for (name, signatures) in implementations() {
        let signatures = signatures.as_ref();
        let genesis = genesis(signatures, 2);
        let entries = vec![
            Entry::Order(key_order(signatures, &genesis, 1)),
            Entry::Order(till_order(&genesis.members[1], 2)),
        ];
        let refused = verify(
            signatures,
            &genesis,
            sign_batch(signatures, &genesis, entries),
        );
        assert_eq!(
            refused.unwrap_err(),
            BatchError::ForeignTill { entry: 1 },
            "{name}"
        );
    }
}

type Change = fn(&mut Batch);

#[test]
fn every_signature_covers_everything() {
    let changes: [(&str, Change); 8] = [
        ("signature", |batch| {
            batch.signature = spoiled(batch.signature);
        }),
        ("number", |batch| batch.number += 1),
        ("entry changed", |batch| {
            let Entry::Order(order) = &mut batch.entries[0];
            order.amount.minor_units += 1;
        }),
        ("entry left out", |batch| {
            batch.entries.remove(0);
        }),
        ("entry twice", |batch| {
            batch.entries.push(batch.entries[0].clone())
        }),
        ("entries in another order", |batch| batch.entries.reverse()),
        ("customer's signature", |batch| {
            let Entry::Order(order) = &mut batch.entries[1];
            if let Voucher::Key { signature, .. } = &mut order.voucher {
                *signature = spoiled(*signature);
            }
        }),
        ("author", |batch| {
            batch.author = MemberId::ZERO;
            let Entry::Order(order) = &mut batch.entries[0];
            order.voucher = Voucher::Till(MemberId::ZERO);
        }),
    ];
    for (name, signatures) in implementations() {
        let signatures = signatures.as_ref();
        let genesis = genesis(signatures, 2);
        let right = batch(signatures, &genesis);
        for (what, change) in changes {
            let mut changed = right.clone();
            change(&mut changed);
            assert_ne!(changed.id(), right.id(), "{name}: {what}");
            let refused = verify(signatures, &genesis, changed);
            assert_eq!(
                refused.unwrap_err(),
                BatchError::WrongSignature,
                "{name}: {what}"
            );
        }
        let verify_as = |chain: &ChainId, member: usize| {
            let key = genesis.members[member].identity_key;
            Arc::new(right.clone())
                .verify(signatures, chain, &key, LIMITS)
                .map(|verified| verified.id())
        };
        let chain = genesis.chain_id();
        assert_eq!(verify_as(&chain, 0), Ok(right.id()), "{name}");
        assert_eq!(
            verify_as(&chain, 1),
            Err(BatchError::WrongSignature),
            "{name}: another member's key"
        );
        assert_eq!(
            verify_as(&ChainId::ZERO, 0),
            Err(BatchError::WrongSignature),
            "{name}: another network"
        );
    }
}

/// A wrong customer's signature is wrong even under the author's right one.
#[test]
fn the_author_cannot_sign_for_a_customer() {
    for (name, signatures) in implementations() {
        let signatures = signatures.as_ref();
        let genesis = genesis(signatures, 1);
        let mut order = key_order(signatures, &genesis, 1);
        order.amount.minor_units += 1;
        let forged = sign_batch(signatures, &genesis, vec![Entry::Order(order)]);
        assert_eq!(
            verify(signatures, &genesis, forged).unwrap_err(),
            BatchError::WrongSignature,
            "{name}"
        );
    }
}

#[test]
fn nothing_hashed_or_signed_depends_on_personal_parts() {
    for (name, signatures) in implementations() {
        let signatures = signatures.as_ref();
        let genesis = genesis(signatures, 1);
        let mut whole = full(batch(signatures, &genesis));
        assert_eq!(whole.is_complete(), Some(false), "{name}: one is missing");
        let [first, second] = [1, 2].map(|number| Some(personal(number)));
        for (parts, complete) in [
            (vec![first.clone(), second.clone()], Some(true)),
            (vec![None, None], Some(false)),
            (vec![second.clone(), first.clone()], None),
            (vec![second.clone(), None], None),
            (vec![first.clone()], None),
            (vec![first, second.clone(), second], None),
        ] {
            whole.personal = Arc::new(parts);
            assert_eq!(whole.is_complete(), complete, "{name}: {whole:?}");
        }
        assert!(
            verify(signatures, &genesis, whole.batch.as_ref().clone()).is_ok(),
            "{name}"
        );
    }
}

#[test]
fn more_personal_parts_than_entries_are_not_even_read() {
    let genesis = genesis(&Simulated, 1);
    let mut whole = full(batch(&Simulated, &genesis));
    assert_eq!(decode::<FullBatch>(&encode(&whole)).as_ref(), Ok(&whole));
    Arc::make_mut(&mut whole.personal).push(None);
    let refused = decode::<FullBatch>(&encode(&whole)).unwrap_err();
    let expected = "not a valid FullBatch: more personal parts than entries";
    assert_eq!(refused.to_string(), expected);
}

#[test]
fn the_faults_say_what_happened() {
    let said = [
        BatchError::EntryCount {
            entries: 0,
            most: 3,
        }
        .to_string(),
        BatchError::TooLarge { bytes: 9, most: 8 }.to_string(),
        BatchError::EntryTooLarge { entry: 2 }.to_string(),
        BatchError::ForeignTill { entry: 1 }.to_string(),
        BatchError::WrongSignature.to_string(),
    ];
    let expected = [
        "the batch carries 0 entries; the network allows 1 to 3",
        "the batch is 9 bytes; a block takes at most 8",
        "entry 2 of the batch is larger than 65535 bytes",
        "entry 1 is vouched for by another member than the batch's author",
        "a signature of the batch is wrong",
    ];
    assert_eq!(said, expected);
}
