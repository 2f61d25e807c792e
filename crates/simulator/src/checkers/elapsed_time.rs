//! Elapsed time was really observed: an honest member proposes only when its own clock has run for at
//! least its own wait, and votes to certify a block only when it has run for at least the wait of the
//! block's ticket and the grace, since it entered the height and its clock began to run; and a certified block has such votes of at least q − f honest members.

use std::collections::{BTreeMap, BTreeSet};

use types::{BlockHash, Height, Monotonic, VoteKind, encoding::sha256};

use super::{Checker, Facts};
use crate::observation::Observation;

#[derive(Default)]
pub(super) struct ElapsedTime {
    /// Microseconds of wait drawn by the ticket of each block.
    waits: BTreeMap<BlockHash, u64>,
    /// Blocks that each member has made since it started and not sent yet. One from before a restart may
    /// leave at once: it was not known then whether it had been sent.
    unsent: BTreeMap<usize, BTreeSet<BlockHash>>,
    /// What was seen of each member's running process.
    windows: BTreeMap<usize, Window>,
    /// Who voted for a block after its time.
    waited: BTreeMap<BlockHash, BTreeSet<usize>>,
}

/// Where a member was after its last step.
#[derive(Clone, Copy)]
struct Window {
    height: Height,
    /// What its clock showed when it was first seen to run at this height.
    began: Option<Monotonic>,
}

/// The wait of a ticket: `min + (u · mean · (n + 1)) / 2^64` with u the first 8 bytes of its hash.
fn wait_of(facts: &Facts, ticket: &[u8]) -> u64 {
    let digest: types::Digest = sha256(ticket);
    let mut first = [0; 8];
    first.copy_from_slice(&digest.as_bytes()[..8]);
    let u = u128::from(u64::from_be_bytes(first));
    let range = u128::from(facts.mean_wait) * (facts.members as u128 + 1);
    let above = u * range / (1 << 64);
    facts.min_wait + u64::try_from(above).unwrap_or(u64::MAX)
}

impl ElapsedTime {
    /// For how long a member's clock has been seen to run at a height.
    fn elapsed(&self, host: usize, now: Monotonic, height: Height) -> u64 {
        let window = self.windows.get(&host);
        let began = window
            .filter(|window| window.height == height)
            .and_then(|window| window.began);
        began.map_or(0, |began| now.0.saturating_sub(began.0))
    }

    fn proposed(
        &mut self,
        host: usize,
        now: Monotonic,
        height: Height,
        block: BlockHash,
    ) -> Result<(), String> {
        let unsent = self.unsent.get_mut(&host);
        if !unsent.is_some_and(|unsent| unsent.remove(&block)) {
            return Ok(());
        }
        let wait = self.waits.get(&block).copied().unwrap_or(u64::MAX);
        let elapsed = self.elapsed(host, now, height);
        if elapsed < wait {
            return Err(format!(
                "member {host} proposed at {height} after {elapsed} us on its clock; its wait is {wait}"
            ));
        }
        Ok(())
    }

    fn voted(
        &mut self,
        facts: &Facts,
        host: usize,
        now: Monotonic,
        height: Height,
        block: BlockHash,
    ) -> Result<(), String> {
        let Some(wait) = self.waits.get(&block).copied() else {
            return Err(format!(
                "member {host} voted for {} at {height}, which it never persisted",
                block.short()
            ));
        };
        let elapsed = self.elapsed(host, now, height);
        if elapsed < wait + facts.grace {
            return Err(format!(
                "member {host} voted for {} at {height} after {elapsed} us on its clock; its wait is {wait} and the grace {}",
                block.short(),
                facts.grace
            ));
        }
        self.waited.entry(block).or_default().insert(host);
        Ok(())
    }

    fn stepped(
        &mut self,
        host: usize,
        now: Monotonic,
        height: Height,
        clock: Option<Monotonic>,
    ) -> Result<(), String> {
        let known = self
            .windows
            .get(&host)
            .filter(|window| window.height == height);
        let began = match (known.and_then(|window| window.began), clock) {
            (_, None) => None,
            // It says when its clock began; it was not seen to run before.
            (None, Some(_)) => Some(now),
            (Some(began), Some(clock)) => Some(began.max(clock)),
        };
        if let (Some(clock), Some(began)) = (clock, began)
            && clock != began
        {
            return Err(format!(
                "member {host} says that its clock at {height} runs since {}; it was seen to begin at {}",
                clock.0, began.0
            ));
        }
        self.windows.insert(host, Window { height, began });
        Ok(())
    }
}

impl Checker for ElapsedTime {
    fn name(&self) -> &'static str {
        "elapsed time"
    }

    fn observe(&mut self, facts: &Facts, seen: &Observation) -> Result<(), String> {
        match seen {
            Observation::Started { host, .. } => {
                self.windows.remove(host);
                self.unsent.remove(host);
            }
            Observation::Block {
                host,
                block,
                header,
                ..
            } => {
                let wait = wait_of(facts, header.ticket.as_ref());
                self.waits.insert(*block, wait);
                if header.proposer.as_usize() == *host {
                    self.unsent.entry(*host).or_default().insert(*block);
                }
            }
            Observation::ProposalMade {
                host,
                now,
                height,
                block,
            } => return self.proposed(*host, *now, *height, *block),
            Observation::VoteMade { host, now, vote } if vote.kind == VoteKind::Certify => {
                return self.voted(facts, *host, now.monotonic, vote.height, vote.block);
            }
            Observation::Stepped {
                host,
                now,
                height,
                clock,
                ..
            } => return self.stepped(*host, *now, *height, *clock),
            Observation::Certificate { certificate, .. }
                if certificate.kind == VoteKind::Certify =>
            {
                let waited = self.waited.get(&certificate.block).map_or(0, BTreeSet::len);
                let needed = facts.quorum.saturating_sub(facts.liars);
                if waited < needed {
                    return Err(format!(
                        "block {} is certified and {waited} honest members have seen its wait pass; {needed} must have",
                        certificate.height
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
