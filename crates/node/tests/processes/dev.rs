//! `dexter dev`: a whole network in one command.

use serde_json::json;
use tempfile::tempdir;

use crate::support::{Dev, Process, dexter, eventually, fail, order, succeed, text};

#[test]
fn one_command_makes_a_network_that_seals_orders() {
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");
    let mut dev = Dev::start(&data, 4, &[]);
    let printed = dev.process.text();
    let first = format!("open {} - ", dev.shops[0].url());
    assert!(printed.starts_with(&first), "{printed}");
    assert_eq!(
        dev.shops[0].get("/").content_type,
        "text/html; charset=utf-8"
    );
    for (shop, name) in dev.shops.iter().zip(["Aroma", "Bohne", "Crema", "Doppio"]) {
        let rows = printed.lines().filter(|line| line.starts_with('│'));
        let row = rows.into_iter().find(|row| row.contains(&shop.url()));
        assert!(row.is_some_and(|row| row.contains(name)), "{printed}");
    }
    let example = format!("curl -s '{}/v1/orders?wait=final'", dev.shops[0].url());
    assert!(printed.contains(&example), "{printed}");

    let placed = dev.shops[2].post("/v1/orders?wait=final", &order("Ada"));
    assert_eq!(
        (placed.status, &placed.json()["state"]),
        (201, &json!("final"))
    );
    let (id, finality) = (placed.id(), placed.json()["finality"].clone());
    for shop in &dev.shops {
        let seen = eventually("the order to be final everywhere", || {
            let answer = shop.get(&format!("/v1/orders/{id}"));
            (answer.status == 200 && answer.json()["state"] == "final").then(|| answer.json())
        });
        assert_eq!(seen["finality"], finality);
        assert_eq!(
            (&seen["customer"], &seen["receiver"]),
            (&json!("Ada"), &json!("Crema"))
        );
    }
    dev.process.line("1 order");

    let proof = dev.shops[3].get(&format!("/v1/orders/{id}/proof"));
    assert_eq!(proof.status, 200);
    dev.stop();
    dev.process.line("stopping");
    verify_offline(folder.path(), &data.join("genesis.json"), &proof.body, &id);
}

fn verify_offline(folder: &std::path::Path, genesis: &std::path::Path, proof: &[u8], id: &str) {
    let path = folder.join("proof.json");
    std::fs::write(&path, proof).unwrap();
    let arguments = ["order", "verify", text(&path), "--genesis", text(genesis)];
    let said = succeed(&arguments);
    assert!(said.contains(&format!("order {id} is final")), "{said}");

    for (right, wrong) in [("Ada", "Bea"), ("Doppio", "Doppia")] {
        let forged = String::from_utf8(proof.to_vec())
            .unwrap()
            .replace(right, wrong);
        std::fs::write(&path, forged).unwrap();
        let output = dexter(arguments);
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            said.starts_with("dexter: the proof does not hold"),
            "{said}"
        );
    }
}

#[test]
fn started_again_it_goes_on_and_fresh_forgets() {
    let folder = tempdir().unwrap();
    let mut dev = Dev::start(folder.path(), 4, &[]);
    let port = dev.port();
    let id = dev.shops[0].place_final("Ada");
    let head = dev.shops[0].json("/v1/blocks/1");
    dev.stop();

    let mut again = Dev::go_on(folder.path(), 4, port, &[]);
    for shop in &again.shops {
        assert_eq!(shop.json(&format!("/v1/orders/{id}"))["state"], "final");
        assert_eq!(
            shop.json("/v1/blocks/1")["block"]["hash"],
            head["block"]["hash"]
        );
    }
    again.shops[1].place_final("Bea");
    assert!(again.shops[1].status("final_height") >= 2);
    again.stop();

    let fresh = Dev::go_on(folder.path(), 4, port, &["--fresh"]);
    assert_eq!(fresh.shops[0].get(&format!("/v1/orders/{id}")).status, 404);
    assert_eq!(fresh.shops[0].status("final_height"), 0);
}

#[test]
fn other_flags_than_it_was_founded_with_are_refused_in_words() {
    let folder = tempdir().unwrap();
    let mut dev = Dev::start(folder.path(), 4, &[]);
    let port = dev.port();
    dev.stop();
    for (flags, words) in [
        (["--shops", "3"], "it has 4 shops"),
        (["--wait", "1s..2s"], "its waits are 5ms..60ms"),
        (["--fault-model", "crash"], "its fault model is byzantine"),
        (
            ["--max-block-orders", "7"],
            "its blocks seal at most 5000 orders",
        ),
        (["--currency", "USD"], "its currency is EUR"),
        (["--seed", "1"], "it was not founded with a seed"),
    ] {
        let said = fail(Dev::arguments(folder.path(), port, &flags));
        assert!(said.contains(words), "{said}");
        assert!(
            said.contains(
                "Leave these flags out to go on with it, or found a new one with --fresh"
            )
        );
    }
}

#[test]
fn keys_follow_from_the_seed_and_another_seed_is_noticed() {
    let folders = [tempdir().unwrap(), tempdir().unwrap()];
    let flags = ["--shops", "2", "--seed", "42"];
    let chains = folders.each_ref().map(|folder| {
        let mut dev = Dev::start(folder.path(), 2, &flags);
        let chain = dev.shops[0].json("/v1/status")["chain"].clone();
        dev.stop();
        chain
    });
    assert_eq!(chains[0], chains[1]);
    let port = crate::support::free_ports(2);
    let said = fail(Dev::arguments(folders[0].path(), port, &["--seed", "43"]));
    assert!(said.contains("it was founded with another seed"), "{said}");
}

#[test]
fn a_port_in_use_is_named_with_the_flag_that_changes_it() {
    let folder = tempdir().unwrap();
    let other = tempdir().unwrap();
    let dev = Dev::start(folder.path(), 2, &["--shops", "2"]);
    let port = dev.port();
    let said = fail(Dev::arguments(other.path(), port, &[]));
    let words = format!(
        "dexter: cannot listen on 127.0.0.1:{port}; is the port in use? Choose another one with --api-port"
    );
    assert!(said.contains(&words), "{said}");
    dev.shops[0].place_final("Ada");
}

#[test]
fn a_running_network_is_not_forgotten_under_its_feet() {
    let folder = tempdir().unwrap();
    let mut dev = Dev::start(folder.path(), 2, &["--shops", "2"]);
    let id = dev.shops[0].place_final("Ada");
    let free = crate::support::free_ports(2);
    let said = fail(Dev::arguments(folder.path(), free, &["--fresh"]));
    assert!(
        said.contains("another node is using this data folder"),
        "{said}"
    );
    dev.shops[1].place_final("Bea");
    let port = dev.port();
    dev.stop();
    let again = Dev::go_on(folder.path(), 2, port, &[]);
    assert_eq!(
        again.shops[0].json(&format!("/v1/orders/{id}"))["state"],
        "final"
    );
}

#[test]
fn sample_orders_are_placed_where_asked_for() {
    let folder = tempdir().unwrap();
    let dev = Dev::start(
        folder.path(),
        2,
        &["--shops", "2", "--demo", "50", "--seed", "7"],
    );
    eventually("sample orders", || {
        (dev.shops[1].status("log_size") >= 5).then_some(())
    });
    let mut refused = Process::start(["dev", "--demo", "0"]);
    assert_eq!(refused.end().code(), Some(1));
    assert!(
        refused
            .text()
            .contains("--demo takes orders a second, above 0")
    );
}
