//! Says everything twice, and again what it heard long ago.

use std::{collections::VecDeque, sync::Arc};

use replica::Outgoing;
use types::{Epoch, IdentityPublicKey, Message, Monotonic, Now};

use super::{
    Lie, Member, Puppet, Timer,
    member::{Chance, to_all, to_one},
};
use crate::random::Random;

/// It remembers so many messages.
const MOST_KEPT: usize = 1_024;

/// It says so many of them again at a time.
const MOST_AGAIN: usize = 16;

/// What it heard and said comes again at any later height, as it was, and as if it were of another
/// epoch: its own votes and blocks signed anew, others' words as they can be altered. A vote is taken
/// only from its voter, everything is keyed by epoch and height, what is at or below the final head is
/// not taken, and nothing that is known counts twice (`docs/protocol.md` §5, §7).
pub(super) struct Replayer {
    member: Member,
    random: Random,
    timer: Timer,
    /// The oldest first.
    kept: VecDeque<Arc<Message>>,
}

impl Replayer {
    pub(super) fn new(member: Member, now: Now) -> Self {
        Self {
            random: member.random(Chance::Lie),
            timer: Timer::new(&member, Chance::Timer, member.interval(), now),
            member,
            kept: VecDeque::new(),
        }
    }

    fn keep(&mut self, message: Arc<Message>) {
        let is_question = matches!(
            &*message,
            Message::FetchBlock { .. } | Message::FetchBatches(_) | Message::FetchFinal { .. }
        );
        // A run of final blocks is long, and its blocks come by one by one as well.
        if is_question || matches!(&*message, Message::FinalBlocks { .. }) {
            return;
        }
        self.kept.push_back(message);
        if self.kept.len() > MOST_KEPT {
            // Neither the oldest are lost alone nor the newest.
            let place = self.random.index(MOST_KEPT);
            self.kept.remove(place);
        }
    }

    /// The same of another epoch, as far as this member's keys go.
    fn of_another_epoch(&mut self, message: &Message) -> Message {
        let epoch = Epoch(self.random.pick(&[1, 2, u64::MAX]));
        match message.clone() {
            Message::Vote(vote) => {
                Message::Vote(
                    self.member
                        .vote_in(epoch, vote.kind, vote.height, vote.block),
                )
            }
            Message::Proposal(mut proposal) => {
                let mut header = proposal.block.header().clone();
                header.epoch = epoch;
                header.proposer = self.member.index();
                proposal.block = self
                    .member
                    .sign(header, proposal.block.block.batches.clone());
                Message::Proposal(proposal)
            }
            Message::Certificate(mut certificate) => {
                certificate.epoch = epoch;
                Message::Certificate(certificate)
            }
            Message::Status(mut status) => {
                status.epoch = epoch;
                Message::Status(status)
            }
            other => other,
        }
    }
}

impl Lie for Replayer {
    fn overhear(&mut self, _: IdentityPublicKey, message: &Message) -> Vec<Outgoing> {
        self.keep(Arc::new(message.clone()));
        Vec::new()
    }

    fn twist(&mut self, _: Now, said: Vec<Outgoing>) -> Vec<Outgoing> {
        let mut twice = Vec::new();
        for outgoing in said {
            self.keep(outgoing.message.clone());
            twice.push(outgoing.clone());
            twice.push(outgoing);
        }
        twice
    }

    fn act(&mut self, now: Now, _: &mut Puppet) -> Vec<Outgoing> {
        if !self.timer.is_due(now) || self.kept.is_empty() {
            return Vec::new();
        }
        let mut said = Vec::new();
        let others = self.member.others();
        for _ in 0..MOST_AGAIN {
            let message = self.kept[self.random.index(self.kept.len())].clone();
            let message = match self.random.below(4) {
                0 => self.of_another_epoch(&message),
                // A vote for the block of an old height, under its own name.
                1 => match &*message {
                    Message::Vote(vote) => {
                        Message::Vote(self.member.vote(vote.kind, vote.height, vote.block))
                    }
                    other => other.clone(),
                },
                _ => Message::clone(&message),
            };
            if others.is_empty() || self.random.percent(50) {
                said.push(to_all(message));
            } else {
                said.push(to_one(self.random.pick(&others), message));
            }
        }
        said
    }

    fn wake(&self) -> Option<Monotonic> {
        Some(self.timer.due())
    }
}
