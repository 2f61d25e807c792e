//! The race of the present height, as the REST interface and its events tell it.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use api::{
    EventFeed,
    model::{EventData, RaceView},
};
use tokio::sync::watch;
use types::{Genesis, Height, Micros};

/// Between two events there is at least so much: a picture of the race need not move more often, and
/// heights that follow each other within milliseconds must not crowd out other events.
const LEAST_BETWEEN_EVENTS: Duration = Duration::from_millis(50);

/// Where this node's member stands in the race of a height.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    /// The height it works on.
    pub(super) height: Height,
    /// The wait it drew.
    pub(super) own_wait: Option<Micros>,
    /// Since when its clock runs, if it has work.
    pub(super) clock: Option<Instant>,
}

/// The newest standing. The driver writes it, and never waits for those who read.
pub(super) struct Race {
    genesis: Arc<Genesis>,
    newest: watch::Sender<Option<Standing>>,
}

impl Race {
    pub(super) fn new(genesis: Arc<Genesis>) -> Self {
        Self {
            genesis,
            newest: watch::Sender::new(None),
        }
    }

    /// Takes note of where the member stands now.
    pub(super) fn note(&self, standing: Standing) {
        self.newest
            .send_if_modified(|newest| newest.replace(standing) != Some(standing));
    }

    /// The race at this moment; `None` until the node has started.
    pub(super) fn view(&self) -> Option<RaceView> {
        let newest = *self.newest.borrow();
        newest.map(|standing| shown(&self.genesis, standing))
    }

    /// Tells every change as an event, those that come too fast together. Ends with the race.
    pub(super) fn tell(&self, feed: Arc<EventFeed>) -> impl Future<Output = ()> + Send + use<> {
        let (genesis, mut newest) = (self.genesis.clone(), self.newest.subscribe());
        async move {
            while newest.changed().await.is_ok() {
                let standing = *newest.borrow_and_update();
                if let Some(standing) = standing {
                    feed.publish(EventData::Race(shown(&genesis, standing)));
                }
                tokio::time::sleep(LEAST_BETWEEN_EVENTS).await;
            }
        }
    }
}

fn shown(genesis: &Genesis, standing: Standing) -> RaceView {
    let elapsed = |clock: Instant| u64::try_from(clock.elapsed().as_micros()).unwrap_or(u64::MAX);
    RaceView {
        height: standing.height.0,
        own_wait_us: standing.own_wait.map(|wait| wait.0),
        elapsed_us: standing.clock.map(elapsed),
        min_wait_us: genesis.timing.min_wait.0,
        mean_wait_us: genesis.timing.mean_wait.0,
        grace_us: genesis.timing.grace.0,
        members: u64::try_from(genesis.members.len()).unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use types::{FaultModel, Preset, Text, UnixMillis, genesis::Admission};

    use super::*;

    fn race() -> Race {
        Race::new(Arc::new(Genesis {
            version: types::FORMAT_VERSION,
            network: Text::new("Market Street").unwrap(),
            genesis_time: UnixMillis(0),
            currency: "EUR".parse().unwrap(),
            fault_model: FaultModel::Byzantine,
            timing: Preset::Metro.timing(),
            max_block_orders: 1,
            max_block_bytes: 128 * 1024,
            max_batch_orders: 1,
            heartbeat: Micros(0),
            admission: Admission::Fixed,
            members: Vec::new(),
        }))
    }

    fn standing(height: u64, clock: Option<Instant>) -> Standing {
        Standing {
            height: Height(height),
            own_wait: Some(Micros(7)),
            clock,
        }
    }

    #[test]
    fn the_clock_runs_while_there_is_work() {
        let race = race();
        assert_eq!(race.view(), None);
        race.note(standing(1, None));
        let asleep = race.view().unwrap();
        assert_eq!((asleep.height, asleep.own_wait_us), (1, Some(7)));
        assert_eq!((asleep.elapsed_us, asleep.grace_us), (None, 30_000));
        let second = Duration::from_secs(1);
        race.note(standing(2, Instant::now().checked_sub(second)));
        let awake = race.view().unwrap();
        assert_eq!(awake.height, 2);
        assert!(awake.elapsed_us.unwrap() >= 1_000_000);
    }

    #[tokio::test]
    async fn events_are_few_and_end_with_the_last_standing() {
        let (race, feed) = (race(), EventFeed::new(UnixMillis(1)));
        let mut listener = feed.subscribe(None);
        let start = Instant::now();
        let telling = tokio::spawn(race.tell(feed));
        let last = 500;
        for height in 1..=last {
            race.note(standing(height, None));
            // The same once more is no news.
            race.note(standing(height, None));
            tokio::task::yield_now().await;
        }
        let mut heights = Vec::new();
        while heights.last() != Some(&last) {
            match listener.next().await.data {
                EventData::Race(race) => heights.push(race.height),
                other => panic!("{other:?}"),
            }
        }
        assert!(heights.is_sorted_by(|earlier, later| earlier < later));
        let most = start.elapsed().as_millis() / LEAST_BETWEEN_EVENTS.as_millis() + 1;
        assert!(heights.len() as u128 <= most, "{heights:?}");
        drop(race);
        telling.await.unwrap();
    }
}
