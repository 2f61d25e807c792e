//! Orders that customers signed: every node verifies every signature.

use super::{Setting, throughput};
use crate::{load::Kind, report::Scenario};

/// The scenario's name.
pub(crate) const SIGNED: &str = "signed";

/// Runs it.
///
/// # Errors
/// When a network fails, or an order is lost.
pub(super) async fn run(setting: &Setting) -> anyhow::Result<Scenario> {
    throughput::run(SIGNED, setting, Kind::Signed).await
}
