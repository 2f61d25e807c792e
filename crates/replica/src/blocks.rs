//! Proposing, receiving and validating blocks (`docs/protocol.md` §5 rule 1, §6).

use consensus::check_header;
use ledger::{choose, execute};
use store::Record;
use types::{
    BatchId, Block, BlockHash, Epoch, FORMAT_VERSION, Header, Height, IdentityPublicKey, Message,
    Monotonic, Mutation, Proposal, SignedBlock, VerifiedBatch, block::batches_root,
    genesis::next_seed, mutated,
};

use crate::{
    output::To,
    replica::{HEIGHT_WINDOW, MAX_AHEAD_MILLIS, Replica},
    tree::{Lacking, Node, State, Valid},
};

/// Two blocks prove a proposer's lie; more are not kept unless certified (§5, rule 3).
const MOST_BLOCKS_OF_A_PROPOSER: usize = 2;

/// An own block, made and written down, and not known to anybody yet.
#[derive(Debug)]
pub(crate) struct Prepared {
    block: SignedBlock,
    hash: BlockHash,
    valid: Valid,
}

impl Prepared {
    /// True when the block seals the batch.
    pub(crate) fn names(&self, id: &BatchId) -> bool {
        self.block.block.batches.contains(id)
    }
}

impl Replica {
    /// Rule 1: builds on the entry block, for the moment when the wait is over.
    pub(crate) fn prepare(&mut self, height: Height, parent_hash: BlockHash) {
        let most = self.genesis.max_block_orders as usize;
        let eligible = self.eligible_batches(most);
        let batches = choose(self.limits, &eligible);
        let (Some(me), Some(draw)) = (self.me, self.consensus.own_draw().copied()) else {
            return;
        };
        let Some((parent, frontier)) = self.tree.as_parent(&parent_hash) else {
            return;
        };
        let branch = self.branch(&parent_hash);
        let executed = execute(frontier, &branch, &batches);
        let (log_size, log_root) = (executed.frontier.size(), executed.frontier.root());
        let (log_size_before, seed) = (frontier.size(), next_seed(&parent.seed, &draw.ticket));
        let ids: Vec<_> = batches.iter().map(VerifiedBatch::id).collect();
        let header = Header {
            version: FORMAT_VERSION,
            chain: self.chain,
            epoch: Epoch(0),
            height,
            parent: parent_hash,
            timestamp: self.now.wall.max(parent.timestamp.plus_millis(1)),
            proposer: me,
            ticket: draw.ticket,
            batches_root: batches_root(&ids),
            log_size,
            log_root,
        };
        let block = SignedBlock::sign(
            &*self.signatures,
            &self.identity,
            Block {
                header,
                batches: ids,
            },
        );
        self.out.persist.push(Record::Block(block.clone()));
        self.making = Some((self.next_sequence(), self.now.monotonic));
        // Valid by its making; only others have to judge it.
        let valid = Valid {
            executed,
            log_size_before,
            seed,
            batches,
            since: self.now.monotonic,
        };
        self.prepared = Some(Prepared {
            hash: block.hash(),
            block,
            valid,
        });
    }

    /// Rule 1: sends the block that was prepared, or makes it now.
    pub(crate) fn propose(&mut self, height: Height, parent_hash: BlockHash) {
        // Said first, so that the rules do not ask again whatever comes of it.
        self.consensus.proposed(height);
        if self.prepared.is_none() {
            self.prepare(height, parent_hash);
        }
        let Some(Prepared { block, hash, valid }) = self.prepared.take() else {
            return;
        };
        let since = self.now.monotonic;
        self.consensus.header(&block.signed_header());
        let parent_certificate = self
            .tree
            .certificate(&parent_hash)
            .or(self.head_certificate.as_ref())
            .cloned();
        self.send(
            To::All,
            Message::Proposal(Box::new(Proposal {
                block: block.clone(),
                parent_certificate,
            })),
        );
        self.tree.insert(Node {
            persisted: true,
            ..self.waiting(block, hash)
        });
        self.accept(&hash, Box::new(Valid { since, ..valid }));
    }

    /// A block from a peer, with its parent's certificate.
    pub(crate) fn proposal(&mut self, from: IdentityPublicKey, proposal: Proposal) {
        let Proposal {
            block,
            parent_certificate,
        } = proposal;
        let header = block.header();
        let height = header.height;
        if height <= self.tree.head.parent.height {
            self.send_status(To::Peer(from));
            return;
        }
        self.answer_needless(from, &block);
        if let Some(certificate) = parent_certificate {
            self.certificate(Some(from), certificate);
        }
        // The certificate may have made the height final.
        if height <= self.tree.head.parent.height
            || height.above(self.consensus.height()) > HEIGHT_WINDOW
            || header.epoch != Epoch(0)
        {
            return;
        }
        self.block(from, block);
    }

    /// Without work a member sleeps, and tells the proposer of an empty block on a final parent that
    /// there is nothing left to do (§5, Work).
    fn answer_needless(&mut self, from: IdentityPublicKey, block: &SignedBlock) {
        let needless = block.block.batches.is_empty()
            && block.header().parent == self.tree.head.parent.hash
            && self.consensus.clock().is_none();
        if needless
            && !mutated(Mutation::NoNeedlessAnswer)
            && let Some(certificate) = self.head_certificate.clone()
        {
            self.send(To::Peer(from), Message::Certificate(certificate));
        }
    }

    fn block(&mut self, from: IdentityPublicKey, block: SignedBlock) {
        let hash = block.hash();
        if let Some(node) = self.tree.get_mut(&hash) {
            node.source = Some(from);
            self.validate(hash);
            return;
        }
        let (height, proposer) = (block.header().height, block.header().proposer);
        let key = self.identity_of(proposer);
        if !key.is_some_and(|key| block.signed_header().is_signed_by(&*self.signatures, &key)) {
            self.fault(from, "it sent a block that its proposer did not sign");
            return;
        }
        if let Some(evidence) = self.consensus.header(&block.signed_header()) {
            self.disqualified(evidence);
        }
        let certified = self.tree.certificate(&hash).is_some() && !mutated(Mutation::DropCertified);
        let many = self.tree.uncertified_of(height, proposer) >= MOST_BLOCKS_OF_A_PROPOSER;
        if many && !certified && !mutated(Mutation::KeepAllBlocks) {
            // A vote for it does not tell whose it is, where it is not kept.
            self.send_evidence(from, height, proposer);
            return;
        }
        let known = self.tree.insert(Node {
            source: Some(from),
            ..self.waiting(block, hash)
        });
        self.validate_certified(&known);
        self.validate(hash);
    }

    /// A block of which nothing is known yet.
    pub(crate) fn waiting(&self, block: SignedBlock, hash: BlockHash) -> Node {
        let (timing, members) = (&self.genesis.timing, self.members.len());
        let header = block.header();
        Node {
            draw: consensus::draw_of(header.ticket, header.proposer, timing, members),
            block,
            hash,
            source: None,
            state: State::Waiting,
            persisted: false,
            sealed: false,
            known_final: false,
        }
    }

    /// Validates a waiting block if all it needs is here, asks for what is missing otherwise, and goes
    /// on with its children.
    pub(crate) fn validate(&mut self, hash: BlockHash) {
        let mut waiting = vec![hash];
        while let Some(hash) = waiting.pop() {
            if !self.tree.get(&hash).is_some_and(Node::is_open) {
                continue;
            }
            match self.judge(&hash) {
                Verdict::Missing => continue,
                Verdict::Invalid(reason) => self.refuse(&hash, reason),
                Verdict::Valid(valid) => {
                    self.accept(&hash, valid);
                    waiting.extend(self.tree.children(&hash));
                }
            }
        }
        self.try_finalize();
    }

    /// Validates blocks that count as certified from now on, given highest first, and what stands on them.
    pub(crate) fn validate_certified(&mut self, blocks: &[BlockHash]) {
        for block in blocks.iter().rev() {
            self.validate(*block);
            for child in self.tree.children(block) {
                self.validate(child);
            }
        }
    }

    /// Judges a block whose validity is open. What does not depend on its batches being here is checked
    /// once, however many of them arrive one by one.
    fn judge(&mut self, hash: &BlockHash) -> Verdict {
        let Some(node) = self.tree.get(hash) else {
            return Verdict::Missing;
        };
        if matches!(node.state, State::Waiting | State::Outranked) {
            let outranked = self.matters_from(node) > self.now.monotonic;
            if let Some(node) = self.tree.get_mut(hash) {
                node.state = if outranked {
                    State::Outranked
                } else {
                    State::Waiting
                };
            }
            if outranked {
                return Verdict::Missing;
            }
            if let Some(verdict) = self.judge_place(hash) {
                return verdict;
            }
        }
        self.judge_batches(hash)
    }

    /// From when on it matters whether a block is valid: at once where it counts as certified.
    fn matters_from(&self, node: &Node) -> Monotonic {
        if self.tree.is_certified(&node.hash) {
            return Monotonic::default();
        }
        self.consensus.matters_from(node.height(), &node.draw)
    }

    /// Validates blocks of the present height that no better one outranks any longer. Returns when that may
    /// be so for the next one, if nothing else happens before.
    pub(crate) fn refresh_outranked(&mut self) -> Option<Monotonic> {
        let times = self.outranked();
        let now = self.now.monotonic;
        for (_, block) in times.iter().filter(|(time, _)| *time <= now) {
            self.validate(*block);
        }
        let later = times.into_iter().map(|(time, _)| time);
        later.filter(|time| *time > now).min()
    }

    /// True when a block of the present height has come to matter.
    pub(crate) fn is_outranked_due(&self) -> bool {
        let mut times = self.outranked().into_iter();
        times.any(|(time, _)| time <= self.now.monotonic)
    }

    /// The outranked blocks of the present height, and from when on they matter.
    fn outranked(&self) -> Vec<(Monotonic, BlockHash)> {
        let height = self.consensus.height();
        let outranked = self.tree.iter().filter(|node| node.height() == height);
        outranked
            .filter(|node| node.is_outranked())
            .map(|node| (self.matters_from(node), node.hash))
            .collect()
    }

    /// Checks header, ticket and place in the chain; `None` when they hold.
    fn judge_place(&mut self, hash: &BlockHash) -> Option<Verdict> {
        let node = self.tree.get(hash)?;
        let (header, list, source) = (
            node.block.header().clone(),
            node.block.block.batches.clone(),
            node.source,
        );
        let parent_hash = header.parent;
        let certified = self.tree.is_certified(&parent_hash);
        let Some((parent, _)) = self.tree.as_parent(&parent_hash).filter(|_| certified) else {
            if let Some(source) = source
                && header.height.previous() > self.tree.head.parent.height
            {
                self.fetch_block(source, header.height.previous(), parent_hash);
            }
            return Some(Verdict::Missing);
        };
        let (signatures, members) = (&*self.signatures, &self.members);
        if let Err(error) = check_header(signatures, &self.chain, members, &parent, &header) {
            return Some(Verdict::Invalid(error.to_string()));
        }
        let ancestors = self.tree.batches_on(&parent_hash);
        let mut sealed_before = list.iter().any(|id| ancestors.contains(id));
        let mut lacking = Lacking::default();
        for id in &list {
            if let Some(held) = self.pool.get(id) {
                lacking.count(&held.batch);
                continue;
            }
            lacking.batches.insert(*id);
            let is_final = self.reader.is_final_batch(id);
            sealed_before |= self.read(is_final).unwrap_or(false);
            let mut unindexed = self.unindexed.iter();
            sealed_before |= unindexed.any(|block| block.batches.contains(id));
        }
        if sealed_before && !mutated(Mutation::SealedBefore) {
            let reason = "a batch in it was sealed before".to_owned();
            return Some(Verdict::Invalid(reason));
        }
        self.tree.get_mut(hash)?.state = State::Lacking(lacking);
        None
    }

    /// Checks what depends on the batches, once they are here, and asks for those that are not.
    fn judge_batches(&mut self, hash: &BlockHash) -> Verdict {
        let Some(node) = self.tree.get(hash) else {
            return Verdict::Missing;
        };
        let State::Lacking(lacking) = &node.state else {
            return Verdict::Missing;
        };
        if lacking.orders > self.limits.max_orders.into()
            || lacking.bytes > self.limits.max_bytes.into()
        {
            let reason = "it seals more than the network's limits allow";
            return Verdict::Invalid(reason.to_owned());
        }
        if !lacking.batches.is_empty() {
            if let (Some(source), count) = (node.source, lacking.batches.len())
                && self.may_ask_batches(source, hash, count)
                && let Some(State::Lacking(lacking)) = self.tree.get(hash).map(|node| &node.state)
            {
                let missing = lacking.batches.iter().copied().collect();
                self.send(To::Peer(source), Message::FetchBatches(missing));
            }
            return Verdict::Missing;
        }
        let (header, list) = (node.block.header(), &node.block.block.batches);
        let batches: Vec<VerifiedBatch> = list
            .iter()
            .filter_map(|id| self.pool.get(id))
            .map(|held| held.batch.clone())
            .collect();
        let Some((parent, frontier)) = self.tree.as_parent(&header.parent) else {
            return Verdict::Missing;
        };
        if batches.len() != list.len() {
            return Verdict::Missing;
        }
        let branch = self.branch(&header.parent);
        let executed = execute(frontier, &branch, &batches);
        let committed = (header.log_size, header.log_root);
        if (executed.frontier.size(), executed.frontier.root()) != committed
            && !mutated(Mutation::AnyLog)
        {
            return Verdict::Invalid(
                "the order log it commits to is not what its orders yield".to_owned(),
            );
        }
        Verdict::Valid(Box::new(Valid {
            executed,
            log_size_before: frontier.size(),
            seed: next_seed(&parent.seed, &header.ticket),
            batches,
            since: self.now.monotonic,
        }))
    }

    fn refuse(&mut self, hash: &BlockHash, reason: String) {
        let certified = self.tree.is_certified(hash);
        let Some(node) = self.tree.get_mut(hash) else {
            return;
        };
        let (height, source) = (node.height(), node.source);
        node.state = State::Invalid(reason.clone());
        if certified {
            self.certified_but_invalid(hash, &reason);
        } else if let Some(source) = source {
            self.fault(
                source,
                format!("it sent an invalid block of height {height}: {reason}"),
            );
        }
    }

    /// A quorum certified what is invalid here: the node stops (§5, rule 4).
    pub(crate) fn certified_but_invalid(&mut self, hash: &BlockHash, reason: &str) {
        let height = self.tree.get(hash).map(Node::height).unwrap_or_default();
        self.out.fatal.get_or_insert(format!(
            "block {height} ({hash}) is certified by a quorum but invalid here: {reason}. Either this node's data or \
             program is damaged, or more members lie than the network tolerates. The node stops so as not to make it \
             worse; compare `dexter status` with the other shops before starting it again",
        ));
    }

    fn accept(&mut self, hash: &BlockHash, valid: Box<Valid>) {
        let Some(node) = self.tree.get_mut(hash) else {
            return;
        };
        let height = node.height();
        let candidate = node.candidate(false);
        node.state = State::Valid(valid);
        if !node.known_final {
            self.consensus.valid(height, candidate);
            if self.tree.certificate(hash).is_some() {
                self.seal(hash);
            }
        }
    }

    /// Marks the valid blocks of the present height votable while every personal part is here and the
    /// timestamp is not too far ahead of the wall clock, which somebody may set. Returns when the next timestamp will be near enough.
    pub(crate) fn refresh_votable(&mut self) -> Option<Monotonic> {
        let height = self.consensus.height();
        let latest = self.now.wall.plus_millis(MAX_AHEAD_MILLIS);
        let mut wake: Option<Monotonic> = None;
        let mut candidates = Vec::new();
        for node in self.tree.iter().filter(|node| node.height() == height) {
            let Some(valid) = node.valid() else { continue };
            let whole = valid
                .batches
                .iter()
                .all(|batch| self.pool.holds_whole(&batch.id()))
                || mutated(Mutation::VoteWithoutPersonal);
            let timestamp = node.block.header().timestamp;
            let timely = timestamp <= latest || mutated(Mutation::VoteForTheFuture);
            if !timely {
                let ahead = types::Micros::from_millis(timestamp.0.saturating_sub(latest.0));
                let due = self.now.monotonic.plus(ahead);
                wake = Some(wake.map_or(due, |other| other.min(due)));
            }
            candidates.push(node.candidate(whole && timely));
        }
        for candidate in candidates {
            self.consensus.valid(height, candidate);
        }
        wake
    }
}

enum Verdict {
    Missing,
    Invalid(String),
    Valid(Box<Valid>),
}
