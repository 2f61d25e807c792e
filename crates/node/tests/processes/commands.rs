//! The other commands, asking a real node.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Founding, dexter, eventually, succeed, text};

/// What a command prints with `--json`.
fn json_of(arguments: &[&str], url: &str) -> Value {
    let arguments: Vec<&str> = arguments
        .iter()
        .copied()
        .chain(["--node", url, "--json"])
        .collect();
    serde_json::from_str(&succeed(&arguments)).unwrap()
}

#[test]
fn orders_are_placed_shown_listed_and_verified() {
    let founding = Founding::new(&["anna", "boris"], &[]);
    let nodes = founding.start_all();
    let (url, other) = (nodes[0].rest.url(), nodes[1].rest.url());
    let genesis = founding.genesis();
    let place = "order place --customer Ada --details Latte --amount 38.70 --wait-final";
    let placed = json_of(&place.split(' ').collect::<Vec<_>>(), &url);
    assert_eq!(placed["state"], "final");
    let id = placed["id"].as_str().unwrap();

    eventually("the other shop to have it", || {
        (nodes[1].rest.status("log_size") == 1).then_some(())
    });
    let shown = json_of(&["order", "show", id], &other);
    assert_eq!(shown["finality"], placed["finality"]);
    assert_eq!(
        (&shown["amount"], &shown["receiver"]),
        (&json!("38.70"), &json!("anna"))
    );
    assert!(succeed(&["order", "show", id, "--node", &other]).contains("the till of anna"));
    let listed = json_of(
        &["order", "list", "--customer", "Ada", "--receiver", "anna"],
        &other,
    );
    assert_eq!(listed["orders"], json!([shown]));
    let nobodys = json_of(&["order", "list", "--customer", "Bea"], &other);
    assert_eq!(nobodys["orders"], json!([]));
    let verified = json_of(
        &["order", "verify", id, "--genesis", text(&genesis)],
        &other,
    );
    assert_eq!(
        (&verified["verified"], &verified["order"]),
        (&json!(true), &json!(id))
    );

    let unknown = dexter(["order", "show", &"0".repeat(64), "--node", &url]);
    assert_eq!(unknown.status.code(), Some(1));
    let said = String::from_utf8(unknown.stderr).unwrap();
    assert!(said.contains("this node knows no order 000000"), "{said}");
}

#[test]
fn members_status_and_the_chain_are_shown_and_checked() {
    let founding = Founding::new(&["anna", "boris"], &[]);
    let nodes = founding.start_all();
    let url = nodes[0].rest.url();
    nodes[0].rest.place_final("Ada");
    let members = json_of(&["members"], &url);
    let names: Vec<&Value> = members["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| &member["name"])
        .collect();
    assert!(
        names.contains(&&json!("anna")) && names.contains(&&json!("boris")),
        "{members}"
    );
    assert_eq!(members["quorum"], 2);
    let status = json_of(&["status"], &url);
    assert_eq!(
        (&status["member"], &status["ready"], &status["log_size"]),
        (&json!("anna"), &json!(true), &json!(1))
    );
    let genesis = founding.genesis();
    let verified = json_of(&["chain", "verify", "--genesis", text(&genesis)], &url);
    assert_eq!(
        (&verified["verified"], &verified["orders"]),
        (&json!(true), &json!(1))
    );
    assert_eq!(verified["block"], status["final_hash"]);

    let other = founding.found("other.json", &["--currency", "USD"]);
    let refused = dexter(["chain", "verify", "--genesis", text(&other), "--node", &url]);
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        said.contains("give the genesis file of that node's network"),
        "{said}"
    );
}

#[test]
fn keys_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let founding = Founding::new(&["anna"], &[]);
    let keys = founding.data(0).join("keys");
    let mut count = 0;
    for file in fs::read_dir(&keys).unwrap() {
        let mode = file.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        count += 1;
    }
    assert_eq!(count, 2);
    let identity = fs::read_dir(&keys).unwrap().next().unwrap().unwrap().path();
    fs::set_permissions(&identity, fs::Permissions::from_mode(0o644)).unwrap();
    let said = crate::support::fail(founding.arguments(0));
    assert!(
        said.contains(&format!("chmod 600 {}", identity.display())),
        "{said}"
    );
}
