//! Asking for and serving what is missing (`docs/protocol.md` §7).

use store::{FinalityProof, Record};
use types::{
    BatchId, BlockHash, Digest, FinalBlock, FullBatch, Header, Height, IdentityPublicKey, Message,
    Mutation, Proposal, Status, encoded_len, encoding, message::MAX_FINALITY_HEADERS, mutated,
};

use crate::{check::CheckedFinalBlock, output::To, replica::Replica, tree::Node};

/// About how many bytes one answer carries: enough to keep a fast link busy, little enough not to keep
/// votes waiting behind it.
const ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// The most blocks in one answer.
const ANSWER_BLOCKS: usize = 512;

/// What one encoded header takes, at most: to reckon answers with.
const HEADER_BYTES: usize = 320;

impl Replica {
    /// A peer tells where it stands: ask for what we lack, or tell it that it lacks something.
    pub(crate) fn status(&mut self, from: IdentityPublicKey, status: Status) {
        if let Some(known) = self.peers.get_mut(&from) {
            *known = Some(status);
        }
        if mutated(Mutation::NoStatusAnswer) {
            return;
        }
        let ours = self.tree.head.parent.height;
        if status.final_height > ours {
            self.fetch_final(from);
        } else if status.final_height < ours {
            self.send_status(To::Peer(from));
        } else if status.height < self.consensus.height() {
            let answer: Digest = encoding::hash(encoding::Domain::Header, &("certified", ours));
            if self.may_ask(from, *answer.as_bytes()) {
                self.send_certified(from);
            }
        }
    }

    pub(crate) fn connected(&mut self, peer: IdentityPublicKey) {
        self.peers.entry(peer).or_insert(None);
        self.send_status(To::Peer(peer));
        self.send_again(To::Peer(peer));
    }

    pub(crate) fn send_status(&mut self, to: To) {
        let status = Status {
            epoch: types::Epoch(0),
            height: self.consensus.height(),
            final_height: self.tree.head.parent.height,
        };
        self.send(to, Message::Status(status));
    }

    /// The certified blocks above the final head, for a peer that has the same one but is at a lower
    /// height.
    fn send_certified(&mut self, to: IdentityPublicKey) {
        let path = self.tree.path(&self.consensus.parent()).unwrap_or_default();
        for hash in path
            .iter()
            .rev()
            .take(usize::try_from(crate::replica::HEIGHT_WINDOW).unwrap_or(usize::MAX))
        {
            self.send_block(to, hash);
            if let Some(certificate) = self.tree.certificate(hash).cloned() {
                self.send(To::Peer(to), Message::Certificate(certificate));
            }
        }
    }

    /// Sends a block above the final head with its parent's certificate.
    pub(crate) fn send_block(&mut self, to: IdentityPublicKey, hash: &BlockHash) {
        if let Some(proposal) = self.proposal_of(hash) {
            self.send(To::Peer(to), Message::Proposal(Box::new(proposal)));
        }
    }

    pub(crate) fn proposal_of(&self, hash: &BlockHash) -> Option<Proposal> {
        // Who passes an invalid block on would be blamed for it.
        let node = self.tree.get(hash).filter(|node| !node.is_invalid())?;
        let parent = node.parent();
        let on_head = parent == self.tree.head.parent.hash;
        let head_certificate = self.head_certificate.as_ref().filter(|_| on_head);
        let parent_certificate = self.tree.certificate(&parent).or(head_certificate).cloned();
        Some(Proposal {
            block: node.block.clone(),
            parent_certificate,
        })
    }

    /// Asks for final blocks from the one above ours on.
    fn fetch_final(&mut self, from: IdentityPublicKey) {
        let next = self.tree.head.parent.height.next();
        let question: Digest = encoding::hash(encoding::Domain::Header, &("final", next));
        if self.may_ask(from, *question.as_bytes()) {
            self.send(To::Peer(from), Message::FetchFinal { from: next });
        }
    }

    /// After some blocks became final: if a peer has more, ask for them at once.
    ///
    /// First choice is the peer that served the last ones: one that only claims to be ahead of everybody
    /// must not draw all the questions.
    pub(crate) fn go_on_catching_up(&mut self, served: Option<IdentityPublicKey>) {
        let ours = self.tree.head.parent.height;
        let waiting_for_blocks = self.tree.iter().any(|node| node.known_final);
        let ahead = self
            .peers
            .iter()
            .filter_map(|(peer, status)| Some((status.as_ref()?.final_height, *peer)))
            .filter(|(height, _)| *height > ours)
            .max_by_key(|(height, peer)| (Some(*peer) == served, *height));
        if let Some((_, peer)) = ahead
            && !waiting_for_blocks
        {
            self.fetch_final(peer);
        }
    }

    /// Asks a voter for a block that is not here whole: the block, or what it lacks.
    pub(crate) fn fetch_whole(
        &mut self,
        from: IdentityPublicKey,
        height: Height,
        block: BlockHash,
    ) {
        let Some(node) = self.tree.get(&block) else {
            self.fetch_block(from, height, block);
            return;
        };
        let missing: Vec<BatchId> = node
            .block
            .block
            .batches
            .iter()
            .filter(|id| !self.pool.holds_whole(id))
            .copied()
            .collect();
        if missing.is_empty() {
            // The parent or its certificate is what is missing: both come with the block.
            self.fetch_block(from, height, block);
        } else if self.may_ask_batches(from, &block, missing.len()) {
            self.send(To::Peer(from), Message::FetchBatches(missing));
        }
    }

    pub(crate) fn fetch_block(
        &mut self,
        from: IdentityPublicKey,
        height: Height,
        block: BlockHash,
    ) {
        if self.may_ask(from, *block.as_bytes()) {
            self.send(To::Peer(from), Message::FetchBlock { height, block });
        }
    }

    /// Whether so many missing batches of a block may be asked for: again at once only when half of them
    /// have come. With every batch that arrives the rest is missing still, and mostly on its way.
    pub(crate) fn may_ask_batches(
        &mut self,
        from: IdentityPublicKey,
        block: &BlockHash,
        missing: usize,
    ) -> bool {
        let about = missing.checked_ilog2().unwrap_or_default();
        let question: Digest = encoding::hash(encoding::Domain::BatchList, &(block, about));
        self.may_ask(from, *question.as_bytes())
    }

    pub(crate) fn answer_fetch_block(
        &mut self,
        to: IdentityPublicKey,
        height: Height,
        block: BlockHash,
    ) {
        if height <= self.tree.head.parent.height {
            self.answer_fetch_final(to, height);
        } else {
            self.send_block(to, &block);
        }
    }

    pub(crate) fn answer_fetch_batches(&mut self, to: IdentityPublicKey, wanted: &[BatchId]) {
        let mut bytes = 0_usize;
        for id in wanted {
            if bytes >= ANSWER_BYTES {
                return;
            }
            let full = match self.pool.get(id) {
                Some(held) => Some(held.full()),
                None => {
                    let stored = self.reader.batch(id);
                    self.read(stored).flatten()
                }
            };
            if let Some(full) = full {
                bytes = bytes.saturating_add(encoded_len(&full));
                self.send(To::Peer(to), Message::Batch(full));
            }
        }
    }

    /// Serves final blocks from a height on, and a finality certificate that covers them.
    pub(crate) fn answer_fetch_final(&mut self, to: IdentityPublicKey, from: Height) {
        // Megabytes for a few bytes: the same ones to the same peer only now and then.
        let question: Digest = encoding::hash(encoding::Domain::Header, &("serve", from));
        if self.may_ask(to, *question.as_bytes()) {
            self.serve_final(to, from);
        }
    }

    /// Answers those who asked for final blocks before the index held them.
    pub(crate) fn answer_unanswered(&mut self) {
        for (peer, from) in std::mem::take(&mut self.unanswered) {
            self.serve_final(peer, from);
        }
    }

    fn serve_final(&mut self, to: IdentityPublicKey, from: Height) {
        let mut unindexed = self.unindexed.iter().map(|block| block.height);
        let indexed = unindexed.next().is_none_or(|first| from < first);
        let answer = if indexed {
            let answer = self.final_answer(from);
            self.read(answer).flatten()
        } else {
            None
        };
        if let Some(message) = answer {
            self.send(To::Peer(to), message);
        } else if !self.unindexed.is_empty() && from <= self.tree.head.parent.height {
            // Of several questions the lowest is answered: its answer follows on what the peer has.
            let asked = self.unanswered.entry(to).or_insert(from);
            *asked = from.min(*asked);
        }
    }

    fn final_answer(&self, from: Height) -> Result<Option<Message>, store::StoreError> {
        let mut bytes = 0_usize;
        let mut blocks: Vec<FinalBlock> = Vec::new();
        let mut next = from.max(Height::GENESIS.next());
        while bytes < ANSWER_BYTES && blocks.len() < ANSWER_BLOCKS {
            let Some(mut block) = self.reader.final_block(next)? else {
                break;
            };
            let mut carried: Vec<FullBatch> = Vec::new();
            for batch in block.batches {
                // What does not fit is asked for batch by batch.
                if bytes < ANSWER_BYTES {
                    bytes = bytes.saturating_add(encoded_len(&batch));
                    carried.push(batch);
                }
            }
            block.batches = carried;
            bytes = bytes
                .saturating_add(HEADER_BYTES)
                .saturating_add(block.block.block.batches.len().saturating_mul(32));
            blocks.push(block);
            next = next.next();
        }
        let Some(last) = blocks.last().map(|block| block.block.header().height) else {
            return Ok(None);
        };
        let Some(certificate) = self.reader.next_certificate(last)? else {
            return Ok(None);
        };
        let mut headers: Vec<Header> = Vec::new();
        let mut height = last.next();
        while height <= certificate.height && headers.len() < MAX_FINALITY_HEADERS {
            let Some(block) = self.reader.block(height)? else {
                break;
            };
            headers.push(block.block.header);
            height = height.next();
        }
        Ok(Some(Message::FinalBlocks {
            blocks,
            headers,
            certificate,
        }))
    }

    /// Final blocks from a peer: they hang together and the certificate holds, which was checked. They
    /// are executed here all the same.
    pub(crate) fn final_blocks(
        &mut self,
        from: IdentityPublicKey,
        blocks: Vec<CheckedFinalBlock>,
        proof: FinalityProof,
    ) {
        let head = self.tree.head.parent;
        let mut news = blocks
            .into_iter()
            .filter(|block| block.block.header().height > head.height)
            .peekable();
        let Some(first) = news.peek() else { return };
        if first.block.header().height != head.height.next() {
            return;
        }
        if first.block.header().parent != head.hash {
            self.out.fatal.get_or_insert(format!(
                "a quorum finalized a chain that does not contain our final block {} ({}): more members lie than this \
                 network tolerates, or two networks share one genesis. The node stops; compare `dexter chain show` with \
                 the other shops",
                head.height, head.hash,
            ));
            return;
        }
        let mut hashes = Vec::new();
        let mut carried = Vec::new();
        let mut last = None;
        for CheckedFinalBlock { block, batches } in news {
            let hash = block.hash();
            last = Some((block.header().height, hash));
            hashes.push(hash);
            match self.tree.get_mut(&hash) {
                Some(node) => {
                    node.known_final = true;
                    node.source = Some(from);
                }
                None => {
                    self.out.persist.push(Record::Block(block.clone()));
                    self.tree.insert(Node {
                        source: Some(from),
                        persisted: true,
                        known_final: true,
                        ..self.waiting(block, hash)
                    });
                }
            }
            carried.extend(batches);
            if let Some(reason) = self.invalid_reason(&hash) {
                self.certified_but_invalid(&hash, &reason);
                return;
            }
        }
        for batch in carried {
            self.batch(batch);
        }
        if let Some((height, hash)) = last {
            self.known_final(height, hash, proof);
        }
        for hash in hashes {
            self.validate(hash);
        }
    }
}
