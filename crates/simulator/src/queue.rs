//! What is going to happen, in the order in which it does.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
    sync::Arc,
};

use types::Message;

/// Something that is going to happen.
#[derive(Debug)]
pub(crate) enum Happening {
    Start {
        host: usize,
    },
    Wake {
        host: usize,
        number: u64,
    },
    Synced {
        host: usize,
        life: u64,
    },
    Arrival {
        from: usize,
        to: usize,
        life: u64,
        message: Arc<Message>,
    },
    /// A connection is made or lost.
    Peer {
        host: usize,
        life: u64,
        peer: usize,
        connected: bool,
    },
    Fault {
        number: usize,
    },
    Mend {
        number: usize,
    },
    Placement {
        number: usize,
    },
    Heal,
}

impl Happening {
    /// The machine that does nothing while it is frozen.
    pub(crate) const fn host(&self) -> Option<usize> {
        match self {
            Self::Start { host }
            | Self::Wake { host, .. }
            | Self::Synced { host, .. }
            | Self::Arrival { to: host, .. }
            | Self::Peer { host, .. } => Some(*host),
            Self::Fault { .. } | Self::Mend { .. } | Self::Placement { .. } | Self::Heal => None,
        }
    }
}

/// A happening and its place in the queue.
struct Scheduled {
    time: u64,
    number: u64,
    happening: Happening,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        (self.time, self.number) == (other.time, other.number)
    }
}
impl Eq for Scheduled {}
impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.time, self.number).cmp(&(other.time, other.number))
    }
}

/// What is going to happen. At one time what was put in first comes first.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: BinaryHeap<Reverse<Scheduled>>,
    scheduled: u64,
}

impl Queue {
    /// Puts in what happens at this time.
    pub(crate) fn put(&mut self, time: u64, happening: Happening) {
        self.scheduled += 1;
        self.waiting.push(Reverse(Scheduled {
            time,
            number: self.scheduled,
            happening,
        }));
    }

    /// When the next thing happens.
    pub(crate) fn next_at(&self) -> Option<u64> {
        self.waiting.peek().map(|Reverse(next)| next.time)
    }

    /// Takes the next thing out, and when it happens.
    pub(crate) fn take(&mut self) -> Option<(u64, Happening)> {
        let Reverse(next) = self.waiting.pop()?;
        Some((next.time, next.happening))
    }

    /// How many things are going to happen.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
}
