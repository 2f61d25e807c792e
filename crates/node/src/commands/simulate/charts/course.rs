//! Does it go on evenly? How long blocks took as time went on, and what happened meanwhile.

use plotters::prelude::*;
use simulator::study::{Mishap, MishapKind, Report, Stretch};

use super::{
    super::figures::{count, time},
    BAND, Chart, Drawn, FIRST, INK, LINE, Mark, SECOND, axes, builder, drawing, lengths_of_time,
    wide,
};

/// Does it go on evenly?
pub(super) fn chart(report: &Report) -> Drawn<Option<Chart>> {
    if report.course.is_empty() {
        return Ok(None);
    }
    let (partitions, crashes): (Vec<&Mishap>, Vec<&Mishap>) = report
        .mishaps
        .iter()
        .partition(|mishap| matches!(mishap.kind, MishapKind::Partition { .. }));
    let svg = draw(report, &partitions, &crashes)?;
    let mut legend = vec![
        (
            Mark::First,
            "half of the blocks take at most so long".to_owned(),
        ),
        (Mark::Second, "the block that took longest".to_owned()),
    ];
    if !partitions.is_empty() {
        legend.push((Mark::Band, "the network is in two parts".to_owned()));
    }
    let mut description = format!(
        "The times of every {} blocks, one after the other.",
        count(
            report
                .settings
                .heights
                .div_ceil(report.course.len() as u64)
                .max(1)
        )
    );
    if !crashes.is_empty() {
        description.push_str(" A triangle at the foot stands for a member's process that died.");
    }
    Ok(Some(Chart {
        id: "course",
        title: "Does it go on evenly?".to_owned(),
        description,
        legend,
        svg,
        columns: vec![
            "from",
            "to",
            "half take at most",
            "the longest took",
            "meanwhile",
        ],
        rows: report
            .course
            .iter()
            .map(|stretch| {
                vec![
                    time(stretch.from),
                    time(stretch.to),
                    time(stretch.median),
                    time(stretch.longest),
                    meanwhile(report, stretch.from, stretch.to),
                ]
            })
            .collect(),
    }))
}

/// What happened to the network between two times.
fn meanwhile(report: &Report, from: u64, to: u64) -> String {
    let within = report
        .mishaps
        .iter()
        .filter(|mishap| mishap.at >= from && mishap.at < to);
    let words = within.map(|mishap| match mishap.kind {
        MishapKind::Partition { apart } => {
            format!("{apart} apart for {}", time(mishap.until - mishap.at))
        }
        MishapKind::Crash { member } => {
            format!(
                "member {} down for {}",
                member + 1,
                time(mishap.until - mishap.at)
            )
        }
    });
    words.collect::<Vec<_>>().join("; ")
}

fn draw(report: &Report, partitions: &[&Mishap], crashes: &[&Mishap]) -> Drawn<String> {
    let (Some(first), Some(last)) = (report.course.first(), report.course.last()) else {
        return Ok(String::new());
    };
    let seconds = |micros: u64| micros as f64 / 1e6;
    let from = seconds(first.from);
    let to = seconds(last.to).max(from + 1e-6);
    let lengths = report
        .course
        .iter()
        .flat_map(|stretch| [stretch.median, stretch.longest]);
    let (least, most) = wide(lengths.map(|length| length as f64));
    drawing(|area| {
        let mut chart = builder(area).build_cartesian_2d(from..to, lengths_of_time(least, most))?;
        chart.draw_series(partitions.iter().map(|mishap| {
            let until = seconds(mishap.until).min(to);
            Rectangle::new([(seconds(mishap.at), least), (until, most)], BAND.filled())
        }))?;
        let second = |value: &f64| format!("{} s", count(value.round() as u64));
        let fine = |value: &f64| time((value * 1e6) as u64);
        let at: &dyn Fn(&f64) -> String = if to - from > 20.0 { &second } else { &fine };
        let length = |value: &f64| time(*value as u64);
        axes(
            &mut chart,
            ("simulated time", "how long a block takes, logarithmic"),
            (8, 6),
            (at, &length),
        )?;
        let line = |of: fn(&Stretch) -> u64| -> Vec<(f64, f64)> {
            let stretches = report.course.iter();
            stretches
                .map(|stretch| {
                    (
                        seconds(stretch.from.midpoint(stretch.to)),
                        of(stretch) as f64,
                    )
                })
                .collect()
        };
        let longest = line(|stretch| stretch.longest);
        chart.draw_series(DashedLineSeries::new(
            longest,
            14,
            10,
            SECOND.stroke_width(LINE - 1),
        ))?;
        let median = line(|stretch| stretch.median);
        chart.draw_series(LineSeries::new(median, FIRST.stroke_width(LINE)))?;
        let foot = least * (most / least).powf(0.03);
        chart.draw_series(crashes.iter().map(|mishap| {
            TriangleMarker::new((seconds(mishap.at).min(to), foot), 12, INK.filled())
        }))?;
        Ok(())
    })
}
