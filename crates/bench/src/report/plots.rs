//! A report as drawings: how long orders take at each rate, and what a growing chain does to its nodes.
//!
//! They are drawn twice as large as they are meant to be shown, because the drawing library puts
//! everything on whole pixels.

use std::{fs, path::Path};

use anyhow::Context as _;
use plotters::{
    coord::{
        CoordTranslate, Shift,
        ranged1d::{DefaultFormatting, ValueFormatter},
    },
    prelude::*,
};

use super::{RatePoint, Report, Scenario, What, table::number};
use crate::{saturation::SUSTAINED, scenarios::GROWTH};

/// The size of one panel.
const PANEL: (u32, u32) = (1_440, 640);
const FONT: i32 = 26;
const LINE: u32 = 4;
const DOT: i32 = 7;
/// Letters and axes.
const INK: RGBColor = RGBColor(0x1f, 0x23, 0x28);
/// Lines to compare with.
const GRID: RGBColor = RGBColor(0xd0, 0xd7, 0xde);
/// The first curve.
const FIRST: RGBColor = RGBColor(0x09, 0x69, 0xda);
/// The second curve.
const SECOND: RGBColor = RGBColor(0xbc, 0x4c, 0x00);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b, X, Y> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<X, Y>>;

/// A point of a curve.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Point {
    at: (f64, f64),
    /// Drawn full; otherwise as a ring.
    full: bool,
}

/// Draws all that the report holds something for, beside its `bench.json`.
///
/// # Errors
/// When a drawing cannot be made or written.
pub(crate) fn plot(report: &Report, folder: &Path) -> anyhow::Result<()> {
    for (name, svg) in drawings(report)? {
        let file = folder.join(name);
        fs::write(&file, svg).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

/// The names of the files, and the drawings.
fn drawings(report: &Report) -> anyhow::Result<Vec<(String, String)>> {
    let mut drawn = Vec::new();
    for scenario in report.scenarios.iter().filter(|one| !one.rates.is_empty()) {
        let svg = drawing(1, |area| latencies(area, scenario))?;
        drawn.push((format!("latency-{}.svg", scenario.name), svg));
    }
    let rate = growth(report, What::OrdersPerSecond);
    if !rate.is_empty() {
        let memory = growth(report, What::ResidentMib);
        let svg = drawing(2, |area| {
            let panels = area.split_evenly((2, 1));
            line_of_growth(&panels[0], What::OrdersPerSecond, &rate)?;
            line_of_growth(&panels[1], What::ResidentMib, &memory)
        })?;
        drawn.push(("growth.svg".to_owned(), svg));
    }
    Ok(drawn)
}

/// So many panels, one below the other.
fn drawing(
    panels: u32,
    draw: impl FnOnce(&Area<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<String> {
    let mut svg = String::new();
    {
        let size = (PANEL.0, panels * PANEL.1);
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        area.fill(&WHITE)?;
        draw(&area)?;
        area.present()?;
    }
    Ok(svg)
}

/// Half and 99 of 100 of the orders against the rate at which orders were due.
fn latencies(area: &Area<'_>, scenario: &Scenario) -> anyhow::Result<()> {
    let half = points(&scenario.rates, |rate| rate.p50_ms);
    let most = points(&scenario.rates, |rate| rate.p99_ms);
    let both = half.iter().chain(&most);
    let (least, greatest) = both.fold((f64::INFINITY, 1.0_f64), |(least, greatest), point| {
        (least.min(point.at.1), greatest.max(point.at.1))
    });
    let (least, greatest) = (least.min(greatest) / 1.5, greatest * 1.5);
    let end = end_of(&half);
    let title = format!(
        "{}: from due to final; a ring is a rate that was not sustained",
        scenario.name
    );
    let mut chart = builder(area)
        .caption(title, letters())
        .build_cartesian_2d(0.0..end, logarithmic(least, greatest))?;
    axes(&mut chart, "orders a second that were due", "ms")?;
    curve(&mut chart, &most, SECOND, "99 of 100 orders within")?;
    curve(&mut chart, &half, FIRST, "half of the orders within")?;
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .legend_area_size(56)
        .margin(16)
        .label_font(letters())
        .background_style(WHITE)
        .draw()?;
    Ok(())
}

/// What one run showed at each rate.
fn points(rates: &[RatePoint], value: fn(&RatePoint) -> f64) -> Vec<Point> {
    rates
        .iter()
        .filter(|rate| value(rate) > 0.0)
        .map(|rate| Point {
            at: (rate.offered, value(rate)),
            full: rate.reached >= SUSTAINED * rate.offered,
        })
        .collect()
}

/// A figure of every run against the length of the chain at its end.
fn growth(report: &Report, what: What) -> Vec<Point> {
    let scenarios = GROWTH.iter().filter_map(|name| report.scenario(name));
    let figures = scenarios
        .filter_map(|scenario| Some((scenario.figure(What::Orders)?, scenario.figure(what)?)));
    figures
        .flat_map(|(orders, figure)| orders.runs.iter().zip(&figure.runs))
        .map(|(orders, value)| Point {
            at: (*orders, *value),
            full: true,
        })
        .collect()
}

fn line_of_growth(area: &Area<'_>, what: What, points: &[Point]) -> anyhow::Result<()> {
    let values = points.iter().map(|point| point.at.1);
    let top = 1.2 * values.fold(1.0, f64::max);
    let mut chart = builder(area).build_cartesian_2d(0.0..end_of(points), 0.0..top)?;
    axes(&mut chart, "final orders in the chain", what.title())?;
    curve(&mut chart, points, FIRST, what.title())
}

/// Where an axis that begins at nothing ends.
fn end_of(points: &[Point]) -> f64 {
    1.05 * points.iter().map(|point| point.at.0).fold(1.0, f64::max)
}

/// An axis of growing factors, marked at 1, 2, 5, 10 and so on.
fn logarithmic(
    least: f64,
    greatest: f64,
) -> impl Ranged<ValueType = f64, FormatOption = DefaultFormatting> + ValueFormatter<f64> {
    let powers = (-3..9).map(|power| 10_f64.powi(power));
    let marks = powers.flat_map(|power| [1.0, 2.0, 5.0].map(|step| step * power));
    let shown = marks.filter(|mark| (least..=greatest).contains(mark));
    (least..greatest)
        .log_scale()
        .with_key_points(shown.collect())
}

fn letters<'a>() -> TextStyle<'a> {
    ("sans-serif", FONT).into_font().color(&INK)
}

fn builder<'a, 'b, 'c>(area: &'a Area<'b>) -> ChartBuilder<'a, 'c, SVGBackend<'b>>
where
    'b: 'a,
{
    let mut builder = ChartBuilder::on(area);
    builder
        .margin_top(24)
        .margin_right(48)
        .margin_bottom(8)
        .margin_left(8)
        .x_label_area_size(92)
        .y_label_area_size(150);
    builder
}

/// Axes and the lines between.
fn axes<X, Y>(chart: &mut Chart<'_, '_, X, Y>, x: &str, y: &str) -> anyhow::Result<()>
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Cartesian2d<X, Y>: CoordTranslate<From = (f64, f64)>,
{
    let text = |value: &f64| {
        if *value == 0.0 {
            "0".to_owned()
        } else {
            number(*value)
        }
    };
    chart
        .configure_mesh()
        .x_desc(x)
        .y_desc(y)
        .x_labels(8)
        .y_labels(8)
        .x_label_formatter(&text)
        .y_label_formatter(&text)
        .axis_style(INK.stroke_width(2))
        .bold_line_style(GRID.stroke_width(2))
        .light_line_style(TRANSPARENT)
        .label_style(letters())
        .axis_desc_style(letters())
        .draw()?;
    Ok(())
}

/// All points, and a line through the last of those that stand at one place.
fn curve<X, Y>(
    chart: &mut Chart<'_, '_, X, Y>,
    points: &[Point],
    colour: RGBColor,
    label: &str,
) -> anyhow::Result<()>
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Cartesian2d<X, Y>: CoordTranslate<From = (f64, f64)>,
{
    let last_of_each = points.chunk_by(|one, next| one.at.0 == next.at.0);
    let line = last_of_each
        .filter_map(<[Point]>::last)
        .map(|point| point.at);
    let style = colour.stroke_width(LINE);
    chart
        .draw_series(LineSeries::new(line, style))?
        .label(label)
        .legend(move |(x, y)| PathElement::new([(x, y), (x + 40, y)], style));
    chart.draw_series(points.iter().map(|point| {
        let style = if point.full { colour.filled() } else { style };
        Circle::new(point.at, DOT, style)
    }))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn report() -> Report {
        let limits = Limits {
            ed25519_bulk: 1.0,
            sha256: 1.0,
            append_sync: 1.0,
            bls: 1.0,
            json: 1.0,
        };
        let mut till = Scenario::new("till-bulk");
        till.rates = [(1_000.0, 1_000.0), (2_000.0, 1_200.0), (2_000.0, 1_990.0)]
            .map(|(offered, reached)| RatePoint {
                offered,
                reached,
                p50_ms: 20.0,
                p99_ms: 45.0,
            })
            .to_vec();
        let mut report = Report::new("one".to_owned(), false, String::new(), limits);
        report.scenarios.push(till);
        for (name, orders) in GROWTH.iter().zip([1e5, 1e6, 1e7]) {
            let mut scenario = Scenario::new(name);
            for run in [0.0, 1.0] {
                scenario.add([
                    (What::Orders, orders + run),
                    (What::OrdersPerSecond, 50_000.0),
                    (What::ResidentMib, 100.0),
                ]);
            }
            report.scenarios.push(scenario);
        }
        report
    }

    /// How many full dots and rings a well-formed drawing has.
    fn dots(svg: &str) -> (usize, usize) {
        let document = roxmltree::Document::parse(svg).unwrap();
        let circles = document
            .descendants()
            .filter(|node| node.has_tag_name("circle"));
        let (rings, full): (Vec<_>, Vec<_>) =
            circles.partition(|circle| circle.attribute("fill") == Some("none"));
        (full.len(), rings.len())
    }

    #[test]
    fn drawings_hold_every_point() {
        let drawn = drawings(&report()).unwrap();
        let names: Vec<&str> = drawn.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["latency-till-bulk.svg", "growth.svg"]);
        assert_eq!(dots(&drawn[0].1), (4, 2));
        assert_eq!(dots(&drawn[1].1), (12, 0));
    }

    #[test]
    fn nothing_is_drawn_of_what_was_not_measured() {
        let mut report = report();
        report
            .scenarios
            .retain(|scenario| scenario.name == GROWTH[0]);
        assert_eq!(drawings(&report).unwrap().len(), 1);
        report.scenarios.clear();
        assert_eq!(drawings(&report).unwrap(), []);
    }

    #[test]
    fn drawings_are_written_beside_the_figures() {
        let folder = tempfile::tempdir().unwrap();
        plot(&report(), folder.path()).unwrap();
        let svg = fs::read_to_string(folder.path().join("growth.svg")).unwrap();
        assert!(svg.starts_with("<svg"), "{svg}");
    }
}
