//! Doing a piece of work for every item of a long list: several at once, results in order, bounded
//! memory, and a stop at the first failure.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

/// How many items may be under way or wait for an earlier one's result, for each worker: enough that
/// no worker idles, and few enough to hold a file of any size.
const WINDOW_PER_WORKER: usize = 4;

/// How often a sleeping worker looks whether it should stop.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Set when the work should stop because a piece of it failed.
#[derive(Debug, Default)]
pub(super) struct Stop(AtomicBool);

impl Stop {
    /// True when the work should stop.
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Sleeps, though not beyond the stop. True when there is still reason to go on.
    pub(super) fn sleep(&self, length: Duration) -> bool {
        let end = Instant::now() + length;
        while !self.is_set() {
            let Some(left) = end
                .checked_duration_since(Instant::now())
                .filter(|left| !left.is_zero())
            else {
                return true;
            };
            thread::sleep(left.min(LOOK_EVERY));
        }
        false
    }
}

/// Does `work` for every item with so many workers, and hands the results to `done` in the order of
/// the items. Stops at the first failure, of the items, the work or `done`; what was done before it
/// is still handed over, as far as nothing is missing in between.
///
/// # Errors
/// The first failure.
pub(super) fn in_order<T: Send, R: Send>(
    items: impl Iterator<Item = anyhow::Result<T>>,
    workers: usize,
    work: impl Fn(T, &Stop) -> anyhow::Result<R> + Sync,
    mut done: impl FnMut(R) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let window = workers * WINDOW_PER_WORKER;
    let stop = Stop::default();
    let (job_sender, jobs) = mpsc::sync_channel::<(u64, T)>(window);
    let jobs = Mutex::new(jobs);
    let (result_sender, results) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..workers {
            let result_sender = result_sender.clone();
            let (jobs, stop, work) = (&jobs, &stop, &work);
            scope.spawn(move || {
                while let Some((place, item)) = next_job(jobs) {
                    // The collector outlives the workers; were it gone, nobody would miss the result.
                    let _ = result_sender.send((place, work(item, stop)));
                }
            });
        }
        drop(result_sender);
        let mut collector = Collector {
            next: 0,
            waiting: BTreeMap::new(),
            failure: None,
            done: &mut done,
        };
        let mut sent = 0;
        for item in items {
            match item {
                Ok(item) => {
                    assert!(
                        job_sender.send((sent, item)).is_ok(),
                        "workers live as long as there may be jobs"
                    );
                    sent += 1;
                }
                Err(error) => collector.fail(error),
            }
            while collector.failure.is_none() && sent - collector.next >= window as u64 {
                match results.recv() {
                    Ok(result) => collector.take(result),
                    // Only after every worker panicked; the scope passes the panic on.
                    Err(mpsc::RecvError) => collector.fail(anyhow::anyhow!("the workers stopped")),
                }
            }
            if collector.failure.is_some() {
                stop.0.store(true, Ordering::Relaxed);
                break;
            }
        }
        drop(job_sender);
        for result in results {
            collector.take(result);
            if collector.failure.is_some() {
                stop.0.store(true, Ordering::Relaxed);
            }
        }
        collector.failure.map_or(Ok(()), Err)
    })
}

fn next_job<T>(jobs: &Mutex<mpsc::Receiver<T>>) -> Option<T> {
    // Poisoned only when another worker panicked; the panic is passed on when the scope ends.
    jobs.lock().ok()?.recv().ok()
}

/// Brings results back into order.
struct Collector<'a, R> {
    next: u64,
    waiting: BTreeMap<u64, R>,
    failure: Option<anyhow::Error>,
    done: &'a mut dyn FnMut(R) -> anyhow::Result<()>,
}

impl<R> Collector<'_, R> {
    fn take(&mut self, (place, result): (u64, anyhow::Result<R>)) {
        match result {
            Ok(result) => {
                self.waiting.insert(place, result);
            }
            Err(error) => self.fail(error),
        }
        while let Some(result) = self.waiting.remove(&self.next) {
            self.next += 1;
            if let Err(error) = (self.done)(result) {
                self.fail(error);
            }
        }
    }

    fn fail(&mut self, error: anyhow::Error) {
        self.failure.get_or_insert(error);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use anyhow::{anyhow, bail};

    use super::*;

    #[test]
    fn results_come_in_order_though_work_ends_in_any() {
        // Pairs of items finish in the opposite order: the even one waits for the odd one.
        let barrier = Barrier::new(2);
        let mut results = Vec::new();
        let work = |item: u64, _: &Stop| {
            barrier.wait();
            Ok(item * 10)
        };
        in_order((0..1000).map(Ok), 2, work, |result| {
            results.push(result);
            Ok(())
        })
        .unwrap();
        assert_eq!(results, (0..1000).map(|item| item * 10).collect::<Vec<_>>());
    }

    #[test]
    fn the_first_failure_stops_and_what_came_before_is_kept() {
        for failing in [0, 7, 99] {
            let mut results = Vec::new();
            let work = |item: u64, _: &Stop| {
                if item == failing {
                    Err(anyhow!("item {item}"))
                } else {
                    Ok(item)
                }
            };
            let error = in_order((0..100).map(Ok), 3, work, |result| {
                results.push(result);
                Ok(())
            });
            assert_eq!(error.unwrap_err().to_string(), format!("item {failing}"));
            assert_eq!(results, (0..failing).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_failure_wakes_the_sleeping() {
        let both = Barrier::new(2);
        let work = |item: u64, stop: &Stop| {
            both.wait();
            if item == 0 {
                bail!("failed");
            }
            assert!(
                !stop.sleep(Duration::from_secs(3600)),
                "woken by the stop, an hour early"
            );
            Ok(())
        };
        let result = in_order((0..2).map(Ok), 2, work, |()| Ok(()));
        assert_eq!(result.unwrap_err().to_string(), "failed");
    }

    #[test]
    fn failures_of_items_and_of_done_stop_too() {
        let items = (0..100).map(|item| {
            if item == 5 {
                Err(anyhow!("bad row"))
            } else {
                Ok(item)
            }
        });
        let mut count = 0;
        let result = in_order(
            items,
            2,
            |item: u64, _| Ok(item),
            |_| {
                count += 1;
                Ok(())
            },
        );
        assert_eq!(
            (result.unwrap_err().to_string().as_str(), count),
            ("bad row", 5)
        );

        let full = in_order(
            (0..100).map(Ok),
            2,
            |item: u64, _| Ok(item),
            |item| {
                if item == 5 {
                    Err(anyhow!("disk full"))
                } else {
                    Ok(())
                }
            },
        );
        assert_eq!(full.unwrap_err().to_string(), "disk full");
    }
}
