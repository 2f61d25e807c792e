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
    Micros, OrderId, PersonalParts, VerifiedBatch,
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
    /// Where an order is in the pool.
    orders: foldhash::HashMap<OrderId, (BatchId, usize)>,
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
    personal: PersonalParts,
    arrival: u64,
    sealed: Option<Height>,
}

/// A certified block that is not final yet.
#[derive(Debug, Clone)]
pub(super) struct Sealed {
    pub(super) block: BlockHash,
    pub(super) header: Header,
    pub(super) orders: Vec<OrderId>,
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
                orders,
                ..
            } => {
                let info = self.info(block, header.clone(), orders.len(), None, false);
                self.state().seal(
                    Sealed {
                        block,
                        header,
                        orders,
                    },
                    &batches,
                );
                self.feed
                    .publish(EventData::BlockSealed { block: info.into() });
            }
            Notice::Final {
                block,
                header,
                wait,
                batches,
                orders,
                time_to_final,
            } => {
                let (height, winner) = (header.height, self.winner(&header).name);
                let mut state = self.state();
                state.finalize(&header, &batches, time_to_final);
                state.drain.note(orders.len(), Instant::now());
                drop(state);
                let info = self.info(block, header, orders.len(), time_to_final, true);
                self.feed
                    .publish(EventData::BlockFinal { block: info.into() });
                self.finality.send_replace(height);
                return vec![Happening::Final {
                    height,
                    winner,
                    wait,
                    orders: orders.len(),
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
        let state = self.state();
        let (batch, place) = state.orders.get(id)?;
        state.pool.get(batch)?.record(*place)
    }

    /// How much waits, and the oldest of it.
    pub(super) fn pool(&self, limit: usize) -> (PoolCounts, Vec<OrderRecord>) {
        let state = self.state();
        let counts = PoolCounts {
            orders: u64::try_from(state.orders.len()).unwrap_or(u64::MAX),
            batches: u64::try_from(state.pool.len()).unwrap_or(u64::MAX),
        };
        let mut batches: Vec<&Pooled> = state.pool.values().collect();
        batches.sort_by_key(|pooled| pooled.arrival);
        let orders = batches
            .into_iter()
            .flat_map(|pooled| {
                (0..pooled.batch.entries().len()).filter_map(|place| pooled.record(place))
            })
            .take(limit)
            .collect();
        (counts, orders)
    }

    /// After how many seconds there is likely to be room in a full pool.
    pub(super) fn retry_after_seconds(&self) -> u32 {
        let state = self.state();
        state.drain.seconds_for(state.orders.len(), Instant::now())
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
        self.arrivals += 1;
        for (place, (order, _)) in batch.entries().iter().enumerate() {
            self.orders.entry(*order).or_insert((id, place));
        }
        let arrival = self
            .pool
            .get(&id)
            .map_or(self.arrivals, |known| known.arrival);
        let sealed = self.pool.get(&id).and_then(|known| known.sealed);
        self.pool.insert(
            id,
            Pooled {
                batch,
                personal,
                arrival,
                sealed,
            },
        );
    }

    fn forget(&mut self, batches: &[BatchId]) {
        for id in batches {
            if let Some(pooled) = self.pool.remove(id) {
                for (order, _) in pooled.batch.entries() {
                    if self.orders.get(order).is_some_and(|(batch, _)| batch == id) {
                        self.orders.remove(order);
                    }
                }
            }
        }
    }

    fn seal(&mut self, sealed: Sealed, batches: &[BatchId]) {
        for batch in batches {
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

impl Pooled {
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
