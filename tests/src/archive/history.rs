//! A topic → the dates of its documents: archives grow, topics rise, hold, fade and die.
//!
//! Invariant: a topic's fate and the expected share of each of its years depend on the seed and the topic alone.

use chrono::NaiveDate;
use serde::Serialize;

use super::draw::{Draw, Purpose};
use super::weighted::Weighted;

/// The years covered, each to its last day.
pub const FIRST_YEAR: i32 = 1991;
/// The last year covered.
pub const LAST_YEAR: i32 = 2024;

/// One document in so many has no date.
const UNDATED_ONE_IN: u64 = 2_000;

const MICROS: i64 = 1_000_000;

/// How a topic's share of an archive moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// Holds its share: half of all topics.
    Holds,
    /// Falls to a fifth from the middle on.
    Fades,
    /// Is gone after four fifths of the years.
    Dies,
    /// Grows to eightfold.
    Rises,
    /// Does not exist for the first three quarters.
    Emerges,
}

impl Fate {
    /// Draws the fate of `topic`.
    #[must_use]
    pub fn of(seed: u64, topic: usize) -> Self {
        match Draw::new(seed, Purpose::Fates, topic as u64).below(20) {
            0..10 => Self::Holds,
            10..13 => Self::Fades,
            13..15 => Self::Dies,
            15..18 => Self::Rises,
            _ => Self::Emerges,
        }
    }

    /// Returns its level at `position`, 0 at the beginning of the archive and 1 at its end.
    #[must_use]
    pub fn level(self, position: f64) -> f64 {
        let ramp = |from: f64, to: f64| ((position - from) / (to - from)).clamp(0.0, 1.0);
        match self {
            Self::Holds => 1.0,
            Self::Fades => 1.0 - 0.8 * ramp(0.4, 0.9),
            Self::Dies => 1.0 - ramp(0.4, 0.8),
            Self::Rises => 0.125 + 0.875 * ramp(0.3, 0.9),
            Self::Emerges => ramp(0.75, 0.95),
        }
    }
}

/// Draws dates of documents.
#[derive(Debug)]
pub(super) struct History {
    seed: u64,
    /// The years of each topic.
    years: Vec<Weighted>,
    /// When each year begins, and when the last one ends, in microseconds since 1970.
    starts: Vec<i64>,
}

impl History {
    /// Plans the years of `num_topics` topics.
    pub(super) fn new(seed: u64, num_topics: usize) -> Self {
        let years = (0..num_topics).map(|topic| Weighted::new(&years_of(Fate::of(seed, topic)))).collect();
        Self { seed, years, starts: (FIRST_YEAR..=LAST_YEAR + 1).map(start_of).collect() }
    }

    /// Draws when the document in `row`, of `topic`, was created; `None` for one in 2,000.
    pub(super) fn created(&self, row: u64, topic: usize) -> Option<i64> {
        let mut draw = Draw::new(self.seed, Purpose::Instant, row);
        if draw.happens(UNDATED_ONE_IN) {
            return None;
        }
        let year = self.years[topic].draw(&mut draw);
        let seconds = (self.starts[year + 1] - self.starts[year]) / MICROS;
        Some(self.starts[year] + draw.below(seconds as u64) as i64 * MICROS)
    }
}

/// Returns the weight of each year: archives grow by as many documents a year, times the topic's level.
fn years_of(fate: Fate) -> Vec<f64> {
    let num_years = f64::from(LAST_YEAR - FIRST_YEAR + 1);
    let weight = |year: i32| {
        let age = f64::from(year - FIRST_YEAR);
        (age + 1.0) * fate.level((age + 0.5) / num_years)
    };
    (FIRST_YEAR..=LAST_YEAR).map(weight).collect()
}

fn start_of(year: i32) -> i64 {
    let day = NaiveDate::from_ymd_opt(year, 1, 1).unwrap_or_default();
    day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_topics_have_no_late_documents_and_new_ones_no_early_ones() {
        let history = History::new(5, 40);
        let day = |year| start_of(year);
        for topic in 0..40 {
            let mut dates = (0..2_000).filter_map(|row| history.created(row, topic));
            match Fate::of(5, topic) {
                Fate::Dies => assert!(dates.all(|date| date < day(2019))),
                Fate::Emerges => assert!(dates.all(|date| date >= day(2016))),
                _ => assert!(dates.all(|date| (day(1991)..day(2025)).contains(&date))),
            }
        }
    }
}
