//! Lengths of time as people write them on the command line, and the lottery's times made of them.

use std::{fmt, str::FromStr};

use clap::{Args, ValueEnum};
use types::{
    Micros, Preset, Timing,
    genesis::{MAX_MEMBERS, MAX_WAIT},
};

/// The units a length of time may be written in, with the microseconds each stands for. A suffix
/// comes before any other that ends in it (`ms` before `s`).
const UNITS: [(&str, u64); 6] = [
    ("us", 1),
    ("µs", 1),
    ("ms", 1_000),
    ("s", 1_000_000),
    ("m", 60_000_000),
    ("h", 3_600_000_000),
];

/// Why a length of time was not understood. The person's who typed it; the message shows a right one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Not a number with a unit.
    #[error("{0:?} is not a length of time; write a number and a unit: 500us, 20ms, 1.5s, 2m, 1h")]
    NotADuration(String),
    /// More than the program can count.
    #[error("{0:?} is too long")]
    TooLong(String),
    /// Not two lengths of time.
    #[error("{0:?} is not a range of times; write the shortest and the longest: 1s..20s")]
    NotARange(String),
    /// The longest is not longer than the shortest.
    #[error("the longest wait of {0} must be longer than the shortest")]
    EmptyRange(WaitRange),
    /// The range leaves members nothing to draw from.
    #[error("the range of waits {0} is too narrow for {1} members; widen it")]
    TooNarrow(WaitRange, usize),
    /// Beyond what a genesis may set.
    #[error(
        "{what} may be at most {} and at least {}",
        show(MAX_WAIT),
        show(Micros(1))
    )]
    OutOfBounds {
        /// Which time.
        what: &'static str,
    },
}

/// Reads a length of time: `500us`, `20ms`, `1.5s`, `2m`, `1h`, and `0`.
///
/// # Errors
/// When it is not a number followed by a unit, is finer than a microsecond, or too long.
pub fn parse_duration(text: &str) -> Result<Micros, DurationError> {
    let wrong = || DurationError::NotADuration(text.chars().take(40).collect());
    if text == "0" {
        return Ok(Micros(0));
    }
    let (number, unit) = UNITS
        .iter()
        .find_map(|(suffix, micros)| Some((text.strip_suffix(suffix)?, *micros)))
        .ok_or_else(wrong)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let fraction_expected = number.contains('.');
    if whole.is_empty()
        || !digits(whole)
        || !digits(fraction)
        || fraction.is_empty() == fraction_expected
        || fraction.len() > 9
    {
        return Err(wrong());
    }
    let too_long = || DurationError::TooLong(text.chars().take(40).collect());
    let whole: u64 = whole.parse().map_err(|_| too_long())?;
    let whole = whole.checked_mul(unit).ok_or_else(too_long)?;
    let mut part = 0_u64;
    let mut place = unit;
    for digit in fraction.bytes().map(|byte| u64::from(byte - b'0')) {
        if !place.is_multiple_of(10) && digit != 0 {
            return Err(wrong());
        }
        place /= 10;
        part += digit * place;
    }
    whole.checked_add(part).map(Micros).ok_or_else(too_long)
}

/// Shows a length of time in the largest unit that keeps it short: `4.75s`, `20ms`, `7us`.
pub fn show(length: Micros) -> String {
    let (unit, suffix) = match length.0 {
        0 => return "0".to_owned(),
        1..1_000 => (1, "us"),
        1_000..1_000_000 => (1_000, "ms"),
        _ => (1_000_000, "s"),
    };
    let fraction = format!("{:06}", (length.0 % unit) * (1_000_000 / unit));
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{}{point}{fraction}{suffix}", length.0 / unit)
}

/// The shortest and the longest wait a member may draw: `1s..20s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitRange {
    /// The shortest.
    pub shortest: Micros,
    /// The longest.
    pub longest: Micros,
}

impl FromStr for WaitRange {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let not_a_range = || DurationError::NotARange(text.chars().take(40).collect());
        let (shortest, longest) = text.split_once("..").ok_or_else(not_a_range)?;
        let range = Self {
            shortest: parse_duration(shortest)?,
            longest: parse_duration(longest)?,
        };
        if range.shortest >= range.longest {
            return Err(DurationError::EmptyRange(range));
        }
        Ok(range)
    }
}

impl fmt::Display for WaitRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", show(self.shortest), show(self.longest))
    }
}

/// The presets by the names they have on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PresetName {
    /// One building: mean wait 5 ms, grace 5 ms.
    Lan,
    /// One city: mean wait 20 ms, grace 30 ms.
    Metro,
    /// The world: mean wait 100 ms, grace 200 ms.
    Wan,
}

impl From<PresetName> for Preset {
    fn from(name: PresetName) -> Self {
        match name {
            PresetName::Lan => Self::Lan,
            PresetName::Metro => Self::Metro,
            PresetName::Wan => Self::Wan,
        }
    }
}

/// The flags that set the lottery's times.
#[derive(Debug, Clone, Default, Args)]
pub struct TimingArgs {
    /// Waits and grace that fit a kind of network.
    #[arg(long, value_enum)]
    pub preset: Option<PresetName>,
    /// The shortest and the longest wait a member may draw, for example 1s..20s.
    #[arg(long, value_name = "SHORTEST..LONGEST")]
    pub wait: Option<WaitRange>,
    /// How long members hold their vote for a better block that may be under way, for example 20ms.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub grace: Option<Micros>,
}

impl TimingArgs {
    /// The times these flags ask for among `members`; `default` where no flag says otherwise. A
    /// custom wait keeps the grace of a local network unless another flag sets it: how long a block
    /// travels does not depend on how long members wait.
    ///
    /// # Errors
    /// When the times are out of the bounds of a genesis.
    pub fn timing(&self, members: usize, default: Timing) -> Result<Timing, DurationError> {
        assert!(
            (1..=MAX_MEMBERS).contains(&members),
            "the caller counts the members first"
        );
        let preset = self.preset.map(|name| Preset::from(name).timing());
        let mut timing = preset.unwrap_or(default);
        if let Some(range) = self.wait {
            if range.longest > MAX_WAIT {
                return Err(DurationError::OutOfBounds { what: "a wait" });
            }
            let grace = preset.unwrap_or(Preset::Lan.timing()).grace;
            timing = Timing::between(range.shortest, range.longest, members, grace);
            if timing.mean_wait.0 == 0 {
                return Err(DurationError::TooNarrow(range, members));
            }
        }
        if let Some(grace) = self.grace {
            if grace.0 == 0 || grace > MAX_WAIT {
                return Err(DurationError::OutOfBounds { what: "the grace" });
            }
            timing.grace = grace;
        }
        Ok(timing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_in_every_unit() {
        for (text, micros) in [
            ("0", 0),
            ("7us", 7),
            ("7µs", 7),
            ("20ms", 20_000),
            ("1.5s", 1_500_000),
            ("4.75s", 4_750_000),
            ("0.000001s", 1),
            ("2m", 120_000_000),
            ("1h", 3_600_000_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Micros(micros)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_in_words() {
        for text in [
            "", "s", "5", "-1s", "1,5s", "1.s", ".5s", "1e3s", "0.5us", "1 s", "five",
        ] {
            assert_eq!(
                parse_duration(text),
                Err(DurationError::NotADuration(text.to_owned())),
                "{text}"
            );
        }
        assert_eq!(
            parse_duration("20000000000000000000s"),
            Err(DurationError::TooLong("20000000000000000000s".to_owned()))
        );
        assert_eq!(
            parse_duration("soon").unwrap_err().to_string(),
            "\"soon\" is not a length of time; write a number and a unit: 500us, 20ms, 1.5s, 2m, 1h"
        );
    }

    #[test]
    fn durations_are_shown_as_they_are_written() {
        for text in ["0", "7us", "20ms", "1.5s", "4.75s", "3600s", "1.234567s"] {
            assert_eq!(show(parse_duration(text).unwrap()), text);
        }
    }

    #[test]
    fn ranges() {
        let range: WaitRange = "1s..20s".parse().unwrap();
        assert_eq!(
            (range.shortest, range.longest),
            (Micros(1_000_000), Micros(20_000_000))
        );
        assert_eq!(range.to_string(), "1s..20s");
        let refusal = |text: &str| text.parse::<WaitRange>().unwrap_err().to_string();
        assert_eq!(
            refusal("5s..5s"),
            "the longest wait of 5s..5s must be longer than the shortest"
        );
        assert_eq!(
            refusal("5s"),
            "\"5s\" is not a range of times; write the shortest and the longest: 1s..20s"
        );
        assert!(refusal("1s..x").starts_with("\"x\" is not a length of time"));
    }

    #[test]
    fn the_originals_waits_keep_the_grace_of_a_local_network() {
        let args = TimingArgs {
            wait: Some("1s..20s".parse().unwrap()),
            ..TimingArgs::default()
        };
        let timing = args.timing(3, Preset::Wan.timing()).unwrap();
        assert_eq!(timing.min_wait, Micros(1_000_000));
        assert_eq!(timing.mean_wait, Micros(4_750_000));
        assert_eq!(timing.grace, Preset::Lan.timing().grace);
    }

    #[test]
    fn flags_win_over_the_default_and_grace_over_the_preset() {
        let default = Preset::Wan.timing();
        assert_eq!(TimingArgs::default().timing(4, default), Ok(default));
        let metro = TimingArgs {
            preset: Some(PresetName::Metro),
            ..TimingArgs::default()
        };
        assert_eq!(metro.timing(4, default), Ok(Preset::Metro.timing()));
        let both = TimingArgs {
            wait: Some("1s..2s".parse().unwrap()),
            ..metro.clone()
        };
        assert_eq!(
            both.timing(4, default).unwrap().grace,
            Preset::Metro.timing().grace
        );
        let all = TimingArgs {
            grace: Some(Micros(7)),
            ..both
        };
        assert_eq!(all.timing(4, default).unwrap().grace, Micros(7));
    }

    #[test]
    fn times_beyond_a_genesis_are_refused() {
        let wait = |text: &str| TimingArgs {
            wait: Some(text.parse().unwrap()),
            ..TimingArgs::default()
        };
        let default = Preset::Lan.timing();
        assert_eq!(
            wait("0..2h").timing(4, default),
            Err(DurationError::OutOfBounds { what: "a wait" })
        );
        assert!(matches!(
            wait("0..3us").timing(4, default),
            Err(DurationError::TooNarrow(_, 4))
        ));
        let grace = TimingArgs {
            grace: Some(Micros(0)),
            ..TimingArgs::default()
        };
        assert_eq!(
            grace.timing(4, default).unwrap_err().to_string(),
            "the grace may be at most 3600s and at least 1us"
        );
    }
}
