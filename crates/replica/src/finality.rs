//! What becomes final, and what follows from it (`docs/protocol.md` §5 rule 5).

use std::sync::Arc;

use consensus::Parent;
use store::{ExecutedBlock, FinalityProof, Record};
use types::{BlockHash, Certificate, FullBatch, Height, Mutation, mutated};

use crate::{
    branch::Unindexed,
    output::{FinalRun, Notice},
    replica::Replica,
    tree::{Head, Node, State},
};

impl Replica {
    /// Makes the highest block final that is known to be and is held whole, with all its ancestors.
    pub(crate) fn try_finalize(&mut self) {
        let target = self
            .final_targets
            .iter()
            .rev()
            .find_map(|(height, (block, _))| Some((*height, self.tree.path(block)?)));
        if let Some((height, path)) = target
            && let Some((_, certificate)) = self.final_targets.remove(&height)
        {
            self.finalize(path, certificate);
        }
    }

    /// Moves the final head up a path, highest block first.
    fn finalize(&mut self, path: Vec<BlockHash>, certificate: Option<Certificate>) {
        let mut blocks = Vec::new();
        let served = path
            .first()
            .and_then(|hash| self.tree.get(hash))
            .filter(|node| node.known_final)
            .and_then(|node| node.source);
        for hash in path.iter().rev() {
            self.persist_block(hash);
            if let Some(node) = self.tree.take(hash) {
                blocks.extend(self.finalize_block(node));
            }
        }
        self.head_certificate.clone_from(&certificate);
        self.head_moved = true;
        // None where it is a certificate for the head itself, which a descendant's made final.
        if !blocks.is_empty() {
            self.out.finalized.push(FinalRun {
                blocks,
                certificate,
            });
        }
        let head = self.tree.head.parent;
        self.tree.prune();
        self.tally.forget_to(head.height);
        self.consensus.finalized(head.height);
        self.own_votes
            .retain(|(height, _, _), _| *height > head.height);
        self.evidence.retain(|(height, _), _| *height > head.height);
        self.final_targets.retain(|height, _| *height > head.height);
        self.eligible = None;
        if self.consensus.height() <= head.height {
            self.enter(head.height.next(), head.hash);
        }
        // Blocks that were here before their parent became final.
        for child in self.tree.children(&head.hash) {
            self.validate(child);
        }
        self.go_on_catching_up(served);
    }

    fn finalize_block(&mut self, node: Node) -> Option<ExecutedBlock> {
        let State::Valid(valid) = node.state else {
            return None;
        };
        let header = node.block.header();
        let batches = node.block.block.batches.clone();
        let sealed_here = node.sealed;
        self.out.notices.push(Notice::Final {
            block: node.hash,
            header: header.clone(),
            wait: node.draw.wait,
            batches: batches.clone(),
            recorded: valid.executed.recorded.clone(),
            time_to_final: sealed_here.then(|| self.now.monotonic.since(valid.since)),
        });
        let full = valid.batches.iter().map(|batch| {
            // Held as long as a block names it.
            let personal = match self.pool.remove(&batch.id()) {
                Some(held) => held.personal,
                None => Arc::new(vec![None; batch.batch().entries.len()]),
            };
            FullBatch {
                batch: batch.batch().clone(),
                personal,
            }
        });
        let full = full.collect();
        self.tree.head = Head {
            parent: Parent {
                hash: node.hash,
                height: header.height,
                seed: valid.seed,
                timestamp: header.timestamp,
            },
            frontier: valid.executed.frontier.clone(),
        };
        let executed = ExecutedBlock {
            hash: node.hash,
            log_size_before: valid.log_size_before,
            batches: full,
            seed: valid.seed,
            recorded: valid.executed.recorded.clone(),
            nodes: valid.executed.nodes,
            block: node.block,
        };
        self.unindexed.push_back(Unindexed {
            height: executed.block.header().height,
            recorded: valid.executed.recorded,
            batches: batches.into_iter().collect(),
        });
        Some(executed)
    }

    /// Takes note that a block is final by its own certificate or by the hashes of a certified
    /// descendant. The proof is persisted: should the index be lost, the log alone must show what is
    /// final.
    pub(crate) fn known_final(&mut self, height: Height, block: BlockHash, proof: FinalityProof) {
        let certificate = proof.headers.is_empty().then(|| proof.certificate.clone());
        match &certificate {
            Some(certificate) => {
                let record = Record::Certificate(certificate.clone());
                self.out.persist.push(record);
            }
            None if mutated(Mutation::UnprovedFinality) => {}
            None => self.out.persist.push(Record::FinalityProof(proof)),
        }
        self.final_targets
            .entry(height)
            .or_insert((block, certificate));
    }
}
