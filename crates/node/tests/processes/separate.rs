//! Shops that are processes of their own, as the original was run.

use std::{collections::BTreeSet, thread};

use serde_json::{Value, json};

use crate::support::{Founding, Node, Rest, order};

#[test]
fn three_shops_find_each_other_and_keep_one_chain() {
    let founding = Founding::new(&["anna", "boris", "chiara"], &["--max-block-orders", "1"]);
    // The last one first, before there is anyone to join through; the second one late.
    let third = founding.start(2);
    let first = founding.start(0);
    first.process.line("connected with chiara");
    third.process.line("connected with anna");
    let second = founding.start(1);
    second.process.line("connected with anna");
    second.process.line("connected with chiara");
    first.process.line("connected with boris");
    third.process.line("connected with boris");
    let mut nodes = [first, second, third];
    nodes.iter().for_each(Node::wait_ready);

    let seen = [nodes[0].process.count(), nodes[2].process.count()];
    nodes[1].process.kill();
    nodes[0]
        .process
        .line_after(seen[0], "disconnected from boris");
    nodes[2]
        .process
        .line_after(seen[1], "disconnected from boris");
    // Three who may lie need all three: what is taken meanwhile waits, and is not lost.
    let answer = nodes[0].rest.get("/readyz");
    let reason = "2 of 3 members are connected, and 3 are needed";
    assert!(
        answer.status == 503 && answer.json()["reason"].as_str().unwrap().contains(reason),
        "{answer:?}"
    );
    let waiting = nodes[0].rest.post("/v1/orders", &order("Ada"));
    assert_eq!(
        (waiting.status, &waiting.json()["state"]),
        (201, &json!("accepted"))
    );
    nodes[1] = founding.start(1);
    nodes[0]
        .process
        .line_after(seen[0], "connected with boris at");
    nodes[2]
        .process
        .line_after(seen[1], "connected with boris at");
    nodes[1].process.line("connected with anna");
    nodes[1].process.line("connected with chiara");
    nodes.iter().for_each(Node::wait_ready);

    let shops: Vec<&Rest> = nodes.iter().map(|node| &node.rest).collect();
    let mut ids = BTreeSet::from([waiting.id()]);
    for number in 0..12 {
        ids.insert(shops[number % 3].place_final(&format!("customer {number}")));
    }
    for round in 0..3 {
        ids.extend(three_at_a_time(&shops, round));
    }
    assert_eq!(ids.len(), 22);

    let chain = founding.assert_one_chain(&shops);
    let blocks: Vec<Value> = chain
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        blocks
            .iter()
            .all(|block| block["orders"].as_u64().unwrap() <= 1)
    );
    let final_ids: Vec<String> = shops[0].orders().iter().map(id).collect();
    assert_eq!(final_ids.len(), 22, "each order is there once");
    assert_eq!(final_ids.into_iter().collect::<BTreeSet<_>>(), ids);
}

fn three_at_a_time(shops: &[&Rest], round: usize) -> Vec<String> {
    thread::scope(|scope| {
        let placing: Vec<_> = shops
            .iter()
            .map(|shop| scope.spawn(move || shop.place_final(&format!("round {round}"))))
            .collect();
        placing
            .into_iter()
            .map(|order| order.join().unwrap())
            .collect()
    })
}

fn id(order: &Value) -> String {
    order["id"].as_str().unwrap().to_owned()
}

#[test]
fn the_originals_routes_work_unchanged() {
    let founding = Founding::new(&["anna"], &[]);
    let node = founding.start(0);
    node.wait_ready();
    let transaction = json!({
        "Customer": "Ada", "Receiver": "anna", "Order Details": "Latte", "Order Amount": 38.70,
    });
    let added = node.rest.post("/add_transaction", &transaction);
    let message = "This transaction is successfully added to the Transaction Pool.";
    assert_eq!(
        (added.status, added.json()),
        (201, json!({ "message": message }))
    );
    let missing = node
        .rest
        .post("/add_transaction", &json!({ "Customer": "Ada" }));
    assert_eq!(
        (missing.status, &*missing.body),
        (400, &b"Some elements of the transaction are missing"[..])
    );
    // One more, so that the first is final.
    node.rest.post("/v1/orders?wait=final", &order("Bea"));

    let chain = node.rest.json("/get_chain");
    let blocks = chain["Chain"].as_array().unwrap();
    assert_eq!(chain["Length"], blocks.len());
    assert_eq!(
        (
            &blocks[0]["block"]["index"],
            &blocks[0]["block"]["transactions"]
        ),
        (&json!(0), &json!([]))
    );
    for pair in blocks.windows(2) {
        assert_eq!(pair[1]["block"]["prev_hash"], pair[0]["cur_hash"]);
        assert_eq!(pair[1]["block"]["Miner"], "anna");
    }
    let all: Vec<&Value> = blocks
        .iter()
        .flat_map(|block| block["block"]["transactions"].as_array().unwrap())
        .collect();
    assert_eq!(all[0]["Customer"], "Ada");
    let text = String::from_utf8(node.rest.get("/get_chain").body).unwrap();
    assert!(text.contains(r#""Order Amount":38.70"#), "{text}");
    assert!(all[0]["Order DateTime"].is_string());
    assert_eq!(node.rest.json("/viewpool")["Pool"], json!([]));
}
