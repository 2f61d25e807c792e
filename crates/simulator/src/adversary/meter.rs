//! Keeps an adversary within a bounded number of messages a second: any link has a capacity, and a
//! simulation an end.

use replica::Outgoing;
use types::{Monotonic, Now};

use super::{Adversary, Heard};

/// The most messages of a second, each counted once, whoever gets it.
pub(super) const MOST_A_SECOND: usize = 4_096;

const SECOND: u64 = 1_000_000;

/// An adversary under this bound; what it says beyond it is lost.
pub(super) struct Metered<A> {
    adversary: A,
    second: u64,
    said: usize,
}

impl<A> Metered<A> {
    pub(super) const fn new(adversary: A) -> Self {
        Self {
            adversary,
            second: 0,
            said: 0,
        }
    }
}

impl<A: Adversary> Adversary for Metered<A> {
    fn hear(&mut self, now: Now, heard: Heard<'_>) -> Vec<Outgoing> {
        #[cfg(feature = "mutations")]
        let _sound = types::mutation::suspend();
        let second = now.monotonic.0 / SECOND;
        if second != self.second {
            self.second = second;
            self.said = 0;
        }
        let mut said = self.adversary.hear(now, heard);
        said.truncate(MOST_A_SECOND - self.said);
        self.said += said.len();
        said
    }

    fn wake(&self) -> Option<Monotonic> {
        self.adversary.wake()
    }
}
