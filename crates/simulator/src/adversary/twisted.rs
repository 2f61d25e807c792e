//! A lie is what an adversary makes of the words of a production replica, its puppet.

use replica::Outgoing;
use types::{IdentityPublicKey, Message, Monotonic, Now};

use super::{Adversary, Heard, Puppet};

/// What one kind of liar does.
pub(super) trait Lie {
    /// Takes note of a message, before the puppet hears it; what is returned is sent before what the
    /// puppet says.
    fn overhear(&mut self, _from: IdentityPublicKey, _message: &Message) -> Vec<Outgoing> {
        Vec::new()
    }

    /// Whether the puppet hears a message.
    fn lets_hear(&self, _message: &Message) -> bool {
        true
    }

    /// What is sent in place of what the puppet would say.
    fn twist(&mut self, _now: Now, said: Vec<Outgoing>) -> Vec<Outgoing> {
        said
    }

    /// What it says by itself, whenever anything has happened.
    fn act(&mut self, _now: Now, _puppet: &mut Puppet) -> Vec<Outgoing> {
        Vec::new()
    }

    /// When it wants to be woken to act.
    fn wake(&self) -> Option<Monotonic> {
        None
    }
}

/// A puppet whose words are twisted.
pub(super) struct Twisted<L> {
    puppet: Puppet,
    lie: L,
}

impl<L> Twisted<L> {
    pub(super) const fn new(puppet: Puppet, lie: L) -> Self {
        Self { puppet, lie }
    }
}

impl<L: Lie> Adversary for Twisted<L> {
    fn hear(&mut self, now: Now, heard: Heard<'_>) -> Vec<Outgoing> {
        let mut said = match heard {
            Heard::Message(from, message) => self.lie.overhear(from, message),
            _ => Vec::new(),
        };
        let hears = match heard {
            Heard::Message(_, message) => self.lie.lets_hear(message),
            _ => true,
        };
        if hears {
            let puppet_said = self.puppet.hear(now, heard);
            said.extend(self.lie.twist(now, puppet_said));
        }
        said.extend(self.lie.act(now, &mut self.puppet));
        said
    }

    fn wake(&self) -> Option<Monotonic> {
        [self.puppet.wake(), self.lie.wake()]
            .into_iter()
            .flatten()
            .min()
    }
}
