//! One member's machine: its clocks, its disk, and what runs on it.

use store::{Index as _, MemoryIndex};
use types::LogIndex;

use crate::{
    adversary::Adversary,
    clocks::Clock,
    disks::FaultyDisk,
    plan::{HostPlan, Role},
    process::{Process, Stop},
    random::Random,
};

/// How many orders a file of the index holds: few, so that some are lost with every process.
const ENTRIES_A_FILE: u64 = 8;

/// What runs on a machine.
pub(crate) enum Running {
    /// Nothing.
    Nothing,
    /// The production replica.
    Process(Box<Process>),
    /// A liar.
    Adversary(Box<dyn Adversary>),
}

/// A machine.
pub(crate) struct Host {
    pub(crate) plan: HostPlan,
    pub(crate) clock: Clock,
    pub(crate) disk: FaultyDisk,
    pub(crate) index: MemoryIndex,
    /// The index as it was some time ago: losing power may undo its last writes.
    older_index: MemoryIndex,
    pub(crate) running: Running,
    /// Rises with every start and end, so that what was meant for an earlier life is lost.
    pub(crate) life: u64,
    /// The number of the wake-up that counts.
    pub(crate) wake: u64,
    /// When that one is due.
    pub(crate) wakes_at: Option<u64>,
    /// It stands still until then.
    pub(crate) frozen_until: u64,
    /// Its disk is full until then.
    pub(crate) full_until: u64,
    /// A crash point that ends it takes the power of the machine with it.
    pub(crate) crash_takes_power: bool,
    /// The store must refuse what its disk holds.
    pub(crate) rotten: bool,
}

impl Host {
    pub(crate) fn new(plan: HostPlan) -> Self {
        Self {
            clock: Clock::new(plan.clock_rate, plan.wall_offset_millis),
            plan,
            disk: FaultyDisk::default(),
            index: MemoryIndex::new(),
            older_index: MemoryIndex::new(),
            running: Running::Nothing,
            life: 0,
            wake: 0,
            wakes_at: None,
            frozen_until: 0,
            full_until: 0,
            crash_takes_power: false,
            rotten: false,
        }
    }

    pub(crate) fn is_honest(&self) -> bool {
        self.plan.role == Role::Honest
    }

    pub(crate) const fn is_running(&self) -> bool {
        !matches!(self.running, Running::Nothing)
    }

    pub(crate) fn process(&self) -> Option<&Process> {
        match &self.running {
            Running::Process(process) => Some(process),
            _ => None,
        }
    }

    pub(crate) fn process_mut(&mut self) -> Option<&mut Process> {
        match &mut self.running {
            Running::Process(process) => Some(process),
            _ => None,
        }
    }

    /// What runs ends; with the power goes what was not synced.
    pub(crate) fn end(&mut self, power: bool, random: &mut Random) {
        self.running = Running::Nothing;
        self.life += 1;
        self.index = after_crash(&self.index);
        if power {
            self.disk.lose_power(random);
            match random.below(3) {
                0 => {}
                1 if self.life.is_multiple_of(2) => self.index = after_crash(&self.older_index),
                1 => self.index = self.older_index.with_entries_of(&self.index),
                _ => self.index = MemoryIndex::new(),
            }
        }
        self.older_index = after_crash(&self.index);
    }

    /// True when the process ended because of a fault of its disk that was put there.
    pub(crate) fn explains(&self, stop: &Stop) -> bool {
        match stop {
            Stop::CrashPoint => true,
            Stop::Disk(store::StoreError::Io { .. } | store::StoreError::Poisoned) => true,
            Stop::Disk(_) => self.rotten,
            Stop::Fatal(_) => false,
        }
    }
}

/// What the end of a process leaves of its index: of the entries only those that were in files.
fn after_crash(index: &MemoryIndex) -> MemoryIndex {
    let end = index.entries_end().0;
    index.after_crash(LogIndex(end - end % ENTRIES_A_FILE))
}
