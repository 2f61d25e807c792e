//! The smallest client that can also be rude, and a served node to be rude to.

use std::{net::SocketAddr, sync::Arc};

use api::{ApiConfig, ServeError};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};

use crate::fake::Fake;

/// The interface on a free port of the loopback, in front of a node in memory.
pub(crate) struct Served {
    pub(crate) node: Arc<Fake>,
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), ServeError>>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Served {
    pub(crate) async fn start(config: ApiConfig) -> Self {
        let node = Fake::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let backend = Arc::clone(&node);
        let task = tokio::spawn(async move {
            let shutdown = async {
                let _ = stopped.await;
            };
            api::serve(listener, backend, config, shutdown).await
        });
        Self {
            node,
            address,
            stop,
            task,
        }
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap().unwrap();
    }

    /// How the interface ended by itself.
    pub(crate) async fn ended(self) -> Result<(), ServeError> {
        self.task.await.unwrap()
    }

    /// Sends a head, without the closing empty line, and leaves the connection open.
    pub(crate) async fn open(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    /// Sends one request with exactly these header lines, and reads the answer to its end.
    pub(crate) async fn raw(&self, request_line: &str, headers: &[&str], body: &str) -> Answer {
        let mut text = format!("{request_line} HTTP/1.1\r\nConnection: close\r\n");
        for header in headers {
            text.push_str(header);
            text.push_str("\r\n");
        }
        text.push_str("\r\n");
        text.push_str(body);
        Answer::read(self.open(&text).await).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.raw(&format!("GET {path}"), &["Host: localhost"], "")
            .await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.post_with(path, &[], body).await
    }

    pub(crate) async fn post_with(&self, path: &str, headers: &[&str], body: &str) -> Answer {
        let length = format!("Content-Length: {}", body.len());
        let mut all = vec!["Host: localhost", "Content-Type: application/json", &length];
        all.extend_from_slice(headers);
        self.raw(&format!("POST {path}"), &all, body).await
    }

    pub(crate) async fn put(&self, path: &str, body: &str) -> Answer {
        let length = format!("Content-Length: {}", body.len());
        let headers = ["Host: localhost", "Content-Type: application/json", &length];
        self.raw(&format!("PUT {path}"), &headers, body).await
    }

    /// Places an order and returns its id.
    pub(crate) async fn place(&self, customer: &str, amount: &str) -> String {
        let body = format!(r#"{{"customer":"{customer}","details":"latte","amount":"{amount}"}}"#);
        let answer = self.post("/v1/orders", &body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["id"].as_str().unwrap().to_owned()
    }
}

impl Answer {
    pub(crate) async fn read(mut stream: TcpStream) -> Self {
        let mut bytes = Vec::new();
        // A server that refuses a body it has not read may reset the connection after its answer.
        let _ = stream.read_to_end(&mut bytes).await;
        Self::parse(&bytes)
    }

    fn parse(bytes: &[u8]) -> Self {
        let end = bytes
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .expect("an answer has a head");
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Self {
            status,
            head,
            body: bytes[end + 4..].to_vec(),
        };
        if answer.header("transfer-encoding") == Some("chunked") {
            answer.body = unchunked(&answer.body);
        }
        answer
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Checks that this is a problem of a kind and status, and returns its detail.
    pub(crate) fn problem(&self, status: u16, kind: &str) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        let json = self.json();
        assert_eq!(json["status"], status);
        assert_eq!(json["type"], format!("urn:dexter:problem:{kind}"));
        assert!(!json["title"].as_str().unwrap().is_empty());
        json["detail"].as_str().unwrap().to_owned()
    }
}

/// Joins chunks; panics where the last one is missing, that is, where an answer was cut short.
fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = rest
            .windows(2)
            .position(|window| window == b"\r\n")
            .expect("the answer was cut short");
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if length == 0 {
            return body;
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + length]);
        rest = &rest[end + 4 + length..];
    }
}
