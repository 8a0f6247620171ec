//! A date in one of its usual spellings → microseconds since 1970 in UTC.
//!
//! Invariant: a date outside [`YEARS`] is no date. Numbers that count seconds since 1970 are not guessed at.

use std::ops::RangeInclusive;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};

/// The years that are taken for dates of documents. Outside lie placeholders (0, 1, 9999) and misprints.
pub(super) const YEARS: RangeInclusive<i32> = 1000..=2200;

/// Spellings of a day with a time but without a zone; they mean UTC.
const WITHOUT_ZONE: [&str; 4] = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];

/// Spellings with an offset that RFC 3339 does not allow, such as `+0000`.
const WITH_OFFSET: [&str; 2] = ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z"];

/// Reads RFC 2822, RFC 3339, `YYYY-MM-DD` (also with a time, and as `YYYYMMDD`), `YYYY-MM` and `YYYY`.
///
/// A month or year alone means its first day. Returns `None` for everything else, and for years outside [`YEARS`].
pub(super) fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    let begins_with_year = text.len() >= 4 && text.bytes().take(4).all(|byte| byte.is_ascii_digit());
    plausible(if begins_with_year { iso(text) } else { rfc2822(text) }?)
}

/// Returns `time` in microseconds since 1970, if its year is one of [`YEARS`].
fn plausible(time: DateTime<Utc>) -> Option<i64> {
    YEARS.contains(&time.year()).then(|| time.timestamp_micros())
}

/// Returns `micros` if its year is one of [`YEARS`].
pub(super) fn plausible_micros(micros: i64) -> Option<i64> {
    plausible(DateTime::from_timestamp_micros(micros)?)
}

fn iso(text: &str) -> Option<DateTime<Utc>> {
    let number = |range: std::ops::Range<usize>| {
        let digits = text.get(range)?;
        if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse::<u32>().ok() } else { None }
    };
    let year = number(0..4)? as i32;
    let bytes = text.as_bytes();
    match text.len() {
        4 => day(year, 1, 1),
        7 if bytes[4] == b'-' => day(year, number(5..7)?, 1),
        8 => day(year, number(4..6)?, number(6..8)?),
        10 if bytes[4] == b'-' && bytes[7] == b'-' => day(year, number(5..7)?, number(8..10)?),
        _ => with_time(text),
    }
}

fn day(year: i32, month: u32, day: u32) -> Option<DateTime<Utc>> {
    Some(Utc.from_utc_datetime(&NaiveDate::from_ymd_opt(year, month, day)?.and_time(NaiveTime::MIN)))
}

fn with_time(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    let without_zone = WITHOUT_ZONE.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    let with_offset = || WITH_OFFSET.iter().find_map(|format| DateTime::parse_from_str(text, format).ok());
    without_zone.map(|time| time.and_utc()).or_else(|| Some(with_offset()?.to_utc()))
}

fn rfc2822(text: &str) -> Option<DateTime<Utc>> {
    // The weekday says nothing that the day does not, and a wrong one is no reason to lose the day.
    let text = match text.split_once(',') {
        Some((weekday, rest)) if weekday.bytes().all(|byte| byte.is_ascii_alphabetic()) => rest.trim_start(),
        _ => text,
    };
    DateTime::parse_from_rfc2822(text).ok().map(|time| time.to_utc())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> Option<String> {
        parse(text).and_then(DateTime::from_timestamp_micros).map(|time| time.format("%F %T%.f").to_string())
    }

    #[test]
    fn the_usual_spellings_are_read() {
        for (text, expected) in [
            ("Mon, 2 Apr 2007 19:18:42 GMT", "2007-04-02 19:18:42"),
            ("Mon, 02 Apr 2007 19:18:42 +0200", "2007-04-02 17:18:42"),
            ("2 Apr 2007 19:18:42 GMT", "2007-04-02 19:18:42"),
            ("Sun, 2 Apr 2007 19:18:42 GMT", "2007-04-02 19:18:42"),
            ("2007-04-02T19:18:42Z", "2007-04-02 19:18:42"),
            ("2007-04-02T19:18:42.125+02:00", "2007-04-02 17:18:42.125"),
            ("2007-04-02 19:18:42+00:00", "2007-04-02 19:18:42"),
            ("2007-04-02T19:18:42+0200", "2007-04-02 17:18:42"),
            ("2007-04-02T19:18:42", "2007-04-02 19:18:42"),
            ("2007-04-02 19:18", "2007-04-02 19:18:00"),
            (" 2007-04-02 ", "2007-04-02 00:00:00"),
            ("20070402", "2007-04-02 00:00:00"),
            ("2007-04", "2007-04-01 00:00:00"),
            ("2007", "2007-01-01 00:00:00"),
            ("1776-07-04", "1776-07-04 00:00:00"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn nonsense_and_placeholders_are_no_dates() {
        for text in [
            "",
            " ",
            "0",
            "0000",
            "0000-00-00",
            "0001-01-01",
            "9999",
            "9999-12-31",
            "9999-12-31T23:59:59Z",
            "2007-13",
            "2007-02-30",
            "2007-04-02T25:00:00Z",
            "yesterday",
            "n.d.",
            "1175541522",
            "1175541522000",
            "2007.5",
            "-2007",
            "+2007",
            "2007-4",
            "20070402T",
            "٢٠٠٧",
            "12007-01-01",
            "Mon, 32 Apr 2007 19:18:42 GMT",
        ] {
            assert_eq!(shown(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            let _ = parse(&text);
        }

        #[test]
        fn every_day_is_read_back(days in -354_285i32..84_000) {
            let date = NaiveDate::from_epoch_days(days).expect("a day");
            let expected = i64::from(days) * 86_400_000_000;
            prop_assert_eq!(parse(&date.format("%Y-%m-%d").to_string()), Some(expected));
            prop_assert_eq!(parse(&date.format("%a, %d %b %Y 00:00:00 GMT").to_string()), Some(expected));
        }
    }
}
