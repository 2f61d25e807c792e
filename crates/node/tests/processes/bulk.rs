//! Orders line by line, to a network that is killed meanwhile.

use std::{
    collections::BTreeSet,
    io::{BufReader, Write as _},
    net::TcpStream,
    thread,
};

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::support::{Dev, Rest, WAIT, eventually, read_chunk, read_head};

const ORDERS: usize = 5_000;
/// So many are sent before the kill, and so many of them are answered at least.
const SENT_BEFORE: usize = 3_000;
const ANSWERED_BEFORE: usize = 1_000;

/// A line that is the same order whenever it is sent.
fn line(number: usize) -> String {
    let order = json!({
        "customer": format!("customer {number}"), "details": "Flat white", "amount": "4.50",
        "placed_at": "2026-03-01T10:15:00Z", "salt": format!("{number:032x}"),
    });
    format!("{order}\n")
}

/// Sends the first so many of all lines, and shows every answer as it comes, until there are no more
/// or the connection breaks.
fn send(shop: &Rest, count: usize, mut show: impl FnMut(Value)) {
    let lines: Vec<String> = (0..ORDERS).map(line).collect();
    let length: usize = lines.iter().map(String::len).sum();
    let head = format!(
        "POST /v1/orders HTTP/1.1\r\n{}\r\nContent-Type: application/x-ndjson\r\nContent-Length: {length}\r\n\r\n",
        shop.host()
    );
    let mut stream = TcpStream::connect(shop.address).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let body = lines[..count].concat();
    // Beside the answers: a node whose answers nobody reads does not read either.
    let sending = thread::spawn(move || stream.write_all((head + &body).as_bytes()));
    let (status, _) = read_head(&mut reader).unwrap();
    assert_eq!(status, 200);
    let mut unread = Vec::new();
    while let Ok(Some(chunk)) = read_chunk(&mut reader) {
        unread.extend(chunk);
        while let Some(end) = unread.iter().position(|byte| *byte == b'\n') {
            let answer: Vec<u8> = unread.drain(..=end).collect();
            show(serde_json::from_slice(&answer).unwrap());
        }
    }
    // It fails where the node was killed.
    let _ = sending.join().unwrap();
}

#[test]
fn lines_answered_before_a_kill_are_final_exactly_once() {
    let folder = tempdir().unwrap();
    let mut dev = Dev::start(folder.path(), 4, &[]);
    let (shop, port) = (dev.shops[0].clone(), dev.port());
    let mut answered: Vec<String> = Vec::new();
    send(&shop, SENT_BEFORE, |answer| {
        assert_eq!(answer["state"], "accepted", "{answer}");
        answered.push(answer["id"].as_str().unwrap().to_owned());
        if answered.len() == ANSWERED_BEFORE {
            dev.process.kill();
        }
    });
    assert!((ANSWERED_BEFORE..=SENT_BEFORE).contains(&answered.len()));

    let dev = Dev::go_on(folder.path(), 4, port, &WAIT);
    // All of them again: what was answered is known, and nothing becomes a second order.
    let mut ids: Vec<String> = Vec::new();
    send(&shop, ORDERS, |answer| {
        let known = answer["status"] == 409;
        assert!(known || answer["state"] == "accepted", "{answer}");
        assert!(known || ids.len() >= answered.len(), "an order was lost");
        let id = &answer[if known { "order" } else { "id" }];
        ids.push(id.as_str().unwrap().to_owned());
    });
    assert_eq!(ids[..answered.len()], answered);
    for shop in &dev.shops {
        eventually("all orders to be final", || {
            let status = shop.json("/v1/status");
            let all = status["log_size"].as_u64().unwrap() >= ORDERS as u64;
            (all && status["pool"]["orders"] == 0).then_some(())
        });
        let finals = shop.orders();
        assert_eq!(finals.len(), ORDERS);
        let finals: BTreeSet<&str> = finals
            .iter()
            .map(|order| order["id"].as_str().unwrap())
            .collect();
        assert_eq!(finals, ids.iter().map(String::as_str).collect());
    }
}
