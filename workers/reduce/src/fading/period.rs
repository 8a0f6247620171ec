//! Dates → the years, quarters or months that they lie in, and the arithmetic of those.
//!
//! A period is its kind and a running number, so that successors and distances are integer arithmetic and order is
//! order in time. What a period holds is left to `timeline`.

use chrono::{Datelike, Days, NaiveDate};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// How time is cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeriodKind {
    /// Calendar years, `2007`.
    #[default]
    Year,
    /// Calendar quarters, `2007-Q3`.
    Quarter,
    /// Calendar months, `2007-03`.
    Month,
}

impl PeriodKind {
    /// Periods in a year.
    #[must_use]
    pub fn per_year(self) -> i32 {
        match self {
            Self::Year => 1,
            Self::Quarter => 4,
            Self::Month => 12,
        }
    }
}

/// A word that names no kind of period.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("`{0}` is no kind of period, expected year, quarter or month")]
pub struct UnknownPeriodKind(String);

impl FromStr for PeriodKind {
    type Err = UnknownPeriodKind;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "year" => Ok(Self::Year),
            "quarter" => Ok(Self::Quarter),
            "month" => Ok(Self::Month),
            _ => Err(UnknownPeriodKind(word.to_owned())),
        }
    }
}

impl fmt::Display for PeriodKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Year => "year",
            Self::Quarter => "quarter",
            Self::Month => "month",
        })
    }
}

/// One year, quarter or month. Periods of one kind are ordered in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    kind: PeriodKind,
    /// Periods since the beginning of the year 0.
    number: i32,
}

impl Period {
    /// The period of this kind in which the date lies.
    #[must_use]
    pub fn of(kind: PeriodKind, date: NaiveDate) -> Self {
        let months = 12 / kind.per_year();
        Self { kind, number: date.year() * kind.per_year() + date.month0() as i32 / months }
    }

    /// Its kind.
    #[must_use]
    pub fn kind(self) -> PeriodKind {
        self.kind
    }

    /// The period `steps` later; earlier where `steps` is negative.
    #[must_use]
    pub fn later(self, steps: i32) -> Self {
        Self { number: self.number + steps, ..self }
    }

    /// The one after it.
    #[must_use]
    pub fn successor(self) -> Self {
        self.later(1)
    }

    /// Periods from `self` to `other`; negative where `other` is earlier.
    #[must_use]
    pub fn steps_to(self, other: Self) -> i32 {
        other.number - self.number
    }

    /// Its first day.
    #[must_use]
    pub fn first_day(self) -> NaiveDate {
        let per_year = self.kind.per_year();
        let month = self.number.rem_euclid(per_year) * (12 / per_year) + 1;
        NaiveDate::from_ymd_opt(self.number.div_euclid(per_year), month as u32, 1).unwrap_or(NaiveDate::MAX)
    }

    /// Its last day.
    #[must_use]
    pub fn last_day(self) -> NaiveDate {
        self.successor().first_day().checked_sub_days(Days::new(1)).unwrap_or(NaiveDate::MAX)
    }

    /// The label of a span of periods, `2007..2009`; of a single one, `2007`.
    #[must_use]
    pub fn span(first: Self, last: Self) -> String {
        if first == last { first.to_string() } else { format!("{first}..{last}") }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_year = self.kind.per_year();
        let (year, part) = (self.number.div_euclid(per_year), self.number.rem_euclid(per_year) + 1);
        match self.kind {
            PeriodKind::Year => write!(formatter, "{year:04}"),
            PeriodKind::Quarter => write!(formatter, "{year:04}-Q{part}"),
            PeriodKind::Month => write!(formatter, "{year:04}-{part:02}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn labels_are_those_of_the_contract() {
        let day = date("2007-08-31");
        let label = |kind| Period::of(kind, day).to_string();
        assert_eq!(label(PeriodKind::Year), "2007");
        assert_eq!(label(PeriodKind::Quarter), "2007-Q3");
        assert_eq!(label(PeriodKind::Month), "2007-08");
        let first = Period::of(PeriodKind::Quarter, date("2006-12-31"));
        assert_eq!(Period::span(first, first.later(2)), "2006-Q4..2007-Q2");
        assert_eq!(Period::span(first, first), "2006-Q4");
    }

    #[test]
    fn the_years_0_and_9999_are_periods_too() {
        assert_eq!(Period::of(PeriodKind::Month, date("0000-01-01")).to_string(), "0000-01");
        assert_eq!(Period::of(PeriodKind::Month, date("9999-12-31")).last_day(), date("9999-12-31"));
    }

    #[test]
    fn a_kind_is_read_from_the_word_that_it_prints() {
        for kind in [PeriodKind::Year, PeriodKind::Quarter, PeriodKind::Month] {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert!("week".parse::<PeriodKind>().is_err());
    }

    proptest! {
        #[test]
        fn every_day_lies_in_its_period_and_in_no_other(days in -800_000i32..3_000_000, kind in 0usize..3) {
            let kind = [PeriodKind::Year, PeriodKind::Quarter, PeriodKind::Month][kind];
            let day = NaiveDate::from_num_days_from_ce_opt(days).unwrap();
            let period = Period::of(kind, day);
            prop_assert!(period.first_day() <= day && day <= period.last_day());
            prop_assert_eq!(Period::of(kind, period.first_day()), period);
            prop_assert_eq!(period.successor().first_day(), period.last_day().succ_opt().unwrap());
            prop_assert_eq!(period.steps_to(period.later(-5)), -5);
        }
    }
}
