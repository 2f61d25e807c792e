//! Handing rows to a node, and waiting until their orders are final, however often it goes away.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow, ensure};
use api::{
    model::{DecimalText, NewOrder, OrderState, OrderView, PlacedOrder, Salt},
    money::format_amount,
    time::Time,
};
use types::{MemberId, OrderId};

use super::{
    identity::{RowIdentity, RowKey},
    pipeline::Stop,
    rows::Row,
};
use crate::{
    client::{Client, ClientError},
    output::Progress,
};

/// The first pause before trying again; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause: a node that is back is noticed within it.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause that a node may ask for: one whose pool is full asks for a minute at most.
const LONGEST_ASKED: Duration = Duration::from_secs(60);
/// How often an order is asked about until it is final: a wait of the lottery is rarely shorter.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// A row that its node has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Taken {
    /// Tells the row from every other one.
    pub(super) key: RowKey,
    /// The order it became.
    pub(super) id: OrderId,
    /// True where the node said that it had it already.
    pub(super) already: bool,
}

/// A node that rows are handed to.
pub(super) struct Sender<'a> {
    client: &'a Client,
    till: MemberId,
    timeout: Duration,
    progress: &'a Progress,
    away: AtomicBool,
}

impl<'a> Sender<'a> {
    /// Hands rows to the node of member `till`; gives up when it is away for longer than `timeout`.
    pub(super) fn new(
        client: &'a Client,
        till: MemberId,
        timeout: Duration,
        progress: &'a Progress,
    ) -> Self {
        Self {
            client,
            till,
            timeout,
            progress,
            away: AtomicBool::new(false),
        }
    }

    /// Hands a row over. The node answers a repetition like the first time, and knows the order by
    /// its id for ever; so trying again never records it twice.
    ///
    /// # Errors
    /// When the node refuses the row, is away for too long, or the work should stop.
    pub(super) fn send(
        &self,
        row: &Row,
        identity: &RowIdentity,
        stop: &Stop,
    ) -> anyhow::Result<Taken> {
        let expected = row.order.order_id(identity.salt, self.till);
        let body = NewOrder {
            customer: row.order.customer.to_string(),
            details: row.order.details.to_string(),
            amount: DecimalText::new(format_amount(&row.order.amount)),
            currency: Some(row.order.amount.currency.to_string()),
            receiver: Some(row.order.receiver.to_string()),
            placed_at: Some(Time(row.order.placed_at)),
            salt: Some(Salt(identity.salt)),
            key: None,
            signature: None,
        };
        let idempotency_key = hex::encode(identity.key);
        let place = || format!("line {} was not imported", row.line);
        let answer = self.patiently(stop, || {
            match self
                .client
                .post::<_, PlacedOrder>("/v1/orders", Some(&idempotency_key), &body)
            {
                Ok(placed) => Ok((placed.id, false)),
                Err(ClientError::Refused {
                    status: 409,
                    order: Some(order),
                    ..
                }) => Ok((order, true)),
                Err(error) => Err(error),
            }
        });
        let (id, already) = answer.with_context(place)?;
        ensure!(
            id == expected,
            "line {}: the node made another order of it ({}) than this program ({}); do both have the same version?",
            row.line,
            id.short(),
            expected.short()
        );
        Ok(Taken {
            key: identity.key,
            id,
            already,
        })
    }

    /// Waits until an order is final.
    ///
    /// # Errors
    /// When the node does not know it, is away or does not get it final for too long, or the work
    /// should stop.
    pub(super) fn wait_final(&self, id: &OrderId, stop: &Stop) -> anyhow::Result<()> {
        let path = format!("/v1/orders/{id}");
        let started = Instant::now();
        loop {
            let order: OrderView = self
                .patiently(stop, || self.client.get(&path, &[]))
                .with_context(|| format!("asking about order {}", id.short()))?;
            if order.state == OrderState::Final {
                return Ok(());
            }
            ensure!(
                started.elapsed() < self.timeout,
                "order {} is taken but not final after {} seconds: are enough members running? see: dexter members. Run \
                 the same command again to go on",
                id.short(),
                self.timeout.as_secs()
            );
            ensure!(stop.sleep(ASK_EVERY), "stopped");
        }
    }

    /// Tries until it works, fails for good, or has failed for too long.
    fn patiently<T>(
        &self,
        stop: &Stop,
        mut attempt: impl FnMut() -> Result<T, ClientError>,
    ) -> anyhow::Result<T> {
        let started = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match attempt() {
                Ok(value) => {
                    self.away.store(false, Ordering::Relaxed);
                    return Ok(value);
                }
                Err(error) if error.may_pass() => error,
                Err(error) => return Err(error.into()),
            };
            if started.elapsed() >= self.timeout {
                return Err(anyhow!(error).context(format!(
                    "gave up after {} seconds; nothing is lost: run the same command again to go on",
                    self.timeout.as_secs()
                )));
            }
            if !self.away.swap(true, Ordering::Relaxed) {
                self.progress.note(&format!("{error}; trying again"));
            }
            let asked = match &error {
                ClientError::Refused { retry_after, .. } => retry_after.unwrap_or_default(),
                _ => Duration::ZERO,
            };
            ensure!(stop.sleep(pause.max(asked.min(LONGEST_ASKED))), "stopped");
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}
