//! The REST interface's view of the node: orders go to the driver, final things are read from the
//! store, the rest from the [`View`].

use std::sync::Arc;

use api::{
    Backend, EventFeed,
    backend::{
        Answer, BlockInfo, BlockName, BlockRecord, FinalFrame, Full, HeaderFrame, MemberStatus,
        NodeStatus, NotKept, OrderRecord, OrderSearch, OrderSearchPage, Placement, PoolPage,
        ReadError, Submission, SubmitError,
    },
    model::{Menu, RaceView, Traffic},
};
use futures::future::{BoxFuture, FutureExt as _};
use store::{Reader, StoreError};
use types::{
    ChainId, Epoch, Equivocation, Genesis, Height, Member, MemberId, OrderId, Receipt, Signatures,
    block::genesis_block_hash,
};

use super::{
    driver::Commands,
    menu::MenuFile,
    orders::{NoRoom, hashed, judge},
    reads::{blocks, final_block, final_order, find_orders, proved_run, receipt, sealed_block},
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
    menu: Arc<MenuFile>,
    commands: Commands,
    signatures: Arc<dyn Signatures>,
}

impl NodeBackend {
    pub(super) fn new(
        view: Arc<View>,
        menu: MenuFile,
        commands: Commands,
        signatures: Arc<dyn Signatures>,
    ) -> Self {
        Self {
            view,
            menu: Arc::new(menu),
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

    fn race(&self) -> BoxFuture<'_, Result<RaceView, ReadError>> {
        let race = self.view.race.view().ok_or(ReadError::Starting);
        std::future::ready(race).boxed()
    }

    fn menu(&self) -> Menu {
        self.menu.get()
    }

    fn put_menu(&self, menu: Menu) -> BoxFuture<'_, Result<(), NotKept>> {
        let kept = self.menu.clone();
        async move {
            let not_kept = |reason: String| NotKept {
                what: "the menu",
                reason,
            };
            let written = tokio::task::spawn_blocking(move || kept.put(menu)).await;
            let written = written.map_err(|error| not_kept(error.to_string()))?;
            written.map_err(|error| not_kept(error.to_string()))
        }
        .boxed()
    }

    fn evidence(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Equivocation>, ReadError>> {
        self.read(move |view| view.reader.evidence(limit))
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
            let judging = move || (judge(&group, &chain, &*signatures), hashed(group));
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
            if let Some(known) = final_order(view, &id)? {
                return Ok(Some(known));
            }
            match view.pooled_order(&id) {
                Some(pooled) => Ok(Some(pooled)),
                // Between the two looks it may have become final.
                None => final_order(view, &id),
            }
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
