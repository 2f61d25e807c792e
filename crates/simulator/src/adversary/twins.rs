//! Two hosts with one member's keys.

use std::{collections::BTreeSet, sync::Arc};

use replica::Outgoing;
use types::{IdentityPublicKey, Monotonic, Now};

use super::{Adversary, Heard, Member, Puppet, Timer, member::Chance};
use crate::random::Random;

/// The second twin's wall clock is ahead by so much, so that its blocks differ.
const BETWEEN_WALL_CLOCKS_MILLIS: i64 = 3;

/// Where the numbers of the second twin's orders begin.
const SECOND_TWINS_ORDERS: u64 = 500_000;

/// Both are production replicas with a disk each. Each talks with its own part of the others, and some
/// may talk with both. Neither knows what the other said, so together they propose and vote twice: as in
/// "Twins: BFT Systems Made Robust" (Bano et al., OPODIS 2021). Twins are one liar, whose two signed
/// headers disqualify it and whose votes cannot make two quorums (`docs/protocol.md` §2, §5).
pub(super) struct Twins {
    member: Member,
    random: Random,
    /// When who talks with which twin is chosen anew; `None` where it never is.
    timer: Option<Timer>,
    twins: [Twin; 2],
    connected: BTreeSet<IdentityPublicKey>,
}

struct Twin {
    puppet: Puppet,
    /// With whom it talks.
    part: BTreeSet<IdentityPublicKey>,
}

impl Twin {
    /// What it says to its part.
    fn hear(&mut self, member: &Member, now: Now, heard: Heard<'_>) -> Vec<Outgoing> {
        let mut said = Vec::new();
        for outgoing in self.puppet.hear(now, heard) {
            let receivers = member.receivers(outgoing.to);
            for peer in receivers
                .into_iter()
                .filter(|peer| self.part.contains(peer))
            {
                let message = Arc::clone(&outgoing.message);
                let to = replica::To::Peer(peer);
                said.push(Outgoing { to, message });
            }
        }
        said
    }
}

impl Twins {
    /// Who talks with which twin, or both, changes now and then.
    pub(super) fn new(first: Puppet, member: Member, now: Now) -> Self {
        let every = member.interval().times(2);
        let timer = Timer::new(&member, Chance::Timer, every, now);
        let mut twins = Self::with_parts(first, member, now, Default::default());
        twins.timer = Some(timer);
        for peer in twins.member.others() {
            twins.choose(peer);
        }
        twins
    }

    /// One twin talks with the members before it and the other with those after it, for good.
    pub(super) fn split(first: Puppet, member: Member, now: Now) -> Self {
        let others = member.others();
        let (before, after) = others.split_at(member.host);
        let parts = [before, after].map(|part| part.iter().copied().collect());
        Self::with_parts(first, member, now, parts)
    }

    fn with_parts(
        first: Puppet,
        member: Member,
        now: Now,
        parts: [BTreeSet<IdentityPublicKey>; 2],
    ) -> Self {
        let mut second = Puppet::new(member.clone(), now).with_orders_from(SECOND_TWINS_ORDERS);
        second.wall_ahead_millis = BETWEEN_WALL_CLOCKS_MILLIS;
        let [first_part, second_part] = parts;
        let twin = |puppet, part| Twin { puppet, part };
        Self {
            random: member.random(Chance::Lie),
            timer: None,
            member,
            twins: [twin(first, first_part), twin(second, second_part)],
            connected: BTreeSet::new(),
        }
    }

    /// Chooses with which twin, or both, a peer talks.
    fn choose(&mut self, peer: IdentityPublicKey) {
        let parts = self.random.pick(&[
            [true, false],
            [false, true],
            [true, false],
            [false, true],
            [true, true],
        ]);
        for (twin, talks) in self.twins.iter_mut().zip(parts) {
            if talks {
                twin.part.insert(peer);
            } else {
                twin.part.remove(&peer);
            }
        }
    }

    /// Chooses anew for everyone; connections are made and end accordingly.
    fn choose_again(&mut self, now: Now) -> Vec<Outgoing> {
        let mut said = Vec::new();
        for peer in self.connected.clone() {
            let before = [0, 1].map(|twin: usize| self.twins[twin].part.contains(&peer));
            self.choose(peer);
            for (twin, before) in self.twins.iter_mut().zip(before) {
                let heard = match (before, twin.part.contains(&peer)) {
                    (false, true) => Heard::Connected(peer),
                    (true, false) => Heard::Disconnected(peer),
                    _ => continue,
                };
                said.extend(twin.hear(&self.member, now, heard));
            }
        }
        said
    }
}

impl Adversary for Twins {
    fn hear(&mut self, now: Now, heard: Heard<'_>) -> Vec<Outgoing> {
        let peer = match heard {
            Heard::Start | Heard::Wake => None,
            Heard::Connected(peer) | Heard::Disconnected(peer) | Heard::Message(peer, _) => {
                Some(peer)
            }
        };
        match heard {
            Heard::Connected(peer) => {
                self.connected.insert(peer);
            }
            Heard::Disconnected(peer) => {
                self.connected.remove(&peer);
            }
            _ => {}
        }
        let mut said = Vec::new();
        for twin in &mut self.twins {
            if peer.is_none_or(|peer| twin.part.contains(&peer)) {
                said.extend(twin.hear(&self.member, now, heard));
            }
        }
        if self.timer.as_mut().is_some_and(|timer| timer.is_due(now)) {
            said.extend(self.choose_again(now));
        }
        said
    }

    fn wake(&self) -> Option<Monotonic> {
        let puppets = self.twins.iter().filter_map(|twin| twin.puppet.wake());
        puppets.chain(self.timer.as_ref().map(Timer::due)).min()
    }
}
