//! Keeps the blocks with which it would win to itself.

use std::collections::BTreeMap;

use replica::Outgoing;
use types::{Height, Message, Micros, Monotonic, Now, Proposal};

use super::{
    Lie, Member, Puppet,
    member::{Chance, to_all},
};
use crate::random::Random;

/// The blocks of so many heights are remembered.
const HEIGHTS_KEPT: usize = 64;

/// What it does with a winning block.
enum Choice {
    /// It behaves.
    Tell,
    /// It never says it.
    Hide,
    /// It says it then.
    Delay(Monotonic, Box<Proposal>),
}

/// Where its wait is a short one, it says nothing, or sends the block when others have been voted for;
/// it votes for the hidden block all the same, so that others ask for it in vain. The next-shortest wait
/// is running already (`docs/protocol.md` §1), and a better block that comes late holds the others'
/// votes back only as long as patience lasts (§5, rule 2).
pub(super) struct WithholdingWinner {
    member: Member,
    random: Random,
    choices: BTreeMap<Height, Choice>,
}

impl WithholdingWinner {
    pub(super) fn new(member: Member) -> Self {
        Self {
            random: member.random(Chance::Lie),
            member,
            choices: BTreeMap::new(),
        }
    }

    fn choose(&mut self, now: Now, proposal: &Proposal) {
        let height = proposal.block.header().height;
        if self.choices.contains_key(&height) {
            return;
        }
        let network = &self.member.network;
        let timing = &network.genesis.timing;
        let draw = consensus::draw_of(
            proposal.block.header().ticket,
            self.member.index(),
            timing,
            network.len(),
        );
        let short = draw.wait <= timing.min_wait.plus(timing.mean_wait.times(2));
        let choice = match self.random.below(3) {
            _ if !short => Choice::Tell,
            0 => Choice::Hide,
            // So late that the others are about to vote for another block, or have.
            _ => {
                let longest = timing.longest_wait(network.len()).0 + 20 * timing.grace.0;
                let late = self.random.between(timing.grace.0, longest);
                let at = now.monotonic.plus(Micros(late));
                Choice::Delay(at, Box::new(proposal.clone()))
            }
        };
        self.choices.insert(height, choice);
        if self.choices.len() > HEIGHTS_KEPT {
            self.choices.pop_first();
        }
    }

    fn tells(&self, now: Now, height: Height) -> bool {
        match self.choices.get(&height) {
            None | Some(Choice::Tell) => true,
            Some(Choice::Hide) => false,
            Some(Choice::Delay(at, _)) => now.monotonic >= *at,
        }
    }
}

impl Lie for WithholdingWinner {
    fn twist(&mut self, now: Now, mut said: Vec<Outgoing>) -> Vec<Outgoing> {
        said.retain(|outgoing| match &*outgoing.message {
            Message::Proposal(proposal) if self.member.made(proposal) => {
                self.choose(now, proposal);
                self.tells(now, proposal.block.header().height)
            }
            _ => true,
        });
        said
    }

    fn act(&mut self, now: Now, _: &mut Puppet) -> Vec<Outgoing> {
        let mut said = Vec::new();
        for choice in self.choices.values_mut() {
            if let Choice::Delay(at, proposal) = choice
                && now.monotonic >= *at
            {
                said.push(to_all(Message::Proposal(proposal.clone())));
                *choice = Choice::Tell;
            }
        }
        said
    }

    fn wake(&self) -> Option<Monotonic> {
        let times = self.choices.values().filter_map(|choice| match choice {
            Choice::Delay(at, _) => Some(*at),
            Choice::Tell | Choice::Hide => None,
        });
        times.min()
    }
}
