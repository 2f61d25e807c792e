//! No honest member is blamed by another: whatever liars do, nobody takes an honest member for one.

use super::{Checker, Facts};
use crate::observation::Observation;

pub(super) struct Blame;

impl Checker for Blame {
    fn name(&self) -> &'static str {
        "blame"
    }

    fn observe(&mut self, facts: &Facts, seen: &Observation) -> Result<(), String> {
        match seen {
            Observation::Blamed { host, peer, reason } if facts.honest[*peer] => Err(format!(
                "honest member {peer} is blamed by member {host}: {reason}"
            )),
            _ => Ok(()),
        }
    }
}
