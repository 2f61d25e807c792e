//! Does not wait.

use replica::Outgoing;
use types::{Message, Now};

use super::{Lie, Member, Puppet, member::Chance};
use crate::random::Random;

/// By how many milliseconds its timestamps are off: well within the bound of ten seconds, just within,
/// just beyond, far beyond, and so far behind that the parent's is the least it may have.
const WALL_AHEAD_MILLIS: [i64; 10] = [
    0,
    0,
    9_000,
    9_999,
    10_001,
    12_000,
    60_000,
    3_600_000,
    1 << 40,
    -(1 << 40),
];

/// Proposes and votes at once, under timestamps that are off. An honest member votes for a block only
/// when its own clock has seen the wait pass (`docs/protocol.md` §5, rule 2), and when its timestamp is
/// at most ten seconds ahead ("Votable").
pub(super) struct EarlyProposer {
    member: Member,
    random: Random,
    wall_ahead_millis: i64,
}

impl EarlyProposer {
    pub(super) fn new(member: &Member) -> Self {
        Self {
            random: member.random(Chance::Lie),
            member: member.clone(),
            wall_ahead_millis: 0,
        }
    }
}

impl Lie for EarlyProposer {
    fn twist(&mut self, _: Now, said: Vec<Outgoing>) -> Vec<Outgoing> {
        let own = |outgoing: &Outgoing| match &*outgoing.message {
            Message::Proposal(proposal) => self.member.made(proposal),
            _ => false,
        };
        if said.iter().any(own) {
            self.wall_ahead_millis = self.random.pick(&WALL_AHEAD_MILLIS);
        }
        said
    }

    fn act(&mut self, _: Now, puppet: &mut Puppet) -> Vec<Outgoing> {
        puppet.wall_ahead_millis = self.wall_ahead_millis;
        Vec::new()
    }
}
