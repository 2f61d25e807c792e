//! What happens in a simulation, all of it drawn from one seed before it begins.

use types::{FaultModel, Micros, Preset, Timing};

use crate::{
    adversary::Kind,
    disks::Failing,
    links::{Distance, LinkPlan},
    random::{Random, Stream},
};

/// The most members a random plan has: enough for three liars, few enough for hundreds of seeds a
/// minute.
const MOST_MEMBERS: u64 = 10;

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

/// Which kinds of faults happen.
#[derive(Debug, Clone, Copy)]
struct Kinds {
    liars: bool,
    network: bool,
    crashes: bool,
    disks: bool,
    clocks: bool,
}

impl Plan {
    /// The plan of a seed.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed, Stream::Plan);
        // Six in ten seeds have everything at once, liars too, of which there can be none among three.
        let mixed = random.percent(60);
        let least = if mixed { 4 } else { 1 };
        let members = usize::try_from(random.between(least, MOST_MEMBERS)).unwrap_or(1);
        let fault_model = if mixed || random.percent(50) {
            FaultModel::Byzantine
        } else {
            FaultModel::Crash
        };
        let kinds = Kinds {
            liars: mixed,
            network: mixed || random.percent(50),
            crashes: mixed || random.percent(50),
            disks: mixed || random.percent(50),
            clocks: mixed || random.percent(50),
        };
        let (timing, distance) = timing_and_distance(&mut random);
        let pace = pace(&timing, distance, members);
        let faulty_until = pace * random.between(10, 25);
        let hosts = hosts(
            &mut random,
            members,
            fault_model,
            kinds,
            distance,
            faulty_until,
        );
        let mut plan = Self {
            seed,
            hosts,
            fault_model,
            timing,
            links: link_plan(&mut random, distance, kinds.network),
            max_block_orders: crate::network::MAX_BLOCK_ORDERS,
            segment_bytes: random.pick(&[4 * 1024, 32 * 1024, 1024 * 1024]),
            real_signatures: false,
            calm: false,
            steady: false,
            heartbeat: heartbeat(&mut random, pace),
            faulty_until,
            faults: Vec::new(),
            placements: Vec::new(),
        };
        plan.add_placements(&mut random);
        plan.add_faults(&mut random, kinds, pace);
        plan
    }

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
    fn add_placements(&mut self, random: &mut Random) {
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

    fn add_faults(&mut self, random: &mut Random, kinds: Kinds, pace: u64) {
        let members = self.members();
        if kinds.network && members > 1 {
            for _ in 0..random.between(1, 5) {
                self.add_partition(random, pace);
            }
            for _ in 0..random.below(4) {
                let (at, until) = self.period(random, pace);
                let (from, to) = (random.index(members), random.index(members));
                self.faults.push((at, Fault::Clog { from, to, until }));
            }
        }
        let honest = self.honest();
        if kinds.crashes && !honest.is_empty() {
            for _ in 0..random.between(1, 4 + members as u64) {
                let at = random.below(self.faulty_until);
                let host = random.pick(&honest);
                let power = random.percent(60);
                let fault = if random.percent(40) {
                    let down = random.between(1, 4 * pace);
                    Fault::Kill { host, power, down }
                } else {
                    let moments = random.between(1, 120);
                    Fault::CrashPoint {
                        host,
                        moments,
                        power,
                    }
                };
                self.faults.push((at, fault));
            }
        }
        if kinds.clocks && !honest.is_empty() {
            self.add_clock_faults(random, &honest, pace);
        }
        if kinds.disks && !honest.is_empty() {
            self.add_disk_faults(random, &honest, pace);
        }
    }

    /// A moment and a later one, at most some paces later and not after the faults.
    fn period(&self, random: &mut Random, pace: u64) -> (u64, u64) {
        let at = random.below(self.faulty_until);
        let until = at + random.between(1, 6 * pace);
        (at, until.min(self.faulty_until))
    }

    fn add_partition(&mut self, random: &mut Random, pace: u64) {
        let members = self.members();
        let side: Vec<bool> = (0..members).map(|_| random.percent(50)).collect();
        let between = |from: usize, to: usize| side[from] != side[to];
        let kind = random.below(4);
        let one_way = random.percent(50);
        let loner = random.index(members);
        let mut links = Vec::new();
        for (from, on_one_side) in side.iter().enumerate() {
            for to in (0..members).filter(|to| *to != from) {
                let cut = match kind {
                    // Two sides, each whole.
                    0 => between(from, to),
                    // One side hears the other and not the other way round.
                    1 => between(from, to) && *on_one_side == one_way,
                    // One member speaks and does not hear, or hears and does not speak.
                    2 => (if one_way { to } else { from }) == loner,
                    // No pattern: who hears whom is not even transitive.
                    _ => random.percent(40),
                };
                if cut {
                    links.push((from, to));
                }
            }
        }
        let reset = random.percent(50);
        let (mut at, until) = self.period(random, pace);
        let flapping = random.percent(30);
        while at < until {
            let length = if flapping {
                random.between(1, pace)
            } else {
                until - at
            };
            let (links, until) = (links.clone(), at + length);
            self.faults.push((
                at,
                Fault::Cut {
                    links,
                    until,
                    reset,
                },
            ));
            at += length + random.between(1, pace);
        }
    }

    fn add_clock_faults(&mut self, random: &mut Random, honest: &[usize], pace: u64) {
        for _ in 0..random.below(4) {
            let (at, until) = self.period(random, pace);
            let fault = Fault::Freeze {
                host: random.pick(honest),
                until,
                suspend: random.percent(50),
            };
            self.faults.push((at, fault));
        }
        // Were a quorum's clocks an hour ahead, it would rightly certify a block an hour ahead, and
        // nobody could vote for the next one until that hour is over. So fewer go ahead than could.
        let quorum = self.fault_model.quorum(self.members());
        let liars = self.members() - honest.len();
        let may_go_ahead = quorum.saturating_sub(liars + 1);
        for _ in 0..random.below(4) {
            let place = random.index(honest.len());
            let ahead = place < may_go_ahead && random.percent(50);
            let hour = i64::try_from(random.between(1_000, 3_600_000)).unwrap_or(0);
            let fault = Fault::SetWall {
                host: honest[place],
                offset_millis: if ahead { hour } else { -hour },
            };
            let at = random.below(self.faulty_until);
            self.faults.push((at, fault));
        }
    }

    fn add_disk_faults(&mut self, random: &mut Random, honest: &[usize], pace: u64) {
        for _ in 0..random.between(1, 3) {
            let host = random.pick(honest);
            let failing = random.pick(&[Failing::Append, Failing::Sync]);
            let at = random.below(self.faulty_until);
            self.faults.push((at, Fault::Disk { host, failing }));
        }
        if random.percent(30) {
            let (at, until) = self.period(random, pace);
            let host = random.pick(honest);
            self.faults.push((at, Fault::FullDisk { host, until }));
        }
        let forgetful: Vec<usize> = (0..self.members())
            .filter(|host| self.hosts[*host].role == Role::Forgetful)
            .collect();
        for host in forgetful {
            let at = random.between(self.faulty_until / 4, self.faulty_until * 3 / 4);
            self.faults.push((at, Fault::Rot { host }));
        }
    }
}

/// The preset's waits and usually the distance they are made for.
fn timing_and_distance(random: &mut Random) -> (Timing, Distance) {
    let presets = [
        (Preset::Lan, Distance::Lan),
        (Preset::Metro, Distance::Metro),
        (Preset::Wan, Distance::Wan),
    ];
    let (preset, mut distance) = random.pick(&presets);
    if random.percent(12) {
        distance = random.pick(&presets).1;
    }
    let mut timing = preset.timing();
    if random.percent(20) {
        timing.min_wait = Micros(timing.mean_wait.0 * random.below(3));
    }
    (timing, distance)
}

/// Few networks make blocks when there is nothing to seal.
fn heartbeat(random: &mut Random, pace: u64) -> Micros {
    if random.percent(8) {
        Micros(random.between(pace / 4, 4 * pace))
    } else {
        Micros(0)
    }
}

/// A length of time in which a few heights pass and what was lost is sent again: the measure of all
/// other lengths.
fn pace(timing: &Timing, distance: Distance, members: usize) -> u64 {
    let interval = timing.resend_interval(members).0;
    interval.max(10 * distance.longest_delay())
}

fn link_plan(random: &mut Random, distance: Distance, faulty: bool) -> LinkPlan {
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

fn hosts(
    random: &mut Random,
    members: usize,
    fault_model: FaultModel,
    kinds: Kinds,
    distance: Distance,
    faulty_until: u64,
) -> Vec<HostPlan> {
    // In the crash model nobody lies.
    let may_lie = match fault_model {
        FaultModel::Byzantine => (members - 1) / 3,
        FaultModel::Crash => 0,
    };
    let least = u64::from(kinds.liars);
    let liars = usize::try_from(random.between(least, may_lie as u64)).unwrap_or(0);
    let rots = kinds.disks && liars < may_lie && random.percent(40);
    let mut hosts: Vec<HostPlan> = (0..members)
        .map(|_| {
            let late = random.percent(15);
            let drifting = kinds.clocks && random.percent(70);
            let slow_disk = kinds.disks && random.percent(30);
            HostPlan {
                role: Role::Honest,
                starts_at: if late {
                    random.below(faulty_until)
                } else {
                    random.below(1_000)
                },
                clock_rate: if drifting {
                    random.between(900_000, 1_100_000)
                } else {
                    crate::clocks::EXACT_RATE
                },
                wall_offset_millis: i64::try_from(random.below(4_000)).unwrap_or(0) - 2_000,
                sync_micros: match (slow_disk, distance) {
                    (false, _) => (100, 500),
                    (true, Distance::Lan) => (1_000, 10_000),
                    (true, _) => (1_000, 40_000),
                },
            }
        })
        .collect();
    // Members are told apart by nothing but their draws, so a random one starts the row of liars.
    let first = random.index(members);
    for liar in 0..liars + usize::from(rots) {
        hosts[(first + liar) % members].role = if liar < liars {
            Role::Adversary(random.pick(&Kind::ALL))
        } else {
            Role::Forgetful
        };
    }
    hosts
}
