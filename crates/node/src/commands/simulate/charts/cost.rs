//! What does a dead member cost? The extra time of blocks whose shortest wait nobody claims.

use plotters::prelude::*;
use simulator::study::{Cost, DeadReport, Report};

use super::{
    super::figures::{count, time},
    Chart, Drawn, FIRST, LINE, Mark, SECOND, SHARES, axes, builder, drawing, share, steps,
};

/// What does a dead member cost?
pub(super) fn chart(report: &Report) -> Drawn<Option<Chart>> {
    let Some(dead) = report.dead.as_ref().filter(|dead| dead.heights > 0) else {
        return Ok(None);
    };
    let svg = draw(dead)?;
    let value = |cost: &Cost, share| {
        let gaps = cost.quantile(share);
        gaps.map_or("–".to_owned(), |gaps| format!("{:.2}", gaps.max(0.0)))
    };
    let gap = time(report.settings.timing.mean_wait.0);
    Ok(Some(Chart {
        id: "cost",
        title: "What does a dead member cost?".to_owned(),
        description: format!(
            "Extra time of a block, beyond that of a block whose shortest wait belongs to a living member. A gap is {gap}."
        ),
        legend: vec![
            (
                Mark::First,
                format!(
                    "the {} blocks whose shortest wait a dead member had drawn",
                    count(dead.heights)
                ),
            ),
            (Mark::Second, "all blocks".to_owned()),
        ],
        svg,
        columns: vec![
            "share",
            "dead winner, gaps at most",
            "all blocks, gaps at most",
        ],
        rows: SHARES
            .iter()
            .map(|(share, name)| {
                vec![
                    (*name).to_owned(),
                    value(&dead.winner, *share),
                    value(&dead.member, *share),
                ]
            })
            .collect(),
    }))
}

fn draw(dead: &DeadReport) -> Drawn<String> {
    let (winner, member) = (dead.winner.curve(), dead.member.curve());
    let most = winner
        .iter()
        .chain(&member)
        .map(|(gaps, _)| *gaps)
        .fold(1.0, f64::max);
    drawing(|area| {
        let mut chart = builder(area).build_cartesian_2d(0.0..most * 1.05, 0.0..100.0)?;
        let gaps = |value: &f64| format!("{value:.1}");
        axes(
            &mut chart,
            (
                "extra time, in mean gaps between two waits",
                "share of blocks",
            ),
            (10, 6),
            (&gaps, &share),
        )?;
        let shown = |curve: &[(f64, f64)]| -> Vec<(f64, f64)> {
            steps(curve)
                .into_iter()
                .map(|(gaps, share)| (gaps.max(0.0), share))
                .collect()
        };
        chart.draw_series(DashedLineSeries::new(
            shown(&member),
            14,
            10,
            SECOND.stroke_width(LINE),
        ))?;
        chart.draw_series(LineSeries::new(shown(&winner), FIRST.stroke_width(LINE)))?;
        Ok(())
    })
}
