//! What must hold, one property a file. The checkers see only what can be seen from outside
//! ([`Observation`]), and reckon quorums and waits with arithmetic of their own.

mod agreement;
mod blame;
mod bounds;
mod certificates;
mod elapsed_time;
mod fairness;
mod grounds;
mod orders;
mod prefix;
mod progress;
mod sleep;
mod traffic;
mod validity;
mod votes;

use std::sync::Arc;

use types::{FaultModel, MemberCard, Signatures};

pub(crate) use progress::{Progress, settling_time};

use crate::{network::Network, observation::Observation, plan::Plan};

/// A property that did not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{checker}: {what}")]
pub struct Violation {
    /// Which checker found it.
    pub checker: &'static str,
    /// What it saw.
    pub what: String,
}

/// What the checkers know of the network, taken from its genesis by arithmetic of their own.
pub(crate) struct Facts {
    pub(crate) members: usize,
    pub(crate) quorum: usize,
    /// Members that are not honest in this simulation.
    pub(crate) liars: usize,
    pub(crate) honest: Vec<bool>,
    /// The members' cards, in the order of their indexes.
    pub(crate) cards: Vec<MemberCard>,
    pub(crate) chain: types::ChainId,
    /// Microseconds.
    pub(crate) min_wait: u64,
    /// Microseconds.
    pub(crate) mean_wait: u64,
    /// Microseconds.
    pub(crate) grace: u64,
    pub(crate) signatures: Arc<dyn Signatures>,
    pub(crate) network: Arc<Network>,
    /// Nothing goes wrong in this simulation.
    pub(crate) calm: bool,
    /// There is no heartbeat.
    pub(crate) is_asleep_when_idle: bool,
}

impl Facts {
    pub(crate) fn new(plan: &Plan, network: &Arc<Network>) -> Self {
        let members = plan.members();
        let quorum = match plan.fault_model {
            FaultModel::Byzantine => members - (members - 1) / 3,
            FaultModel::Crash => members / 2 + 1,
        };
        let mut honest = vec![false; members];
        for host in plan.honest() {
            honest[host] = true;
        }
        let mut cards = network.genesis.members.clone();
        cards.sort_unstable_by_key(|card| *card.lottery_key.as_bytes());
        Self {
            members,
            quorum,
            liars: honest.iter().filter(|honest| !**honest).count(),
            honest,
            cards,
            chain: network.chain,
            min_wait: plan.timing.min_wait.0,
            mean_wait: plan.timing.mean_wait.0,
            grace: plan.timing.grace.0,
            signatures: network.signatures.clone(),
            network: network.clone(),
            calm: plan.calm,
            is_asleep_when_idle: plan.heartbeat.0 == 0,
        }
    }
}

/// The bytes that are hashed under a tag: its length, itself, and the parts.
fn tagged(tag: &str, parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![u8::try_from(tag.len()).expect("tags are short")];
    bytes.extend_from_slice(tag.as_bytes());
    bytes.extend(parts.iter().copied().flatten());
    bytes
}

/// The bytes that are signed under a tag: those hashed, with the chain id after the tag.
fn signed(facts: &Facts, tag: &str, parts: &[&[u8]]) -> Vec<u8> {
    let chain = facts.chain.as_bytes().as_slice();
    tagged(tag, &[&[chain], parts].concat())
}

/// One property.
trait Checker {
    /// What it is called.
    fn name(&self) -> &'static str;
    /// Takes note of something seen of an honest member; says what is wrong.
    fn observe(&mut self, facts: &Facts, seen: &Observation) -> Result<(), String>;
}

/// All of them.
pub(crate) struct Checkers {
    facts: Facts,
    all: Vec<Box<dyn Checker>>,
}

impl Checkers {
    pub(crate) fn new(facts: Facts, plan: &Plan) -> Self {
        Self {
            facts,
            all: vec![
                Box::new(progress::Pace::new(plan)),
                Box::new(agreement::Agreement::default()),
                Box::new(prefix::Prefix::default()),
                Box::new(grounds::Grounds::default()),
                Box::new(votes::Votes::default()),
                Box::new(certificates::Certificates::default()),
                Box::new(elapsed_time::ElapsedTime::default()),
                Box::new(orders::Orders::default()),
                Box::new(validity::Validity::default()),
                Box::new(fairness::Fairness::default()),
                Box::new(sleep::Sleep::default()),
                Box::new(traffic::Traffic::default()),
                Box::new(bounds::Bounds),
                Box::new(blame::Blame),
            ],
        }
    }

    /// Those that cost little and remember little, however long a simulation is: a block's hash a
    /// height, and one a height and member.
    pub(crate) fn lasting(facts: Facts) -> Self {
        Self {
            facts,
            all: vec![
                Box::new(agreement::Agreement::default()),
                Box::new(prefix::Prefix::default()),
                Box::new(bounds::Bounds),
            ],
        }
    }

    /// Leaves some of them out.
    pub(crate) fn leave_out(&mut self, names: &[&str]) {
        self.all.retain(|checker| !names.contains(&checker.name()));
    }

    pub(crate) fn observe(&mut self, seen: &Observation) -> Result<(), Violation> {
        for checker in &mut self.all {
            checker
                .observe(&self.facts, seen)
                .map_err(|what| Violation {
                    checker: checker.name(),
                    what,
                })?;
        }
        Ok(())
    }
}
