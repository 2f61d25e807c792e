//! The list of runs, and the threads that write and merge files, so that the one who adds pairs never
//! waits for that, unless it falls far behind.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock},
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{
    NEIGHBOURS, ORDERS_TO_FLUSH, PIECES_TO_FLUSH, file,
    run::{Piece, Run, Tables},
    to_merge,
};
use crate::index::entries::KeyHasher;

/// So many files may have to be written before whoever adds more has to wait.
const MOST_WAITING: usize = 4;

/// Merging files rests so many times as long as it works. Nothing waits for it, and a merge of millions of pairs
/// would take a processor for seconds.
const RESTS: u32 = 3;

/// With more files it does not rest: it is behind, and whoever looks something up looks through them all.
const MOST_FILES_AT_REST: usize = 2 * NEIGHBOURS;

type List = Arc<[Arc<Run>]>;

struct Shared {
    folder: PathBuf,
    hasher: KeyHasher,
    list: RwLock<List>,
    state: Mutex<State>,
    /// The list or the state.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// What waits is still written, but merging is given up: it goes on at the next start.
    is_ending: bool,
    /// Why no job can be done any more.
    failure: Option<String>,
}

/// What a thread does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Duty {
    /// Writes what is in memory to files.
    Flush,
    /// Merges files.
    Merge,
}

/// Owns the list; its threads end with it.
pub(super) struct Worker {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Worker {
    pub(super) fn start(
        folder: PathBuf,
        hasher: KeyHasher,
        runs: Vec<Arc<Run>>,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            folder,
            hasher,
            list: RwLock::new(runs.into()),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let mut worker = Self {
            shared,
            threads: Vec::new(),
        };
        for (name, duty) in [("index flush", Duty::Flush), ("index merge", Duty::Merge)] {
            let shared = Arc::clone(&worker.shared);
            let thread = thread::Builder::new().name(name.to_owned());
            let thread = thread.spawn(move || work(&shared, duty))?;
            worker.threads.push(thread);
        }
        Ok(worker)
    }

    /// Makes the keys.
    pub(super) fn hasher(&self) -> KeyHasher {
        self.shared.hasher
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
        let is_behind = |state: &mut State| {
            state.failure.is_none() && Plan::of(&self.list()).waiting.len() > MOST_WAITING
        };
        let state = self.shared.state();
        self.shared.changed.notify_all();
        let state = self.shared.changed.wait_while(state, is_behind);
        let state = state.unwrap_or_else(PoisonError::into_inner);
        match &state.failure {
            Some(failure) => Err(io::Error::other(failure.clone())),
            None => Ok(()),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.shared.state().is_ending = true;
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            // It can only have ended by a panic, which was printed.
            let _ = thread.join();
        }
    }
}

impl State {
    /// Whether what this thread does can wait for the next start.
    fn gives_up(&self, duty: Duty) -> bool {
        self.is_ending && duty == Duty::Merge
    }
}

impl Shared {
    fn list(&self) -> List {
        Arc::clone(&self.list.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is something to do; `None` when nothing is to be done any more. Whoever changes the list
    /// says so afterwards, so nothing is left undone.
    fn next_job(&self, duty: Duty) -> Option<Vec<Arc<Run>>> {
        let mut state = self.state();
        loop {
            let list = self.list();
            let is_over = state.failure.is_some() || state.gives_up(duty);
            let job = Plan::of(&list).job(duty).filter(|_| !is_over);
            if job.is_some() || is_over || state.is_ending {
                return job.map(<[Arc<Run>]>::to_vec);
            }
            let changed = self.changed.wait(state);
            state = changed.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets others work for a while, unless too many files wait to be merged.
    fn rest(&self, worked: Duration) -> io::Result<()> {
        let goes_on = |state: &mut State| {
            !state.is_ending && Plan::of(&self.list()).files.len() <= MOST_FILES_AT_REST
        };
        let (state, rest) = (self.state(), worked * RESTS);
        let rested = self.changed.wait_timeout_while(state, rest, goes_on);
        let (state, _) = rested.unwrap_or_else(PoisonError::into_inner);
        if state.is_ending {
            return Err(io::Error::other("the store is being closed"));
        }
        Ok(())
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
            let first = first
                .expect("who adds and the two threads change the list, each a part of its own");
            runs.splice(first..first + neighbours.len(), [merged]);
        });
    }
}

/// A list of runs, the oldest first, seen as what is to become of them.
struct Plan<'a> {
    files: &'a [Arc<Run>],
    /// Runs in memory that are long enough together, or of many pieces: each group becomes one file. More runs
    /// behind them change nothing about it, so one thread can write them while another adds and merges.
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

    /// What is to be done first: the oldest that waits is to be written, or files are to be merged.
    fn job(&self, duty: Duty) -> Option<&'a [Arc<Run>]> {
        match duty {
            Duty::Flush => self.waiting.first().copied(),
            Duty::Merge => to_merge(self.files),
        }
    }

    /// Runs in memory that are to be merged there.
    fn mergeable_in_memory(&self) -> Option<&'a [Arc<Run>]> {
        to_merge(self.short)
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
    let piece = Piece {
        places: start..end,
        times: Run::times_of(runs),
        tables,
    };
    Ok(Run::sorted(piece, pieces))
}

fn work(shared: &Shared, duty: Duty) {
    while let Some(job) = shared.next_job(duty) {
        // Nobody may wait for ever for a thread that has ended.
        let done = catch_unwind(AssertUnwindSafe(|| perform(shared, duty, &job)));
        let done = done.unwrap_or_else(|_| Err(io::Error::other("its thread failed")));
        let mut state = shared.state();
        if let Err(error) = done
            && !state.gives_up(duty)
        {
            let folder = shared.folder.display();
            let failure = format!("cannot write a sorted run in {folder}: {error}");
            state.failure.get_or_insert(failure);
        }
        shared.changed.notify_all();
    }
}

fn perform(shared: &Shared, duty: Duty, job: &[Arc<Run>]) -> io::Result<()> {
    let rest = |worked| match duty {
        Duty::Flush => Ok(()),
        Duty::Merge => shared.rest(worked),
    };
    let merged = Arc::new(file::write(&shared.folder, shared.hasher, job, &rest)?);
    shared.replace(job, merged);
    for run in job {
        run.remove_file();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::runs::run::{ORDERS, Pair};

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
        let job = plan.job(Duty::Flush).expect("two files are to be written");
        assert_eq!(job.last().expect("it has runs").places().end, 200_000);
        assert!(plan.mergeable_in_memory().is_none());
        // Many short ones are merged, never with those that wait.
        let runs = in_memory(&[[131_072].as_slice(), &[5; 9]].concat());
        let plan = Plan::of(&runs);
        let merged = plan.mergeable_in_memory().expect("nine short ones");
        assert_eq!(merged.first().expect("it has runs").places().start, 131_072);
        assert_eq!(merged.len(), 8);
    }

    #[test]
    fn merging_rests_and_is_given_up_when_the_store_is_closed() {
        let folder = tempfile::tempdir().expect("a folder");
        let pairs = |start: u64| {
            let places = start..start + 20_000;
            let orders = places.clone().map(|place| Pair {
                key: u128::from(place.reverse_bits()),
                place,
            });
            let mut tables = Tables::default();
            tables[ORDERS] = orders.collect();
            Arc::new(Run::in_memory(Piece {
                places,
                tables,
                ..Piece::default()
            }))
        };
        let unhurried = |_| Ok(());
        let runs: Vec<_> = (0..8)
            .map(|number| {
                file::write(
                    folder.path(),
                    KeyHasher::KNOWN,
                    &[pairs(number * 20_000)],
                    &unhurried,
                )
            })
            .map(|run| Arc::new(run.expect("it is written")))
            .collect();
        assert_eq!(Plan::of(&runs).job(Duty::Merge).map(<[_]>::len), Some(8));
        assert!(Plan::of(&runs).job(Duty::Flush).is_none());
        let shared = Shared {
            folder: folder.path().to_path_buf(),
            hasher: KeyHasher::KNOWN,
            list: RwLock::new(runs.into()),
            state: Mutex::default(),
            changed: Condvar::new(),
        };
        // It has rested before it is told to end.
        assert!(shared.rest(Duration::from_micros(1)).is_ok());
        shared.state().is_ending = true;
        work(&shared, Duty::Merge);
        let job = shared.list().to_vec();
        assert!(perform(&shared, Duty::Merge, &job).is_err());
        assert_eq!(shared.list().len(), 8);
        assert_eq!(
            file::open_all(folder.path())
                .expect("they are whole")
                .1
                .len(),
            8
        );
        // What an interrupted merge left is gone then.
        assert_eq!(
            std::fs::read_dir(folder.path())
                .expect("it is there")
                .count(),
            8
        );
        shared.state().is_ending = false;
        perform(&shared, Duty::Merge, &job).expect("it is merged");
        let merged = shared.list();
        assert_eq!((merged.len(), merged[0].places()), (1, &(0..160_000)));
        let keys = (0..160_000_u64).map(|place| u128::from(place.reverse_bits()));
        assert!(keys.into_iter().all(|key| merged[0].may_hold(key)));
    }

    #[test]
    fn short_runs_between_long_ones_are_merged() {
        // As when many came while the long ones were merged.
        let lengths = [&[300][..], &[1; 9], &[50], &[1; 7]].concat();
        let runs = in_memory(&lengths);
        let merged = to_merge(&runs).expect("eight of one");
        assert_eq!(merged.first().expect("it has runs").places(), &(300..301));
        assert_eq!(merged.last().expect("it has runs").places(), &(307..308));
        assert!(to_merge(&in_memory(&[300, 50, 8, 8, 8, 1, 1, 1, 1])).is_none());
    }

    #[test]
    fn a_file_that_cannot_be_written_is_not_tried_for_ever() {
        let folder = tempfile::tempdir().expect("a folder");
        for is_ending in [false, true] {
            let shared = Shared {
                folder: folder.path().join("missing"),
                hasher: KeyHasher::KNOWN,
                list: RwLock::new(in_memory(&[ORDERS_TO_FLUSH]).into()),
                state: Mutex::default(),
                changed: Condvar::new(),
            };
            shared.state().is_ending = is_ending;
            work(&shared, Duty::Flush);
            let state = shared.state();
            let failure = state.failure.as_deref().expect("why it failed");
            assert!(
                failure.starts_with("cannot write a sorted run in "),
                "{failure}"
            );
        }
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
