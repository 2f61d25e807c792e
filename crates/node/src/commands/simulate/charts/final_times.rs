//! How soon is an order final? The share of orders and of blocks that are final within a time.

use plotters::{
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};
use simulator::study::{Distribution, Report};

use super::{
    super::figures::{count, time},
    Chart, Drawn, FIRST, LINE, Mark, SECOND, SHARES, axes, builder, drawing, lengths_of_time,
    letters, share, steps, wide,
};

/// How soon is an order final?
pub(super) fn chart(report: &Report) -> Drawn<Option<Chart>> {
    if report.order_to_final.count() == 0 || report.block_to_final.count() == 0 {
        return Ok(None);
    }
    let svg = draw(report)?;
    let value = |times: &Distribution, share| {
        let found = if share < 1.0 {
            times.quantile(share)
        } else {
            times.greatest()
        };
        found.map_or("–".to_owned(), time)
    };
    Ok(Some(Chart {
        id: "time-to-final",
        title: "How soon is an order final?".to_owned(),
        description: format!(
            "Of {} orders half are final within {} and 99 of 100 within {}.",
            count(report.order_to_final.count()),
            value(&report.order_to_final, 0.5),
            value(&report.order_to_final, 0.99),
        ),
        legend: vec![
            (
                Mark::First,
                "orders, from being accepted to being final where they were placed".to_owned(),
            ),
            (
                Mark::Second,
                "blocks, from being made to being final at a quorum".to_owned(),
            ),
        ],
        svg,
        columns: vec!["share", "orders final within", "blocks final within"],
        rows: SHARES
            .iter()
            .map(|(share, name)| {
                vec![
                    (*name).to_owned(),
                    value(&report.order_to_final, *share),
                    value(&report.block_to_final, *share),
                ]
            })
            .collect(),
    }))
}

fn draw(report: &Report) -> Drawn<String> {
    let in_floats = |curve: Vec<(u64, f64)>| -> Vec<(f64, f64)> {
        curve
            .into_iter()
            .map(|(value, share)| (value as f64, share))
            .collect()
    };
    let orders = in_floats(report.order_to_final.curve());
    let blocks = in_floats(report.block_to_final.curve());
    let both = orders.iter().chain(&blocks).map(|(value, _)| *value);
    let (least, most) = wide(both);
    drawing(|area| {
        let mut chart =
            builder(area).build_cartesian_2d(lengths_of_time(least, most), 0.0..100.0)?;
        let at = |value: &f64| time(*value as u64);
        axes(
            &mut chart,
            ("time, on a logarithmic scale", "share that is final"),
            (10, 6),
            (&at, &share),
        )?;
        chart.draw_series(DashedLineSeries::new(
            steps(&blocks),
            14,
            10,
            SECOND.stroke_width(LINE),
        ))?;
        chart.draw_series(LineSeries::new(steps(&orders), FIRST.stroke_width(LINE)))?;
        let marked: Vec<(f64, f64)> = [0.5, 0.99]
            .iter()
            .filter_map(|share| {
                Some((
                    report.order_to_final.quantile(*share)? as f64,
                    share * 100.0,
                ))
            })
            .collect();
        chart.draw_series(marked.iter().map(|(value, share)| {
            let right = value.ln() > (least.ln() + most.ln()) / 2.0;
            let (side, shift) = if right {
                (HPos::Right, -16)
            } else {
                (HPos::Left, 16)
            };
            let style = letters().pos(Pos::new(side, VPos::Bottom));
            EmptyElement::at((*value, *share))
                + Circle::new((0, 0), 8, FIRST.filled())
                + Text::new(
                    format!("{share:.0} %: {}", time(*value as u64)),
                    (shift, -6),
                    style,
                )
        }))?;
        Ok(())
    })
}
