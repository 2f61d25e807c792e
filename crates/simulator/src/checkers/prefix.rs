//! Prefix consistency: a member's final chain only grows, block by block on its own head, also across
//! restarts, after which nothing that was final is forgotten. With agreement, the final chains of
//! honest members are then prefixes of one another.

use std::collections::BTreeMap;

use types::{BlockHash, Height};

use super::{Checker, Facts};
use crate::observation::Observation;

#[derive(Default)]
pub(super) struct Prefix {
    /// Each member's final chain from height 1 on.
    chains: BTreeMap<usize, Vec<BlockHash>>,
}

impl Checker for Prefix {
    fn name(&self) -> &'static str {
        "prefix"
    }

    fn observe(&mut self, facts: &Facts, seen: &Observation) -> Result<(), String> {
        match seen {
            Observation::Started { host, final_height } => {
                let known = self.chains.get(host).map_or(0, Vec::len) as u64;
                if final_height.0 < known {
                    return Err(format!(
                        "member {host} had block {known} final and is back with final height {final_height}"
                    ));
                }
            }
            Observation::Final {
                host,
                block,
                header,
                ..
            } => {
                let chain = self.chains.entry(*host).or_default();
                let genesis = BlockHash::new(*facts.chain.as_bytes());
                let place = usize::try_from(header.height.0).unwrap_or(usize::MAX);
                if place == 0 || place > chain.len() + 1 {
                    return Err(format!(
                        "member {host} made height {} final after height {}",
                        header.height,
                        chain.len()
                    ));
                }
                let below = place.checked_sub(2).map_or(genesis, |below| chain[below]);
                if header.parent != below {
                    return Err(format!(
                        "member {host} has final block {} at {} on another parent than its final block of height {}",
                        block.short(),
                        header.height,
                        Height(header.height.0 - 1)
                    ));
                }
                match chain.get(place - 1) {
                    None => chain.push(*block),
                    Some(known) if known == block => {}
                    Some(known) => {
                        return Err(format!(
                            "member {host} had {} final at height {} and now has {}",
                            known.short(),
                            header.height,
                            block.short()
                        ));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}
