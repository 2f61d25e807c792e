//! A running member: the production replica and store, driven as a node drives them.
//!
//! A round: take what has come in, step the replica for each, append what it persists, sync once,
//! send what that unseals, hand over what became final to be indexed, and then answer those who placed
//! orders. While the disk syncs nothing else happens, so what comes meanwhile shares the next sync. The
//! index is some time behind, as that of a busy node is.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use replica::{
    Event, FinalRun, Notice, Outgoing, Output, Replica, Sealed, Setup, Submission, Submitted,
};
use store::{CommitReceipt, MemoryIndex, Record, Staged, Store, StoreError};
use types::{BlockHash, Certificate, FullBatch, Height, Message, Micros, Monotonic, Now, OrderId};

use crate::{
    disks::FaultyDisk,
    network::{Network, POOL_LIMITS},
    observation::Observation,
};

/// How many inputs one round takes at most, as in a node.
const MOST_INPUTS_A_ROUND: usize = 256;

/// What became final is in the index so much later.
const INDEX_LAG: Micros = Micros::from_millis(20);

/// Something that waits for the process.
#[derive(Debug)]
pub(crate) enum Input {
    Event(Box<Event>),
    Submit(Box<Submission>),
}

/// Why a process ended.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It was told to crash at this moment.
    CrashPoint,
    /// Its disk failed, or holds what the store refuses.
    Disk(StoreError),
    /// The replica says that it must not go on.
    Fatal(String),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Disk(error)
    }
}

/// What the process waits for next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Its disk is syncing.
    Sync,
    /// An input, or this time.
    Sleep(Option<Monotonic>),
}

/// What a process did.
#[derive(Default)]
pub(crate) struct Effects {
    /// Messages that left; with the last one may be a mark that it reached only some.
    pub(crate) sent: Vec<Outgoing>,
    /// The process crashed while the last message was leaving.
    pub(crate) cut_short: bool,
    /// What was seen of it.
    pub(crate) seen: Vec<Observation>,
}

/// A production member.
pub(crate) struct Process {
    host: usize,
    network: Arc<Network>,
    replica: Replica,
    store: Store,
    inbox: VecDeque<Input>,
    /// The orders of this round that wait for their answer.
    placed: Vec<OrderId>,
    syncing: bool,
    receipt: Option<CommitReceipt>,
    dirty: bool,
    sealed: Vec<Sealed>,
    finalized: Vec<FinalRun>,
    /// What is to be put into the index, and when.
    staged: VecDeque<(Monotonic, Staged)>,
    submitted: Vec<Submitted>,
    wake: Option<Monotonic>,
    /// How many moments of writing, syncing and sending are left before it crashes.
    pub(crate) crash_in: Option<u64>,
}

impl Process {
    /// Starts a member on what its disk and index hold.
    pub(crate) fn start(
        host: usize,
        network: Arc<Network>,
        disk: &FaultyDisk,
        index: &MemoryIndex,
        segment_bytes: u32,
        now: Now,
        effects: &mut Effects,
    ) -> Result<(Self, Next), Stop> {
        let (mut store, recovered) = Store::open_on(
            Arc::new(disk.clone()),
            Arc::new(index.clone()),
            &network.chain,
            segment_bytes,
        )?;
        let keys = network.keys(host);
        let setup = Setup {
            genesis: network.genesis.clone(),
            identity: keys.identity.clone(),
            lottery: keys.lottery.clone(),
            signatures: network.signatures.clone(),
            reader: store.reader(),
        };
        let mut replica = Replica::new(setup, now)?.with_pool_limits(POOL_LIMITS);
        let mut held = Vec::new();
        for record in recovered {
            let record = record?;
            held.extend(observe_held(host, &record));
            let (finalized, _) = replica.recover(record)?;
            for run in finalized {
                observe_final(host, &run, &mut effects.seen);
                store.finalize(run.blocks, run.certificate.as_ref())?;
            }
        }
        let first = replica.start(now);
        let mut process = Self {
            host,
            network,
            replica,
            store,
            inbox: VecDeque::new(),
            placed: Vec::new(),
            syncing: false,
            receipt: None,
            dirty: false,
            sealed: Vec::new(),
            finalized: Vec::new(),
            staged: VecDeque::new(),
            submitted: Vec::new(),
            wake: None,
            crash_in: None,
        };
        let final_height = process.replica.progress().final_height;
        effects
            .seen
            .push(Observation::Started { host, final_height });
        effects.seen.append(&mut held);
        process.absorb(first, now, effects)?;
        let next = process.advance(now, effects)?;
        Ok((process, next))
    }

    /// Hands an input over.
    pub(crate) fn put(&mut self, input: Input) {
        self.inbox.push_back(input);
    }

    /// True while the disk syncs.
    pub(crate) const fn is_syncing(&self) -> bool {
        self.syncing
    }

    /// True when nothing is to be done and nothing waits for the disk.
    pub(crate) fn is_asleep(&self) -> bool {
        let working = self.syncing || !self.inbox.is_empty() || !self.staged.is_empty();
        !working && self.replica.progress().asleep
    }

    /// Where the replica stands: the height it works on and its final height.
    pub(crate) fn heights(&self) -> (Height, Height) {
        let progress = self.replica.progress();
        (progress.height, progress.final_height)
    }

    /// The replica's own account, for people.
    pub(crate) fn describe(&self) -> String {
        format!("{:?}", self.replica.progress())
    }

    /// Takes what has come in, or the time.
    pub(crate) fn round(&mut self, now: Now, effects: &mut Effects) -> Result<Next, Stop> {
        assert!(!self.syncing, "a process that syncs does nothing else");
        self.write_index(now, effects)?;
        let count = self.inbox.len().min(MOST_INPUTS_A_ROUND);
        if count == 0 {
            self.step(Event::Tick, now, effects)?;
        }
        let mut submissions = Vec::new();
        let mut keys = BTreeSet::new();
        let mut deferred = VecDeque::new();
        for input in self.inbox.drain(..count).collect::<Vec<_>>() {
            match input {
                Input::Event(event) => self.step(*event, now, effects)?,
                Input::Submit(submission) => {
                    let key = submission.answered.map(|answered| answered.key);
                    if key.is_some_and(|key| !keys.insert(key)) {
                        // The one before must be committed first; then its answer is known.
                        deferred.push_back(Input::Submit(submission));
                    } else if !self.answered_before(&submission, effects)? {
                        self.placed.push(*submission.entry.id());
                        submissions.push(*submission);
                    }
                }
            }
        }
        deferred.append(&mut self.inbox);
        self.inbox = deferred;
        if !submissions.is_empty() {
            self.step(Event::Submit(submissions), now, effects)?;
        }
        self.advance(now, effects)
    }

    /// The disk has had its time: makes what was appended durable and does what waited for it.
    pub(crate) fn synced(&mut self, now: Now, effects: &mut Effects) -> Result<Next, Stop> {
        self.syncing = false;
        self.moment()?;
        let receipt = self.store.sync()?;
        self.receipt = Some(receipt);
        self.dirty = false;
        self.moment()?;
        self.send(effects)?;
        self.stage(now, effects)?;
        self.step(Event::Committed(receipt), now, effects)?;
        self.advance(now, effects)
    }

    /// Goes on until the disk must sync or nothing is left to do.
    fn advance(&mut self, now: Now, effects: &mut Effects) -> Result<Next, Stop> {
        while !self.dirty && (!self.sealed.is_empty() || !self.finalized.is_empty()) {
            self.send(effects)?;
            self.stage(now, effects)?;
        }
        if self.dirty {
            self.syncing = true;
            return Ok(Next::Sync);
        }
        self.answer(effects);
        Ok(Next::Sleep(if self.inbox.is_empty() {
            let due = self.staged.front().map(|(due, _)| *due);
            self.wake.into_iter().chain(due).min()
        } else {
            Some(now.monotonic)
        }))
    }

    fn answer(&mut self, effects: &mut Effects) {
        let placed = std::mem::take(&mut self.placed);
        for (placed, submitted) in placed.into_iter().zip(self.submitted.drain(..)) {
            if let Ok(order) = submitted {
                let host = self.host;
                effects.seen.push(Observation::Answered {
                    host,
                    order,
                    placed,
                });
            }
        }
    }

    /// An order whose idempotency key was used before gets the answer given then.
    fn answered_before(
        &self,
        submission: &Submission,
        effects: &mut Effects,
    ) -> Result<bool, Stop> {
        let Some(answered) = submission.answered else {
            return Ok(false);
        };
        let Some(known) = self.store.reader().answer(&answered.key)? else {
            return Ok(false);
        };
        let (host, placed) = (self.host, *submission.entry.id());
        for order in known.orders {
            effects.seen.push(Observation::Answered {
                host,
                order,
                placed,
            });
        }
        Ok(true)
    }

    fn step(&mut self, event: Event, now: Now, effects: &mut Effects) -> Result<(), Stop> {
        let output = self.replica.step(now, event);
        self.absorb(output, now, effects)
    }

    /// Appends what an output persists and keeps the rest until that is durable.
    fn absorb(&mut self, output: Output, now: Now, effects: &mut Effects) -> Result<(), Stop> {
        if let Some(reason) = output.fatal {
            return Err(Stop::Fatal(reason));
        }
        self.observe_step(&output, now, &mut effects.seen);
        if !output.persist.is_empty() {
            self.moment()?;
            self.store.append(&output.persist, output.sequence)?;
            self.moment()?;
        } else {
            self.store.append(&[], output.sequence)?;
        }
        // At once: what a later output brings back is appended again, and needed.
        self.store.forget_batches(&output.forget);
        self.dirty |= output.sync;
        self.wake = output.wake;
        if !output.sealed.is_empty() {
            self.sealed.push(output.sealed);
        }
        self.finalized.extend(output.finalized);
        self.submitted.extend(output.submitted);
        Ok(())
    }

    fn send(&mut self, effects: &mut Effects) -> Result<(), Stop> {
        for sealed in std::mem::take(&mut self.sealed) {
            match sealed.unseal(self.receipt.as_ref()) {
                Ok(messages) => {
                    for outgoing in messages {
                        self.observe_sent(&outgoing.message, &mut effects.seen);
                        effects.sent.push(outgoing);
                        if let Err(stop) = self.moment() {
                            effects.cut_short = true;
                            return Err(stop);
                        }
                    }
                }
                Err(still_sealed) => self.sealed.push(still_sealed),
            }
        }
        Ok(())
    }

    /// Hands over what became final.
    fn stage(&mut self, now: Now, effects: &mut Effects) -> Result<(), Stop> {
        for run in std::mem::take(&mut self.finalized) {
            observe_final(self.host, &run, &mut effects.seen);
            let staged = self.store.stage(run.blocks, run.certificate.as_ref())?;
            let due = now.monotonic.plus(INDEX_LAG);
            self.staged.push_back((due, staged));
        }
        Ok(())
    }

    /// Puts into the index what was handed over long enough ago.
    fn write_index(&mut self, now: Now, effects: &mut Effects) -> Result<(), Stop> {
        while let Some((due, staged)) = self.staged.pop_front() {
            if due > now.monotonic {
                self.staged.push_front((due, staged));
                break;
            }
            let height = staged.height();
            self.moment()?;
            self.store.indexer().write(staged)?;
            self.moment()?;
            self.step(Event::Indexed(height), now, effects)?;
        }
        Ok(())
    }

    /// One of the moments at which a process can be told to crash.
    fn moment(&mut self) -> Result<(), Stop> {
        match &mut self.crash_in {
            None => Ok(()),
            Some(0) => Err(Stop::CrashPoint),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    fn observe_step(&self, output: &Output, now: Now, seen: &mut Vec<Observation>) {
        let host = self.host;
        for notice in &output.notices {
            match notice {
                Notice::Fault { peer, reason } => {
                    seen.extend(self.network.host_of(peer).map(|peer| Observation::Blamed {
                        host,
                        peer,
                        reason: reason.clone(),
                    }))
                }
                Notice::Equivocation { proposer, height } => seen.push(Observation::Blamed {
                    host,
                    peer: proposer.as_usize(),
                    reason: format!("it signed two blocks of height {height}"),
                }),
                _ => {}
            }
        }
        for record in &output.persist {
            match record {
                Record::Batch(..) => seen.extend(observe_held(host, record)),
                Record::Block(block) => seen.push(Observation::Block {
                    host,
                    block: block.hash(),
                    header: block.header().clone(),
                    batches: block.block.batches.clone(),
                }),
                Record::Vote(vote) => seen.push(Observation::VoteMade {
                    host,
                    now,
                    vote: vote.clone(),
                }),
                Record::Certificate(certificate) => {
                    seen.push(observe_certificate(host, certificate));
                }
                Record::FinalityProof(proof) => {
                    seen.push(observe_certificate(host, &proof.certificate));
                }
                Record::Evidence(_) | Record::Answer(_) => {}
            }
        }
        for outgoing in output.sealed.peek() {
            if let Some((height, block)) = self.own_proposal(&outgoing.message) {
                seen.push(Observation::ProposalMade {
                    host,
                    now: now.monotonic,
                    height,
                    block,
                });
            }
        }
        let progress = self.replica.progress();
        seen.push(Observation::Stepped {
            host,
            now: now.monotonic,
            height: progress.height,
            final_height: progress.final_height,
            clock: progress.clock,
            holdings: self.replica.holdings(),
            messages: output.sealed.peek().len(),
            records: output.persist.len(),
        });
    }

    /// Height and hash of a block of its own that a message brings.
    fn own_proposal(&self, message: &Message) -> Option<(Height, BlockHash)> {
        let Message::Proposal(proposal) = message else {
            return None;
        };
        let header = proposal.block.header();
        (header.proposer == self.network.index(self.host))
            .then(|| (header.height, proposal.block.hash()))
    }

    fn observe_sent(&self, message: &Message, seen: &mut Vec<Observation>) {
        let host = self.host;
        match message {
            Message::Vote(vote) => seen.push(Observation::VoteSent {
                host,
                vote: vote.clone(),
            }),
            Message::Proposal(proposal) => {
                if let Some((height, block)) = self.own_proposal(message) {
                    seen.push(Observation::Proposed {
                        host,
                        height,
                        block,
                    });
                }
                if let Some(certificate) = &proposal.parent_certificate {
                    seen.push(observe_certificate(host, certificate));
                }
            }
            Message::Certificate(certificate) => {
                seen.push(observe_certificate(host, certificate));
            }
            Message::Evidence(evidence) => seen.push(Observation::EvidenceSent {
                host,
                proposer: evidence.first.header.proposer,
                height: evidence.first.header.height,
            }),
            _ => {}
        }
    }
}

fn observe_certificate(host: usize, certificate: &Certificate) -> Observation {
    let certificate = certificate.clone();
    Observation::Certificate { host, certificate }
}

fn observe_held(host: usize, record: &Record) -> Option<Observation> {
    let Record::Batch(batch, personal) = record else {
        return None;
    };
    let full = FullBatch {
        batch: batch.batch().clone(),
        personal: personal.clone(),
    };
    Some(Observation::Held {
        host,
        complete: full.is_complete() == Some(true),
        batch: full.batch,
    })
}

fn observe_final(host: usize, run: &FinalRun, seen: &mut Vec<Observation>) {
    for block in &run.blocks {
        seen.push(Observation::Final {
            host,
            block: block.hash,
            header: block.block.header().clone(),
            batches: block.block.block.batches.clone(),
            orders: block.recorded.ids().to_vec(),
        });
    }
}
