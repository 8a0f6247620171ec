//! When documents appear: an archive that grows threefold over its complete years, its last year cut off where told.
//!
//! Invariant: documents are numbered in the order of their dates; each year owns one range of those numbers.

use std::ops::Range;

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};

use super::draw::{Draw, Purpose};

const SECONDS_PER_DAY: u64 = 86_400;
/// Fineness of a document's place within its slot of the year.
const SLOT_PARTS: u64 = 1 << 20;

/// One year of the archive.
#[derive(Debug)]
pub(super) struct Year {
    pub(super) number: i32,
    /// Per mille of the complete years that lie before this one, at most 1000.
    pub(super) position: u32,
    /// The ordinals of its documents.
    pub(super) ordinals: Range<u64>,
    first_day: NaiveDate,
    num_days: u64,
}

/// All years, without a gap.
#[derive(Debug)]
pub(super) struct Calendar {
    pub(super) years: Vec<Year>,
    seed: u64,
}

impl Calendar {
    /// Lays `documents` out from the first of January of `first_year` to `until`, both included.
    ///
    /// There is no year at all where `until` lies before that; `Plan::check` refuses such a plan.
    pub(super) fn new(documents: u64, seed: u64, first_year: i32, until: NaiveDate) -> Self {
        let spans: Vec<(NaiveDate, u64)> = (first_year..=until.year())
            .filter_map(|number| {
                let first_day = NaiveDate::from_ymd_opt(number, 1, 1)?;
                let last_day = NaiveDate::from_ymd_opt(number, 12, 31)?.min(until);
                Some((first_day, ((last_day - first_day).num_days() + 1) as u64))
            })
            .collect();
        let num_complete = spans.iter().filter(|(_, num_days)| *num_days >= 365).count().max(1);
        let weights = spans.iter().enumerate().map(|(i, (_, num_days))| yearly_weight(i, num_complete) * num_days);
        let total: u64 = weights.clone().sum();
        let mut passed = 0;
        let years = spans.iter().zip(weights).enumerate().map(|(i, (&(first_day, num_days), weight))| {
            let start = portion(documents, passed, total);
            passed += weight;
            Year {
                number: first_day.year(),
                position: (1000 * i / num_complete).min(1000) as u32,
                ordinals: start..portion(documents, passed, total),
                first_day,
                num_days,
            }
        });
        Self { years: years.collect(), seed }
    }

    /// The place in `years` of the year that owns an ordinal.
    pub(super) fn year_index(&self, ordinal: u64) -> usize {
        self.years.partition_point(|year| year.ordinals.end <= ordinal)
    }

    /// The instant of a document: evenly spread over its year, shaken within its own slot.
    pub(super) fn instant(&self, ordinal: u64) -> DateTime<Utc> {
        let year = &self.years[self.year_index(ordinal)];
        let documents = (year.ordinals.end - year.ordinals.start).max(1);
        let slot = (ordinal - year.ordinals.start) * SLOT_PARTS;
        let part = slot + Draw::new(self.seed, Purpose::Instant, ordinal).below(SLOT_PARTS);
        let second = portion(year.num_days * SECONDS_PER_DAY, part, documents * SLOT_PARTS);
        year.first_day.and_time(chrono::NaiveTime::MIN).and_utc() + TimeDelta::seconds(second as i64)
    }
}

/// Grows linearly from one in the first complete year to three in the last.
fn yearly_weight(index: usize, num_complete: usize) -> u64 {
    ((num_complete - 1).max(1) + 2 * index) as u64
}

fn portion(whole: u64, part: u64, total: u64) -> u64 {
    (u128::from(whole) * u128::from(part) / u128::from(total.max(1))) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(until: &str) -> Calendar {
        Calendar::new(3000, 7, 2004, until.parse().expect("a date"))
    }

    #[test]
    fn instants_rise_with_the_ordinal_and_stay_within_the_archive() {
        let calendar = calendar("2023-12-31");
        let instants: Vec<_> = (0..3000).map(|ordinal| calendar.instant(ordinal)).collect();
        assert!(instants.windows(2).all(|pair| pair[0] <= pair[1]));
        assert_eq!((instants[0].year(), instants[2999].year()), (2004, 2023));
    }

    #[test]
    fn an_archive_grows_threefold() {
        let years = calendar("2023-12-31").years;
        let sizes: Vec<u64> = years.iter().map(|year| year.ordinals.end - year.ordinals.start).collect();
        assert_eq!(sizes.iter().sum::<u64>(), 3000);
        assert!((28..=32).contains(&(10 * sizes[19] / sizes[0])), "{sizes:?}");
    }

    #[test]
    fn a_year_that_breaks_off_holds_its_part_of_the_documents() {
        let years = calendar("2024-04-30").years;
        let size = |i: usize| years[i].ordinals.end - years[i].ordinals.start;
        assert_eq!(years.len(), 21);
        assert!(size(20) * 2 < size(19), "{} of {}", size(20), size(19));
        assert_eq!(years[20].position, 1000);
    }
}
