//! The list of runs, and the thread that writes and merges files, so that the one who adds pairs never
//! waits for that, unless it falls far behind.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock,
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, JoinHandle},
};

use super::{ORDERS_TO_FLUSH, OnFlushed, file, run::Run, to_merge};

/// So many runs that should be in files may be in memory before whoever adds more has to wait.
const MOST_WAITING: usize = 4;

type List = Arc<[Arc<Run>]>;

struct Shared {
    folder: PathBuf,
    list: RwLock<List>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// A job is under way.
    is_busy: bool,
    /// Why no job can be done any more.
    failure: Option<String>,
}

/// Owns the list; its thread ends with it.
pub(super) struct Worker {
    shared: Arc<Shared>,
    /// `None` when it is being dropped.
    jobs: Option<Sender<Vec<Arc<Run>>>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub(super) fn start(
        folder: PathBuf,
        runs: Vec<Arc<Run>>,
        on_flushed: OnFlushed,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            folder,
            list: RwLock::new(runs.into()),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let (jobs, waiting) = channel();
        let of_thread = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("index runs".to_owned())
            .spawn(move || work(&of_thread, &waiting, &on_flushed))?;
        Ok(Self {
            shared,
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    pub(super) fn list(&self) -> List {
        self.shared.list()
    }

    /// Puts a run in memory at the end, merges it with its neighbours there, and sees to it that what
    /// is long enough goes to files.
    pub(super) fn add(&self, run: Run) -> io::Result<()> {
        self.shared.change(|runs| runs.push(Arc::new(run)));
        while let Some(runs) = mergeable_in_memory(&self.list()) {
            let merged = Arc::new(merge_in_memory(&runs)?);
            self.shared.replace(&runs, merged);
        }
        let mut state = self.shared.state();
        loop {
            if let Some(failure) = &state.failure {
                return Err(io::Error::other(failure.clone()));
            }
            let list = self.list();
            let Some(job) = next_job(&list) else {
                return Ok(());
            };
            if !state.is_busy {
                state.is_busy = true;
                if let Some(jobs) = &self.jobs {
                    // The thread lives as long as the sender.
                    let _ = jobs.send(job);
                }
            }
            let waiting = list.iter().filter(|run| waits(run)).count();
            if waiting <= MOST_WAITING {
                return Ok(());
            }
            let changed = self.shared.changed.wait(state);
            state = changed.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // It can only have ended by a panic, which was printed.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn list(&self) -> List {
        Arc::clone(&self.list.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the list, seen by readers as a whole.
    fn change(&self, change: impl FnOnce(&mut Vec<Arc<Run>>)) {
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        let mut runs = list.to_vec();
        change(&mut runs);
        *list = runs.into();
    }

    /// Puts one run in the place of neighbours that it was merged from.
    fn replace(&self, neighbours: &[Arc<Run>], merged: Arc<Run>) {
        self.change(|runs| {
            let first = runs.iter().position(|run| Arc::ptr_eq(run, &neighbours[0]));
            let first = first.expect("only these two threads change the list, each its own part");
            runs.splice(first..first + neighbours.len(), [merged]);
        });
    }
}

fn waits(run: &Run) -> bool {
    !run.is_file() && run.len() >= ORDERS_TO_FLUSH
}

/// What is to be done first: the oldest run that waits for its file, together with shorter ones before
/// it, which nothing else would ever take out of memory; or files to be merged.
fn next_job(runs: &[Arc<Run>]) -> Option<Vec<Arc<Run>>> {
    let files = runs.iter().take_while(|run| run.is_file()).count();
    let in_memory = &runs[files..];
    if let Some(waiting) = in_memory.iter().position(|run| waits(run)) {
        return Some(in_memory[..=waiting].to_vec());
    }
    let start = to_merge(&runs[..files])?;
    Some(runs[start..files].to_vec())
}

/// Runs in memory that are to be merged there. Those that wait for the thread are left alone.
fn mergeable_in_memory(runs: &[Arc<Run>]) -> Option<Vec<Arc<Run>>> {
    let short = |run: &&Arc<Run>| !run.is_file() && run.len() < ORDERS_TO_FLUSH;
    let short = runs.iter().rev().take_while(short).count();
    let runs = &runs[runs.len() - short..];
    to_merge(runs).map(|start| runs[start..].to_vec())
}

fn merge_in_memory(runs: &[Arc<Run>]) -> io::Result<Run> {
    let start = runs.first().map_or(0, |run| run.places().start);
    let end = runs.last().map_or(0, |run| run.places().end);
    let mut tables = super::Tables::default();
    for (table, pairs) in tables.iter_mut().enumerate() {
        pairs.reserve_exact(runs.iter().map(|run| run.count(table)).sum());
        for run in runs {
            pairs.extend(run.chunk(table, 0)?);
        }
        // Sorted piece by piece: this merges them.
        pairs.sort();
    }
    Ok(Run::sorted(start..end, tables))
}

fn work(shared: &Shared, jobs: &Receiver<Vec<Arc<Run>>>, on_flushed: &OnFlushed) {
    for job in jobs {
        // Nobody may wait for ever for a thread that has ended.
        let done = catch_unwind(AssertUnwindSafe(|| perform(shared, &job, on_flushed)));
        let done = done.unwrap_or_else(|_| Err(io::Error::other("the merge failed")));
        let mut state = shared.state();
        state.is_busy = false;
        state.failure = done.err().map(|error| {
            format!(
                "cannot write a sorted run in {}: {error}",
                shared.folder.display()
            )
        });
        shared.changed.notify_all();
    }
}

fn perform(shared: &Shared, job: &[Arc<Run>], on_flushed: &OnFlushed) -> io::Result<()> {
    let merged = Arc::new(file::write(&shared.folder, job)?);
    let end = merged.places().end;
    shared.replace(job, merged);
    for run in job {
        run.remove_file();
    }
    if job.iter().any(|run| !run.is_file()) {
        on_flushed(end)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_memory(lengths: &[u64]) -> Vec<Arc<Run>> {
        let mut end = 0;
        let lengths = lengths.iter();
        lengths
            .map(|length| {
                let start = end;
                end += length;
                Arc::new(Run::in_memory(start..end, super::super::Tables::default()))
            })
            .collect()
    }

    #[test]
    fn a_short_run_is_not_left_behind_by_a_longer_one() {
        // Large blocks: 50,000 were more than each three that followed, which became a long run themselves.
        assert!(mergeable_in_memory(&in_memory(&[50_000, 15_000, 15_000, 15_000])).is_none());
        let runs = in_memory(&[50_000, 70_000, 80_000, 10]);
        let job = next_job(&runs).expect("two runs wait for their files");
        let places: Vec<_> = job.iter().map(|run| run.places().clone()).collect();
        assert_eq!(places, [0..50_000, 50_000..120_000]);
    }
}
