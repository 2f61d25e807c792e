//! Keeps the blocks with which it would win to itself.

use std::collections::BTreeMap;

use replica::Outgoing;
use types::{Height, Message, Micros, Monotonic, Now, Proposal};

use super::{
    Lie, Member, Puppet,
    member::{Chance, to_all, to_one},
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
    /// It says it once, to a few of the others, and has no part in any vote of that height.
    Whisper,
    /// It says it then.
    Delay(Monotonic, Box<Proposal>),
}

/// Where its wait is a short one, it says nothing, or tells a few members only, or sends the block when others
/// have been voted for;
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

    /// Chooses once a height; what is returned is whispered.
    fn choose(&mut self, now: Now, proposal: &Proposal) -> Vec<Outgoing> {
        let height = proposal.block.header().height;
        if self.choices.contains_key(&height) {
            return Vec::new();
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
        let choice = match self.random.below(4) {
            _ if !short => Choice::Tell,
            0 => Choice::Hide,
            1 => Choice::Whisper,
            // So late that the others are about to vote for another block, or have.
            _ => {
                let longest = timing.longest_wait(network.len()).0 + 20 * timing.grace.0;
                let late = self.random.between(timing.grace.0, longest);
                let at = now.monotonic.plus(Micros(late));
                Choice::Delay(at, Box::new(proposal.clone()))
            }
        };
        let whispers = matches!(choice, Choice::Whisper);
        self.choices.insert(height, choice);
        if self.choices.len() > HEIGHTS_KEPT {
            self.choices.pop_first();
        }
        let mut few = self.member.others();
        while whispers && few.len() > self.member.network.len() / 3 {
            few.swap_remove(self.random.index(few.len()));
        }
        few.retain(|_| whispers);
        let whisper = |peer| to_one(peer, Message::Proposal(Box::new(proposal.clone())));
        few.into_iter().map(whisper).collect()
    }

    fn abstains(&self, message: &Message) -> bool {
        let whispered = |height| matches!(self.choices.get(height), Some(Choice::Whisper));
        matches!(message, Message::Vote(vote) if whispered(&vote.height))
    }

    fn tells(&self, now: Now, height: Height) -> bool {
        match self.choices.get(&height) {
            None | Some(Choice::Tell) => true,
            Some(Choice::Hide | Choice::Whisper) => false,
            Some(Choice::Delay(at, _)) => now.monotonic >= *at,
        }
    }
}

impl Lie for WithholdingWinner {
    fn lets_hear(&self, message: &Message) -> bool {
        !self.abstains(message)
    }

    fn twist(&mut self, now: Now, mut said: Vec<Outgoing>) -> Vec<Outgoing> {
        let mut whispered = Vec::new();
        said.retain(|outgoing| match &*outgoing.message {
            Message::Proposal(proposal) if self.member.made(proposal) => {
                whispered.extend(self.choose(now, proposal));
                self.tells(now, proposal.block.header().height)
            }
            _ => true,
        });
        said.retain(|outgoing| !self.abstains(&outgoing.message));
        said.extend(whispered);
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
            Choice::Tell | Choice::Hide | Choice::Whisper => None,
        });
        times.min()
    }
}
