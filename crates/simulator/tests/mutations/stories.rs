//! What is simulated to show a bug.

use simulator::{
    Distance, Plan,
    adversary::Kind,
    plan::{Fault, OrderNumber, Placement, Role},
};
use types::{FaultModel, Micros, Preset, Timing};

/// A plan in a few words. The first number is the seed, the second how many members there are.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Story {
    /// The plan of a seed.
    Seed(u64),
    /// Nothing goes wrong.
    Calm(u64, usize),
    /// The same with a heartbeat.
    Heartbeat(u64, usize),
    /// The last members are of these kinds, and the grace is far too short for the distance.
    Far(u64, usize, &'static [Kind]),
    /// The last members are of these kinds; nothing else goes wrong.
    Liars(u64, usize, &'static [Kind]),
    /// The same, and two messages in five are lost for a while.
    Lossy(u64, usize, &'static [Kind]),
    /// The same without loss, but every wait ends within the grace of the shortest one.
    Patient(u64, usize, &'static [Kind]),
    /// The same, but members' machines lose power now and then.
    Outages(u64, usize, &'static [Kind]),
    /// The grace is far too short for the distance, and members' machines lose power.
    FarOutages(u64, usize),
    /// Members' machines lose power while they take an order in: writing, syncing or sending.
    Crashes(u64, usize),
    /// Hundreds of blocks are final when the first of four members comes, and soon after its machine loses
    /// power.
    Newcomer(u64),
    /// The first of four members is away for hours, the last one never votes to finalize: blocks are
    /// certified, and none is final.
    Unfinished(u64),
    /// The first member's word does not count: it may be that others can never vote for its orders.
    Disputed(u64, usize),
}

use Story::{
    Calm, Crashes, Disputed, Far, FarOutages, Heartbeat, Liars, Lossy, Newcomer, Outages, Patient,
    Seed, Unfinished,
};

/// How long the first member of [`Unfinished`] is away, in microseconds: so long that a grace which is
/// doubled at every height exceeds all that its members wait for afterwards.
const AWAY: u64 = 3_000_000_000;

/// When the first member of [`Newcomer`] comes, in microseconds: after some 800 blocks.
const LONG: u64 = 120_000_000;

impl Story {
    /// Its plan.
    pub(crate) fn plan(self) -> Plan {
        match self {
            Seed(seed) => Plan::new(seed),
            Calm(seed, members) => calm(seed, members),
            Heartbeat(seed, members) => Plan {
                heartbeat: Micros::from_millis(300),
                ..calm(seed, members)
            },
            Far(seed, members, kinds) => {
                let mut plan = Liars(seed, members, kinds).plan();
                plan.calm = false;
                plan.links.distance = Distance::Wan;
                plan
            }
            Liars(seed, members, []) => calm(seed, members),
            Liars(seed, members, kinds) => calm(seed, members).with_adversaries(kinds),
            Lossy(seed, members, kinds) => {
                let mut plan = calm(seed, members).with_adversaries(kinds);
                plan.links.loss = 40;
                plan
            }
            Patient(seed, members, kinds) => {
                let mut plan = calm(seed, members).with_adversaries(kinds);
                plan.timing = Timing {
                    min_wait: Micros(0),
                    mean_wait: Micros::from_millis(5),
                    grace: Micros::from_millis(60),
                };
                plan
            }
            Outages(seed, members, kinds) => with_outages(Patient(seed, members, kinds).plan()),
            FarOutages(seed, members) => with_outages(Far(seed, members, &[]).plan()),
            Crashes(seed, members) => {
                let mut plan = calm(seed, members);
                plan.calm = false;
                plan.steady = false;
                let step = plan.faulty_until / 64;
                for turn in 0..60 {
                    let (host, at) = (turn as usize % members, step * (turn + 1));
                    let fault = Fault::CrashPoint {
                        host,
                        moments: (seed + turn) % 11,
                        power: true,
                    };
                    plan.faults.push((at, fault));
                    // Whoever gets no answer asks again.
                    let orders = vec![OrderNumber {
                        number: 1_000 + turn,
                        till: Some(host),
                        placed_at: at,
                    }];
                    for at in [at + 1, at + step / 2] {
                        let orders = orders.clone();
                        plan.placements.push(Placement { at, host, orders });
                    }
                }
                plan
            }
            Newcomer(seed) => {
                let mut plan = Far(seed, 4, &[]).plan();
                plan.steady = false;
                plan.heartbeat = Micros::from_millis(5);
                plan.hosts[0].starts_at = LONG;
                plan.faulty_until = LONG + 2_000_000;
                plan.placements.retain(|placement| placement.host != 0);
                let kill = Fault::Kill {
                    host: 0,
                    power: true,
                    down: 100_000,
                };
                plan.faults.push((LONG + 300_000 + seed % 8 * 50_000, kill));
                plan
            }
            Unfinished(seed) => {
                let mut plan = calm(seed, 4).with_adversaries(&[Kind::FinalityWithholder]);
                plan.timing = Timing {
                    min_wait: Micros(0),
                    mean_wait: Micros::from_millis(1_000),
                    grace: Micros::from_millis(1),
                };
                plan.steady = true;
                plan.hosts[0].starts_at = AWAY;
                plan.faulty_until = AWAY;
                for placement in &mut plan.placements {
                    if placement.host == 0 {
                        placement.at = placement.at.max(AWAY + 1_000);
                    }
                }
                plan
            }
            Disputed(seed, members) => {
                let mut plan = calm(seed, members);
                plan.calm = false;
                plan.hosts[0].role = Role::Forgetful;
                plan
            }
        }
    }
}

fn calm(seed: u64, members: usize) -> Plan {
    Plan::calm(seed, members, FaultModel::Byzantine, Preset::Lan)
}

/// Every member in turn loses power, again and again.
fn with_outages(mut plan: Plan) -> Plan {
    plan.calm = false;
    plan.steady = false;
    let honest = plan.honest();
    let step = plan.faulty_until / 64;
    for (turn, host) in honest.into_iter().cycle().take(60).enumerate() {
        let fault = Fault::Kill {
            host,
            power: true,
            down: step / 2,
        };
        plan.faults.push((step * (turn as u64 + 1), fault));
    }
    plan
}
