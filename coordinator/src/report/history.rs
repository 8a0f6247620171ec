//! The timeline table → each topic's share, period by period, with the periods to be read with care marked.
//!
//! Invariant: every topic has one count per period, and a period without a document has no share. Where a curve would
//! have more points than a reader could see, neighbouring periods are taken together ([`History::curve`]).

use std::collections::BTreeMap;
use std::ops::Range;

use chrono::{Datelike, NaiveDate};
use strata_shared::findings::{Findings, Topic};
use strata_shared::settings::PeriodLength;

use super::figures;

/// One year, quarter or month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Period {
    /// As windows name it, `2007`, `2007-Q3` or `2007-08`.
    pub(super) name: String,
    pub(super) first_day: NaiveDate,
    /// Dated documents of all topics.
    pub(super) total: i64,
    /// Whether the corpus covers it to its end.
    pub(super) complete: bool,
    /// Whether it has far fewer documents than its neighbours, or another mix of categories.
    pub(super) thin: bool,
}

/// One point of a curve: neighbouring periods taken together.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point {
    /// The periods, by position.
    pub(super) periods: Range<usize>,
    /// The topic's share of their documents; `None` where they have none.
    pub(super) share: Option<f64>,
}

/// All topics' counts over all periods, oldest first.
#[derive(Debug, Clone)]
pub(super) struct History {
    pub(super) periods: Vec<Period>,
    /// The last periods that are complete, where shares are recent.
    pub(super) recent: Option<Range<usize>>,
    counts: BTreeMap<i32, Vec<i64>>,
}

fn period_name(length: PeriodLength, first_day: NaiveDate) -> String {
    let year = first_day.year();
    match length {
        PeriodLength::Year => format!("{year:04}"),
        PeriodLength::Quarter => format!("{year:04}-Q{}", first_day.month0() / 3 + 1),
        PeriodLength::Month => format!("{year:04}-{:02}", first_day.month()),
    }
}

impl History {
    /// Gathers the timeline of a run.
    pub(super) fn new(findings: &Findings) -> Self {
        let record = &findings.record;
        // A note may follow the period's name.
        let is_thin = |name: &str| record.periods.thin.iter().any(|thin| thin.split(' ').next() == Some(name));
        let mut periods: BTreeMap<NaiveDate, Period> = BTreeMap::new();
        for entry in &findings.timeline {
            periods.entry(entry.period).or_insert_with(|| {
                let name = period_name(record.parameters.period, entry.period);
                Period {
                    thin: is_thin(&name),
                    total: entry.total,
                    complete: entry.complete,
                    first_day: entry.period,
                    name,
                }
            });
        }
        let positions: BTreeMap<NaiveDate, usize> = periods.keys().enumerate().map(|(at, day)| (*day, at)).collect();
        let mut counts: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
        for entry in &findings.timeline {
            counts.entry(entry.label).or_insert_with(|| vec![0; positions.len()])[positions[&entry.period]] =
                entry.count;
        }
        let mut history = Self { periods: periods.into_values().collect(), recent: None, counts };
        history.recent = record.periods.recent.as_deref().and_then(|recent| history.window(recent));
        history
    }

    /// Number of complete periods; all of them come before the others.
    pub(super) fn num_complete(&self) -> usize {
        self.periods.iter().take_while(|period| period.complete).count()
    }

    /// Finds the periods of a window such as `2007..2009`.
    pub(super) fn window(&self, window: &str) -> Option<Range<usize>> {
        let (first, last) = window.split_once("..").unwrap_or((window, window));
        let position = |name: &str| self.periods.iter().position(|period| period.name == name);
        Some(position(first)?..position(last)? + 1)
    }

    /// Finds the window of a topic's highest share.
    pub(super) fn peak(&self, topic: &Topic) -> Option<Range<usize>> {
        self.window(topic.peak_period.as_deref()?)
    }

    /// The topics' share of the documents of `periods`; `None` where there is no document.
    pub(super) fn share(&self, labels: &[i32], periods: Range<usize>) -> Option<f64> {
        let total: i64 = self.periods.get(periods.clone())?.iter().map(|period| period.total).sum();
        let counts = labels.iter().filter_map(|label| self.counts.get(label)?.get(periods.clone()));
        (total > 0).then(|| counts.flatten().sum::<i64>() as f64 / total as f64)
    }

    /// The topic's share before the recent window, as far as periods are complete.
    pub(super) fn share_before(&self, label: i32) -> Option<f64> {
        self.share(&[label], 0..self.recent.as_ref()?.start)
    }

    /// The topics' shares over `periods`, in `most` points or fewer.
    pub(super) fn curve(&self, labels: &[i32], periods: Range<usize>, most: usize) -> Vec<Point> {
        let width = periods.len().div_ceil(most.max(1)).max(1);
        let starts = periods.clone().step_by(width);
        starts
            .map(|start| start..(start + width).min(periods.end))
            .map(|periods| Point { share: self.share(labels, periods.clone()), periods })
            .collect()
    }

    /// The first and the last of `periods` by name, `2000–2023`; `None` where there are none.
    pub(super) fn span(&self, periods: Range<usize>) -> Option<String> {
        let periods = self.periods.get(periods)?;
        Some(figures::span(&periods.first()?.name, &periods.last()?.name))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn windows_are_found_by_name() {
        let history = History::new(&fixture::report().findings);
        assert_eq!(history.window("2001..2003"), Some(1..4));
        assert_eq!(history.window("2005"), Some(5..6));
        assert_eq!(history.window("1980..1982"), None);
        assert_eq!(history.recent, Some(21..24));
        assert_eq!((history.periods.len(), history.num_complete()), (25, 24));
    }

    #[test]
    fn the_shares_of_a_period_add_up_to_one() {
        let report = fixture::report();
        let history = History::new(&report.findings);
        let labels: Vec<i32> = report.findings.topics.iter().map(|topic| topic.label).collect();
        assert!((history.share(&labels, 3..4).unwrap() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_curve_of_few_points_takes_periods_together() {
        let history = History::new(&fixture::report().findings);
        let curve = history.curve(&[0], 0..24, 10);
        assert_eq!(curve.len(), 8);
        assert_eq!(curve[7].periods, 21..24);
        assert_eq!(curve[0].share, history.share(&[0], 0..3));
    }

    #[test]
    fn periods_are_named_as_windows_name_them() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        assert_eq!(period_name(PeriodLength::Year, day("0000-01-01")), "0000");
        assert_eq!(period_name(PeriodLength::Quarter, day("2007-07-01")), "2007-Q3");
        assert_eq!(period_name(PeriodLength::Month, day("2007-08-01")), "2007-08");
    }
}
