//! A simulation with liars of one kind, and all that they said in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, mpsc},
};

use replica::{Fault, Outgoing};
use simulator::{
    Outcome, Plan,
    adversary::Kind,
    network::Network,
    observation::{Observation, Overheard, What},
    run_overheard,
};
use types::{BlockHash, FaultModel, Height, MemberIndex, Message, Preset, Proposal, Vote};

/// The most messages of a liar in a second of true time: its own clock may begin a second within it.
const MOST_A_SECOND: usize = 2 * 4_096;

/// What was overheard.
pub(crate) struct Story {
    pub(crate) network: Arc<Network>,
    pub(crate) outcome: Outcome,
    pub(crate) liars: Vec<usize>,
    pub(crate) told: Vec<Overheard>,
}

/// Seeds of networks of four and of seven, in which as many lie as may, all in this way: everyone else
/// is safe and goes on.
pub(crate) fn stories(kind: Kind, seeds: std::ops::Range<u64>) -> Vec<Story> {
    let networks = seeds.flat_map(|seed| [(seed, 4), (seed, 7)]);
    networks
        .map(|(seed, members)| Story::of(plan(kind, seed, members)))
        .collect()
}

/// A calm network with as many liars as there may be.
pub(crate) fn plan(kind: Kind, seed: u64, members: usize) -> Plan {
    let presets = [Preset::Lan, Preset::Metro, Preset::Wan];
    let preset = presets[usize::try_from(seed).unwrap() % presets.len()];
    let liars = vec![kind; (members - 1) / 3];
    Plan::calm(seed, members, FaultModel::Byzantine, preset).with_adversaries(&liars)
}

impl Story {
    pub(crate) fn of(plan: Plan) -> Self {
        let honest = plan.honest();
        let liars = (0..plan.members())
            .filter(|host| !honest.contains(host))
            .collect();
        let network = Network::found(&plan);
        let (teller, listener) = mpsc::channel();
        let outcome = match run_overheard(plan, teller) {
            Ok(outcome) => outcome,
            Err(failure) => panic!("{failure}"),
        };
        let story = Self {
            network,
            outcome,
            liars,
            told: listener.iter().collect(),
        };
        story.check_meter();
        story
    }

    fn check_meter(&self) {
        let mut seconds: BTreeMap<(usize, u64), usize> = BTreeMap::new();
        for (time, host, _) in self.said() {
            *seconds.entry((host, time / 1_000_000)).or_default() += 1;
        }
        assert!(seconds.values().all(|count| *count <= MOST_A_SECOND));
    }

    /// What liars said: when, who, and to whom what.
    pub(crate) fn said(&self) -> impl Iterator<Item = (u64, usize, &Outgoing)> {
        self.told.iter().filter_map(|told| match &told.what {
            What::Said { host, outgoing } => Some((told.time, *host, outgoing)),
            _ => None,
        })
    }

    /// What one of the liars proposed as its own, and when.
    pub(crate) fn proposals(&self) -> impl Iterator<Item = (u64, &Proposal)> {
        self.said().filter_map(|(time, host, outgoing)| {
            let Message::Proposal(proposal) = &*outgoing.message else {
                return None;
            };
            let own = proposal.block.header().proposer == self.network.index(host);
            own.then_some((time, &**proposal))
        })
    }

    /// The different blocks each liar proposed at each height.
    pub(crate) fn blocks(&self) -> BTreeMap<(MemberIndex, Height), BTreeSet<BlockHash>> {
        let mut blocks: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (_, proposal) in self.proposals() {
            let header = proposal.block.header();
            let place = (header.proposer, header.height);
            blocks.entry(place).or_default().insert(header.hash());
        }
        blocks
    }

    /// The votes of liars in their own names, and when.
    pub(crate) fn votes(&self) -> impl Iterator<Item = (u64, &Vote)> {
        self.said()
            .filter_map(|(time, host, outgoing)| match &*outgoing.message {
                Message::Vote(vote) if vote.voter == self.network.index(host) => Some((time, vote)),
                _ => None,
            })
    }

    /// Why messages of liars were refused before they reached the rules.
    pub(crate) fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.told.iter().filter_map(|told| match &told.what {
            What::Refused { from, fault } => {
                assert!(self.liars.contains(from));
                Some(fault)
            }
            _ => None,
        })
    }

    /// What was seen of the honest members, and when.
    pub(crate) fn seen(&self) -> impl Iterator<Item = (u64, &Observation)> {
        self.told.iter().filter_map(|told| match &told.what {
            What::Seen(seen) => Some((told.time, &**seen)),
            _ => None,
        })
    }

    /// When an honest member first worked at each height.
    pub(crate) fn entered(&self) -> BTreeMap<Height, u64> {
        let mut entered = BTreeMap::new();
        for (time, seen) in self.seen() {
            if let Observation::Stepped { height, .. } = seen {
                entered.entry(*height).or_insert(time);
            }
        }
        entered
    }

    /// The blocks that became final.
    pub(crate) fn finals(&self) -> BTreeMap<Height, (BlockHash, MemberIndex)> {
        self.seen()
            .filter_map(|(_, seen)| match seen {
                Observation::Final { block, header, .. } => {
                    Some((header.height, (*block, header.proposer)))
                }
                _ => None,
            })
            .collect()
    }
}

/// Everything that honest members blamed liars for.
pub(crate) fn blamed(stories: &[Story]) -> BTreeSet<String> {
    let seen = stories.iter().flat_map(Story::seen);
    seen.filter_map(|(_, seen)| match seen {
        Observation::Blamed { reason, .. } => Some(reason.clone()),
        _ => None,
    })
    .collect()
}

/// Checks that liars were blamed for each of these.
pub(crate) fn check_blamed(stories: &[Story], reasons: &[&str]) {
    let blamed = blamed(stories);
    for reason in reasons {
        assert!(
            blamed.iter().any(|blamed| blamed.contains(reason)),
            "nobody was blamed for \"{reason}\"; {blamed:#?}"
        );
    }
}

/// Checks that messages of liars were refused for each of these.
pub(crate) fn check_refused(stories: &[Story], reasons: &[&str]) {
    let faults = stories.iter().flat_map(Story::faults);
    let refused: BTreeSet<String> = faults.map(ToString::to_string).collect();
    for reason in reasons {
        assert!(
            refused.iter().any(|refused| refused.contains(reason)),
            "nothing was refused for \"{reason}\"; {refused:#?}"
        );
    }
}
