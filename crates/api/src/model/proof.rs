//! The proof of an order, as JSON; the same receipt, field by field.

use serde::{Deserialize, Serialize};
use types::{
    Amount, Certificate, ChainId, Currency, Digest, IdentityPublicKey, IdentitySignature, LogIndex,
    Member, MemberId, Order, PersonalHash, PersonalPart, Receipt, Text, UnixMillis, Voucher,
    block::Header,
    order::{Entry, MAX_CUSTOMER_BYTES, MAX_DETAILS_BYTES, MAX_RECEIVER_BYTES},
};
use utoipa::ToSchema;

use crate::model::Salt;

/// Proof that an order is in the network's final order log. Convertible without loss from and to a
/// [`Receipt`], which checks itself against a genesis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// Which network's.
    #[schema(value_type = String)]
    pub chain: ChainId,
    /// The order's public part.
    pub order: ProofOrder,
    /// Customer and details; null when erased.
    pub personal: Option<ProofPersonal>,
    /// The order's place in the order log.
    #[schema(value_type = u64)]
    pub log_index: LogIndex,
    /// The inclusion path (RFC 9162), nearest sibling first.
    #[schema(value_type = Vec<String>)]
    pub path: Vec<Digest>,
    /// A final header at or after the order's block; it commits to size and root of the order log.
    #[schema(value_type = Object)]
    pub header: Header,
    /// The finality certificate of that header.
    #[schema(value_type = Object)]
    pub certificate: Certificate,
    /// The members of the header's epoch, in the order of their indexes, for people and for checks by
    /// other programs. The genesis file, not this list, says who they are.
    #[schema(value_type = Vec<Object>)]
    pub members: Vec<Member>,
}

/// The public part of an order, as it is sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProofOrder {
    /// Who the money goes to.
    #[schema(value_type = String)]
    pub receiver: Text<MAX_RECEIVER_BYTES>,
    /// The amount in minor units (cents).
    pub minor_units: u64,
    /// ISO 4217 code.
    #[schema(value_type = String)]
    pub currency: Currency,
    /// When it was placed, in milliseconds since 1970 UTC.
    #[schema(value_type = u64)]
    pub placed_at_ms: UnixMillis,
    /// Commits to the personal part.
    #[schema(value_type = String)]
    pub personal_hash: PersonalHash,
    /// Who answers for it.
    pub voucher: ProofVoucher,
}

/// Who answers for an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum ProofVoucher {
    /// The member at whose till it was taken.
    Till {
        /// Its permanent id.
        #[schema(value_type = String)]
        member: MemberId,
    },
    /// The customer's own signature.
    Key {
        /// The customer's Ed25519 key.
        #[schema(value_type = String)]
        key: IdentityPublicKey,
        /// The signature.
        #[schema(value_type = String)]
        signature: IdentitySignature,
    },
}

/// The personal part of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProofPersonal {
    /// Makes the hash of a short text unguessable.
    pub salt: Salt,
    /// Who bought.
    #[schema(value_type = String)]
    pub customer: Text<MAX_CUSTOMER_BYTES>,
    /// What was bought.
    #[schema(value_type = String)]
    pub details: Text<MAX_DETAILS_BYTES>,
}

/// Why a proof is no receipt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The amount is beyond what any order can have.
    #[error("the proof's order is not one that any node records: {0}")]
    Order(#[from] types::OrderError),
}

impl Proof {
    /// Writes a receipt and the members of its header's epoch.
    pub fn new(receipt: Receipt, members: Vec<Member>) -> Self {
        let Receipt {
            chain,
            entry: Entry::Order(order),
            personal,
            log_index,
            path,
            header,
            certificate,
        } = receipt;
        Self {
            chain,
            order: order.into(),
            personal: personal.map(ProofPersonal::from),
            log_index,
            path,
            header,
            certificate,
            members,
        }
    }
}

impl TryFrom<Proof> for Receipt {
    type Error = ProofError;

    fn try_from(proof: Proof) -> Result<Self, ProofError> {
        let order = Order::from(proof.order);
        order.check_bounds()?;
        Ok(Self {
            chain: proof.chain,
            entry: Entry::Order(order),
            personal: proof.personal.map(PersonalPart::from),
            log_index: proof.log_index,
            path: proof.path,
            header: proof.header,
            certificate: proof.certificate,
        })
    }
}

impl From<Order> for ProofOrder {
    fn from(order: Order) -> Self {
        Self {
            receiver: order.receiver,
            minor_units: order.amount.minor_units,
            currency: order.amount.currency,
            placed_at_ms: order.placed_at,
            personal_hash: order.personal_hash,
            voucher: match order.voucher {
                Voucher::Till(member) => ProofVoucher::Till { member },
                Voucher::Key { key, signature } => ProofVoucher::Key { key, signature },
            },
        }
    }
}
impl From<ProofOrder> for Order {
    fn from(order: ProofOrder) -> Self {
        Self {
            receiver: order.receiver,
            amount: Amount {
                minor_units: order.minor_units,
                currency: order.currency,
            },
            placed_at: order.placed_at_ms,
            personal_hash: order.personal_hash,
            voucher: match order.voucher {
                ProofVoucher::Till { member } => Voucher::Till(member),
                ProofVoucher::Key { key, signature } => Voucher::Key { key, signature },
            },
        }
    }
}
impl From<PersonalPart> for ProofPersonal {
    fn from(personal: PersonalPart) -> Self {
        Self {
            salt: Salt(personal.salt),
            customer: personal.customer,
            details: personal.details,
        }
    }
}
impl From<ProofPersonal> for PersonalPart {
    fn from(personal: ProofPersonal) -> Self {
        Self {
            salt: personal.salt.0,
            customer: personal.customer,
            details: personal.details,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::{
        BlockHash, Epoch, Height, LogSize, LotteryPublicKey, LotterySignature, MemberIndex, Share,
        VoteKind, encode,
    };

    fn receipt(voucher: Voucher, personal: Option<PersonalPart>) -> Receipt {
        let order = Order {
            receiver: Text::new("Café \"Ω\"").unwrap(),
            amount: Amount {
                minor_units: types::units::MAX_MINOR_UNITS,
                currency: "EUR".parse().unwrap(),
            },
            placed_at: UnixMillis(u64::MAX),
            personal_hash: PersonalHash::new([3; 32]),
            voucher,
        };
        let header = Header {
            version: types::FORMAT_VERSION,
            chain: ChainId::new([1; 32]),
            epoch: Epoch(2),
            height: Height(u64::MAX),
            parent: BlockHash::new([4; 32]),
            timestamp: UnixMillis(5),
            proposer: MemberIndex(6),
            ticket: LotterySignature::new([7; 48]),
            batches_root: Digest::new([8; 32]),
            log_size: LogSize(9),
            log_root: Digest::new([10; 32]),
        };
        let certificate = Certificate {
            kind: VoteKind::Finalize,
            epoch: Epoch(2),
            height: Height(u64::MAX),
            block: header.hash(),
            votes: [0, 2]
                .map(|voter| Share {
                    voter: MemberIndex(voter),
                    signature: IdentitySignature::new([11; 64]),
                })
                .to_vec(),
        };
        let path = vec![Digest::new([12; 32]), Digest::new([13; 32])];
        let log_index = LogIndex(8);
        Receipt {
            chain: header.chain,
            entry: Entry::Order(order),
            personal,
            log_index,
            path,
            header,
            certificate,
        }
    }

    #[test]
    fn json_and_back_loses_nothing() {
        let personal = PersonalPart {
            salt: [9; 16],
            customer: Text::new("Ada\n\u{1F600}").unwrap(),
            details: Text::new("\\ \"latte\" \u{0}").unwrap(),
        };
        let key = Voucher::Key {
            key: IdentityPublicKey::new([14; 32]),
            signature: IdentitySignature::new([15; 64]),
        };
        let members = vec![Member {
            id: MemberId::new([16; 32]),
            name: "north".to_owned(),
            identity_key: IdentityPublicKey::new([17; 32]),
            lottery_key: LotteryPublicKey::new([18; 96]),
        }];
        for original in [
            receipt(Voucher::Till(MemberId::new([2; 32])), Some(personal)),
            receipt(key, None),
        ] {
            let json =
                serde_json::to_string(&Proof::new(original.clone(), members.clone())).unwrap();
            let proof: Proof = serde_json::from_str(&json).unwrap();
            assert_eq!(proof.members, members);
            let back = Receipt::try_from(proof).unwrap();
            assert_eq!(encode(&back), encode(&original));
        }
    }

    #[test]
    fn a_changed_proof_is_refused_or_differs() {
        let original = receipt(Voucher::Till(MemberId::new([2; 32])), None);
        let proof = Proof::new(original, Vec::new());
        let mut tampered = proof.clone();
        tampered.order.minor_units += 1;
        assert_eq!(
            Receipt::try_from(tampered),
            Err(ProofError::Order(types::OrderError::AmountTooLarge))
        );
        let mut json = serde_json::to_value(&proof).unwrap();
        json["order"]["extra"] = 1.into();
        assert!(serde_json::from_value::<Proof>(json).is_err());
    }
}
