//! The routes of the original, to the byte.

use api::{ApiConfig, Backend};

use crate::client::Served;

const TAKEN: &str =
    r#"{"message":"This transaction is successfully added to the Transaction Pool."}"#;

fn transaction(customer: &str, amount: &str) -> String {
    format!(
        r#"{{"Customer":"{customer}","Receiver":"Vending 1","Order Details":"Latte","Order Amount":{amount},"Extra":1}}"#
    )
}

#[tokio::test]
async fn transactions_are_taken_as_before() {
    let served = Served::start(ApiConfig::default()).await;
    for amount in ["38.70", "\"38.7\"", "38"] {
        let answer = served
            .post("/add_transaction", &transaction("ANON-1", amount))
            .await;
        assert_eq!((answer.status, answer.text()), (201, TAKEN));
    }
    let order = &served.node.pooled()[0];
    assert_eq!(order.order.receiver.as_str(), "Vending 1");
    assert_eq!(order.order.amount.minor_units, 3870);
    assert_eq!(order.personal.as_ref().unwrap().customer.as_str(), "ANON-1");
    for key in ["Customer", "Receiver", "Order Details", "Order Amount"] {
        let body = transaction("ANON-1", "1").replace(&format!("\"{key}\""), "\"Other\"");
        let answer = served.post("/add_transaction", &body).await;
        assert_eq!(
            (answer.status, answer.text()),
            (400, "Some elements of the transaction are missing"),
            "{key}"
        );
    }
    served
        .post("/add_transaction", "{")
        .await
        .problem(400, "malformed-request");
    served
        .post("/add_transaction", &transaction("ANON-1", "-1"))
        .await
        .problem(422, "invalid-order");
    let answer = served
        .raw(
            "POST /add_transaction",
            &["Host: localhost", "Content-Length: 2"],
            "{}",
        )
        .await;
    answer.problem(415, "media-type");
    assert_eq!(served.node.pooled().len(), 3);
    served.stop().await;
}

#[tokio::test]
async fn the_chain_and_the_pool_look_as_before() {
    let served = Served::start(ApiConfig::default()).await;
    let place = async |customer: &str, amount: &str| {
        let body = format!(
            r#"{{"customer":"{customer}","receiver":"Vending 1","details":"Latte","amount":"{amount}","placed_at":"2024-03-01T10:15:50.520Z"}}"#
        );
        assert_eq!(served.post("/v1/orders", &body).await.status, 201);
    };
    let shown = |customer: &str, amount: &str| {
        format!(
            r#"{{"Customer":"{customer}","Receiver":"Vending 1","Order Details":"Latte","Order Amount":{amount},"Order DateTime":"2024-03-01 10:15:50.520"}}"#
        )
    };
    let chain = served.node.chain_id();
    let genesis = format!(
        r#"{{"block":{{"index":0,"timestamp":"2024-03-01T10:15:50.520Z","prev_hash":"0","transactions":[],"Miner":"cafés"}},"cur_hash":"{chain}"}}"#
    );
    let answer = served.get("/get_chain").await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(
        answer.text(),
        format!(r#"{{"Chain":[{genesis}],"Length":1}}"#)
    );

    place("ANON-1", "38.70").await;
    place("ANON-2", "4.5").await;
    let pool = format!(
        r#"{{"Pool":[{},{}]}}"#,
        shown("ANON-1", "38.70"),
        shown("ANON-2", "4.50")
    );
    assert_eq!(served.get("/viewpool").await.text(), pool);
    served.node.seal();
    assert_eq!(served.get("/viewpool").await.text(), r#"{"Pool":[]}"#);

    let block: api::model::BlockDetail =
        serde_json::from_value(served.get("/v1/blocks/1").await.json()).unwrap();
    let (hash, winner) = (block.block.hash, block.block.winner);
    let expected = format!(
        r#"{{"Chain":[{genesis},{{"block":{{"index":1,"timestamp":"2024-03-01T10:15:50.521Z","prev_hash":"{chain}","transactions":[{},{}],"Miner":"{winner}"}},"cur_hash":"{hash}"}}],"Length":2}}"#,
        shown("ANON-1", "38.70"),
        shown("ANON-2", "4.50"),
    );
    // An order that only waits is not in the chain.
    place("ANON-3", "1").await;
    assert_eq!(served.get("/get_chain").await.text(), expected);
    served.stop().await;
}
