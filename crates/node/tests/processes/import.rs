//! `dexter import` of a file, interrupted and run again.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::support::{Dev, Founding, Process, Rest, eventually, succeed, text};

/// Enough rows for the importer to be killed half way.
const ROWS: u64 = 1_200;

/// A file as tills write it: empty customers, rows that are the same, dates of their own kind.
/// Returns it with the sum of its amounts in cents.
fn file() -> (String, u64) {
    let mut file = "time,what,who,price\n".to_owned();
    let mut sum = 0;
    for row in 0..ROWS {
        // Every third row is like the one before.
        let kind = row - u64::from(row % 3 == 2);
        let cents = 220 + kind % 7 * 35;
        let who = if kind.is_multiple_of(4) {
            String::new()
        } else {
            format!("card {}", kind % 10)
        };
        let (day, hour) = (1 + kind % 9, 8 + kind % 10);
        writeln!(
            file,
            "2024/3/{day} {hour}:{:02},Latte,{who},{}.{:02}",
            kind % 60,
            cents / 100,
            cents % 100
        )
        .unwrap();
        sum += cents;
    }
    (file, sum)
}

#[test]
fn an_interrupted_import_goes_on_and_takes_every_row_once() {
    let folder = tempdir().unwrap();
    let dev = Dev::start(&folder.path().join("data"), 4, &[]);
    let (path, state) = (folder.path().join("sales.csv"), folder.path().join("state"));
    let (rows, sum) = file();
    fs::write(&path, &rows).unwrap();
    let url = dev.shops[1].url();
    let arguments = arguments(&path, &state, &url);
    let mut importer = Process::start(&arguments);
    eventually("the first rows", || {
        let status = dev.shops[1].json("/v1/status");
        let taken =
            status["log_size"].as_u64().unwrap() + status["pool"]["orders"].as_u64().unwrap();
        (taken >= 40).then_some(())
    });
    importer.kill();
    let taken = dev.shops[1].status("log_size");
    assert!(taken < ROWS, "the importer was not killed half way");

    let euros = format!("{}.{:02}", sum / 100, sum % 100);
    let summary: Value = serde_json::from_str(&succeed(&arguments)).unwrap();
    assert_eq!(
        (&summary["rows"], &summary["final"]),
        (&json!(ROWS), &json!(ROWS))
    );
    assert_eq!(summary["sums"], json!({ "EUR": euros }));
    assert_eq!(
        summary["imported"].as_u64().unwrap() + summary["already"].as_u64().unwrap(),
        ROWS
    );
    let again: Value = serde_json::from_str(&succeed(&arguments)).unwrap();
    assert_eq!(
        (&again["imported"], &again["already"]),
        (&json!(0), &json!(ROWS))
    );

    for shop in &dev.shops {
        eventually("all rows everywhere", || {
            (shop.status("log_size") == ROWS).then_some(())
        });
        let orders = shop.orders();
        assert_eq!(
            counted(orders.iter().map(told)),
            counted(rows.lines().skip(1).map(written))
        );
    }
}

#[test]
fn an_import_outlives_the_death_of_its_node() {
    let founding = Founding::new(&["anna", "bohne", "chiara"], &["--fault-model", "crash"]);
    let mut nodes = founding.start_all();
    let (path, state) = (
        founding.folder().join("sales.csv"),
        founding.folder().join("state"),
    );
    let (rows, _) = file();
    fs::write(&path, &rows).unwrap();
    let url = nodes[1].rest.url();
    let mut importer = Process::start(arguments(&path, &state, &url));
    for more in [40, 200] {
        eventually("rows", || {
            (nodes[0].rest.status("log_size") >= more).then_some(())
        });
        nodes[1].process.kill();
        nodes[1] = founding.start(1);
    }
    assert!(importer.end().success(), "{}", importer.text());
    let shops: Vec<&Rest> = nodes.iter().map(|node| &node.rest).collect();
    founding.assert_one_chain(&shops);
    for shop in shops {
        assert_eq!(shop.status("log_size"), ROWS);
        let orders = shop.orders();
        assert_eq!(
            counted(orders.iter().map(told)),
            counted(rows.lines().skip(1).map(written))
        );
    }
}

/// The importer's command line.
fn arguments<'a>(path: &'a Path, state: &'a Path, url: &'a str) -> Vec<&'a str> {
    let columns =
        "--customer who --amount price --details what --time time --receiver Bohne --json";
    let files = ["import", text(path), "--state", text(state), "--node", url];
    files.into_iter().chain(columns.split(' ')).collect()
}

/// How often each is there.
fn counted(items: impl Iterator<Item = [String; 3]>) -> BTreeMap<[String; 3], u64> {
    items.fold(BTreeMap::new(), |mut counts, item| {
        *counts.entry(item).or_default() += 1;
        counts
    })
}

/// Time, customer and amount of an order that a node tells.
fn told(order: &Value) -> [String; 3] {
    assert_eq!(
        (&order["details"], &order["receiver"]),
        (&json!("Latte"), &json!("Bohne"))
    );
    ["placed_at", "customer", "amount"].map(|field| order[field].as_str().unwrap().to_owned())
}

/// The same of a row of the file.
fn written(row: &str) -> [String; 3] {
    let fields: Vec<&str> = row.split(',').collect();
    let (day, hour) = fields[0]
        .strip_prefix("2024/3/")
        .unwrap()
        .split_once(' ')
        .unwrap();
    let who = if fields[2].is_empty() {
        "cash"
    } else {
        fields[2]
    };
    [
        format!("2024-03-{day:0>2}T{hour:0>5}:00.000Z"),
        who.to_owned(),
        fields[3].to_owned(),
    ]
}
