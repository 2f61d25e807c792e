//! A report as tables in a terminal.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::{
    Figure, Report, Scenario,
    bars::{bars, floors},
};

/// The whole report as text.
pub(crate) fn show(report: &Report) -> String {
    let mut parts = vec![
        report.machine.clone(),
        format!("throughput genesis: {}", report.throughput_genesis),
        format!("in one thread\n{}", limits(report)),
    ];
    parts.extend(report.scenarios.iter().map(|scenario| {
        let runs = scenario.figures.iter().map(|figure| figure.runs.len());
        let runs = match runs.max().unwrap_or_default() {
            1 => "1 run".to_owned(),
            count => format!("median of {count} runs"),
        };
        format!("{}, {runs}\n{}", scenario.name, figures(scenario))
    }));
    let floors = floors(report);
    if !floors.is_empty() {
        let mut table = table(
            &["scenario", "measured", "the least it could be", "ratio"],
            1,
        );
        for floor in floors {
            let (measured, least) = (number(floor.measured), number(floor.least));
            let ratio = number(floor.measured / floor.least);
            let least = format!("{least} {}: {}", floor.unit, floor.what);
            table.add_row([floor.scenario.to_owned(), measured, least, ratio]);
        }
        parts.push(format!("how near to what this machine can do\n{table}"));
    }
    let bars = bars(report);
    if !bars.is_empty() {
        let mut table = table(&["scenario", "bar", "measured", ""], 2);
        for bar in bars {
            let side = if bar.at_least { "≥" } else { "≤" };
            let what = format!("{} {side} {}", bar.what, number(bar.bar));
            let verdict = if bar.holds() { "holds" } else { "MISSED" };
            table.add_row([bar.scenario, &what, &number(bar.measured), verdict]);
        }
        parts.push(format!("bars\n{table}"));
    }
    parts.join("\n\n")
}

fn limits(report: &Report) -> Table {
    let mut table = table(&["limit", "µs", "a second"], 1);
    for (name, micros) in report.limits.all() {
        table.add_row([name.to_owned(), number(micros), number(1e6 / micros)]);
    }
    table
}

/// One row of medians, and below each the least and the greatest.
fn figures(scenario: &Scenario) -> Table {
    let titles: Vec<&str> = scenario
        .figures
        .iter()
        .map(|figure| figure.what.title())
        .collect();
    let mut table = table(&titles, 0);
    table.add_row(scenario.figures.iter().map(range));
    table
}

/// A figure's median, and below it the least and the greatest where there are several runs.
pub(super) fn range(figure: &Figure) -> String {
    let median = number(figure.median());
    if figure.runs.len() == 1 {
        return median;
    }
    format!(
        "{median}\n{}–{}",
        number(figure.min()),
        number(figure.max())
    )
}

/// A table whose columns from a place on are numbers.
pub(super) fn table(columns: &[&str], numbers_from: usize) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(columns);
    for column in table.column_iter_mut().skip(numbers_from) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// A number with about three digits, and thousands apart.
pub(super) fn number(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 0.1 || size == 0.0 => 2,
        _ => 4,
    };
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let (sign, digits) = whole.split_at(usize::from(whole.starts_with('-')));
    let mut apart = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            apart.push(',');
        }
        apart.push(digit);
    }
    format!("{sign}{apart}{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let shown = [
            (0.0, "0.00"),
            (0.0123, "0.0123"),
            (1.234, "1.23"),
            (56.78, "56.8"),
            (123.4, "123"),
            (-1_234.0, "-1,234"),
            (1_234_567.8, "1,234,568"),
        ];
        for (value, text) in shown {
            assert_eq!(number(value), text);
        }
    }
}
