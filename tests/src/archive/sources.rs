//! A reference file, or a seed → source vectors and the topic of each: what the rows of an archive are noisy copies of.
//!
//! Invariant: unit vectors; every topic has a source. Without a reference they are a mixture: topics whose sizes follow
//! a power law, with centres that share a common direction and a few themes, so that they lie near one another.

use super::draw::{Draw, Purpose};
use super::normal::Normal;
use super::reference;
use super::weighted::{Weighted, power_law};
use super::{ArchiveError, Plan};

/// Source vectors of a mixture: about as many as a reference of one field has documents.
const MIXTURE_SOURCES: usize = 32_768;

/// Directions that the topics of a mixture share.
const THEMES: usize = 24;

/// The lengths of what all centres of a mixture share, of a centre's themes and of its own direction. Two topics then have a
/// cosine of 0.3 to 0.7, as fields of one archive have.
const SHARED: f32 = 0.6;
const THEMED: f32 = 0.6;
const OWN: f32 = 0.55;

/// How far a source of a mixture lies from its topic's centre: at a cosine of 0.86.
const SPREAD: f32 = 0.6;

/// How fast the sizes of a mixture's topics fall: the largest of 400 has 18 times the documents of the smallest.
const SIZE_OFFSET: f64 = 12.0;
const SIZE_EXPONENT: f64 = 0.8;

/// What rows are noisy copies of.
#[derive(Debug)]
pub(super) struct Sources {
    pub(super) dim: usize,
    pub(super) num_topics: usize,
    values: Vec<f32>,
    topics: Vec<u32>,
}

impl Sources {
    /// Reads or draws the sources that `plan` asks for.
    ///
    /// # Errors
    /// [`ArchiveError`] for a reference that cannot be read or does not fit the plan.
    pub(super) fn of(plan: &Plan, normal: &Normal) -> Result<Self, ArchiveError> {
        match &plan.reference {
            Some(path) => {
                let values = reference::read(path, plan.dim)?;
                Ok(Self::clustered(plan, values))
            }
            None => Ok(Self::mixture(plan, normal)),
        }
    }

    /// Gives each reference vector the topic of the nearest of as many of them, chosen by the seed.
    fn clustered(plan: &Plan, values: Vec<f32>) -> Self {
        let num_sources = values.len() / plan.dim;
        let num_topics = plan.topics.min(num_sources);
        let mut draw = Draw::new(plan.seed, Purpose::Clusters, 0);
        let mut chosen: Vec<usize> = (0..num_sources).collect();
        for first in 0..num_topics {
            chosen.swap(first, first + draw.index(num_sources - first));
        }
        let centre = |topic: usize| &values[chosen[topic] * plan.dim..][..plan.dim];
        let nearest = |row: &[f32]| {
            let similarities = (0..num_topics).map(|topic| (topic as u32, dot(centre(topic), row)));
            similarities.max_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(topic, _)| topic)
        };
        let topics = values.chunks_exact(plan.dim).map(nearest).collect();
        Self { dim: plan.dim, num_topics, values, topics }
    }

    fn mixture(plan: &Plan, normal: &Normal) -> Self {
        let mut draw = Draw::new(plan.seed, Purpose::Sources, 0);
        let mut direction = || random_unit(plan.dim, normal, &mut draw);
        let shared = direction();
        let themes: Vec<Vec<f32>> = (0..THEMES).map(|_| direction()).collect();
        let centres: Vec<Vec<f32>> =
            (0..plan.topics).map(|topic| centre(plan, topic, &shared, &themes, normal)).collect();
        let sizes = Weighted::new(&power_law(plan.topics, SIZE_OFFSET, SIZE_EXPONENT));
        let mut values = Vec::with_capacity(MIXTURE_SOURCES * plan.dim);
        let mut topics = Vec::with_capacity(MIXTURE_SOURCES);
        for source in 0..MIXTURE_SOURCES {
            // The first sources go round, so that every topic has one.
            let topic = if source < plan.topics { source } else { sizes.draw(&mut draw) };
            let mut row = centres[topic].clone();
            add(&mut row, SPREAD, &random_unit(plan.dim, normal, &mut draw));
            normalise(&mut row);
            values.extend(row);
            topics.push(topic as u32);
        }
        Self { dim: plan.dim, num_topics: plan.topics, values, topics }
    }

    /// Returns the number of source vectors.
    pub(super) fn len(&self) -> usize {
        self.topics.len()
    }

    /// Returns source vector `source`.
    pub(super) fn vector(&self, source: usize) -> &[f32] {
        &self.values[source * self.dim..][..self.dim]
    }

    /// Returns the topic of source vector `source`.
    pub(super) fn topic(&self, source: usize) -> usize {
        self.topics[source] as usize
    }

    /// Returns the share of the sources that each topic has.
    pub(super) fn shares(&self) -> Vec<f64> {
        let mut shares = vec![0.0; self.num_topics];
        self.topics.iter().for_each(|&topic| shares[topic as usize] += 1.0 / self.len() as f64);
        shares
    }
}

fn centre(plan: &Plan, topic: usize, shared: &[f32], themes: &[Vec<f32>], normal: &Normal) -> Vec<f32> {
    let mut draw = Draw::new(plan.seed, Purpose::Sources, 1 + topic as u64);
    let mut mixed = vec![0.0; plan.dim];
    (0..3).for_each(|_| add(&mut mixed, 1.0, &themes[draw.index(THEMES)]));
    normalise(&mut mixed);
    let mut centre = vec![0.0; plan.dim];
    add(&mut centre, SHARED, shared);
    add(&mut centre, THEMED, &mixed);
    add(&mut centre, OWN, &random_unit(plan.dim, normal, &mut draw));
    normalise(&mut centre);
    centre
}

/// Draws a direction.
pub(super) fn random_unit(dim: usize, normal: &Normal, draw: &mut Draw) -> Vec<f32> {
    let mut row = vec![0.0; dim];
    normal.fill(&mut row, draw);
    normalise(&mut row);
    row
}

/// Adds `factor` times `other`.
pub(super) fn add(row: &mut [f32], factor: f32, other: &[f32]) {
    row.iter_mut().zip(other).for_each(|(value, other)| *value += factor * other);
}

/// Divides by the L2 norm; a row of zeros becomes the first axis.
pub(super) fn normalise(row: &mut [f32]) {
    let norm = dot(row, row).sqrt();
    if norm > 0.0 {
        row.iter_mut().for_each(|value| *value /= norm);
    } else {
        row[0] = 1.0;
    }
}

/// Returns the inner product, in sixteen sums side by side that are added up in float64.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    let mut sums = [0.0_f32; 16];
    for (a, b) in a.iter().zip(b) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| f64::from(a * b)).sum();
    (sums.iter().map(|sum| f64::from(*sum)).sum::<f64>() + rest) as f32
}
