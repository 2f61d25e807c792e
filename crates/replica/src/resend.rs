//! Sending again what may have been lost (`docs/protocol.md` §7).

use types::{Message, Micros, Mutation, encoded_len, mutated};

use crate::{output::To, replica::Replica};

/// The interval doubles up to this many times its first length.
const MOST_STRETCH: u64 = 8;

/// About how many bytes of batches are sent again at a time.
const RESEND_BYTES: usize = 4 * 1024 * 1024;

/// The most batches sent again at a time.
const RESEND_BATCHES: usize = 4_096;

impl Replica {
    fn resend_interval(&self) -> Micros {
        self.genesis.timing.resend_interval(self.members.len())
    }

    /// Starts the interval anew: the member has entered a height.
    pub(crate) fn reset_resend(&mut self) {
        self.resend_after = self.resend_interval();
        self.resend_at = self.now.monotonic.plus(self.resend_after);
    }

    /// In one height longer than the resend interval: status to everyone, and what may have been lost.
    pub(crate) fn resend_if_due(&mut self) {
        if self.now.monotonic < self.resend_at {
            return;
        }
        self.resend_after = self
            .resend_after
            .times(2)
            .min(self.resend_interval().times(MOST_STRETCH));
        self.resend_at = self.now.monotonic.plus(self.resend_after);
        self.send_status(To::All);
        self.send_again(To::All);
    }

    /// Own votes above the final head, the own proposal and the best block of this height with the
    /// parent's certificate, and the batches eligible on the parent, whoever their author.
    pub(crate) fn send_again(&mut self, to: To) {
        // Of one that sleeps nobody needs what it may have begun: whoever has work sends what it works on.
        if self.is_asleep() || mutated(Mutation::NoResend) {
            return;
        }
        let votes: Vec<_> = self.own_votes.values().cloned().collect();
        let uncommitted: Vec<_> = self
            .uncommitted
            .iter()
            .map(|(_, vote)| vote.clone())
            .collect();
        for vote in votes.into_iter().filter(|vote| !uncommitted.contains(vote)) {
            self.send(to, Message::Vote(vote));
        }
        let height = self.consensus.height();
        let mine = self
            .tree
            .iter()
            .find(|node| node.height() == height && Some(node.block.header().proposer) == self.me)
            .map(|node| node.hash);
        let best = self
            .consensus
            .best(height)
            .filter(|_| !mutated(Mutation::NoFetch));
        let blocks: std::collections::BTreeSet<_> = mine.into_iter().chain(best).collect();
        for hash in blocks {
            if let Some(proposal) = self.proposal_of(&hash) {
                self.send(to, Message::Proposal(Box::new(proposal)));
            }
        }
        if let Some(certificate) = self.tree.certificate(&self.consensus.parent()).cloned() {
            self.send(to, Message::Certificate(certificate));
        }
        let mut bytes = 0_usize;
        for batch in self.eligible_batches(RESEND_BATCHES) {
            let Some(full) = self.pool.get(&batch.id()).map(ledger::Held::full) else {
                continue;
            };
            bytes = bytes.saturating_add(encoded_len(&full));
            if bytes > RESEND_BYTES {
                return;
            }
            self.send(to, Message::Batch(full));
        }
    }
}
