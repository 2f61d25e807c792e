//! `dexter simulate`: figures without a network.

use std::fs;

use serde_json::Value;

use crate::support::{Process, dexter, fail};

const SMALL: [&str; 7] = [
    "simulate",
    "--members",
    "4",
    "--network",
    "lan",
    "--heights",
    "50",
];

fn simulate(more: &[&str]) -> Value {
    let output = dexter(SMALL.iter().chain(more));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_same_seed_gives_the_same_figures() {
    let arguments = ["--seed", "7", "--faults", "loss=2,crashes", "--json"];
    let mut first = simulate(&arguments);
    let mut second = simulate(&arguments);
    // How long it takes on this machine is no figure of the network.
    for view in [&mut first, &mut second] {
        view.as_object_mut().unwrap().remove("took_ms").unwrap();
    }
    assert_eq!(first, second);
    assert_eq!(first["heights"], 50);
    assert_eq!(first["ending"], "complete");
    assert_eq!(first["settings"]["seed"], 7);
    assert_eq!(first["settings"]["quorum"], 3);
    let wins = first["members"].as_array().unwrap().iter();
    assert_eq!(
        wins.map(|member| member["wins"].as_u64().unwrap())
            .sum::<u64>(),
        50
    );
    assert!(first["order_to_final_us"]["p50"].as_u64().unwrap() > 1_000);

    let other = simulate(&["--seed", "8", "--faults", "loss=2,crashes", "--json"]);
    assert_ne!(first["simulated_us"], other["simulated_us"]);
}

#[test]
fn a_table_and_a_page_that_is_not_written_over_something_else() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    let report = ["--seed", "7", "--report", page.to_str().unwrap()];
    for _ in 0..2 {
        let output = dexter(SMALL.iter().chain(&report));
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success());
        for words in [
            "order final after",
            "p = ",
            "Fairness: ",
            "all 50 blocks are final after",
        ] {
            assert!(printed.contains(words), "{words} in {printed}");
        }
        let text = fs::read_to_string(&page).unwrap();
        assert!(text.starts_with("<!DOCTYPE html>") && text.ends_with("</html>\n"));
    }
    fs::write(&page, "my accounts").unwrap();
    let said = fail(SMALL.iter().chain(&report));
    assert!(said.contains("is not a report of a simulation"), "{said}");
    assert_eq!(fs::read_to_string(&page).unwrap(), "my accounts");
}

#[test]
fn ctrl_c_ends_with_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    let mut process = Process::start([
        "simulate",
        "--heights",
        "10000000",
        "--report",
        page.to_str().unwrap(),
    ]);
    process.line("this takes about");
    process.interrupt();
    assert!(process.end().success());
    let said = process.text();
    assert!(said.contains("stopped with "), "{said}");
    assert!(fs::read_to_string(&page).unwrap().contains("<svg"));
}

#[test]
fn too_many_dead_members_stop_the_network() {
    let output = simulate(&["--seed", "7", "--faults", "dead=2", "--json"]);
    assert_eq!(output["ending"], "stood-still");
    assert_eq!(output["heights"], 0);
}

#[test]
fn mistakes_are_told_in_words() {
    for (arguments, words) in [
        (["--members", "0"], "--members takes 1 to 100"),
        (["--members", "101"], "--members takes 1 to 100"),
        (["--faults", "fire"], "there is no fault \"fire\""),
        (
            ["--faults", "dead=4"],
            "none of 4 members that is honest and lives",
        ),
        (["--orders", "0"], "write orders a second"),
        (["--wait", "5s..1s"], "must be longer than the shortest"),
        (
            ["--report", "/nowhere/at/all.html"],
            "there is no folder /nowhere/at",
        ),
    ] {
        let output = dexter(["simulate"].iter().chain(&arguments));
        assert!(!output.status.success(), "{arguments:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
}
