//! What became of every order: none lost, none recorded twice, none that nobody placed.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use hdrhistogram::Histogram;

use super::{Placed, observer::Blocks};
use crate::chain::FinalBlock;

/// Times of up to an hour in microseconds, to three digits.
const LONGEST_MICROS: u64 = 3_600_000_000;
const DIGITS: u8 = 3;

/// Times from due to final, in microseconds.
pub(crate) type Latencies = Histogram<u64>;

/// No times yet.
pub(crate) fn latencies() -> Latencies {
    Histogram::new_with_max(LONGEST_MICROS, DIGITS).expect("the bounds are right")
}

/// A time in whole microseconds.
pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros())
        .unwrap_or(LONGEST_MICROS)
        .min(LONGEST_MICROS)
}

/// Accounts for every order that was accepted, and says how long each took.
///
/// # Errors
/// When one of them is in none of the final blocks or in two, when blocks hold more orders that nobody
/// accepted than were sent and not answered, or when it is not known when a block became final.
pub(crate) fn settle(
    placed: &[Placed],
    chain: &[FinalBlock],
    seen: &Blocks,
    unanswered: u64,
) -> anyhow::Result<Latencies> {
    let mut waiting: HashMap<_, Instant> =
        placed.iter().map(|order| (order.id, order.due)).collect();
    ensure!(
        waiting.len() == placed.len(),
        "two orders were answered with one id"
    );
    let (mut latencies, mut strangers) = (latencies(), 0);
    for block in chain {
        let height = block.height;
        let seen = seen.get(&height);
        let seen = seen.with_context(|| format!("block {height} was not seen to become final"))?;
        for id in &block.orders {
            match waiting.remove(id) {
                Some(due) => latencies.record(micros(seen.at.saturating_duration_since(due)))?,
                None => strangers += 1,
            }
        }
    }
    ensure!(
        strangers <= unanswered,
        "{strangers} final orders were not accepted, or are final twice; {unanswered} were sent and not answered"
    );
    let lost = waiting.len();
    ensure!(
        lost == 0,
        "{lost} of {} accepted orders are lost: they are in no final block",
        placed.len()
    );
    Ok(latencies)
}

#[cfg(test)]
mod tests {
    use types::OrderId;

    use super::*;
    use crate::load::observer::tests::seen;

    fn id(number: u8) -> OrderId {
        OrderId::new([number; 32])
    }

    fn block(height: u64, orders: &[u8]) -> FinalBlock {
        FinalBlock {
            height,
            orders: orders.iter().copied().map(id).collect(),
            direct: true,
        }
    }

    /// Orders 1 and 2, due together, and blocks 1 and 2 final 10 and 30 ms later.
    fn two_orders() -> (Vec<Placed>, Blocks) {
        let due = Instant::now();
        let after = |millis| due + Duration::from_millis(millis);
        let placed = [1, 2].map(|number| Placed {
            id: id(number),
            due,
        });
        (
            placed.to_vec(),
            Blocks::from([seen(1, after(10), 1), seen(2, after(30), 2)]),
        )
    }

    fn fault(chain: &[FinalBlock]) -> String {
        let (placed, seen) = two_orders();
        settle(&placed, chain, &seen, 0).unwrap_err().to_string()
    }

    #[test]
    fn orders_are_final_when_their_block_is() {
        let (placed, seen) = two_orders();
        let chain = [block(1, &[2]), block(2, &[1])];
        let latencies = settle(&placed, &chain, &seen, 0).unwrap();
        assert_eq!((latencies.len(), latencies.min() / 1_000), (2, 10));
        assert!((29_900..=30_100).contains(&latencies.max()));
    }

    #[test]
    fn what_was_not_answered_may_be_final() {
        let (placed, seen) = two_orders();
        let chain = [block(1, &[2, 9]), block(2, &[1])];
        assert_eq!(settle(&placed, &chain, &seen, 1).unwrap().len(), 2);
    }

    #[test]
    fn what_does_not_add_up_is_told() {
        assert_eq!(
            fault(&[block(1, &[1])]),
            "1 of 2 accepted orders are lost: they are in no final block"
        );
        let strangers =
            "1 final orders were not accepted, or are final twice; 0 were sent and not answered";
        assert_eq!(fault(&[block(1, &[1, 2]), block(2, &[2])]), strangers);
        assert_eq!(fault(&[block(1, &[1, 2, 3])]), strangers);
        assert_eq!(
            fault(&[block(1, &[1]), block(9, &[2])]),
            "block 9 was not seen to become final"
        );
        let (mut placed, seen) = two_orders();
        placed[1].id = placed[0].id;
        let error = settle(&placed, &[], &seen, 0).unwrap_err();
        assert_eq!(error.to_string(), "two orders were answered with one id");
    }
}
