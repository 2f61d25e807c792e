//! What people and scripts see: tables, progress, colours on a terminal, JSON.

use std::{
    fmt::{self, Display},
    io::{self, IsTerminal as _, Write as _},
    sync::Mutex,
    time::{Duration, Instant},
};

use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressState, ProgressStyle};
use serde::Serialize;

/// How often a progress line is printed where there is no terminal to draw a bar on: often enough to
/// see that work goes on, seldom enough for a log.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Prints a line. Unlike `println!` it does not panic when the reader has gone, as in `… | head`.
///
/// # Errors
/// When standard output cannot be written.
pub fn line(text: impl Display) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

/// Tells people something beside the results, on standard error; when nobody reads it, work goes on.
pub fn note(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Prints a value as one line of JSON.
///
/// # Errors
/// When standard output cannot be written.
pub fn json<T: Serialize>(value: &T) -> io::Result<()> {
    line(serde_json::to_string(value)?)
}

/// A table with these columns, fitted to the terminal where there is one.
pub fn table(columns: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_header(columns);
    if io::stdout().is_terminal() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    table
}

/// A table of facts: what, and its value.
pub fn facts() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table
}

/// A text from outside without control characters: a customer's name must not move the cursor or
/// change the colours of whoever looks at it.
pub fn plain(text: &str) -> String {
    text.chars()
        .map(|letter| {
            if letter.is_control() {
                '\u{fffd}'
            } else {
                letter
            }
        })
        .collect()
}

/// A word in green where colours are wanted.
pub fn green(text: &str) -> String {
    paint("32", text)
}

/// A word in red where colours are wanted.
pub fn red(text: &str) -> String {
    paint("31", text)
}

/// Colours only on a terminal, and not where the person asked for none (<https://no-color.org>).
fn paint(code: &str, text: &str) -> String {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if unwanted || !io::stdout().is_terminal() {
        return text.to_owned();
    }
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// How far a long piece of work is: a bar on a terminal, a line now and then elsewhere. On standard
/// error, so that it never mixes with results.
pub struct Progress {
    bar: ProgressBar,
    what: &'static str,
    /// When the last line was printed; `None` on a terminal.
    lines: Option<Mutex<Instant>>,
}

impl Progress {
    /// Starts to show how far `what` is on its way to `total`.
    pub fn new(what: &'static str, total: u64) -> Self {
        if !io::stderr().is_terminal() {
            let bar = ProgressBar::hidden();
            bar.set_length(total);
            return Self {
                bar,
                what,
                lines: Some(Mutex::new(Instant::now())),
            };
        }
        let bar = ProgressBar::new(total).with_message(what);
        let form = "{msg} {wide_bar} {human_pos}/{human_len} {rate}/s, {eta} left";
        // The form is a constant; were it ever wrong, indicatif's own would do.
        if let Ok(style) = ProgressStyle::with_template(form) {
            let rate = |state: &ProgressState, text: &mut dyn fmt::Write| {
                // Cut to whole ones. What cannot be written is not shown.
                let _ = write!(text, "{}", HumanCount(state.per_sec() as u64));
            };
            bar.set_style(style.with_key("rate", rate));
        }
        Self {
            bar,
            what,
            lines: None,
        }
    }

    /// Says how far the work is now.
    pub fn set(&self, position: u64) {
        self.bar.set_position(position);
        self.line_now_and_then();
    }

    /// Says that so much more is done.
    pub fn add(&self, more: u64) {
        self.bar.inc(more);
        self.line_now_and_then();
    }

    /// Prints a line without spoiling the bar.
    pub fn note(&self, text: &str) {
        if self.lines.is_some() {
            note(text);
        } else {
            self.bar.println(text);
        }
    }

    /// Takes the bar away. Returns how long the work took.
    pub fn finish(self) -> Duration {
        let elapsed = self.bar.elapsed();
        self.bar.finish_and_clear();
        elapsed
    }

    fn line_now_and_then(&self) {
        let Some(mut last) = self.lines.as_ref().and_then(|lines| lines.lock().ok()) else {
            return;
        };
        if last.elapsed() >= LINE_EVERY {
            *last = Instant::now();
            let (position, total) = (self.bar.position(), self.bar.length().unwrap_or_default());
            let elapsed = self.bar.elapsed();
            note(format!(
                "{}: {position} of {total} after {}, about {} left",
                self.what,
                HumanDuration(elapsed),
                left(elapsed, position, total)
            ));
        }
    }
}

/// How long the rest of a work takes at the speed so far, in words.
pub fn left(elapsed: Duration, position: u64, total: u64) -> String {
    if position == 0 {
        return "an unknown time".to_owned();
    }
    let rest = total.saturating_sub(position) as f64 / position as f64;
    let seconds = (elapsed.as_secs_f64() * rest).ceil() as u64;
    HumanDuration(Duration::from_secs(seconds.max(1))).to_string()
}

/// How many a second, in a round number for people.
pub fn rate(count: u64, elapsed: Duration) -> String {
    format!("{:.0}", count as f64 / elapsed.as_secs_f64().max(0.001))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_cannot_steer_the_terminal() {
        assert_eq!(
            plain("Café \u{1b}[31mLatte\n"),
            "Café \u{fffd}[31mLatte\u{fffd}"
        );
    }

    #[test]
    fn what_is_left_follows_from_the_speed_so_far() {
        let second = Duration::from_secs(1);
        assert_eq!(left(second, 100, 1_000), "9 seconds");
        assert_eq!(left(second, 1, 601), "10 minutes");
        assert_eq!(left(second, 10, 10), "1 second");
        assert_eq!(left(second, 0, 10), "an unknown time");
    }

    #[test]
    fn rates_are_round_and_never_infinite() {
        assert_eq!(rate(3_636, Duration::from_secs(2)), "1818");
        assert_eq!(rate(5, Duration::ZERO), "5000");
    }
}
