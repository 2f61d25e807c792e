//! Every final block is valid, judged by code of its own: its place, its ticket, its timestamp, its
//! batches and their authors' signatures, and the order log that executing them yields.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use types::{Batch, BatchId, Header, Height, OrderId, encode, encoding::sha256};

use super::{
    Checker, Facts,
    fairness::{next_seed, ticket_bytes},
    signed, tagged,
};
use crate::observation::Observation;

#[derive(Default)]
pub(super) struct Validity {
    batches: BTreeMap<BatchId, Arc<Batch>>,
    height: Height,
    seed: Option<[u8; 32]>,
    timestamp_millis: u64,
    sealed: BTreeSet<BatchId>,
    recorded: BTreeSet<OrderId>,
    leaves: Vec<[u8; 32]>,
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    let digest: types::Digest = sha256(bytes);
    *digest.as_bytes()
}

fn leaf(entry: &types::Entry) -> [u8; 32] {
    let mut bytes = vec![0];
    bytes.extend(encode(entry));
    digest(&bytes)
}

/// The Merkle tree hash of RFC 9162, §2.1.1.
fn root(leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves {
        [] => digest(&[]),
        [leaf] => *leaf,
        _ => {
            let left = leaves.len().next_power_of_two() / 2;
            let mut bytes = vec![1];
            bytes.extend(root(&leaves[..left]));
            bytes.extend(root(&leaves[left..]));
            digest(&bytes)
        }
    }
}

impl Validity {
    fn check(&mut self, facts: &Facts, header: &Header, batches: &[BatchId]) -> Result<(), String> {
        let seed = self.seed.unwrap_or(*facts.chain.as_bytes());
        let Some(proposer) = facts.cards.get(header.proposer.as_usize()) else {
            return Err("its proposer is no member".to_owned());
        };
        let bytes = ticket_bytes(facts, header, &seed);
        let key = &proposer.lottery_key;
        if !facts.signatures.verify_lottery(key, &bytes, &header.ticket) {
            return Err("its ticket is not its proposer's".to_owned());
        }
        if header.timestamp.0 <= self.timestamp_millis {
            return Err("its timestamp is not later than its parent's".to_owned());
        }
        self.seed = Some(next_seed(&seed, header.ticket.as_ref()));
        self.timestamp_millis = header.timestamp.0;
        for id in batches {
            self.execute(facts, id)?;
        }
        if header.log_size.0 != self.leaves.len() as u64
            || *header.log_root.as_bytes() != root(&self.leaves)
        {
            return Err("its order log is not what its batches yield".to_owned());
        }
        Ok(())
    }

    fn execute(&mut self, facts: &Facts, id: &BatchId) -> Result<(), String> {
        let name = id.short();
        if !self.sealed.insert(*id) {
            return Err(format!("its batch {name} was sealed before"));
        }
        let Some(batch) = self.batches.get(id).cloned() else {
            return Err(format!(
                "nobody who is honest has written its batch {name} down"
            ));
        };
        let author = facts.network.members.by_id(&batch.author);
        let Some(author) = author else {
            return Err(format!("the author of its batch {name} is no member"));
        };
        let leaves: Vec<_> = batch.entries.iter().map(leaf).collect();
        let number = batch.number.to_le_bytes();
        let count = (leaves.len() as u32).to_le_bytes();
        let parts: [&[u8]; 2] = [&count, &leaves.concat()];
        let entries = digest(&tagged("dexter/1/batch-entries", &parts));
        let parts: [&[u8]; 3] = [batch.author.as_ref(), &number, &entries];
        let bytes = signed(facts, "dexter/1/batch-signature", &parts);
        let (key, signature) = (&author.identity_key, &batch.signature);
        if !facts.signatures.verify_identity(key, &bytes, signature) {
            return Err(format!("its batch {name} is not signed by its author"));
        }
        for (entry, leaf) in batch.entries.iter().zip(leaves) {
            if self.recorded.insert(entry.id()) {
                self.leaves.push(leaf);
            }
        }
        Ok(())
    }
}

impl Checker for Validity {
    fn name(&self) -> &'static str {
        "validity"
    }

    fn observe(&mut self, facts: &Facts, seen: &Observation) -> Result<(), String> {
        match seen {
            Observation::Held { batch, .. } => {
                self.batches
                    .entry(batch.id())
                    .or_insert_with(|| batch.clone());
            }
            Observation::Final {
                header, batches, ..
            } if header.height > self.height => {
                self.height = header.height;
                return self
                    .check(facts, header, batches)
                    .map_err(|what| format!("final block {}: {what}", header.height));
            }
            _ => {}
        }
        Ok(())
    }
}
