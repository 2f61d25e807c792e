//! Orders: an order is recorded once, ever; the order log is as long as its headers say; and when
//! everything has healed, every order that was answered is in the final chain.

use std::collections::{BTreeMap, BTreeSet};

use types::{Height, OrderId};

use super::{Checker, Facts};
use crate::observation::Observation;

#[derive(Default)]
pub(super) struct Orders {
    recorded: BTreeMap<OrderId, Height>,
    /// The highest final block taken note of; agreement sees to it that everyone has the same.
    height: Height,
    answered: BTreeSet<OrderId>,
}

impl Checker for Orders {
    fn name(&self) -> &'static str {
        "orders"
    }

    fn observe(&mut self, _: &Facts, seen: &Observation) -> Result<(), String> {
        match seen {
            Observation::Final { header, orders, .. } if header.height > self.height => {
                self.height = header.height;
                for order in orders {
                    if let Some(first) = self.recorded.insert(*order, header.height) {
                        return Err(format!(
                            "order {} is recorded at height {first} and again at {}",
                            order.short(),
                            header.height
                        ));
                    }
                }
                if header.log_size.0 != self.recorded.len() as u64 {
                    return Err(format!(
                        "block {} says that {} orders are recorded; {} are",
                        header.height,
                        header.log_size.0,
                        self.recorded.len()
                    ));
                }
            }
            Observation::Answered {
                host,
                order,
                placed,
            } => {
                if order != placed {
                    return Err(format!(
                        "member {host} was given order {} and answered with {}",
                        placed.short(),
                        order.short()
                    ));
                }
                self.answered.insert(*order);
            }
            Observation::Ended => {
                if let Some(lost) = self
                    .answered
                    .iter()
                    .find(|order| !self.recorded.contains_key(*order))
                {
                    return Err(format!(
                        "order {} was answered and is in no final block",
                        lost.short()
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
