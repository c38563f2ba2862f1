//! Times as people write them: RFC 3339 in UTC, and days.

use crate::error::{Error, Result};

/// Seconds since 1970, now.
pub fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// RFC 3339 in UTC, to the second; the number itself where it is outside the calendar.
pub fn rfc3339(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}

/// The UTC day of a second, such as `2024-01-31`.
///
/// # Errors
/// `Refused` for a time outside the years 0 to 9999.
pub fn day_of(seconds: i64) -> Result<String> {
    let text = rfc3339(seconds);
    let day = text.get(..10).filter(|_| text.as_bytes().get(10) == Some(&b'T'));
    day.map(str::to_owned).ok_or_else(|| Error::refused(format!("{seconds} seconds from 1970 is no day of a calendar")))
}

/// The first second of a day such as `2024-01-31`, in UTC.
///
/// # Errors
/// `Usage` for anything else.
pub fn day(text: &str) -> Result<i64> {
    let date: jiff::civil::Date =
        text.parse().map_err(|_| Error::usage(format!("{text:?} is not a day such as 2024-01-31")))?;
    let start = date.to_zoned(jiff::tz::TimeZone::UTC).map_err(|e| Error::usage(format!("{text:?}: {e}")))?;
    Ok(start.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn day_is_its_first_second() {
        assert_eq!(day("1970-01-02").expect("a day"), 86_400);
        assert_eq!(rfc3339(86_400), "1970-01-02T00:00:00Z");
    }

    #[test]
    fn day_refuses_what_is_no_day() {
        for text in ["", "2024-13-01", "yesterday", "2024-01-01T00:00:00Z?"] {
            assert!(day(text).is_err(), "{text}");
        }
    }
}
