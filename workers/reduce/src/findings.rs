//! Counts of the second pass → topics and their timeline.

use std::num::NonZeroUsize;

use strata_shared::exit::Failure;
use strata_shared::findings::{TimelineEntry, Topic};
use strata_shared::run_record::{PeriodsRecord, PredecessorRecord};

use crate::config::Config;
use crate::corpus::Corpus;
use crate::fading::{self, Change, Period, Timeline};
use crate::labelling::Counts;
use crate::lineage::Identity;

/// Categories shown of each topic.
const TOP_CATEGORIES: usize = 3;

/// The tables of a run, and what a reader of them should know.
#[derive(Debug)]
pub struct Findings {
    /// One entry a topic, in label order.
    pub topics: Vec<Topic>,
    /// One entry a topic and period.
    pub timeline: Vec<TimelineEntry>,
    /// What the periods cover.
    pub periods: PeriodsRecord,
    /// Sentences that the report shows.
    pub notes: Vec<String>,
}

/// What topics come from.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// Why there are fewer clusters than asked for, if so.
    pub lowered: Option<&'a str>,
    /// The run that is followed.
    pub predecessor: Option<&'a PredecessorRecord>,
    /// Who each topic is, in label order.
    pub identities: &'a [Identity],
}

/// Measures every topic's change and puts the tables together.
///
/// # Errors
/// [`Failure`] if no thread can be had.
pub async fn make(config: &Config, corpus: &Corpus, counts: &Counts, origin: Origin<'_>) -> Result<Findings, Failure> {
    let recent = NonZeroUsize::new(config.settings.recent).unwrap_or(NonZeroUsize::MIN);
    let settings = fading::Settings { recent, seed: config.settings.seed };
    let timeline = counts.timeline.clone();
    let changes = config.compute(move || Ok(fading::measure(&timeline, settings))).await?;
    Ok(Findings {
        topics: topics(counts, &changes, origin.identities),
        timeline: timeline_entries(&counts.timeline),
        periods: periods(&counts.timeline, config.settings.recent),
        notes: notes(config, corpus, counts, origin),
    })
}

fn topics(counts: &Counts, changes: &[Change], identities: &[Identity]) -> Vec<Topic> {
    let fading = ranks(&fading::fading_order(changes), changes, |change| change.status.is_decline());
    let emerging = ranks(&fading::emerging_order(changes), changes, |change| change.status.is_growth());
    changes
        .iter()
        .enumerate()
        .map(|(label, change)| {
            let Identity { id: topic_id, strength, .. } = identities[label];
            let (fading_rank, emerging_rank) = (fading[label], emerging[label]);
            Topic { fading_rank, emerging_rank, topic_id, strength, ..topic(counts, label, change) }
        })
        .collect()
}

/// The places of those topics in `order` for which `is_listed` holds, from 1.
fn ranks(order: &[usize], changes: &[Change], is_listed: impl Fn(&Change) -> bool) -> Vec<Option<i32>> {
    let mut ranks = vec![None; changes.len()];
    let listed = order.iter().filter(|&&topic| is_listed(&changes[topic]));
    listed.enumerate().for_each(|(at, &topic)| ranks[topic] = Some(at as i32 + 1));
    ranks
}

fn topic(counts: &Counts, label: usize, change: &Change) -> Topic {
    let (name, days) = (&counts.names[label], counts.days[label]);
    Topic {
        label: label as i32,
        name: name.name.clone(),
        terms: name.terms.clone(),
        size: counts.sizes[label] as i64,
        first: days.map(|(first, _)| first),
        last: days.map(|(_, last)| last),
        peak_period: change.peak_period.clone(),
        peak_share: change.peak_share,
        recent_share: change.recent_share,
        fade: change.fade,
        fade_low: change.fade_low,
        fade_high: change.fade_high,
        status: change.status,
        top_categories: counts.categories.of_topic(label, TOP_CATEGORIES),
        representative_ids: counts.representatives.of_topic(label),
        fading_rank: None,
        emerging_rank: None,
        topic_id: label as i64,
        strength: None,
    }
}

/// Says that the clustering began anew.
fn trapped(predecessor: &PredecessorRecord) -> String {
    format!(
        "clusters started afresh: from the centroids of {} their inertia would be {:.1} % higher; topics that are still \
         there keep their ids",
        predecessor.run,
        100.0 * predecessor.excess
    )
}

fn timeline_entries(timeline: &Timeline) -> Vec<TimelineEntry> {
    let of_topic = |(label, counts): (usize, &Vec<u64>)| {
        let entries = counts.iter().enumerate().map(move |(at, &count)| {
            let total = timeline.totals[at];
            TimelineEntry {
                label: label as i32,
                period: timeline.periods[at].first_day(),
                count: count as i64,
                total: total as i64,
                share: if total == 0 { 0.0 } else { count as f64 / total as f64 },
                complete: timeline.complete[at],
            }
        });
        entries.collect::<Vec<_>>()
    };
    timeline.counts.iter().enumerate().flat_map(of_topic).collect()
}

fn periods(timeline: &Timeline, recent: usize) -> PeriodsRecord {
    let complete: Vec<Period> = chosen(timeline, &timeline.complete);
    let recent_first = complete.len().saturating_sub(recent);
    let span = complete.get(recent_first).zip(complete.last()).map(|(&first, &last)| Period::span(first, last));
    let incomplete: Vec<bool> = timeline.complete.iter().map(|complete| !complete).collect();
    let flagged: Vec<bool> =
        timeline.thin.iter().zip(&timeline.lopsided).map(|(&thin, &lopsided)| thin || lopsided).collect();
    let labels = |flags: &[bool]| chosen(timeline, flags).iter().map(ToString::to_string).collect();
    PeriodsRecord {
        undated: timeline.undated.iter().sum(),
        recent: span,
        incomplete: labels(&incomplete),
        thin: labels(&flagged),
    }
}

fn chosen(timeline: &Timeline, flags: &[bool]) -> Vec<Period> {
    timeline.periods.iter().zip(flags).filter(|(_, flag)| **flag).map(|(&period, _)| period).collect()
}

fn notes(config: &Config, corpus: &Corpus, counts: &Counts, origin: Origin<'_>) -> Vec<String> {
    let mut notes: Vec<String> = origin.lowered.map(str::to_owned).into_iter().collect();
    notes.extend(origin.predecessor.filter(|predecessor| !predecessor.warm).map(trapped));
    let (asked, others) = (config.settings.lonely_k, corpus.num_rows().saturating_sub(1));
    if others < asked {
        notes.push(format!(
            "the neighbour that decides on loneliness was lowered from {asked} to {others}: the corpus has {} documents",
            corpus.num_rows()
        ));
    }
    let complete = counts.timeline.num_complete();
    if complete == 0 {
        notes.push("no period is complete, so that nothing can be said of fading and emerging".into());
    } else if complete <= config.settings.recent {
        notes.push(format!(
            "{complete} complete periods are not more than the {} recent ones, so that nothing can have faded",
            config.settings.recent
        ));
    }
    notes
}
