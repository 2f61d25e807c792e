//! The event stream.

use api::{ApiConfig, Backend, Limits, model::EventData};
use tokio::{io::AsyncReadExt, net::TcpStream};
use types::MemberId;

use crate::{
    client::{Answer, Served},
    fake::race,
};

fn up(number: u8) -> EventData {
    EventData::MemberUp {
        member: MemberId::new([number; 32]),
        name: format!("shop {number}"),
    }
}

/// Reads until the stream has said `wanted` events, and returns all that was said.
async fn read_events(stream: &mut TcpStream, wanted: usize) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while text.matches("\ndata: ").count() < wanted || !text.ends_with("\n\n\r\n") {
        let length = stream.read(&mut buffer).await.unwrap();
        assert_ne!(length, 0, "the stream ended after {text}");
        text.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
    }
    text
}

async fn listen(served: &Served, headers: &str) -> TcpStream {
    served
        .open(&format!(
            "GET /v1/events HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"
        ))
        .await
}

#[tokio::test]
async fn events_are_numbered_and_resumed() {
    let served = Served::start(ApiConfig::default()).await;
    let feed = served.node.events();
    for number in 1..=3 {
        feed.publish(up(number));
    }
    let mut stream = listen(&served, "Last-Event-ID: 7001\r\n").await;
    let text = read_events(&mut stream, 2).await;
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    assert!(text.contains("content-type: text/event-stream"), "{text}");
    let expected = format!(
        "id: 7002\nevent: member-up\ndata: {{\"kind\":\"member-up\",\"member\":\"{}\",\"name\":\"shop 2\"}}\n\n",
        "02".repeat(32)
    );
    assert!(text.contains(&expected), "{text}");
    assert!(
        text.contains("id: 7003\n") && !text.contains("id: 7001\n"),
        "{text}"
    );
    // And goes on with what happens now.
    let id = served.place("Ada", "1").await;
    let text = read_events(&mut stream, 1).await;
    assert!(
        text.contains("id: 7004\nevent: order-accepted\n") && text.contains(&id),
        "{text}"
    );
    served.node.seal();
    let text = read_events(&mut stream, 1).await;
    assert!(
        text.contains("event: block-final\n") && text.contains("\"final\":true"),
        "{text}"
    );
    // A member that sleeps has a clock that does not run.
    feed.publish(EventData::Race(race(2, None)));
    let text = read_events(&mut stream, 1).await;
    let expected = "event: race\ndata: {\"kind\":\"race\",\"height\":2,\"own_wait_us\":9000,\"elapsed_us\":null,\
                    \"min_wait_us\":0,\"mean_wait_us\":5000,\"grace_us\":5000,\"members\":4}\n\n";
    assert!(text.contains(expected), "{text}");
    // A node that stops ends the stream properly.
    served.stop().await;
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"0\r\n\r\n");
}

#[tokio::test]
async fn an_unknown_place_is_reset() {
    let served = Served::start(ApiConfig::default()).await;
    served.node.events().publish(up(1));
    for place in ["5", "9999999"] {
        let mut stream = listen(&served, &format!("Last-Event-ID: {place}\r\n")).await;
        let text = read_events(&mut stream, 2).await;
        assert!(
            text.contains("id: 7000\nevent: reset\ndata: {\"kind\":\"reset\"}\n\n"),
            "{text}"
        );
        assert!(text.contains("id: 7001\nevent: member-up\n"), "{text}");
    }
    served
        .raw(
            "GET /v1/events",
            &["Host: localhost", "Last-Event-ID: x"],
            "",
        )
        .await
        .problem(400, "malformed-request");
    served
        .get("/v1/events?after=x")
        .await
        .problem(400, "malformed-request");
    served.stop().await;
}

#[tokio::test]
async fn listeners_are_bounded() {
    let limits = Limits {
        event_listeners: 1,
        ..Limits::default()
    };
    let served = Served::start(ApiConfig {
        limits,
        ..ApiConfig::default()
    })
    .await;
    served.node.events().publish(up(1));
    let mut first = listen(&served, "Last-Event-ID: 7000\r\n").await;
    read_events(&mut first, 1).await;
    let second = Answer::read(listen(&served, "Connection: close\r\n").await).await;
    second.problem(503, "busy");
    assert_eq!(second.header("retry-after"), Some("5"));
    served.stop().await;
}
