//! A production replica in an adversary's hands: it keeps up with the others, and the adversary
//! changes what it says before it is sent.

use std::sync::Arc;

use replica::{Event, Outgoing, Replica, Setup};
use store::{CommitReceipt, MemoryDisk, MemoryIndex, SEGMENT_BYTES, Store};
use types::{
    Height, IdentityPublicKey, LotterySignature, Message, Micros, Monotonic, Now, UnixMillis,
};

use super::{Heard, Member, Timer, member::Chance};
use crate::network::POOL_LIMITS;

/// How many orders a puppet takes in at its till: a liar is a shop too.
const MOST_ORDERS: u64 = 12;

/// Beyond the grace stretched as far as it goes, once for a vote and once for patience with a better
/// block (`docs/protocol.md` §5).
const BEYOND_ALL_GRACES: Micros = Micros::from_millis(600_000);

/// The replica on a disk of its own that never fails.
pub(crate) struct Puppet {
    member: Member,
    replica: Replica,
    store: Store,
    receipt: Option<CommitReceipt>,
    wake: Option<Monotonic>,
    /// What the adversary did in the member's name was too much for an honest replica: it says nothing
    /// any more.
    broken: bool,
    unsent: Vec<Outgoing>,
    /// How far its monotonic clock is ahead of the machine's.
    leap: Micros,
    /// Its clock leaps over every wait.
    eager: bool,
    /// How far its wall clock is ahead of the machine's, or behind.
    pub(crate) wall_ahead_millis: i64,
    till: Timer,
    /// The number of the next order it takes in, and how many are left.
    orders: (u64, u64),
}

impl Puppet {
    /// At the genesis.
    pub(crate) fn new(member: Member, now: Now) -> Self {
        let network = &member.network;
        let (store, _) = Store::open_on(
            Arc::new(MemoryDisk::new()),
            Arc::new(MemoryIndex::new()),
            &network.chain,
            SEGMENT_BYTES,
        )
        .expect("an empty disk in memory opens");
        let keys = network.keys(member.host);
        let setup = Setup {
            genesis: network.genesis.clone(),
            identity: keys.identity.clone(),
            lottery: keys.lottery.clone(),
            signatures: network.signatures.clone(),
            reader: store.reader(),
        };
        let replica = Replica::new(setup, now).expect("an empty store can be read");
        let mut replica = replica.with_pool_limits(POOL_LIMITS);
        let first = replica.start(now);
        let till = Timer::new(&member, Chance::Till, member.interval().times(2), now);
        let mut puppet = Self {
            member,
            replica,
            store,
            receipt: None,
            wake: None,
            broken: false,
            unsent: Vec::new(),
            leap: Micros(0),
            eager: false,
            wall_ahead_millis: 0,
            till,
            orders: (0, MOST_ORDERS),
        };
        puppet.absorb(now, first);
        puppet
    }

    /// The same one with a monotonic clock that leaps over every wait and grace: it proposes and votes
    /// at once.
    pub(crate) const fn eager(mut self) -> Self {
        self.eager = true;
        self
    }

    /// The same one with other orders at its till, which begin with this number.
    pub(crate) const fn with_orders_from(mut self, number: u64) -> Self {
        self.orders.0 = number;
        self
    }

    /// The height it works on.
    pub(crate) fn height(&self) -> Height {
        self.replica.progress().height
    }

    /// Its own ticket for that height.
    pub(crate) fn ticket(&self) -> Option<LotterySignature> {
        self.replica.progress().own_draw.map(|draw| draw.ticket)
    }

    /// When it wants to be woken.
    pub(crate) fn wake(&self) -> Option<Monotonic> {
        if self.broken {
            return None;
        }
        let of_replica = self
            .wake
            .map(|wake| Monotonic(wake.0.saturating_sub(self.leap.0)));
        let of_till = Some(self.till.due()).filter(|_| self.orders.1 > 0);
        [of_replica, of_till].into_iter().flatten().min()
    }

    /// What it would say.
    pub(crate) fn hear(&mut self, now: Now, heard: Heard<'_>) -> Vec<Outgoing> {
        match heard {
            Heard::Start | Heard::Wake => self.step(now, Event::Tick),
            Heard::Connected(peer) => self.step(now, Event::Connected(peer)),
            Heard::Disconnected(peer) => self.step(now, Event::Disconnected(peer)),
            Heard::Message(from, message) => self.message(now, from, message),
        }
        if self.orders.1 > 0 && self.till.is_due(now) {
            let (number, left) = self.orders;
            self.orders = (number + 1, left - 1);
            let submission = self.member.submission(number);
            self.step(now, Event::Submit(vec![submission]));
        }
        std::mem::take(&mut self.unsent)
    }

    /// What its own clocks show.
    fn shown(&self, now: Now) -> Now {
        Now {
            monotonic: now.monotonic.plus(self.leap),
            wall: UnixMillis(now.wall.0.saturating_add_signed(self.wall_ahead_millis)),
        }
    }

    fn step(&mut self, now: Now, event: Event) {
        if self.broken {
            return;
        }
        let shown = self.shown(now);
        let output = self.replica.step(shown, event);
        self.absorb(shown, output);
        if !self.eager || self.broken {
            return;
        }
        let network = &self.member.network;
        let longest = network.genesis.timing.longest_wait(network.len());
        let ahead = longest.plus(BEYOND_ALL_GRACES);
        let clock = self.replica.progress().clock;
        if clock.is_some_and(|clock| shown.monotonic < clock.plus(ahead)) {
            self.leap = self.leap.plus(ahead);
            let shown = self.shown(now);
            let output = self.replica.step(shown, Event::Tick);
            self.absorb(shown, output);
        }
    }

    fn message(&mut self, now: Now, from: IdentityPublicKey, message: &Message) {
        let checker = self.member.network.checker();
        let checked = checker.check(message.clone());
        if let Ok(checked) = checked {
            self.step(now, Event::Message(from, checked));
        }
    }

    /// Does what an output asks for, until nothing follows from it.
    fn absorb(&mut self, now: Now, output: replica::Output) {
        let mut next = Some(output);
        while let Some(output) = next.take() {
            self.broken |= output.fatal.is_some();
            if self.broken {
                return;
            }
            let memory = "a disk in memory does not fail";
            self.store
                .append(&output.persist, output.sequence)
                .expect(memory);
            if output.sync {
                self.receipt = Some(self.store.sync().expect(memory));
            }
            let sealed = output.sealed.unseal(self.receipt.as_ref());
            self.unsent.extend(sealed.unwrap_or_default());
            let mut indexed = None;
            for run in output.finalized {
                let last = run.blocks.last();
                indexed = last.map(|block| block.block.header().height).or(indexed);
                self.store
                    .finalize(run.blocks, run.certificate.as_ref())
                    .expect(memory);
            }
            self.store.forget_batches(&output.forget);
            self.wake = output.wake;
            if let Some(receipt) = self.receipt.filter(|_| output.sync) {
                // What follows from the commit comes first; telling of the index can wait for it.
                let committed = self.replica.step(now, Event::Committed(receipt));
                if let Some(height) = indexed {
                    self.absorb(now, committed);
                    next = Some(self.replica.step(now, Event::Indexed(height)));
                } else {
                    next = Some(committed);
                }
            }
        }
    }
}
