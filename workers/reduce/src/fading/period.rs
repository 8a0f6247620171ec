//! Dates → the years, quarters or months that they lie in, and the arithmetic of those.
//!
//! A period is its kind and a running number, so that successors and distances are integer arithmetic and order is
//! order in time. What a period holds is left to `timeline`.

use chrono::{Datelike, Days, NaiveDate};
use std::fmt;
use strata_shared::settings::PeriodLength;

/// One year, quarter or month. Periods of one kind are ordered in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    kind: PeriodLength,
    /// Periods since the beginning of the year 0.
    number: i32,
}

impl Period {
    /// The period of this kind in which the date lies.
    #[must_use]
    pub fn of(kind: PeriodLength, date: NaiveDate) -> Self {
        let months = 12 / kind.per_year();
        Self { kind, number: date.year() * kind.per_year() + date.month0() as i32 / months }
    }

    /// Its kind.
    #[must_use]
    pub fn kind(self) -> PeriodLength {
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
            PeriodLength::Year => write!(formatter, "{year:04}"),
            PeriodLength::Quarter => write!(formatter, "{year:04}-Q{part}"),
            PeriodLength::Month => write!(formatter, "{year:04}-{part:02}"),
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
        assert_eq!(label(PeriodLength::Year), "2007");
        assert_eq!(label(PeriodLength::Quarter), "2007-Q3");
        assert_eq!(label(PeriodLength::Month), "2007-08");
        let first = Period::of(PeriodLength::Quarter, date("2006-12-31"));
        assert_eq!(Period::span(first, first.later(2)), "2006-Q4..2007-Q2");
        assert_eq!(Period::span(first, first), "2006-Q4");
    }

    #[test]
    fn the_years_0_and_9999_are_periods_too() {
        assert_eq!(Period::of(PeriodLength::Month, date("0000-01-01")).to_string(), "0000-01");
        assert_eq!(Period::of(PeriodLength::Month, date("9999-12-31")).last_day(), date("9999-12-31"));
    }

    proptest! {
        #[test]
        fn every_day_lies_in_its_period_and_in_no_other(days in -800_000i32..3_000_000, kind in 0usize..3) {
            let kind = [PeriodLength::Year, PeriodLength::Quarter, PeriodLength::Month][kind];
            let day = NaiveDate::from_num_days_from_ce_opt(days).unwrap();
            let period = Period::of(kind, day);
            prop_assert!(period.first_day() <= day && day <= period.last_day());
            prop_assert_eq!(Period::of(kind, period.first_day()), period);
            prop_assert_eq!(period.successor().first_day(), period.last_day().succ_opt().unwrap());
            prop_assert_eq!(period.steps_to(period.later(-5)), -5);
        }
    }
}
