//! What comes from peers, checked before it reaches the replica.

use std::{
    collections::BTreeMap,
    sync::Arc,
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use network::{Event, Events};
use replica::{Checker, Fault, VerifiedLately};
use types::{Genesis, IdentityPublicKey, MemberSet, Message, Signatures};

use super::{
    driver::Commands,
    view::{Happening, View},
};

/// A peer's faults are told once in so long, so that it cannot fill the screen.
const FAULT_INTERVAL: Duration = Duration::from_secs(30);

/// Messages that are checked together at most.
const MOST_TOGETHER: usize = 64;

/// No more is added to so many orders that are checked together: their signatures cost hardly less each
/// if they were more, and what waits behind them, votes too, would wait longer.
const ORDERS_TOGETHER: usize = 1_000;

/// What the inbox works with.
pub(super) struct Inbox {
    pub(super) events: Events,
    pub(super) commands: Commands,
    pub(super) signatures: Arc<dyn Signatures>,
    pub(super) genesis: Arc<Genesis>,
    pub(super) members: Arc<MemberSet>,
    pub(super) view: Arc<View>,
}

/// Starts the inbox's thread; it ends with the network.
pub(super) fn spawn(
    inbox: Inbox,
    runtime: tokio::runtime::Handle,
) -> std::io::Result<JoinHandle<()>> {
    Builder::new()
        .name("dexter-inbox".to_owned())
        .spawn(move || inbox.run(&runtime))
}

impl Inbox {
    fn run(mut self, runtime: &tokio::runtime::Handle) {
        let mut past = Past::default();
        while let Some(first) = runtime.block_on(self.events.recv()) {
            let waiting = self.waiting(first);
            if !self.pass_on(waiting, &mut past) {
                return;
            }
        }
    }

    /// An event and those that wait behind it.
    fn waiting(&mut self, first: Event) -> Vec<Event> {
        let mut orders = orders_of(&first);
        let mut events = vec![first];
        while orders < ORDERS_TOGETHER && events.len() < MOST_TOGETHER {
            let Some(event) = self.events.try_recv() else {
                break;
            };
            orders += orders_of(&event);
            events.push(event);
        }
        events
    }

    /// Checks the messages among events together and hands all over in their order; false when nobody is
    /// there to take them.
    fn pass_on(&self, events: Vec<Event>, past: &mut Past) -> bool {
        let mut messages = Vec::new();
        let mut rest = Vec::new();
        for event in events {
            rest.push(match event {
                Event::Message { from, message } => {
                    messages.push(message);
                    Item::MessageFrom(from)
                }
                other => Item::Other(other),
            });
        }
        let checker = Checker {
            signatures: &*self.signatures,
            genesis: &self.genesis,
            chain: &self.view.chain,
            members: &self.members,
        };
        let mut checked = checker.check_all(messages, &mut past.verified).into_iter();
        rest.into_iter().all(|item| {
            let input = match item {
                Item::Other(event) => self.input(event),
                Item::MessageFrom(from) => match checked.next() {
                    Some(Ok(message)) => Some(replica::Event::Message(from, message)),
                    Some(Err(fault)) => {
                        self.tell_of(&fault, from, &mut past.told);
                        None
                    }
                    None => None,
                },
            };
            input.is_none_or(|input| self.commands.event(input))
        })
    }

    /// What people are told of an event, and the replica.
    fn input(&self, event: Event) -> Option<replica::Event> {
        match event {
            Event::Connected { key, name, address } => {
                self.commands
                    .tell(Happening::Connected { key, name, address });
                Some(replica::Event::Connected(key))
            }
            Event::Disconnected { key, name, reason } => {
                self.commands
                    .tell(Happening::Disconnected { key, name, reason });
                Some(replica::Event::Disconnected(key))
            }
            Event::Listening(_) => None,
            other => {
                self.commands.tell(Happening::Trouble(other.to_string()));
                None
            }
        }
    }

    fn tell_of(
        &self,
        fault: &Fault,
        from: IdentityPublicKey,
        told: &mut BTreeMap<IdentityPublicKey, Instant>,
    ) {
        let now = Instant::now();
        if told.get(&from).is_some_and(|at| now < *at + FAULT_INTERVAL) {
            return;
        }
        told.insert(from, now);
        let name = self.view.name_of(&from);
        self.commands.tell(Happening::Trouble(format!(
            "{name}: {fault}; it was ignored"
        )));
    }
}

/// What is remembered of earlier messages.
#[derive(Default)]
struct Past {
    verified: VerifiedLately,
    /// When a fault of each peer was told last.
    told: BTreeMap<IdentityPublicKey, Instant>,
}

/// An event whose message, if it is one, is being checked.
enum Item {
    MessageFrom(IdentityPublicKey),
    Other(Event),
}

/// How many orders, each perhaps with a signature, come with an event in a batch of their own.
fn orders_of(event: &Event) -> usize {
    match event {
        Event::Message {
            message: Message::Batch(full),
            ..
        } => full.batch.entries.len(),
        _ => 0,
    }
}
