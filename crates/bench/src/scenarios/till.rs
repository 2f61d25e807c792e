//! Orders that no customer signed, in bulk: the till that takes them vouches for them.

use super::{Setting, TILL, throughput};
use crate::{load::Kind, report::Scenario};

/// In bulk, 200 bytes each.
pub(crate) const TILL_BULK: &str = "till-bulk";
/// In bulk, 512 bytes each.
pub(crate) const TILL_LARGE: &str = "till-bulk-512";

/// To compare with systems that are measured with orders of this size.
const LARGE_BYTES: usize = 512;

/// Runs both parts.
///
/// # Errors
/// When a network fails, or an order is lost.
pub(super) async fn run(setting: &Setting) -> anyhow::Result<Vec<Scenario>> {
    let usual = throughput::run(TILL_BULK, setting, TILL).await?;
    if setting.effort.rate.is_some() {
        return Ok(vec![usual]);
    }
    let large = Kind::Till { bytes: LARGE_BYTES };
    Ok(vec![
        usual,
        throughput::run(TILL_LARGE, setting, large).await?,
    ])
}
