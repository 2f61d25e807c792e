//! Placing, showing, listing and proving orders.

use std::time::Duration;

use api::{
    ApiConfig, Backend, Limits,
    backend::{ReadError, SubmitError},
    model::{NewOrder, OrderPage, OrderState, OrderView, PlacedOrder, Proof, VoucherView},
};
use serde_json::json;
use types::{
    Amount, BlsAndEd25519, IdentityPublicKey, IdentitySecret, IdentitySignature, Order,
    PersonalPart, Receipt, Simulated, Text, UnixMillis, Voucher,
};

use crate::{client::Served, fake::Fake};

#[tokio::test]
async fn a_placed_order_is_shown_accepted_and_then_final() {
    let served = Served::start(ApiConfig::default()).await;
    let body = r#"{"customer":"Ada \"Ω\"","details":"2 flat white\n","amount":38.70,"placed_at":"2024-03-01T10:15:50.52Z"}"#;
    let answer = served.post("/v1/orders", body).await;
    assert_eq!(answer.status, 201);
    let placed: PlacedOrder = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(
        (placed.state, &placed.finality),
        (OrderState::Accepted, &None)
    );
    let location = format!("/v1/orders/{}", placed.id);
    assert_eq!(answer.header("location"), Some(location.as_str()));

    let view: OrderView = serde_json::from_value(served.get(&location).await.json()).unwrap();
    assert_eq!(view.state, OrderState::Accepted);
    assert_eq!(
        (
            view.receiver.as_str(),
            view.amount.as_str(),
            view.currency.as_str()
        ),
        ("north", "38.70", "EUR")
    );
    assert_eq!(
        (view.customer.as_deref(), view.details.as_deref()),
        (Some("Ada \"Ω\""), Some("2 flat white\n"))
    );
    assert_eq!(view.placed_at.0, UnixMillis(1_709_288_150_520));
    let till = VoucherView::Till {
        member: served.node.member_id(),
        name: Some("north".to_owned()),
    };
    assert_eq!(view.voucher, till);
    assert_eq!(view.finality, None);

    served.node.seal();
    let view: OrderView = serde_json::from_value(served.get(&location).await.json()).unwrap();
    let finality = view.finality.unwrap();
    assert_eq!(
        (
            view.state,
            finality.height,
            finality.log_index,
            finality.wait_us
        ),
        (OrderState::Final, 1, 0, 1_234)
    );
    served.stop().await;
}

#[tokio::test]
async fn waiting_answers_when_the_order_is_final() {
    let served = Served::start(ApiConfig::default()).await;
    let mut events = served.node.events().subscribe(None);
    let body = r#"{"customer":"a","details":"b","amount":"1"}"#;
    let node = served.node.clone();
    let (answer, ()) = tokio::join!(served.post("/v1/orders?wait=final", body), async move {
        events.next().await;
        node.seal();
    });
    assert_eq!(answer.status, 201);
    let placed: PlacedOrder = serde_json::from_slice(&answer.body).unwrap();
    let finality = placed.finality.unwrap();
    assert_eq!(
        (placed.state, finality.height, finality.log_index),
        (OrderState::Final, 1, 0)
    );
    let winner = &served.node.genesis().member_set().members()[0].clone();
    assert_eq!(
        (&finality.winner, finality.winner_id),
        (&winner.name, winner.id)
    );
    served.stop().await;
}

#[tokio::test]
async fn waiting_is_bounded_and_ends_with_the_node() {
    let limits = Limits {
        final_wait: Duration::from_millis(20),
        ..Limits::default()
    };
    let served = Served::start(ApiConfig {
        limits,
        ..ApiConfig::default()
    })
    .await;
    let body = r#"{"customer":"a","details":"b","amount":"1"}"#;
    let answer = served.post("/v1/orders?wait=final", body).await;
    assert_eq!(answer.status, 202);
    assert_eq!(answer.json()["state"], "accepted");
    assert!(answer.header("location").is_some());
    served.stop().await;

    let served = Served::start(ApiConfig::default()).await;
    let mut events = served.node.events().subscribe(None);
    let text = format!(
        "POST /v1/orders?wait=final HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let stream = served.open(&text).await;
    events.next().await;
    served.stop().await;
    assert_eq!(crate::client::Answer::read(stream).await.status, 202);
}

#[tokio::test]
async fn an_order_signed_by_its_customer_is_kept_as_it_is() {
    let served = Served::start(ApiConfig::default()).await;
    let personal = PersonalPart {
        salt: [9; 16],
        customer: Text::new("Ada").unwrap(),
        details: Text::new("latte").unwrap(),
    };
    let order = Order {
        receiver: Text::new("east").unwrap(),
        amount: Amount {
            minor_units: 450,
            currency: "USD".parse().unwrap(),
        },
        placed_at: UnixMillis(1_709_288_150_520),
        personal_hash: personal.hash(),
        voucher: Voucher::Till(served.node.member_id()),
    };
    let order = order.sign(
        &Simulated,
        &served.node.chain_id(),
        &IdentitySecret::new([5; 32]),
    );
    let Voucher::Key { key, signature } = order.voucher.clone() else {
        panic!("signed")
    };
    let mut body = json!({
        "customer": "Ada", "details": "latte", "amount": "4.50", "currency": "USD", "receiver": "east",
        "placed_at": "2024-03-01T10:15:50.520Z", "salt": "09".repeat(16),
        "key": key, "signature": signature,
    });
    let answer = served.post("/v1/orders", &body.to_string()).await;
    assert_eq!(
        (answer.status, answer.json()["id"].clone()),
        (201, json!(order.id()))
    );
    assert_eq!(served.node.pooled()[0].order, order);
    assert_eq!(served.node.pooled()[0].personal, Some(personal));
    // The same again is a duplicate that names the order.
    let again = served.post("/v1/orders", &body.to_string()).await;
    again.problem(409, "duplicate-order");
    assert_eq!(again.json()["order"], json!(order.id()));
    assert_eq!(
        again.header("location"),
        Some(format!("/v1/orders/{}", order.id()).as_str())
    );
    // Anything else under the signature is refused.
    body["amount"] = json!("4.51");
    let detail = served
        .post("/v1/orders", &body.to_string())
        .await
        .problem(422, "invalid-order");
    assert_eq!(
        detail,
        "the customer's signature is not right for this order on this network"
    );
    for missing in ["key", "signature", "salt", "placed_at"] {
        let mut part = body.clone();
        part.as_object_mut().unwrap().remove(missing);
        let detail = served
            .post("/v1/orders", &part.to_string())
            .await
            .problem(422, "invalid-order");
        assert!(detail.contains("all four"), "{missing}: {detail}");
    }
    assert_eq!(served.node.pooled().len(), 1);
    served.stop().await;
}

/// The bytes to sign, put together as the interface's description says, without any of our code.
#[test]
fn the_bytes_to_sign_are_as_described() {
    use sha2::{Digest as _, Sha256};
    fn text(bytes: &mut Vec<u8>, text: &str) {
        bytes.extend_from_slice(&u32::try_from(text.len()).unwrap().to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    let node = Fake::new();
    let key = [5; 32];
    let mut personal = vec![17];
    personal.extend_from_slice(b"dexter/1/personal");
    personal.extend_from_slice(&[9; 16]);
    text(&mut personal, "Ada");
    text(&mut personal, "latte");
    let mut bytes = vec![14];
    bytes.extend_from_slice(b"dexter/1/order");
    bytes.extend_from_slice(node.chain_id().as_bytes());
    text(&mut bytes, "east");
    bytes.extend_from_slice(&450_u64.to_le_bytes());
    bytes.extend_from_slice(b"USD");
    bytes.extend_from_slice(&1_709_288_150_520_u64.to_le_bytes());
    bytes.extend_from_slice(&Sha256::digest(&personal));
    bytes.push(1);
    bytes.extend_from_slice(&key);
    let personal = PersonalPart {
        salt: [9; 16],
        customer: Text::new("Ada").unwrap(),
        details: Text::new("latte").unwrap(),
    };
    let order = Order {
        receiver: Text::new("east").unwrap(),
        amount: Amount {
            minor_units: 450,
            currency: "USD".parse().unwrap(),
        },
        placed_at: UnixMillis(1_709_288_150_520),
        personal_hash: personal.hash(),
        voucher: Voucher::Key {
            key: IdentityPublicKey::new(key),
            signature: IdentitySignature::ZERO,
        },
    };
    assert_eq!(order.signing_bytes(&node.chain_id()), bytes);
    let signed = order.sign(
        &BlsAndEd25519::new(),
        &node.chain_id(),
        &IdentitySecret::new([1; 32]),
    );
    assert!(signed.check(&node.chain_id()).is_some());
}

#[tokio::test]
async fn bad_orders_each_get_their_clear_error_and_change_nothing() {
    let served = Served::start(ApiConfig::default()).await;
    let good = || json!({"customer": "Ada", "details": "latte", "amount": "4.50"});
    let tomorrow = UnixMillis(api::time::now().0 + 2 * 24 * 60 * 60 * 1000);
    for (field, value, words) in [
        ("amount", json!("-4.50"), "is negative"),
        ("amount", json!(-4), "is negative"),
        ("amount", json!("4.505"), "3 decimals; EUR has 2"),
        ("amount", json!("1e2"), "exponent"),
        ("amount", json!("lots"), "is not an amount"),
        ("amount", json!("99999999999999999999"), "too large"),
        ("amount", json!(null), "an amount is a number or a text"),
        ("currency", json!("ZZZ"), "not a currency of ISO 4217"),
        (
            "customer",
            json!("x".repeat(257)),
            "customer is 257 bytes of UTF-8; at most 256 are allowed",
        ),
        ("details", json!("x".repeat(3_801)), "details is 3801 bytes"),
        ("receiver", json!("é".repeat(129)), "receiver is 258 bytes"),
        ("placed_at", json!("yesterday"), "RFC 3339"),
        (
            "placed_at",
            json!(api::time::format_rfc3339(tomorrow)),
            "more than a day in the future",
        ),
        ("salt", json!("00"), "a salt is 32 hexadecimal digits"),
        ("customer", json!(5), "invalid type"),
        ("Customer", json!("Ada"), "unknown field `Customer`"),
    ] {
        let mut body = good();
        body[field] = value;
        let detail = served
            .post("/v1/orders", &body.to_string())
            .await
            .problem(422, "invalid-order");
        assert!(detail.contains(words), "{field}: {detail}");
    }
    let mut body = good();
    body.as_object_mut().unwrap().remove("amount");
    let detail = served
        .post("/v1/orders", &body.to_string())
        .await
        .problem(422, "invalid-order");
    assert!(detail.contains("missing field `amount`"), "{detail}");
    for body in [
        "",
        "{",
        "not json",
        "[\"a\",\"b\",\"1\"]",
        "{\"customer\":\"\u{1}\"}",
        &"[".repeat(10_000),
    ] {
        served
            .post("/v1/orders", body)
            .await
            .problem(400, "malformed-request");
    }
    served
        .post("/v1/orders?wait=forever", &good().to_string())
        .await
        .problem(400, "malformed-request");
    served
        .post("/v1/orders?wiat=final", &good().to_string())
        .await
        .problem(400, "malformed-request");
    assert!(served.node.pooled().is_empty());
    served.stop().await;
}

#[tokio::test]
async fn what_the_node_refuses_is_told_with_what_to_do() {
    let served = Served::start(ApiConfig::default()).await;
    let body = r#"{"customer":"a","details":"b","amount":"1"}"#;
    served.node.make_room(0);
    let answer = served.post("/v1/orders", body).await;
    let detail = answer.problem(429, "pool-full");
    assert!(detail.ends_with("send it again in 7 s"), "{detail}");
    assert_eq!(answer.header("retry-after"), Some("7"));
    served.node.make_room(1);
    served.node.refuse(Some(SubmitError::Stopping));
    let answer = served.post("/v1/orders", body).await;
    answer.problem(503, "stopping");
    assert_eq!(answer.header("retry-after"), Some("10"));
    served.node.refuse(None);
    served
        .node
        .fail(ReadError::Failed("disk on fire".to_owned()));
    assert!(
        served
            .get("/v1/orders")
            .await
            .problem(500, "internal")
            .contains("disk on fire")
    );
    served.node.fail(ReadError::Starting);
    let answer = served.get("/v1/orders").await;
    assert!(answer.problem(503, "starting").contains("try again"));
    assert_eq!(answer.header("retry-after"), Some("1"));
    served.node.fail(ReadError::Stopping);
    served.get("/v1/status").await.problem(503, "stopping");
    served.stop().await;
}

#[tokio::test]
async fn an_idempotency_key_makes_a_repeated_request_answer_the_same() {
    let served = Served::start(ApiConfig::default()).await;
    let body = r#"{"customer":"a","details":"b","amount":"1"}"#;
    let key = format!("Idempotency-Key: {}", "k".repeat(255));
    let first = served.post_with("/v1/orders", &[&key], body).await;
    served.node.seal();
    let second = served.post_with("/v1/orders", &[&key], body).await;
    assert_eq!((first.status, second.status), (201, 201));
    assert_eq!(first.text(), second.text());
    assert_eq!(first.header("location"), second.header("location"));
    let other = body.replace('1', "2");
    served
        .post_with("/v1/orders", &[&key], &other)
        .await
        .problem(422, "idempotency-key-reused");
    let long = format!("{key}k");
    let detail = served
        .post_with("/v1/orders", &[&long], body)
        .await
        .problem(400, "malformed-request");
    assert_eq!(
        detail,
        "the Idempotency-Key is 256 bytes long; it must be 1 to 255"
    );
    served
        .post_with("/v1/orders", &["Idempotency-Key: "], body)
        .await
        .problem(400, "malformed-request");
    let twice = ["Idempotency-Key: a", "Idempotency-Key: b"];
    served
        .post_with("/v1/orders", &twice, body)
        .await
        .problem(400, "malformed-request");
    assert_eq!(served.node.pooled().len(), 0);
    served.stop().await;
}

#[tokio::test]
async fn orders_are_listed_page_by_page() {
    let served = Served::start(ApiConfig::default()).await;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(
            served
                .place(if number % 2 == 0 { "even" } else { "odd one" }, "1.00")
                .await,
        );
    }
    served.node.seal();
    let page = async |query: &str| -> (Vec<String>, Option<u64>) {
        let answer = served.get(&format!("/v1/orders{query}")).await;
        let page: OrderPage = serde_json::from_slice(&answer.body).unwrap();
        (
            page.orders
                .iter()
                .map(|order| order.id.to_string())
                .collect(),
            page.next,
        )
    };
    assert_eq!(page("").await, (ids.clone(), None));
    assert_eq!(page("?limit=2").await, (ids[..2].to_vec(), Some(1)));
    assert_eq!(
        page("?limit=2&after=1").await,
        (ids[2..4].to_vec(), Some(3))
    );
    assert_eq!(page("?limit=2&after=3").await, (ids[4..].to_vec(), None));
    assert_eq!(
        page("?customer=odd%20one").await,
        (vec![ids[1].clone(), ids[3].clone()], None)
    );
    assert_eq!(
        page("?customer=even&limit=1&after=0").await,
        (vec![ids[2].clone()], Some(2))
    );
    assert_eq!(page("?receiver=south").await, (Vec::new(), None));
    for query in [
        "?limit=0",
        "?limit=1001",
        "?limit=x",
        "?after=-1",
        "?custmer=a",
    ] {
        served
            .get(&format!("/v1/orders{query}"))
            .await
            .problem(400, "malformed-request");
    }
    served.stop().await;
}

#[tokio::test]
async fn a_proof_checks_offline_against_the_genesis() {
    let served = Served::start(ApiConfig::default()).await;
    let mut ids = Vec::new();
    for number in 0..3 {
        ids.push(served.place(&format!("customer {number}"), "4.50").await);
        served.node.seal();
    }
    let genesis: types::Genesis =
        serde_json::from_value(served.get("/v1/genesis").await.json()).unwrap();
    for id in &ids {
        let answer = served.get(&format!("/v1/orders/{id}/proof")).await;
        let proof: Proof = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(proof.members.len(), 4);
        let receipt = Receipt::try_from(proof).unwrap();
        assert_eq!(
            receipt.verify(&Simulated, &genesis).unwrap().to_string(),
            *id
        );
    }
    let waiting = served.place("late", "1").await;
    let answer = served.get(&format!("/v1/orders/{waiting}/proof")).await;
    answer.problem(409, "not-final");
    assert_eq!(answer.header("retry-after"), Some("1"));
    for path in ["/v1/orders/abc", "/v1/orders/abc/proof", "/v1/orders/%FF"] {
        served.get(path).await.problem(400, "malformed-request");
    }
    let unknown = "0".repeat(64);
    for path in [
        format!("/v1/orders/{unknown}"),
        format!("/v1/orders/{unknown}/proof"),
    ] {
        assert!(
            served
                .get(&path)
                .await
                .problem(404, "not-found")
                .contains(&unknown)
        );
    }
    served.stop().await;
}

#[test]
fn a_client_writes_the_body_the_server_reads() {
    let text = r#"{"customer":"a","details":"b","amount":"1.50"}"#;
    let order: NewOrder = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&order).unwrap(), text);
}
