//! Labelled shards → counts of their documents, and their label shards on the way to the store.

use std::sync::mpsc::Receiver;

use chrono::{DateTime, NaiveDate};
use strata_shared::documents::Documents;
use strata_shared::exit::Failure;
use strata_shared::labels::Labels;
use strata_shared::settings::ReduceSettings;

use super::{Counts, LabelSender, Labelled};
use crate::config::ReduceError;
use crate::describe::{Categories, Representatives};
use crate::fading::TimelineBuilder;
use crate::naming::TopicTexts;

/// Documents shown of each topic.
const REPRESENTATIVES: usize = 5;

/// Kept apart from the k-means sample's draw, which uses the seed as it is.
const TEXTS_SALT: u64 = 0x766f_6361_6275_6c61;

/// The counts so far.
#[derive(Debug)]
pub(super) struct Counting {
    settings: ReduceSettings,
    sizes: Vec<u64>,
    days: Vec<Option<(NaiveDate, NaiveDate)>>,
    timeline: TimelineBuilder,
    texts: TopicTexts,
    representatives: Representatives,
    categories: Categories,
    short_rows: Vec<bool>,
}

impl Counting {
    /// Counts of zero.
    pub(super) fn new(settings: &ReduceSettings, num_topics: usize, num_rows: usize) -> Self {
        Self {
            sizes: vec![0; num_topics],
            days: vec![None; num_topics],
            timeline: TimelineBuilder::new(settings.period, num_topics),
            texts: TopicTexts::new(num_topics, settings.seed ^ TEXTS_SALT),
            representatives: Representatives::new(num_topics, REPRESENTATIVES),
            categories: Categories::new(num_topics),
            short_rows: Vec::with_capacity(num_rows),
            settings: settings.clone(),
        }
    }

    /// Counts every shard that comes, and hands its labels on.
    ///
    /// # Errors
    /// [`ReduceError::Stage`] for a label that no topic has; labels that cannot be encoded.
    pub(super) fn count(mut self, shards: Receiver<Labelled>, labels: &LabelSender) -> Result<Self, Failure> {
        for Labelled { shard, ids, documents, assigned } in shards {
            if let Some(documents) = &documents {
                for row in 0..documents.len() {
                    self.add(documents, row, assigned.labels[row], assigned.similarities[row])?;
                }
            }
            let table = Labels { ids, labels: assigned.labels, similarities: assigned.similarities };
            // The store's side has failed and says why itself.
            if labels.blocking_send((shard, table.encode()?)).is_err() {
                break;
            }
        }
        Ok(self)
    }

    fn add(&mut self, documents: &Documents, row: usize, label: i32, similarity: f32) -> Result<(), Failure> {
        let (topic, id) = (label as usize, documents.id(row));
        let kept = self.texts.add(topic, id, documents.title(row), documents.abstract_text(row));
        kept.map_err(|error| ReduceError::stage("label", error))?;
        self.sizes[topic] += 1;
        self.representatives.add(topic, similarity, id);
        self.categories.add(topic, documents.categories(row));
        let date = documents.created(row).and_then(DateTime::from_timestamp_micros).map(|time| time.date_naive());
        let counted = self.timeline.add(label, date, documents.categories(row));
        counted.map_err(|error| ReduceError::stage("label", error))?;
        if let Some(date) = date {
            let (first, last) = self.days[topic].unwrap_or((date, date));
            self.days[topic] = Some((first.min(date), last.max(date)));
        }
        self.short_rows.push(is_short(documents, row, self.settings.lonely_min_words));
        Ok(())
    }

    /// Ends the counting and names the topics.
    pub(super) fn conclude(self, inertia: f64) -> Counts {
        Counts {
            sizes: self.sizes,
            days: self.days,
            timeline: self.timeline.finish(self.settings.until_date()),
            names: self.texts.names(),
            representatives: self.representatives,
            categories: self.categories,
            inertia,
            short_rows: self.short_rows,
        }
    }
}

fn is_short(documents: &Documents, row: usize, min_words: usize) -> bool {
    let words = documents.title(row).split_whitespace().chain(documents.abstract_text(row).split_whitespace());
    min_words > 0 && words.take(min_words).count() < min_words
}
