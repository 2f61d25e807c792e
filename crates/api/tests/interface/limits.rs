//! How much it takes on, and how it ends.

use std::time::Duration;

use api::{ApiConfig, Backend, Limits, ServeError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::client::{Answer, Served};

async fn with(limits: Limits) -> Served {
    Served::start(ApiConfig {
        limits,
        ..ApiConfig::default()
    })
    .await
}

#[tokio::test]
async fn large_bodies_are_refused() {
    let served = with(Limits::default()).await;
    let large = format!(r#"{{"customer":"{}"}}"#, "x".repeat(64 * 1024));
    for path in ["/v1/orders", "/add_transaction"] {
        assert!(
            served
                .post(path, &large)
                .await
                .problem(413, "body-too-large")
                .contains("65536")
        );
    }
    // Also where the length is not told.
    let head = "POST /v1/orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    let chunk = format!("{:x}\r\n{large}\r\n", large.len());
    let mut stream = served.open(head).await;
    stream.write_all(chunk.as_bytes()).await.unwrap();
    Answer::read(stream).await.problem(413, "body-too-large");
    // A client that asks first is told before it sends anything.
    let expecting = "POST /v1/orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                     Content-Length: 70000\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n";
    Answer::read(served.open(expecting).await)
        .await
        .problem(413, "body-too-large");
    served.stop().await;
}

#[tokio::test]
async fn the_longest_order_fits() {
    let served = with(Limits::default()).await;
    // Six bytes of JSON for each byte of text is the worst that escapes can do.
    let body = format!(
        r#"{{"customer":"{}","receiver":"{}","details":"{}","amount":"1"}}"#,
        r"\u0041".repeat(256),
        r"\u0041".repeat(256),
        r"\u0041".repeat(3_800)
    );
    assert_eq!(served.post("/v1/orders", &body).await.status, 201);
    served.stop().await;
}

#[tokio::test]
async fn slow_heads_and_bodies_are_cut_off() {
    let served = with(Limits {
        read_timeout: Duration::from_millis(50),
        ..Limits::default()
    })
    .await;
    for head in [
        "",
        "GET /livez HT",
        "GET /livez HTTP/1.1\r\nHost: localhost\r\n",
    ] {
        let mut stream = served.open(head).await;
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"", "{head}");
    }
    let slow = "POST /v1/orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                Content-Length: 10\r\nConnection: close\r\n\r\n{";
    Answer::read(served.open(slow).await)
        .await
        .problem(408, "body-too-slow");
    served.stop().await;
}

#[tokio::test]
async fn long_heads_are_refused() {
    let served = with(Limits::default()).await;
    let long = format!("X-Long: {}", "x".repeat(32 * 1024));
    assert_eq!(
        served
            .raw("GET /livez", &["Host: localhost", &long], "")
            .await
            .status,
        431
    );
    served.stop().await;
}

#[tokio::test]
async fn connections_beyond_the_bound_wait_for_room() {
    let served = with(Limits {
        connections: 1,
        ..Limits::default()
    })
    .await;
    let head = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut first = served.open(head).await;
    let mut buffer = [0; 1024];
    assert_ne!(first.read(&mut buffer).await.unwrap(), 0);
    // The first is kept alive and holds the only place; the second is answered once it goes.
    let mut second = served.open(head).await;
    assert!(
        tokio::time::timeout(Duration::from_millis(50), second.read(&mut buffer))
            .await
            .is_err()
    );
    drop(first);
    assert_ne!(second.read(&mut buffer).await.unwrap(), 0);
    drop(second);
    served.stop().await;
}

#[tokio::test]
async fn requests_beyond_the_bound_are_told_to_come_back() {
    let served = with(Limits {
        requests: 1,
        ..Limits::default()
    })
    .await;
    let mut events = served.node.events().subscribe(None);
    let body = r#"{"customer":"a","details":"b","amount":"1"}"#;
    let node = served.node.clone();
    let (first, second) = tokio::join!(served.post("/v1/orders?wait=final", body), async {
        events.next().await;
        let second = served.get("/livez").await;
        node.seal();
        second
    });
    assert_eq!(first.status, 201);
    second.problem(503, "busy");
    assert_eq!(second.header("retry-after"), Some("5"));
    assert_eq!(served.get("/livez").await.status, 200);
    served.stop().await;
}

#[tokio::test]
async fn a_panic_ends_the_interface_with_its_message() {
    let served = with(Limits::default()).await;
    served.node.panic_on_status();
    let mut stream = served
        .open("GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert_eq!(rest, b"");
    match served.ended().await {
        Err(ServeError::Panicked(message)) => assert_eq!(message, "a defect put in on purpose"),
        other => panic!("{other:?}"),
    }
}
