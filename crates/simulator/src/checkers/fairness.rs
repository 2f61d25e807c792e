//! The lottery is fair: where nothing goes wrong, the block of every height is that of the member who
//! drew the shortest wait of all, whoever it is. The draws are made anew here, with every member's key.

use std::collections::BTreeMap;

use types::{BlockHash, Header, Height, encoding::sha256};

use super::{Checker, Facts, signed, tagged};
use crate::observation::Observation;

/// Seeds of the final chain, made anew from its tickets.
#[derive(Default)]
pub(super) struct Fairness {
    seeds: BTreeMap<Height, [u8; 32]>,
    blocks: BTreeMap<Height, BlockHash>,
}

/// What a ticket draws: the first 8 bytes of its hash.
fn draw(ticket: &[u8]) -> u64 {
    let digest: types::Digest = sha256(ticket);
    let mut first = [0; 8];
    first.copy_from_slice(&digest.as_bytes()[..8]);
    u64::from_be_bytes(first)
}

/// `seed(block) = SHA-256(tag ‖ seed(parent) ‖ ticket)`.
pub(super) fn next_seed(parent: &[u8; 32], ticket: &[u8]) -> [u8; 32] {
    let bytes = tagged("dexter/1/seed", &[parent, ticket]);
    let digest: types::Digest = sha256(&bytes);
    *digest.as_bytes()
}

/// What a ticket signs.
pub(super) fn ticket_bytes(facts: &Facts, header: &Header, parent_seed: &[u8; 32]) -> Vec<u8> {
    let (epoch, height) = (header.epoch.0.to_le_bytes(), header.height.0.to_le_bytes());
    signed(facts, "dexter/1/ticket", &[&epoch, &height, parent_seed])
}

impl Checker for Fairness {
    fn name(&self) -> &'static str {
        "fairness"
    }

    fn observe(&mut self, facts: &Facts, seen: &Observation) -> Result<(), String> {
        let Observation::Final { block, header, .. } = seen else {
            return Ok(());
        };
        if !facts.calm || self.blocks.insert(header.height, *block).is_some() {
            return Ok(());
        }
        let below = Height(header.height.0 - 1);
        let genesis = *facts.chain.as_bytes();
        let parent_seed = self.seeds.get(&below).copied().unwrap_or(genesis);
        let seed = next_seed(&parent_seed, header.ticket.as_ref());
        self.seeds.insert(header.height, seed);
        let bytes = ticket_bytes(facts, header, &parent_seed);
        let draws = (0..facts.members).map(|member| {
            let secret = &facts.network.keys(member).lottery;
            let ticket = facts.signatures.sign_lottery(secret, &bytes);
            (draw(ticket.as_ref()), member)
        });
        let Some((best, winner)) = draws.min() else {
            return Ok(());
        };
        if header.proposer.as_usize() != winner {
            return Err(format!(
                "member {winner} drew the shortest wait at {} ({best:#018x}) and member {:?} won with {:#018x}",
                header.height,
                header.proposer,
                draw(header.ticket.as_ref())
            ));
        }
        Ok(())
    }
}
