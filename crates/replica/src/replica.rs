//! The replica's state and its one entry point.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use consensus::{Action, Consensus, Draw, Settings, Tally, Work};
use ledger::{BlockLimits, Pool, PoolLimits, would_record};
use store::{CommitReceipt, Reader, Record, StoreError};
use types::{
    BatchId, BlockHash, Certificate, ChainId, Equivocation, FaultModel, Genesis, Height,
    IdentityPublicKey, IdentitySecret, LotterySecret, Member, MemberId, MemberIndex, MemberSet,
    Message, Micros, Monotonic, Mutation, Now, RecordedIds as _, Signatures, Status, VerifiedBatch,
    Vote, VoteKind, mutated,
};

use crate::{
    blocks::Prepared,
    branch::Unindexed,
    check::{Checked, CheckedMessage},
    input::Event,
    output::{Notice, Outgoing, Output, Sealed, To},
    tree::{Node, Tree},
};

/// Messages for heights further ahead than this are not kept: status and bulk fetching serve a member
/// that is so far behind.
pub(crate) const HEIGHT_WINDOW: u64 = 16;

/// A question is put to the same peer again only after this long: twice a slow round trip.
const ASK_AGAIN: Micros = Micros::from_millis(500);

/// The most questions put to one peer within [`ASK_AGAIN`]: several for every height of the window.
/// Each peer has its own share, so that one that provokes questions cannot use up the others'.
const MOST_ASKED: usize = 256;

/// A timestamp may be this far ahead of the wall clock for a block to be votable (§5).
pub(crate) const MAX_AHEAD_MILLIS: u64 = 10_000;

/// Rounds of asking the rules within one step; each round acts on something, and a step that would
/// need more goes on at the next wake-up.
const MOST_ROUNDS: usize = 64;

/// What a replica is made of.
pub struct Setup {
    /// The network, checked.
    pub genesis: Arc<Genesis>,
    /// This node's identity secret.
    pub identity: IdentitySecret,
    /// This node's lottery secret.
    pub lottery: LotterySecret,
    /// Signing and checking.
    pub signatures: Arc<dyn Signatures>,
    /// The final chain.
    pub reader: Reader,
}

/// Where a replica stands, for people and programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The height it works on.
    pub height: Height,
    /// Its final head's height.
    pub final_height: Height,
    /// The final order log's size.
    pub log_size: types::LogSize,
    /// Orders in the pool.
    pub pool_orders: u64,
    /// Its own draw at this height.
    pub own_draw: Option<Draw>,
    /// Since when its clock for this height runs.
    pub clock: Option<Monotonic>,
    /// Nothing is to be done until an order comes.
    pub asleep: bool,
    /// The highest final height that connected peers have told of, leaving out as many of the highest
    /// as members may lie.
    pub best_peer_final: Height,
}

/// How much of everything a replica keeps that others could make it keep: all of it is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Holdings {
    /// Orders in the pool.
    pub pool_orders: u64,
    /// The most of them in the batches of one author.
    pub most_orders_of_an_author: u64,
    /// Batches in the pool.
    pub pool_batches: usize,
    /// Blocks above the final head.
    pub blocks: usize,
    /// The most of them of one proposer at one height that no certificate speaks for.
    pub most_uncertified_blocks: usize,
    /// Their certificates.
    pub certificates: usize,
    /// Shares of votes.
    pub shares: usize,
    /// The most different blocks of one height that one voter has voted for with votes of one kind.
    pub most_hashes_of_a_voter: usize,
    /// The highest height it keeps a vote for.
    pub highest_vote: Option<Height>,
    /// Questions put to peers lately.
    pub questions: usize,
}

/// One member (or observer) of a network.
pub struct Replica {
    pub(crate) genesis: Arc<Genesis>,
    pub(crate) chain: ChainId,
    pub(crate) members: Arc<MemberSet>,
    pub(crate) me: Option<MemberIndex>,
    pub(crate) my_id: Option<MemberId>,
    pub(crate) identity: IdentitySecret,
    pub(crate) lottery: LotterySecret,
    pub(crate) signatures: Arc<dyn Signatures>,
    pub(crate) reader: Reader,
    pub(crate) limits: BlockLimits,

    pub(crate) pool: Pool,
    pub(crate) tree: Tree,
    pub(crate) unindexed: VecDeque<Unindexed>,
    pub(crate) consensus: Consensus,
    /// The own block of this height, until it is sent.
    pub(crate) prepared: Option<Prepared>,
    /// The output with the last own block, and when it was begun, until it is durable.
    pub(crate) making: Option<(u64, Monotonic)>,
    pub(crate) tally: Tally,
    pub(crate) own_votes: BTreeMap<(Height, VoteKind, BlockHash), Vote>,
    /// Own votes whose commit has not been confirmed: they do not count yet.
    pub(crate) uncommitted: VecDeque<(u64, Vote)>,
    /// Blocks known to be final, perhaps before they are held whole; with the certificate if it is
    /// their own.
    pub(crate) final_targets: BTreeMap<Height, (BlockHash, Option<Certificate>)>,
    pub(crate) head_certificate: Option<Certificate>,
    /// The final head has moved since the last status to everyone.
    pub(crate) head_moved: bool,
    pub(crate) evidence: BTreeMap<(Height, MemberIndex), Equivocation>,
    pub(crate) peers: BTreeMap<IdentityPublicKey, Option<Status>>,
    /// From where on each peer asked for final blocks that the index did not hold yet.
    pub(crate) unanswered: BTreeMap<IdentityPublicKey, Height>,
    /// When each peer was last asked what.
    asked: BTreeMap<IdentityPublicKey, BTreeMap<[u8; 32], Monotonic>>,
    /// Whether a batch is eligible on the entry block, while that is known.
    pub(crate) eligible: Option<bool>,
    pub(crate) last_batch_number: u64,
    pub(crate) resend_at: Monotonic,
    pub(crate) resend_after: Micros,

    pub(crate) now: Now,
    pub(crate) sequence: u64,
    /// The last output that asked for a sync.
    rests_on: u64,
    pub(crate) out: Output,
    pub(crate) outgoing: Vec<Outgoing>,
}

impl Replica {
    /// A replica at the store's final head. What the store recovered goes to [`Replica::recover`],
    /// then [`Replica::start`] begins.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn new(setup: Setup, now: Now) -> Result<Self, StoreError> {
        let Setup {
            genesis,
            identity,
            lottery,
            signatures,
            reader,
        } = setup;
        let members = Arc::new(genesis.member_set());
        let me = members.index_of_identity(&signatures.identity_public(&identity));
        let my_id = me
            .and_then(|index| members.get(index))
            .map(|member| member.id);
        let head = crate::recover::final_head(&genesis, &reader)?;
        let (height, hash) = (head.parent.height, head.parent.hash);
        let head_certificate = reader.certificate(height)?;
        let resend_interval = genesis.timing.resend_interval(members.len());
        let settings = Settings {
            timing: genesis.timing,
            resend_interval,
            heartbeat: genesis.heartbeat,
        };
        let mut replica = Self {
            chain: genesis.chain_id(),
            limits: BlockLimits::of(&genesis),
            genesis,
            members,
            me,
            my_id,
            identity,
            lottery,
            signatures,
            reader,
            pool: Pool::new(PoolLimits::default(), my_id),
            tree: Tree::new(head),
            unindexed: VecDeque::new(),
            consensus: Consensus::new(settings, me, height, hash),
            prepared: None,
            making: None,
            tally: Tally::new(),
            own_votes: BTreeMap::new(),
            uncommitted: VecDeque::new(),
            final_targets: BTreeMap::new(),
            head_certificate,
            head_moved: false,
            evidence: BTreeMap::new(),
            peers: BTreeMap::new(),
            unanswered: BTreeMap::new(),
            asked: BTreeMap::new(),
            eligible: None,
            last_batch_number: 0,
            resend_at: now.monotonic,
            resend_after: resend_interval,
            now,
            sequence: 0,
            rests_on: 0,
            out: Output::default(),
            outgoing: Vec::new(),
        };
        replica.enter(height.next(), hash);
        Ok(replica)
    }

    /// The same replica with other caps of its pool, set before anything is in it: a simulation reaches
    /// small ones with few orders.
    #[must_use]
    pub fn with_pool_limits(mut self, limits: PoolLimits) -> Self {
        self.pool = Pool::new(limits, self.my_id);
        self
    }

    /// Takes note of one event and says what to do. `now` is read by the caller just before.
    pub fn step(&mut self, now: Now, event: Event) -> Output {
        self.now = now;
        match event {
            Event::Tick => {}
            Event::Submit(submissions) => self.submit(submissions),
            Event::Connected(peer) => self.connected(peer),
            Event::Disconnected(peer) => {
                self.peers.remove(&peer);
                self.unanswered.remove(&peer);
                self.asked.remove(&peer);
            }
            Event::Message(from, CheckedMessage(message)) => self.receive(from, message),
            Event::Committed(receipt) => self.committed(&receipt),
            Event::Indexed(height) => {
                while self
                    .unindexed
                    .front()
                    .is_some_and(|block| block.height <= height)
                {
                    self.unindexed.pop_front();
                }
                self.answer_unanswered();
            }
        }
        self.finish()
    }

    /// Where the replica stands.
    pub fn progress(&self) -> Progress {
        // As many as may lie can claim any height: the next highest is one that an honest member told.
        let told = |member: &Member| {
            let status = self.peers.get(&member.identity_key)?.as_ref()?;
            Some(status.final_height)
        };
        let mut heights: Vec<Height> = self.members.members().iter().filter_map(told).collect();
        heights.sort_unstable_by(|one, other| other.cmp(one));
        let liars = match self.members.fault_model() {
            FaultModel::Byzantine => FaultModel::Byzantine.tolerated(self.members.len()),
            FaultModel::Crash => 0,
        };
        let best_peer_final = heights.get(liars).copied();
        Progress {
            height: self.consensus.height(),
            final_height: self.tree.head.parent.height,
            log_size: self.tree.head.frontier.size(),
            pool_orders: self.pool.orders(),
            own_draw: self.consensus.own_draw().copied(),
            clock: self.consensus.clock(),
            asleep: self.is_asleep(),
            best_peer_final: best_peer_final.unwrap_or_default(),
        }
    }

    /// How much of everything it keeps.
    pub fn holdings(&self) -> Holdings {
        Holdings {
            pool_orders: self.pool.orders(),
            most_orders_of_an_author: self.pool.most_orders_of_an_author(),
            pool_batches: self.pool.len(),
            blocks: self.tree.iter().count(),
            most_uncertified_blocks: self.tree.most_uncertified(),
            certificates: self.tree.certificates(),
            shares: self.tally.shares(),
            most_hashes_of_a_voter: self.tally.most_hashes_of_a_voter(),
            highest_vote: self.tally.highest(),
            questions: self.asked.values().map(BTreeMap::len).sum(),
        }
    }

    /// The final height each connected peer last told of.
    pub fn peer_heights(&self) -> impl Iterator<Item = (IdentityPublicKey, Height)> {
        self.peers
            .iter()
            .filter_map(|(peer, status)| Some((*peer, status.as_ref()?.final_height)))
    }

    fn receive(&mut self, from: IdentityPublicKey, message: Checked) {
        match message {
            Checked::Status(status) => self.status(from, status),
            Checked::Batch(batch) => self.batch(*batch),
            Checked::Proposal(proposal) => self.proposal(from, *proposal),
            Checked::Vote(vote) => self.vote(from, vote),
            Checked::Certificate(certificate)
                if certificate.kind == VoteKind::Finalize
                    && mutated(Mutation::FinalityDoesNotServe) => {}
            Checked::FinalBlocks(..) if mutated(Mutation::FinalityDoesNotServe) => {}
            Checked::Certificate(certificate) => self.certificate(Some(from), certificate),
            Checked::Evidence(evidence) => self.equivocation(*evidence),
            Checked::FetchBlock(height, block) => self.answer_fetch_block(from, height, block),
            Checked::FetchBatches(wanted) => self.answer_fetch_batches(from, &wanted),
            Checked::FetchFinal(height) => self.answer_fetch_final(from, height),
            Checked::FinalBlocks(blocks, proof) => self.final_blocks(from, blocks, proof),
        }
    }

    fn committed(&mut self, receipt: &CommitReceipt) {
        if let Some((sequence, began)) = self.making
            && sequence <= receipt.sequence()
        {
            self.making = None;
            self.consensus.set_lead(self.now.monotonic.since(began));
        }
        while let Some((sequence, _)) = self.uncommitted.front()
            && *sequence <= receipt.sequence()
        {
            if let Some((_, vote)) = self.uncommitted.pop_front() {
                self.count(&vote, true);
            }
        }
    }

    /// Asks the rules until they have nothing more to do, then hands over what has gathered.
    pub(crate) fn finish(&mut self) -> Output {
        if !self.out.finalized.is_empty() {
            self.drop_surplus();
        }
        let mut wake = None;
        for round in 0..MOST_ROUNDS {
            let outranked = self.refresh_outranked();
            let future_votable = self.refresh_votable();
            let work = self.work();
            let (actions, rules_wake) = self.consensus.poll(self.now.monotonic, work);
            wake = [rules_wake, future_votable, outranked]
                .into_iter()
                .flatten()
                .min();
            // Without a clock, say, a block matters that a better one outranked a moment ago.
            if actions.is_empty() && !self.is_outranked_due() {
                break;
            }
            if round.saturating_add(1) == MOST_ROUNDS {
                wake = Some(self.now.monotonic);
            }
            for action in actions {
                match action {
                    Action::Prepare { height, parent } => {
                        self.prepare(height, parent);
                        if mutated(Mutation::SendWhenPrepared) {
                            self.propose(height, parent);
                        }
                    }
                    Action::Propose { height, parent } => self.propose(height, parent),
                    Action::Vote {
                        kind,
                        height,
                        block,
                    } => self.cast(kind, height, block),
                }
            }
        }
        if self.head_moved && self.consensus.clock().is_none() {
            // About to sleep: whoever missed the last blocks learns of it now.
            self.head_moved = false;
            self.send_status(To::All);
        }
        self.resend_if_due();
        let mut output = std::mem::take(&mut self.out);
        self.sequence = self.sequence.saturating_add(1);
        output.sequence = self.sequence;
        // Batches of others are only worth a sync once something rests on them.
        let only_batches = output
            .persist
            .iter()
            .all(|record| matches!(record, Record::Batch(..)));
        output.sync = !only_batches || !output.submitted.is_empty() || !output.finalized.is_empty();
        if output.finalized.is_empty() && mutated(Mutation::SendBeforePersist) {
            output.sync = false;
        }
        if output.sync {
            self.rests_on = self.sequence;
        }
        output.sealed = Sealed::new(std::mem::take(&mut self.outgoing), self.rests_on);
        output.wake = Some(wake.map_or(self.resend_at, |wake| wake.min(self.resend_at)));
        output
    }

    /// The sequence the present step's output will have.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.sequence.saturating_add(1)
    }

    fn work(&mut self) -> Work {
        let eligible_batch = match self.eligible {
            Some(known) => known,
            None => {
                let found = !self.eligible_batches(1).is_empty();
                self.eligible = Some(found);
                found
            }
        };
        Work {
            eligible_batch,
            unfinished: self.has_unfinished(),
        }
    }

    /// True when a certified block above the final head holds a batch.
    fn has_unfinished(&self) -> bool {
        let sealed = |node: &Node| node.sealed && !node.block.block.batches.is_empty();
        self.tree.iter().any(sealed)
    }

    /// True when there is nothing to do (§5, Work), and nothing that will have to be done.
    pub(crate) fn is_asleep(&self) -> bool {
        self.consensus.clock().is_none() && !self.has_unfinished()
    }

    /// Eligible batches on the entry block, first come first served, at most `most` of them: held
    /// whole, in none of its ancestors, and with something left to record (§3, Pool).
    pub(crate) fn eligible_batches(&mut self, most: usize) -> Vec<VerifiedBatch> {
        let parent = self.consensus.parent();
        let sealed = self.tree.batches_on(&parent);
        let branch = self.branch(&parent);
        let parent_is_final = parent == self.tree.head.parent.hash;
        let (mut eligible, mut useless) = (Vec::new(), Vec::new());
        let mut recorded = Vec::new();
        for held in self.pool.iter().filter(|held| held.complete) {
            if eligible.len() >= most {
                break;
            }
            let id = held.batch.id();
            if sealed.contains(&id) {
                continue;
            }
            let entries = held.batch.sought().skip(held.recorded);
            let are_final = entries.take_while(|order| self.reader.is_recorded(*order));
            let first = held.recorded.saturating_add(are_final.count());
            if first > held.recorded {
                recorded.push((id, first));
            }
            if would_record(&branch, &held.batch, first) {
                eligible.push(held.batch.clone());
            } else if parent_is_final {
                useless.push(id);
            }
        }
        // Else whoever sends many recorded orders before a new one would have them asked for at every height.
        for (id, first) in recorded {
            self.pool.note_recorded(&id, first);
        }
        self.drop_batches(useless);
        eligible
    }

    /// Drops what the pool is not bound to keep. Not in the course of a recovery: a block that names such
    /// a batch may be the next record.
    pub(crate) fn drop_surplus(&mut self) {
        let surplus = self.pool.surplus(self.my_id.as_ref());
        self.drop_batches(surplus);
    }

    /// Drops batches that the pool need not or cannot keep, unless a block names them.
    pub(crate) fn drop_batches(&mut self, useless: Vec<BatchId>) {
        let droppable: Vec<BatchId> = useless
            .into_iter()
            .filter(|id| !self.is_named(id))
            .collect();
        if droppable.is_empty() {
            return;
        }
        for id in &droppable {
            self.pool.remove(id);
        }
        self.out.forget.extend(droppable.iter().copied());
        self.out.notices.push(Notice::Dropped(droppable));
    }

    /// True when a block above the final head that may still count names the batch.
    fn is_named(&self, id: &BatchId) -> bool {
        let mut named = self.tree.iter().filter(|node| !node.is_invalid());
        named.any(|node| node.block.block.batches.contains(id))
            || self.prepared.as_ref().is_some_and(|own| own.names(id))
    }

    /// Enters a height on a certified valid block (or the final head) of the height below, and draws
    /// the ticket.
    pub(crate) fn enter(&mut self, height: Height, parent: BlockHash) {
        let draw = self.draw(height, &parent);
        self.consensus
            .enter(self.now.monotonic, height, parent, draw);
        self.eligible = None;
        self.prepared = None;
        self.reset_resend();
    }

    fn draw(&self, height: Height, parent: &BlockHash) -> Option<Draw> {
        let me = self.me?;
        let (parent, _) = self.tree.as_parent(parent)?;
        let bytes = consensus::ticket_bytes(&self.chain, types::Epoch(0), height, &parent.seed);
        let timing = &self.genesis.timing;
        Some(consensus::draw(
            &*self.signatures,
            &self.lottery,
            &bytes,
            me,
            timing,
            self.members.len(),
        ))
    }

    pub(crate) fn send(&mut self, to: To, message: Message) {
        self.outgoing.push(Outgoing {
            to,
            message: Arc::new(message),
        });
    }

    pub(crate) fn fault(&mut self, peer: IdentityPublicKey, reason: impl Into<String>) {
        self.out.notices.push(Notice::Fault {
            peer,
            reason: reason.into(),
        });
    }

    /// A read of the store; a failure stops the node.
    pub(crate) fn read<T>(&mut self, result: Result<T, StoreError>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.out.fatal.get_or_insert(error.to_string());
                None
            }
        }
    }

    /// True when the question has not been put to this peer lately.
    pub(crate) fn may_ask(&mut self, peer: IdentityPublicKey, question: [u8; 32]) -> bool {
        let now = self.now.monotonic;
        let asked = self.asked.entry(peer).or_default();
        if asked
            .get(&question)
            .is_some_and(|at| now < at.plus(ASK_AGAIN))
        {
            return false;
        }
        if asked.len() >= MOST_ASKED {
            asked.retain(|_, at| now < at.plus(ASK_AGAIN));
        }
        if asked.len() >= MOST_ASKED {
            return false;
        }
        asked.insert(question, now);
        true
    }

    /// The identity key of a member.
    pub(crate) fn identity_of(&self, index: MemberIndex) -> Option<IdentityPublicKey> {
        self.members.get(index).map(|member| member.identity_key)
    }
}
