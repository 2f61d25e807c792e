//! Time at the edge: RFC 3339 to and from milliseconds since 1970.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use types::UnixMillis;
use utoipa::ToSchema;

/// A point of time, in JSON an RFC 3339 text: `2024-03-01T10:15:50.520Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2024-03-01T10:15:50.520Z")]
pub struct Time(pub UnixMillis);

/// Why a text is no point of time. The giver's fault; a corrected text helps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not RFC 3339.
    #[error("{0:?} is not a time as in RFC 3339; write it like 2024-03-01T10:15:50.520Z")]
    NotRfc3339(String),
    /// Before 1970.
    #[error("{0} is before 1970, the earliest time that can be recorded")]
    TooEarly(String),
}

/// Reads an RFC 3339 time; what is finer than a millisecond is cut off.
///
/// # Errors
/// When it is not one, or before 1970.
pub fn parse_rfc3339(text: &str) -> Result<UnixMillis, TimeError> {
    let given = || text.chars().take(40).collect();
    let timestamp: Timestamp = text.parse().map_err(|_| TimeError::NotRfc3339(given()))?;
    match u64::try_from(timestamp.as_millisecond()) {
        Ok(millis) if timestamp >= Timestamp::UNIX_EPOCH => Ok(UnixMillis(millis)),
        _ => Err(TimeError::TooEarly(given())),
    }
}

/// Writes a time as RFC 3339 in UTC with milliseconds: `2024-03-01T10:15:50.520Z`.
///
/// Times beyond the year 9999, which only another member's order can carry, are written as its end.
pub fn format_rfc3339(time: UnixMillis) -> String {
    timestamp(time)
        .strftime("%Y-%m-%dT%H:%M:%S.%3fZ")
        .to_string()
}

/// Writes a time as the original did, in UTC: `2024-03-01 10:15:50.520`.
pub fn format_plain(time: UnixMillis) -> String {
    timestamp(time)
        .strftime("%Y-%m-%d %H:%M:%S.%3f")
        .to_string()
}

/// The wall clock.
pub fn now() -> UnixMillis {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn timestamp(time: UnixMillis) -> Timestamp {
    let millis = i64::try_from(time.0).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format_rfc3339(self.0))
    }
}
impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_rfc3339(&text)
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_3339_both_ways() {
        for (text, millis, back) in [
            ("1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00.000Z"),
            (
                "2024-03-01T10:15:50.520Z",
                1_709_288_150_520,
                "2024-03-01T10:15:50.520Z",
            ),
            (
                "2024-03-01T12:15:50.520999+02:00",
                1_709_288_150_520,
                "2024-03-01T10:15:50.520Z",
            ),
        ] {
            assert_eq!(parse_rfc3339(text), Ok(UnixMillis(millis)), "{text}");
            assert_eq!(format_rfc3339(UnixMillis(millis)), back);
        }
        assert_eq!(
            format_plain(UnixMillis(1_709_288_150_520)),
            "2024-03-01 10:15:50.520"
        );
    }

    #[test]
    fn refusals_and_extremes() {
        for text in [
            "",
            "yesterday",
            "2024-03-01",
            "2024-03-01T10:15:50",
            "2024-13-01T00:00:00Z",
        ] {
            assert!(
                matches!(parse_rfc3339(text), Err(TimeError::NotRfc3339(_))),
                "{text}"
            );
        }
        assert!(matches!(
            parse_rfc3339("1969-12-31T23:59:59.9999Z"),
            Err(TimeError::TooEarly(_))
        ));
        assert!(format_rfc3339(UnixMillis(u64::MAX)).starts_with("9999-12-30T"));
    }
}
