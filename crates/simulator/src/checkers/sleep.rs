//! Idle is asleep: a member's clock runs only while there is something to do. It holds a batch that no
//! certified block seals, or, for longer than twice the grace, a certified block that is not final.

use std::collections::{BTreeMap, BTreeSet};

use types::{BatchId, BlockHash, Height, Monotonic};

use super::{Checker, Facts};
use crate::observation::Observation;

#[derive(Default)]
pub(super) struct Sleep {
    members: BTreeMap<usize, Member>,
    blocks: BTreeMap<BlockHash, (Height, Vec<BatchId>)>,
    /// Batches in the final chain of each member, whatever happened to it since.
    sealed: BTreeSet<(usize, BatchId)>,
}

#[derive(Default)]
struct Member {
    /// Batches held that are in no final block.
    pending: BTreeSet<BatchId>,
    /// Certified blocks that are not final, by height.
    certified: BTreeMap<Height, BTreeSet<BlockHash>>,
    /// It has restarted while blocks were certified and not final: which ones it still knows of is not
    /// seen.
    unsure: bool,
    height: Height,
    entered: Monotonic,
}

impl Sleep {
    /// Why the member's clock must stand still, if it must.
    fn reason_to_sleep(&self, facts: &Facts, member: &Member, now: Monotonic) -> Option<String> {
        if member.pending.is_empty() {
            return Some("everything it holds is final".to_owned());
        }
        // With two branches a batch sealed on one may be work on the other.
        let below = || member.certified.range(..member.height);
        let forked = below().any(|(_, blocks)| blocks.len() > 1);
        let sealed: BTreeSet<&BatchId> = below()
            .flat_map(|(_, blocks)| blocks)
            .filter_map(|block| self.blocks.get(block))
            .flat_map(|(_, batches)| batches)
            .collect();
        let waited = now.0.saturating_sub(member.entered.0);
        let all_sealed = member.pending.iter().all(|batch| sealed.contains(batch));
        (all_sealed && !forked && !member.unsure && waited < 2 * facts.grace).then(|| {
            format!("all it holds is sealed, and finality has been due for {waited} us only")
        })
    }
}

impl Checker for Sleep {
    fn name(&self) -> &'static str {
        "sleep"
    }

    fn observe(&mut self, facts: &Facts, seen: &Observation) -> Result<(), String> {
        match seen {
            Observation::Started { host, .. } => {
                let before = self.members.remove(host).unwrap_or_default();
                let member = Member {
                    unsure: before.unsure || !before.certified.is_empty(),
                    ..Member::default()
                };
                self.members.insert(*host, member);
            }
            Observation::Held { host, batch, .. } => {
                let id = batch.id();
                if !self.sealed.contains(&(*host, id)) {
                    let member = self.members.entry(*host).or_default();
                    member.pending.insert(id);
                }
            }
            Observation::Block {
                block,
                header,
                batches,
                ..
            } => {
                self.blocks.insert(*block, (header.height, batches.clone()));
            }
            Observation::Certificate { host, certificate } => {
                let member = self.members.entry(*host).or_default();
                let blocks = member.certified.entry(certificate.height).or_default();
                blocks.insert(certificate.block);
            }
            Observation::Final {
                host,
                header,
                batches,
                ..
            } => {
                let member = self.members.entry(*host).or_default();
                for batch in batches {
                    member.pending.remove(batch);
                    self.sealed.insert((*host, *batch));
                }
                member.certified = member.certified.split_off(&header.height.next());
                member.unsure &= !member.pending.is_empty();
            }
            Observation::Stepped {
                host,
                now,
                height,
                clock,
                ..
            } if facts.is_asleep_when_idle => {
                let member = self.members.entry(*host).or_default();
                if *height != member.height {
                    member.height = *height;
                    member.entered = *now;
                }
                let member = &self.members[host];
                if clock.is_some()
                    && let Some(reason) = self.reason_to_sleep(facts, member, *now)
                {
                    return Err(format!("member {host} works at {height} although {reason}"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
