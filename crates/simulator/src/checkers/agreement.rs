//! Agreement: no two honest members have different final blocks at one height.

use std::collections::BTreeMap;

use types::{BlockHash, Height};

use super::{Checker, Facts};
use crate::observation::Observation;

#[derive(Default)]
pub(super) struct Agreement {
    /// The final block of each height, and who had it first.
    blocks: BTreeMap<Height, (BlockHash, usize)>,
}

impl Checker for Agreement {
    fn name(&self) -> &'static str {
        "agreement"
    }

    fn observe(&mut self, _: &Facts, seen: &Observation) -> Result<(), String> {
        let Observation::Final {
            host,
            block,
            header,
            ..
        } = seen
        else {
            return Ok(());
        };
        let (known, first) = self.blocks.entry(header.height).or_insert((*block, *host));
        if known == block {
            return Ok(());
        }
        Err(format!(
            "at height {} member {first} has final block {} and member {host} has {}",
            header.height,
            known.short(),
            block.short()
        ))
    }
}
