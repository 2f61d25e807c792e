//! What a shop knows at the moment, as its REST interface and its terminal show it. Written by the
//! driver, read by requests.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    time::Instant,
};

use api::{
    EventFeed,
    backend::{BlockInfo, OrderRecord, ReadError, Winner},
    model::{EventData, OrderState, PoolCounts},
};
use network::Handle;
use replica::{Notice, Progress};
use store::{Reader, StoreError};
use tokio::sync::watch;
use types::{
    BatchId, BlockHash, Entry, Genesis, Header, Height, IdentityPublicKey, Member, MemberSet,
    Micros, OrderId, PersonalParts, RecordedEntries, VerifiedBatch,
};

use super::{drain::Drain, race::Race};

/// Of how many final blocks the time to final is remembered.
const REMEMBERED_TIMES: usize = 1_024;

/// Something for people at a terminal.
#[derive(Debug, Clone)]
pub enum Happening {
    /// A peer is connected.
    Connected {
        /// Its key.
        key: IdentityPublicKey,
        /// Its name.
        name: String,
        /// Where it is.
        address: SocketAddr,
    },
    /// A peer is gone.
    Disconnected {
        /// Its key.
        key: IdentityPublicKey,
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
    /// A block became final.
    Final {
        /// Its height.
        height: Height,
        /// The name of the member that won it.
        winner: String,
        /// How long it waited.
        wait: Micros,
        /// How many orders it recorded.
        orders: usize,
        /// From first holding it to its being final here; `None` where it was fetched.
        time_to_final: Option<Micros>,
    },
    /// Something is wrong, in words.
    Trouble(String),
}

/// What a shop knows at the moment.
pub struct View {
    pub(super) genesis: Arc<Genesis>,
    pub(super) chain: types::ChainId,
    pub(super) members: Arc<MemberSet>,
    pub(super) me: Member,
    pub(super) feed: Arc<EventFeed>,
    pub(super) reader: Reader,
    pub(super) network: Handle,
    pub(super) race: Race,
    state: Mutex<State>,
    /// The final height; rung after the index holds it.
    pub(super) finality: watch::Sender<Height>,
    /// The shops of one process, which are ready only together.
    together: OnceLock<Vec<Weak<View>>>,
}

#[derive(Default)]
struct State {
    progress: Option<Progress>,
    stopping: bool,
    pool: BTreeMap<BatchId, Pooled>,
    /// How many orders the batches of the pool hold.
    pooled_orders: u64,
    /// Rises with every batch, so that the pool is listed in order of arrival.
    arrivals: u64,
    sealed: BTreeMap<Height, Sealed>,
    peer_heights: BTreeMap<IdentityPublicKey, Height>,
    wins: BTreeMap<types::MemberIndex, u64>,
    times: BTreeMap<Height, Micros>,
    drain: Drain,
}

struct Pooled {
    batch: VerifiedBatch,
    /// The first bytes of each order's id: to look through those of a full pool takes well under a
    /// millisecond, and seldom anybody does.
    marks: Vec<u32>,
    personal: PersonalParts,
    arrival: u64,
    sealed: Option<Height>,
}

/// A certified block that is not final yet.
#[derive(Debug, Clone)]
pub(super) struct Sealed {
    pub(super) block: BlockHash,
    pub(super) header: Header,
    pub(super) batches: Vec<BatchId>,
    pub(super) recorded: Arc<RecordedEntries>,
}

impl View {
    pub(super) fn new(
        genesis: Arc<Genesis>,
        members: Arc<MemberSet>,
        me: Member,
        feed: Arc<EventFeed>,
        reader: Reader,
        network: Handle,
    ) -> Self {
        Self {
            chain: genesis.chain_id(),
            race: Race::new(genesis.clone()),
            genesis,
            members,
            me,
            feed,
            reader,
            network,
            state: Mutex::default(),
            finality: watch::Sender::new(Height::GENESIS),
            together: OnceLock::new(),
        }
    }

    /// Makes shops of one process ready only together.
    pub fn group(views: &[Arc<Self>]) {
        for view in views {
            // Set once, at the start of `dexter dev`.
            let _ = view
                .together
                .set(views.iter().map(Arc::downgrade).collect());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic ends the process; until then the state is still in order.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts how often each member won, over the final chain as it stands at the start.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) fn count_wins(&self, to: Height) -> Result<(), StoreError> {
        let mut wins: BTreeMap<types::MemberIndex, u64> = BTreeMap::new();
        for height in 1..=to.0 {
            if self.is_stopping() {
                return Ok(());
            }
            if let Some(block) = self.reader.block(Height(height))? {
                *wins.entry(block.header().proposer).or_default() += 1;
            }
        }
        let mut state = self.state();
        for (member, count) in wins {
            *state.wins.entry(member).or_default() += count;
        }
        Ok(())
    }

    /// The name of a peer.
    pub(super) fn name_of(&self, key: &IdentityPublicKey) -> String {
        let member = self
            .members
            .index_of_identity(key)
            .and_then(|index| self.members.get(index));
        member.map_or_else(|| key.short(), |member| member.name.clone())
    }

    pub(super) fn winner(&self, header: &Header) -> Winner {
        let member = self.members.get(header.proposer);
        let draw = consensus::draw_of(
            header.ticket,
            header.proposer,
            &self.genesis.timing,
            self.members.len(),
        );
        Winner {
            id: member.map_or(types::MemberId::ZERO, |member| member.id),
            name: member.map(|member| member.name.clone()).unwrap_or_default(),
            wait: draw.wait,
        }
    }

    pub(super) fn stop(&self) {
        self.state().stopping = true;
        self.finality.send_modify(|_| {});
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.state().stopping
    }

    pub(super) fn progress(
        &self,
        progress: Progress,
        heights: impl Iterator<Item = (IdentityPublicKey, Height)>,
    ) {
        let mut state = self.state();
        state.progress = Some(progress);
        state.peer_heights = heights.collect();
    }

    /// Nothing is told before all that was on disk is read: what a client saw before the restart, an
    /// order accepted or final, would be missing.
    ///
    /// # Errors
    /// Until then.
    pub(super) fn recovered(&self) -> Result<(), ReadError> {
        match self.last_progress() {
            Some(_) => Ok(()),
            None => Err(ReadError::Starting),
        }
    }

    pub(super) fn last_progress(&self) -> Option<Progress> {
        self.state().progress
    }

    pub(super) fn wins_and_heights(
        &self,
    ) -> (
        BTreeMap<types::MemberIndex, u64>,
        BTreeMap<IdentityPublicKey, Height>,
    ) {
        let state = self.state();
        (state.wins.clone(), state.peer_heights.clone())
    }

    /// Takes note of what the replica told, and tells people what is worth it. What became final is in the
    /// index by now.
    pub(super) fn note_all(&self, notices: Vec<Notice>, on_happening: &dyn Fn(&Happening)) {
        for notice in notices {
            for happening in self.note(notice) {
                on_happening(&happening);
            }
        }
    }

    fn note(&self, notice: Notice) -> Vec<Happening> {
        match notice {
            Notice::Pooled { batch, personal } => self.pooled(batch, personal),
            Notice::Dropped(batches) => self.state().forget(&batches),
            Notice::Sealed {
                block,
                header,
                batches,
                recorded,
                ..
            } => {
                let info = self.info(block, header.clone(), recorded.len(), None, false);
                self.state().seal(Sealed {
                    block,
                    header,
                    batches,
                    recorded,
                });
                self.feed
                    .publish(EventData::BlockSealed { block: info.into() });
            }
            Notice::Final {
                block,
                header,
                wait,
                batches,
                recorded,
                time_to_final,
            } => {
                let orders = recorded.len();
                let (height, winner) = (header.height, self.winner(&header).name);
                let mut state = self.state();
                state.finalize(&header, &batches, time_to_final);
                state.drain.note(orders, Instant::now());
                drop(state);
                let info = self.info(block, header, orders, time_to_final, true);
                self.feed
                    .publish(EventData::BlockFinal { block: info.into() });
                self.finality.send_replace(height);
                return vec![Happening::Final {
                    height,
                    winner,
                    wait,
                    orders,
                    time_to_final,
                }];
            }
            Notice::Equivocation { proposer, height } => {
                let name = self
                    .members
                    .get(proposer)
                    .map(|member| member.name.clone())
                    .unwrap_or_default();
                return vec![Happening::Trouble(format!(
                    "{name} signed two different blocks of height {height}: it lies, or its key is used twice. \
                     The evidence is kept, and its blocks do not count at that height",
                ))];
            }
            Notice::Fault { peer, reason } => {
                return vec![Happening::Trouble(format!(
                    "{}: {reason}; it was ignored",
                    self.name_of(&peer)
                ))];
            }
        }
        Vec::new()
    }

    /// Takes note of what the network told.
    pub(super) fn heard(&self, happening: &Happening) {
        let member = |key| {
            self.members
                .index_of_identity(key)
                .and_then(|index| self.members.get(index))
                .cloned()
        };
        match happening {
            Happening::Connected { key, .. } => {
                if let Some(Member { id, name, .. }) = member(key) {
                    self.feed.publish(EventData::MemberUp { member: id, name });
                }
            }
            Happening::Disconnected { key, .. } => {
                if let Some(Member { id, name, .. }) = member(key) {
                    self.feed
                        .publish(EventData::MemberDown { member: id, name });
                }
            }
            Happening::Final { .. } | Happening::Trouble(_) => {}
        }
    }

    fn pooled(&self, batch: VerifiedBatch, personal: PersonalParts) {
        self.state().pool(batch.clone(), personal);
        if batch.batch().author == self.me.id {
            let accepted = |(id, _): &(OrderId, _)| EventData::OrderAccepted { id: *id };
            self.feed.publish_all(batch.entries().iter().map(accepted));
        }
    }

    pub(super) fn info(
        &self,
        hash: BlockHash,
        header: Header,
        orders: usize,
        time_to_final: Option<Micros>,
        is_final: bool,
    ) -> BlockInfo {
        let winner = self.winner(&header);
        let orders = u64::try_from(orders).unwrap_or(u64::MAX);
        BlockInfo {
            header,
            hash,
            winner,
            orders,
            is_final,
            time_to_final,
        }
    }

    pub(super) fn time_to_final(&self, height: Height) -> Option<Micros> {
        self.state().times.get(&height).copied()
    }

    /// An order of the pool.
    pub(super) fn pooled_order(&self, id: &OrderId) -> Option<OrderRecord> {
        self.state().find(id)
    }

    /// The orders of a certified block, those of the pool.
    pub(super) fn orders_of(&self, sealed: &Sealed) -> Vec<OrderRecord> {
        let state = self.state();
        let batches = sealed.batches.iter().filter_map(|id| state.pool.get(id));
        let mut held = batches.flat_map(Pooled::records);
        // Both in the order of the order log; what was recorded before is left out of the block.
        let recorded = sealed.recorded.ids().iter();
        recorded
            .filter_map(|id| held.find(|record| record.id == *id))
            .collect()
    }

    /// How much waits, and the oldest of it.
    pub(super) fn pool(&self, limit: usize) -> (PoolCounts, Vec<OrderRecord>) {
        let state = self.state();
        let counts = PoolCounts {
            orders: state.pooled_orders,
            batches: u64::try_from(state.pool.len()).unwrap_or(u64::MAX),
        };
        let mut batches: Vec<&Pooled> = state.pool.values().collect();
        batches.sort_by_key(|pooled| pooled.arrival);
        let orders = batches
            .into_iter()
            .flat_map(Pooled::records)
            .take(limit)
            .collect();
        (counts, orders)
    }

    /// After how many seconds there is likely to be room in a full pool.
    pub(super) fn retry_after_seconds(&self) -> u32 {
        let state = self.state();
        let waiting = usize::try_from(state.pooled_orders).unwrap_or(usize::MAX);
        state.drain.seconds_for(waiting, Instant::now())
    }

    /// Certified blocks that are not final yet, newest first.
    pub(super) fn sealed(&self) -> Vec<Sealed> {
        self.state().sealed.values().rev().cloned().collect()
    }

    /// Whether orders can be taken and sealed, or why not.
    ///
    /// # Errors
    /// With the reason in words.
    pub fn readiness(&self) -> Result<(), String> {
        self.ready_alone()?;
        for other in self
            .together
            .get()
            .into_iter()
            .flatten()
            .filter_map(Weak::upgrade)
        {
            if !std::ptr::eq(&*other, self) {
                other
                    .ready_alone()
                    .map_err(|reason| format!("{}: {reason}", other.me.name))?;
            }
        }
        Ok(())
    }

    fn ready_alone(&self) -> Result<(), String> {
        let connected: BTreeSet<IdentityPublicKey> = self
            .network
            .peers()
            .into_iter()
            .map(|peer| peer.key)
            .collect();
        let state = self.state();
        if state.stopping {
            return Err("the node is stopping".to_owned());
        }
        let Some(progress) = state.progress else {
            return Err("the node is reading its chain".to_owned());
        };
        let up = self
            .members
            .members()
            .iter()
            .filter(|member| connected.contains(&member.identity_key))
            .count()
            + 1;
        let quorum = self.members.quorum();
        if up < quorum {
            return Err(format!(
                "{up} of {} members are connected, and {quorum} are needed to seal orders; those taken now are kept until then",
                self.members.len(),
            ));
        }
        // One block behind is the ordinary course of things.
        if progress.best_peer_final > progress.final_height.next() {
            return Err(format!(
                "the node is catching up: block {} of {}",
                progress.final_height, progress.best_peer_final
            ));
        }
        Ok(())
    }
}

impl State {
    fn pool(&mut self, batch: VerifiedBatch, personal: PersonalParts) {
        let id = batch.id();
        if let Some(known) = self.pool.get_mut(&id) {
            known.personal = personal;
            return;
        }
        self.arrivals += 1;
        self.pooled_orders += u64::from(batch.len());
        let marks = batch.entries().iter().map(|(order, _)| mark_of(order));
        let pooled = Pooled {
            marks: marks.collect(),
            batch,
            personal,
            arrival: self.arrivals,
            sealed: None,
        };
        self.pool.insert(id, pooled);
    }

    fn find(&self, id: &OrderId) -> Option<OrderRecord> {
        self.pool.values().find_map(|pooled| pooled.find(id))
    }

    fn forget(&mut self, batches: &[BatchId]) {
        for id in batches {
            if let Some(pooled) = self.pool.remove(id) {
                self.pooled_orders -= u64::from(pooled.batch.len());
            }
        }
    }

    fn seal(&mut self, sealed: Sealed) {
        for batch in &sealed.batches {
            if let Some(pooled) = self.pool.get_mut(batch) {
                pooled.sealed = Some(sealed.header.height);
            }
        }
        self.sealed.insert(sealed.header.height, sealed);
    }

    fn finalize(&mut self, header: &Header, batches: &[BatchId], time_to_final: Option<Micros>) {
        self.forget(batches);
        self.sealed.retain(|height, _| *height > header.height);
        // Sealed on a branch that was abandoned: back in the pool.
        for pooled in self
            .pool
            .values_mut()
            .filter(|pooled| pooled.sealed.is_some_and(|at| at <= header.height))
        {
            pooled.sealed = None;
        }
        *self.wins.entry(header.proposer).or_default() += 1;
        if let Some(time) = time_to_final {
            self.times.insert(header.height, time);
            if self.times.len() > REMEMBERED_TIMES {
                self.times.pop_first();
            }
        }
    }
}

fn mark_of(id: &OrderId) -> u32 {
    let [first, second, third, fourth, ..] = *id.as_bytes();
    u32::from_ne_bytes([first, second, third, fourth])
}

impl Pooled {
    fn find(&self, id: &OrderId) -> Option<OrderRecord> {
        let mark = mark_of(id);
        let marked = (0..).zip(&self.marks).filter(|(_, other)| **other == mark);
        let mut places = marked.map(|(place, _)| place);
        let place = places.find(|place| self.batch.entries()[*place].0 == *id)?;
        self.record(place)
    }

    fn records(&self) -> impl Iterator<Item = OrderRecord> {
        (0..self.marks.len()).filter_map(|place| self.record(place))
    }

    fn record(&self, place: usize) -> Option<OrderRecord> {
        let (id, _) = self.batch.entries().get(place)?;
        let Entry::Order(order) = self.batch.batch().entries.get(place)?;
        Some(OrderRecord {
            id: *id,
            order: order.clone(),
            personal: self.personal.get(place).cloned().flatten(),
            state: if self.sealed.is_some() {
                OrderState::Sealed
            } else {
                OrderState::Accepted
            },
            placement: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use types::{Batch, IdentitySecret, MemberId, Simulated};

    use super::*;
    use crate::shop::orders::tests::submission;

    /// A batch of these orders, and the order of each.
    fn batch(number: u64, salts: &[u8]) -> (VerifiedBatch, PersonalParts) {
        let submissions: Vec<_> = salts.iter().map(|salt| submission(*salt)).collect();
        let orders = submissions.iter();
        let entries = orders.map(|submission| Entry::Order(submission.order.clone()));
        let batch = Batch::sign(
            &Simulated,
            &types::ChainId::ZERO,
            &IdentitySecret::new([1; 32]),
            MemberId::ZERO,
            number,
            entries,
        );
        let parts = submissions.into_iter();
        let parts = parts.map(|submission| Some(submission.personal));
        (batch, Arc::new(parts.collect()))
    }

    #[test]
    fn an_order_in_two_batches_is_found_until_both_are_gone() {
        let mut state = State::default();
        let (first, second) = (batch(1, &[1, 2]), batch(2, &[2, 3]));
        let id = |salt| submission(salt).order.id();
        state.pool(first.0.clone(), first.1);
        state.pool(second.0.clone(), second.1);
        let found = |state: &State| [1, 2, 3, 4].map(|salt| state.find(&id(salt)).is_some());
        assert_eq!(found(&state), [true, true, true, false]);
        assert_eq!(state.pooled_orders, 4);
        state.forget(&[first.0.id()]);
        assert_eq!(found(&state), [false, true, true, false]);
        assert_eq!(state.find(&id(3)).unwrap().id, id(3));
        state.forget(&[first.0.id(), second.0.id()]);
        assert_eq!(found(&state), [false; 4]);
        assert_eq!(state.pooled_orders, 0);
    }
}
