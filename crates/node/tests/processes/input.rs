//! Bad input gets its clear error and changes nothing; signed orders done right are sealed.

use std::thread;

use api::{
    model::{NewOrder, Salt},
    time::{Time, format_rfc3339, now},
};
use serde_json::{Value, json};
use tempfile::tempdir;
use types::{
    Amount, BlsAndEd25519, ChainId, IdentitySecret, MemberId, Order, PersonalPart, Signatures as _,
    Text, UnixMillis, Voucher,
};

use crate::support::{Dev, Rest, eventually, order};

/// What must not change.
fn state(shop: &Rest) -> [u64; 3] {
    let status = shop.json("/v1/status");
    let number = |value: &Value| value.as_u64().unwrap();
    [
        number(&status["final_height"]),
        number(&status["log_size"]),
        number(&status["pool"]["orders"]),
    ]
}

#[test]
fn bad_input_gets_its_problem_and_changes_nothing() {
    let folder = tempdir().unwrap();
    let dev = Dev::start(folder.path(), 4, &[]);
    let shop = &dev.shops[0];
    let before = state(shop);
    let with = |field: &str, value: Value| {
        let mut order = order("Ada");
        order[field] = value;
        order.to_string()
    };
    let host = shop.host();
    let foreign_host = "Host: attacker.example".to_owned();
    let json_type = "Content-Type: application/json";
    let future = format_rfc3339(now().plus_millis(25 * 60 * 60 * 1000));
    let good = order("Ada").to_string();
    let cases: Vec<(&str, Vec<&str>, String, u16, &str)> = vec![
        (
            "oversized",
            vec![&host, json_type],
            with("details", "x".repeat(100_000).into()),
            413,
            "body-too-large",
        ),
        (
            "long details",
            vec![&host, json_type],
            with("details", "x".repeat(3_801).into()),
            422,
            "invalid-order",
        ),
        (
            "malformed",
            vec![&host, json_type],
            "{\"customer\": ".to_owned(),
            400,
            "malformed-request",
        ),
        (
            "not an object",
            vec![&host, json_type],
            "[]".to_owned(),
            400,
            "malformed-request",
        ),
        (
            "far future",
            vec![&host, json_type],
            with("placed_at", future.into()),
            422,
            "invalid-order",
        ),
        (
            "negative",
            vec![&host, json_type],
            with("amount", "-4.50".into()),
            422,
            "invalid-order",
        ),
        (
            "too exact",
            vec![&host, json_type],
            with("amount", "4.505".into()),
            422,
            "invalid-order",
        ),
        (
            "no currency",
            vec![&host, json_type],
            with("currency", "ZZZ".into()),
            422,
            "invalid-order",
        ),
        (
            "unknown field",
            vec![&host, json_type],
            with("colour", "green".into()),
            422,
            "invalid-order",
        ),
        (
            "form",
            vec![&host, "Content-Type: application/x-www-form-urlencoded"],
            good.clone(),
            415,
            "media-type",
        ),
        ("no type", vec![&host], good.clone(), 415, "media-type"),
        (
            "foreign host",
            vec![&foreign_host, json_type],
            good.clone(),
            421,
            "unknown-host",
        ),
        (
            "foreign origin",
            vec![&host, json_type, "Origin: https://attacker.example"],
            good,
            403,
            "foreign-origin",
        ),
    ];
    for (name, head, body, status, kind) in &cases {
        let head: Vec<&str> = std::iter::once("POST /v1/orders HTTP/1.1")
            .chain(head.iter().copied())
            .collect();
        let answer = shop.send(&head, body.as_bytes()).unwrap();
        assert_eq!(answer.status, *status, "{name}: {answer:?}");
        assert_eq!(answer.content_type, "application/problem+json", "{name}");
        let problem = answer.json();
        assert_eq!(
            problem["type"],
            format!("urn:dexter:problem:{kind}"),
            "{name}"
        );
        assert_eq!(problem["status"], *status, "{name}");
        assert!(!problem["detail"].as_str().unwrap().is_empty(), "{name}");
    }
    let too_long_a_head = format!("X-Long: {}", "x".repeat(100_000));
    let answer = shop
        .send(&["GET /v1/status HTTP/1.1", &host, &too_long_a_head], b"")
        .unwrap();
    assert_eq!(answer.status, 431);
    assert_eq!(state(shop), before);
    shop.place_final("Ada");
}

/// An order signed by a customer's own key, as a client would send it.
fn signed(chain: ChainId, placed_at: UnixMillis, customer: &str) -> NewOrder {
    let signatures = BlsAndEd25519::new();
    let secret = IdentitySecret::new([7; 32]);
    let personal = PersonalPart {
        salt: [9; 16],
        customer: Text::new(customer).unwrap(),
        details: Text::new("Cortado").unwrap(),
    };
    let order = Order {
        receiver: Text::new("Bohne").unwrap(),
        amount: Amount {
            minor_units: 340,
            currency: "EUR".parse().unwrap(),
        },
        placed_at,
        personal_hash: personal.hash(),
        voucher: Voucher::Till(MemberId::ZERO),
    };
    let Voucher::Key { key, signature } = order.sign(&signatures, &chain, &secret).voucher else {
        unreachable!("it was just signed")
    };
    assert_eq!(key, signatures.identity_public(&secret));
    NewOrder {
        customer: customer.to_owned(),
        details: "Cortado".to_owned(),
        amount: api::model::DecimalText::new("3.40"),
        currency: None,
        receiver: Some("Bohne".to_owned()),
        placed_at: Some(Time(placed_at)),
        salt: Some(Salt([9; 16])),
        key: Some(key),
        signature: Some(signature),
    }
}

#[test]
fn orders_signed_by_a_customer_are_checked_and_kept_as_they_are() {
    let folder = tempdir().unwrap();
    let dev = Dev::start(folder.path(), 4, &[]);
    let (first, second) = (&dev.shops[0], &dev.shops[1]);
    let chain: ChainId = first.json("/v1/status")["chain"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let placed_at = now();
    let right = signed(chain, placed_at, "Ada");
    let body = |order: &NewOrder| serde_json::to_value(order).unwrap();

    let mut wrong = body(&right);
    wrong["amount"] = "0.34".into();
    let other_network = body(&signed(ChainId::new([1; 32]), placed_at, "Ada"));
    let mut half = body(&right);
    half.as_object_mut().unwrap().remove("signature");
    for (wrong, words) in [
        (
            wrong,
            "the customer's signature is not right for this order on this network",
        ),
        (
            other_network,
            "the customer's signature is not right for this order on this network",
        ),
        (half, "gives key, signature, salt and placed_at, all four"),
    ] {
        let refused = first.post("/v1/orders", &wrong);
        assert_eq!(refused.status, 422, "{refused:?}");
        assert!(
            refused.json()["detail"].as_str().unwrap().contains(words),
            "{refused:?}"
        );
    }
    assert_eq!(state(first), [0, 0, 0]);

    let placed = first.post("/v1/orders?wait=final", &body(&right));
    assert_eq!(
        (placed.status, &placed.json()["state"]),
        (201, &json!("final")),
        "{placed:?}"
    );
    let seen = first.json(&format!("/v1/orders/{}", placed.id()));
    assert_eq!(seen["voucher"]["kind"], "key");
    assert_eq!(seen["voucher"]["signature"], body(&right)["signature"]);
    assert_eq!(
        (&seen["customer"], &seen["amount"]),
        (&json!("Ada"), &json!("3.40"))
    );

    // The same order once more, here and at another shop that has it by now.
    let path = format!("/v1/orders/{}", placed.id());
    eventually("the other shop to have it", || {
        (second.get(&path).status == 200 && second.json(&path)["state"] == "final").then_some(())
    });
    let before = state(first);
    for shop in [first, second] {
        let twice = shop.post("/v1/orders", &body(&right));
        assert_eq!(twice.status, 409, "{twice:?}");
        assert_eq!(twice.json()["type"], "urn:dexter:problem:duplicate-order");
        assert_eq!(twice.json()["order"], placed.json()["id"]);
    }
    assert_eq!(state(first), before);
    second.place_final("Bea");
}

#[test]
fn one_signed_order_at_all_shops_at_once_is_recorded_once() {
    let folder = tempdir().unwrap();
    let dev = Dev::start(folder.path(), 4, &[]);
    let status = dev.shops[0].json("/v1/status");
    let chain: ChainId = status["chain"].as_str().unwrap().parse().unwrap();
    for round in 0..5 {
        let body = serde_json::to_value(signed(chain, now(), &format!("Ada {round}"))).unwrap();
        let answers: Vec<_> = thread::scope(|scope| {
            let body = &body;
            let placing: Vec<_> = dev
                .shops
                .iter()
                .map(|shop| scope.spawn(move || shop.post("/v1/orders?wait=final", body)))
                .collect();
            placing
                .into_iter()
                .map(|answer| answer.join().unwrap())
                .collect()
        });
        let first = answers.iter().find(|answer| answer.status == 201);
        let finality = &first.unwrap().json()["finality"];
        for answer in &answers {
            let json = answer.json();
            match answer.status {
                201 => assert_eq!(json["finality"], *finality),
                409 => assert_eq!(json["type"], "urn:dexter:problem:duplicate-order"),
                _ => panic!("{answer:?}"),
            }
        }
    }
    for shop in &dev.shops {
        // What lost the race leaves the pool, too.
        eventually("empty pools", || (state(shop)[1..] == [5, 0]).then_some(()));
    }
}
