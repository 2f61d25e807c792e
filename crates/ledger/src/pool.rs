//! The pool: batches held and not yet in a final block.

use std::collections::{BTreeMap, BTreeSet};

use types::{
    BatchId, FullBatch, MemberId, Mutation, OrderId, PersonalParts, VerifiedBatch, Voucher, mutated,
};

/// The pool's caps. They refuse unsolicited batches only, never one that a block lacks which is being
/// judged (`docs/protocol.md` §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolLimits {
    /// The most entries of one author, so that no member can fill the pool for the others.
    pub author_orders: u64,
    /// The most bytes of public encoding of one author.
    pub author_bytes: u64,
}

impl Default for PoolLimits {
    /// Some five blocks of the largest size for every author: enough to ride out a stall of several
    /// heights, and with a hundred members still bounded by a few gigabytes.
    fn default() -> Self {
        Self {
            author_orders: 100_000,
            author_bytes: 40 * 1024 * 1024,
        }
    }
}

/// The author's share of the pool is full. Nobody's fault; trying again later helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the pool already holds {orders} orders of this member that are not final yet; try again in a moment"
)]
pub struct PoolRefusal {
    /// Orders of the author in the pool.
    pub orders: u64,
}

/// A batch in the pool.
#[derive(Debug, Clone)]
pub struct Held {
    /// The public part, checked.
    pub batch: VerifiedBatch,
    /// The personal parts; complete when every one is there and matches.
    pub personal: PersonalParts,
    /// True when every personal part is there and matches.
    pub complete: bool,
    /// So many of its first entries are known to be final: they need not be asked for again.
    pub recorded: usize,
    /// Rises with every arrival.
    arrival: u64,
}

impl Held {
    /// The batch as it travels.
    pub fn full(&self) -> FullBatch {
        FullBatch {
            batch: self.batch.batch().clone(),
            personal: self.personal.clone(),
        }
    }
}

/// Batches held and not yet in a final block, first come first served.
#[derive(Debug, Default)]
pub struct Pool {
    limits: PoolLimits,
    /// The member whose pool it is.
    own: Option<MemberId>,
    held: BTreeMap<BatchId, Held>,
    by_arrival: BTreeSet<(u64, BatchId)>,
    shares: BTreeMap<MemberId, Share>,
    /// In how many batches an order is that this member could take in: one signed by a customer can be in
    /// several, one that a till vouches for only in those of its own member. Asked for one order at a time,
    /// never in its own order.
    orders: foldhash::HashMap<OrderId, u32>,
    arrivals: u64,
    /// Those without all their personal parts.
    incomplete: BTreeSet<BatchId>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Share {
    orders: u64,
    bytes: u64,
}

impl Pool {
    /// An empty pool of a member, or of an observer.
    pub fn new(limits: PoolLimits, own: Option<MemberId>) -> Self {
        Self {
            limits,
            own,
            ..Self::default()
        }
    }

    /// Whether an author's share has room for so many orders and bytes more.
    ///
    /// # Errors
    /// When it has not.
    pub fn room_for(&self, author: &MemberId, orders: u64, bytes: u64) -> Result<(), PoolRefusal> {
        let share = self.shares.get(author).copied().unwrap_or_default();
        let too_many = share.orders.saturating_add(orders) > self.limits.author_orders;
        let too_large = share.bytes.saturating_add(bytes) > self.limits.author_bytes;
        if (too_many || too_large) && !mutated(Mutation::PoolWithoutCaps) {
            Err(PoolRefusal {
                orders: share.orders,
            })
        } else {
            Ok(())
        }
    }

    /// The most orders that the batches of one author hold.
    pub fn most_orders_of_an_author(&self) -> u64 {
        let orders = self.shares.values().map(|share| share.orders);
        orders.max().unwrap_or(0)
    }

    /// Notes that so many of a batch's first entries are final, if it is held.
    pub fn note_recorded(&mut self, id: &BatchId, recorded: usize) {
        if let Some(held) = self.held.get_mut(id) {
            held.recorded = recorded;
        }
    }

    /// Puts a batch in, or completes the personal parts of one that is held. Returns true when
    /// anything changed. The caller has judged `room_for` where the batch came unasked.
    pub fn insert(
        &mut self,
        batch: VerifiedBatch,
        personal: PersonalParts,
        complete: bool,
    ) -> bool {
        let id = batch.id();
        if let Some(held) = self.held.get_mut(&id) {
            let completes = complete && !held.complete;
            if completes {
                held.personal = personal;
                held.complete = true;
                self.incomplete.remove(&id);
            }
            return completes;
        }
        self.arrivals = self.arrivals.saturating_add(1);
        let arrival = self.arrivals;
        let share = self.shares.entry(batch.batch().author).or_default();
        share.orders = share.orders.saturating_add(batch.len().into());
        share.bytes = share.bytes.saturating_add(batch.bytes().into());
        for order in could_take_in(self.own, &batch) {
            let count = self.orders.entry(*order).or_default();
            *count = count.saturating_add(1);
        }
        self.by_arrival.insert((arrival, id));
        if !complete {
            self.incomplete.insert(id);
        }
        self.held.insert(
            id,
            Held {
                batch,
                personal,
                complete,
                recorded: 0,
                arrival,
            },
        );
        true
    }

    /// Takes a batch out.
    pub fn remove(&mut self, id: &BatchId) -> Option<Held> {
        let held = self.held.remove(id)?;
        self.by_arrival.remove(&(held.arrival, *id));
        self.incomplete.remove(id);
        for order in could_take_in(self.own, &held.batch) {
            match self.orders.get_mut(order) {
                Some(count) if *count > 1 => *count = count.saturating_sub(1),
                _ => {
                    self.orders.remove(order);
                }
            }
        }
        let author = held.batch.batch().author;
        if let Some(share) = self.shares.get_mut(&author) {
            share.orders = share.orders.saturating_sub(held.batch.len().into());
            share.bytes = share.bytes.saturating_sub(held.batch.bytes().into());
            if share.orders == 0 {
                self.shares.remove(&author);
            }
        }
        Some(held)
    }

    /// Batches the pool is not bound to keep once no block names them: those without all their
    /// personal parts, and the youngest of any author beyond its share, `except` one's own. Only blocks
    /// that named them brought them in; without this a member that names ever new ones could fill the
    /// memory of the others. Their author sends them again.
    pub fn surplus(&self, except: Option<&MemberId>) -> Vec<BatchId> {
        let mut beyond: BTreeMap<MemberId, Share> = BTreeMap::new();
        for (author, share) in &self.shares {
            let orders = share.orders.saturating_sub(self.limits.author_orders);
            let bytes = share.bytes.saturating_sub(self.limits.author_bytes);
            if (orders > 0 || bytes > 0) && Some(author) != except {
                beyond.insert(*author, Share { orders, bytes });
            }
        }
        let mut surplus: BTreeSet<BatchId> = self.incomplete.clone();
        if beyond.is_empty() {
            return surplus.into_iter().collect();
        }
        for (_, id) in self.by_arrival.iter().rev() {
            let Some(held) = self.held.get(id) else {
                continue;
            };
            let Some(share) = beyond.get_mut(&held.batch.batch().author) else {
                continue;
            };
            if share.orders > 0 || share.bytes > 0 {
                share.orders = share.orders.saturating_sub(held.batch.len().into());
                share.bytes = share.bytes.saturating_sub(held.batch.bytes().into());
                surplus.insert(*id);
            }
        }
        surplus.into_iter().collect()
    }

    /// The batch of an id.
    pub fn get(&self, id: &BatchId) -> Option<&Held> {
        self.held.get(id)
    }

    /// True when the batch is held with every personal part.
    pub fn holds_whole(&self, id: &BatchId) -> bool {
        self.get(id).is_some_and(|held| held.complete)
    }

    /// True when some batch held carries the order, one that this member could take in.
    pub fn has_order(&self, id: &OrderId) -> bool {
        self.orders.contains_key(id)
    }

    /// All batches, in order of arrival.
    pub fn iter(&self) -> impl Iterator<Item = &Held> {
        self.by_arrival
            .iter()
            .filter_map(|(_, id)| self.held.get(id))
    }

    /// How many batches.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// How many orders, those in certified blocks included.
    pub fn orders(&self) -> u64 {
        self.shares
            .values()
            .fold(0, |sum, share| sum.saturating_add(share.orders))
    }
}

/// The orders of a batch that a member could take in as well. Of most batches of others that is none, and known
/// without a look at their entries.
fn could_take_in(
    member: Option<MemberId>,
    batch: &VerifiedBatch,
) -> impl Iterator<Item = &OrderId> {
    let any = Some(batch.batch().author) == member || batch.has_signed_entries();
    let entries = batch.batch().entries.iter().zip(batch.entries());
    let entries = any.then_some(entries).into_iter().flatten();
    entries.filter_map(move |(entry, (id, _))| match &entry.order().voucher {
        Voucher::Till(till) => (Some(*till) == member).then_some(id),
        Voucher::Key { .. } => Some(id),
    })
}
