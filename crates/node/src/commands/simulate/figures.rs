//! The figures of a simulation, each with what it means to whoever runs a shop.

use simulator::study::{Distribution, Ending, Faults, Part, Report};

use super::{NetworkName, faults::liar_name};
use crate::durations::show;
use types::Micros;

/// Below this, so uneven wins would come about by chance in less than one of a hundred simulations.
const UNFAIR_BELOW: f64 = 0.01;

/// One line of the summary.
pub(super) struct Figure {
    /// What it is called.
    pub(super) name: &'static str,
    /// The number, with its unit.
    pub(super) value: String,
    /// What it means.
    pub(super) meaning: String,
}

/// A time in microseconds to three digits: `489ms`, `1.15s`.
pub(super) fn time(micros: u64) -> String {
    let mut unit = 1;
    while micros / unit >= 1_000 {
        unit *= 10;
    }
    show(Micros((micros + unit / 2) / unit * unit))
}

/// A share as people read it: never 100 % where something is missing, nor 0 % where something is.
pub(super) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let hundredths = part.saturating_mul(10_000) / whole;
    let hundredths = if part > 0 { hundredths.max(1) } else { 0 };
    match hundredths {
        10_000 => "100 %".to_owned(),
        0 => "0 %".to_owned(),
        _ => format!("{}.{:02} %", hundredths / 100, hundredths % 100),
    }
}

/// A count with thin spaces between its thousands.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

fn quantile(times: &Distribution, share: f64) -> String {
    times.quantile(share).map_or("–".to_owned(), time)
}

fn spread(times: &Distribution) -> String {
    let most = times.greatest().map_or("–".to_owned(), time);
    format!(
        "{} / {} / {most}",
        quantile(times, 0.5),
        quantile(times, 0.99)
    )
}

/// Bytes in the unit that keeps them short.
fn bytes(number: f64) -> String {
    match number {
        0.0..1e3 => format!("{number:.0} B"),
        1e3..1e6 => format!("{:.1} kB", number / 1e3),
        _ => format!("{:.1} MB", number / 1e6),
    }
}

/// All figures, the most asked for first.
pub(super) fn all(report: &Report) -> Vec<Figure> {
    let figure = |name, value: String, meaning: &str| Figure {
        name,
        value,
        meaning: meaning.to_owned(),
    };
    let heights = report.heights;
    let mut figures = vec![
        figure(
            "order final after",
            spread(&report.order_to_final),
            "from an order's being accepted to its being final where it was placed: half of all orders / 99 of 100 / all",
        ),
        figure(
            "block final after",
            spread(&report.block_to_final),
            "from a block's being made to a quorum's having it final: half / 99 of 100 / all",
        ),
        figure(
            "a block takes",
            spread(&report.height_duration),
            "from there being orders to their block's being certified, waiting included: half / 99 of 100 / all",
        ),
        figure(
            "blocks a second",
            format!("{:.3}", report.heights_a_second()),
            "over the whole time, quiet moments without orders included",
        ),
        figure(
            "final by itself",
            percent(report.direct, heights),
            "blocks that members' votes made final; the others became final with a block on top of them",
        ),
        figure(
            "shortest wait won",
            percent(report.shortest_wait_won, heights),
            "blocks made by the member whose wait was the shortest, as the lottery means it to be",
        ),
        figure(
            "wins a member",
            wins(report),
            "fewest to most blocks won by an honest member, and how many each should win",
        ),
        figure(
            "fairness",
            p_value(report),
            "how probable wins as uneven as these are if the lottery is fair; below 0.01 is a warning",
        ),
    ];
    figures.extend(costs(report));
    figures.extend([
        figure(
            "forks",
            format!("{} of {} blocks", count(report.forks), count(heights)),
            "places in the chain where more than one block was certified; only one of them ever becomes final",
        ),
        figure(
            "empty blocks",
            format!("{} of {} blocks", count(report.empty), count(heights)),
            "blocks that record no order",
        ),
        figure("orders", orders(report), "taken in and what became of them; the last may still be waiting at the end"),
        figure("traffic a block", traffic_a_block(report), "all members together, each receiver counted; connections add about a tenth"),
        figure("a member sends", traffic_a_second(report), "on average, to all others together"),
    ]);
    figures
}

fn wins(report: &Report) -> String {
    let honest = report
        .members
        .iter()
        .filter(|member| member.part == Part::Honest);
    let wins: Vec<u64> = honest.map(|member| member.wins).collect();
    match (wins.iter().min(), wins.iter().max(), report.expected_wins()) {
        (Some(least), Some(most), Some(expected)) => format!(
            "{} to {} of {:.0}",
            count(*least),
            count(*most),
            expected.each
        ),
        _ => "–".to_owned(),
    }
}

fn p_value(report: &Report) -> String {
    report.fairness.map_or("–".to_owned(), |fairness| {
        format!("p = {:.3}", fairness.p_value)
    })
}

fn costs(report: &Report) -> Vec<Figure> {
    let Some(dead) = &report.dead else {
        return Vec::new();
    };
    let gap = time(report.settings.timing.mean_wait.0);
    let gaps =
        |cost: Option<f64>| cost.map_or("–".to_owned(), |gaps| format!("{:.2}", gaps.max(0.0)));
    let values = |cost: &simulator::study::Cost| {
        format!(
            "{} / {} gaps",
            gaps(cost.quantile(0.5)),
            gaps(cost.quantile(0.99))
        )
    };
    vec![
        Figure {
            name: "a dead winner costs",
            value: values(&dead.winner),
            meaning: format!(
                "extra time for each of the {} blocks whose shortest wait a dead member had drawn: half / 99 of 100; a \
                 gap is {gap}, the mean time between one wait and the next",
                count(dead.heights)
            ),
        },
        Figure {
            name: "a dead member costs",
            value: values(&dead.member),
            meaning: "the same over all blocks: half / 99 of 100".to_owned(),
        },
    ]
}

fn orders(report: &Report) -> String {
    let orders = &report.orders;
    let mut text = format!(
        "{} accepted, {} final",
        count(orders.accepted),
        count(orders.final_)
    );
    if orders.turned_away > 0 {
        text.push_str(&format!(", {} turned away", count(orders.turned_away)));
    }
    text
}

fn traffic_a_block(report: &Report) -> String {
    if report.heights == 0 {
        return "–".to_owned();
    }
    let blocks = report.heights as f64;
    format!(
        "{} messages, {}",
        count((report.traffic.messages as f64 / blocks).round() as u64),
        bytes(report.traffic.bytes as f64 / blocks)
    )
}

fn traffic_a_second(report: &Report) -> String {
    let living = report
        .members
        .iter()
        .filter(|member| member.part != Part::Dead);
    let seconds = report.simulated as f64 / 1e6;
    if seconds <= 0.0 {
        return "–".to_owned();
    }
    let each = report.traffic.bytes as f64 / living.count().max(1) as f64;
    format!("{}/s", bytes(each / seconds))
}

/// Whether the lottery was fair.
pub(super) fn fairness_in_words(report: &Report) -> String {
    let Some(fairness) = report.fairness else {
        return "Fairness: with fewer than two honest members, or no block, there is nothing to compare.".to_owned();
    };
    let times = (fairness.p_value * 100.0).round();
    if fairness.p_value < UNFAIR_BELOW {
        return "Fairness: the wins are more uneven than chance explains. Try another seed; if it stays so, the grace is \
                too short for the distances, and members nearer to the others win more often."
            .to_owned();
    }
    format!(
        "Fairness: no sign of an advantage. A fair lottery gives wins as uneven as these in {times:.0} of 100 simulations."
    )
}

/// Why the simulation ended.
pub(super) fn ending_in_words(report: &Report) -> String {
    let (heights, wanted) = (count(report.heights), count(report.settings.heights));
    let simulated = time(report.simulated);
    match &report.ending {
        Ending::Complete => format!("all {wanted} blocks are final after {simulated}"),
        Ending::Stopped => {
            format!("stopped with {heights} of {wanted} blocks final after {simulated}")
        }
        Ending::StoodStill => format!(
            "the network stands still at block {heights} of {wanted} after {simulated}: too few members answer to make a quorum"
        ),
        Ending::Violated(_) => format!("ended at block {heights} of {wanted} after {simulated}"),
    }
}

/// What the network is like.
pub(super) fn network_name(network: NetworkName) -> &'static str {
    match network {
        NetworkName::Lan => "in one building (lan)",
        NetworkName::Metro => "in one city (metro)",
        NetworkName::Wan => "around the world (wan)",
    }
}

/// The faults as they are written on the command line.
pub(super) fn faults_in_words(faults: &Faults) -> String {
    let mut words = Vec::new();
    for (name, percent) in [("loss", faults.loss), ("duplication", faults.duplication)] {
        if percent > 0 {
            words.push(format!("{name}={percent}"));
        }
    }
    for (name, is_there) in [
        ("partitions", faults.partitions),
        ("crashes", faults.crashes),
        ("slow-disks", faults.slow_disks),
        ("clocks", faults.clocks),
    ] {
        if is_there {
            words.push(name.to_owned());
        }
    }
    if faults.dead > 0 {
        words.push(format!("dead={}", faults.dead));
    }
    for (kind, count) in &faults.liars {
        words.push(format!("liars={}:{count}", liar_name(*kind)));
    }
    if words.is_empty() {
        return "none".to_owned();
    }
    words.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits() {
        for (micros, text) in [
            (0, "0"),
            (7, "7us"),
            (1_234, "1.23ms"),
            (489_215, "489ms"),
            (999_600, "1s"),
            (1_151_999, "1.15s"),
            (3_796_490_366, "3800s"),
        ] {
            assert_eq!(time(micros), text);
        }
    }

    #[test]
    fn shares_do_not_hide_the_rare() {
        assert_eq!(percent(0, 0), "–");
        assert_eq!(percent(10_000, 10_000), "100 %");
        assert_eq!(percent(99_999, 100_000), "99.99 %");
        assert_eq!(percent(1, 1_000_000), "0.01 %");
        assert_eq!(percent(0, 5), "0 %");
        assert_eq!(percent(1, 3), "33.33 %");
    }

    #[test]
    fn counts_are_grouped() {
        assert_eq!(count(7), "7");
        assert_eq!(count(1_234), "1\u{202f}234");
        assert_eq!(count(12_345_678), "12\u{202f}345\u{202f}678");
    }
}
