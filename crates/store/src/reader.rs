//! Reading final things, from any thread while the writer writes.

use std::{collections::BTreeSet, sync::Arc};

use types::{
    BatchId, BlockHash, Certificate, Digest, Equivocation, FinalBlock, Frontier, FullBatch, Height,
    LogIndex, LogSize, MemberIndex, OrderId, RecordedIds, Seed, SignedBlock, Sought, merkle,
};

use crate::{
    answers,
    disk::Disk,
    error::StoreError,
    frame::Position,
    index::{Pair, Space},
    layout::{Head, damaged, evidence_key, number, take_number},
    nodes::Nodes,
    record::{self, Answer, Record, read_record},
    store::Shared,
};

/// A view of what is final. Every answer is of one final head: what becomes final meanwhile is not
/// seen half.
#[derive(Clone)]
pub struct Reader {
    pub(crate) shared: Arc<Shared>,
}

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    pub(crate) fn head(&self) -> Option<Head> {
        self.shared.published().head
    }

    pub(crate) fn size(&self) -> u64 {
        self.log_size().0
    }

    /// Height and hash of the last final block; `None` before the first.
    pub fn final_head(&self) -> Option<(Height, BlockHash)> {
        self.head().map(|head| (head.height, head.hash))
    }

    /// How many entries are final.
    pub fn log_size(&self) -> LogSize {
        self.head().map_or(LogSize(0), |head| head.log_size)
    }

    /// The order log's right edge at the final head.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn frontier(&self) -> Result<Frontier, StoreError> {
        Nodes::at(&self.shared, self.log_size()).frontier()
    }

    /// The final block of a height.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn block(&self, height: Height) -> Result<Option<SignedBlock>, StoreError> {
        let final_height = self.head().map_or(Height::GENESIS, |head| head.height);
        if height == Height::GENESIS || height > final_height {
            return Ok(None);
        }
        let position = self
            .place(Space::Blocks, height)?
            .ok_or_else(|| damaged("a final block's entry"))?;
        match read(&*self.shared.disk, position)? {
            Record::Block(block) => Ok(Some(block)),
            _ => Err(wrong_kind(position, "a block")),
        }
    }

    /// The seed that the tickets of the height above a final block are drawn on.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn seed(&self, height: Height) -> Result<Option<Seed>, StoreError> {
        if self.head().is_none_or(|head| height > head.height) {
            return Ok(None);
        }
        let Some(value) = self.shared.index.get(Space::Blocks, &number(height.0))? else {
            return Ok(None);
        };
        let seed = value
            .last_chunk::<32>()
            .ok_or_else(|| damaged("a block's entry"))?;
        Ok(Some(Seed::new(*seed)))
    }

    /// The height of a final block.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn height_of(&self, hash: &BlockHash) -> Result<Option<Height>, StoreError> {
        let head = self.head();
        let Some(value) = self.shared.index.get(Space::Hashes, hash.as_ref())? else {
            return Ok(None);
        };
        let height = Height(take_number(&mut &value[..], "a block's entry")?);
        Ok(head.filter(|head| height <= head.height).map(|_| height))
    }

    /// A batch, final or not yet.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn batch(&self, id: &BatchId) -> Result<Option<FullBatch>, StoreError> {
        let live = self.shared.published().live.get(id).map(|live| live.latest);
        let position = match live {
            Some(position) => Some(position),
            None => self.final_batch(id)?,
        };
        position
            .map(|position| read_batch(&*self.shared.disk, position))
            .transpose()
    }

    /// True when a final block seals the batch.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn is_final_batch(&self, id: &BatchId) -> Result<bool, StoreError> {
        Ok(self.final_batch(id)?.is_some())
    }

    fn final_batch(&self, id: &BatchId) -> Result<Option<Position>, StoreError> {
        const WHAT: &str = "a batch's entry";
        let head = self.head();
        let Some(value) = self.shared.index.get(Space::Batches, id.as_ref())? else {
            return Ok(None);
        };
        let mut value = &value[..];
        let position = Position::from_u64(take_number(&mut value, WHAT)?);
        let height = Height(take_number(&mut value, WHAT)?);
        Ok(head.filter(|head| height <= head.height).map(|_| position))
    }

    /// A final block with its batches.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn final_block(&self, height: Height) -> Result<Option<FinalBlock>, StoreError> {
        let Some(block) = self.block(height)? else {
            return Ok(None);
        };
        let mut batches = Vec::with_capacity(block.block.batches.len());
        for id in &block.block.batches {
            batches.push(
                self.batch(id)?
                    .ok_or_else(|| damaged("a final block's batch"))?,
            );
        }
        Ok(Some(FinalBlock { block, batches }))
    }

    /// The finality certificate of exactly this height; many heights have none of their own.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn certificate(&self, height: Height) -> Result<Option<Certificate>, StoreError> {
        let position = self.place(Space::Certificates, height)?;
        position
            .map(|position| self.certificate_at(position))
            .transpose()
    }

    /// The first finality certificate at or above a height.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn next_certificate(&self, at_or_above: Height) -> Result<Option<Certificate>, StoreError> {
        let Some(head) = self.head() else {
            return Ok(None);
        };
        let (from, to) = (number(at_or_above.0), number(head.height.0));
        let found = self
            .shared
            .index
            .range(Space::Certificates, &from, &to, 1)?;
        let Some((_, value)) = found.first() else {
            return Ok(None);
        };
        let position = Position::from_u64(take_number(&mut &value[..], "a certificate's entry")?);
        self.certificate_at(position).map(Some)
    }

    fn certificate_at(&self, position: Position) -> Result<Certificate, StoreError> {
        match read(&*self.shared.disk, position)? {
            Record::Certificate(certificate) => Ok(certificate),
            _ => Err(wrong_kind(position, "a certificate")),
        }
    }

    /// Evidence against members that lied, the highest height first, at most `limit` pieces. Unlike the
    /// rest it need not be about final heights.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn evidence(&self, limit: usize) -> Result<Vec<Equivocation>, StoreError> {
        let (first, last) = (
            evidence_key(Height(u64::MAX), MemberIndex(u16::MAX)),
            evidence_key(Height::GENESIS, MemberIndex(0)),
        );
        let index = &self.shared.index;
        let found = index.range(Space::Evidence, &first, &last, limit)?;
        let read_one = |(_, value): &Pair| {
            let place = take_number(&mut &value[..], "a piece of evidence's entry")?;
            let position = Position::from_u64(place);
            match read(&*self.shared.disk, position)? {
                Record::Evidence(evidence) => Ok(evidence),
                _ => Err(wrong_kind(position, "evidence")),
            }
        };
        found.iter().map(read_one).collect()
    }

    /// Where the log holds what a space has for a final height.
    fn place(&self, space: Space, height: Height) -> Result<Option<Position>, StoreError> {
        if self.head().is_none_or(|head| height > head.height) {
            return Ok(None);
        }
        let Some(value) = self.shared.index.get(space, &number(height.0))? else {
            return Ok(None);
        };
        Ok(Some(Position::from_u64(take_number(
            &mut &value[..],
            "a height's entry",
        )?)))
    }

    /// The inclusion path of an entry in the order log as it was at a size; `None` when the entry is
    /// not below the size or the size not yet final.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn inclusion_path(
        &self,
        leaf: LogIndex,
        size: LogSize,
    ) -> Result<Option<Vec<Digest>>, StoreError> {
        if size > self.log_size() {
            return Ok(None);
        }
        let mut failure = None;
        let mut nodes = Nodes::at(&self.shared, size);
        let path = merkle::inclusion_path(leaf, size, &mut |node| {
            nodes.node(node).unwrap_or_else(|error| {
                failure = Some(error);
                None
            })
        });
        failure.map_or(Ok(path), Err)
    }

    /// The answer given under an idempotency key. Whether it is still young enough to be given again
    /// is the caller's to judge by its time: old ones are removed some time after a day.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn answer(&self, key: &Digest) -> Result<Option<Answer>, StoreError> {
        let Some(value) = self.shared.index.get(Space::Answers, key.as_ref())? else {
            return Ok(None);
        };
        let (position, _) = answers::read_value(&value)?;
        match read(&*self.shared.disk, position)? {
            Record::Answer(answer) if answer.key == *key => Ok(Some(answer)),
            _ => Err(wrong_kind(position, "this key's answer")),
        }
    }

    /// The place of a final order in the order log.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn log_index(&self, id: &OrderId) -> Result<Option<LogIndex>, StoreError> {
        Ok(self.log_indexes(&[id.into()])?.into_iter().flatten().next())
    }

    /// The place of each of these orders that is final.
    fn log_indexes(&self, orders: &[Sought<'_>]) -> Result<Vec<Option<LogIndex>>, StoreError> {
        let size = self.size();
        let places = self.shared.index.places_of_orders(orders)?.into_iter();
        Ok(places
            .map(|place| place.filter(|place| place.0 < size))
            .collect())
    }
}

/// # Panics
/// When the index cannot be read: to go on with a guess would fork the chain, so the process must end.
impl RecordedIds for Reader {
    fn is_recorded(&self, order: Sought<'_>) -> bool {
        !self.recorded_among(&[order]).is_empty()
    }

    fn recorded_among(&self, orders: &[Sought<'_>]) -> BTreeSet<usize> {
        match self.log_indexes(orders) {
            Ok(indexes) => {
                let recorded = (0..).zip(indexes).filter(|(_, index)| index.is_some());
                recorded.map(|(place, _)| place).collect()
            }
            Err(error) => {
                self.shared.poison();
                panic!(
                    "cannot tell which of {} orders are recorded: {error}",
                    orders.len()
                );
            }
        }
    }
}

fn read(disk: &dyn Disk, position: Position) -> Result<Record, StoreError> {
    let (record, _) = read_record(disk, position).map_err(|fault| fault.at(position))?;
    record.ok_or_else(|| wrong_kind(position, "a record"))
}

fn read_batch(disk: &dyn Disk, position: Position) -> Result<FullBatch, StoreError> {
    record::read_batch(disk, position).map_err(|fault| fault.at(position))
}

/// The log is right, so the index that led there is not.
fn wrong_kind(position: Position, what: &str) -> StoreError {
    damaged(&format!(
        "an entry that should lead to {what}, but leads to {position},"
    ))
}
