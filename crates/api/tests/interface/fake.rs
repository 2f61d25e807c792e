//! A node in memory: orders become final when the test seals a block.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
};

use api::{
    Backend, EventFeed,
    backend::{
        Accepted, Answer, BlockInfo, BlockName, BlockRecord, FinalFrame, Full, HeaderFrame,
        MemberStatus, NodeStatus, NotKept, OrderRecord, OrderSearch, OrderSearchPage, Placement,
        PoolPage, Proven, ReadError, RecordedOrder, Submission, SubmitError, Winner,
    },
    model::{Menu, OrderState, PoolCounts, RaceView, Traffic},
};
use futures::future::{BoxFuture, FutureExt};
use tokio::sync::watch;
use types::{
    Batch, Block, BlockHash, Certificate, ChainId, Digest, Epoch, Equivocation, FaultModel,
    FinalBlock, FullBatch, Genesis, Height, IdentitySecret, LogIndex, LogSize, LotterySecret,
    LotterySignature, Member, MemberCard, MemberId, MemberIndex, Micros, OrderId, PersonalPart,
    Preset, Receipt, Signatures, SignedBlock, Simulated, Text, UnixMillis, Vote, VoteKind,
    block::{Header, batches_root, genesis_block_hash},
    fixed::kind,
    genesis::Admission,
    merkle,
    order::Entry,
};

/// 2024-03-01T10:15:50.520Z.
pub(crate) const FOUNDED: UnixMillis = UnixMillis(1_709_288_150_520);

pub(crate) struct Fake {
    genesis: Genesis,
    chain: ChainId,
    own: MemberId,
    feed: Arc<EventFeed>,
    inner: Mutex<Inner>,
    final_height: watch::Sender<u64>,
}

#[derive(Default)]
struct Inner {
    pool: Vec<OrderRecord>,
    sealed: Vec<OrderRecord>,
    blocks: Vec<(BlockRecord, FinalFrame)>,
    keys: HashMap<Digest, (Digest, OrderId)>,
    refusal: Option<SubmitError>,
    failure: Option<ReadError>,
    not_ready: Option<String>,
    menu: Option<Menu>,
    disk_full: bool,
    lies: Vec<Equivocation>,
    panics: bool,
    /// For how many orders the pool has room; without a bound where nothing is said.
    room: Option<usize>,
    /// The sizes of the groups taken.
    groups: Vec<usize>,
    /// How many groups found no room.
    turned_away: usize,
}

fn secrets(number: u8) -> (IdentitySecret, LotterySecret) {
    (
        IdentitySecret::new([number; 32]),
        LotterySecret::new([number; 32]),
    )
}

impl Fake {
    pub(crate) fn new() -> Arc<Self> {
        let card = |number: u8| {
            let (identity, lottery) = secrets(number);
            let name = ["north", "east", "south", "west"][usize::from(number)];
            MemberCard::new(&Simulated, Text::new(name).unwrap(), &identity, &lottery)
        };
        let genesis = Genesis {
            version: types::FORMAT_VERSION,
            network: Text::new("cafés").unwrap(),
            genesis_time: FOUNDED,
            currency: "EUR".parse().unwrap(),
            fault_model: FaultModel::Byzantine,
            timing: Preset::Lan.timing(),
            max_block_orders: 1_000,
            max_block_bytes: 1 << 20,
            max_batch_orders: 100,
            heartbeat: Micros(0),
            admission: Admission::Fixed,
            members: (0..4).map(card).collect(),
        };
        Arc::new(Self {
            chain: genesis.chain_id(),
            own: genesis.members[0].id(),
            genesis,
            feed: EventFeed::new(UnixMillis(7)),
            inner: Mutex::default(),
            final_height: watch::Sender::new(0),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }
    pub(crate) fn refuse(&self, refusal: Option<SubmitError>) {
        self.lock().refusal = refusal;
    }
    pub(crate) fn fail(&self, failure: ReadError) {
        self.lock().failure = Some(failure);
    }
    pub(crate) fn fill_the_disk(&self) {
        self.lock().disk_full = true;
    }
    pub(crate) fn not_ready(&self, reason: &str) {
        self.lock().not_ready = Some(reason.to_owned());
    }
    pub(crate) fn make_room(&self, orders: usize) {
        self.lock().room = Some(orders);
    }
    pub(crate) fn groups(&self) -> Vec<usize> {
        self.lock().groups.clone()
    }
    pub(crate) fn turned_away(&self) -> usize {
        self.lock().turned_away
    }
    pub(crate) fn panic_on_status(&self) {
        self.lock().panics = true;
    }
    pub(crate) fn pooled(&self) -> Vec<OrderRecord> {
        self.lock().pool.clone()
    }

    /// Takes away the finality certificate of a block's own: a descendant's covers it, if any.
    pub(crate) fn forget_certificate(&self, height: u64) {
        let place = usize::try_from(height).unwrap() - 1;
        self.lock().blocks[place].1.1 = None;
    }

    /// Makes one final block of all that waits; the member of index 0 wins it.
    pub(crate) fn seal(&self) {
        let mut inner = self.lock();
        let winner = self.genesis.member_set().members()[0].clone();
        let author = self
            .genesis
            .members
            .iter()
            .position(|card| card.id() == winner.id)
            .unwrap();
        let (identity, _) = secrets(u8::try_from(author).unwrap());
        let first = inner.sealed.len();
        let pool = std::mem::take(&mut inner.pool);
        let entries: Vec<_> = pool
            .iter()
            .map(|record| Entry::Order(record.order.clone()))
            .collect();
        let batch = Batch::sign(&Simulated, &self.chain, &identity, winner.id, 1, entries);
        let mut leaves: Vec<_> = inner
            .sealed
            .iter()
            .map(|record| leaf(&Entry::Order(record.order.clone())))
            .collect();
        leaves.extend(batch.entries().iter().map(|(_, leaf)| *leaf));
        let parent = inner
            .blocks
            .last()
            .map_or(genesis_block_hash(&self.chain), |(record, _)| {
                record.info.hash
            });
        let height = Height(u64::try_from(inner.blocks.len()).unwrap() + 1);
        let ids = vec![batch.id()];
        let header = Header {
            version: types::FORMAT_VERSION,
            chain: self.chain,
            epoch: Epoch(0),
            height,
            parent,
            timestamp: FOUNDED.plus_millis(height.0),
            proposer: MemberIndex(0),
            ticket: LotterySignature::new([1; 48]),
            batches_root: batches_root(&ids),
            log_size: LogSize(u64::try_from(leaves.len()).unwrap()),
            log_root: merkle::root(&leaves),
        };
        let block = Block {
            header: header.clone(),
            batches: ids,
        };
        let block = SignedBlock::sign(&Simulated, &identity, block);
        let hash = block.hash();
        let winner = Winner {
            id: winner.id,
            name: winner.name,
            wait: Micros(1_234),
        };
        let personal: Vec<Option<PersonalPart>> =
            pool.iter().map(|record| record.personal.clone()).collect();
        let frame = FinalBlock {
            block,
            batches: vec![FullBatch {
                batch: batch.batch().clone(),
                personal: Arc::new(personal),
            }],
        };
        let orders: Vec<_> = pool
            .iter()
            .map(
                |OrderRecord {
                     id,
                     order,
                     personal,
                     ..
                 }| RecordedOrder {
                    id: *id,
                    order: order.clone(),
                    personal: personal.clone(),
                },
            )
            .collect();
        let count = u64::try_from(orders.len()).unwrap();
        let info = BlockInfo {
            header,
            hash,
            winner: winner.clone(),
            orders: count,
            is_final: true,
            time_to_final: Some(Micros(9_000)),
        };
        inner.sealed.extend(
            pool.into_iter()
                .enumerate()
                .map(|(place, record)| OrderRecord {
                    state: OrderState::Final,
                    placement: Some(Placement {
                        height,
                        block: hash,
                        log_index: LogIndex(u64::try_from(first + place).unwrap()),
                        winner: winner.clone(),
                        sealed_at: info.header.timestamp,
                    }),
                    ..record
                }),
        );
        let certificate = self.certificate(&info.header, hash);
        self.feed.publish(api::model::EventData::BlockFinal {
            block: info.clone().into(),
        });
        inner
            .blocks
            .push((BlockRecord { info, orders }, (frame, Some(certificate))));
        drop(inner);
        self.final_height.send_replace(height.0);
    }

    /// The winner of the newest block signs another one beside it.
    pub(crate) fn lie(&self) {
        let mut inner = self.lock();
        let (_, (block, _)) = inner.blocks.last().unwrap();
        let first = block.block.signed_header();
        let mut second = first.clone();
        second.header.timestamp = second.header.timestamp.plus_millis(1);
        inner.lies.push(Equivocation { first, second });
    }

    /// The hashes of what was signed twice.
    pub(crate) fn lies(&self) -> Vec<(BlockHash, BlockHash)> {
        let hashes = |lie: &Equivocation| (lie.first.header.hash(), lie.second.header.hash());
        self.lock().lies.iter().map(hashes).collect()
    }

    fn certificate(&self, header: &Header, block: BlockHash) -> Certificate {
        let members = self.genesis.member_set();
        let votes = members.indexes().take(3).map(|voter| {
            let key = members.get(voter).unwrap().lottery_key;
            let number = self
                .genesis
                .members
                .iter()
                .position(|card| card.lottery_key == key)
                .unwrap();
            let (identity, _) = secrets(u8::try_from(number).unwrap());
            Vote::sign(
                &Simulated,
                &identity,
                &self.chain,
                VoteKind::Finalize,
                header.epoch,
                header.height,
                block,
                voter,
            )
        });
        Certificate {
            kind: VoteKind::Finalize,
            epoch: header.epoch,
            height: header.height,
            block,
            votes: votes.map(|vote| vote.share()).collect(),
        }
    }

    fn find(&self, id: OrderId) -> Option<OrderRecord> {
        let inner = self.lock();
        inner
            .sealed
            .iter()
            .chain(&inner.pool)
            .find(|record| record.id == id)
            .cloned()
    }

    fn answer<T: Send + 'static>(&self, value: T) -> BoxFuture<'_, Result<T, ReadError>> {
        let failure = self.lock().failure.clone();
        std::future::ready(failure.map_or(Ok(value), Err)).boxed()
    }

    fn take_group(&self, group: Vec<Submission>) -> Result<Vec<Answer>, Full> {
        let mut inner = self.lock();
        if inner.room.is_some_and(|room| room < group.len()) {
            inner.turned_away += 1;
            return Err(Full {
                group,
                retry_after_seconds: 7,
            });
        }
        if let Some(room) = &mut inner.room {
            *room -= group.len();
        }
        inner.groups.push(group.len());
        drop(inner);
        Ok(group.into_iter().map(|order| self.take(order)).collect())
    }

    fn take(&self, submission: Submission) -> Result<Accepted, SubmitError> {
        let mut inner = self.lock();
        if let Some(refusal) = inner.refusal.clone() {
            return Err(refusal);
        }
        let id = submission.order.id();
        if let Some(check) = submission.order.check(&self.chain)
            && !Simulated.verify_identities(&[check])
        {
            return Err(SubmitError::Invalid(
                types::OrderError::WrongSignature.to_string(),
            ));
        }
        if let Some(idempotency) = submission.idempotency {
            match inner.keys.get(&idempotency.key) {
                Some((body, first)) if *body == idempotency.body => {
                    return Ok(Accepted { id: *first });
                }
                Some(_) => return Err(SubmitError::KeyReused),
                None => inner.keys.insert(idempotency.key, (idempotency.body, id)),
            };
        }
        if inner
            .pool
            .iter()
            .chain(&inner.sealed)
            .any(|record| record.id == id)
        {
            return Err(SubmitError::Duplicate { id });
        }
        let (order, personal) = (submission.order, Some(submission.personal));
        inner.pool.push(OrderRecord {
            id,
            order,
            personal,
            state: OrderState::Accepted,
            placement: None,
        });
        self.feed
            .publish(api::model::EventData::OrderAccepted { id });
        Ok(Accepted { id })
    }
}

fn leaf(entry: &Entry) -> types::fixed::Fixed<kind::Digest, 32> {
    merkle::leaf_hash(&entry.leaf_bytes())
}

impl Backend for Fake {
    fn genesis(&self) -> &Genesis {
        &self.genesis
    }
    fn chain_id(&self) -> ChainId {
        self.chain
    }
    fn member_id(&self) -> MemberId {
        self.own
    }
    fn member_name(&self) -> &str {
        "north"
    }
    fn version(&self) -> &str {
        "0.0.0-test"
    }
    fn events(&self) -> &Arc<EventFeed> {
        &self.feed
    }

    fn status(&self) -> BoxFuture<'_, Result<NodeStatus, ReadError>> {
        let inner = self.lock();
        if inner.panics {
            drop(inner);
            panic!("a defect put in on purpose");
        }
        let height = u64::try_from(inner.blocks.len()).unwrap();
        let status = NodeStatus {
            epoch: Epoch(0),
            height: Height(height + 1),
            final_height: Height(height),
            final_hash: inner
                .blocks
                .last()
                .map_or(genesis_block_hash(&self.chain), |(block, _)| {
                    block.info.hash
                }),
            log_size: LogSize(u64::try_from(inner.sealed.len()).unwrap()),
            pool: counts(&inner),
            connected: 3,
            ready: inner.not_ready.clone().map_or(Ok(()), Err),
        };
        drop(inner);
        self.answer(status)
    }
    fn race(&self) -> BoxFuture<'_, Result<RaceView, ReadError>> {
        let blocks = self.lock().blocks.len();
        self.answer(race(u64::try_from(blocks).unwrap() + 1, Some(321)))
    }
    fn menu(&self) -> Menu {
        let menu = self.lock().menu.clone();
        menu.unwrap_or_else(|| Menu::sample(self.genesis.currency))
    }
    fn put_menu(&self, menu: Menu) -> BoxFuture<'_, Result<(), NotKept>> {
        let mut inner = self.lock();
        let kept = if inner.disk_full {
            Err(NotKept {
                what: "the menu",
                reason: "no space left on device".to_owned(),
            })
        } else {
            inner.menu = Some(menu);
            Ok(())
        };
        std::future::ready(kept).boxed()
    }
    fn evidence(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Equivocation>, ReadError>> {
        let newest = self.lock().lies.iter().rev().take(limit).cloned().collect();
        self.answer(newest)
    }
    fn members(&self) -> BoxFuture<'_, Result<Vec<MemberStatus>, ReadError>> {
        let status = |member: &Member| MemberStatus {
            member: member.clone(),
            connected: member.name != "west",
            final_height: (member.name == "east").then_some(Height(5)),
            wins: 2,
            traffic: (member.name == "east").then_some(Traffic {
                messages_sent: 3,
                bytes_sent: 600,
                messages_received: 2,
                bytes_received: 90,
            }),
        };
        self.answer(
            self.genesis
                .member_set()
                .members()
                .iter()
                .map(status)
                .collect(),
        )
    }
    fn pool(&self, limit: usize) -> BoxFuture<'_, Result<PoolPage, ReadError>> {
        let inner = self.lock();
        let page = PoolPage {
            counts: counts(&inner),
            orders: inner.pool.iter().take(limit).cloned().collect(),
        };
        drop(inner);
        self.answer(page)
    }

    fn submit(&self, group: Vec<Submission>) -> BoxFuture<'_, Result<Vec<Answer>, Full>> {
        std::future::ready(self.take_group(group)).boxed()
    }
    fn when_final(&self, id: OrderId) -> BoxFuture<'_, Result<Placement, ReadError>> {
        let mut final_height = self.final_height.subscribe();
        async move {
            loop {
                if let Some(placement) = self.find(id).and_then(|record| record.placement) {
                    return Ok(placement);
                }
                final_height
                    .changed()
                    .await
                    .map_err(|_| ReadError::Stopping)?;
            }
        }
        .boxed()
    }
    fn order(&self, id: OrderId) -> BoxFuture<'_, Result<Option<OrderRecord>, ReadError>> {
        self.answer(self.find(id))
    }
    fn orders(&self, search: OrderSearch) -> BoxFuture<'_, Result<OrderSearchPage, ReadError>> {
        let start = search
            .after
            .map_or(0, |index| usize::try_from(index.0).unwrap() + 1);
        let matches = |record: &OrderRecord| {
            let customer = record
                .personal
                .as_ref()
                .map(|personal| personal.customer.as_str());
            search
                .customer
                .as_deref()
                .is_none_or(|wanted| customer == Some(wanted))
                && search
                    .receiver
                    .as_deref()
                    .is_none_or(|wanted| record.order.receiver.as_str() == wanted)
        };
        let mut orders: Vec<_> = self
            .lock()
            .sealed
            .iter()
            .skip(start)
            .filter(|record| matches(record))
            .cloned()
            .collect();
        let more = orders.len() > search.limit;
        orders.truncate(search.limit);
        let last = orders
            .last()
            .and_then(|record| record.placement.as_ref())
            .map(|placement| placement.log_index);
        self.answer(OrderSearchPage {
            orders,
            next: last.filter(|_| more),
        })
    }
    fn receipt(&self, id: OrderId) -> BoxFuture<'_, Result<Option<Proven>, ReadError>> {
        let record = self
            .find(id)
            .filter(|record| record.state == OrderState::Final);
        let receipt = record.map(|record| {
            let inner = self.lock();
            let leaves: Vec<_> = inner
                .sealed
                .iter()
                .map(|record| leaf(&Entry::Order(record.order.clone())))
                .collect();
            let (block, (_, certificate)) = inner.blocks.last().unwrap();
            let log_index = record.placement.unwrap().log_index;
            let size = block.info.header.log_size;
            let mut node = |node: merkle::Node| {
                let width = 1_usize << node.level;
                let start = usize::try_from(node.index).unwrap() * width;
                leaves.get(start..start + width).map(merkle::root)
            };
            let receipt = Receipt {
                chain: self.chain,
                entry: Entry::Order(record.order),
                personal: record.personal,
                log_index,
                path: merkle::inclusion_path(log_index, size, &mut node).unwrap(),
                header: block.info.header.clone(),
                certificate: certificate.clone().unwrap(),
            };
            (receipt, self.genesis.member_set().members().to_vec())
        });
        self.answer(receipt)
    }

    fn block(&self, name: BlockName) -> BoxFuture<'_, Result<Option<BlockRecord>, ReadError>> {
        let found = |info: &BlockInfo| match name {
            BlockName::Height(height) => info.header.height == height,
            BlockName::Hash(hash) => info.hash == hash,
        };
        let block = self
            .lock()
            .blocks
            .iter()
            .map(|(block, _)| block)
            .find(|block| found(&block.info))
            .cloned();
        self.answer(block)
    }
    fn blocks(
        &self,
        before: Option<Height>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<BlockInfo>, ReadError>> {
        let inner = self.lock();
        let below = |info: &BlockInfo| before.is_none_or(|before| info.header.height < before);
        let infos = inner
            .blocks
            .iter()
            .rev()
            .map(|(block, _)| block.info.clone())
            .filter(below);
        let infos = infos.take(limit).collect();
        drop(inner);
        self.answer(infos)
    }
    fn final_blocks(&self, from: Height) -> BoxFuture<'_, Result<Vec<FinalFrame>, ReadError>> {
        let skipped = usize::try_from(from.0).unwrap() - 1;
        // Two at a time, so that a stream needs several reads.
        let frames = self
            .lock()
            .blocks
            .iter()
            .skip(skipped)
            .take(2)
            .map(|(_, frame)| frame.clone())
            .collect();
        self.answer(frames)
    }
    fn final_headers(&self, from: Height) -> BoxFuture<'_, Result<Vec<HeaderFrame>, ReadError>> {
        let skipped = usize::try_from(from.0).unwrap() - 1;
        let inner = self.lock();
        let blocks = inner.blocks.iter().map(|(_, frame)| frame);
        // What no certificate covers cannot be checked by who asks.
        let proved = blocks
            .clone()
            .rposition(|(_, certificate)| certificate.is_some());
        let frames = blocks
            .take(proved.map_or(0, |last| last + 1))
            .skip(skipped)
            .take(2);
        let frames = frames
            .map(|(block, certificate)| (block.block.signed_header(), certificate.clone()))
            .collect();
        drop(inner);
        self.answer(frames)
    }
}

/// The race of a height whose wait is 9 ms.
pub(crate) fn race(height: u64, elapsed_us: Option<u64>) -> RaceView {
    let timing = Preset::Lan.timing();
    RaceView {
        height,
        own_wait_us: Some(9_000),
        elapsed_us,
        min_wait_us: timing.min_wait.0,
        mean_wait_us: timing.mean_wait.0,
        grace_us: timing.grace.0,
        members: 4,
    }
}

fn counts(inner: &Inner) -> PoolCounts {
    let orders = u64::try_from(inner.pool.len()).unwrap();
    PoolCounts {
        orders,
        batches: orders.min(1),
    }
}
