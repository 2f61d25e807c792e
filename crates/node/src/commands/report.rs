//! What a running node prints as things happen.

use crate::{durations::show, output, shop::Happening};
use types::Micros;

/// One line for something that happened.
pub(super) fn line(happening: &Happening) -> String {
    match happening {
        Happening::Connected { name, address, .. } => {
            format!("connected with {} at {address}", output::plain(name))
        }
        Happening::Disconnected { name, reason, .. } => {
            format!(
                "disconnected from {}: {}",
                output::plain(name),
                output::plain(reason)
            )
        }
        Happening::Final {
            height,
            winner,
            wait,
            orders,
            time_to_final,
        } => {
            let winner = output::plain(winner);
            let orders = match orders {
                0 => "no orders".to_owned(),
                1 => "1 order".to_owned(),
                count => format!("{count} orders"),
            };
            let time = match time_to_final {
                Some(time) => format!("final after {}", show(rounded(*time))),
                None => "fetched".to_owned(),
            };
            format!(
                "block {height}  {winner} won with a wait of {}  {orders}  {time}",
                show(rounded(*wait))
            )
        }
        Happening::Trouble(words) => format!("! {}", output::plain(words)),
    }
}

/// A length of time as people read it: tenths of a millisecond below 10 ms, whole ones above.
fn rounded(time: Micros) -> Micros {
    let unit = if time.0 < 10_000 { 100 } else { 1_000 };
    Micros(time.0.div_ceil(unit) * unit)
}

/// Prints a happening; when nobody reads any more, the node goes on all the same.
pub(super) fn print(happening: &Happening) {
    let _ = output::line(line(happening));
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::Height;

    #[test]
    fn a_block_in_one_line() {
        let happening = Happening::Final {
            height: Height(12),
            winner: "Crema\u{7}".to_owned(),
            wait: Micros(412_345),
            orders: 3,
            time_to_final: Some(Micros(8_412)),
        };
        assert_eq!(
            line(&happening),
            "block 12  Crema\u{fffd} won with a wait of 413ms  3 orders  final after 8.5ms"
        );
    }
}
