//! Tells only a part of the others what is for all of them.

use std::{collections::BTreeSet, sync::Arc};

use replica::{Outgoing, To};
use types::{FullBatch, IdentityPublicKey, Message, Now};

use super::{Lie, Member, Timer, member::Chance};
use crate::random::Random;

/// Some hear its blocks, some its votes, some get its batches and answers, and some of those get the
/// batches without their personal parts; who does changes all the time. What is missing is asked for
/// from whoever votes, and what may have been lost is sent again, whoever its author is
/// (`docs/protocol.md` §7).
pub(super) struct SelectiveSender {
    member: Member,
    random: Random,
    timer: Timer,
    /// Who hears its blocks and evidence.
    blocks: BTreeSet<IdentityPublicKey>,
    /// Who hears its votes and certificates.
    votes: BTreeSet<IdentityPublicKey>,
    /// Who gets its batches and answers.
    batches: BTreeSet<IdentityPublicKey>,
    /// Who gets personal parts.
    personal: BTreeSet<IdentityPublicKey>,
}

impl SelectiveSender {
    pub(super) fn new(member: Member, now: Now) -> Self {
        let mut sender = Self {
            random: member.random(Chance::Lie),
            timer: Timer::new(&member, Chance::Timer, member.interval(), now),
            member,
            blocks: BTreeSet::new(),
            votes: BTreeSet::new(),
            batches: BTreeSet::new(),
            personal: BTreeSet::new(),
        };
        sender.choose();
        sender
    }

    fn choose(&mut self) {
        let others = self.member.others();
        let random = &mut self.random;
        let mut some = || {
            let mut others = others.clone();
            others.retain(|_| random.percent(50));
            others.into_iter().collect()
        };
        self.blocks = some();
        self.votes = some();
        self.batches = some();
        self.personal = some();
    }

    fn send(&self, peer: IdentityPublicKey, outgoing: &Outgoing) -> Option<Outgoing> {
        let hears = match &*outgoing.message {
            Message::Proposal(_) | Message::Evidence(_) => self.blocks.contains(&peer),
            Message::Vote(_) | Message::Certificate(_) => self.votes.contains(&peer),
            Message::Batch(_) | Message::FinalBlocks { .. } => self.batches.contains(&peer),
            Message::Status(_)
            | Message::FetchBlock { .. }
            | Message::FetchBatches(_)
            | Message::FetchFinal { .. } => true,
        };
        let message = match &*outgoing.message {
            Message::Batch(full) if !self.personal.contains(&peer) => {
                Arc::new(Message::Batch(without_personal_parts(full)))
            }
            _ => outgoing.message.clone(),
        };
        let to = To::Peer(peer);
        hears.then_some(Outgoing { to, message })
    }
}

fn without_personal_parts(full: &FullBatch) -> FullBatch {
    FullBatch {
        batch: full.batch.clone(),
        personal: Arc::new(vec![None; full.personal.len()]),
    }
}

impl Lie for SelectiveSender {
    fn twist(&mut self, now: Now, said: Vec<Outgoing>) -> Vec<Outgoing> {
        if self.timer.is_due(now) {
            self.choose();
        }
        said.iter()
            .flat_map(|outgoing| {
                let receivers = self.member.receivers(outgoing.to);
                receivers
                    .into_iter()
                    .filter_map(|peer| self.send(peer, outgoing))
            })
            .collect()
    }
}
