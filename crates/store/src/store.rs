//! The one writer.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::Path,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use types::{BatchId, ChainId, Height, Mutation, VoteKind, mutated};

use crate::{
    answers::PendingAnswers,
    disk::{Disk, FileDisk},
    error::StoreError,
    evidence::PendingEvidence,
    finalize::Indexer,
    frame::Position,
    index::{FjallIndex, Index, Space},
    layout::{Head, check_format, read_head},
    live::{LiveBatch, LiveHeights},
    log::Log,
    reader::Reader,
    record::Record,
    restore::restore_entries,
    scan::Recovered,
};

/// A segment of the log this long is followed by another: large enough that a new one is rare,
/// small enough to copy, and far below the 4 GiB that a place within a segment can name.
pub const SEGMENT_BYTES: u32 = 256 * 1024 * 1024;
/// How long answers under an idempotency key are kept.
pub const ANSWERS_KEPT_MILLIS: u64 = 24 * 60 * 60 * 1000;

/// Everything persisted up to a sequence number is on disk. Made only by [`Store::sync`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitReceipt {
    sequence: u64,
}

impl CommitReceipt {
    /// The number of the last append that it covers; 0 when there was none.
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }
}

/// What the writer and the readers share.
pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) index: Arc<dyn Index>,
    published: RwLock<Published>,
    poisoned: AtomicBool,
    /// Held as long as anything uses the folder. Last, so that it is released last.
    _lock: Option<File>,
}

/// What readers may see.
#[derive(Default)]
pub(crate) struct Published {
    pub(crate) head: Option<Head>,
    pub(crate) live: BTreeMap<BatchId, LiveBatch>,
}

impl Shared {
    pub(crate) fn published(&self) -> RwLockReadGuard<'_, Published> {
        self.published
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }
    pub(crate) fn publish(&self) -> RwLockWriteGuard<'_, Published> {
        self.published
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
    pub(crate) fn poison(&self) {
        self.poisoned.store(true, Ordering::SeqCst);
    }
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        if self.poisoned.load(Ordering::SeqCst) {
            Err(StoreError::Poisoned)
        } else {
            Ok(())
        }
    }
    pub(crate) fn or_poison<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if result.is_err() {
            self.poison();
        }
        result
    }
}

/// A member's disk, held by the one thread that writes.
pub struct Store {
    pub(crate) shared: Arc<Shared>,
    pub(crate) log: Log,
    pub(crate) heights: LiveHeights,
    /// The final head once all is written that was staged.
    pub(crate) staged: Option<Head>,
    pending: Pending,
    sequence: u64,
}

/// While the log is read at open, what is pending goes to the index in pieces of this many: a write of
/// some hundred kilobytes.
const MOST_PENDING_AT_OPEN: usize = 1024;

/// What is in the log and not yet in the index, apart from what becomes final.
#[derive(Default)]
struct Pending {
    answers: PendingAnswers,
    evidence: PendingEvidence,
}

impl Pending {
    fn is_full(&self) -> bool {
        self.answers.len().max(self.evidence.len()) >= MOST_PENDING_AT_OPEN
    }

    fn write(&mut self, index: &dyn Index) -> Result<(), StoreError> {
        self.answers.write(index)?;
        self.evidence.write(index)
    }
}

impl Store {
    /// Opens the store in a data folder, made if it does not exist: `lock`, `log/` and `index/`. An
    /// index that is missing or damaged is built again.
    ///
    /// # Errors
    /// When another node uses the folder, it belongs to another network or version, it is damaged, or
    /// the disk fails.
    pub fn open(folder: &Path, chain: &ChainId) -> Result<(Self, Recovered), StoreError> {
        let failed = |doing: &str| {
            let doing = format!("{doing} {}", folder.display());
            move |error| StoreError::io(doing, error)
        };
        fs::create_dir_all(folder).map_err(failed("make the data folder"))?;
        let lock = lock(folder)?;
        let disk = FileDisk::open(&folder.join("log")).map_err(failed("open the log in"))?;
        let index_folder = folder.join("index");
        // An index goes as a whole: one that was half removed when the power went must not be taken for one.
        let old_index = folder.join("index.old");
        remove(&old_index).map_err(failed("remove the old index in"))?;
        let opened = FjallIndex::open(&index_folder)
            .map_err(StoreError::from)
            .and_then(|index| {
                check_format(&index, chain)?;
                Ok(index)
            });
        let index = match opened {
            Ok(index) => index,
            Err(_) => {
                fs::rename(&index_folder, &old_index).map_err(failed("set aside the index in"))?;
                let index = FjallIndex::open(&index_folder)?;
                remove(&old_index).map_err(failed("remove the old index in"))?;
                index
            }
        };
        Self::open_with(
            Arc::new(disk),
            Arc::new(index),
            chain,
            SEGMENT_BYTES,
            Some(lock),
        )
    }

    /// Opens the store on a given disk and index, with segments of a given length.
    ///
    /// # Errors
    /// As [`Store::open`]; also when the index belongs to another network.
    pub fn open_on(
        disk: Arc<dyn Disk>,
        index: Arc<dyn Index>,
        chain: &ChainId,
        segment_bytes: u32,
    ) -> Result<(Self, Recovered), StoreError> {
        Self::open_with(disk, index, chain, segment_bytes, None)
    }

    fn open_with(
        disk: Arc<dyn Disk>,
        index: Arc<dyn Index>,
        chain: &ChainId,
        segment_bytes: u32,
        lock: Option<File>,
    ) -> Result<(Self, Recovered), StoreError> {
        assert!(
            segment_bytes <= SEGMENT_BYTES,
            "a segment is at most {SEGMENT_BYTES} bytes"
        );
        check_format(&*index, chain)?;
        let head = read_head(&*index)?;
        let start = Position::start_of(0);
        let (mut from, durable) = head.map_or((start, start), |head| {
            (
                Position::from_u64(head.scan_from),
                Position::from_u64(head.durable),
            )
        });
        if mutated(Mutation::ScanFromEnd) {
            from = durable;
        }
        let shared = Arc::new(Shared {
            disk: Arc::clone(&disk),
            index,
            published: RwLock::new(Published {
                head,
                live: BTreeMap::new(),
            }),
            poisoned: AtomicBool::new(false),
            _lock: lock,
        });
        let mut heights = LiveHeights::above(head.map_or(Height::GENESIS, |head| head.height));
        let mut pending = Pending::default();
        let log = Log::open(
            Arc::clone(&disk),
            chain,
            segment_bytes,
            from,
            durable,
            &mut |position, record| {
                track(&shared, &mut heights, &mut pending, &record, position)?;
                if pending.is_full() {
                    pending.write(&*shared.index)
                } else {
                    Ok(())
                }
            },
        )?;
        pending.write(&*shared.index)?;
        restore_entries(&Reader::new(Arc::clone(&shared)))?;
        let recovered = Recovered::new(disk, from, log.end());
        Ok((
            Self {
                shared,
                log,
                heights,
                staged: head,
                pending,
                sequence: 0,
            },
            recovered,
        ))
    }

    /// Hands records to the system in the order given. They are persisted when a later
    /// [`Store::sync`] returns a receipt for `sequence`, which never falls from call to call.
    ///
    /// # Errors
    /// When a record is too large (then nothing is written), or the disk fails (then the store takes
    /// no more writes).
    pub fn append(&mut self, records: &[Record], sequence: u64) -> Result<(), StoreError> {
        self.shared.check()?;
        assert!(
            sequence >= self.sequence,
            "sequence {sequence} after {}",
            self.sequence
        );
        self.log.prepare(records)?;
        let appended = self.log.append();
        let positions = self.shared.or_poison(appended)?;
        for (record, position) in records.iter().zip(positions) {
            let (heights, pending) = (&mut self.heights, &mut self.pending);
            let tracked = track(&self.shared, heights, pending, record, position);
            self.shared.or_poison(tracked)?;
        }
        if mutated(Mutation::AnswersBeforeSync) {
            self.pending.answers.write(&*self.shared.index)?;
        }
        self.sequence = sequence;
        Ok(())
    }

    /// Makes everything appended so far durable. Costs nothing when it already is.
    ///
    /// # Errors
    /// When the disk fails; the store then takes no more writes.
    pub fn sync(&mut self) -> Result<CommitReceipt, StoreError> {
        self.shared.check()?;
        let synced = self.log.sync();
        self.shared.or_poison(synced)?;
        // Only now: were they in the index before, a crash could leave an answer about orders that
        // were never persisted.
        let written = self.pending.write(&*self.shared.index);
        self.shared.or_poison(written)?;
        Ok(CommitReceipt {
            sequence: self.sequence,
        })
    }

    /// Drops batches that will be in no block, so that a restart need not read them again. Batches
    /// that are not live are passed over; one that comes up again after all is appended again.
    pub fn forget_batches(&mut self, batches: &[BatchId]) {
        let mut published = self.shared.publish();
        for batch in batches {
            published.live.remove(batch);
        }
    }

    /// A reader of final things, for any thread.
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.shared))
    }

    /// Whether it takes writes.
    ///
    /// # Errors
    /// When one has failed, of the log or of the index.
    pub fn check(&self) -> Result<(), StoreError> {
        self.shared.check()
    }

    /// What writes staged blocks into the index, for one other thread.
    pub fn indexer(&self) -> Indexer {
        Indexer::new(Arc::clone(&self.shared))
    }
}

/// Notes where a record is, as far as it is still needed.
fn track(
    shared: &Shared,
    heights: &mut LiveHeights,
    pending: &mut Pending,
    record: &Record,
    position: Position,
) -> Result<(), StoreError> {
    match record {
        Record::Batch(batch, _) => return track_batch(shared, batch.id(), position),
        Record::Answer(answer) => pending.answers.push(answer, position),
        Record::Block(block) => {
            heights.note_block(block.header().height, block.hash(), position);
        }
        Record::Vote(vote) => heights.note(vote.height, position),
        Record::Certificate(certificate) => match certificate.kind {
            VoteKind::Certify => heights.note(certificate.height, position),
            VoteKind::Finalize => {
                heights.note_finality(certificate.height, certificate.block, position)
            }
        },
        Record::FinalityProof(proof) => {
            if let Some(header) = proof.headers.first() {
                heights.note(header.height.previous(), position);
            }
        }
        Record::Evidence(evidence) => {
            pending.evidence.push(evidence, position);
            heights.note(evidence.first.header.height, position);
        }
    }
    Ok(())
}

fn track_batch(shared: &Shared, id: BatchId, position: Position) -> Result<(), StoreError> {
    loop {
        let head = shared.published().head;
        // Readers need the lock, and this may read the disk.
        let known = shared.index.get(Space::Batches, id.as_ref())?.is_some();
        let mut published = shared.publish();
        if published.head != head {
            // More has become final meanwhile, perhaps this batch.
            continue;
        }
        if !known {
            let live = published.live.entry(id).or_insert(LiveBatch {
                first: position,
                latest: position,
                staged: false,
            });
            live.latest = position;
        }
        return Ok(());
    }
}

/// Removes a folder, if there is one.
fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Takes the folder for this process, until the file returned is closed.
fn lock(folder: &Path) -> Result<File, StoreError> {
    let path = folder.join("lock");
    let failed = |error| StoreError::io(format!("lock {}", path.display()), error);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(StoreError::InUse {
            folder: folder.to_path_buf(),
        }),
        Err(fs::TryLockError::Error(error)) => Err(failed(error)),
    }
}
