//! Numbers → the way they are written, on the page and in the terminal alike.

use strata_shared::findings::Topic;

/// What stands where there is no figure.
pub(super) const NONE: &str = "–";

/// Writes a count with its thousands apart, `35,709`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut written = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            written.push(',');
        }
        written.push(digit);
    }
    written
}

/// Writes a signed count, which no valid table has below zero.
pub(super) fn signed(number: i64) -> String {
    format!("{}{}", if number < 0 { "-" } else { "" }, count(number.unsigned_abs()))
}

/// Writes a count with its noun, `1 document` or `12 documents`.
pub(super) fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// Writes a share in per cent without the sign: three digits where it is large, `<0.01` where it would seem to be zero.
pub(super) fn percent(share: f64) -> String {
    match share * 100.0 {
        0.0 => "0".into(),
        small if small < 0.005 => "<0.01".into(),
        large if large >= 9.995 => format!("{large:.1}"),
        usual => format!("{usual:.2}"),
    }
}

/// Writes a share with its sign, which no line break parts from it.
pub(super) fn share(share: Option<f64>) -> String {
    share.map_or_else(|| NONE.into(), |share| format!("{}\u{a0}%", percent(share)))
}

/// Writes a ratio such as fade to two decimals.
pub(super) fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| NONE.into(), |ratio| format!("{ratio:.2}"))
}

/// Writes a similarity to three decimals.
pub(super) fn similarity(similarity: f32) -> String {
    format!("{similarity:.3}")
}

/// Writes the interval of a topic's fade, `0.02–0.08`.
pub(super) fn interval(topic: &Topic) -> String {
    let ends = topic.fade_low.zip(topic.fade_high);
    ends.map_or_else(|| NONE.into(), |(low, high)| format!("{low:.2}–{high:.2}"))
}

/// Writes a span of periods, `2007–2009`, or `2007-Q3 to 2008-Q2` where the names have dashes of their own.
pub(super) fn span(first: &str, last: &str) -> String {
    match first {
        _ if first == last => first.to_owned(),
        _ if first.contains('-') => format!("{first} to {last}"),
        _ => format!("{first}–{last}"),
    }
}

/// Writes a window such as `2007..2009` as people do.
pub(super) fn window(window: Option<&str>) -> String {
    window.map_or_else(|| NONE.into(), |window| window.split_once("..").map_or(window.to_owned(), |(a, b)| span(a, b)))
}

/// Writes a place in an order, `5th`.
pub(super) fn ordinal(number: usize) -> String {
    let suffix = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{suffix}")
}

/// Writes how many times one share is the other, `24 ×`; nothing where there was none before.
pub(super) fn multiple(recent: f64, before: f64) -> Option<String> {
    let multiple = recent / before;
    let written = if multiple < 9.95 { format!("{multiple:.1}\u{a0}×") } else { format!("{multiple:.0}\u{a0}×") };
    multiple.is_finite().then_some(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_their_thousands_apart() {
        let written: Vec<String> = [0, 999, 1000, 35_709, 2_710_783].map(count).into();
        assert_eq!(written, ["0", "999", "1,000", "35,709", "2,710,783"]);
        assert_eq!(counted(1, "document"), "1 document");
    }

    #[test]
    fn shares_that_are_not_zero_do_not_seem_so() {
        let written: Vec<String> = [0.0, 0.000_01, 0.000_8, 0.019_2, 0.123_4, 0.0999, 1.0].map(percent).into();
        assert_eq!(written, ["0", "<0.01", "0.08", "1.92", "12.3", "9.99", "100.0"]);
    }

    #[test]
    fn spans_are_written_as_people_do() {
        assert_eq!(window(Some("2007..2009")), "2007–2009");
        assert_eq!(window(Some("2007")), "2007");
        assert_eq!(window(Some("2007-Q3..2008-Q2")), "2007-Q3 to 2008-Q2");
        assert_eq!(window(None), NONE);
    }

    #[test]
    fn places_have_their_endings() {
        let written: Vec<String> = [1, 2, 3, 5, 11, 12, 21, 112].map(ordinal).into();
        assert_eq!(written, ["1st", "2nd", "3rd", "5th", "11th", "12th", "21st", "112th"]);
    }

    #[test]
    fn growth_from_nothing_has_no_multiple() {
        assert_eq!(multiple(0.02, 0.0), None);
        assert_eq!(multiple(0.02, 0.001).as_deref(), Some("20\u{a0}×"));
    }
}
