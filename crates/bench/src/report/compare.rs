//! What changed between two reports, beyond what changes by itself.

use super::{
    Better, Figure, Report, Scenario,
    table::{number, range, table},
};

/// A smaller change is of no interest, however sure it is.
const LEAST_CHANGE: f64 = 0.03;
/// Of fewer runs than this nobody can tell how much they scatter.
const FEW_RUNS: usize = 3;
/// A change that is believed of few runs.
const LEAST_CHANGE_OF_FEW: f64 = 0.15;
/// A limit of the machine that changed so much makes a comparison doubtful.
const OTHER_MACHINE: f64 = 0.1;

/// How a figure changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// Not beyond the noise.
    None,
    Better,
    Worse,
    /// Beyond the noise, and neither good nor bad.
    Other,
}

impl Change {
    const fn in_words(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Better => "better",
            Self::Worse => "WORSE",
            Self::Other => "changed",
        }
    }
}

/// From one figure to another, as a part of the first.
fn part(before: f64, after: f64) -> f64 {
    if before == after {
        return 0.0;
    }
    (after - before) / before.abs().max(f64::MIN_POSITIVE)
}

/// A change counts when the two figures' runs do not overlap, so that no run of the one could have been
/// one of the other, and it is large enough.
fn change(before: &Figure, after: &Figure, better: Better) -> Change {
    let few = before.runs.len().min(after.runs.len()) < FEW_RUNS;
    let least = if few {
        LEAST_CHANGE_OF_FEW
    } else {
        LEAST_CHANGE
    };
    let apart = before.max() < after.min() || after.max() < before.min();
    let part = part(before.median(), after.median());
    if !apart || part.abs() < least {
        return Change::None;
    }
    match (better, part > 0.0) {
        (Better::Neither, _) => Change::Other,
        (Better::More, true) | (Better::Less, false) => Change::Better,
        (Better::More, false) | (Better::Less, true) => Change::Worse,
    }
}

/// All that changed, as text.
pub(crate) fn compare(before: &Report, after: &Report) -> String {
    let mut parts = doubts(before, after);
    let (mut rows, mut same) = (Vec::new(), 0);
    for scenario in &before.scenarios {
        let Some(other) = after.scenario(&scenario.name) else {
            parts.push(format!("{} is in the first report only", scenario.name));
            continue;
        };
        let (changed, unchanged) = compare_scenario(scenario, other);
        rows.extend(changed);
        same += unchanged;
    }
    let known = |scenario: &&Scenario| before.scenario(&scenario.name).is_none();
    parts.extend(
        after
            .scenarios
            .iter()
            .filter(known)
            .map(|scenario| format!("{} is in the second report only", scenario.name)),
    );
    if !rows.is_empty() {
        let mut table = table(&["scenario", "figure", "before", "after", "change", ""], 2);
        table.add_rows(rows);
        parts.push(table.to_string());
    }
    parts.push(format!("{same} figures did not change beyond the noise"));
    parts.join("\n")
}

/// The rows of a scenario's figures that changed, and how many did not.
fn compare_scenario(before: &Scenario, after: &Scenario) -> (Vec<[String; 6]>, usize) {
    let (mut rows, mut same) = (Vec::new(), 0);
    for figure in &before.figures {
        let Some(other) = after.figure(figure.what) else {
            continue;
        };
        let change = change(figure, other, figure.what.better());
        if change == Change::None {
            same += 1;
            continue;
        }
        let percent = 100.0 * part(figure.median(), other.median());
        rows.push([
            before.name.clone(),
            figure.what.title().to_owned(),
            range(figure),
            range(other),
            format!("{percent:+.0} %"),
            change.in_words().to_owned(),
        ]);
    }
    (rows, same)
}

/// Why the two reports may not be comparable.
fn doubts(before: &Report, after: &Report) -> Vec<String> {
    let mut doubts = Vec::new();
    if before.machine != after.machine {
        doubts.push(format!(
            "the machines differ: {}; and {}",
            before.machine, after.machine
        ));
    }
    if before.quick != after.quick {
        doubts.push("only one of the two was a quick look".to_owned());
    }
    for ((name, before), (_, after)) in before.limits.all().into_iter().zip(after.limits.all()) {
        let part = part(before, after);
        if part.abs() > OTHER_MACHINE {
            let percent = 100.0 * part;
            let (before, after) = (number(before), number(after));
            doubts.push(format!(
                "the machine itself was not the same: {name} took {before} and then {after} µs ({percent:+.0} %)"
            ));
        }
    }
    doubts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{limits::Limits, report::What};

    fn figure(runs: &[f64]) -> Figure {
        Figure {
            what: What::OrdersPerSecond,
            runs: runs.to_vec(),
        }
    }

    fn changed(before: &[f64], after: &[f64]) -> Change {
        change(&figure(before), &figure(after), Better::More)
    }

    #[test]
    fn runs_that_overlap_are_noise() {
        assert_eq!(
            changed(&[90.0, 100.0, 110.0], &[108.0, 120.0, 130.0]),
            Change::None
        );
        assert_eq!(
            changed(&[90.0, 100.0, 110.0], &[111.0, 120.0, 130.0]),
            Change::Better
        );
        assert_eq!(
            changed(&[111.0, 120.0, 130.0], &[90.0, 100.0, 110.0]),
            Change::Worse
        );
    }

    #[test]
    fn a_small_change_is_none_however_sure() {
        assert_eq!(
            changed(&[100.0, 100.1, 100.2], &[101.0, 101.1, 101.2]),
            Change::None
        );
        assert_eq!(
            changed(&[100.0, 100.1, 100.2], &[104.0, 104.1, 104.2]),
            Change::Better
        );
    }

    #[test]
    fn few_runs_must_differ_much() {
        assert_eq!(changed(&[100.0], &[110.0]), Change::None);
        assert_eq!(changed(&[100.0], &[120.0]), Change::Better);
        assert_eq!(changed(&[100.0, 101.0, 102.0], &[110.0]), Change::None);
    }

    #[test]
    fn what_is_better_depends_on_the_figure() {
        let (before, after) = (figure(&[1.0, 1.0, 1.0]), figure(&[2.0, 2.0, 2.0]));
        assert_eq!(change(&before, &after, Better::Less), Change::Worse);
        assert_eq!(change(&before, &after, Better::Neither), Change::Other);
        let zero = figure(&[0.0, 0.0, 0.0]);
        assert_eq!(change(&zero, &zero, Better::Less), Change::None);
        assert_eq!(change(&zero, &after, Better::Less), Change::Worse);
    }

    fn report(rate: f64, sha256: f64) -> Report {
        let limits = Limits {
            ed25519_bulk: 1.0,
            sha256,
            append_sync: 1.0,
            bls: 1.0,
            json: 1.0,
        };
        let mut report = Report::new("one".to_owned(), false, String::new(), limits);
        let mut scenario = Scenario::new("till");
        for run in 0..5 {
            scenario.add([
                (What::OrdersPerSecond, rate + f64::from(run)),
                (What::P50Ms, 3.0),
            ]);
        }
        report.scenarios.push(scenario);
        report
    }

    #[test]
    fn reports_are_compared_figure_by_figure() {
        let text = compare(&report(100.0, 1.0), &report(200.0, 1.3));
        assert!(
            text.contains("SHA-256 of 300 bytes took 1.00 and then 1.30 µs (+30 %)"),
            "{text}"
        );
        assert!(text.contains("+98 %") && text.contains("better"), "{text}");
        assert!(
            text.ends_with("1 figures did not change beyond the noise"),
            "{text}"
        );
        let mut other = report(100.0, 1.0);
        other.scenarios[0].name = "new".to_owned();
        let text = compare(&report(100.0, 1.0), &other);
        assert!(text.contains("till is in the first report only"), "{text}");
        assert!(text.contains("new is in the second report only"), "{text}");
    }
}
