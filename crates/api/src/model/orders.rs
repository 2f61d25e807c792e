//! Bodies about orders.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use types::{BlockHash, IdentityPublicKey, IdentitySignature, MemberId, OrderId, PersonalHash};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, OneOfBuilder, RefOr, Schema, Type},
};

use crate::time::Time;

/// How long a personal part's salt is.
pub const SALT_BYTES: usize = 16;

/// What `POST /v1/orders` takes. Unknown fields are refused.
///
/// An order without `key` and `signature` is vouched for by the node that takes it. One that its
/// customer signed gives `key`, `signature`, `salt` and `placed_at`, and is recorded as it was signed.
/// The signature is Ed25519 over these bytes: the byte 14, the text `dexter/1/order`, the 32 bytes of
/// the chain id (`GET /v1/status`), and then, in borsh encoding (integers little-endian, texts with a
/// 32-bit length before them):
///
/// 1. `receiver`: text
/// 2. the amount: 64-bit integer of minor units (cents), then the currency's three letters
/// 3. `placed_at`: 64-bit integer, milliseconds since 1970 UTC
/// 4. the personal hash: SHA-256 over the byte 17, the text `dexter/1/personal`, the 16 bytes of
///    `salt`, the text `customer` and the text `details`
/// 5. the byte 1 and the 32 bytes of `key`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOrder {
    /// Who bought; at most 256 bytes of UTF-8.
    #[schema(example = "Ada")]
    pub customer: String,
    /// What was bought; at most 3,800 bytes of UTF-8.
    #[schema(example = "2 flat white")]
    pub details: String,
    /// How much, exactly, in the currency's units: `"38.70"`. A JSON number is taken digit by digit.
    pub amount: DecimalText,
    /// ISO 4217 code; the network's currency when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "EUR")]
    pub currency: Option<String>,
    /// Who the money goes to, at most 256 bytes of UTF-8; the name of the node's shop when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiver: Option<String>,
    /// When it was placed; now when left out. What is finer than a millisecond is cut off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placed_at: Option<Time>,
    /// 16 bytes in hexadecimal that hide customer and details behind their hash; random when left out.
    /// The same order with the same salt and `placed_at` is recorded only once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<Salt>,
    /// The customer's Ed25519 public key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, min_length = 64, max_length = 64)]
    pub key: Option<IdentityPublicKey>,
    /// The customer's signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, min_length = 128, max_length = 128)]
    pub signature: Option<IdentitySignature>,
}

/// A decimal number as it was written, digit by digit; in JSON a text or a number.
#[derive(Clone, PartialEq, Eq)]
pub struct DecimalText(String);

/// A personal part's salt: 16 bytes, in JSON 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, min_length = 32, max_length = 32)]
pub struct Salt(pub [u8; SALT_BYTES]);

/// The answer to a placed order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlacedOrder {
    /// The order's id.
    #[schema(value_type = String)]
    pub id: OrderId,
    /// `accepted`, or `final` when asked to wait and it became so.
    pub state: OrderState,
    /// Where it stands in the order book; only with `?wait=final`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finality: Option<Finality>,
}

/// How far an order has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OrderState {
    /// Durable at this node, and on its way into a block.
    Accepted,
    /// In a block that is certified and not yet final.
    Sealed,
    /// In a final block, for ever.
    Final,
}

/// Where and by whom an order was sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finality {
    /// The block's height.
    pub height: u64,
    /// The block.
    #[schema(value_type = String)]
    pub block: BlockHash,
    /// The order's place in the order log.
    pub log_index: u64,
    /// The name of the member that won the block.
    pub winner: String,
    /// That member's permanent id.
    #[schema(value_type = String)]
    pub winner_id: MemberId,
    /// How long the winner waited, in microseconds.
    pub wait_us: u64,
    /// The block's timestamp.
    pub sealed_at: Time,
}

/// An order with all that is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderView {
    /// Its id.
    #[schema(value_type = String)]
    pub id: OrderId,
    /// How far it has come.
    pub state: OrderState,
    /// Who the money goes to.
    pub receiver: String,
    /// How much, with all decimals of the currency.
    #[schema(example = "38.70")]
    pub amount: String,
    /// ISO 4217 code.
    pub currency: String,
    /// When it was placed.
    pub placed_at: Time,
    /// Who bought; missing when erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// What was bought; missing when erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
    /// The personal part's salt; missing when erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<Salt>,
    /// What the public part commits to instead of customer and details.
    #[schema(value_type = String)]
    pub personal_hash: PersonalHash,
    /// Who answers for it.
    pub voucher: VoucherView,
    /// Where it was sealed; missing until it is final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finality: Option<Finality>,
}

/// Who answers for an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum VoucherView {
    /// The member at whose till it was taken.
    Till {
        /// Its permanent id.
        #[schema(value_type = String)]
        member: MemberId,
        /// Its name, where it is a member of this epoch.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
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

/// A page of final orders, in the order of the order log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderPage {
    /// The orders.
    pub orders: Vec<OrderView>,
    /// Give this as `after` to get the next page; null on the last page.
    pub next: Option<u64>,
}

impl DecimalText {
    /// Takes a text; it is judged together with the currency, by [`crate::money::parse_amount`].
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl fmt::Debug for DecimalText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl Serialize for DecimalText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}
impl<'de> Deserialize<'de> for DecimalText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The raw text keeps what a binary number would lose.
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = raw.get();
        let wrong = || {
            serde::de::Error::custom(
                "an amount is a number or a text of digits, for example \"38.70\"",
            )
        };
        match text.as_bytes().first() {
            Some(b'"') => serde_json::from_str(text).map(Self).map_err(|_| wrong()),
            Some(b'-' | b'0'..=b'9') => Ok(Self(text.to_owned())),
            _ => Err(wrong()),
        }
    }
}
impl PartialSchema for DecimalText {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(r"^[0-9]+(\.[0-9]+)?$"));
        let number = ObjectBuilder::new()
            .schema_type(Type::Number)
            .minimum(Some(0));
        OneOfBuilder::new()
            .item(text)
            .item(number)
            .examples(["38.70"])
            .into()
    }
}
impl ToSchema for DecimalText {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Decimal")
    }
}

impl Serialize for Salt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}
impl<'de> Deserialize<'de> for Salt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; SALT_BYTES];
        hex::decode_to_slice(&text, &mut bytes)
            .map_err(|_| serde::de::Error::custom("a salt is 32 hexadecimal digits"))?;
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_keep_their_digits() {
        for (json, text) in [
            ("38.70", "38.70"),
            ("\"38.70\"", "38.70"),
            ("-1", "-1"),
            ("1e2", "1e2"),
        ] {
            assert_eq!(
                serde_json::from_str::<DecimalText>(json).unwrap().as_str(),
                text
            );
        }
        let long = "12345678901234.56";
        let order: NewOrder = serde_json::from_str(&format!(
            r#"{{"customer":"a","details":"b","amount":{long}}}"#
        ))
        .unwrap();
        assert_eq!(order.amount.as_str(), long);
        for json in ["null", "true", "[]", "{}"] {
            let error = serde_json::from_str::<DecimalText>(json)
                .unwrap_err()
                .to_string();
            assert!(error.starts_with("an amount is a number"), "{error}");
        }
    }

    #[test]
    fn a_salt_is_sixteen_bytes() {
        let salt = Salt([0xab; SALT_BYTES]);
        let json = serde_json::to_string(&salt).unwrap();
        assert_eq!(json, format!("\"{}\"", "ab".repeat(16)));
        assert_eq!(serde_json::from_str::<Salt>(&json).unwrap(), salt);
        assert!(serde_json::from_str::<Salt>("\"ab\"").is_err());
    }
}
