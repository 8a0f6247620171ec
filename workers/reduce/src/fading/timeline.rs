//! Documents' topics, dates and categories → counts per topic and period, with the periods that can be trusted marked.
//!
//! Every period between the first and the last dated document has its place, empty ones too. The complete periods come
//! first, the incomplete ones follow: those at the end that hold almost nothing, before them one that breaks off early; or
//! all that end after a given day. Which periods are thin or lopsided is told, and changes nothing. Where the periods end
//! is found in `ending`; what the counts mean is left to `change`.

use super::ending::{MOST_PREDECESSORS, num_held};
use super::period::Period;
use crate::categories::CategoryNumbers;
use chrono::{Datelike, NaiveDate};
use std::collections::BTreeMap;
use strata_shared::settings::PeriodLength;
use thiserror::Error;

/// A last period is incomplete if, going by its predecessors, chance alone would leave its final stretch as empty as it
/// is with at most this probability.
const BREAK_OFF_PROBABILITY: f64 = 0.05;

/// The days by which the ends of periods may scatter: a week, since one late paper must not excuse a year that breaks off.
const MOST_SCATTER: i64 = 7;

/// The part of a period that may be missing at its end unnoticed: a week of a year, which moves no share by much.
const END_SLACK: f64 = 0.02;

/// The days that may be missing at the end of any period: a long weekend.
const END_SLACK_DAYS: f64 = 3.0;
/// A period is thin below this part of what its neighbours lead to expect. One of two yearly venues missing is 0.5.
const THIN: f64 = 0.6;
/// A thin period is also below this part of either side, so that the last one before an archive's leap is not thin.
const THIN_BESIDE: f64 = 0.75;
/// A period is lopsided when this part of its documents would have to change category to match its neighbours.
const LOPSIDED: f64 = 0.25;

/// A document that cannot be counted.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TimelineError {
    /// A label that no topic has.
    #[error("label {label} is outside 0..{num_topics}")]
    Label {
        /// The label found.
        label: i32,
        /// Number of topics expected.
        num_topics: usize,
    },
}

/// Documents per topic and period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// All periods from the first to the last dated document, oldest first.
    pub periods: Vec<Period>,
    /// Dated documents of all topics, per period.
    pub totals: Vec<u64>,
    /// Whether the period is complete; all complete ones come before the others.
    pub complete: Vec<bool>,
    /// Whether the period has far fewer documents than those on either side.
    pub thin: Vec<bool>,
    /// Whether the period's mix of categories is far from its neighbours': a share there can move with the mix.
    pub lopsided: Vec<bool>,
    /// Dated documents, `[topic][period]`; topic i has the label i.
    pub counts: Vec<Vec<u64>>,
    /// Documents without a date, per topic.
    pub undated: Vec<u64>,
}

impl Timeline {
    /// Number of complete periods.
    #[must_use]
    pub fn num_complete(&self) -> usize {
        self.complete.iter().filter(|&&complete| complete).count()
    }
}

/// Counts documents one by one, in any order.
#[derive(Clone, Debug)]
pub struct TimelineBuilder {
    kind: PeriodLength,
    num_topics: usize,
    counts: BTreeMap<Period, Vec<u64>>,
    days: BTreeMap<NaiveDate, u64>,
    mixes: BTreeMap<Period, BTreeMap<u32, u64>>,
    categories: CategoryNumbers,
    undated: Vec<u64>,
}

impl TimelineBuilder {
    /// Begins an empty timeline of `num_topics` topics.
    #[must_use]
    pub fn new(kind: PeriodLength, num_topics: usize) -> Self {
        Self {
            kind,
            num_topics,
            counts: BTreeMap::new(),
            days: BTreeMap::new(),
            mixes: BTreeMap::new(),
            categories: CategoryNumbers::default(),
            undated: vec![0; num_topics],
        }
    }

    /// Counts one document. Of `categories`, separated by spaces, the first one is its category.
    ///
    /// # Errors
    /// [`TimelineError::Label`] if no topic has the label.
    pub fn add(&mut self, label: i32, date: Option<NaiveDate>, categories: &str) -> Result<(), TimelineError> {
        let topic = usize::try_from(label).ok().filter(|&topic| topic < self.num_topics);
        let topic = topic.ok_or(TimelineError::Label { label, num_topics: self.num_topics })?;
        let Some(date) = date else {
            self.undated[topic] += 1;
            return Ok(());
        };
        let period = Period::of(self.kind, date);
        self.counts.entry(period).or_insert_with(|| vec![0; self.num_topics])[topic] += 1;
        *self.days.entry(date).or_default() += 1;
        if let Some(category) = self.categories.number(categories.split(' ').next().unwrap_or_default()) {
            *self.mixes.entry(period).or_default().entry(category).or_default() += 1;
        }
        Ok(())
    }

    /// Numbers the categories by their names, so that sums over them are taken in one order; no mix is left where there
    /// are too many.
    fn order_categories(&mut self) {
        let Some(ranks) = self.categories.ranks() else { return self.mixes.clear() };
        for mix in self.mixes.values_mut() {
            *mix = mix.iter().map(|(category, count)| (ranks[*category as usize], *count)).collect();
        }
    }

    /// Ends the counting. `until` is the last day covered; without it the last periods are judged by their predecessors.
    #[must_use]
    pub fn finish(mut self, until: Option<NaiveDate>) -> Timeline {
        self.order_categories();
        let periods = self.all_periods();
        let of = |period: &Period, topic: usize| self.counts.get(period).map_or(0, |counts| counts[topic]);
        let totals: Vec<u64> =
            periods.iter().map(|period| self.counts.get(period).map_or(0, |counts| counts.iter().sum())).collect();
        let season = self.kind.per_year() as usize;
        let num_complete = match until {
            Some(until) => periods.partition_point(|period| period.last_day() <= until),
            None => self.num_complete(&periods, &totals),
        };
        let complete: Vec<bool> = (0..periods.len()).map(|at| at < num_complete).collect();
        let complete_periods = &periods[..num_complete];
        Timeline {
            thin: (0..periods.len()).map(|at| complete[at] && is_thin(&totals, &complete, at, season)).collect(),
            lopsided: (0..periods.len()).map(|at| complete[at] && self.is_lopsided(complete_periods, at)).collect(),
            counts: (0..self.num_topics).map(|topic| periods.iter().map(|p| of(p, topic)).collect()).collect(),
            undated: self.undated,
            periods,
            totals,
            complete,
        }
    }

    fn all_periods(&self) -> Vec<Period> {
        let ends = self.counts.keys().next().zip(self.counts.keys().next_back());
        ends.map_or_else(Vec::new, |(first, last)| (0..=first.steps_to(*last)).map(|i| first.later(i)).collect())
    }

    /// The number of periods up to the last one that holds more than almost nothing, less this one if it breaks off.
    fn num_complete(&self, periods: &[Period], totals: &[u64]) -> usize {
        let num_held = num_held(totals, self.kind.per_year() as usize);
        num_held - usize::from(self.breaks_off(&periods[..num_held]))
    }

    /// Whether the last period breaks off earlier than its predecessors did.
    ///
    /// `beyond` is the part of the predecessors' documents that came after the day of the period on which the last one
    /// ends. If it went on like them, all its n documents would come by that day with probability (1 − beyond)^n.
    fn breaks_off(&self, periods: &[Period]) -> bool {
        let Some((&last, earlier)) = periods.split_last() else { return false };
        let predecessors = self.predecessors(last, earlier);
        if self.ends_like(last, &predecessors) {
            return false;
        }
        let (before, after) = predecessors
            .iter()
            .map(|&period| self.split_at(period, self.last_place(last)))
            .fold((0, 0), |(a, b), (before, after)| (a + before, b + after));
        let beyond = after as f64 / (before + after).max(1) as f64;
        let documents: u64 = self.days.range(last.first_day()..=last.last_day()).map(|(_, count)| count).sum();
        (1.0 - beyond).powf(documents as f64) <= BREAK_OFF_PROBABILITY
    }

    /// Whether the last period ends about when its predecessors did: no earlier than their ends scatter about the median, by
    /// [`MOST_SCATTER`] at most, give or take [`END_SLACK`]. What comes weekly, on working days or in batches ends on
    /// another day each time.
    fn ends_like(&self, last: Period, predecessors: &[Period]) -> bool {
        let mut ends: Vec<i64> = predecessors.iter().map(|&period| self.days_held(period)).collect();
        ends.sort_unstable();
        let (Some(&median), Some(&latest)) = (ends.get(ends.len() / 2), ends.last()) else { return false };
        let length = (last.last_day() - last.first_day()).num_days() as f64;
        let scatter = (latest - median).min(MOST_SCATTER);
        self.days_held(last) as f64 >= (median - scatter) as f64 - (END_SLACK * length).max(END_SLACK_DAYS)
    }

    /// The days from the period's first one to its last document.
    fn days_held(&self, period: Period) -> i64 {
        let last = self.days.range(period.first_day()..=period.last_day()).next_back();
        last.map_or(0, |(day, _)| (*day - period.first_day()).num_days())
    }

    /// The latest periods that have documents: of the same season, where there is one, since conferences have seasons.
    fn predecessors(&self, last: Period, earlier: &[Period]) -> Vec<Period> {
        let filled = || earlier.iter().rev().copied().filter(|period| self.counts.contains_key(period));
        let season = |period: &Period| period.steps_to(last) % last.kind().per_year() == 0;
        let same: Vec<Period> = filled().filter(season).take(MOST_PREDECESSORS).collect();
        if same.is_empty() { filled().take(MOST_PREDECESSORS).collect() } else { same }
    }

    /// Documents of the period up to a place in it, and after it.
    fn split_at(&self, period: Period, last: Place) -> (u64, u64) {
        let days = self.days.range(period.first_day()..=period.last_day());
        days.fold(
            (0, 0),
            |(before, after), (day, count)| {
                if place(period, *day) <= last { (before + count, after) } else { (before, after + count) }
            },
        )
    }

    fn last_place(&self, period: Period) -> Place {
        let last = self.days.range(period.first_day()..=period.last_day()).next_back();
        last.map_or((0, 0), |(day, _)| place(period, *day))
    }

    /// Total variation distance to the pooled mix of up to two filled neighbours on each side, of the same season, among the
    /// complete `periods`; sampling noise allowed for.
    fn is_lopsided(&self, periods: &[Period], at: usize) -> bool {
        let Some(own) = self.mixes.get(&periods[at]) else { return false };
        let filled = |period: &&Period| self.mixes.contains_key(*period);
        let season = self.kind.per_year() as usize;
        let before = periods[..=at].iter().rev().step_by(season).skip(1).filter(filled).take(2);
        let after = periods[at..].iter().step_by(season).skip(1).filter(filled).take(2);
        let mut around: BTreeMap<u32, u64> = BTreeMap::new();
        for (category, count) in before.chain(after).filter_map(|period| self.mixes.get(period)).flatten() {
            *around.entry(*category).or_default() += count;
        }
        let (own_total, around_total) = (own.values().sum::<u64>() as f64, around.values().sum::<u64>() as f64);
        if around_total == 0.0 {
            return false;
        }
        let categories: std::collections::BTreeSet<u32> = own.keys().chain(around.keys()).copied().collect();
        let (mut distance, mut noise) = (0.0, 0.0);
        for category in categories {
            let count = |mix: &BTreeMap<u32, u64>| mix.get(&category).map_or(0.0, |&count| count as f64);
            let pooled = (count(own) + count(&around)) / (own_total + around_total);
            distance += 0.5 * (count(own) / own_total - count(&around) / around_total).abs();
            // Half the mean absolute difference of two samples of one mix: 0.4 standard deviations.
            noise += 0.4 * (pooled * (1.0 - pooled) * (1.0 / own_total + 1.0 / around_total)).sqrt();
        }
        distance > LOPSIDED + 2.0 * noise
    }
}

/// Months since the period's first, and day of the month: the 28th of October is at the same place in every year.
type Place = (i32, u32);

fn place(period: Period, day: NaiveDate) -> Place {
    (Period::of(PeriodLength::Month, period.first_day()).steps_to(Period::of(PeriodLength::Month, day)), day.day())
}

/// Compares with the geometric mean of both sides, each the mean of up to two filled complete neighbours of the same
/// season, which are `season` periods apart; the last ones with the side that there is. The first ones of a growing
/// archive are small and not thin.
fn is_thin(totals: &[u64], complete: &[bool], at: usize, season: usize) -> bool {
    let side = |neighbours: &mut dyn Iterator<Item = usize>| {
        let filled: Vec<u64> =
            neighbours.filter(|&i| totals[i] > 0 && complete[i]).take(2).map(|i| totals[i]).collect();
        (!filled.is_empty()).then(|| filled.iter().sum::<u64>() as f64 / filled.len() as f64)
    };
    let Some(before) = side(&mut (0..=at).rev().step_by(season).skip(1)) else { return false };
    let after = side(&mut (at..totals.len()).step_by(season).skip(1)).unwrap_or(before);
    let total = totals[at] as f64;
    total > 0.0 && total < THIN * (before * after).sqrt() && total < THIN_BESIDE * before.min(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline(kind: PeriodLength, until: Option<&str>, days: &[(&str, u64)]) -> Timeline {
        let mut builder = TimelineBuilder::new(kind, 1);
        for (day, count) in days {
            (0..*count).for_each(|_| builder.add(0, Some(day.parse().unwrap()), "cs").unwrap());
        }
        builder.finish(until.map(|day| day.parse().unwrap()))
    }

    #[test]
    fn empty_periods_between_have_their_place() {
        let timeline = timeline(PeriodLength::Quarter, None, &[("2001-02-03", 2), ("2001-11-01", 3)]);
        assert_eq!(timeline.totals, [2, 0, 0, 3]);
        assert_eq!(timeline.counts, [[2, 0, 0, 3]]);
        assert_eq!(timeline.periods[3].to_string(), "2001-Q4");
    }

    #[test]
    fn a_last_year_that_breaks_off_in_may_is_incomplete() {
        let days: [(&str, u64); 5] =
            [("2001-05-30", 20), ("2001-12-20", 20), ("2002-05-30", 20), ("2002-12-20", 20), ("2003-05-30", 20)];
        assert_eq!(timeline(PeriodLength::Year, None, &days).complete, [true, true, false]);
    }

    #[test]
    fn years_that_all_end_in_october_are_complete() {
        let days = [("2003-05-30", 20), ("2003-10-28", 20), ("2004-10-28", 200), ("2005-10-28", 20)];
        assert_eq!(timeline(PeriodLength::Year, None, &days).complete, [true, true, true]);
        assert!(timeline(PeriodLength::Quarter, None, &days).complete.iter().all(|&complete| complete));
    }

    #[test]
    fn a_year_of_few_documents_that_ends_a_little_earlier_is_complete() {
        let days = [("2001-03-30", 5), ("2001-12-28", 1), ("2002-03-30", 5), ("2002-12-30", 1), ("2003-12-22", 6)];
        assert_eq!(timeline(PeriodLength::Year, None, &days).complete, [true, true, true]);
    }

    /// The days on which something came between two years, `step` days apart.
    fn every(step: usize, first: &str, last: &str) -> Vec<NaiveDate> {
        let (first, last): (NaiveDate, NaiveDate) = (first.parse().unwrap(), last.parse().unwrap());
        first.iter_days().step_by(step).take_while(|day| *day <= last).collect()
    }

    fn num_incomplete(kind: PeriodLength, days: &[NaiveDate]) -> usize {
        let mut builder = TimelineBuilder::new(kind, 1);
        days.iter().for_each(|day| (0..20).for_each(|_| builder.add(0, Some(*day), "cs").unwrap()));
        let timeline = builder.finish(None);
        timeline.periods.len() - timeline.num_complete()
    }

    #[test]
    fn what_comes_weekly_or_on_working_days_is_complete_to_its_last_day() {
        let tuesdays = every(7, "2010-01-05", "2023-12-31");
        let working_days: Vec<NaiveDate> = every(1, "2010-01-01", "2023-12-31")
            .into_iter()
            .filter(|day| day.weekday().num_days_from_monday() < 5)
            .collect();
        for kind in [PeriodLength::Year, PeriodLength::Quarter, PeriodLength::Month] {
            for last in ["2021-12-31", "2022-12-31", "2023-09-30", "2023-12-31"] {
                let last: NaiveDate = last.parse().unwrap();
                if kind == PeriodLength::Year && last.month() != 12 {
                    continue;
                }
                for days in [&tuesdays, &working_days] {
                    let until: Vec<NaiveDate> = days.iter().copied().filter(|day| *day <= last).collect();
                    assert_eq!(num_incomplete(kind, &until), 0, "{kind:?} to {last}");
                }
            }
        }
        assert_eq!(num_incomplete(PeriodLength::Year, &every(1, "2010-01-01", "2023-12-30")), 0);
    }

    #[test]
    fn one_late_predecessor_does_not_excuse_a_year_that_breaks_off() {
        let mut days: Vec<(String, u64)> = (2015..2020).map(|year| (format!("{year}-06-15"), 100)).collect();
        days.extend([("2017-12-08".to_owned(), 1), ("2020-02-20".to_owned(), 30)]);
        let days: Vec<(&str, u64)> = days.iter().map(|(day, count)| (day.as_str(), *count)).collect();
        assert_eq!(timeline(PeriodLength::Year, None, &days).num_complete(), 5);
    }

    #[test]
    fn what_comes_weekly_and_ends_in_november_is_incomplete() {
        assert_eq!(num_incomplete(PeriodLength::Year, &every(7, "2010-01-05", "2023-11-20")), 1);
        assert_eq!(num_incomplete(PeriodLength::Month, &every(1, "2010-01-05", "2023-11-20")), 1);
    }

    #[test]
    fn a_single_period_is_complete() {
        assert_eq!(timeline(PeriodLength::Year, None, &[("2001-03-30", 5)]).complete, [true]);
    }

    #[test]
    fn the_order_of_the_documents_changes_nothing() {
        for num_categories in [1_500, 6_000] {
            let yearly = |year: i32| {
                let category = move |row: i32| format!("{year}/{}", row % num_categories);
                (0..10 * num_categories).map(move |row| (NaiveDate::from_ymd_opt(year, 5, 1), category(row)))
            };
            let built = |rows: &mut dyn Iterator<Item = (Option<NaiveDate>, String)>| {
                let mut builder = TimelineBuilder::new(PeriodLength::Year, 1);
                rows.for_each(|(date, category)| builder.add(0, date, &category).unwrap());
                builder.finish(None)
            };
            let in_order = built(&mut yearly(2000).chain(yearly(2001)));
            let interleaved = built(&mut yearly(2000).zip(yearly(2001)).flat_map(|(one, other)| [one, other]));
            assert_eq!(in_order, interleaved, "{num_categories} categories a year");
        }
    }

    #[test]
    fn a_date_far_in_the_future_is_not_in_a_complete_period() {
        let yearly: Vec<String> = (2010..2024).map(|year| format!("{year}-12-15")).collect();
        let mut days: Vec<(&str, u64)> = yearly.iter().map(|day| (day.as_str(), 100)).collect();
        let without = timeline(PeriodLength::Year, None, &days);
        days.push(("2032-06-01", 1));
        let with = timeline(PeriodLength::Year, None, &days);
        assert_eq!((without.num_complete(), with.num_complete(), with.periods.len()), (14, 14, 23));
    }

    #[test]
    fn the_period_before_those_that_hold_almost_nothing_may_break_off() {
        let days: [(&str, u64); 6] = [
            ("2001-05-30", 50),
            ("2001-12-20", 50),
            ("2002-05-30", 50),
            ("2002-12-20", 50),
            ("2003-05-30", 50),
            ("2008-03-01", 1),
        ];
        let complete = timeline(PeriodLength::Year, None, &days).complete;
        assert_eq!(complete, [true, true, false, false, false, false, false, false]);
    }

    #[test]
    fn until_decides_alone() {
        let days = [("2001-05-30", 20), ("2001-10-28", 20), ("2002-10-28", 20), ("2003-10-28", 20)];
        assert_eq!(timeline(PeriodLength::Year, Some("2003-10-28"), &days).complete, [true, true, false]);
        assert_eq!(timeline(PeriodLength::Year, Some("2003-12-31"), &days).complete, [true, true, true]);
        assert_eq!(timeline(PeriodLength::Year, Some("1999-12-31"), &days).complete, [false, false, false]);
    }

    #[test]
    fn a_year_without_its_first_venue_is_thin_and_lopsided() {
        let mut builder = TimelineBuilder::new(PeriodLength::Year, 1);
        for year in 2000..2010 {
            for document in 0..20 * (year - 1999) {
                let venue = if document % 2 == 0 { "icra robots" } else { "iros" };
                if year != 2006 || venue == "iros" {
                    builder.add(0, NaiveDate::from_ymd_opt(year, 5, 1), venue).unwrap();
                }
            }
        }
        let timeline = builder.finish(None);
        let marked = |flags: &[bool]| -> Vec<String> {
            timeline
                .periods
                .iter()
                .zip(flags)
                .filter(|(_, flag)| **flag)
                .map(|(period, _)| period.to_string())
                .collect()
        };
        assert_eq!(marked(&timeline.thin), ["2006"]);
        assert_eq!(marked(&timeline.lopsided), ["2006"]);
    }

    #[test]
    fn seasons_are_neither_thin_nor_lopsided() {
        let mut builder = TimelineBuilder::new(PeriodLength::Quarter, 1);
        for year in 2000..2010 {
            for (month, venue, papers) in [(5, "icra", 30), (10, "iros", 90)] {
                (0..papers).for_each(|_| builder.add(0, NaiveDate::from_ymd_opt(year, month, 1), venue).unwrap());
            }
        }
        let timeline = builder.finish(None);
        assert!(!timeline.thin.contains(&true) && !timeline.lopsided.contains(&true));
    }

    #[test]
    fn undated_documents_are_set_apart() {
        let mut builder = TimelineBuilder::new(PeriodLength::Year, 2);
        builder.add(1, None, "").unwrap();
        let timeline = builder.finish(None);
        assert_eq!((timeline.undated, timeline.periods.len()), (vec![0, 1], 0));
    }

    #[test]
    fn a_foreign_label_is_refused() {
        let mut builder = TimelineBuilder::new(PeriodLength::Year, 2);
        assert_eq!(builder.add(2, None, ""), Err(TimelineError::Label { label: 2, num_topics: 2 }));
        assert_eq!(builder.add(-1, None, ""), Err(TimelineError::Label { label: -1, num_topics: 2 }));
    }
}
