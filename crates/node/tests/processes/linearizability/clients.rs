//! Clients that place orders and read them at any node, and take down what comes of it.

use std::{
    io,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    history::{Answer, Call, Entry, Place, Recorder},
    random::Random,
};
use crate::support::{Answer as HttpAnswer, Rest};

/// How long a client waits for an answer: some wait too short for a node that stands still.
const READING: Duration = Duration::from_secs(1);
const PLACING: Duration = Duration::from_secs(2);
const WAITING: Duration = Duration::from_secs(4);
/// How long a client rests between two operations at most, so that four nodes, their links and all
/// clients fit two processors.
const REST: Duration = Duration::from_millis(60);
/// Attempts at one order before a client gives up, and will never know.
const ATTEMPTS: u64 = 4;
/// Orders that clients like to look at: those that were taken last.
const RECENT: usize = 30;
/// How far from its end the order log is listed mostly, and how much of it.
const MOST_BACK: u64 = 40;
/// The most operations of one client.
const MOST_OPERATIONS: usize = 5_000;

/// What all clients share.
pub(crate) struct Clients<'a> {
    shops: &'a [Rest],
    history: &'a Recorder,
    /// The number of the next order.
    next: AtomicU64,
    /// Ids of orders that were taken, in about that order.
    taken: Mutex<Vec<String>>,
    pub(crate) stop: AtomicBool,
}

impl<'a> Clients<'a> {
    pub(crate) fn new(shops: &'a [Rest], history: &'a Recorder) -> Self {
        Self {
            shops,
            history,
            next: AtomicU64::new(0),
            taken: Mutex::default(),
            stop: AtomicBool::new(false),
        }
    }

    /// One client's work until it is told to stop.
    pub(crate) fn run(&self, client: usize, mut random: Random) {
        for _ in 0..MOST_OPERATIONS {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            thread::sleep(random.between(Duration::ZERO, REST));
            let node = random.below(u64::try_from(self.shops.len()).unwrap());
            let node = usize::try_from(node).unwrap();
            match random.below(10) {
                0..4 => self.place(client, node, &mut random),
                4..7 => self.show(client, node, &mut random),
                7..9 => self.list(client, node, &mut random),
                _ => self.size(client, node),
            }
        }
    }

    /// Places an order, again under the same key and at the same node while the outcome is unknown.
    fn place(&self, client: usize, node: usize, random: &mut Random) {
        let order = self.next.fetch_add(1, Ordering::Relaxed);
        let wait = random.below(2) == 0;
        let patience = if wait { WAITING } else { PLACING };
        for _ in 0..ATTEMPTS {
            if self.attempt(client, node, order, wait, patience) {
                return;
            }
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            thread::sleep(random.between(Duration::ZERO, REST * 5));
        }
    }

    /// Places one more order at a node and waits with all patience until it is final.
    pub(crate) fn place_last(&self, client: usize, node: usize) {
        let order = self.next.fetch_add(1, Ordering::Relaxed);
        let answered = self.attempt(client, node, order, true, crate::support::PATIENCE);
        assert!(answered, "order {order} was not answered by node {node}");
    }

    /// True when the order is known to be taken.
    fn attempt(
        &self,
        client: usize,
        node: usize,
        order: u64,
        wait: bool,
        patience: Duration,
    ) -> bool {
        let call = Call::Place { order, wait };
        let answer = self.history.record(client, node, call, |_| {
            let path = if wait {
                "/v1/orders?wait=final"
            } else {
                "/v1/orders"
            };
            let (key, shop) = (name(order), self.shops[node].within(patience));
            judge(shop.try_post(path, Some(&key), &body(order)), placed)
        });
        match answer {
            Answer::Accepted { id } | Answer::Final { id, .. } => {
                self.taken.lock().unwrap().push(id);
                true
            }
            _ => false,
        }
    }

    fn show(&self, client: usize, node: usize, random: &mut Random) {
        let id = {
            let taken = self.taken.lock().unwrap();
            let recent = &taken[taken.len().saturating_sub(RECENT)..];
            if recent.is_empty() {
                return;
            }
            random.pick(recent).clone()
        };
        let path = format!("/v1/orders/{id}");
        self.history.record(client, node, Call::Show { id }, |_| {
            judge(self.shops[node].within(READING).try_get(&path), shown)
        });
    }

    fn list(&self, client: usize, node: usize, random: &mut Random) {
        // Mostly near the end, where things change.
        let end = self.next.load(Ordering::Relaxed);
        let after = (random.below(4) > 0).then(|| end.saturating_sub(random.below(MOST_BACK)));
        let limit = 1 + random.below(MOST_BACK);
        let after_text = after.map_or(String::new(), |after| format!("&after={after}"));
        let path = format!("/v1/orders?limit={limit}{after_text}");
        let call = Call::List { after, limit };
        self.history.record(client, node, call, |_| {
            judge(self.shops[node].within(READING).try_get(&path), page)
        });
    }

    fn size(&self, client: usize, node: usize) {
        self.history.record(client, node, Call::Size, |_| {
            let answer = self.shops[node].within(READING).try_get("/v1/status");
            judge(answer, size)
        });
    }
}

/// What an answer says. One that `read` makes nothing of is wrong, unless it did not come whole or
/// says that the node is not up to it.
fn judge(
    answer: io::Result<HttpAnswer>,
    read: impl FnOnce(u16, &Value) -> Option<Answer>,
) -> Answer {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return Answer::Unknown(error.to_string()),
    };
    let text = String::from_utf8_lossy(&answer.body);
    let Ok(body) = serde_json::from_str(&text) else {
        // A process that is killed may have sent a part.
        return Answer::Unknown(format!("{} and not the whole body: {text}", answer.status));
    };
    let said = || format!("{}: {body}", answer.status);
    match read(answer.status, &body) {
        Some(answer) => answer,
        None if matches!(answer.status, 429 | 503) => Answer::Unknown(said()),
        None => Answer::Wrong(said()),
    }
}

fn placed(status: u16, body: &Value) -> Option<Answer> {
    let id = body["id"].as_str()?.to_owned();
    match (status, body["state"].as_str()?) {
        (201 | 202, "accepted") => Some(Answer::Accepted { id }),
        (201, "final") => Some(Answer::Final {
            id,
            place: place(&body["finality"])?,
        }),
        _ => None,
    }
}

fn shown(status: u16, body: &Value) -> Option<Answer> {
    match (status, body["state"].as_str()) {
        (404, None) => Some(Answer::NotFound),
        (200, Some("accepted" | "sealed")) => Some(Answer::Shown { place: None }),
        (200, Some("final")) => {
            let place = Some(place(&body["finality"])?);
            Some(Answer::Shown { place })
        }
        _ => None,
    }
}

fn page(status: u16, body: &Value) -> Option<Answer> {
    let last = body.get("next")?.is_null();
    let orders = body["orders"].as_array().filter(|_| status == 200)?;
    let order = |order: &Value| {
        let id = order["id"].as_str()?.to_owned();
        Some((id, place(&order["finality"])?))
    };
    let orders = orders.iter().map(order).collect::<Option<_>>()?;
    Some(Answer::Page { orders, last })
}

fn size(status: u16, body: &Value) -> Option<Answer> {
    let size = body["log_size"].as_u64().filter(|_| status == 200)?;
    // Until then a status says how far that has come.
    if body["reason"] == "the node is reading its chain" {
        return Some(Answer::Unknown(body.to_string()));
    }
    Some(Answer::Size(size))
}

fn place(finality: &Value) -> Option<Place> {
    Some(Place {
        index: finality["log_index"].as_u64()?,
        height: finality["height"].as_u64()?,
        block: finality["block"].as_str()?.to_owned(),
    })
}

/// The customer of the test's order of this number, and the key it is placed under.
fn name(order: u64) -> String {
    format!("customer {order}")
}

fn body(order: u64) -> Value {
    json!({ "customer": name(order), "details": "Flat white", "amount": amount(order) })
}

/// An amount by which the order can be told from others.
fn amount(order: u64) -> String {
    format!("{}.{:02}", order / 100, order % 100)
}

/// The whole final log of a node; each order must be as it was placed.
pub(crate) fn final_log(shop: &Rest) -> Vec<Entry> {
    let entry = |view: &Value| {
        let customer = view["customer"].as_str()?;
        let order: u64 = customer.strip_prefix("customer ")?.parse().ok()?;
        let same = view["state"] == "final"
            && view["details"] == "Flat white"
            && view["amount"] == amount(order);
        same.then_some(Entry {
            id: view["id"].as_str()?.to_owned(),
            order,
            place: place(&view["finality"])?,
        })
    };
    let orders = shop.orders();
    orders
        .iter()
        .map(|view| entry(view).unwrap_or_else(|| panic!("nobody placed this: {view}")))
        .collect()
}
