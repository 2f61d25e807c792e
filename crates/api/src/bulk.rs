//! Placing many orders with one request: an order a line, an answer a line.
//!
//! The body is read while answers are written, and both are bounded: lines are gathered into groups,
//! a few groups are under way at once, and reading pauses while no more may be. The first lines go
//! off as they come; then those behind them gather for a moment, so the faster the client sends, the
//! larger the groups, and each costs a sync of the disk, a signature, and a message to every member.

use std::{convert::Infallible, mem, time::Duration};

use axum::{
    body::{Body, BodyDataStream, Bytes},
    extract::Request,
    http::header,
    response::{IntoResponse, Response},
};
use futures::{
    FutureExt as _, StreamExt as _,
    future::BoxFuture,
    stream::{self, FuturesOrdered},
};
use serde::Serialize;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, sleep, sleep_until, timeout},
};
use types::Voucher;

use crate::{
    backend::{Accepted, MAX_GROUP_ORDERS, Submission},
    extract::{MAX_BODY_BYTES, parse_object},
    model::{OrderState, PlacedOrder},
    orders::{PlaceParameters, make_order},
    problem::Problem,
    state::{App, Shared, wait_for_stop},
    time::now,
};

/// The media type of JSON objects, one a line.
pub(crate) const NDJSON: &str = "application/x-ndjson";

/// A group with so many bytes of lines is full: a thousand usual orders, or four of the longest lines.
/// With [`MOST_GROUPS_UNDER_WAY`] it bounds what a stream holds to a few megabytes.
const FULL_GROUP_BYTES: usize = 256 * 1024;
/// A group that is not full goes off only so long after the one before it: little beside the time it
/// takes to become final, and hundreds of lines of a busy stream.
const GATHERING: Duration = Duration::from_millis(20);
/// The same where customers signed: signatures that are verified together cost less the more there are, at
/// every node.
const GATHERING_SIGNED: Duration = Duration::from_millis(60);
/// Groups of one stream that may be under way at once: enough that some wait for the node's next sync
/// of the disk while it works on one.
const MOST_GROUPS_UNDER_WAY: usize = 4;
/// The first pause before a group is submitted again to a full pool; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// The longest pause: room in the pool comes with a block, and that takes a second where waits are long.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// How long the rest of a body is read, and dropped, after the last answer: a connection that is
/// closed before is reset, and the client may never see the answer. Less than a node takes to stop.
const LINGER: Duration = Duration::from_secs(1);
/// The length of an answer to an order that is accepted.
const ACCEPTED_LINE_BYTES: usize = 93;

/// Answers a body of orders line by line.
pub(crate) async fn place_all(
    app: Shared,
    parameters: &PlaceParameters,
    request: Request,
) -> Result<Response, Problem> {
    if parameters.wait.is_some() {
        let detail = "wait=final is for one order, sent as application/json; follow many at /v1/events, or ask \
                      for each by its id";
        return Err(Problem::malformed(detail));
    }
    if request.headers().contains_key("idempotency-key") {
        let detail = "an Idempotency-Key is for one order, sent as application/json; give each line a salt and \
                      placed_at instead, and a line sent again is answered 409 where it was taken before";
        return Err(Problem::malformed(detail));
    }
    let permit = app.order_streams.clone().try_acquire_owned();
    let permit = permit.map_err(|_| {
        Problem::busy("too many send orders line by line already; try again in a few seconds")
    })?;
    let asks_first = request.headers().contains_key(header::EXPECT);
    let mut conversation = Conversation {
        app,
        body: request.into_body().into_data_stream(),
        lines: Lines::default(),
        group: Group::default(),
        under_way: FuturesOrdered::new(),
        reading: true,
        next_off: Instant::now(),
        last_words: None,
        _permit: permit,
    };
    if asks_first {
        // Reading tells the client to go on; the answer's head would come in place of that.
        let chunk = conversation.body.next().await;
        conversation.put(chunk);
    }
    let answers = stream::unfold(conversation, Conversation::next).map(Ok::<_, Infallible>);
    Ok(([(header::CONTENT_TYPE, NDJSON)], Body::from_stream(answers)).into_response())
}

/// How far a body is read and answered.
struct Conversation {
    app: Shared,
    body: BodyDataStream,
    lines: Lines,
    /// Lines read and not under way yet.
    group: Group,
    /// The answers to groups submitted.
    under_way: FuturesOrdered<BoxFuture<'static, Vec<u8>>>,
    reading: bool,
    /// When a group that is not full may go off.
    next_off: Instant,
    /// What is said after all answers, where the body was not read to its end.
    last_words: Option<Problem>,
    _permit: OwnedSemaphorePermit,
}

impl Conversation {
    /// The next answers, a line each; `None` when all is said.
    async fn next(mut self) -> Option<(Vec<u8>, Self)> {
        loop {
            self.gather();
            if !self.reading && self.under_way.is_empty() {
                return self.conclude().await.map(|last| (last, self));
            }
            let limits = &self.app.config.limits;
            let next_off = self.next_off;
            tokio::select! {
                biased;
                Some(answers) = self.under_way.next() => return Some((answers, self)),
                () = wait_for_stop(self.app.stopping.clone()), if self.reading => {
                    self.end(Problem::stopping(
                        "the node is stopping and reads no more; send the lines without an answer again when it is back",
                    ));
                }
                () = sleep_until(next_off), if self.group.lines > 0 && self.under_way.is_empty() => {}
                chunk = self.body.next(), if self.reading && !self.group.is_full() => self.put(chunk),
                () = sleep(limits.read_timeout), if self.under_way.is_empty() => {
                    self.end(Problem::body_too_slow(
                        "nothing was sent for too long; send the next lines with a new request",
                    ));
                }
            }
        }
    }

    /// Takes what arrived of the body, or its end.
    fn put(&mut self, chunk: Option<Result<Bytes, axum::Error>>) {
        match chunk {
            Some(Ok(chunk)) => self.lines.put(chunk),
            Some(Err(error)) => self.end(Problem::malformed(format!(
                "the body broke off: {error}; its last line may not be whole and was not read"
            ))),
            None => {
                self.reading = false;
                let last = self.lines.rest();
                self.group.add(&self.app, &last);
            }
        }
    }

    /// Gathers all lines that have come, as far as their groups may be under way.
    fn gather(&mut self) {
        loop {
            while !self.group.is_full() {
                match self.lines.next() {
                    Ok(Some(line)) => self.group.add(&self.app, &line),
                    Ok(None) => break,
                    Err(LineTooLong) => self.end(Problem::too_large("a line", MAX_BODY_BYTES)),
                }
            }
            let off = match self.under_way.len() {
                0 if self.group.lines == 0 => false,
                0 => self.group.is_full() || !self.reading || Instant::now() >= self.next_off,
                groups => self.group.is_full() && groups < MOST_GROUPS_UNDER_WAY,
            };
            if !off {
                return;
            }
            let next = self.group.as_large();
            let group = mem::replace(&mut self.group, next);
            // The next lines are mostly of the same kind.
            self.next_off = Instant::now() + group.gathering();
            self.under_way
                .push_back(group.answers(self.app.clone()).boxed());
        }
    }

    /// Reads no more.
    fn end(&mut self, last_words: Problem) {
        self.reading = false;
        self.lines = Lines::default();
        self.last_words = Some(last_words);
    }

    /// The last words, where there are any.
    async fn conclude(&mut self) -> Option<Vec<u8>> {
        if let Some(problem) = self.last_words.take() {
            let mut line = Vec::new();
            write_line(&mut line, &problem.body());
            return Some(line);
        }
        let rest = async { while let Some(Ok(_)) = self.body.next().await {} };
        // Whoever goes on sending has had time to read the answer.
        let _ = timeout(LINGER, rest).await;
        None
    }
}

/// A line is longer than an order can be.
struct LineTooLong;

/// Cuts what arrives into lines; only a line that came in pieces is copied.
#[derive(Default)]
struct Lines {
    arrived: Bytes,
    /// The beginning of a line whose end has not arrived.
    begun: Vec<u8>,
}

impl Lines {
    /// Takes what arrived, once there are no lines left of what did before.
    fn put(&mut self, arrived: Bytes) {
        self.arrived = arrived;
    }

    /// The next whole line, with its end.
    fn next(&mut self) -> Result<Option<Bytes>, LineTooLong> {
        let end = memchr::memchr(b'\n', &self.arrived);
        let length = end.unwrap_or(self.arrived.len());
        if self.begun.len() + length > MAX_BODY_BYTES {
            return Err(LineTooLong);
        }
        let part = self.arrived.split_to(end.map_or(length, |end| end + 1));
        if end.is_some() && self.begun.is_empty() {
            return Ok(Some(part));
        }
        self.begun.extend_from_slice(&part);
        Ok(end.map(|_| self.rest()))
    }

    /// The last line, which may end without an end of line.
    fn rest(&mut self) -> Bytes {
        mem::take(&mut self.begun).into()
    }
}

/// Lines that are submitted together.
#[derive(Default)]
struct Group {
    lines: usize,
    bytes: usize,
    /// What is to be submitted, of the lines that hold an order.
    submissions: Vec<Submission>,
    /// The places of the other lines, rising, and what is wrong with each.
    refused: Vec<(usize, Problem)>,
}

impl Group {
    /// An empty one with room for as many orders: the lines behind these will be about as many.
    fn as_large(&self) -> Self {
        Self {
            submissions: Vec::with_capacity(self.submissions.len()),
            ..Self::default()
        }
    }

    /// Adds a line, unless it is empty.
    fn add(&mut self, app: &App, line: &[u8]) {
        let json = line.trim_ascii();
        if json.is_empty() {
            return;
        }
        let order = parse_object(json, "line", Problem::invalid)
            .and_then(|new| make_order(app, new, now()));
        match order {
            Ok((order, personal)) => self.submissions.push(Submission {
                order,
                personal,
                idempotency: None,
            }),
            Err(problem) => self.refused.push((self.lines, problem)),
        }
        self.lines += 1;
        self.bytes += line.len();
    }

    /// How long the lines behind these gather.
    fn gathering(&self) -> Duration {
        let last = self.submissions.last();
        match last.map(|submission| &submission.order.voucher) {
            Some(Voucher::Key { .. }) => GATHERING_SIGNED,
            Some(Voucher::Till(_)) | None => GATHERING,
        }
    }

    fn is_full(&self) -> bool {
        self.lines >= MAX_GROUP_ORDERS || self.bytes >= FULL_GROUP_BYTES
    }

    /// Submits the orders and writes an answer to each line.
    async fn answers(self, app: Shared) -> Vec<u8> {
        let mut submitted = submit(&app, self.submissions).await.into_iter();
        let mut refused = self.refused.into_iter().peekable();
        let mut text = Vec::with_capacity(self.lines * ACCEPTED_LINE_BYTES);
        for place in 0..self.lines {
            let answer = match refused.next_if(|(refused, _)| *refused == place) {
                Some((_, problem)) => Err(problem),
                None => submitted.next().unwrap_or_else(|| Err(gave_up())),
            };
            match answer {
                Ok(Accepted { id }) => write_line(
                    &mut text,
                    &PlacedOrder {
                        id,
                        state: OrderState::Accepted,
                        finality: None,
                    },
                ),
                Err(problem) => write_line(&mut text, &problem.body()),
            }
        }
        text
    }
}

/// Submits orders as one group, and while the pool is full again and again, for a bounded time.
async fn submit(app: &App, mut group: Vec<Submission>) -> Vec<Result<Accepted, Problem>> {
    let orders = group.len();
    if orders == 0 {
        return Vec::new();
    }
    let give_up = Instant::now() + app.config.limits.pool_wait;
    let mut pause = FIRST_PAUSE;
    loop {
        let full = match app.backend.submit(group).await {
            Ok(answers) => {
                let answers = answers.into_iter();
                return answers
                    .map(|answer| answer.map_err(Problem::from))
                    .collect();
            }
            Err(full) => full,
        };
        if Instant::now() >= give_up {
            return vec![Err(Problem::from(&full)); orders];
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = app.stopped() => return vec![Err(gave_up()); orders],
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
        group = full.group;
    }
}

fn gave_up() -> Problem {
    Problem::stopping(
        "the node is stopping and did not take this order; send it again when it is back",
    )
}

fn write_line(text: &mut Vec<u8>, answer: &impl Serialize) {
    let written = serde_json::to_writer(&mut *text, answer);
    assert!(written.is_ok(), "an answer is always JSON");
    text.push(b'\n');
}
