//! A plan → what a reader should find: the topics with their fates and their most frequent terms, and the loners.

use serde::Serialize;

use super::Archive;
use super::history::Fate;
use super::role::Role;

/// Terms named for each topic.
const NAMED_TERMS: usize = 10;

/// What is planned in an archive.
#[derive(Debug, Clone, Serialize)]
pub struct Truth {
    /// Documents.
    pub rows: u64,
    /// All topics.
    pub topics: Vec<PlannedTopic>,
    /// Ids of the documents that are drawn far from all others; a near-copy takes part of that from some.
    pub loners: Vec<String>,
}

/// What is planned for one topic.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedTopic {
    /// The expected share of the documents.
    pub share: f64,
    /// How its share moves.
    pub fate: Fate,
    /// Its most frequent terms; none where there are vectors only.
    pub terms: Vec<String>,
}

impl Archive {
    /// Returns what is planned.
    #[must_use]
    pub fn truth(&self) -> Truth {
        let terms =
            |topic| self.prose.as_ref().map_or(Vec::new(), |prose| prose.first_terms(topic, NAMED_TERMS).to_vec());
        let planned =
            |(topic, share)| PlannedTopic { share, fate: Fate::of(self.plan.seed, topic), terms: terms(topic) };
        let loners = (0..self.plan.rows).filter(|row| matches!(self.role(*row), Role::Loner { .. }));
        Truth {
            rows: self.plan.rows,
            topics: self.sources.shares().into_iter().enumerate().map(planned).collect(),
            loners: loners.map(|row| self.document(row).id).collect(),
        }
    }
}
