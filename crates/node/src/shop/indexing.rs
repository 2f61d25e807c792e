//! The thread that puts into the index what became final, so that the driver, which votes, does not wait
//! for it, and that tells people afterwards: whoever is told finds it there.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{Builder, JoinHandle},
};

use anyhow::anyhow;
use replica::Notice;
use store::{Indexer, Staged, StoreError};
use types::Height;

use super::{OnHappening, View, driver::Wake};

/// So many pieces may wait before the driver has to: some tens of thousands of orders, which are held in
/// memory until then.
const MOST_WAITING: usize = 4;

/// Blocks that became final, and what is to be told of them.
pub(super) struct Piece {
    pub(super) staged: Vec<Staged>,
    pub(super) notices: Vec<Notice>,
}

/// What the thread works with.
pub(super) struct Work {
    pub(super) indexer: Indexer,
    pub(super) view: Arc<View>,
    pub(super) on_happening: OnHappening,
    /// Rung after each piece, and at the end.
    pub(super) wake: Wake,
}

/// The thread, as the driver sees it.
pub(super) struct Indexing {
    pieces: SyncSender<Piece>,
    indexed: Arc<AtomicU64>,
    thread: JoinHandle<Result<(), StoreError>>,
}

impl Indexing {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system has no more threads.
    pub(super) fn start(work: Work) -> io::Result<Self> {
        let (pieces, waiting) = sync_channel(MOST_WAITING);
        let indexed = Arc::new(AtomicU64::new(0));
        let of_thread = indexed.clone();
        let thread = Builder::new()
            .name("dexter-index".to_owned())
            .spawn(move || {
                let ended = work.run(waiting, &of_thread);
                work.wake.ring();
                ended
            })?;
        Ok(Self {
            pieces,
            indexed,
            thread,
        })
    }

    /// Hands a piece over, waiting while too many wait.
    ///
    /// # Errors
    /// When the thread has ended, which [`Indexing::finish`] tells the reason of.
    pub(super) fn put(&self, piece: Piece) -> Result<(), StoreError> {
        self.pieces.send(piece).map_err(|_| StoreError::Poisoned)
    }

    /// Up to which height the index holds what was handed over.
    pub(super) fn height(&self) -> Height {
        Height(self.indexed.load(Ordering::Acquire))
    }

    /// Waits until all is done that was handed over.
    ///
    /// # Errors
    /// Why it could not be.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        drop(self.pieces);
        match self.thread.join() {
            Ok(ended) => Ok(ended?),
            Err(_) => Err(anyhow!("the thread of the index stopped by a bug")),
        }
    }
}

impl Work {
    fn run(&self, pieces: Receiver<Piece>, indexed: &AtomicU64) -> Result<(), StoreError> {
        for piece in pieces {
            let height = piece.staged.last().map(Staged::height);
            for staged in piece.staged {
                self.indexer.write(staged)?;
            }
            self.view.note_all(piece.notices, &*self.on_happening);
            if let Some(height) = height {
                indexed.store(height.0, Ordering::Release);
                self.wake.ring();
            }
        }
        Ok(())
    }
}
