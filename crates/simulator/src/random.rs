//! Numbers that only look random: a stream of its own for every use, so that a change in one part of
//! the world does not reshuffle the others.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};

/// What a stream of numbers is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// What is planned for the seed.
    Plan = 1,
    /// Delays, losses and copies of messages.
    Links = 2,
    /// What a loss of power leaves, and how long a sync takes.
    Disks = 3,
    /// Everything else that happens by chance.
    World = 4,
    /// What liars choose.
    Adversaries = 5,
    /// Who places orders in a study, and when.
    Arrivals = 6,
    /// What goes wrong in a study, and when.
    Mishaps = 7,
}

/// One stream of a seed.
#[derive(Debug, Clone)]
pub(crate) struct Random(ChaCha8Rng);

impl Random {
    /// The stream of a seed for one use.
    pub(crate) fn new(seed: u64, stream: Stream) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(stream as u64);
        Self(generator)
    }

    /// One of many streams for the same use.
    pub(crate) fn numbered(seed: u64, stream: Stream, number: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream((number << 8) | stream as u64);
        Self(generator)
    }

    /// Bytes that mean nothing.
    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0.next_u64() % bound
    }

    /// A number from `least` to `most`, both included.
    pub(crate) fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most.saturating_sub(least).saturating_add(1))
    }

    /// True in so many of a hundred cases.
    pub(crate) fn percent(&mut self, cases: u64) -> bool {
        self.below(100) < cases
    }

    /// An index below `count`, which is not 0.
    pub(crate) fn index(&mut self, count: usize) -> usize {
        usize::try_from(self.below(count as u64)).unwrap_or(0)
    }

    /// One of several.
    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())]
    }
}
