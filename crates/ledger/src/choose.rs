//! Choosing what a block seals.

use types::{Genesis, VerifiedBatch};

/// What a block may hold, from the genesis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockLimits {
    /// The most entries, skipped ones too.
    pub max_orders: u32,
    /// The most bytes of public encoding.
    pub max_bytes: u32,
}

impl BlockLimits {
    /// The limits of a network.
    pub const fn of(genesis: &Genesis) -> Self {
        Self {
            max_orders: genesis.max_block_orders,
            max_bytes: genesis.max_block_bytes,
        }
    }
}

/// True when these batches together keep the limits.
pub fn fits<'a>(limits: BlockLimits, batches: impl IntoIterator<Item = &'a VerifiedBatch>) -> bool {
    let (mut orders, mut bytes) = (0_u64, 0_u64);
    for batch in batches {
        orders = orders.saturating_add(batch.len().into());
        bytes = bytes.saturating_add(batch.bytes().into());
    }
    orders <= limits.max_orders.into() && bytes <= limits.max_bytes.into()
}

/// Takes batches in the given order as long as they fit; one that does not fit is passed over, so
/// that a small one behind it is not held up.
pub fn choose<'a>(
    limits: BlockLimits,
    eligible: impl IntoIterator<Item = &'a VerifiedBatch>,
) -> Vec<VerifiedBatch> {
    let (mut orders, mut bytes) = (limits.max_orders, limits.max_bytes);
    let mut chosen = Vec::new();
    for batch in eligible {
        if let (Some(fewer_orders), Some(fewer_bytes)) = (
            orders.checked_sub(batch.len()),
            bytes.checked_sub(batch.bytes()),
        ) {
            (orders, bytes) = (fewer_orders, fewer_bytes);
            chosen.push(batch.clone());
        }
        if orders == 0 {
            break;
        }
    }
    chosen
}
