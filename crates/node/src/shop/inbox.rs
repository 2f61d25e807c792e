//! What comes from peers, checked before it reaches the replica.

use std::{
    collections::BTreeMap,
    sync::Arc,
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use network::{Event, Events};
use replica::check;
use types::{Genesis, IdentityPublicKey, MemberSet, Signatures};

use super::{
    driver::Commands,
    view::{Happening, View},
};

/// A peer's faults are told once in so long, so that it cannot fill the screen.
const FAULT_INTERVAL: Duration = Duration::from_secs(30);

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
        let chain = self.genesis.chain_id();
        let mut faults: BTreeMap<IdentityPublicKey, Instant> = BTreeMap::new();
        while let Some(event) = runtime.block_on(self.events.recv()) {
            let input = match event {
                Event::Message { from, message } => {
                    match check(
                        &*self.signatures,
                        &self.genesis,
                        &chain,
                        &self.members,
                        message,
                    ) {
                        Ok(checked) => replica::Event::Message(from, checked),
                        Err(fault) => {
                            let now = Instant::now();
                            let recent = faults
                                .get(&from)
                                .is_some_and(|at| now < *at + FAULT_INTERVAL);
                            if !recent {
                                faults.insert(from, now);
                                let name = self.view.name_of(&from);
                                self.commands.tell(Happening::Trouble(format!(
                                    "{name}: {fault}; it was ignored"
                                )));
                            }
                            continue;
                        }
                    }
                }
                Event::Connected { key, name, address } => {
                    self.commands
                        .tell(Happening::Connected { key, name, address });
                    replica::Event::Connected(key)
                }
                Event::Disconnected { key, name, reason } => {
                    self.commands
                        .tell(Happening::Disconnected { key, name, reason });
                    replica::Event::Disconnected(key)
                }
                Event::Listening(_) => continue,
                other => {
                    self.commands.tell(Happening::Trouble(other.to_string()));
                    continue;
                }
            };
            if !self.commands.event(input) {
                return;
            }
        }
    }
}
