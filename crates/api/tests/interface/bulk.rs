//! Orders line by line.

use std::time::Duration;

use api::{ApiConfig, Limits};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use crate::client::{Answer, Served};

const HEAD: &str = "POST /v1/orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n\
                    Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n";

/// The longest line.
const MAX_LINE_BYTES: usize = 64 * 1024;

/// Long enough for whatever is on its way to arrive.
const A_MOMENT: Duration = Duration::from_millis(50);

fn order(customer: &str) -> String {
    format!(r#"{{"customer":"{customer}","details":"latte","amount":"1"}}"#)
}

async fn with(limits: Limits) -> Served {
    Served::start(ApiConfig {
        limits,
        ..ApiConfig::default()
    })
    .await
}

/// A request whose body and answer are both open.
struct Talk {
    stream: BufReader<TcpStream>,
    unread: Vec<u8>,
}

impl Talk {
    async fn begin(served: &Served) -> Self {
        let mut stream = BufReader::new(served.open(HEAD).await);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            stream.read_line(&mut head).await.unwrap();
        }
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(
            head.contains("content-type: application/x-ndjson\r\n"),
            "{head}"
        );
        Self {
            stream,
            unread: Vec::new(),
        }
    }

    /// Sends a part of the body.
    async fn say(&mut self, text: &str) {
        let chunk = format!("{:x}\r\n{text}\r\n", text.len());
        self.stream.write_all(chunk.as_bytes()).await.unwrap();
    }

    /// Says that the body is whole.
    async fn end(&mut self) {
        self.stream.write_all(b"0\r\n\r\n").await.unwrap();
    }

    /// The next line of the answer; `None` at its end.
    async fn line(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let mut length = String::new();
            self.stream.read_line(&mut length).await.unwrap();
            let length = usize::from_str_radix(length.trim_end(), 16).unwrap();
            let mut chunk = vec![0; length + 2];
            self.stream.read_exact(&mut chunk).await.unwrap();
            if length == 0 {
                assert_eq!(self.unread, b"", "an answer's last line has an end");
                return None;
            }
            self.unread.extend_from_slice(&chunk[..length]);
        }
    }

    async fn accepted(&mut self) {
        let line = self.line().await.unwrap();
        assert_eq!(line["state"], "accepted", "{line}");
    }

    /// Checks that the next line is a problem, and returns its detail.
    async fn problem(&mut self, status: u16, kind: &str) -> String {
        problem(&self.line().await.unwrap(), status, kind)
    }
}

fn problem(line: &Value, status: u16, kind: &str) -> String {
    assert_eq!(line["status"], status, "{line}");
    assert_eq!(line["type"], format!("urn:dexter:problem:{kind}"), "{line}");
    assert!(line["title"].is_string(), "{line}");
    line["detail"].as_str().unwrap().to_owned()
}

/// Posts a whole body and returns the lines of the answer.
async fn post(served: &Served, body: &str) -> Vec<Value> {
    let headers = [
        "Host: localhost",
        "Content-Type: application/x-ndjson; charset=utf-8",
        &format!("Content-Length: {}", body.len()),
    ];
    let answer = served.raw("POST /v1/orders", &headers, body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.body.is_empty() || answer.text().ends_with('\n'));
    let lines = answer.text().lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn customers(served: &Served) -> Vec<String> {
    let pooled = served.node.pooled().into_iter();
    pooled
        .map(|order| order.personal.unwrap().customer.to_string())
        .collect()
}

#[tokio::test]
async fn every_line_has_its_answer_in_order_and_a_bad_one_holds_up_no_other() {
    let served = with(Limits::default()).await;
    let body = [
        &order("first"),
        "",
        "not JSON",
        &format!("{}\r", order("CRLF")),
        " \t\r",
        "[\"an\",\"array\",\"1\"]",
        r#"{"customer":"a","details":"b"}"#,
        &order("b").replace("\"1\"", "\"1.234\""),
        &order("last, without an end of line"),
    ]
    .join("\n");
    let lines = post(&served, &body).await;
    assert_eq!(lines.len(), 7);
    for place in [0, 2, 6] {
        assert_eq!(lines[place]["state"], "accepted");
        assert_eq!(lines[place].as_object().unwrap().len(), 2);
    }
    assert!(problem(&lines[1], 400, "malformed-request").starts_with("the line is not a JSON"));
    problem(&lines[3], 400, "malformed-request");
    assert!(problem(&lines[4], 422, "invalid-order").contains("amount"));
    problem(&lines[5], 422, "invalid-order");
    assert_eq!(
        customers(&served),
        ["first", "CRLF", "last, without an end of line"]
    );
    for (line, order) in [0, 2, 6].into_iter().zip(served.node.pooled()) {
        assert_eq!(lines[line]["id"], order.id.to_string());
    }
    assert_eq!(post(&served, "").await, Vec::<Value>::new());
    assert_eq!(post(&served, "\n\r\n\n").await, Vec::<Value>::new());
    served.stop().await;
}

#[tokio::test]
async fn lines_are_answered_while_the_body_is_open() {
    let served = with(Limits::default()).await;
    let mut talk = Talk::begin(&served).await;
    for customer in ["one", "two"] {
        talk.say(&format!("{}\n", order(customer))).await;
        talk.accepted().await;
    }
    // A line in pieces, and more than a line in a piece.
    let line = order("three");
    let (begin, end) = line.split_at(20);
    talk.say(begin).await;
    talk.say(&format!("{end}\n{}\n{}", order("four"), order("five")))
        .await;
    talk.accepted().await;
    talk.accepted().await;
    assert_eq!(customers(&served), ["one", "two", "three", "four"]);
    talk.say("\r\n").await;
    talk.accepted().await;
    talk.end().await;
    assert_eq!(talk.line().await, None);
    served.stop().await;
}

#[tokio::test]
async fn lines_that_keep_coming_do_not_wait_for_a_full_group() {
    let served = with(Limits::default()).await;
    let mut talk = Talk::begin(&served).await;
    let mut said = 0;
    // A full group has a thousand.
    while said < 900 {
        talk.say(&format!("{}\n", order("Ada"))).await;
        said += 1;
        let pause = tokio::time::timeout(Duration::from_millis(1), talk.stream.fill_buf());
        if pause.await.is_ok() {
            break;
        }
    }
    assert!(said < 900, "no answer after {said} lines");
    talk.end().await;
    for _ in 0..said {
        talk.accepted().await;
    }
    assert_eq!(talk.line().await, None);
    served.stop().await;
}

#[tokio::test]
async fn many_lines_become_few_groups() {
    let served = with(Limits::default()).await;
    let body: String = (0..5_000)
        .map(|number| order(&number.to_string()) + "\n")
        .collect();
    let lines = post(&served, &body).await;
    assert_eq!(lines.len(), 5_000);
    let pooled = served.node.pooled();
    assert_eq!(pooled.len(), 5_000);
    for (line, order) in lines.iter().zip(pooled) {
        assert_eq!(line["id"], order.id.to_string());
    }
    let groups = served.node.groups();
    assert!(groups.iter().all(|orders| *orders <= 1_000), "{groups:?}");
    served.stop().await;
}

#[tokio::test]
async fn a_line_that_is_too_long_ends_the_answer() {
    let served = with(Limits::default()).await;
    // Spaces before a line belong to it.
    let longest = order("longest");
    let longest = " ".repeat(MAX_LINE_BYTES - longest.len()) + &longest + "\n";
    let too_long = format!(" {longest}");
    let lines = post(&served, &longest).await;
    assert_eq!(lines[0]["state"], "accepted");
    let body = format!("{}\n{too_long}{}\n", order("before"), order("after"));
    let lines = post(&served, &body).await;
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["state"], "accepted");
    assert!(problem(&lines[1], 413, "body-too-large").contains("a line is larger than 65536"));
    assert_eq!(customers(&served), ["longest", "before"]);

    // Also where its end never comes.
    let mut talk = Talk::begin(&served).await;
    talk.say(too_long.trim_end_matches('\n')).await;
    talk.problem(413, "body-too-large").await;
    talk.end().await;
    assert_eq!(talk.line().await, None);
    served.stop().await;
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_to_go_on() {
    let served = with(Limits::default()).await;
    let head = HEAD.replace("Connection:", "Expect: 100-continue\r\nConnection:");
    let mut stream = BufReader::new(served.open(&head).await);
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    assert_eq!(line, "HTTP/1.1 100 Continue\r\n");
    stream.read_line(&mut line).await.unwrap();
    let body = order("a");
    let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    stream.write_all(chunks.as_bytes()).await.unwrap();
    let answer = Answer::read(stream.into_inner()).await;
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains("accepted"), "{answer:?}");
    served.stop().await;
}

#[tokio::test]
async fn a_stream_takes_a_place_until_its_client_goes() {
    let served = with(Limits {
        order_streams: 1,
        ..Limits::default()
    })
    .await;
    let mut talk = Talk::begin(&served).await;
    talk.say(&order("half a line")[..20]).await;
    Answer::read(served.open(HEAD).await)
        .await
        .problem(503, "busy");
    assert_eq!(
        served.post("/v1/orders", &order("single")).await.status,
        201
    );
    drop(talk);
    let answer = loop {
        let mut stream = served.open(HEAD).await;
        stream.write_all(b"0\r\n\r\n").await.unwrap();
        let answer = Answer::read(stream).await;
        if answer.status != 503 {
            break answer;
        }
    };
    assert_eq!((answer.status, answer.text()), (200, ""));
    assert_eq!(customers(&served), ["single"]);
    served.stop().await;
}

#[tokio::test]
async fn a_full_pool_is_waited_for() {
    let served = with(Limits::default()).await;
    served.node.make_room(0);
    let mut talk = Talk::begin(&served).await;
    talk.say(&format!("{}\nnot JSON\n{}\n", order("a"), order("b")))
        .await;
    while served.node.turned_away() < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    served.node.make_room(2);
    talk.accepted().await;
    talk.problem(400, "malformed-request").await;
    talk.accepted().await;
    talk.end().await;
    assert_eq!(talk.line().await, None);
    served.stop().await;
}

#[tokio::test]
async fn a_pool_that_stays_full_refuses_lines_and_goes_on() {
    let served = with(Limits {
        pool_wait: Duration::from_millis(30),
        ..Limits::default()
    })
    .await;
    served.node.make_room(0);
    let mut talk = Talk::begin(&served).await;
    talk.say(&format!("{}\n{}\n", order("a"), order("b"))).await;
    for _ in 0..2 {
        let detail = talk.problem(429, "pool-full").await;
        assert!(detail.ends_with("send it again in 7 s"), "{detail}");
    }
    served.node.make_room(1);
    talk.say(&format!("{}\n", order("c"))).await;
    talk.accepted().await;
    assert_eq!(customers(&served), ["c"]);
    drop(talk);
    served.stop().await;
}

#[tokio::test]
async fn reading_pauses_while_the_pool_is_full() {
    let served = with(Limits::default()).await;
    served.node.make_room(0);
    let talk = Talk::begin(&served).await;
    let (mut read, mut write) = tokio::io::split(talk.stream);
    // Far more than the system's own buffers and the interface hold.
    const MOST: usize = 128 * 1024 * 1024;
    let lines = (order("a") + "\n").repeat(1_000);
    let chunk = format!("{:x}\r\n{lines}\r\n", lines.len());
    let mut sent = 0;
    while let Ok(written) =
        tokio::time::timeout(10 * A_MOMENT, write.write_all(chunk.as_bytes())).await
    {
        written.unwrap();
        sent += chunk.len();
        assert!(sent < MOST, "it reads without end");
    }
    assert!(customers(&served).is_empty());
    // The answers to all that was read come once there is room.
    served.node.make_room(usize::MAX);
    let mut answers = [0; 1024];
    assert_ne!(read.read(&mut answers).await.unwrap(), 0);
    drop((read, write));
    served.stop().await;
}

#[tokio::test]
async fn a_silent_client_is_told_so() {
    let served = with(Limits {
        read_timeout: A_MOMENT,
        ..Limits::default()
    })
    .await;
    let mut talk = Talk::begin(&served).await;
    talk.say(&format!("{}\n{}", order("whole"), &order("half")[..20]))
        .await;
    talk.accepted().await;
    talk.problem(408, "body-too-slow").await;
    talk.end().await;
    assert_eq!(talk.line().await, None);
    assert_eq!(customers(&served), ["whole"]);
    served.stop().await;
}

#[tokio::test]
async fn a_body_that_breaks_off_loses_nothing_but_its_last_line() {
    let served = with(Limits::default()).await;
    let mut talk = Talk::begin(&served).await;
    talk.say(&format!("{}\n{}", order("whole"), order("last")))
        .await;
    talk.accepted().await;
    talk.stream.write_all(b"not a chunk\r\n").await.unwrap();
    talk.problem(400, "malformed-request").await;
    assert_eq!(customers(&served), ["whole"]);
    drop(talk);
    served.stop().await;
}

#[tokio::test]
async fn a_node_that_stops_says_so_in_the_last_line() {
    let served = with(Limits::default()).await;
    let mut talk = Talk::begin(&served).await;
    talk.say(&format!("{}\n", order("before"))).await;
    talk.accepted().await;
    let mut waiting = Talk::begin(&served).await;
    served.node.make_room(0);
    waiting.say(&format!("{}\n", order("waiting"))).await;
    while served.node.turned_away() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    served.stop().await;
    talk.problem(503, "stopping").await;
    assert_eq!(talk.line().await, None);
    // The order that found no room, and what was not read.
    for _ in 0..2 {
        waiting.problem(503, "stopping").await;
    }
    assert_eq!(waiting.line().await, None);
}

#[tokio::test]
async fn an_order_sent_again_with_salt_and_time_is_a_duplicate() {
    let served = with(Limits::default()).await;
    let line = format!(
        r#"{{"customer":"a","details":"b","amount":"1","placed_at":"2024-03-01T10:15:50Z","salt":"{}"}}"#,
        "09".repeat(16)
    );
    let lines = post(&served, &format!("{line}\n{line}\n")).await;
    problem(&lines[1], 409, "duplicate-order");
    assert_eq!(lines[1]["order"], lines[0]["id"]);
    served.stop().await;
}

#[tokio::test]
async fn what_is_for_one_order_is_refused_and_what_guards_one_guards_many() {
    let served = Served::start(ApiConfig {
        token: Some("secret".to_owned()),
        ..ApiConfig::default()
    })
    .await;
    let ask = async |path: &str, more: &[&str]| {
        let mut headers = vec![
            "Host: localhost",
            "Content-Type: application/x-ndjson",
            "Content-Length: 0",
        ];
        headers.extend(more);
        served.raw(&format!("POST {path}"), &headers, "").await
    };
    let token = "Authorization: Bearer secret";
    ask("/v1/orders", &[]).await.problem(401, "token-required");
    ask("/v1/orders", &[token, "Origin: http://other.example"])
        .await
        .problem(403, "foreign-origin");
    let detail = ask("/v1/orders", &[token, "Idempotency-Key: a"])
        .await
        .problem(400, "malformed-request");
    assert!(detail.contains("salt and placed_at"), "{detail}");
    let detail = ask("/v1/orders?wait=final", &[token])
        .await
        .problem(400, "malformed-request");
    assert!(detail.contains("/v1/events"), "{detail}");
    ask("/add_transaction", &[token])
        .await
        .problem(415, "media-type");
    assert_eq!(ask("/v1/orders", &[token]).await.status, 200);
    served.stop().await;
}
