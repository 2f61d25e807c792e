//! What goes wrong, and how many orders come, as people write it: `loss=5,crashes,dead=1`, `3/block`.

use std::{fmt, str::FromStr};

use simulator::{
    adversary::Kind,
    study::{Faults, Rate},
};

/// With more lost than this nothing would get through in any time worth simulating.
const MOST_LOSS: u64 = 90;

/// More orders a second than a network of 100 nodes takes in, and more than is worth waiting for.
const MOST_ORDERS_A_SECOND: f64 = 1_000_000.0;

/// One entry of the list of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FaultName {
    /// Nothing goes wrong.
    None,
    /// So many of a hundred messages are lost.
    Loss(u64),
    /// So many of a hundred messages arrive twice.
    Duplication(u64),
    /// The network falls apart now and then.
    Partitions,
    /// Processes die now and then.
    Crashes,
    /// Some disks are slow.
    SlowDisks,
    /// Clocks run wrong.
    Clocks,
    /// So many members never answer.
    Dead(usize),
    /// So many members lie in this way.
    Liars(Kind, usize),
}

/// Why an entry was not understood; the message says what would be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum FaultError {
    /// No such fault.
    #[error(
        "there is no fault {0:?}; there are none, loss=PERCENT, duplication=PERCENT, partitions, crashes, slow-disks, \
         clocks, dead=N and liars=KIND:N"
    )]
    Unknown(String),
    /// A number is missing or out of bounds.
    #[error("{name} takes {what}, for example {name}={example}")]
    Value {
        /// Which fault.
        name: &'static str,
        /// What it takes.
        what: &'static str,
        /// A right one.
        example: &'static str,
    },
    /// It takes no value.
    #[error("{0} takes no value; write it alone")]
    NoValue(String),
    /// No such liar.
    #[error("there are no liars of the kind {0:?}; there are {list}", list = liar_names().join(", "))]
    Liar(String),
    /// Something is there twice.
    #[error("{0} is there twice")]
    Twice(String),
    /// `none` and something else.
    #[error("none goes with nothing else")]
    NoneAndSome,
}

/// What the kind is called: its name in the code, in small letters.
pub(super) fn liar_name(kind: Kind) -> String {
    let mut name = String::new();
    for letter in format!("{kind:?}").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

fn liar_names() -> Vec<String> {
    Kind::ALL.into_iter().map(liar_name).collect()
}

impl FromStr for FaultName {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let percent = |name, most| {
            let number = value.and_then(|value| value.trim_end_matches('%').parse().ok());
            number
                .filter(|number| *number <= most)
                .ok_or(FaultError::Value {
                    name,
                    what: "how many of a hundred messages (loss: at most 90)",
                    example: "5",
                })
        };
        let alone = |fault| match value {
            None => Ok(fault),
            Some(_) => Err(FaultError::NoValue(name.to_owned())),
        };
        match name {
            "none" => alone(Self::None),
            "loss" => percent("loss", MOST_LOSS).map(Self::Loss),
            "duplication" => percent("duplication", 100).map(Self::Duplication),
            "partitions" => alone(Self::Partitions),
            "crashes" => alone(Self::Crashes),
            "slow-disks" => alone(Self::SlowDisks),
            "clocks" => alone(Self::Clocks),
            "dead" => value
                .and_then(|value| value.parse().ok())
                .map(Self::Dead)
                .ok_or(FaultError::Value {
                    name: "dead",
                    what: "how many members never answer",
                    example: "1",
                }),
            "liars" => liars(value),
            _ => Err(FaultError::Unknown(text.chars().take(40).collect())),
        }
    }
}

fn liars(value: Option<&str>) -> Result<FaultName, FaultError> {
    let wrong = FaultError::Value {
        name: "liars",
        what: "a kind and how many",
        example: "equivocating-proposer:1",
    };
    let Some((kind, count)) = value.and_then(|value| value.split_once(':')) else {
        return Err(wrong);
    };
    let found = Kind::ALL
        .into_iter()
        .find(|known| liar_name(*known) == kind);
    let kind = found.ok_or_else(|| FaultError::Liar(kind.chars().take(40).collect()))?;
    let count = count.parse().map_err(|_| wrong)?;
    Ok(FaultName::Liars(kind, count))
}

impl fmt::Display for FaultName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Loss(percent) => write!(f, "loss={percent}"),
            Self::Duplication(percent) => write!(f, "duplication={percent}"),
            Self::Partitions => f.write_str("partitions"),
            Self::Crashes => f.write_str("crashes"),
            Self::SlowDisks => f.write_str("slow-disks"),
            Self::Clocks => f.write_str("clocks"),
            Self::Dead(count) => write!(f, "dead={count}"),
            Self::Liars(kind, count) => write!(f, "liars={}:{count}", liar_name(*kind)),
        }
    }
}

/// The faults of a list.
///
/// # Errors
/// When one is there twice, or `none` with others.
pub(super) fn gather(list: &[FaultName]) -> Result<Faults, FaultError> {
    let mut faults = Faults::default();
    for (place, name) in list.iter().enumerate() {
        let same = |other: &FaultName| match (name, other) {
            (FaultName::Liars(kind, _), FaultName::Liars(other, _)) => kind == other,
            _ => std::mem::discriminant(name) == std::mem::discriminant(other),
        };
        if list.iter().take(place).any(same) {
            return Err(FaultError::Twice(name.to_string()));
        }
        match name {
            FaultName::None if list.len() > 1 => return Err(FaultError::NoneAndSome),
            FaultName::None => {}
            FaultName::Loss(percent) => faults.loss = *percent,
            FaultName::Duplication(percent) => faults.duplication = *percent,
            FaultName::Partitions => faults.partitions = true,
            FaultName::Crashes => faults.crashes = true,
            FaultName::SlowDisks => faults.slow_disks = true,
            FaultName::Clocks => faults.clocks = true,
            FaultName::Dead(count) => faults.dead = *count,
            FaultName::Liars(kind, count) => faults.liars.push((*kind, *count)),
        }
    }
    Ok(faults)
}

/// Reads how many orders come: `20` or `20/s` a second, `3/block` in the time a block takes.
///
/// # Errors
/// When it is not such a number.
pub(super) fn parse_rate(text: &str) -> Result<Rate, String> {
    let (number, rate): (&str, fn(f64) -> Rate) = match text.split_once('/') {
        None => (text, Rate::ASecond),
        Some((number, "s")) => (number, Rate::ASecond),
        Some((number, "block")) => (number, Rate::ABlock),
        Some(_) => ("", Rate::ASecond),
    };
    let number = number.parse().ok();
    number
        .filter(|number| *number > 0.0 && *number <= MOST_ORDERS_A_SECOND)
        .map(rate)
        .ok_or_else(|| {
            "write orders a second, 20 or 0.5, or orders a block, 3/block; above 0 and at most 1000000".to_owned()
        })
}

/// A rate in words.
pub(super) fn rate_in_words(rate: Rate) -> String {
    match rate {
        Rate::ASecond(number) => format!("about {number} a second"),
        Rate::ABlock(number) => format!("about {number} a block"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Faults, FaultError> {
        let list: Result<Vec<FaultName>, _> = text.split(',').map(str::parse).collect();
        gather(&list?)
    }

    #[test]
    fn a_list_of_everything() {
        let text = "loss=5,duplication=10%,partitions,crashes,slow-disks,clocks,dead=2,liars=vote-withholder:1";
        let faults = parse(text).unwrap();
        assert_eq!((faults.loss, faults.duplication, faults.dead), (5, 10, 2));
        assert!(faults.partitions && faults.crashes && faults.slow_disks && faults.clocks);
        assert_eq!(faults.liars, [(Kind::VoteWithholder, 1)]);
        assert_eq!(parse("none"), Ok(Faults::default()));
    }

    #[test]
    fn every_kind_of_liar_has_a_name() {
        for kind in Kind::ALL {
            let text = format!("liars={}:3", liar_name(kind));
            assert_eq!(text.parse(), Ok(FaultName::Liars(kind, 3)));
            assert_eq!(FaultName::Liars(kind, 3).to_string(), text);
        }
    }

    #[test]
    fn what_is_no_fault_is_refused_in_words() {
        for (text, words) in [
            (
                "fire",
                "there is no fault \"fire\"; there are none, loss=PERCENT",
            ),
            ("loss", "loss takes how many of a hundred messages"),
            ("loss=91", "loss takes how many of a hundred messages"),
            ("duplication=x", "duplication takes how many"),
            ("crashes=3", "crashes takes no value; write it alone"),
            (
                "dead=-1",
                "dead takes how many members never answer, for example dead=1",
            ),
            (
                "liars=2",
                "liars takes a kind and how many, for example liars=equivocating-proposer:1",
            ),
            (
                "liars=thief:2",
                "there are no liars of the kind \"thief\"; there are ",
            ),
            ("none,loss=5", "none goes with nothing else"),
            ("loss=5,loss=6", "loss=6 is there twice"),
        ] {
            let refusal = parse(text).unwrap_err().to_string();
            assert!(refusal.starts_with(words), "{text}: {refusal}");
        }
    }

    #[test]
    fn rates() {
        assert_eq!(parse_rate("20"), Ok(Rate::ASecond(20.0)));
        assert_eq!(parse_rate("0.5/s"), Ok(Rate::ASecond(0.5)));
        assert_eq!(parse_rate("3/block"), Ok(Rate::ABlock(3.0)));
        for text in ["", "0", "-1", "x/s", "3/hour", "NaN", "inf", "1e9"] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }
}
