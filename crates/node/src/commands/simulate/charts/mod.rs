//! The charts of a simulation, each the answer to a question.
//!
//! They are drawn twice as large as they are shown, because the drawing library puts everything on
//! whole pixels. Colours stand for roles; the page's style sheet replaces them in the dark.

mod cost;
mod course;
mod final_times;
mod wins;

use plotters::{
    coord::{
        CoordTranslate, Shift,
        ranged1d::{DefaultFormatting, ValueFormatter},
    },
    prelude::*,
};
use simulator::study::Report;

/// The size of a drawing; half of it on the page.
pub(super) const SIZE: (u32, u32) = (1_440, 640);
const FONT: i32 = 26;
const LINE: u32 = 4;
/// A curve of more points would look the same.
const MOST_POINTS: usize = 300;
/// With fewer members than this each has its number below its column.
const FEW_MEMBERS: usize = 32;

/// Letters and axes.
pub(super) const INK: RGBColor = RGBColor(0x1f, 0x23, 0x28);
/// Lines to compare with.
pub(super) const GRID: RGBColor = RGBColor(0xd0, 0xd7, 0xde);
/// What is asked about first.
pub(super) const FIRST: RGBColor = RGBColor(0x09, 0x69, 0xda);
/// What it is compared with.
pub(super) const SECOND: RGBColor = RGBColor(0xbc, 0x4c, 0x00);
/// Where chance alone may lead; or where something was wrong.
pub(super) const BAND: RGBColor = RGBColor(0xd8, 0xe9, 0xfb);

/// A drawing and the same as a table.
pub(super) struct Chart {
    /// A name without spaces.
    pub(super) id: &'static str,
    /// The question.
    pub(super) title: String,
    /// What is drawn.
    pub(super) description: String,
    /// What each mark stands for.
    pub(super) legend: Vec<(Mark, String)>,
    /// The drawing.
    pub(super) svg: String,
    /// The table's columns.
    pub(super) columns: Vec<&'static str>,
    /// Its rows.
    pub(super) rows: Vec<Vec<String>>,
}

/// How something is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// A line or column in the first colour.
    First,
    /// A broken line, or a column, in the second colour.
    Second,
    /// A band behind the others.
    Band,
}

/// How a place on an axis is written.
type Labels<'a> = &'a dyn Fn(&f64) -> String;
type Drawn<T> = Result<T, Box<dyn std::error::Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// All charts that there is something to draw for.
pub(super) fn all(report: &Report) -> Drawn<Vec<Chart>> {
    let charts = [
        final_times::chart(report)?,
        wins::chart(report)?,
        course::chart(report)?,
        cost::chart(report)?,
    ];
    Ok(charts.into_iter().flatten().collect())
}

fn drawing(draw: impl FnOnce(&Area<'_>) -> Drawn<()>) -> Drawn<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        draw(&area)?;
        area.present()?;
    }
    Ok(svg)
}

fn letters<'a>() -> TextStyle<'a> {
    ("sans-serif", FONT).into_font().color(&INK)
}

/// Axes and the lines between.
fn axes<X, Y>(
    chart: &mut ChartContext<'_, SVGBackend<'_>, Cartesian2d<X, Y>>,
    (x, y): (&str, &str),
    (x_labels, y_labels): (usize, usize),
    (x_text, y_text): (Labels<'_>, Labels<'_>),
) -> Drawn<()>
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Cartesian2d<X, Y>: CoordTranslate<From = (f64, f64)>,
{
    chart
        .configure_mesh()
        .x_desc(x)
        .y_desc(y)
        .x_labels(x_labels)
        .y_labels(y_labels)
        .x_label_formatter(x_text)
        .y_label_formatter(y_text)
        .axis_style(INK.stroke_width(2))
        .bold_line_style(GRID.stroke_width(2))
        .light_line_style(TRANSPARENT)
        .label_style(letters())
        .axis_desc_style(letters())
        .draw()?;
    Ok(())
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

/// A share in percent.
fn share(value: &f64) -> String {
    format!("{value:.0} %")
}

/// A range for an axis of growing factors that holds these values.
fn wide(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let least = values.clone().fold(f64::INFINITY, f64::min).max(1.0);
    let most = values.fold(1.0, f64::max);
    (least / 1.15, (most * 1.15).max(least * 2.0))
}

/// An axis of growing factors for times in microseconds, marked at 1, 2, 5, 10 and so on.
fn lengths_of_time(
    least: f64,
    most: f64,
) -> impl Ranged<ValueType = f64, FormatOption = DefaultFormatting> + ValueFormatter<f64> {
    let powers = (0..12).map(|power| 10_f64.powi(power));
    let marks = powers.flat_map(|power| [1.0, 2.0, 5.0].map(|step| step * power));
    let shown = marks.filter(|mark| (least..=most).contains(mark));
    (least..most).log_scale().with_key_points(shown.collect())
}

/// A curve of shares as steps, thinned to what can be seen.
fn steps(curve: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let every = curve.len().div_ceil(MOST_POINTS).max(1);
    let last = curve.len().saturating_sub(1);
    let mut points = Vec::new();
    let mut before = 0.0;
    for (place, (value, share)) in curve.iter().enumerate() {
        if place % every == 0 || place == last {
            points.push((*value, before));
            points.push((*value, share * 100.0));
            before = share * 100.0;
        }
    }
    points
}

/// The shares that the tables beside curves tell of.
const SHARES: [(f64, &str); 9] = [
    (0.1, "10 of 100"),
    (0.25, "25 of 100"),
    (0.5, "half"),
    (0.75, "75 of 100"),
    (0.9, "90 of 100"),
    (0.95, "95 of 100"),
    (0.99, "99 of 100"),
    (0.999, "999 of 1000"),
    (1.0, "all"),
];
