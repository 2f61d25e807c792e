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

use super::{
    ORDERS_TO_FLUSH, PIECES_TO_FLUSH, file,
    run::{Piece, Run, Tables},
    to_merge,
};

/// So many files may have to be written before whoever adds more has to wait.
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
    /// The thread works.
    is_busy: bool,
    /// It is to begin nothing any more.
    is_ending: bool,
    /// Why no job can be done any more.
    failure: Option<String>,
}

/// Owns the list; its thread ends with it.
pub(super) struct Worker {
    shared: Arc<Shared>,
    /// Has the thread look for work; `None` when it is being dropped.
    bell: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub(super) fn start(folder: PathBuf, runs: Vec<Arc<Run>>) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            folder,
            list: RwLock::new(runs.into()),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let (bell, rung) = channel();
        let of_thread = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("index runs".to_owned())
            .spawn(move || work(&of_thread, &rung))?;
        Ok(Self {
            shared,
            bell: Some(bell),
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
        loop {
            let list = self.list();
            let Some(runs) = Plan::of(&list).mergeable_in_memory() else {
                break;
            };
            let merged = Arc::new(merge_in_memory(runs)?);
            self.shared.replace(runs, merged);
        }
        let mut state = self.shared.state();
        loop {
            if let Some(failure) = &state.failure {
                return Err(io::Error::other(failure.clone()));
            }
            let list = self.list();
            let plan = Plan::of(&list);
            if plan.next_job().is_none() {
                return Ok(());
            }
            if !state.is_busy {
                state.is_busy = true;
                if let Some(bell) = &self.bell {
                    // The thread lives as long as the sender.
                    let _ = bell.send(());
                }
            }
            if plan.waiting.len() <= MOST_WAITING {
                return Ok(());
            }
            let changed = self.shared.changed.wait(state);
            state = changed.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.shared.state().is_ending = true;
        drop(self.bell.take());
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

    /// What the thread is to do next; without anything it works no more. Whoever adds looks at that after what
    /// was added is in the list, so nothing is left undone.
    fn next_job(&self) -> Option<Vec<Arc<Run>>> {
        let mut state = self.state();
        let list = self.list();
        let job = Plan::of(&list).next_job();
        let job = job.filter(|_| state.failure.is_none() && !state.is_ending);
        state.is_busy = job.is_some();
        job.map(<[Arc<Run>]>::to_vec)
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

/// A list of runs, the oldest first, seen as what is to become of them.
struct Plan<'a> {
    files: &'a [Arc<Run>],
    /// Runs in memory that are long enough together, or of many pieces: each group becomes one file. More runs
    /// behind them change nothing about it, so one thread can write them while the other adds and merges.
    waiting: Vec<&'a [Arc<Run>]>,
    /// Those in memory that are not, yet.
    short: &'a [Arc<Run>],
}

impl<'a> Plan<'a> {
    fn of(runs: &'a [Arc<Run>]) -> Self {
        let files = runs.iter().take_while(|run| run.is_file()).count();
        let (files, mut short) = runs.split_at(files);
        let mut waiting = Vec::new();
        let (mut count, mut orders, mut pieces) = (0, 0, 0);
        while let Some(run) = short.get(count) {
            count += 1;
            orders += run.len();
            pieces += run.pieces();
            if orders >= ORDERS_TO_FLUSH || pieces >= PIECES_TO_FLUSH {
                let (group, rest) = short.split_at(count);
                waiting.push(group);
                (short, count, orders, pieces) = (rest, 0, 0, 0);
            }
        }
        Self {
            files,
            waiting,
            short,
        }
    }

    /// What the thread is to do first: write the oldest that waits, or merge files.
    fn next_job(&self) -> Option<&'a [Arc<Run>]> {
        let files = || to_merge(self.files).map(|start| &self.files[start..]);
        self.waiting.first().copied().or_else(files)
    }

    /// Runs in memory that are to be merged there.
    fn mergeable_in_memory(&self) -> Option<&'a [Arc<Run>]> {
        to_merge(self.short).map(|start| &self.short[start..])
    }
}

fn merge_in_memory(runs: &[Arc<Run>]) -> io::Result<Run> {
    let start = runs.first().map_or(0, |run| run.places().start);
    let end = runs.last().map_or(0, |run| run.places().end);
    let mut tables = Tables::default();
    for (table, pairs) in tables.iter_mut().enumerate() {
        pairs.reserve_exact(runs.iter().map(|run| run.count(table)).sum());
        for run in runs {
            pairs.extend(run.chunk(table, 0)?);
        }
        // Sorted piece by piece: this merges them.
        pairs.sort();
    }
    let pieces = runs.iter().map(|run| run.pieces()).sum();
    let places = start..end;
    Ok(Run::sorted(Piece { places, tables }, pieces))
}

fn work(shared: &Shared, rung: &Receiver<()>) {
    for () in rung {
        while let Some(job) = shared.next_job() {
            // Nobody may wait for ever for a thread that has ended.
            let done = catch_unwind(AssertUnwindSafe(|| perform(shared, &job)));
            let done = done.unwrap_or_else(|_| Err(io::Error::other("the merge failed")));
            shared.state().failure = done.err().map(|error| {
                format!(
                    "cannot write a sorted run in {}: {error}",
                    shared.folder.display()
                )
            });
            shared.changed.notify_all();
        }
    }
}

fn perform(shared: &Shared, job: &[Arc<Run>]) -> io::Result<()> {
    let merged = Arc::new(file::write(&shared.folder, job)?);
    shared.replace(job, merged);
    for run in job {
        run.remove_file();
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
                Arc::new(Run::in_memory(Piece {
                    places: start..end,
                    ..Piece::default()
                }))
            })
            .collect()
    }

    #[test]
    fn what_is_long_enough_together_becomes_one_file() {
        let lengths = [50_000, 70_000, 80_000, 131_072, 10, 10];
        let runs = in_memory(&lengths);
        let plan = Plan::of(&runs);
        let counts =
            |groups: &[&[Arc<Run>]]| groups.iter().map(|group| group.len()).collect::<Vec<_>>();
        assert_eq!(counts(&plan.waiting), [3, 1]);
        assert_eq!(plan.short.len(), 2);
        let job = plan.next_job().expect("two files are to be written");
        assert_eq!(job.last().expect("it has runs").places().end, 200_000);
        assert!(plan.mergeable_in_memory().is_none());
        // Many short ones are merged, never with those that wait.
        let runs = in_memory(&[[131_072].as_slice(), &[5; 9]].concat());
        let plan = Plan::of(&runs);
        let merged = plan.mergeable_in_memory().expect("nine short ones");
        assert_eq!(merged.first().expect("it has runs").places().start, 131_077);
        assert_eq!(merged.len(), 8);
    }

    #[test]
    fn what_came_in_many_pieces_becomes_a_file_too() {
        let runs = in_memory(&[1; PIECES_TO_FLUSH]);
        assert!(Plan::of(&runs[1..]).waiting.is_empty());
        assert_eq!(Plan::of(&runs).waiting.len(), 1);
        let merged = merge_in_memory(&runs[..8]).expect("nothing is read");
        assert_eq!(merged.pieces(), 8);
    }
}
