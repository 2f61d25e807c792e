//! The REST interface's view of the node: orders go to the driver, final things are read from the
//! store, the rest from the [`View`].

use std::sync::Arc;

use api::{
    Backend, EventFeed,
    backend::{
        Answer, BlockInfo, BlockName, BlockRecord, FinalFrame, Full, HeaderFrame, MemberStatus,
        NodeStatus, OrderRecord, OrderSearch, OrderSearchPage, Placement, PoolPage, ReadError,
        RecordedOrder, Submission, SubmitError,
    },
    model::{OrderState, Traffic},
};
use borsh::BorshSerialize;
use futures::future::{BoxFuture, FutureExt as _};
use store::{MOST_ORDERS_A_PAGE, Reader, StoreError, StoredOrder};
use types::{
    BlockHash, Certificate, ChainId, Epoch, Genesis, Height, LogIndex, LogSize, Member, MemberId,
    OrderId, Receipt, Signatures, SignedBlock, block::genesis_block_hash, encoded_len,
};

use super::{
    driver::Commands,
    orders::{NoRoom, judge},
    view::View,
};

/// About how many bytes one run of final blocks takes in memory.
const RUN_BYTES: usize = 4 * 1024 * 1024;
/// About how many bytes one run of headers takes: some hundreds of them, each a read of the disk.
const HEADER_RUN_BYTES: usize = 128 * 1024;

/// Orders of a group that are judged where it is asked for, without another thread: their customers'
/// signatures take less than half a millisecond.
const MOST_JUDGED_AT_ONCE: usize = 8;

/// After how many seconds a client tries again that found the driver's queue full: the least there is.
const QUEUE_RETRY_SECONDS: u32 = 1;

/// The REST interface's backend.
pub(super) struct NodeBackend {
    view: Arc<View>,
    commands: Commands,
    signatures: Arc<dyn Signatures>,
}

impl NodeBackend {
    pub(super) fn new(
        view: Arc<View>,
        commands: Commands,
        signatures: Arc<dyn Signatures>,
    ) -> Self {
        Self {
            view,
            commands,
            signatures,
        }
    }

    /// Reads here and now, and the runtime gives this thread's other tasks to another one: what is read is
    /// mostly in memory, and a hop to a thread where waiting is allowed would take longer.
    fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&View) -> Result<T, StoreError> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, ReadError>> {
        let view = self.view.clone();
        async move {
            view.recovered()?;
            tokio::task::block_in_place(|| read(&view))
                .map_err(|error| ReadError::Failed(error.to_string()))
        }
        .boxed()
    }
}

impl Backend for NodeBackend {
    fn genesis(&self) -> &Genesis {
        &self.view.genesis
    }
    fn chain_id(&self) -> ChainId {
        self.view.chain
    }
    fn member_id(&self) -> MemberId {
        self.view.me.id
    }
    fn member_name(&self) -> &str {
        &self.view.me.name
    }
    fn version(&self) -> &str {
        env!("CARGO_PKG_VERSION")
    }
    fn events(&self) -> &Arc<EventFeed> {
        &self.view.feed
    }

    fn status(&self) -> BoxFuture<'_, Result<NodeStatus, ReadError>> {
        async {
            let view = &self.view;
            // Before the numbers, so that those of a node that is still reading its chain are never
            // told without saying so.
            let ready = view.readiness();
            let head = view.reader.final_head();
            let (final_height, final_hash) =
                head.unwrap_or((Height::GENESIS, genesis_block_hash(&view.chain)));
            let progress = view.last_progress();
            let members = view.members.members();
            let peers = view.network.peers();
            let is_member = |key| members.iter().any(|member| member.identity_key == key);
            Ok(NodeStatus {
                epoch: Epoch(0),
                height: progress.map_or(final_height.next(), |progress| progress.height),
                final_height,
                final_hash,
                log_size: view.reader.log_size(),
                pool: view.pool(0).0,
                connected: peers.iter().filter(|peer| is_member(peer.key)).count(),
                ready,
            })
        }
        .boxed()
    }

    fn members(&self) -> BoxFuture<'_, Result<Vec<MemberStatus>, ReadError>> {
        async {
            let view = &self.view;
            let (wins, heights) = view.wins_and_heights();
            let peers = view.network.peers();
            let status = |index| {
                let member: &Member = view.members.get(index)?;
                let own = member.id == view.me.id;
                let own_height = view
                    .reader
                    .final_head()
                    .map_or(Height::GENESIS, |(height, _)| height);
                let told = heights.get(&member.identity_key).copied();
                let peer = peers.iter().find(|peer| peer.key == member.identity_key);
                Some(MemberStatus {
                    member: member.clone(),
                    connected: own || peer.is_some(),
                    final_height: if own { Some(own_height) } else { told },
                    wins: wins.get(&index).copied().unwrap_or_default(),
                    traffic: peer.map(|peer| Traffic {
                        messages_sent: peer.messages_out,
                        bytes_sent: peer.bytes_out,
                        messages_received: peer.messages_in,
                        bytes_received: peer.bytes_in,
                    }),
                })
            };
            Ok(view.members.indexes().filter_map(status).collect())
        }
        .boxed()
    }

    fn pool(&self, limit: usize) -> BoxFuture<'_, Result<PoolPage, ReadError>> {
        async move {
            self.view.recovered()?;
            let (counts, orders) = self.view.pool(limit);
            Ok(PoolPage { counts, orders })
        }
        .boxed()
    }

    fn submit(&self, group: Vec<Submission>) -> BoxFuture<'_, Result<Vec<Answer>, Full>> {
        async move {
            let orders = group.len();
            let (chain, signatures) = (self.view.chain, self.signatures.clone());
            let judging = move || (judge(&group, &chain, &*signatures), group);
            let judged = if orders > MOST_JUDGED_AT_ONCE {
                tokio::task::spawn_blocking(judging).await
            } else {
                Ok(judging())
            };
            let Ok((answers, group)) = judged else {
                return Ok(vec![Err(SubmitError::Stopping); orders]);
            };
            let submitted = self.commands.submit(group, answers).await;
            submitted.map_err(|no_room| {
                let (group, retry_after_seconds) = match no_room {
                    NoRoom::InQueue(group) => (group, QUEUE_RETRY_SECONDS),
                    NoRoom::InPool(group) => (group, self.view.retry_after_seconds()),
                };
                Full {
                    group,
                    retry_after_seconds,
                }
            })
        }
        .boxed()
    }

    fn when_final(&self, id: OrderId) -> BoxFuture<'_, Result<Placement, ReadError>> {
        async move {
            let mut finality = self.view.finality.subscribe();
            loop {
                finality.mark_unchanged();
                if let Some(record) = self.read(move |view| final_order(view, &id)).await?
                    && let Some(placement) = record.placement
                {
                    return Ok(placement);
                }
                if self.view.is_stopping() || finality.changed().await.is_err() {
                    return Err(ReadError::Stopping);
                }
            }
        }
        .boxed()
    }

    fn order(&self, id: OrderId) -> BoxFuture<'_, Result<Option<OrderRecord>, ReadError>> {
        self.read(move |view| {
            // Between the two looks an order may become final: the pool first, then the store.
            let pooled = view.pooled_order(&id);
            Ok(final_order(view, &id)?.or(pooled))
        })
    }

    fn orders(&self, search: OrderSearch) -> BoxFuture<'_, Result<OrderSearchPage, ReadError>> {
        self.read(move |view| find_orders(view, &search))
    }

    fn receipt(
        &self,
        id: OrderId,
    ) -> BoxFuture<'_, Result<Option<(Receipt, Vec<Member>)>, ReadError>> {
        self.read(move |view| receipt(view, &id))
    }

    fn block(&self, name: BlockName) -> BoxFuture<'_, Result<Option<BlockRecord>, ReadError>> {
        self.read(move |view| {
            let height = match name {
                BlockName::Height(height) => Some(height),
                BlockName::Hash(hash) => view.reader.height_of(&hash)?,
            };
            let stored = match height {
                Some(height) => view.reader.block(height)?,
                None => None,
            };
            match stored {
                Some(block) => final_block(view, block).map(Some),
                None => Ok(sealed_block(view, name)),
            }
        })
    }

    fn blocks(
        &self,
        before: Option<Height>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<BlockInfo>, ReadError>> {
        self.read(move |view| blocks(view, before, limit))
    }

    fn final_blocks(&self, from: Height) -> BoxFuture<'_, Result<Vec<FinalFrame>, ReadError>> {
        self.read(move |view| proved_run(&view.reader, from, RUN_BYTES, Reader::final_block))
    }

    fn final_headers(&self, from: Height) -> BoxFuture<'_, Result<Vec<HeaderFrame>, ReadError>> {
        self.read(move |view| {
            let header = |reader: &Reader, height| {
                let block = reader.block(height)?;
                Ok(block.map(|block| block.signed_header()))
            };
            proved_run(&view.reader, from, HEADER_RUN_BYTES, header)
        })
    }
}

/// Final things from a height on, each with its own finality certificate if there is one, and about so
/// many bytes of them. Only what a certificate covers: the rest cannot be checked by who asks.
fn proved_run<T: BorshSerialize>(
    reader: &Reader,
    from: Height,
    most_bytes: usize,
    at: impl Fn(&Reader, Height) -> Result<Option<T>, StoreError>,
) -> Result<Vec<(T, Option<Certificate>)>, StoreError> {
    let mut run = Vec::new();
    let mut bytes = 0;
    let mut height = from.max(Height(1));
    let mut covering: Option<Certificate> = None;
    while bytes < most_bytes {
        if covering.as_ref().is_none_or(|known| known.height < height) {
            covering = reader.next_certificate(height)?;
        }
        let Some(certificate) = &covering else {
            break;
        };
        let Some(found) = at(reader, height)? else {
            break;
        };
        bytes += encoded_len(&found);
        let own = (certificate.height == height).then(|| certificate.clone());
        run.push((found, own));
        height = height.next();
    }
    Ok(run)
}

fn placement(view: &View, block: &SignedBlock, log_index: LogIndex) -> Placement {
    let header = block.header();
    Placement {
        height: header.height,
        block: block.hash(),
        log_index,
        winner: view.winner(header),
        sealed_at: header.timestamp,
    }
}

fn final_order(view: &View, id: &OrderId) -> Result<Option<OrderRecord>, StoreError> {
    view.reader
        .order(id)?
        .map(|stored| record(view, stored))
        .transpose()
}

fn record(view: &View, stored: StoredOrder) -> Result<OrderRecord, StoreError> {
    let block = view.reader.block(stored.height)?;
    Ok(OrderRecord {
        id: stored.id,
        order: stored.entry.order().clone(),
        personal: stored.personal,
        state: OrderState::Final,
        placement: block.map(|block| placement(view, &block, stored.log_index)),
    })
}

/// Final orders that match. With both filters the customer's are searched, a bounded number a call.
fn find_orders(view: &View, search: &OrderSearch) -> Result<OrderSearchPage, StoreError> {
    let OrderSearch {
        customer,
        receiver,
        after,
        limit,
    } = search;
    let limit = (*limit).min(MOST_ORDERS_A_PAGE);
    let reader = &view.reader;
    // One more than asked for tells whether there are more.
    let asked = limit.saturating_add(1).min(MOST_ORDERS_A_PAGE);
    let found = match (customer, receiver) {
        (Some(customer), None) => reader.orders_of_customer(customer, *after, asked)?,
        (None, Some(receiver)) => reader.orders_of_receiver(receiver, *after, asked)?,
        (None, None) => reader.orders(*after, asked)?,
        (Some(customer), Some(receiver)) => {
            let searched = reader.orders_of_customer(customer, *after, MOST_ORDERS_A_PAGE)?;
            let end = (searched.len() == MOST_ORDERS_A_PAGE)
                .then(|| searched.last().map(|last| last.log_index))
                .flatten();
            let mut matching: Vec<StoredOrder> = searched
                .into_iter()
                .filter(|stored| stored.entry.order().receiver.as_str() == receiver)
                .take(asked)
                .collect();
            if matching.len() <= limit {
                return page(view, matching, end);
            }
            matching.truncate(limit);
            let next = matching.last().map(|last| last.log_index);
            return page(view, matching, next);
        }
    };
    let more = found.len() > limit || (asked == limit && found.len() == limit);
    let found: Vec<StoredOrder> = found.into_iter().take(limit).collect();
    let next = found.last().filter(|_| more).map(|last| last.log_index);
    page(view, found, next)
}

fn page(
    view: &View,
    found: Vec<StoredOrder>,
    next: Option<LogIndex>,
) -> Result<OrderSearchPage, StoreError> {
    let orders = found
        .into_iter()
        .map(|stored| record(view, stored))
        .collect::<Result<_, _>>()?;
    Ok(OrderSearchPage { orders, next })
}

fn receipt(view: &View, id: &OrderId) -> Result<Option<(Receipt, Vec<Member>)>, StoreError> {
    let reader = &view.reader;
    let Some(stored) = reader.order(id)? else {
        return Ok(None);
    };
    let Some(certificate) = reader.next_certificate(stored.height)? else {
        return Ok(None);
    };
    let Some(block) = reader.block(certificate.height)? else {
        return Ok(None);
    };
    let header = block.block.header;
    let Some(path) = reader.inclusion_path(stored.log_index, header.log_size)? else {
        return Ok(None);
    };
    let receipt = Receipt {
        chain: view.chain,
        entry: stored.entry,
        personal: stored.personal,
        log_index: stored.log_index,
        path,
        header,
        certificate,
    };
    Ok(Some((receipt, view.members.members().to_vec())))
}

fn log_size_before(reader: &Reader, height: Height) -> Result<LogSize, StoreError> {
    let parent = reader.block(height.previous())?;
    Ok(parent.map_or(LogSize(0), |parent| parent.header().log_size))
}

fn final_block(view: &View, block: SignedBlock) -> Result<BlockRecord, StoreError> {
    let header = block.block.header.clone();
    let before = log_size_before(&view.reader, header.height)?;
    let mut orders = Vec::new();
    let mut after = before.0.checked_sub(1).map(LogIndex);
    let mut missing = usize::try_from(header.log_size.0 - before.0).unwrap_or(usize::MAX);
    while missing > 0 {
        let found = view.reader.orders(after, missing.min(MOST_ORDERS_A_PAGE))?;
        let Some(last) = found.last() else { break };
        after = Some(last.log_index);
        missing = missing.saturating_sub(found.len());
        orders.extend(found.into_iter().map(|stored| RecordedOrder {
            id: stored.id,
            order: stored.entry.order().clone(),
            personal: stored.personal,
        }));
    }
    let time_to_final = view.time_to_final(header.height);
    let info = view.info(block.hash(), header, orders.len(), time_to_final, true);
    Ok(BlockRecord { info, orders })
}

/// A certified block that is not final yet.
fn sealed_block(view: &View, name: BlockName) -> Option<BlockRecord> {
    let asked_for = |block: BlockHash, height: Height| match name {
        BlockName::Height(wanted) => height == wanted,
        BlockName::Hash(wanted) => block == wanted,
    };
    let sealed = view
        .sealed()
        .into_iter()
        .find(|sealed| asked_for(sealed.block, sealed.header.height))?;
    let orders = sealed.orders.iter().filter_map(|id| view.pooled_order(id));
    let orders = orders
        .map(|record| RecordedOrder {
            id: record.id,
            order: record.order,
            personal: record.personal,
        })
        .collect();
    let info = view.info(
        sealed.block,
        sealed.header,
        sealed.orders.len(),
        None,
        false,
    );
    Some(BlockRecord { info, orders })
}

fn blocks(view: &View, before: Option<Height>, limit: usize) -> Result<Vec<BlockInfo>, StoreError> {
    let below = |height: Height| before.is_none_or(|before| height < before);
    let head = view
        .reader
        .final_head()
        .map_or(Height::GENESIS, |(height, _)| height);
    let mut list: Vec<BlockInfo> = view
        .sealed()
        .into_iter()
        .filter(|sealed| sealed.header.height > head && below(sealed.header.height))
        .take(limit)
        .map(|sealed| {
            view.info(
                sealed.block,
                sealed.header,
                sealed.orders.len(),
                None,
                false,
            )
        })
        .collect();
    let mut height = before.map_or(head, |before| before.previous().min(head));
    while list.len() < limit && height > Height::GENESIS {
        let Some(block) = view.reader.block(height)? else {
            break;
        };
        let before = log_size_before(&view.reader, height)?;
        let orders = usize::try_from(block.header().log_size.0 - before.0).unwrap_or(usize::MAX);
        let time = view.time_to_final(height);
        list.push(view.info(block.hash(), block.block.header, orders, time, true));
        height = height.previous();
    }
    Ok(list)
}
