//! What is kept, and for how long what nobody names is left alone.

use std::num::NonZeroUsize;
use std::str::FromStr;
use std::time::Duration;

use strata_shared::settings::SettingError;

/// Finished runs that are kept, unless told otherwise: a year of months.
pub const DEFAULT_KEEP: &str = "12";

/// How long what nobody names is left alone, unless told otherwise: longer than a reduce takes.
pub const DEFAULT_GRACE: &str = "1d";

/// The longest time that can be asked for; more would mean never.
const MAX_DAYS: u64 = 36_500;

/// Which finished runs stay, and which other objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The newest finished runs that are kept.
    pub keep: NonZeroUsize,
    /// What nobody names is left alone while it is younger.
    pub grace: Grace,
}

/// A time such as `1d`, `12h`, `30m` or `0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grace(pub Duration);

impl FromStr for Grace {
    type Err = SettingError;
    fn from_str(text: &str) -> Result<Self, SettingError> {
        let wrong =
            || SettingError { name: "--grace", found: text.into(), expected: "a time such as 1d, 12h, 30m, 90s or 0" };
        let trimmed = text.trim();
        let split = trimmed.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(trimmed.len());
        let number: u64 = trimmed[..split].parse().map_err(|_| wrong())?;
        let unit = match trimmed[split..].trim() {
            "d" => 86_400,
            "h" => 3_600,
            "m" | "min" => 60,
            "s" => 1,
            "" if number == 0 => 1,
            _ => return Err(wrong()),
        };
        let seconds = number.checked_mul(unit).filter(|seconds| *seconds <= MAX_DAYS * 86_400).ok_or_else(wrong)?;
        Ok(Self(Duration::from_secs(seconds)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, seconds) in [("1d", 86_400), ("12h", 43_200), ("30 m", 1_800), ("90s", 90), ("0", 0), (" 0d ", 0)] {
            assert_eq!(text.parse(), Ok(Grace(Duration::from_secs(seconds))), "{text}");
        }
        for text in ["", "d", "12", "-1d", "1.5d", "1 week", "36501d", "99999999999999999999d", "9999999999999999999d"]
        {
            assert!(text.parse::<Grace>().is_err(), "{text}");
        }
        assert!(DEFAULT_GRACE.parse::<Grace>().is_ok() && DEFAULT_KEEP.parse::<NonZeroUsize>().is_ok());
    }
}
