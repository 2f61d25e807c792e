//! Orders and their personal parts.

use serde_json::{Value, json};
use types::{
    Amount, BlsAndEd25519, ChainId, Entry, IdentitySignature, MemberId, Order, OrderError,
    PersonalPart, Signatures as _, Text, UnixMillis, Voucher, encode, merkle,
    order::{MAX_CUSTOMER_BYTES, MAX_DETAILS_BYTES, MAX_RECEIVER_BYTES},
    units::MAX_MINOR_UNITS,
};

use crate::support::{
    genesis, identity, personal, spoiled, till_order,
    vectors::{case, compare},
};

/// The greatest whole number that every reader of JSON takes exactly.
const MOST_EXACT: u64 = (1 << 53) - 1;

fn voucher_json(voucher: &Voucher) -> Value {
    match voucher {
        Voucher::Till(member) => json!({ "kind": "till", "member": member }),
        Voucher::Key { key, signature } => {
            json!({ "kind": "key", "key": key, "signature": signature })
        }
    }
}

/// An order as the proof of `GET /v1/orders/{id}/proof` writes it.
fn order_json(order: &Order) -> Value {
    json!({
        "receiver": order.receiver,
        "minor_units": order.amount.minor_units,
        "currency": order.amount.currency,
        "placed_at_ms": order.placed_at,
        "personal_hash": order.personal_hash,
        "voucher": voucher_json(&order.voucher),
    })
}

fn judged(name: &str, chain: &ChainId, order: &Order) -> Value {
    let check = order.check(chain);
    let signature = if check.is_some() { "ok" } else { "none" };
    let held = BlsAndEd25519::new().verify_identities(&check.into_iter().collect::<Vec<_>>());
    let outcome = order.check_bounds().and_then(|()| {
        let entry = Entry::Order(order.clone());
        held.then(|| {
            json!({
                "bytes": hex::encode(encode(order)),
                "id": order.id(),
                "signing_bytes": hex::encode(order.signing_bytes(chain)),
                "signature": signature,
                "entry": hex::encode(entry.leaf_bytes()),
                "leaf": merkle::leaf_hash(&entry.leaf_bytes()),
            })
        })
        .ok_or(OrderError::WrongSignature)
    });
    let inputs = json!({ "chain": chain, "order": order_json(order) });
    case(name, inputs, outcome)
}

#[test]
fn orders() {
    let signatures = &BlsAndEd25519::new();
    let genesis = genesis(signatures, 4);
    let chain = genesis.chain_id();
    let till = till_order(&genesis.members[0], 1);
    let signed = |change: fn(&mut Order)| {
        let mut order = till.clone();
        change(&mut order);
        order.sign(signatures, &chain, &identity(200))
    };
    let right = signed(|_| {});
    let altered = |change: fn(&mut Order)| {
        let mut order = right.clone();
        change(&mut order);
        order
    };
    let mut greatest = till.clone();
    greatest.receiver = Text::new("é".repeat(MAX_RECEIVER_BYTES / 2)).unwrap();
    greatest.amount.minor_units = MAX_MINOR_UNITS;
    greatest.placed_at = UnixMillis(MOST_EXACT);
    let mut dearer = greatest.clone();
    dearer.amount.minor_units += 1;
    // By ZIP-215 alone: key and nonce are points of small order in encodings that are not canonical.
    let point = "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f";
    let crafted = Voucher::Key {
        key: point.parse().unwrap(),
        signature: format!("{point}{}", "00".repeat(32)).parse().unwrap(),
    };
    let mut small_order = till.clone();
    small_order.voucher = crafted;
    let cases = vec![
        judged("at a till", &chain, &till),
        judged("the most there can be", &chain, &greatest),
        judged("an amount beyond the most", &chain, &dearer),
        judged("signed by its customer", &chain, &right),
        judged(
            "signed, with a receiver in other letters and an amount of nothing",
            &chain,
            &signed(|order| {
                order.receiver = Text::new("コーヒー ☕ \"Zoë\"\n").unwrap();
                order.amount = Amount {
                    minor_units: 0,
                    currency: "JPY".parse().unwrap(),
                };
            }),
        ),
        judged(
            "a signature that only the rules of ZIP-215 take",
            &chain,
            &small_order,
        ),
        judged(
            "a signature with another bit",
            &chain,
            &altered(|order| {
                if let Voucher::Key { signature, .. } = &mut order.voucher {
                    *signature = spoiled(*signature);
                }
            }),
        ),
        judged(
            "a signature of zeros",
            &chain,
            &altered(|order| {
                if let Voucher::Key { signature, .. } = &mut order.voucher {
                    *signature = IdentitySignature::ZERO;
                }
            }),
        ),
        judged(
            "a signed order made dearer",
            &chain,
            &altered(|order| order.amount.minor_units += 1),
        ),
        judged(
            "a signed order to another receiver",
            &chain,
            &altered(|order| order.receiver = Text::new("Cafe Lane").unwrap()),
        ),
        judged(
            "a signed order on another network",
            &ChainId::new([9; 32]),
            &right,
        ),
        judged("an order of the till that nobody has", &chain, &{
            let mut order = till.clone();
            order.voucher = Voucher::Till(MemberId::ZERO);
            order
        }),
    ];
    let refused = cases.iter().filter(|case| case.get("refused").is_some());
    assert_eq!(refused.count(), 6);
    compare(
        "orders.json",
        "An order's public part, as a proof writes it: its canonical bytes, its id, what its customer signs \
         on this network (signature \"none\": the till of a member vouches), and its entry, the bytes of a \
         leaf of the order log, with that leaf's hash.",
        cases,
    );
}

#[test]
fn personal_hashes() {
    let part = |name: &str, salt: [u8; 16], customer: String, details: String| {
        let inputs = json!({ "salt": hex::encode(salt), "customer": customer, "details": details });
        let made = Text::new(customer)
            .map_err(|error| format!("the customer {error}"))
            .and_then(|customer| {
                let details =
                    Text::new(details).map_err(|error| format!("the details: {error}"))?;
                Ok(PersonalPart {
                    salt,
                    customer,
                    details,
                })
            });
        let outcome = made.map(
            |part| json!({ "bytes": hex::encode(encode(&part)), "personal_hash": part.hash() }),
        );
        case(name, inputs, outcome)
    };
    let text = str::to_owned;
    let example = personal(1);
    let cases = vec![
        part(
            "the one of the order at a till",
            example.salt,
            text(example.customer.as_str()),
            text(example.details.as_str()),
        ),
        part("empty", [0; 16], String::new(), String::new()),
        part(
            "other letters",
            [0xa5; 16],
            text("Zoë Müller-Þór"),
            text("2 × コーヒー, 1 café crème\n☕ \u{1F950} \"to go\" \\ \u{0}"),
        ),
        part(
            "letters put together of two, which are not the ones in one",
            [0xa5; 16],
            text("Zoe\u{308}"),
            text("Latte"),
        ),
        part(
            "as long as can be",
            [0xff; 16],
            "é".repeat(MAX_CUSTOMER_BYTES / 2),
            "x".repeat(MAX_DETAILS_BYTES),
        ),
        part(
            "a customer too long in bytes, though not in letters",
            [1; 16],
            "é".repeat(MAX_CUSTOMER_BYTES / 2 + 1),
            text("Latte"),
        ),
        part(
            "details too long",
            [1; 16],
            text("Ada"),
            "x".repeat(MAX_DETAILS_BYTES + 1),
        ),
    ];
    compare(
        "personal-hashes.json",
        "An order's personal part: its canonical bytes, and the hash its public part commits to. Texts are \
         UTF-8 as they are given, in no normal form.",
        cases,
    );
}
