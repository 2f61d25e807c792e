//! When an order was placed, in the forms that tills and spreadsheets write.

use jiff::{
    Timestamp,
    civil::{Date, DateTime, Time},
    tz::TimeZone,
};
use types::UnixMillis;

/// From here on a bare number is milliseconds: as seconds it would be the year 5138, as milliseconds
/// it is 1973.
const FIRST_MILLISECONDS: i64 = 100_000_000_000;

/// Why a time was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TimeError {
    /// None of the known forms.
    #[error(
        "{0:?} is no time this program knows: 2024/3/1 10:15, 2024-03-01 10:15:30, 01.03.2024 10:15, \
         2024-03-01T10:15:00+01:00 or seconds since 1970"
    )]
    Unknown(String),
    /// A day or an hour that does not exist.
    #[error("there is no such time as {0:?}")]
    Impossible(String),
    /// Before 1970.
    #[error("{0:?} is before 1970")]
    TooEarly(String),
}

/// Reads a time; where it names no offset it is one of the time zone. When clocks go back an hour
/// comes twice: then the first is meant; an hour left out when they go forward means the one after.
///
/// # Errors
/// When the form is unknown, the time does not exist, or it is before 1970.
pub(super) fn parse_time(text: &str, zone: &TimeZone) -> Result<UnixMillis, TimeError> {
    let text = text.trim();
    let given = || text.chars().take(40).collect::<String>();
    let timestamp = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        from_number(text).ok_or_else(|| TimeError::Impossible(given()))?
    } else if let Ok(timestamp) = text.parse::<Timestamp>() {
        timestamp
    } else {
        let civil = civil(text)
            .ok_or_else(|| TimeError::Unknown(given()))?
            .ok_or_else(|| TimeError::Impossible(given()))?;
        let zoned = civil
            .to_zoned(zone.clone())
            .map_err(|_| TimeError::Impossible(given()))?;
        zoned.timestamp()
    };
    u64::try_from(timestamp.as_millisecond())
        .map(UnixMillis)
        .map_err(|_| TimeError::TooEarly(given()))
}

fn from_number(text: &str) -> Option<Timestamp> {
    let number: i64 = text.parse().ok()?;
    if number < FIRST_MILLISECONDS {
        Timestamp::from_second(number).ok()
    } else {
        Timestamp::from_millisecond(number).ok()
    }
}

/// A date, and a time of day where there is one: `None` where the form is unknown, `Some(None)`
/// where there is no such day or time.
fn civil(text: &str) -> Option<Option<DateTime>> {
    let (date, time) = text.split_once([' ', 'T']).unwrap_or((text, "0:00"));
    let (year, month, day) = year_month_day(date)?;
    let (hour, minute, second, nanosecond) = time_of_day(time)?;
    let date = Date::new(year, month, day).ok();
    let time = Time::new(hour, minute, second, nanosecond).ok();
    Some(
        date.zip(time)
            .map(|(date, time)| DateTime::from_parts(date, time)),
    )
}

/// `2024/3/1`, `2024-03-01` or `01.03.2024`. What could be day or month first, as `3/1/2024`, is not
/// guessed.
fn year_month_day(date: &str) -> Option<(i16, i8, i8)> {
    let separator = ['/', '-', '.']
        .into_iter()
        .find(|separator| date.contains(*separator))?;
    let parts: Vec<&str> = date.split(separator).collect();
    let [year, month, day] = match (separator, parts.as_slice()) {
        ('.', [day, month, year]) => [*year, *month, *day],
        ('/' | '-', [year, month, day]) => [*year, *month, *day],
        _ => return None,
    };
    if year.len() != 4 {
        return None;
    }
    Some((digits(year, 4)?, digits(month, 2)?, digits(day, 2)?))
}

/// `10:15`, `10:15:30` or `10:15:30.250`.
fn time_of_day(time: &str) -> Option<(i8, i8, i8, i32)> {
    let mut parts = time.splitn(3, ':');
    let (hour, minute) = (parts.next()?, parts.next()?);
    let (second, fraction) = match parts.next() {
        None => ("0", None),
        Some(second) => match second.split_once('.') {
            None => (second, None),
            Some((second, fraction)) => (second, Some(fraction)),
        },
    };
    let nanosecond = match fraction {
        None => 0,
        Some(fraction) => {
            let power = 9_u32.checked_sub(u32::try_from(fraction.len()).ok()?)?;
            digits::<i32>(fraction, 9)?.checked_mul(10_i32.checked_pow(power)?)?
        }
    };
    Some((
        digits(hour, 2)?,
        digits(minute, 2)?,
        digits(second, 2)?,
        nanosecond,
    ))
}

/// A number of one to `most` digits and nothing else.
fn digits<T: std::str::FromStr>(text: &str, most: usize) -> Option<T> {
    let fits = (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if fits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_zone(text: &str, zone: &str) -> Result<String, TimeError> {
        let millis = parse_time(text, &TimeZone::get(zone).unwrap())?;
        Ok(
            Timestamp::from_millisecond(i64::try_from(millis.0).unwrap())
                .unwrap()
                .to_string(),
        )
    }

    #[test]
    fn the_forms_of_tills_and_spreadsheets() {
        for (text, expected) in [
            ("2024/3/1 10:15", "2024-03-01T10:15:00Z"),
            ("2024/03/01 9:05", "2024-03-01T09:05:00Z"),
            ("2024-03-01 10:15", "2024-03-01T10:15:00Z"),
            ("2024-03-01T10:15", "2024-03-01T10:15:00Z"),
            ("2024-03-01 10:15:30", "2024-03-01T10:15:30Z"),
            ("2024-03-01 10:15:30.25", "2024-03-01T10:15:30.25Z"),
            (" 2024-03-01T10:15:00Z ", "2024-03-01T10:15:00Z"),
            ("2024-03-01T10:15:00.123+01:00", "2024-03-01T09:15:00.123Z"),
            ("2024-03-01 10:15:00-05:00", "2024-03-01T15:15:00Z"),
            ("01.03.2024 10:15", "2024-03-01T10:15:00Z"),
            ("1.3.2024", "2024-03-01T00:00:00Z"),
            ("2024/3/1", "2024-03-01T00:00:00Z"),
            ("1709288100", "2024-03-01T10:15:00Z"),
            ("1709288100123", "2024-03-01T10:15:00.123Z"),
            ("0", "1970-01-01T00:00:00Z"),
        ] {
            assert_eq!(in_zone(text, "UTC").as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn local_times_follow_the_time_zone() {
        assert_eq!(
            in_zone("2024/3/1 10:15", "Europe/Berlin").unwrap(),
            "2024-03-01T09:15:00Z"
        );
        assert_eq!(
            in_zone("2024/7/1 10:15", "Europe/Berlin").unwrap(),
            "2024-07-01T08:15:00Z"
        );
        assert_eq!(
            in_zone("2024-03-01T10:15:00Z", "Europe/Berlin").unwrap(),
            "2024-03-01T10:15:00Z"
        );
        // Clocks go back: 2:30 comes twice. Clocks go forward: 2:30 is left out.
        assert_eq!(
            in_zone("2024-10-27 2:30", "Europe/Berlin").unwrap(),
            "2024-10-27T00:30:00Z"
        );
        assert_eq!(
            in_zone("2024-03-31 2:30", "Europe/Berlin").unwrap(),
            "2024-03-31T01:30:00Z"
        );
    }

    #[test]
    fn what_is_unclear_or_impossible_is_refused() {
        for unknown in [
            "",
            "soon",
            "3/1/2024 10:15",
            "2024-03-01 10",
            "2024-03-01 10:15 PM",
            "24-03-01 10:15",
            "2024.03.01 10:15",
            "2024-03-01 10:15:30.1234567890",
            "2024-03-01 :15",
            "-5",
        ] {
            assert_eq!(
                in_zone(unknown, "UTC"),
                Err(TimeError::Unknown(unknown.to_owned())),
                "{unknown}"
            );
        }
        for impossible in [
            "2024-02-30 10:15",
            "2024-03-01 25:00",
            "31.04.2024 10:15",
            "99999999999999999999",
        ] {
            assert_eq!(
                in_zone(impossible, "UTC"),
                Err(TimeError::Impossible(impossible.to_owned())),
                "{impossible}"
            );
        }
        assert_eq!(
            in_zone("1969-12-31 23:59", "UTC"),
            Err(TimeError::TooEarly("1969-12-31 23:59".to_owned()))
        );
    }
}
