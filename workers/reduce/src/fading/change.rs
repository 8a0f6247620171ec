//! A timeline → one [`Change`] per topic: shares, fade with its interval, status; and the topics in order of either.
//!
//! The seed and the label decide every draw, so a topic's figures depend on no thread and no neighbour's turn. Counting
//! is left to `timeline`, statistics to the modules beneath.

use super::burstiness::{NoiseWeights, model_weights, noise_likelihoods, noise_prior, posterior};
use super::evidence::{Surprise, discoveries, surprise};
use super::interval::{Bounds, Recent, bounds};
use super::period::Period;
use super::timeline::Timeline;
use super::trend::{Series, fit_all};
use super::window::{peak, share};
use rayon::prelude::*;
use std::cmp::Ordering;
use std::num::NonZeroUsize;
use strata_shared::findings::Status;

/// Of the changes called significant in a corpus, the part that may be chance. Dates shuffled among documents then yield
/// a call in at most 3 corpora of a hundred, before the sizes below are asked for.
const FALSE_DISCOVERY_RATE: f64 = 0.03;
/// A fading topic's recent share is at most this part of its peak.
const FADING: f64 = 0.5;
/// With 97.5 % confidence a fading topic has lost at least a quarter of its expected share.
const FADING_HIGH: f64 = 0.75;
/// An extinct topic's recent share is at most this part of its peak.
const EXTINCT: f64 = 0.05;
/// With 97.5 % confidence an extinct topic has lost at least three quarters of its expected share.
const EXTINCT_HIGH: f64 = 0.25;
/// A rising topic's recent share is at least this multiple of its share over the first half of the time before.
const RISING: f64 = 1.5;
/// It is at least this multiple of its share over all the time before, so that what rose long ago and stayed is steady.
const STILL_RISING: f64 = 1.2;
/// An emerging topic's share over the first half of the time before the recent window is at most this part of its recent
/// one.
const ABSENT: f64 = 0.1;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Length of a window in periods. Where fewer are complete, the window is as long as they are.
    pub recent: NonZeroUsize,
    /// Decides the draws behind the intervals.
    pub seed: u64,
}

/// One topic's share over time, summed up. Figures are absent where a window has no document of any topic, or the topic
/// none that is dated within a complete period.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The topic.
    pub label: i32,
    /// Documents, undated ones too.
    pub size: u64,
    /// Documents dated within a complete period.
    pub dated: u64,
    /// Share over the recent window.
    pub recent_share: Option<f64>,
    /// Highest share over any window of the same length.
    pub peak_share: Option<f64>,
    /// The periods of that window, `2007..2009`; the latest of equals.
    pub peak_period: Option<String>,
    /// Recent over peak share, at most 1.
    pub fade: Option<f64>,
    /// Lower end of the 95 % interval for the ratio of expected shares; at most `fade`.
    pub fade_low: Option<f64>,
    /// Upper end of it; at least `fade`.
    pub fade_high: Option<f64>,
    /// With 97.5 % confidence the recent share is at least this multiple of the share of all earlier periods.
    pub growth_low: Option<f64>,
    /// What became of it.
    pub status: Status,
}

/// A topic whose figures can be had: its counts over complete periods and what its own counts say about noise.
struct Measurable {
    topic: usize,
    series: Series,
    noise: NoiseWeights,
}

/// Measures every topic of a timeline, in order of label.
///
/// Method: interval by Bayesian model averaging over trends and burstiness (see `trend`, `burstiness`, `interval`); calls
/// by conditional tests under a false discovery rate (see `evidence`), and by the sizes that [`Status`] names.
#[must_use]
pub fn measure(timeline: &Timeline, settings: Settings) -> Vec<Change> {
    let width = settings.recent.get().min(timeline.num_complete());
    let mut changes: Vec<Change> = (0..timeline.counts.len()).map(|topic| describe(timeline, topic, width)).collect();
    let measurable = measurable(timeline, &changes);
    let prior = noise_prior(&measurable.iter().map(|topic| topic.noise).collect::<Vec<_>>());
    let found: Vec<(Bounds, Surprise)> =
        measurable.par_iter().map(|topic| examine(topic, width, &prior, settings.seed)).collect();
    let probabilities: Vec<f64> = found.iter().flat_map(|(_, surprise)| [surprise.fall, surprise.rise]).collect();
    let significant = discoveries(&probabilities, FALSE_DISCOVERY_RATE);
    for ((measurable, (bounds, _)), called) in measurable.iter().zip(found).zip(significant.chunks(2)) {
        let change = &mut changes[measurable.topic];
        change.fade_low = change.fade.map(|fade| bounds.fade_low.min(fade));
        change.fade_high = change.fade.map(|fade| bounds.fade_high.max(fade));
        change.growth_low = bounds.growth_low;
        change.status = status(change, &measurable.series, width, called[0], called[1]);
    }
    changes
}

/// The figures that need no statistics.
fn describe(timeline: &Timeline, topic: usize, width: usize) -> Change {
    let series = series_of(timeline, topic);
    let num_periods = series.counts.len();
    let dated = series.counts.iter().sum::<f64>() as u64;
    let mut change = Change {
        label: topic as i32,
        size: timeline.counts[topic].iter().sum::<u64>() + timeline.undated[topic],
        dated,
        recent_share: None,
        peak_share: None,
        peak_period: None,
        fade: None,
        fade_low: None,
        fade_high: None,
        growth_low: None,
        status: if dated == 0 { Status::Undated } else { Status::Steady },
    };
    if dated > 0 {
        let peak = peak(&series.counts, &series.totals, width);
        change.recent_share = share(&series.counts, &series.totals, num_periods - width, num_periods);
        change.peak_share = peak.map(|peak| peak.share);
        change.peak_period =
            peak.map(|peak| Period::span(timeline.periods[peak.first], timeline.periods[peak.first + width - 1]));
        change.fade = change.recent_share.zip(change.peak_share).map(|(recent, peak)| recent / peak);
    }
    change
}

fn series_of(timeline: &Timeline, topic: usize) -> Series {
    let complete = timeline.num_complete();
    let values = |counts: &[u64]| counts[..complete].iter().map(|&count| count as f64).collect();
    Series { counts: values(&timeline.counts[topic]), totals: values(&timeline.totals) }
}

fn measurable(timeline: &Timeline, changes: &[Change]) -> Vec<Measurable> {
    let with_noise = |(topic, _)| {
        let series = series_of(timeline, topic);
        let noise = noise_likelihoods(&fit_all(&series.condensed().0));
        Measurable { topic, series, noise }
    };
    changes.par_iter().enumerate().filter(|(_, change)| change.fade.is_some()).map(with_noise).collect()
}

/// Fits anew rather than keep the fits of every topic, which would be hundreds of megabytes.
fn examine(topic: &Measurable, width: usize, prior: &NoiseWeights, seed: u64) -> (Bounds, Surprise) {
    let (condensed, periods_per_step) = topic.series.condensed();
    let fits = fit_all(&condensed);
    let weights = model_weights(&fits, prior);
    let steps = width.div_ceil(periods_per_step).min(condensed.counts.len());
    let (counts, totals) = (&topic.series.counts, &topic.series.totals);
    let begin = counts.len() - width;
    let recent = Recent {
        count: counts[begin..].iter().sum(),
        total: totals[begin..].iter().sum(),
        earlier_count: counts[..begin].iter().sum(),
        earlier_total: totals[..begin].iter().sum(),
    };
    let bounds = bounds(&condensed, steps, recent, &fits, &weights, topic_seed(seed, topic.topic));
    let noise = posterior(&topic.noise, prior);
    (bounds, surprise(&topic.series, width, &noise, periods_per_step))
}

/// A seed of its own for each topic. Method: the finaliser of `SplitMix64` (Steele, Lea and Flood 2014).
fn topic_seed(seed: u64, topic: usize) -> u64 {
    let mut mixed = seed ^ (topic as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn status(change: &Change, series: &Series, width: usize, falls: bool, rises: bool) -> Status {
    let (Some(fade), Some(high), Some(recent)) = (change.fade, change.fade_high, change.recent_share) else {
        return change.status;
    };
    let begin = series.counts.len() - width;
    let exceeds = |to: usize, multiple: f64| {
        share(&series.counts, &series.totals, 0, to).is_some_and(|earlier| recent >= multiple * earlier)
    };
    if falls && fade <= EXTINCT && high <= EXTINCT_HIGH {
        Status::Extinct
    } else if falls && fade <= FADING && high <= FADING_HIGH {
        Status::Fading
    } else if rises && fade > FADING && exceeds(begin.div_ceil(2), 1.0 / ABSENT) {
        Status::Emerging
    } else if rises && fade > FADING && exceeds(begin.div_ceil(2), RISING) && exceeds(begin, STILL_RISING) {
        Status::Rising
    } else {
        Status::Steady
    }
}

/// The topics that have a fade as positions in `changes`, the one most surely faded first.
///
/// Topics called extinct or fading come before all others; within, the least `fade_high` first, that is, the greatest
/// loss that is sure. A small topic's noise has a high upper bound and is not called, so it cannot outrank a large one's
/// decline. Ties go to the larger topic, then to the lower label.
#[must_use]
pub fn fading_order(changes: &[Change]) -> Vec<usize> {
    let certainty = |change: &Change| change.fade_high.map(|high| (change.status.is_decline(), 1.0 - high));
    order(changes, certainty)
}

/// The topics that have a growth as positions in `changes`, the one most surely grown first.
///
/// Topics called emerging or rising come before all others; within, the greatest `growth_low` first. Ties go to the
/// larger topic, then to the lower label.
#[must_use]
pub fn emerging_order(changes: &[Change]) -> Vec<usize> {
    order(changes, |change| change.growth_low.map(|low| (change.status.is_growth(), low)))
}

fn order(changes: &[Change], certainty: impl Fn(&Change) -> Option<(bool, f64)>) -> Vec<usize> {
    let descending = |(a, x): &((bool, f64), usize), (b, y): &((bool, f64), usize)| -> Ordering {
        let (left, right) = (&changes[*x], &changes[*y]);
        b.0.cmp(&a.0).then(b.1.total_cmp(&a.1)).then(right.dated.cmp(&left.dated)).then(left.label.cmp(&right.label))
    };
    let mut ranked: Vec<_> =
        changes.iter().enumerate().filter_map(|(at, change)| Some((certainty(change)?, at))).collect();
    ranked.sort_by(descending);
    ranked.into_iter().map(|(_, at)| at).collect()
}
