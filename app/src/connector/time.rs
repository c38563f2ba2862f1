//! The time forms that exports use, as Unix seconds.

use jiff::civil::{Date, DateTime};
use jiff::{Timestamp, fmt::rfc2822, tz::TimeZone};

/// Times outside of the years -9999 to 9999 are not times.
const MAX_SECONDS: i64 = 253_402_207_200;
/// Numbers from here on are milliseconds: as seconds they would be the year 5138 or later.
const FIRST_MILLISECOND: i64 = 100_000_000_000;
/// Numbers from here on are microseconds.
const FIRST_MICROSECOND: i64 = 100_000_000_000_000;
/// No known form of a time is longer.
const MAX_TIME_BYTES: usize = 64;

/// Column and key names that hold a time, best first; compared in lower case with `_` for blanks and hyphens.
const TIME_NAMES: [&str; 14] = [
    "time",
    "timestamp",
    "date",
    "datetime",
    "date_time",
    "created_at",
    "created",
    "create_time",
    "created_time",
    "creation_date",
    "sent_at",
    "sent",
    "ts",
    "updated_at",
];
/// Names that hold what was written, best first.
const TEXT_NAMES: [&str; 8] = ["text", "content", "body", "message", "note", "comment", "description", "entry"];

/// A name as it is compared: lower case, `_` for blanks and hyphens.
fn folded(name: &str) -> String {
    name.trim().to_lowercase().replace([' ', '-'], "_")
}

fn best(names: &[&str], name: &str) -> Option<usize> {
    let name = folded(name);
    names.iter().position(|known| *known == name)
}

/// How well a name fits a time: lower is better, `None` is not at all.
pub(super) fn time_rank(name: &str) -> Option<usize> {
    best(&TIME_NAMES, name)
}

/// How well a name fits the text: lower is better, `None` is not at all.
pub(super) fn text_rank(name: &str) -> Option<usize> {
    best(&TEXT_NAMES, name)
}

/// A time written in any usual form: RFC 3339, RFC 2822, `2024-03-01 12:30`, `2024-03-01`, or a count of seconds,
/// milliseconds or microseconds. Without an offset it is UTC. `None` for anything else.
pub(super) fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.is_empty() || text.len() > MAX_TIME_BYTES {
        return None;
    }
    parse_written(text).or_else(|| parse_count(text))
}

/// Like [`parse`] without bare numbers, for text that may be a title.
pub(super) fn parse_written(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.is_empty() || text.len() > MAX_TIME_BYTES || !text.contains(['-', ':', '/']) {
        return None;
    }
    let seconds = text
        .parse::<Timestamp>()
        .or_else(|_| rfc2822::DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text))
        .ok()
        .map(|time| floor(time.as_nanosecond()));
    seconds.or_else(|| parse_civil(text))
}

fn parse_civil(text: &str) -> Option<i64> {
    let bare = text.strip_suffix(" UTC").unwrap_or(text);
    let moment = match bare.parse::<DateTime>() {
        Ok(moment) => moment,
        Err(_) => bare.parse::<Date>().ok()?.to_datetime(jiff::civil::Time::midnight()),
    };
    let zoned = moment.to_zoned(TimeZone::UTC).ok()?;
    Some(floor(zoned.timestamp().as_nanosecond()))
}

/// The date of an mbox separator: `Fri Mar  1 12:30:00 2024`, taken as UTC.
pub(super) fn parse_separator(text: &str) -> Option<i64> {
    let words: Vec<&str> = text.split_whitespace().take(6).collect();
    let [_, month, day, clock, year] = *words.get(..5)? else { return None };
    let joined = format!("{month} {day} {clock} {year}");
    let moment = DateTime::strptime("%b %d %H:%M:%S %Y", joined).ok()?;
    Some(moment.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

fn parse_count(text: &str) -> Option<i64> {
    if let Ok(count) = text.parse::<i64>() {
        return from_count(count);
    }
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'-');
    if plain { from_float(text.parse().ok()?) } else { None }
}

/// A count of seconds, milliseconds or microseconds, told apart by size. Small numbers (under 1973 in seconds) are
/// taken for something else, such as a duration.
pub(super) fn from_count(count: i64) -> Option<i64> {
    match count {
        ..100_000_000 => None,
        100_000_000..FIRST_MILLISECOND => Some(count),
        FIRST_MILLISECOND..FIRST_MICROSECOND => Some(count.div_euclid(1_000)),
        FIRST_MICROSECOND.. => Some(count.div_euclid(1_000_000)).filter(|seconds| *seconds <= MAX_SECONDS),
    }
}

/// Seconds with a fraction, as chat exports have them; rounded down.
pub(super) fn from_float(seconds: f64) -> Option<i64> {
    if seconds.is_finite() && seconds.abs() < 1e17 { from_count(seconds.floor() as i64) } else { None }
}

/// A civil date and time with an offset in seconds, or `None` where there is no such date.
pub(super) fn from_civil(date: [i16; 3], clock: [i8; 3], offset: i64) -> Option<i64> {
    let [year, month, day] = date;
    let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
    let moment = DateTime::new(year, month, day, clock[0], clock[1], clock[2].min(59), 0).ok()?;
    Some(moment.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second() - offset)
}

fn floor(nanoseconds: i128) -> i64 {
    // A timestamp of jiff is within the years -9999 to 9999: the seconds fit.
    nanoseconds.div_euclid(1_000_000_000) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<i64>) {
        assert_eq!(parse(text), expected, "{text}");
    }

    #[test]
    fn time_in_usual_forms_is_read() {
        check("2024-03-01T12:30:00Z", Some(1_709_296_200));
        check("2024-03-01T13:30:00+01:00", Some(1_709_296_200));
        check("2024-03-01T12:30:00.999Z", Some(1_709_296_200));
        check("2024-03-01 12:30", Some(1_709_296_200));
        check("2024-03-01 12:30:00 UTC", Some(1_709_296_200));
        check("2024-03-01", Some(1_709_251_200));
        check("Fri, 1 Mar 2024 12:30:00 +0000", Some(1_709_296_200));
        check("Mon, 1 Mar 2024 12:30:00 +0000", Some(1_709_296_200)); // wrong weekday, as seen in real mail
        check(" 1709296200 ", Some(1_709_296_200));
        check("1709296200.75", Some(1_709_296_200));
        check("1709296200123", Some(1_709_296_200));
        check("1709296200123456", Some(1_709_296_200));
    }

    #[test]
    fn time_before_1970_is_negative() {
        check("1790-01-08", Some(-5_679_590_400));
        check("1969-12-31T23:59:59.5Z", Some(-1));
    }

    #[test]
    fn time_in_no_form_is_none() {
        for text in ["", "yesterday", "2024-13-01", "2024-02-30", "12:30", "1234", "-5", "1e12", "NaN", "2024", "1-2-3"]
        {
            check(text, None);
        }
        check(&"2".repeat(65), None);
        check("99999999999999999999", None);
        check("9223372036854775807", None);
        assert_eq!(from_float(f64::NAN), None);
        assert_eq!(from_float(f64::INFINITY), None);
        assert_eq!(from_float(-1e300), None);
    }

    #[test]
    fn separator_date_is_read_and_others_are_not() {
        assert_eq!(parse_separator("Fri Mar  1 12:30:00 2024"), Some(1_709_296_200));
        for text in ["", "Fri Mar 1", "Fri Foo 1 12:30:00 2024", "Fri Mar 32 12:30:00 2024", "a b c d e f"] {
            assert_eq!(parse_separator(text), None, "{text}");
        }
    }

    #[test]
    fn impossible_civil_date_is_none() {
        assert_eq!(from_civil([2024, 3, 1], [12, 30, 0], 3600), Some(1_709_292_600));
        assert_eq!(from_civil([2024, 2, 30], [0, 0, 0], 0), None);
        assert_eq!(from_civil([2024, 300, 1], [0, 0, 0], 0), None);
        assert_eq!(from_civil([2024, 1, 1], [25, 0, 0], 0), None);
    }

    #[test]
    fn names_are_ranked() {
        assert_eq!(text_rank("Content"), Some(1));
        assert!(time_rank("Created At").is_some());
        assert_eq!(time_rank("lifetime"), None);
        assert_eq!(text_rank("context"), None);
    }
}
