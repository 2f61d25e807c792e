//! The node, its members, its pool, its description.

use api::{
    ApiConfig, Backend,
    backend::ReadError,
    model::{MemberList, PoolView, StatusView},
};
use serde_json::json;

use crate::client::Served;

#[tokio::test]
async fn status_members_pool_and_genesis() {
    let served = Served::start(ApiConfig::default()).await;
    served.place("Ada", "1").await;
    served.node.seal();
    served.place("Ada", "2").await;
    let id = served.place("Bob", "3").await;

    let status: StatusView = serde_json::from_value(served.get("/v1/status").await.json()).unwrap();
    assert_eq!(
        (
            status.network.as_str(),
            status.member.as_str(),
            status.currency.as_str()
        ),
        ("cafés", "north", "EUR")
    );
    assert_eq!(
        (status.height, status.final_height, status.log_size),
        (2, 1, 1)
    );
    assert_eq!(
        (
            status.pool.orders,
            status.members,
            status.connected,
            status.ready
        ),
        (2, 4, 3, true)
    );
    assert_eq!(status.chain, served.node.chain_id());

    let list: MemberList = serde_json::from_value(served.get("/v1/members").await.json()).unwrap();
    assert_eq!(list.quorum, 3);
    let own: Vec<_> = list
        .members
        .iter()
        .filter(|member| member.this_node)
        .map(|member| &member.name)
        .collect();
    assert_eq!(own, ["north"]);
    let west = list
        .members
        .iter()
        .find(|member| member.name == "west")
        .unwrap();
    assert_eq!(
        (west.connected, west.final_height, west.wins, west.traffic),
        (false, None, 2, None)
    );
    let east = list.members.iter().find(|member| member.name == "east");
    let traffic = east.unwrap().traffic.unwrap();
    assert_eq!((traffic.messages_sent, traffic.bytes_received), (3, 90));

    let pool: PoolView = serde_json::from_value(served.get("/v1/pool").await.json()).unwrap();
    assert_eq!((pool.counts.orders, pool.orders.len()), (2, 2));
    assert_eq!(pool.orders[1].id.to_string(), id);
    let pool: PoolView =
        serde_json::from_value(served.get("/v1/pool?limit=1").await.json()).unwrap();
    assert_eq!((pool.counts.orders, pool.orders.len()), (2, 1));
    served
        .get("/v1/pool?limit=1001")
        .await
        .problem(400, "malformed-request");

    let genesis: types::Genesis =
        serde_json::from_value(served.get("/v1/genesis").await.json()).unwrap();
    assert_eq!(&genesis, served.node.genesis());
    served.stop().await;
}

#[tokio::test]
async fn the_race_of_the_present_height() {
    let served = Served::start(ApiConfig::default()).await;
    served.node.seal();
    let expected = json!({
        "height": 2, "own_wait_us": 9_000, "elapsed_us": 321,
        "min_wait_us": 0, "mean_wait_us": 5_000, "grace_us": 5_000, "members": 4,
    });
    assert_eq!(served.get("/v1/race").await.json(), expected);
    served.node.fail(ReadError::Starting);
    served.get("/v1/race").await.problem(503, "starting");
    served.stop().await;
}

#[tokio::test]
async fn evidence_names_the_liar_and_both_blocks() {
    let served = Served::start(ApiConfig::default()).await;
    let none = json!({"evidence": []});
    assert_eq!(served.get("/v1/evidence").await.json(), none);
    for _ in 0..101 {
        served.node.seal();
        served.node.lie();
    }
    let list = served.get("/v1/evidence").await.json();
    let evidence = list["evidence"].as_array().unwrap();
    assert_eq!(evidence.len(), 100);
    let members = served.node.genesis().member_set();
    let winner = &members.members()[0];
    let (first, second) = served.node.lies().pop().unwrap();
    let newest = json!({
        "member": winner.id, "name": winner.name, "height": 101, "first": first, "second": second,
    });
    assert_eq!(evidence[0], newest);
    assert_eq!(evidence[99]["height"], 2);
    served.node.fail(ReadError::Starting);
    served.get("/v1/evidence").await.problem(503, "starting");
    served.stop().await;
}

#[tokio::test]
async fn alive_and_ready() {
    let served = Served::start(ApiConfig::default()).await;
    assert_eq!(served.get("/livez").await.json(), json!({"alive": true}));
    let answer = served.get("/readyz").await;
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!({"ready": true}))
    );
    served.node.not_ready("two members are missing");
    let answer = served.get("/readyz").await;
    let expected = json!({"ready": false, "reason": "two members are missing"});
    assert_eq!((answer.status, answer.json()), (503, expected));
    assert_eq!(served.get("/livez").await.status, 200);
    served.stop().await;
}

#[tokio::test]
async fn the_description_lists_every_route() {
    let served = Served::start(ApiConfig::default()).await;
    let document = served.get("/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut routes = Vec::new();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            routes.push(format!("{method} {path}"));
            operations.push(operation["operationId"].as_str().unwrap().to_owned());
            let refusal = &operation["responses"]["default"]["content"];
            assert!(refusal["application/problem+json"].is_object(), "{path}");
        }
    }
    routes.sort();
    operations.sort();
    let named = operations.len();
    operations.dedup();
    assert_eq!(operations.len(), named, "an operation's id names it alone");
    let expected = [
        "get /",
        "get /get_chain",
        "get /livez",
        "get /readyz",
        "get /v1/blocks",
        "get /v1/blocks/{block}",
        "get /v1/chain",
        "get /v1/events",
        "get /v1/evidence",
        "get /v1/genesis",
        "get /v1/headers",
        "get /v1/members",
        "get /v1/menu",
        "get /v1/orders",
        "get /v1/orders/{id}",
        "get /v1/orders/{id}/proof",
        "get /v1/pool",
        "get /v1/race",
        "get /v1/status",
        "get /viewpool",
        "post /add_transaction",
        "post /v1/orders",
        "put /v1/menu",
    ];
    assert_eq!(routes, expected);
    assert_eq!(document, serde_json::to_value(api::document()).unwrap());
    let order = &document["components"]["schemas"]["NewOrder"];
    assert_eq!(order["additionalProperties"], false);
    assert!(
        order["description"]
            .as_str()
            .unwrap()
            .contains("dexter/1/order")
    );
    // Every reference leads somewhere.
    let text = document.to_string();
    for reference in text.split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(
            document["components"]["schemas"][name].is_object(),
            "{name}"
        );
    }
    served.stop().await;
}

#[tokio::test]
async fn a_page_for_people_and_problems_for_wrong_routes() {
    let served = Served::start(ApiConfig::default()).await;
    let page = served.get("/").await;
    assert_eq!(
        (page.status, page.header("content-type")),
        (200, Some("text/html; charset=utf-8"))
    );
    assert!(page.text().contains("/openapi.json") && page.text().contains("curl"));
    assert!(
        served
            .get("/v2/orders")
            .await
            .problem(404, "not-found")
            .contains("/v2/orders")
    );
    let answer = served
        .raw("DELETE /v1/orders", &["Host: localhost"], "")
        .await;
    answer.problem(405, "method-not-allowed");
    assert_eq!(answer.header("allow"), Some("POST,GET,HEAD"));
    served.stop().await;
}
