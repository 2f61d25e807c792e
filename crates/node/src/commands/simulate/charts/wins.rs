//! Does everybody win as often? The wins of each member, and where chance alone may lead.

use plotters::{
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};
use simulator::study::{ExpectedWins, Part, Report};

use super::{
    super::{
        figures::{count, percent},
        json::part,
    },
    BAND, Chart, Drawn, FEW_MEMBERS, FIRST, INK, Mark, SECOND, axes, builder, drawing, letters,
};

/// Does everybody win as often?
pub(super) fn chart(report: &Report) -> Drawn<Option<Chart>> {
    let Some(expected) = report.expected_wins() else {
        return Ok(None);
    };
    // Words would run into each other below many columns.
    let dead = if report.members.len() < FEW_MEMBERS / 2 {
        "dead"
    } else {
        "×"
    };
    let svg = draw(report, expected, dead)?;
    let mut legend = vec![
        (Mark::First, "honest members".to_owned()),
        (
            Mark::Band,
            format!(
                "where 95 of 100 members are by chance alone: {} to {} wins",
                count(expected.least.ceil() as u64),
                count(expected.most.floor() as u64)
            ),
        ),
    ];
    if report
        .members
        .iter()
        .any(|member| matches!(member.part, Part::Liar(_)))
    {
        legend.insert(1, (Mark::Second, "members that lie".to_owned()));
    }
    let total = report.heights;
    let mut description = format!(
        "Each honest member should win {:.0} of {} blocks.",
        expected.each,
        count(total)
    );
    if report.dead.is_some() {
        description.push_str(&format!(" Marked {dead}: a member that never answers."));
    }
    Ok(Some(Chart {
        id: "wins",
        title: "Does everybody win as often?".to_owned(),
        description,
        legend,
        svg,
        columns: vec!["member", "is", "blocks won", "share"],
        rows: (1..)
            .zip(&report.members)
            .map(|(number, member)| {
                vec![
                    number.to_string(),
                    part(member.part),
                    count(member.wins),
                    percent(member.wins, total),
                ]
            })
            .collect(),
    }))
}

fn draw(report: &Report, expected: ExpectedWins, dead: &str) -> Drawn<String> {
    let members = report.members.len();
    let most = report.members.iter().map(|member| member.wins as f64);
    let top = most.fold(expected.most, f64::max) * 1.12;
    let right = members as f64 + 0.5;
    drawing(|area| {
        let mut chart = builder(area).build_cartesian_2d(0.5..right, 0.0..top)?;
        let number = |value: &f64| {
            let whole = value.round();
            if (value - whole).abs() < 0.01 {
                format!("{whole:.0}")
            } else {
                String::new()
            }
        };
        let wins = |value: &f64| count(value.round() as u64);
        axes(
            &mut chart,
            ("member", "blocks won"),
            (members.min(FEW_MEMBERS), 6),
            (&number, &wins),
        )?;
        let band = [(0.5, expected.least), (right, expected.most)];
        chart.draw_series([Rectangle::new(band, BAND.filled())])?;
        chart.draw_series(report.members.iter().enumerate().map(|(place, member)| {
            let colour = if member.part == Part::Honest {
                FIRST
            } else {
                SECOND
            };
            let middle = place as f64 + 1.0;
            Rectangle::new(
                [(middle - 0.3, 0.0), (middle + 0.3, member.wins as f64)],
                colour.filled(),
            )
        }))?;
        // Over the columns the band shows as its two edges.
        for edge in [expected.least, expected.most] {
            chart.draw_series(DashedLineSeries::new(
                [(0.5, edge), (right, edge)],
                8,
                8,
                INK.stroke_width(2),
            ))?;
        }
        chart.draw_series(
            report
                .members
                .iter()
                .enumerate()
                .filter(|(_, member)| member.part == Part::Dead)
                .map(|(place, _)| {
                    let style = letters().pos(Pos::new(HPos::Center, VPos::Bottom));
                    Text::new(dead.to_owned(), (place as f64 + 1.0, top * 0.02), style)
                }),
        )?;
        Ok(())
    })
}
