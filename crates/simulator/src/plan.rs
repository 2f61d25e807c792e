//! What happens in a simulation, all of it drawn from one seed before it begins.

use types::{FaultModel, Micros, Preset, Timing};

use crate::{
    adversary::Kind,
    disks::Failing,
    links::{Distance, LinkPlan},
    random::{Random, Stream},
};

/// Everything about one simulation.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// The members, in the order of their indexes.
    pub hosts: Vec<HostPlan>,
    /// How members may fail.
    pub fault_model: FaultModel,
    /// The lottery's times.
    pub timing: Timing,
    /// The links while faults happen.
    pub links: LinkPlan,
    /// The most orders a block seals.
    pub max_block_orders: u32,
    /// How long the segments of the members' logs are.
    pub segment_bytes: u32,
    /// True where keys and signatures are the real ones, which are some hundred times slower.
    pub real_signatures: bool,
    /// Nothing goes wrong: what is good on average must hold each time.
    pub calm: bool,
    /// Nothing keeps a quorum from certifying blocks, so that it must go on at every height.
    pub steady: bool,
    /// Makes an empty block after so long without work; 0 is never.
    pub heartbeat: Micros,
    /// Faults happen until then, in microseconds.
    pub faulty_until: u64,
    /// What goes wrong, and when.
    pub faults: Vec<(u64, Fault)>,
    /// Who places orders, and when.
    pub placements: Vec<Placement>,
}

/// One member's machine.
#[derive(Debug, Clone)]
pub struct HostPlan {
    /// What drives it.
    pub role: Role,
    /// When it is started for the first time.
    pub starts_at: u64,
    /// Microseconds its monotonic clock shows in a second.
    pub clock_rate: u64,
    /// How far its wall clock is off.
    pub wall_offset_millis: i64,
    /// The shortest and the longest time a sync of its disk takes.
    pub sync_micros: (u64, u64),
}

/// What drives a member's machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The production replica.
    Honest,
    /// The production replica, whose disk rots and is replaced by an empty one: it forgets its votes,
    /// so it counts among the liars.
    Forgetful,
    /// An adversary with the member's keys.
    Adversary(Kind),
}

/// Something that goes wrong. Times are absolute where they say `until`, otherwise lengths.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Links are cut, each in one direction.
    Cut {
        /// From whom to whom.
        links: Vec<(usize, usize)>,
        /// When they are mended.
        until: u64,
        /// Connections break with it and are made again afterwards.
        reset: bool,
    },
    /// A link holds everything back for a while.
    Clog {
        /// From whom.
        from: usize,
        /// To whom.
        to: usize,
        /// Until when.
        until: u64,
    },
    /// A process ends at once, perhaps with the power of its machine.
    Kill {
        /// Whose.
        host: usize,
        /// The machine loses what was not synced.
        power: bool,
        /// How long it stays down.
        down: u64,
    },
    /// A process ends at the so-manieth of the moments at which it writes, syncs or sends.
    CrashPoint {
        /// Whose.
        host: usize,
        /// How many moments it has left.
        moments: u64,
        /// The machine loses what was not synced.
        power: bool,
    },
    /// A process stands still for a while.
    Freeze {
        /// Whose.
        host: usize,
        /// Until when.
        until: u64,
        /// The machine sleeps, and its monotonic clock with it.
        suspend: bool,
    },
    /// Somebody sets a wall clock.
    SetWall {
        /// Whose.
        host: usize,
        /// How far it is off afterwards.
        offset_millis: i64,
    },
    /// A disk fails once; the process ends.
    Disk {
        /// Whose.
        host: usize,
        /// To do what.
        failing: Failing,
    },
    /// A disk is full for a while; the process ends as often as it is started.
    FullDisk {
        /// Whose.
        host: usize,
        /// Until when.
        until: u64,
    },
    /// A bit of what was safely written flips; the process ends and finds it when it is started again.
    Rot {
        /// Whose.
        host: usize,
    },
}

/// Somebody places orders at a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// When.
    pub at: u64,
    /// At whose till.
    pub host: usize,
    /// Which; the same number stands for the same order.
    pub orders: Vec<OrderNumber>,
}

/// Stands for an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OrderNumber {
    /// Makes it different from all others.
    pub number: u64,
    /// Whose till vouches for it; `None` where its customer signs it.
    pub till: Option<usize>,
    /// When it was placed first.
    pub placed_at: u64,
}

impl Plan {
    /// How many members there are.
    pub fn members(&self) -> usize {
        self.hosts.len()
    }

    /// The members that run the production replica on a disk that keeps what it promised.
    pub fn honest(&self) -> Vec<usize> {
        (0..self.members())
            .filter(|host| self.hosts[*host].role == Role::Honest)
            .collect()
    }

    /// True when members lie, disks fail, clocks are wrong and links are bad, all in one simulation.
    pub fn is_mixed(&self) -> bool {
        let has = |is: fn(&Fault) -> bool| self.faults.iter().any(|(_, fault)| is(fault));
        let disks = |fault: &Fault| {
            matches!(
                fault,
                Fault::Disk { .. } | Fault::FullDisk { .. } | Fault::Rot { .. }
            )
        };
        let clocks = |fault: &Fault| matches!(fault, Fault::Freeze { .. } | Fault::SetWall { .. });
        let links = |fault: &Fault| matches!(fault, Fault::Cut { .. } | Fault::Clog { .. });
        let drifts = |host: &HostPlan| host.clock_rate != crate::clocks::EXACT_RATE;
        self.honest().len() < self.members()
            && has(disks)
            && (has(clocks) || self.hosts.iter().any(drifts))
            && has(links)
    }

    /// The same plan with other members in the place of the last of the honest ones.
    pub fn with_adversaries(mut self, kinds: &[Kind]) -> Self {
        let honest = self.honest();
        for (kind, host) in kinds.iter().zip(honest.into_iter().rev()) {
            self.hosts[host].role = Role::Adversary(*kind);
        }
        self.calm = false;
        self.steady = false;
        self
    }

    /// A plan in which nothing goes wrong but what its caller adds.
    pub fn calm(seed: u64, members: usize, fault_model: FaultModel, preset: Preset) -> Self {
        let mut random = Random::new(seed, Stream::Plan);
        let timing = preset.timing();
        let distance = match preset {
            Preset::Lan => Distance::Lan,
            Preset::Metro => Distance::Metro,
            Preset::Wan => Distance::Wan,
        };
        let host = HostPlan {
            role: Role::Honest,
            starts_at: 0,
            clock_rate: crate::clocks::EXACT_RATE,
            wall_offset_millis: 0,
            sync_micros: (200, 400),
        };
        let mut plan = Self {
            seed,
            hosts: vec![host; members],
            fault_model,
            timing,
            links: link_plan(&mut random, distance, false),
            max_block_orders: crate::network::MAX_BLOCK_ORDERS,
            segment_bytes: 1024 * 1024,
            real_signatures: false,
            calm: true,
            steady: true,
            heartbeat: Micros(0),
            faulty_until: pace(&timing, distance, members) * 20,
            faults: Vec::new(),
            placements: Vec::new(),
        };
        plan.add_placements(&mut random);
        plan
    }

    /// Orders over the whole time: most at tills, some signed by customers, some placed again, at the
    /// same member or at another.
    pub(crate) fn add_placements(&mut self, random: &mut Random) {
        let count = random.between(8, 24);
        let mut known: Vec<OrderNumber> = Vec::new();
        for _ in 0..count {
            let at = random.below(self.faulty_until);
            let host = random.index(self.members());
            let mut orders = Vec::new();
            for _ in 0..random.between(1, 4) {
                let again = !known.is_empty() && random.percent(20);
                let order = if again {
                    known[random.index(known.len())]
                } else {
                    OrderNumber {
                        number: known.len() as u64,
                        till: random.percent(70).then_some(host),
                        placed_at: at,
                    }
                };
                if !again {
                    known.push(order);
                }
                if !orders.contains(&order) {
                    orders.push(order);
                }
            }
            self.placements.push(Placement { at, host, orders });
        }
        // After the faults every honest member takes one more order in.
        for host in self.honest() {
            let at = self.faulty_until + random.between(1_000, 50_000);
            let order = OrderNumber {
                number: known.len() as u64,
                till: Some(host),
                placed_at: at,
            };
            known.push(order);
            self.placements.push(Placement {
                at,
                host,
                orders: vec![order],
            });
        }
    }
}

/// A length of time in which a few heights pass and what was lost is sent again: the measure of all
/// other lengths.
pub(crate) fn pace(timing: &Timing, distance: Distance, members: usize) -> u64 {
    let interval = timing.resend_interval(members).0;
    interval.max(10 * distance.longest_delay())
}

/// The links of a plan, perhaps faulty ones.
pub(crate) fn link_plan(random: &mut Random, distance: Distance, faulty: bool) -> LinkPlan {
    let (loss, duplication, unlucky) = if faulty {
        let loss = random.pick(&[0, 1, 5, 20, 40]);
        (
            loss,
            random.pick(&[0, 5, 50]),
            random.pick(&[0, 1, 1, 5, 20]),
        )
    } else {
        (0, 0, 0)
    };
    LinkPlan {
        distance,
        loss,
        duplication,
        unlucky,
    }
}
