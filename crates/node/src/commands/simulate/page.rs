//! The report as one page that needs nothing else: no scripts, no fonts, nothing from other hosts.

use std::fmt::Write as _;

use plotters::style::RGBColor;
use simulator::study::{Ending, Report};

use super::{
    NetworkName,
    charts::{self, Chart, Mark},
    faults::rate_in_words,
    figures::{self, count},
};
use crate::durations::show;

/// How every report begins; a file that does not is not written over.
pub(super) const START: &str = "<!DOCTYPE html>\n<!-- made by dexter simulate -->\n";

const STYLE: &str = include_str!("page.css");

/// The colours of the charts, and the style sheet's name for each.
const COLOURS: [(RGBColor, &str); 5] = [
    (charts::INK, "ink"),
    (charts::GRID, "grid"),
    (charts::FIRST, "first"),
    (charts::SECOND, "second"),
    (charts::BAND, "band"),
];

/// The whole page.
pub(super) fn render(report: &Report, network: NetworkName) -> String {
    let mut page = String::from(START);
    // Writing into a string does not fail.
    let _ = write!(
        page,
        "<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" content=\"width=device-width, \
         initial-scale=1\"/>\n<meta name=\"color-scheme\" content=\"light dark\"/>\n<title>{title}</title>\n\
         <style>\n{STYLE}{colours}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n",
        title = escape(&title(report)),
        colours = colours(),
    );
    let _ = writeln!(page, "<p class=\"answer\">{}</p>", escape(&answer(report)));
    page.push_str(&settings(report, network));
    page.push_str(&figure_table(report));
    match charts::all(report) {
        Ok(charts) if charts.is_empty() => {
            page.push_str("<p>No block became final, so there is nothing to draw.</p>\n")
        }
        Ok(charts) => charts
            .iter()
            .for_each(|chart| page.push_str(&figure(chart))),
        Err(error) => {
            let _ = writeln!(
                page,
                "<p>The charts could not be drawn: {}</p>",
                escape(&error.to_string())
            );
        }
    }
    page.push_str(ABOUT);
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

const ABOUT: &str = "<h2>What this is, and what it leaves out</h2>\n\
    <p>The real members' code ran in simulated time: the same rules, the same storage, the same messages; signatures were \
    replaced by fast ones that behave alike. Links have delays, and no limit to how much they carry. Computing takes \
    no time, so on slow machines, or with 100 members in one building, a real network is slower than this one. A \
    disk needs 0.2 to 1 ms to write safely unless it is among the slow ones.</p>\n";

fn title(report: &Report) -> String {
    let members = report.settings.members;
    format!(
        "Simulation of {members} shop{}",
        if members == 1 { "" } else { "s" }
    )
}

/// The answer in a few sentences.
fn answer(report: &Report) -> String {
    let mut words = String::new();
    if let (Some(half), Some(most)) = (
        report.order_to_final.quantile(0.5),
        report.order_to_final.quantile(0.99),
    ) {
        let _ = write!(
            words,
            "Half of all orders were final within {}, 99 of 100 within {}. ",
            figures::time(half),
            figures::time(most)
        );
    }
    words.push_str(&figures::fairness_in_words(report));
    let ending = figures::ending_in_words(report);
    let mut letters = ending.chars();
    if let Some(first) = letters.next() {
        let _ = write!(words, " {}{}.", first.to_uppercase(), letters.as_str());
    }
    if let Ending::Violated(what) = &report.ending {
        let _ = write!(words, " What must always hold did not: {what}.");
    }
    words
}

fn settings(report: &Report, network: NetworkName) -> String {
    let settings = &report.settings;
    let timing = &settings.timing;
    let rows = [
        (
            "members",
            format!(
                "{}, of which {} make a quorum",
                settings.members,
                settings.quorum()
            ),
        ),
        ("network", figures::network_name(network).to_owned()),
        (
            "fault model",
            format!("{:?}", settings.fault_model).to_lowercase(),
        ),
        (
            "waits",
            format!(
                "{} to {}",
                show(timing.min_wait),
                show(timing.longest_wait(settings.members))
            ),
        ),
        ("grace", show(timing.grace)),
        (
            "faults",
            figures::faults_in_words(&settings.faults).replace(',', ", "),
        ),
        ("orders", rate_in_words(settings.orders)),
        (
            "most orders a block",
            count(settings.max_block_orders.into()),
        ),
        ("seed", settings.seed.to_string()),
    ];
    let mut list = String::from("<dl>\n");
    for (what, value) in rows {
        let _ = writeln!(
            list,
            "<div><dt>{what}</dt><dd>{}</dd></div>",
            escape(&value)
        );
    }
    list.push_str("</dl>\n");
    list
}

fn figure_table(report: &Report) -> String {
    let rows = figures::all(report)
        .into_iter()
        .map(|figure| vec![figure.name.to_owned(), figure.value, figure.meaning]);
    format!(
        "<h2>Figures</h2>\n{}",
        table("figures", &["figure", "value", "meaning"], rows)
    )
}

fn figure(chart: &Chart) -> String {
    let mut text = format!(
        "<h2>{title}</h2>\n<figure>\n{svg}<figcaption>{description}\n<ul class=\"legend\">\n",
        title = escape(&chart.title),
        svg = named(chart),
        description = escape(&chart.description),
    );
    for (mark, words) in &chart.legend {
        let class = match mark {
            Mark::First => "first",
            Mark::Second => "second",
            Mark::Band => "band",
        };
        let _ = writeln!(text, "<li class=\"{class}\">{}</li>", escape(words));
    }
    text.push_str("</ul></figcaption>\n<details><summary>as a table</summary>\n");
    text.push_str(&table(chart.id, &chart.columns, chart.rows.iter().cloned()));
    text.push_str("</details>\n</figure>\n");
    text
}

fn table(id: &str, columns: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut text = format!("<div class=\"wide\"><table id=\"{id}-table\">\n<thead><tr>");
    for column in columns {
        let _ = write!(text, "<th scope=\"col\">{}</th>", escape(column));
    }
    text.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        text.push_str("<tr>");
        for (place, cell) in row.iter().enumerate() {
            let (open, close) = if place == 0 {
                ("<th scope=\"row\">", "</th>")
            } else {
                ("<td>", "</td>")
            };
            let _ = write!(text, "{open}{}{close}", escape(cell));
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</tbody></table></div>\n");
    text
}

/// The drawing with its name and description, for those who do not see it, and as wide as the page.
fn named(chart: &Chart) -> String {
    let inside = chart.svg.split_once('>').map_or("", |(_, inside)| inside);
    let (width, height) = charts::SIZE;
    format!(
        "<svg viewBox=\"0 0 {width} {height}\" xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" \
         aria-labelledby=\"{id}-title {id}-description\">\n<title id=\"{id}-title\">{title}</title>\n\
         <desc id=\"{id}-description\">{description}</desc>{inside}",
        id = chart.id,
        title = escape(&chart.title),
        description = escape(&chart.description),
    )
}

/// The rules by which the charts' colours follow the style sheet's, in the light and in the dark.
fn colours() -> String {
    let mut rules = String::new();
    for (RGBColor(red, green, blue), name) in COLOURS {
        let colour = format!("#{red:02X}{green:02X}{blue:02X}");
        for property in ["fill", "stroke"] {
            let _ = writeln!(
                rules,
                "svg [{property}=\"{colour}\"] {{ {property}: var(--{name}); }}"
            );
        }
    }
    rules
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use roxmltree::{Document, ParsingOptions};
    use simulator::study;

    use super::*;
    use crate::commands::simulate::tests::parse;

    fn page(arguments: &str) -> String {
        let settings = parse(arguments).unwrap();
        let report = study::run(&settings, &mut |_| ControlFlow::Continue(()));
        render(&report, NetworkName::Lan)
    }

    /// The page's elements with a name; parsing it shows that it is well formed.
    fn count_of(page: &str, element: &str) -> usize {
        let options = ParsingOptions {
            allow_dtd: true,
            ..ParsingOptions::default()
        };
        let document = Document::parse_with_options(page, options).unwrap();
        let named = |node: &roxmltree::Node<'_, '_>| node.tag_name().name() == element;
        document.descendants().filter(named).count()
    }

    #[test]
    fn a_page_is_well_formed_and_needs_nothing_else() {
        let page = page("--network lan --heights 60 --seed 1 --faults dead=1,crashes,partitions");
        assert!(page.starts_with(START));
        assert_eq!(count_of(&page, "figure"), 4);
        assert_eq!(count_of(&page, "svg"), 4);
        // The page's own title, and one for each chart.
        assert_eq!(count_of(&page, "title"), 5);
        assert_eq!(count_of(&page, "desc"), 4);
        // Each chart has a table; the figures have one as well.
        assert_eq!(count_of(&page, "table"), 5);
        for element in ["script", "link", "img", "iframe", "a"] {
            assert_eq!(count_of(&page, element), 0, "{element}");
        }
        // The only address is the name of the language that drawings are in.
        let outside = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!outside.contains("://") && !outside.contains("url("));
    }

    #[test]
    fn every_colour_of_a_chart_has_a_counterpart_in_the_dark() {
        let page = page("--network lan --heights 60 --seed 1 --faults dead=1,partitions");
        let (style, body) = page.split_once("</style>").unwrap();
        assert!(style.contains("prefers-color-scheme: dark"));
        let coloured = body
            .split("fill=\"")
            .skip(1)
            .chain(body.split("stroke=\"").skip(1));
        let mut seen = 0;
        for value in coloured.filter_map(|rest| rest.split('"').next()) {
            if value != "none" {
                seen += 1;
                assert!(style.contains(&format!("=\"{value}\"]")), "{value}");
            }
        }
        assert!(seen > 100);
    }

    #[test]
    fn without_a_block_there_is_a_page_all_the_same() {
        let page = page("--network lan --heights 10 --seed 1 --faults dead=2");
        assert_eq!(count_of(&page, "svg"), 0);
        assert!(
            page.contains("The network stands still at block 0"),
            "{page}"
        );
    }

    #[test]
    fn one_member_alone_has_a_page() {
        let page = page("--members 1 --network lan --heights 20 --seed 1");
        assert_eq!(count_of(&page, "svg"), 3);
        assert!(page.contains("Simulation of 1 shop<"));
    }

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(
            escape("<a href=\"x\">&"),
            "&lt;a href=&quot;x&quot;&gt;&amp;"
        );
    }
}
