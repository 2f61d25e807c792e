//! The plan of a seed: who lies, and what goes wrong.

use types::{FaultModel, Micros, Preset, Timing};

use crate::{
    adversary::Kind,
    disks::Failing,
    links::Distance,
    plan::{Fault, HostPlan, Plan, Role, link_plan, pace},
    random::{Random, Stream},
};

/// The most members a random plan has: enough for three liars, few enough for hundreds of seeds a
/// minute.
const MOST_MEMBERS: u64 = 10;

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
