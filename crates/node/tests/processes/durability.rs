//! What was answered with 2xx is never lost, whatever dies.

use std::{
    collections::BTreeSet,
    fs,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::support::{Founding, Node, Rest, eventually, order};

/// Places orders at one node, one after the other, until told to stop. An order whose answer did not
/// come is sent again under its key, as clients are told to. Returns the ids answered.
fn place_until(stop: &AtomicBool, answered: &AtomicU64, place: usize, shop: &Rest) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let name = format!("customer {number} of shop {place}");
        ids.push(eventually("an order to be answered", || {
            let answer = shop
                .try_post("/v1/orders", Some(&name), &order(&name))
                .ok()?;
            assert!(matches!(answer.status, 201 | 429 | 503), "{answer:?}");
            (answer.status == 201).then(|| answer.id())
        }));
        answered.fetch_add(1, Ordering::Relaxed);
    }
    ids
}

/// Places orders at all nodes while `disturb` runs; returns the ids answered.
fn orders_during(shops: &[Rest], disturb: impl FnOnce(&dyn Fn(u64))) -> Vec<String> {
    let (stop, answered) = (&AtomicBool::new(false), &AtomicU64::new(0));
    let wait_for_more = |more: u64| {
        let enough = answered.load(Ordering::Relaxed) + more;
        eventually("orders", || {
            (answered.load(Ordering::Relaxed) >= enough).then_some(())
        });
    };
    thread::scope(|scope| {
        let placing: Vec<_> = shops
            .iter()
            .enumerate()
            .map(|(place, shop)| scope.spawn(move || place_until(stop, answered, place, shop)))
            .collect();
        disturb(&wait_for_more);
        stop.store(true, Ordering::Relaxed);
        placing
            .into_iter()
            .flat_map(|orders| orders.join().unwrap())
            .collect()
    })
}

/// Every order answered is final exactly once, and no other, and all have the same chain.
fn assert_all_final(founding: &Founding, shops: &[&Rest], answered: &[String]) {
    let expected: BTreeSet<&str> = answered.iter().map(String::as_str).collect();
    assert_eq!(expected.len(), answered.len(), "two orders had the same id");
    founding.assert_one_chain(shops);
    for shop in shops {
        let orders = shop.orders();
        let ids: BTreeSet<&str> = orders
            .iter()
            .map(|order| order["id"].as_str().unwrap())
            .collect();
        assert_eq!(ids.len(), orders.len(), "an order is final twice");
        assert_eq!(ids, expected);
    }
}

#[test]
fn nodes_killed_while_orders_flow_lose_nothing() {
    let founding = Founding::new(&["anna", "boris", "chiara", "dilek"], &[]);
    let mut nodes = founding.start_all();
    let shops: Vec<Rest> = nodes.iter().map(|node| node.rest.clone()).collect();
    let answered = orders_during(&shops, |wait_for_more| {
        // One at a time, two at once, which stops the network for a while, and all at once.
        let rounds: [&[usize]; 10] = [
            &[1],
            &[0],
            &[3],
            &[2, 0],
            &[1],
            &[0, 1, 2, 3],
            &[2],
            &[3, 1],
            &[0],
            &[3, 2, 1, 0],
        ];
        for (round, victims) in rounds.into_iter().enumerate() {
            wait_for_more(1 + 5 * round as u64 % 7);
            victims
                .iter()
                .for_each(|&victim| nodes[victim].process.kill());
            if let [victim] = victims {
                assert!(nodes[*victim].rest.try_get("/livez").is_err());
                // Three of four go on alone.
                wait_for_more(5);
            }
            for &victim in victims {
                nodes[victim] = founding.start(victim);
            }
        }
        wait_for_more(10);
    });
    nodes.iter().for_each(Node::wait_ready);
    assert_all_final(&founding, &shops.iter().collect::<Vec<_>>(), &answered);
}

#[test]
fn in_the_crash_model_two_of_three_go_on_without_a_timeout() {
    let founding = Founding::new(&["anna", "boris", "chiara"], &["--fault-model", "crash"]);
    let mut nodes = founding.start_all();
    let shops: Vec<Rest> = nodes.iter().map(|node| node.rest.clone()).collect();
    let mut answered = Vec::new();
    // The first dies while orders flow, for good.
    answered.extend(orders_during(&shops[1..], |wait_for_more| {
        wait_for_more(10);
        nodes[0].process.kill();
        wait_for_more(20);
    }));
    let mut times = Vec::new();
    for number in 0..20 {
        let start = Instant::now();
        answered.push(shops[1 + number % 2].place_final("Ada"));
        times.push(start.elapsed());
    }
    times.sort();
    println!(
        "with one of three down an order is final after {:?} (median), {:?} at most",
        times[10], times[19]
    );
    // A lost turn costs a gap between waits, some 20 ms here; a timeout a turn would show.
    assert!(times[10] < Duration::from_secs(1), "{times:?}");
    assert_all_final(&founding, &[&shops[1], &shops[2]], &answered);

    // Back after all, it catches up.
    nodes[0] = founding.start(0);
    nodes[0].wait_ready();
    assert_all_final(&founding, &shops.iter().collect::<Vec<_>>(), &answered);
}

#[test]
fn an_idempotency_key_is_remembered_over_a_crash() {
    let founding = Founding::new(&["anna"], &[]);
    let mut node = founding.start(0);
    let post = |node: &Node, customer| {
        node.rest
            .try_post("/v1/orders", Some("till 3, receipt 17"), &order(customer))
            .unwrap()
    };
    let first = post(&node, "Ada");
    assert_eq!(first.status, 201);
    node.process.kill();
    node = founding.start(0);
    let again = post(&node, "Ada");
    assert_eq!(again, first);
    let other = post(&node, "Bea");
    assert_eq!(other.status, 422);
    assert_eq!(
        other.json()["type"],
        "urn:dexter:problem:idempotency-key-reused"
    );
    let path = format!("/v1/orders/{}", first.id());
    eventually("the order to be final", || {
        (node.rest.json(&path)["state"] == "final").then_some(())
    });
    assert_eq!(post(&node, "Ada"), first, "the same after it became final");
    assert_eq!(node.rest.status("log_size"), 1);
}

#[test]
fn a_node_that_builds_its_index_again_does_not_tell_less_than_before() {
    let founding = Founding::new(&["anna"], &[]);
    let mut node = founding.start(0);
    let orders = 100;
    thread::scope(|scope| {
        for place in 0..4 {
            let shop = &node.rest;
            scope.spawn(move || {
                for number in 0..orders / 4 {
                    shop.post("/v1/orders", &order(&format!("{number} of {place}")));
                }
            });
        }
    });
    let last = node.rest.place_final("Ada");
    assert_eq!(node.rest.status("log_size"), orders + 1);
    node.process.kill();
    fs::remove_dir_all(founding.data(0).join("chain/index")).unwrap();
    let node = founding.start(0);
    // It may say that it cannot say yet, and then it knows everything.
    let show = format!("/v1/orders/{last}");
    for path in [&*show, "/v1/pool", "/v1/blocks", "/v1/orders?limit=1000"] {
        let answer = eventually("an answer", || {
            let answer = node.rest.get(path);
            if answer.status == 503 {
                assert_eq!(answer.json()["type"], "urn:dexter:problem:starting");
            }
            (answer.status != 503).then_some(answer)
        });
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        if path == show {
            assert_eq!(answer.json()["state"], "final");
        }
    }
    assert_eq!(node.rest.orders().len() as u64, orders + 1);
}

#[test]
fn one_idempotency_key_at_many_tills_at_once_is_one_order() {
    let founding = Founding::new(&["anna"], &[]);
    let node = founding.start(0);
    let post = || {
        node.rest
            .try_post("/v1/orders", Some("once"), &order("Ada"))
    };
    let answers: Vec<_> = thread::scope(|scope| {
        let posting: Vec<_> = (0..8).map(|_| scope.spawn(post)).collect();
        posting
            .into_iter()
            .map(|answer| answer.join().unwrap().unwrap())
            .collect()
    });
    assert_eq!(answers[0].status, 201);
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:?}"
    );
    founding.assert_one_chain(&[&node.rest]);
    assert_eq!(node.rest.status("log_size"), 1);
}
