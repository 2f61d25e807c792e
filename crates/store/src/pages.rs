//! Looking up orders: one, by place, and in pages.

use types::{Entry, Height, LogIndex, OrderId, PersonalPart};

use crate::{
    error::StoreError,
    index::Space,
    layout::{RUNS, damaged, take_number},
    reader::Reader,
    recorded::{Found, Recorded},
};

/// The most orders one page holds, whatever is asked for: about half a megabyte of ordinary orders.
pub const MOST_ORDERS_A_PAGE: usize = 1000;

/// A final order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOrder {
    /// Its id.
    pub id: OrderId,
    /// The entry that the order log records.
    pub entry: Entry,
    /// Customer and details; `None` where erased or not held.
    pub personal: Option<PersonalPart>,
    /// Its place in the order log.
    pub log_index: LogIndex,
    /// The block that sealed it.
    pub height: Height,
}

impl Reader {
    /// A final order.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn order(&self, id: &OrderId) -> Result<Option<StoredOrder>, StoreError> {
        match self.log_index(id)? {
            Some(index) => self.order_at(index),
            None => Ok(None),
        }
    }

    /// The final order at a place of the order log.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn order_at(&self, index: LogIndex) -> Result<Option<StoredOrder>, StoreError> {
        if index.0 >= self.size() {
            return Ok(None);
        }
        stored(&mut Recorded::with_personal_parts(&self.shared), index).map(Some)
    }

    /// The first `limit` final orders after a place, in the order of the log.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn orders(
        &self,
        after: Option<LogIndex>,
        limit: usize,
    ) -> Result<Vec<StoredOrder>, StoreError> {
        let from = after.map_or(0, |after| after.0.saturating_add(1));
        let limit = limit.min(MOST_ORDERS_A_PAGE) as u64;
        let end = self.size().min(from.saturating_add(limit));
        let mut orders = Vec::new();
        Recorded::with_personal_parts(&self.shared)
            .visit(from..end, &mut |found| orders.push(found.into()))?;
        Ok(orders)
    }

    /// The first `limit` final orders of a customer after a place.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn orders_of_customer(
        &self,
        customer: &str,
        after: Option<LogIndex>,
        limit: usize,
    ) -> Result<Vec<StoredOrder>, StoreError> {
        self.orders_of(Space::Customers, customer, after, limit, |order| {
            // Where the personal part was erased, nobody can tell any more, and nobody may.
            order
                .personal
                .as_ref()
                .is_some_and(|personal| personal.customer.as_str() == customer)
        })
    }

    /// The first `limit` final orders to a receiver after a place.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn orders_of_receiver(
        &self,
        receiver: &str,
        after: Option<LogIndex>,
        limit: usize,
    ) -> Result<Vec<StoredOrder>, StoreError> {
        self.orders_of(Space::Receivers, receiver, after, limit, |order| {
            order.entry.order().receiver.as_str() == receiver
        })
    }

    fn orders_of(
        &self,
        space: Space,
        text: &str,
        after: Option<LogIndex>,
        limit: usize,
        is_right: impl Fn(&StoredOrder) -> bool,
    ) -> Result<Vec<StoredOrder>, StoreError> {
        let limit = limit.min(MOST_ORDERS_A_PAGE);
        let mut found = Vec::new();
        let Some(end) = self.size().checked_sub(1) else {
            return Ok(found);
        };
        let index = &self.shared.index;
        let to = index.text_key(text, LogIndex(end));
        let mut from = after.map_or(0, |after| after.0.saturating_add(1));
        let mut recorded = Recorded::with_personal_parts(&self.shared);
        // More than one round only where another text has the same hash, or parts were erased.
        while found.len() < limit {
            let wanted = limit - found.len();
            let first = index.text_key(text, LogIndex(from));
            let keys = index.range(space, &first, &to, wanted)?;
            for (key, _) in &keys {
                let mut tail = key.get(key.len().saturating_sub(8)..).unwrap_or_default();
                let index = take_number(&mut tail, "a customer's or receiver's key")?;
                let order = stored(&mut recorded, LogIndex(index))?;
                from = index.saturating_add(1);
                if is_right(&order) {
                    found.push(order);
                }
            }
            if keys.len() < wanted {
                break;
            }
        }
        Ok(found)
    }
}

/// The order at a place below the final size.
fn stored(recorded: &mut Recorded<'_>, index: LogIndex) -> Result<StoredOrder, StoreError> {
    let mut stored = None;
    recorded.visit(index.0..index.0 + 1, &mut |found| {
        stored = Some(found.into())
    })?;
    stored.ok_or_else(|| damaged(RUNS))
}

impl From<Found> for StoredOrder {
    fn from(found: Found) -> Self {
        Self {
            id: found.entry.id(),
            entry: found.entry,
            personal: found.personal,
            log_index: found.index,
            height: found.height,
        }
    }
}
