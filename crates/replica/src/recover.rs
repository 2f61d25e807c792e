//! Taking up after a restart: every vote, proposal and certificate persisted counts, sent or not
//! (`docs/protocol.md` §7).

use consensus::{Parent, genesis_parent};
use store::{FinalityProof, Reader, Record, StoreError};
use types::{
    Certificate, Frontier, Genesis, Height, Mutation, Now, SignedBlock, VoteKind, mutated,
};

use crate::{
    check::{CheckedBatch, ends_final},
    output::{FinalRun, Notice, Output},
    replica::Replica,
    tree::{Head, Node},
};

/// The final head as the store knows it; the genesis before the first block.
pub(crate) fn final_head(genesis: &Genesis, reader: &Reader) -> Result<Head, StoreError> {
    let Some((height, hash)) = reader.final_head() else {
        return Ok(Head {
            parent: genesis_parent(genesis),
            frontier: Frontier::new(),
        });
    };
    let (block, seed) = (reader.block(height)?, reader.seed(height)?);
    assert!(
        block.is_some() && seed.is_some(),
        "the store names final block {height} as its head but does not hold it"
    );
    let timestamp = block
        .map(|block| block.header().timestamp)
        .unwrap_or_default();
    let seed = seed.unwrap_or(types::Seed::ZERO);
    Ok(Head {
        parent: Parent {
            hash,
            height,
            seed,
            timestamp,
        },
        frontier: reader.frontier()?,
    })
}

impl Replica {
    /// Takes one recovered record, in the order in which they were appended, between
    /// [`Replica::new`] and [`Replica::start`]. Returns what became final by it, which the caller puts
    /// into the index before it goes on, and what to tell people.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn recover(&mut self, record: Record) -> Result<(Vec<FinalRun>, Vec<Notice>), StoreError> {
        self.unindexed.clear();
        let head = self.tree.head.parent.height;
        if is_forgotten(&record) {
            return Ok((Vec::new(), Vec::new()));
        }
        match record {
            Record::Batch(batch, personal) => {
                if !self.reader.is_final_batch(&batch.id())? {
                    let complete = personal.len() == batch.entries().len()
                        && personal.iter().all(Option::is_some);
                    self.hold(CheckedBatch {
                        batch,
                        personal,
                        complete,
                    });
                }
            }
            Record::Block(block) if block.header().height > head => self.recover_block(block),
            Record::Vote(vote) if vote.height > head => {
                self.consensus.recover_vote(&vote);
                self.own_votes
                    .insert((vote.height, vote.kind, vote.block), vote);
            }
            Record::Certificate(certificate) if certificate.height > head => {
                self.recover_certificate(certificate)
            }
            Record::FinalityProof(proof) => self.recover_finality_proof(proof),
            Record::Evidence(evidence) if evidence.first.header.height > head => {
                let (height, proposer) =
                    (evidence.first.header.height, evidence.first.header.proposer);
                self.consensus.disqualify(height, proposer);
                self.evidence.insert((height, proposer), evidence);
            }
            Record::Block(_)
            | Record::Vote(_)
            | Record::Certificate(_)
            | Record::Evidence(_)
            | Record::Answer(_) => {}
        }
        self.out.persist.clear();
        self.outgoing.clear();
        Ok((
            std::mem::take(&mut self.out.finalized),
            std::mem::take(&mut self.out.notices),
        ))
    }

    /// Ends the recovery: own votes count again, and the output says what to do first.
    pub fn start(&mut self, now: Now) -> Output {
        self.now = now;
        self.unindexed.clear();
        // All of it was read from the log; and nobody is connected yet.
        self.out.persist.clear();
        self.outgoing.clear();
        let (height, parent) = (self.consensus.height(), self.consensus.parent());
        self.enter(height, parent);
        self.resend_at = now.monotonic;
        self.drop_surplus();
        let votes: Vec<_> = self.own_votes.values().cloned().collect();
        for vote in votes {
            self.count(&vote, true);
        }
        self.finish()
    }

    fn recover_block(&mut self, block: SignedBlock) {
        if Some(block.header().proposer) == self.me && !mutated(Mutation::ForgetProposals) {
            self.consensus.proposed(block.header().height);
        }
        self.consensus.header(&block.signed_header());
        let hash = block.hash();
        if self.tree.get(&hash).is_none() {
            let known = self.tree.insert(Node {
                persisted: true,
                ..self.waiting(block, hash)
            });
            self.validate_certified(&known);
        }
        self.validate(hash);
    }

    /// A certificate is verified again, whatever the disk says.
    fn recover_certificate(&mut self, certificate: Certificate) {
        if certificate.verify(&*self.signatures, &self.chain, &self.members) {
            self.take_certificate(None, certificate);
        } else {
            self.not_signed(certificate.height);
        }
    }

    /// A block that is final by a descendant's certificate, and with it all below it.
    fn recover_finality_proof(&mut self, proof: FinalityProof) {
        let FinalityProof {
            headers,
            certificate,
        } = proof;
        let Some(child) = headers.first() else { return };
        let (height, block) = (child.height.previous(), child.parent);
        if height <= self.tree.head.parent.height {
            return;
        }
        let holds = ends_final(headers.iter(), &certificate)
            && certificate.verify(&*self.signatures, &self.chain, &self.members);
        if !holds {
            self.not_signed(height);
            return;
        }
        self.final_targets.entry(height).or_insert((block, None));
        let known = self.tree.known_final_from(block);
        self.validate_certified(&known);
        self.try_finalize();
    }

    fn not_signed(&mut self, height: Height) {
        self.out.fatal.get_or_insert(format!(
            "the certificate of block {height} on this node's disk is not signed by a quorum: the data folder is damaged \
             or belongs to another network",
        ));
    }
}

/// Nothing is, unless a mutation says so.
fn is_forgotten(record: &Record) -> bool {
    mutated(match record {
        Record::Batch(..) => Mutation::ForgetBatches,
        Record::Vote(_) => Mutation::ForgetVotes,
        Record::Certificate(certificate) if certificate.kind == VoteKind::Certify => {
            Mutation::ForgetCertificates
        }
        Record::Certificate(_) | Record::FinalityProof(_) => Mutation::ForgetFinality,
        Record::Evidence(_) => Mutation::ForgetEvidence,
        Record::Block(_) | Record::Answer(_) => return false,
    })
}
