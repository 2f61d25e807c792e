//! The stream of events, and going on with it where it was.

use std::{io::BufReader, net::TcpStream};

use serde_json::Value;
use tempfile::tempdir;

use crate::support::{Dev, Rest, read_chunk, read_head};

/// A listener to `/v1/events`.
pub(crate) struct Listener {
    reader: BufReader<TcpStream>,
    read: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) id: u64,
    pub(crate) kind: String,
    pub(crate) data: Value,
}

impl Listener {
    pub(crate) fn new(shop: &Rest, after: Option<u64>) -> Self {
        let host = shop.host();
        let after = after.map(|id| format!("Last-Event-ID: {id}"));
        let mut head = vec!["GET /v1/events HTTP/1.1", &host];
        head.extend(after.as_deref());
        let mut reader = BufReader::new(shop.open(&head, b"").unwrap());
        let (status, _) = read_head(&mut reader).unwrap();
        assert_eq!(status, 200);
        Self {
            reader,
            read: String::new(),
        }
    }

    pub(crate) fn next(&mut self) -> Event {
        loop {
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let event = event.to_owned();
                self.read = rest.to_owned();
                // A line that begins with a colon only keeps the connection alive.
                if !event.starts_with(':') {
                    return parse(&event);
                }
                continue;
            }
            let chunk = read_chunk(&mut self.reader)
                .unwrap()
                .expect("the stream goes on");
            self.read.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next event that is not about the race of a height.
    fn next_but_race(&mut self) -> Event {
        loop {
            let event = self.next();
            if event.kind != "race" {
                return event;
            }
        }
    }

    /// The events up to the one that makes an order's block final.
    fn until_final(&mut self, count: usize) -> Vec<Event> {
        let mut events = Vec::new();
        let mut orders = 0;
        while orders < count {
            let event = self.next();
            if event.kind == "block-final" {
                orders += usize::try_from(event.data["block"]["orders"].as_u64().unwrap()).unwrap();
            }
            events.push(event);
        }
        events
    }
}

fn parse(text: &str) -> Event {
    let field = |name: &str| {
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value
            .unwrap_or_else(|| panic!("no {name} in {text:?}"))
            .trim_start()
            .to_owned()
    };
    Event {
        id: field("id").parse().unwrap(),
        kind: field("event"),
        data: serde_json::from_str(&field("data")).unwrap(),
    }
}

fn assert_no_gaps(events: &[Event]) {
    for pair in events.windows(2) {
        assert_eq!(pair[1].id, pair[0].id + 1, "{events:?}");
    }
}

#[test]
fn an_orders_life_is_told_and_a_lost_connection_goes_on_without_gaps() {
    let folder = tempdir().unwrap();
    let dev = Dev::start(folder.path(), 4, &[]);
    let shop = &dev.shops[0];
    let mut listener = Listener::new(shop, None);
    let id = shop.place_final("Ada");
    let first = listener.until_final(1);
    drop(listener);
    assert_no_gaps(&first);
    let place = |kind: &str| first.iter().position(|event| event.kind == kind);
    let accepted = place("order-accepted").unwrap();
    assert_eq!(first[accepted].data["id"], id);
    let last = first.last().unwrap();
    // Two blocks of a height can be certified; one of them becomes final.
    let same_block = |event: &&Event| event.data["block"]["hash"] == last.data["block"]["hash"];
    let sealed = first
        .iter()
        .find(|event| event.kind == "block-sealed" && same_block(event))
        .unwrap();
    assert!(
        first[accepted].id < sealed.id && sealed.id < last.id,
        "{first:?}"
    );
    assert_eq!(sealed.data["block"]["orders"], 1);
    assert_eq!(last.data["block"]["final"], true);

    // Nobody listens meanwhile.
    shop.place_final("Bea");
    shop.place_final("Chiara");
    let mut resumed = Listener::new(shop, Some(first[accepted].id));
    let missed = resumed.until_final(3);
    assert_eq!(missed[0].id, first[accepted].id + 1);
    assert_no_gaps(&missed);
    let seen_before = &first[accepted + 1..];
    assert_eq!(missed[..seen_before.len()], *seen_before);
    let more = missed.iter().filter(|event| event.kind == "order-accepted");
    assert_eq!(more.count(), 2);

    // An id of nobody's begins anew.
    assert_eq!(Listener::new(shop, Some(17)).next().kind, "reset");
}

#[test]
fn members_that_come_and_go_are_told() {
    let founding = crate::support::Founding::new(&["anna", "boris"], &[]);
    let mut nodes = founding.start_all();
    let mut listener = Listener::new(&nodes[0].rest, None);
    nodes[1].process.kill();
    let down = listener.next_but_race();
    assert_eq!(
        (&*down.kind, &down.data["name"]),
        ("member-down", &"boris".into())
    );
    nodes[1] = founding.start(1);
    let up = listener.next_but_race();
    assert_eq!(
        (&*up.kind, &up.data["name"]),
        ("member-up", &"boris".into())
    );
}
