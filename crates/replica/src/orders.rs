//! Taking orders in, and batches of others (`docs/protocol.md` §3).

use std::sync::Arc;

use ledger::would_record;
use store::{Answer, Record};
use types::{
    Batch, BlockHash, FullBatch, HashedEntry, MemberId, MemberIndex, Message, Mutation, OrderId,
    PersonalPart, RecordedIds as _, Sought, VerifiedBatch, Voucher, encoded_len, mutated,
    order::MAX_ORDER_BYTES,
};

use crate::{
    branch::Branch,
    check::CheckedBatch,
    input::Submission,
    output::{Notice, Refusal, Submitted, To},
    replica::Replica,
    tree::State,
};

/// The most bytes, personal parts included, of one batch of ours: it travels as one message, and a
/// slow link is not blocked by it for long.
const MAX_OWN_BATCH_BYTES: usize = 4 * 1024 * 1024;

/// What a batch takes besides its entries: author, number, signature, lengths, with room to spare.
const BATCH_OVERHEAD: usize = 256;

/// The least a personal part takes beside its texts, in the encoding of a full batch.
const PERSONAL_OVERHEAD: usize = 32;

/// Orders on their way into a batch.
#[derive(Default)]
struct Draft {
    entries: Vec<HashedEntry>,
    personal: Vec<Option<PersonalPart>>,
    public_bytes: usize,
    all_bytes: usize,
}

impl Replica {
    /// Takes orders in: as one batch where they fit, persisted and sent to every member.
    pub(crate) fn submit(&mut self, submissions: Vec<Submission>) {
        let Some(author) = self.my_id else {
            self.out
                .submitted
                .extend(submissions.iter().map(|_| Err(Refusal::Observer)));
            return;
        };
        let orders = submissions.iter().map(|order| order.entry.sought());
        let orders: Vec<Sought<'_>> = orders.collect();
        let recorded = self.branch_of_head().recorded_among(&orders);
        let mut here = foldhash::HashSet::default();
        let mut draft = Draft::default();
        draft.reserve(submissions.len(), &self.genesis);
        self.out.submitted.reserve(submissions.len());
        let mut answers = Vec::new();
        for (place, submission) in submissions.into_iter().enumerate() {
            let Submission {
                entry,
                personal,
                answered,
            } = submission;
            let bytes = entry.bytes();
            let is_recorded = recorded.contains(&place);
            let submitted = self.admit(&author, &entry, is_recorded, &draft, &mut here);
            if let Ok(id) = submitted {
                if let Some(answered) = answered {
                    let (key, body) = (answered.key, answered.body);
                    let record = Record::Answer(Answer {
                        key,
                        body,
                        orders: vec![id],
                        at: self.now.wall,
                    });
                    if mutated(Mutation::AnswerBeforeOrders) {
                        self.out.persist.push(record);
                    } else {
                        answers.push(record);
                    }
                }
                let all = bytes
                    .saturating_add(encoded_len(&personal))
                    .saturating_add(PERSONAL_OVERHEAD);
                if !draft.has_room(bytes, all, &self.genesis) {
                    self.own_batch(author, std::mem::take(&mut draft));
                }
                draft.push(entry, personal, bytes, all);
            }
            self.out.submitted.push(submitted);
        }
        if !draft.entries.is_empty() {
            self.own_batch(author, draft);
        }
        // After the batches: an answer that survives a crash must not promise a lost order.
        self.out.persist.extend(answers);
    }

    /// Whether the pool takes so many orders more of this member, even of the largest size.
    pub fn has_room_for(&self, orders: usize) -> bool {
        let bytes = orders.saturating_mul(MAX_ORDER_BYTES);
        let (orders, bytes) = (
            u64::try_from(orders).unwrap_or(u64::MAX),
            u64::try_from(bytes).unwrap_or(u64::MAX),
        );
        self.my_id
            .is_none_or(|me| self.pool.room_for(&me, orders, bytes).is_ok())
    }

    /// Judges an order beside those that came `here` with it, of which the pool does not hold the draft yet.
    fn admit(
        &self,
        author: &MemberId,
        entry: &HashedEntry,
        is_recorded: bool,
        draft: &Draft,
        here: &mut foldhash::HashSet<OrderId>,
    ) -> Submitted {
        let bytes = entry.bytes();
        if matches!(&entry.entry().order().voucher, Voucher::Till(till) if till != author) {
            return Err(Refusal::ForeignTill);
        }
        if bytes.saturating_add(BATCH_OVERHEAD) > self.genesis.max_block_bytes as usize {
            return Err(Refusal::TooLarge);
        }
        let orders = draft.entries.len().saturating_add(1);
        let bytes = draft.public_bytes.saturating_add(bytes);
        self.pool.room_for(
            author,
            u64::try_from(orders).unwrap_or(u64::MAX),
            u64::try_from(bytes).unwrap_or(u64::MAX),
        )?;
        let id = *entry.id();
        if is_recorded || self.pool.has_order(&id) || !here.insert(id) {
            return Err(Refusal::Duplicate(id));
        }
        Ok(id)
    }

    /// What the final chain holds.
    fn branch_of_head(&self) -> Branch<'_> {
        self.branch(&self.tree.head.parent.hash)
    }

    /// What the branch holds that ends in `tip`, a valid block or the final head.
    pub(crate) fn branch(&self, tip: &BlockHash) -> Branch<'_> {
        Branch::new(&self.tree, &self.unindexed, &self.reader, tip)
    }

    fn own_batch(&mut self, author: MemberId, draft: Draft) {
        // Rises over restarts too, without having to be remembered.
        let by_the_clock = self.now.wall.0.saturating_mul(1_000);
        self.last_batch_number = self.last_batch_number.saturating_add(1).max(by_the_clock);
        let batch = Batch::sign(
            &*self.signatures,
            &self.chain,
            &self.identity,
            author,
            self.last_batch_number,
            draft.entries,
        );
        let personal = Arc::new(draft.personal);
        let full = FullBatch {
            batch: batch.batch().clone(),
            personal: personal.clone(),
        };
        self.send(To::All, Message::Batch(full));
        self.hold(CheckedBatch::own(batch, personal));
    }

    /// A batch from a peer, unasked or fetched.
    pub(crate) fn batch(&mut self, batch: CheckedBatch) {
        let id = batch.batch.id();
        if self
            .pool
            .get(&id)
            .is_some_and(|held| held.complete || !batch.complete)
        {
            return;
        }
        let final_already = self.reader.is_final_batch(&id);
        if self.read(final_already).unwrap_or(true)
            || self
                .unindexed
                .iter()
                .any(|block| block.batches.contains(&id))
        {
            return;
        }
        if !self.tree.iter().any(|node| node.wants(&id)) {
            let author = batch.batch.batch().author;
            let room = self.pool.room_for(
                &author,
                batch.batch.len().into(),
                batch.batch.bytes().into(),
            );
            // One in which nothing is new would be written down, dropped, and could be sent again.
            let branch = self.branch_of_head();
            if !batch.complete || room.is_err() || !would_record(&branch, &batch.batch, 0) {
                return;
            }
        }
        self.hold(batch);
    }

    /// Puts a batch into the pool and goes on with the blocks that waited for it.
    pub(crate) fn hold(&mut self, checked: CheckedBatch) {
        let CheckedBatch {
            batch,
            personal,
            complete,
        } = checked;
        let complete = complete && !self.loses_personal_parts_of(&batch);
        let (held, parts) = (batch.clone(), personal.clone());
        if !self.pool.insert(held, parts, complete) {
            return;
        }
        self.eligible = None;
        let id = batch.id();
        // Dropped before and back again, for example in the course of a recovery.
        self.out.forget.retain(|forgotten| *forgotten != id);
        let record = Record::Batch(batch.clone(), personal.clone());
        self.out.persist.push(record);
        let mut waiting = Vec::new();
        for node in self.tree.iter_mut() {
            if let State::Lacking(lacking) = &mut node.state
                && lacking.batches.remove(&id)
            {
                lacking.count(&batch);
                waiting.push(node.hash);
            }
        }
        self.out.notices.push(Notice::Pooled { batch, personal });
        for hash in waiting {
            self.validate(hash);
        }
    }
}

impl Replica {
    /// Only where a mutation says so.
    fn loses_personal_parts_of(&self, batch: &VerifiedBatch) -> bool {
        let author = self.members.index_of(&batch.batch().author);
        mutated(Mutation::LosePersonalParts)
            && author == Some(MemberIndex(0))
            && self.me.is_some_and(|me| me.0 & 1 == 1)
    }
}

impl Draft {
    fn reserve(&mut self, orders: usize, genesis: &types::Genesis) {
        let orders = orders.min(genesis.max_batch_orders as usize);
        self.entries.reserve(orders);
        self.personal.reserve(orders);
    }

    fn has_room(&self, public: usize, all: usize, genesis: &types::Genesis) -> bool {
        let public = self
            .public_bytes
            .saturating_add(public)
            .saturating_add(BATCH_OVERHEAD);
        let fits = self.entries.len() < genesis.max_batch_orders as usize
            && public <= genesis.max_block_bytes as usize
            && self.all_bytes.saturating_add(all) <= MAX_OWN_BATCH_BYTES;
        fits || self.entries.is_empty()
    }

    fn push(&mut self, entry: HashedEntry, personal: PersonalPart, public: usize, all: usize) {
        self.entries.push(entry);
        self.personal.push(Some(personal));
        self.public_bytes = self.public_bytes.saturating_add(public);
        self.all_bytes = self.all_bytes.saturating_add(all);
    }
}
