//! Checking a message by itself, signatures in bulk, outside of `step`: it needs the genesis and
//! nothing else, so it can run on any thread.

use std::collections::{BTreeSet, VecDeque};

use store::FinalityProof;
use types::{
    BatchError, BatchId, Block, BlockHash, Certificate, ChainId, Equivocation, FullBatch, Genesis,
    Header, Height, MemberSet, Message, PersonalParts, Proposal, Signatures, SignedBlock, Status,
    VerifiedBatch, Vote, block::batches_root, encoded_len, message, signatures::IdentityCheck,
};

/// The most bytes of one batch with its personal parts: four times what an honest member puts into
/// one, and little enough that an answer which carries it beside others still fits a message.
const MOST_BATCH_BYTES: usize = 16 * 1024 * 1024;

/// What is wrong with a message: its sender's fault, unless a batch it passes on is bad by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A batch is invalid.
    #[error("it sent an invalid batch: {0}")]
    Batch(#[from] BatchError),
    /// Personal parts that do not belong to the batch.
    #[error("it sent customers or details that are not those the orders commit to")]
    Personal,
    /// A block's list of batches is not the one its header commits to, or names one twice.
    #[error("it sent a block whose list of batches is not the one its header commits to")]
    BatchList,
    /// Something about a network other than ours.
    #[error("it sent something of another network")]
    OtherNetwork,
    /// More than a message may ask for or carry.
    #[error("it asked for or sent more than one message may carry")]
    TooMuch,
    /// A final block that its proposer did not sign.
    #[error("it sent a final block that its proposer did not sign")]
    Unsigned,
    /// Final blocks that do not hang together.
    #[error("it sent final blocks that do not follow from each other")]
    Unlinked,
    /// Evidence that proves nothing.
    #[error("it sent evidence that proves nothing")]
    Evidence,
}

/// A batch and its personal parts, checked.
#[derive(Debug, Clone)]
pub(crate) struct CheckedBatch {
    pub(crate) batch: VerifiedBatch,
    pub(crate) personal: PersonalParts,
    /// Every personal part is there.
    pub(crate) complete: bool,
}

/// A final block whose list of batches fits its header, with those batches that came along, checked.
#[derive(Debug, Clone)]
pub struct CheckedFinalBlock {
    pub(crate) block: SignedBlock,
    pub(crate) batches: Vec<CheckedBatch>,
}

/// A message whose parts that need no chain have been checked. Made only by [`Checker`].
#[derive(Debug, Clone)]
pub struct CheckedMessage(pub(crate) Checked);

#[derive(Debug, Clone)]
pub(crate) enum Checked {
    Status(Status),
    Batch(Box<CheckedBatch>),
    Proposal(Box<Proposal>),
    Vote(Vote),
    Certificate(Certificate),
    Evidence(Box<Equivocation>),
    FetchBlock(Height, BlockHash),
    FetchBatches(Vec<BatchId>),
    FetchFinal(Height),
    FinalBlocks(Vec<CheckedFinalBlock>, FinalityProof),
}

/// How many batches are remembered as verified: more than the pools of a few members hold, in some
/// hundred kilobytes.
const MOST_REMEMBERED: usize = 4_096;

/// Batches whose signatures were found right lately. The id of a batch covers all of it, its signature
/// included, so one that is sent again need not be verified again.
#[derive(Debug, Default)]
pub struct VerifiedLately {
    ids: BTreeSet<BatchId>,
    /// The same, the latest at the back.
    in_order: VecDeque<BatchId>,
}

impl VerifiedLately {
    fn remember(&mut self, id: BatchId) {
        if self.ids.insert(id) {
            self.in_order.push_back(id);
        }
        if self.in_order.len() > MOST_REMEMBERED
            && let Some(oldest) = self.in_order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }
}

/// What messages are checked against.
#[derive(Clone, Copy)]
pub struct Checker<'a> {
    /// Checks signatures.
    pub signatures: &'a dyn Signatures,
    /// The network.
    pub genesis: &'a Genesis,
    /// Its chain id.
    pub chain: &'a ChainId,
    /// Its members.
    pub members: &'a MemberSet,
}

impl Checker<'_> {
    /// Checks what needs no chain. Votes and certificates are checked in `step`, where enough of them
    /// have come together.
    ///
    /// # Errors
    /// What is wrong, in words about the sender.
    pub fn check(&self, message: Message) -> Result<CheckedMessage, Fault> {
        let mut checks = Vec::new();
        let checked = self.inspect(message, &VerifiedLately::default(), &mut checks)?;
        if self.signatures.verify_identities(&checks) {
            Ok(checked)
        } else {
            Err(BatchError::WrongSignature.into())
        }
    }

    /// Checks messages as [`Checker::check`] does each, but the signatures of all batches together: the
    /// more, the less each costs. Where one is wrong each message is judged by its own. Those verified
    /// lately are not verified again, and the new ones are remembered.
    pub fn check_all(
        &self,
        messages: impl IntoIterator<Item = Message>,
        lately: &mut VerifiedLately,
    ) -> Vec<Result<CheckedMessage, Fault>> {
        let mut checks = Vec::new();
        let mut inspected = Vec::new();
        for message in messages {
            let start = checks.len();
            let checked = self.inspect(message, lately, &mut checks);
            if checked.is_err() {
                checks.truncate(start);
            }
            inspected.push((checked, start..checks.len()));
        }
        let all_right = self.signatures.verify_identities(&checks);
        let judged = inspected.into_iter().map(|(checked, own)| {
            let own = checks.get(own).unwrap_or_default();
            if all_right || self.signatures.verify_identities(own) {
                if let Ok(CheckedMessage(Checked::Batch(right))) = &checked {
                    lately.remember(right.batch.id());
                }
                checked
            } else {
                checked.and(Err(BatchError::WrongSignature.into()))
            }
        });
        judged.collect()
    }

    /// Checks all but the signatures of batches, which it adds to `checks`.
    fn inspect(
        &self,
        message: Message,
        lately: &VerifiedLately,
        checks: &mut Vec<IdentityCheck>,
    ) -> Result<CheckedMessage, Fault> {
        let Self {
            signatures,
            chain,
            members,
            ..
        } = *self;
        let mut batch = |full: FullBatch| self.check_batch(full, lately, checks);
        let checked = match message {
            Message::Status(status) => Checked::Status(status),
            Message::Batch(full) => Checked::Batch(Box::new(batch(full)?)),
            Message::Proposal(proposal) => {
                check_block(chain, &proposal.block.block)?;
                Checked::Proposal(proposal)
            }
            Message::Vote(vote) => Checked::Vote(vote),
            Message::Certificate(certificate) => Checked::Certificate(certificate),
            Message::Evidence(evidence) => {
                let header = &evidence.first.header;
                let key = members
                    .get(header.proposer)
                    .map(|member| member.identity_key);
                let proves = header.chain == *chain
                    && key.is_some_and(|key| evidence.is_proof_against(signatures, &key));
                if !proves {
                    return Err(Fault::Evidence);
                }
                Checked::Evidence(evidence)
            }
            Message::FetchBlock { height, block } => Checked::FetchBlock(height, block),
            Message::FetchBatches(wanted) => {
                if wanted.len() > message::MAX_FETCHED_BATCHES {
                    return Err(Fault::TooMuch);
                }
                Checked::FetchBatches(wanted)
            }
            Message::FetchFinal { from } => Checked::FetchFinal(from),
            Message::FinalBlocks {
                blocks,
                headers,
                certificate,
            } => {
                check_run(chain, &blocks, &headers, &certificate)?;
                if !certificate.verify(signatures, chain, members) {
                    return Err(Fault::Unlinked);
                }
                // No hash covers a proposer's signature, so the certificate says nothing about it.
                let signed = |block: &types::FinalBlock| {
                    members
                        .get(block.block.header().proposer)
                        .is_some_and(|proposer| {
                            let header = block.block.signed_header();
                            header.is_signed_by(signatures, &proposer.identity_key)
                        })
                };
                if !blocks.iter().all(signed) {
                    return Err(Fault::Unsigned);
                }
                let blocks = blocks
                    .into_iter()
                    .map(|block| {
                        let batches = block
                            .batches
                            .into_iter()
                            .map(&mut batch)
                            .collect::<Result<_, _>>()?;
                        Ok(CheckedFinalBlock {
                            block: block.block,
                            batches,
                        })
                    })
                    .collect::<Result<_, Fault>>()?;
                Checked::FinalBlocks(
                    blocks,
                    FinalityProof {
                        headers,
                        certificate,
                    },
                )
            }
        };
        Ok(CheckedMessage(checked))
    }

    fn check_batch(
        &self,
        full: FullBatch,
        lately: &VerifiedLately,
        checks: &mut Vec<IdentityCheck>,
    ) -> Result<CheckedBatch, Fault> {
        if encoded_len(&full) > MOST_BATCH_BYTES {
            return Err(Fault::TooMuch);
        }
        let batch = full.batch.clone();
        let author = self
            .members
            .by_id(&batch.author)
            .ok_or(BatchError::UnknownAuthor(batch.author))?;
        let limits = self.genesis.batch_limits();
        let known_checks = checks.len();
        let verified = batch.inspect(self.chain, &author.identity_key, limits, checks)?;
        if lately.ids.contains(&verified.id()) {
            checks.truncate(known_checks);
        }
        let complete = full.is_complete().ok_or(Fault::Personal)?;
        Ok(CheckedBatch {
            batch: verified,
            personal: full.personal,
            complete,
        })
    }
}

fn check_block(chain: &ChainId, block: &Block) -> Result<(), Fault> {
    if block.header.chain != *chain {
        return Err(Fault::OtherNetwork);
    }
    if block.batches.len() > message::MAX_FETCHED_BATCHES
        || batches_root(&block.batches) != block.header.batches_root
    {
        return Err(Fault::BatchList);
    }
    let distinct: std::collections::BTreeSet<&BatchId> = block.batches.iter().collect();
    if distinct.len() != block.batches.len() {
        return Err(Fault::BatchList);
    }
    Ok(())
}

/// A run of blocks and headers in which each is the parent of the next, the last one certified.
fn check_run(
    chain: &ChainId,
    blocks: &[types::FinalBlock],
    headers: &[Header],
    certificate: &Certificate,
) -> Result<(), Fault> {
    if headers.len() > message::MAX_FINALITY_HEADERS {
        return Err(Fault::TooMuch);
    }
    for block in blocks {
        check_block(chain, &block.block.block)?;
    }
    let of_blocks = blocks.iter().map(|block| block.block.header());
    if blocks.is_empty() || !ends_final(of_blocks.chain(headers), certificate) {
        return Err(Fault::Unlinked);
    }
    Ok(())
}

/// True when each header is the parent of the next and the certificate says that the last one is
/// final. Whether the certificate holds is for the caller to check.
pub(crate) fn ends_final<'a>(
    run: impl Iterator<Item = &'a Header>,
    certificate: &Certificate,
) -> bool {
    let mut last: Option<(Height, BlockHash)> = None;
    for header in run {
        if last
            .is_some_and(|(height, hash)| header.height != height.next() || header.parent != hash)
        {
            return false;
        }
        last = Some((header.height, header.hash()));
    }
    certificate.kind == types::VoteKind::Finalize
        && last == Some((certificate.height, certificate.block))
}

impl CheckedBatch {
    /// One of this member's own, made a moment ago.
    pub(crate) fn own(batch: VerifiedBatch, personal: PersonalParts) -> Self {
        Self {
            batch,
            personal,
            complete: true,
        }
    }
}
