//! The links between members: delays with a heavy tail, losses, copies, cuts and clogs.

use crate::random::Random;

/// How far apart members are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distance {
    /// One building: a tenth to some tenths of a millisecond.
    Lan,
    /// One city: some milliseconds.
    Metro,
    /// The world: 10 to 90 ms, another delay for every pair.
    Wan,
}

impl Distance {
    /// The longest delay of a message that is not unlucky, in microseconds.
    pub const fn longest_delay(self) -> u64 {
        match self {
            Self::Lan => 400,
            Self::Metro => 6_000,
            Self::Wan => 100_000,
        }
    }

    const fn shortest_delay(self) -> u64 {
        match self {
            Self::Lan => 100,
            Self::Metro => 1_000,
            Self::Wan => 10_000,
        }
    }
}

/// How the links are while faults happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkPlan {
    /// How far apart members are.
    pub distance: Distance,
    /// So many of a hundred messages are lost.
    pub loss: u64,
    /// So many of a hundred messages arrive twice.
    pub duplication: u64,
    /// So many of a hundred messages are unlucky: each doubling of their delay is followed by another
    /// with one half's probability.
    pub unlucky: u64,
}

/// The most doublings of an unlucky message's delay: 2^10 of a tenth of a second is beyond every
/// timeout of the protocol.
const MOST_DOUBLINGS: u32 = 10;

/// The state of all links.
#[derive(Debug)]
pub(crate) struct Links {
    plan: LinkPlan,
    members: usize,
    /// The usual delay from one to another.
    delays: Vec<u64>,
    /// How many reasons there are for a link to be cut.
    cuts: Vec<u32>,
    /// Until when a link holds everything back.
    clogged_until: Vec<u64>,
}

impl Links {
    pub(crate) fn new(plan: LinkPlan, members: usize, random: &mut Random) -> Self {
        let (least, most) = (
            plan.distance.shortest_delay(),
            plan.distance.longest_delay(),
        );
        let mut delays = vec![0; members * members];
        for from in 0..members {
            for to in 0..from {
                let delay = random.between(least, most * 9 / 10);
                delays[from * members + to] = delay;
                delays[to * members + from] = delay;
            }
        }
        Self {
            plan,
            members,
            delays,
            cuts: vec![0; members * members],
            clogged_until: vec![0; members * members],
        }
    }

    const fn place(&self, from: usize, to: usize) -> usize {
        from * self.members + to
    }

    /// When the copies of a message sent now arrive; none where it is lost.
    pub(crate) fn arrivals(
        &self,
        from: usize,
        to: usize,
        time: u64,
        random: &mut Random,
    ) -> Vec<u64> {
        let place = self.place(from, to);
        let copies = 1 + u64::from(random.percent(self.plan.duplication));
        let mut arrivals = Vec::new();
        for _ in 0..copies {
            let lost = random.percent(self.plan.loss);
            let jitter = random.below(self.delays[place] / 9 + 1);
            let mut delay = self.delays[place] + jitter;
            if random.percent(self.plan.unlucky) {
                let doublings = u32::try_from(random.below(1 << MOST_DOUBLINGS))
                    .unwrap_or(0)
                    .trailing_ones();
                delay <<= (doublings + 1).min(MOST_DOUBLINGS);
            }
            if !lost && self.cuts[place] == 0 {
                arrivals.push(time.max(self.clogged_until[place]) + delay);
            }
        }
        arrivals
    }

    /// Cuts a link, in this direction, until it is mended as often.
    pub(crate) fn cut(&mut self, from: usize, to: usize) {
        let place = self.place(from, to);
        self.cuts[place] += 1;
    }

    /// Takes one cut back.
    pub(crate) fn mend(&mut self, from: usize, to: usize) {
        let place = self.place(from, to);
        self.cuts[place] = self.cuts[place].saturating_sub(1);
    }

    /// Holds back what is sent from one to another until then.
    pub(crate) fn clog(&mut self, from: usize, to: usize, until: u64) {
        let place = self.place(from, to);
        self.clogged_until[place] = self.clogged_until[place].max(until);
    }

    /// All links are good from now on.
    pub(crate) fn heal(&mut self) {
        self.plan.loss = 0;
        self.plan.duplication = 0;
        self.plan.unlucky = 0;
        self.cuts.fill(0);
        self.clogged_until.fill(0);
    }
}
