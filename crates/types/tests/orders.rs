//! Orders: what their id covers, and their bounds.

mod support;

use support::{genesis, identity, implementations, personal, till_order};
use types::{
    Amount, ChainId, Entry, IdentitySignature, MemberId, Order, OrderError, PersonalHash,
    Signatures, Simulated, Text, UnixMillis, Voucher, encode,
    order::{MAX_ORDER_BYTES, MAX_PERSONAL_BYTES},
    units::MAX_MINOR_UNITS,
};

#[test]
fn the_id_covers_everything_but_the_signature() {
    let signatures = &Simulated;
    let genesis = genesis(signatures, 1);
    let order = till_order(&genesis.members[0], 1);
    let changes: [fn(&mut Order); 7] = [
        |order| order.receiver = Text::new("Café Lanf").unwrap(),
        |order| order.amount.minor_units += 1,
        |order| order.amount.currency = "EUS".parse().unwrap(),
        |order| order.placed_at = UnixMillis(order.placed_at.0 + 1),
        |order| order.personal_hash = PersonalHash::ZERO,
        |order| order.voucher = Voucher::Till(MemberId::ZERO),
        |order| {
            let key = Simulated.identity_public(&identity(9));
            let signature = IdentitySignature::ZERO;
            order.voucher = Voucher::Key { key, signature };
        },
    ];
    let mut ids = vec![order.id()];
    for change in changes {
        let mut changed = order.clone();
        change(&mut changed);
        ids.push(changed.id());
    }
    let signed = order.sign(signatures, &genesis.chain_id(), &identity(200));
    assert!(!ids.contains(&signed.id()));
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), changes.len() + 1);

    let mut unsigned = signed.clone();
    if let Voucher::Key { signature, .. } = &mut unsigned.voucher {
        *signature = IdentitySignature::ZERO;
    }
    assert_ne!(unsigned, signed);
    assert_eq!(unsigned.id(), signed.id());
}

#[test]
fn a_customers_signature_holds_for_this_order_on_this_network_only() {
    for (name, signatures) in implementations() {
        let signatures = signatures.as_ref();
        let genesis = genesis(signatures, 1);
        let chain = genesis.chain_id();
        let till = till_order(&genesis.members[0], 1);
        assert!(till.check(&chain).is_none(), "{name}");
        let signed = till.sign(signatures, &chain, &identity(200));
        let holds = |order: &Order, chain: &ChainId| {
            let check = order.check(chain).unwrap();
            signatures.verify_identities(&[check])
        };
        assert!(holds(&signed, &chain), "{name}");
        assert!(!holds(&signed, &ChainId::ZERO), "{name}");
        let mut dearer = signed;
        dearer.amount.minor_units += 1;
        assert!(!holds(&dearer, &chain), "{name}");
    }
}

#[test]
fn an_amount_is_at_most_ten_to_the_fifteen() {
    let mut order = till_order(&genesis(&Simulated, 1).members[0], 1);
    let currency = order.amount.currency;
    let mut check = |minor_units| {
        order.amount = Amount {
            minor_units,
            currency,
        };
        order.check_bounds()
    };
    assert_eq!(check(0), Ok(()));
    assert_eq!(check(1_000_000_000_000_000), Ok(()));
    assert_eq!(MAX_MINOR_UNITS, 1_000_000_000_000_000);
    assert_eq!(
        check(1_000_000_000_000_001),
        Err(OrderError::AmountTooLarge)
    );
}

#[test]
fn the_personal_hash_covers_salt_customer_and_details() {
    let given = personal(1);
    let mut salted = given.clone();
    salted.salt[15] = 0;
    let mut renamed = given.clone();
    renamed.customer = Text::new("ANON-2").unwrap();
    let mut detailed = given.clone();
    detailed.details = Text::new("2 Latte").unwrap();
    let order = till_order(&genesis(&Simulated, 1).members[0], 1);
    assert!(given.is_of(&order));
    for other in [salted, renamed, detailed] {
        assert_ne!(other.hash(), given.hash());
        assert!(!other.is_of(&order));
    }
}

#[test]
fn no_order_is_larger_than_the_largest() {
    let mut largest = till_order(&genesis(&Simulated, 1).members[0], 1);
    largest.receiver = Text::new("r".repeat(256)).unwrap();
    largest.voucher = Voucher::Key {
        key: Simulated.identity_public(&identity(9)),
        signature: IdentitySignature::ZERO,
    };
    let bytes = encode(&Entry::Order(largest)).len();
    assert_eq!(bytes, MAX_ORDER_BYTES);
}

#[test]
fn the_largest_personal_part_keeps_within_its_bound() {
    let mut largest = personal(1);
    largest.customer = Text::new("c".repeat(256)).unwrap();
    largest.details = Text::new("d".repeat(3_800)).unwrap();
    let bytes = encode(&largest).len();
    assert_eq!((bytes, MAX_PERSONAL_BYTES), (4_080, 4_096));
}
