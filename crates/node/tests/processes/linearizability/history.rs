//! What clients asked, what they were told, and when: nothing is judged here.

use std::{
    fmt,
    sync::Mutex,
    time::{Duration, Instant},
};

/// Where an order stands for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// In the order log.
    pub(crate) index: u64,
    /// Of its block.
    pub(crate) height: u64,
    pub(crate) block: String,
}

/// What a client asks of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    /// `POST /v1/orders` of the test's order of this number, whose key is the same at every attempt.
    Place { order: u64, wait: bool },
    /// `GET /v1/orders/{id}`.
    Show { id: String },
    /// `GET /v1/orders`.
    List { after: Option<u64>, limit: u64 },
    /// The size of the order log in `GET /v1/status`.
    Size,
}

/// What a client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The order is taken.
    Accepted { id: String },
    /// The order is taken, and final.
    Final { id: String, place: Place },
    /// The order is known here, and has a place once it is final here.
    Shown { place: Option<Place> },
    /// The order is not known here.
    NotFound,
    /// Final orders one after the other; `last` when there are no more here.
    Page {
        orders: Vec<(String, Place)>,
        last: bool,
    },
    /// So many orders are final here.
    Size(u64),
    /// Nobody knows: the connection broke, nothing came in time, or the node was not up to it.
    Unknown(String),
    /// Something that no client should ever be told.
    Wrong(String),
}

/// One question and its answer. Times are of one monotonic clock, since the beginning of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) client: usize,
    pub(crate) node: usize,
    pub(crate) call: Call,
    /// Not later than when the node could first know of it.
    pub(crate) invoked: Duration,
    /// Not earlier than when the answer was there, or the client gave up.
    pub(crate) answered: Duration,
    pub(crate) answer: Answer,
}

/// One final order, read at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: String,
    /// The number of the test's order.
    pub(crate) order: u64,
    pub(crate) place: Place,
}

/// Takes down operations of many threads.
pub(crate) struct Recorder {
    start: Instant,
    operations: Mutex<Vec<Operation>>,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            operations: Mutex::default(),
        }
    }

    /// Asks, and takes down what comes of it.
    pub(crate) fn record(
        &self,
        client: usize,
        node: usize,
        call: Call,
        ask: impl FnOnce(&Call) -> Answer,
    ) -> Answer {
        let invoked = self.start.elapsed();
        let answer = ask(&call);
        let answered = self.start.elapsed();
        self.operations.lock().unwrap().push(Operation {
            client,
            node,
            call,
            invoked,
            answered,
            answer: answer.clone(),
        });
        answer
    }

    /// Since the beginning.
    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    pub(crate) fn operations(&self) -> Vec<Operation> {
        self.operations.lock().unwrap().clone()
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            client,
            node,
            call,
            invoked,
            answered,
            answer,
        } = self;
        write!(
            f,
            "{:10.6} to {:10.6} s, client {client} at node {node}: {call:?} -> {answer:?}",
            invoked.as_secs_f64(),
            answered.as_secs_f64(),
        )
    }
}
