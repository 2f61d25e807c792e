//! The thread that steps the replica and writes the store.
//!
//! A round: take what has come in, step the replica for each, append what it persists, sync once,
//! send what that unseals, hand over what became final to be indexed, and then answer those who placed
//! orders.

use std::{
    collections::VecDeque,
    io, mem,
    sync::{
        Arc, Weak,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::bail;
use api::backend::{Accepted, Answer, MAX_GROUP_ORDERS, SubmitError};
use network::{Encoded, Handle};
use replica::{Answered, Event, FinalRun, Notice, Output, Replica, Sealed, Setup, Submitted, To};
use store::{ANSWERS_KEPT_MILLIS, CommitReceipt, Recovered, Store, StoreError};
use tokio::sync::{Semaphore, oneshot, watch};
use types::{Genesis, Height, Monotonic, Now, Signatures};

use super::{
    OnHappening,
    indexing::{self, Indexing, Piece},
    orders::{Group, Intake, NoRoom, Reply, given_back},
    race::Standing,
    view::{Happening, View},
};
use crate::keys::MemberKeys;

/// How many inputs may wait. Peers' reading pauses when it is full; a client is told to try again.
/// Enough for every connection of the REST interface to have an order waiting.
const MAX_WAITING_INPUTS: usize = 1_024;

/// How many orders may wait or be in the present round, in groups of any size; then clients are told to
/// try again. Enough for the next rounds to be full, and some 70 MiB of the largest orders.
const MAX_WAITING_ORDERS: usize = 16 * MAX_GROUP_ORDERS;

/// How many inputs one round takes at most before it syncs: enough to share a sync among many, few
/// enough not to keep the first waiting.
const MOST_INPUTS_A_ROUND: usize = 256;

/// With so many orders a round is full: they take some tens of milliseconds, for which votes wait.
const FULL_ROUND_ORDERS: usize = 4 * MAX_GROUP_ORDERS;

/// Orders are taken in only so long after those before them were answered. Whoever places one at a time does
/// not notice, and of many at once, those too that are placed on an answer, more share a batch, its signature,
/// and a sync.
const INTAKE_INTERVAL: Duration = Duration::from_millis(2);

/// The longest sleep: the clock is looked at now and then whatever the replica asks for.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// Rounds of stepping that a commit may bring about by itself (own votes that complete a certificate,
/// and so on); more go on with the next input.
const MOST_COMMITS_A_ROUND: usize = 64;

enum Input {
    Event(Box<Event>),
    Submit(Group),
    Tell(Happening),
    /// The index holds more, or has failed.
    IndexChanged,
    Stop,
}

/// How other threads reach the driver.
#[derive(Clone)]
pub(super) struct Commands {
    sender: Arc<SyncSender<Input>>,
    /// Places for orders to wait in.
    places: Arc<Semaphore>,
}

/// The driver's inputs and the way to them.
pub(super) fn channel() -> (Commands, Inputs) {
    let (sender, receiver) = sync_channel(MAX_WAITING_INPUTS);
    let places = Arc::new(Semaphore::new(MAX_WAITING_ORDERS));
    let sender = Arc::new(sender);
    (Commands { sender, places }, Inputs(receiver))
}

/// Wakes the driver, which ends all the same once nobody else can reach it.
pub(super) struct Wake(Weak<SyncSender<Input>>);

impl Wake {
    /// Has the driver look at the index. Never waits: where too many inputs wait already, it has a round to
    /// do, in which it looks.
    pub(super) fn ring(&self) {
        if let Some(sender) = self.0.upgrade() {
            let _ = sender.try_send(Input::IndexChanged);
        }
    }
}

/// What waits for the driver.
pub(super) struct Inputs(Receiver<Input>);

impl Commands {
    /// Hands over an event, waiting while too many wait; false when the driver is gone.
    pub(super) fn event(&self, event: Event) -> bool {
        self.sender.send(Input::Event(Box::new(event))).is_ok()
    }
    /// Hands over something to tell people.
    pub(super) fn tell(&self, happening: Happening) {
        // The driver may be gone; then nobody is there to be told.
        let _ = self.sender.send(Input::Tell(happening));
    }
    /// For the thread of the index.
    pub(super) fn wake(&self) -> Wake {
        Wake(Arc::downgrade(&self.sender))
    }
    /// Hands over a group of orders, with what is known to become of each. Resolves once those that are
    /// taken are durable; where there is no room for the group, it comes back at once.
    pub(super) async fn submit(
        &self,
        submissions: Vec<replica::Submission>,
        answers: Vec<Option<Answer>>,
    ) -> Reply {
        let orders = submissions.len();
        let places = u32::try_from(orders).unwrap_or(u32::MAX);
        let Ok(places) = self.places.clone().try_acquire_many_owned(places) else {
            return Err(NoRoom::InQueue(given_back(submissions)));
        };
        let (reply, answered) = oneshot::channel();
        let group = Group {
            submissions,
            answers,
            reply,
            places,
        };
        let stopping = || Ok(vec![Err(SubmitError::Stopping); orders]);
        match self.sender.try_send(Input::Submit(group)) {
            Ok(()) => answered.await.unwrap_or_else(|_| stopping()),
            Err(TrySendError::Full(Input::Submit(group))) => {
                Err(NoRoom::InQueue(given_back(group.submissions)))
            }
            Err(_) => stopping(),
        }
    }
    /// Ends the driver after what waits before it.
    pub(super) fn stop(&self) {
        // It may have ended by itself.
        let _ = self.sender.send(Input::Stop);
    }
}

/// What the driver works with.
pub(super) struct Driver {
    pub(super) store: Store,
    pub(super) recovered: Recovered,
    pub(super) genesis: Arc<Genesis>,
    pub(super) keys: MemberKeys,
    pub(super) signatures: Arc<dyn Signatures>,
    pub(super) network: Handle,
    pub(super) view: Arc<View>,
    pub(super) on_happening: OnHappening,
    /// For the thread of the index.
    pub(super) wake: Wake,
}

/// Starts the driver's thread. When it cannot go on it says why through `failed`.
pub(super) fn spawn(
    driver: Driver,
    inputs: Inputs,
    failed: watch::Sender<Option<String>>,
) -> io::Result<JoinHandle<anyhow::Result<()>>> {
    Builder::new()
        .name("dexter-replica".to_owned())
        .spawn(move || {
            let view = driver.view.clone();
            let ended = driver.run(&inputs.0);
            view.stop();
            if let Err(error) = &ended {
                failed.send_replace(Some(format!("{error:#}")));
            }
            ended
        })
}

/// The clocks, read together.
struct Clocks {
    start: Instant,
}

impl Clocks {
    fn now(&self) -> Now {
        let elapsed = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        Now {
            monotonic: Monotonic(elapsed),
            wall: api::time::now(),
        }
    }

    /// The moment of a time of these clocks.
    fn instant(&self, monotonic: Monotonic) -> Instant {
        self.start + Duration::from_micros(monotonic.0)
    }
}

impl Driver {
    fn run(self, inputs: &Receiver<Input>) -> anyhow::Result<()> {
        let Self {
            mut store,
            recovered,
            genesis,
            keys,
            signatures,
            network,
            view,
            on_happening,
            wake,
        } = self;
        let clocks = Clocks {
            start: Instant::now(),
        };
        let setup = Setup {
            genesis,
            identity: keys.identity,
            lottery: keys.lottery,
            signatures,
            reader: store.reader(),
        };
        let mut replica = Replica::new(setup, clocks.now())?;
        for record in recovered {
            let (finalized, notices) = replica.recover(record?)?;
            for run in finalized {
                store.finalize(run.blocks, run.certificate.as_ref())?;
            }
            // Old news to people.
            view.note_all(notices, &|_| {});
        }
        let indexing = Indexing::start(indexing::Work {
            indexer: store.indexer(),
            view: view.clone(),
            on_happening: on_happening.clone(),
            wake,
        })?;
        let mut round = Round {
            replica,
            store,
            clocks,
            network,
            view,
            on_happening,
            indexing,
            indexed: Height::GENESIS,
            receipt: None,
            dirty: false,
            sealed: Vec::new(),
            finalized: Vec::new(),
            notices: Vec::new(),
            submitted: VecDeque::new(),
            wake: None,
        };
        let served = round.serve(inputs);
        let indexed = round.indexing.finish();
        match served {
            // Nothing could go on because the index had failed.
            Err(error) if is_poisoned(&error) => indexed.and(Err(error)),
            Err(error) => Err(error),
            Ok(()) => indexed,
        }
    }
}

fn is_poisoned(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(StoreError::Poisoned))
}

/// The replica, its store, and what one round has gathered so far.
struct Round {
    replica: Replica,
    store: Store,
    clocks: Clocks,
    network: Handle,
    view: Arc<View>,
    on_happening: OnHappening,
    indexing: Indexing,
    /// Up to here the replica knows that the index holds the chain.
    indexed: Height,
    receipt: Option<CommitReceipt>,
    /// Something was appended that must be synced before anything leaves.
    dirty: bool,
    sealed: Vec<Sealed>,
    finalized: Vec<FinalRun>,
    notices: Vec<Notice>,
    submitted: VecDeque<Submitted>,
    wake: Option<Monotonic>,
}

impl Round {
    fn serve(&mut self, inputs: &Receiver<Input>) -> anyhow::Result<()> {
        let first = self.replica.start(self.clocks.now());
        self.absorb(first)?;
        self.commit()?;
        // Groups that wait to be taken in, first those that were put off.
        let mut groups: Vec<Group> = Vec::new();
        let mut next_intake = Instant::now();
        loop {
            let mut wait = self.sleep();
            if !groups.is_empty() {
                wait = wait.min(next_intake.saturating_duration_since(Instant::now()));
            }
            let first = match inputs.recv_timeout(wait) {
                Ok(input) => Some(input),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            let mut stopping = false;
            let mut orders: usize = groups.iter().map(Group::len).sum();
            let waiting = first.into_iter().chain(inputs.try_iter());
            for input in waiting.take(MOST_INPUTS_A_ROUND) {
                match input {
                    Input::Event(event) => self.step(*event)?,
                    Input::Submit(group) => {
                        orders += group.len();
                        groups.push(group);
                    }
                    Input::Tell(happening) => self.tell(&happening),
                    // Looked at in every round.
                    Input::IndexChanged => {}
                    Input::Stop => stopping = true,
                }
                if orders >= FULL_ROUND_ORDERS {
                    break;
                }
            }
            let mut intake = Intake::default();
            let now = Instant::now();
            if now >= next_intake || orders >= FULL_ROUND_ORDERS || stopping {
                for group in mem::take(&mut groups) {
                    groups.extend(self.admit(group, &mut intake)?);
                }
            }
            let taken_in = intake.len() > 0;
            if taken_in {
                self.step(Event::Submit(intake.take_submissions()))?;
            } else if self.sleep().is_zero() {
                // Groups without room, however many come, must not keep it from making room.
                self.step(Event::Tick)?;
            }
            let submitted = mem::take(&mut self.submitted);
            self.commit()?;
            intake.answer(submitted);
            if taken_in {
                next_intake = Instant::now() + INTAKE_INTERVAL;
            }
            if stopping {
                return Ok(());
            }
        }
    }

    fn sleep(&self) -> Duration {
        let now = self.clocks.now().monotonic;
        self.wake.map_or(LONGEST_SLEEP, |wake| {
            wake.since(now).as_duration().min(LONGEST_SLEEP)
        })
    }

    /// Adds a group to the round, once its idempotency keys are looked up; where the pool has no room
    /// for all of it, it goes back to who placed it. One whose key is just being used by another waits
    /// for that one to be committed: it is put off.
    fn admit(&self, mut group: Group, intake: &mut Intake) -> anyhow::Result<Option<Group>> {
        if intake.uses_a_key_of(&group) {
            return Ok(Some(group));
        }
        for (submission, answer) in group.submissions.iter().zip(&mut group.answers) {
            if let (None, Some(answered)) = (&answer, submission.answered) {
                *answer = self.answer_before(&answered)?;
            }
        }
        if self.replica.has_room_for(intake.len() + group.unanswered()) {
            intake.add(group);
        } else {
            group.give_back();
        }
        Ok(None)
    }

    /// What was answered to an earlier request with the same idempotency key.
    fn answer_before(&self, answered: &Answered) -> anyhow::Result<Option<Answer>> {
        let known = self.store.reader().answer(&answered.key)?;
        let now = self.clocks.now().wall;
        let known = known.filter(|known| now < known.at.plus_millis(ANSWERS_KEPT_MILLIS));
        Ok(known.map(|known| {
            let same = known.body == answered.body;
            let first = known.orders.first().filter(|_| same);
            first
                .map(|id| Accepted { id: *id })
                .ok_or(SubmitError::KeyReused)
        }))
    }

    fn step(&mut self, event: Event) -> anyhow::Result<()> {
        let output = self.replica.step(self.clocks.now(), event);
        self.absorb(output)
    }

    /// Appends what an output persists and keeps the rest until that is durable.
    fn absorb(&mut self, output: Output) -> anyhow::Result<()> {
        if let Some(reason) = output.fatal {
            bail!(reason);
        }
        self.store.append(&output.persist, output.sequence)?;
        // At once: what a later output brings back is appended again, and needed.
        self.store.forget_batches(&output.forget);
        self.dirty |= output.sync;
        self.wake = output.wake;
        if !output.sealed.is_empty() {
            self.sealed.push(output.sealed);
        }
        self.finalized.extend(output.finalized);
        self.notices.extend(output.notices);
        self.submitted.extend(output.submitted);
        Ok(())
    }

    /// Makes everything durable, sends what that unseals, hands over what became final, and goes on with
    /// what follows from it.
    fn commit(&mut self) -> anyhow::Result<()> {
        self.store.check()?;
        let indexed = self.indexing.height();
        if indexed > self.indexed {
            self.indexed = indexed;
            self.step(Event::Indexed(indexed))?;
        }
        for _ in 0..MOST_COMMITS_A_ROUND {
            let committed = self.dirty;
            if committed {
                self.receipt = Some(self.store.sync()?);
                self.dirty = false;
            }
            self.send()?;
            self.publish()?;
            if let Some(receipt) = self.receipt.filter(|_| committed) {
                self.step(Event::Committed(receipt))?;
            }
            if !self.dirty && self.sealed.is_empty() && self.finalized.is_empty() {
                break;
            }
        }
        let progress = self.replica.progress();
        self.view.race.note(Standing {
            height: progress.height,
            own_wait: progress.own_draw.map(|draw| draw.wait),
            clock: progress.clock.map(|clock| self.clocks.instant(clock)),
        });
        self.view.progress(progress, self.replica.peer_heights());
        Ok(())
    }

    fn send(&mut self) -> anyhow::Result<()> {
        for sealed in mem::take(&mut self.sealed) {
            match sealed.unseal(self.receipt.as_ref()) {
                Ok(messages) => {
                    for outgoing in messages {
                        let encoded = Encoded::new(&outgoing.message)?;
                        match outgoing.to {
                            To::All => self.network.broadcast(&encoded),
                            To::Peer(peer) => {
                                // Where it is gone or too slow, the protocol sends again.
                                self.network.send(&peer, &encoded);
                            }
                        }
                    }
                }
                Err(still_sealed) => self.sealed.push(still_sealed),
            }
        }
        Ok(())
    }

    /// Tells people what happened; of what became final once it is in the index.
    fn publish(&mut self) -> anyhow::Result<()> {
        let (notices, others) = mem::take(&mut self.notices)
            .into_iter()
            .partition(|notice| matches!(notice, Notice::Final { .. }));
        self.view.note_all(others, &*self.on_happening);
        let mut staged = Vec::new();
        for run in mem::take(&mut self.finalized) {
            staged.push(self.store.stage(run.blocks, run.certificate.as_ref())?);
        }
        if !staged.is_empty() {
            self.indexing.put(Piece { staged, notices })?;
        }
        Ok(())
    }

    fn tell(&self, happening: &Happening) {
        self.view.heard(happening);
        (self.on_happening)(happening);
    }
}

#[cfg(test)]
mod tests {
    use futures::future::FutureExt as _;

    use api::backend::Submission;

    use super::*;
    use crate::shop::orders::{hashed, tests::submission};

    fn orders(count: usize) -> Vec<Submission> {
        vec![submission(0); count]
    }

    #[test]
    fn orders_that_wait_are_bounded_whatever_their_groups() {
        let (commands, inputs) = channel();
        let submit = |count| commands.submit(hashed(orders(count)), vec![None; count]);
        let mut waiting: Vec<_> = (0..MAX_WAITING_ORDERS / 1_000)
            .map(|_| submit(1_000).boxed())
            .collect();
        for group in &mut waiting {
            assert!(group.now_or_never().is_none(), "it waits for its answers");
        }
        let back = submit(2).now_or_never().unwrap().unwrap_err();
        assert_eq!(back, NoRoom::InQueue(orders(2)));
        // Those of a group that has its answers wait no more.
        let Ok(Input::Submit(first)) = inputs.0.try_recv() else {
            panic!("a group waits")
        };
        first.give_back();
        assert!(submit(2).now_or_never().is_none());
        // Nor does the thread of the index ever wait, however full it is.
        let wake = commands.wake();
        (0..MAX_WAITING_INPUTS + 1).for_each(|_| wake.ring());
        assert!(matches!(inputs.0.try_recv(), Ok(Input::Submit(_))));
        drop(inputs);
        wake.ring();
        let stopping = submit(2).now_or_never().unwrap().unwrap();
        assert_eq!(stopping, vec![Err(SubmitError::Stopping); 2]);
    }
}
