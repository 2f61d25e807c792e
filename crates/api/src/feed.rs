//! What happens, numbered and kept for a while, so that a listener that lost its connection can go on
//! where it was.
//!
//! There is no queue a listener: each reads the one window at its own pace, and one that falls behind
//! the window is told so.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::sync::watch;
use types::UnixMillis;

use crate::model::EventData;

/// How many events are kept: some minutes of a busy shop, under a megabyte.
pub const MAX_RECENT_EVENTS: usize = 2_048;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Rises by one with every event.
    pub id: u64,
    /// What happened.
    pub data: EventData,
}

/// The recent events, and a bell for those who wait for the next.
#[derive(Debug)]
pub struct EventFeed {
    recent: Mutex<Recent>,
    /// Carries the id of the newest event.
    newest: watch::Sender<u64>,
}

#[derive(Debug)]
struct Recent {
    /// The id of the newest event; before the first one, the id before it.
    newest: u64,
    /// Without gaps, the newest at the back.
    events: VecDeque<Event>,
}

/// One listener's place in the feed.
#[derive(Debug)]
pub struct Subscription {
    feed: Arc<EventFeed>,
    bell: watch::Receiver<u64>,
    /// The id of the last event it was given.
    last: u64,
}

impl EventFeed {
    /// An empty feed. Its first id follows from the time of the node's start, a thousand a
    /// millisecond, so that ids of an earlier run are never mistaken for ids of this one.
    pub fn new(started: UnixMillis) -> Arc<Self> {
        let newest = started.0.saturating_mul(1_000);
        let recent = Mutex::new(Recent {
            newest,
            events: VecDeque::new(),
        });
        Arc::new(Self {
            recent,
            newest: watch::Sender::new(newest),
        })
    }

    /// Tells everyone who listens.
    pub fn publish(&self, data: EventData) {
        self.publish_all([data]);
    }

    /// Tells everyone who listens of several events, which no other comes between.
    pub fn publish_all(&self, all: impl IntoIterator<Item = EventData>) {
        let mut recent = self.lock();
        for data in all {
            let id = recent.newest.saturating_add(1);
            recent.newest = id;
            if recent.events.len() == MAX_RECENT_EVENTS {
                recent.events.pop_front();
            }
            recent.events.push_back(Event { id, data });
        }
        // Rung under the lock, so that the bell never shows an id older than one it showed before.
        self.newest.send_replace(recent.newest);
    }

    /// Listens: from now on, or to all that happened after an event.
    pub fn subscribe(self: &Arc<Self>, after: Option<u64>) -> Subscription {
        let bell = self.newest.subscribe();
        let last = after.unwrap_or_else(|| self.lock().newest);
        Subscription {
            feed: Arc::clone(self),
            bell,
            last,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Recent> {
        // A panic while it was held ends the process; until then the window is still in order.
        self.recent
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Recent {
    /// The event after the one of id `last`, or a reset where that is not known any more.
    fn after(&self, last: u64) -> Option<Event> {
        let kept = u64::try_from(self.events.len()).unwrap_or(u64::MAX);
        let before_oldest = self.newest.saturating_sub(kept);
        if last > self.newest || last < before_oldest {
            return Some(Event {
                id: before_oldest,
                data: EventData::Reset,
            });
        }
        let place = usize::try_from(last.saturating_sub(before_oldest)).ok()?;
        self.events.get(place).cloned()
    }
}

impl Subscription {
    /// The next event, as soon as there is one.
    pub async fn next(&mut self) -> Event {
        loop {
            self.bell.mark_unchanged();
            let event = self.feed.lock().after(self.last);
            if let Some(event) = event {
                self.last = event.id;
                return event;
            }
            let rung = self.bell.changed().await;
            assert!(rung.is_ok(), "a subscription holds its feed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::OrderId;

    fn accepted(number: u64) -> EventData {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&number.to_be_bytes());
        EventData::OrderAccepted {
            id: OrderId::new(id),
        }
    }

    #[tokio::test]
    async fn listeners_get_what_follows_their_place() {
        let feed = EventFeed::new(UnixMillis(5));
        let mut early = feed.subscribe(None);
        feed.publish(accepted(1));
        feed.publish(accepted(2));
        assert_eq!(
            early.next().await,
            Event {
                id: 5_001,
                data: accepted(1)
            }
        );
        assert_eq!(
            early.next().await,
            Event {
                id: 5_002,
                data: accepted(2)
            }
        );
        let mut resumed = feed.subscribe(Some(5_001));
        assert_eq!(
            resumed.next().await,
            Event {
                id: 5_002,
                data: accepted(2)
            }
        );
        let mut late = feed.subscribe(None);
        let waiting = tokio::spawn(async move { late.next().await });
        tokio::task::yield_now().await;
        feed.publish(accepted(3));
        assert_eq!(
            waiting.await.unwrap(),
            Event {
                id: 5_003,
                data: accepted(3)
            }
        );
    }

    #[tokio::test]
    async fn a_place_outside_the_window_is_reset() {
        let feed = EventFeed::new(UnixMillis(1));
        let count = u64::try_from(MAX_RECENT_EVENTS).unwrap() + 10;
        for number in 1..=count {
            feed.publish(accepted(number));
        }
        assert_eq!(feed.lock().events.len(), MAX_RECENT_EVENTS);
        for stranger in [0, 1_009, 1_001 + count, u64::MAX] {
            let mut subscription = feed.subscribe(Some(stranger));
            assert_eq!(
                subscription.next().await,
                Event {
                    id: 1_010,
                    data: EventData::Reset
                }
            );
            assert_eq!(
                subscription.next().await,
                Event {
                    id: 1_011,
                    data: accepted(11)
                }
            );
        }
        let mut oldest = feed.subscribe(Some(1_010));
        assert_eq!(
            oldest.next().await,
            Event {
                id: 1_011,
                data: accepted(11)
            }
        );
    }
}
