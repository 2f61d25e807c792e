//! Receipts: proof that an order is in a network's final order log, checked without trusting anyone
//! but the genesis (`docs/protocol.md` §3).

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{
    block::Header,
    encoding::encode,
    fixed::{ChainId, Digest, OrderId},
    genesis::Genesis,
    merkle,
    order::{Entry, PersonalPart},
    signatures::Signatures,
    units::LogIndex,
    vote::{Certificate, VoteKind},
};

/// All that is needed to check one order.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Receipt {
    /// Which network's.
    pub chain: ChainId,
    /// The order.
    pub entry: Entry,
    /// Customer and details, unless erased.
    pub personal: Option<PersonalPart>,
    /// Its place in the order log.
    pub log_index: LogIndex,
    /// The inclusion path, nearest sibling first.
    pub path: Vec<Digest>,
    /// A final header at or after the order's block.
    pub header: Header,
    /// The finality certificate of that header.
    pub certificate: Certificate,
}

/// Why a receipt proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// From another network.
    #[error("the receipt is of network {theirs}, the genesis file of network {ours}")]
    OtherNetwork {
        /// The receipt's.
        theirs: ChainId,
        /// The genesis file's.
        ours: ChainId,
    },
    /// Of an epoch whose members the genesis does not tell.
    #[error("the receipt is of epoch {0}, whose members the genesis file alone does not tell")]
    OtherEpoch(u64),
    /// Customer or details were changed.
    #[error("customer or details are not those the order commits to")]
    Personal,
    /// The order, its place or the log was changed.
    #[error("the order is not at place {0} of the order log that the header commits to")]
    NotIncluded(u64),
    /// The certificate is about something else.
    #[error("the certificate is not a finality certificate of the receipt's header")]
    OtherHeader,
    /// The certificate's signatures do not hold.
    #[error("the certificate is not signed by a quorum of the network's members")]
    NoQuorum,
    /// A customer's own signature is wrong.
    #[error("the customer's signature is not right")]
    CustomerSignature,
}

impl Receipt {
    /// Checks the receipt against a genesis and returns the order's id.
    ///
    /// # Errors
    /// The first step that does not hold.
    pub fn verify(
        &self,
        signatures: &dyn Signatures,
        genesis: &Genesis,
    ) -> Result<OrderId, ReceiptError> {
        let ours = genesis.chain_id();
        let theirs = [self.chain, self.header.chain];
        if let Some(theirs) = theirs.into_iter().find(|chain| *chain != ours) {
            return Err(ReceiptError::OtherNetwork { theirs, ours });
        }
        if self.header.epoch.0 != 0 {
            return Err(ReceiptError::OtherEpoch(self.header.epoch.0));
        }
        let order = self.entry.order();
        if self
            .personal
            .as_ref()
            .is_some_and(|personal| personal.hash() != order.personal_hash)
        {
            return Err(ReceiptError::Personal);
        }
        if let Some(check) = order.check(&ours)
            && !signatures.verify_identities(&[check])
        {
            return Err(ReceiptError::CustomerSignature);
        }
        let leaf = merkle::leaf_hash(&encode(&self.entry));
        let (size, root) = (self.header.log_size, &self.header.log_root);
        if !merkle::verify_inclusion(&leaf, self.log_index, size, &self.path, root) {
            return Err(ReceiptError::NotIncluded(self.log_index.0));
        }
        let certificate = &self.certificate;
        if certificate.kind != VoteKind::Finalize
            || certificate.block != self.header.hash()
            || certificate.height != self.header.height
            || certificate.epoch != self.header.epoch
        {
            return Err(ReceiptError::OtherHeader);
        }
        if !certificate.verify(signatures, &ours, &genesis.member_set()) {
            return Err(ReceiptError::NoQuorum);
        }
        Ok(self.entry.id())
    }
}
