//! What a generator planted and what a finished run found → who was found, what was called, what is unaccounted for.
//!
//! Read ([`Found`]), compare ([`compare`]), describe ([`Comparison`] displays itself for people, in at most
//! [`describe::WIDTH`] columns). The comparison is a pure function of the two, so that tests assert on what the demo
//! shows. Whether a deviation is a failure is left to who asks.

mod copies;
mod describe;
mod found;
mod loners;
mod refusals;
mod topics;

pub use copies::CopyMatch;
pub use describe::WIDTH;
pub use found::Found;
pub use loners::LonerMatch;
pub use refusals::{RefusalMatch, Refusals};
pub use topics::{Home, TopicMatch, is_expected};

use strata_shared::manifest::Manifest;

use crate::corpus::Truth;

/// A planted truth held against a finished run.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// One entry for each planted topic, in the truth's order.
    pub topics: Vec<TopicMatch>,
    /// One entry for each planted loner, in the truth's order.
    pub loners: Vec<LonerMatch>,
    /// Planted refusals, and refusals that nobody planted.
    pub refusals: Refusals,
    /// One entry for each planted copy, the exact ones first.
    pub copies: Vec<CopyMatch>,
    /// Lines, documents and what else is counted.
    pub counts: Vec<Count>,
}

/// One number that both sides know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// What is counted.
    pub what: &'static str,
    /// As planted.
    pub planted: u64,
    /// As the manifest has it.
    pub found: u64,
}

/// Holds what was planted against what was found.
#[must_use]
pub fn compare(truth: &Truth, found: &Found) -> Comparison {
    Comparison {
        topics: topics::compare(&truth.topics, &found.findings.topics, &found.labels),
        loners: loners::compare(&truth.loners, &found.findings.lonely),
        refusals: refusals::compare(&truth.refused, &found.rejections),
        copies: copies::compare(truth, found),
        counts: counts(truth, &found.manifest),
    }
}

fn counts(truth: &Truth, manifest: &Manifest) -> Vec<Count> {
    let undated = truth.dateless.len() + truth.unreadable_dates.len();
    let blank = manifest.inputs.iter().map(|input| input.blank).sum();
    vec![
        Count { what: "lines", planted: truth.lines, found: manifest.lines() },
        Count { what: "documents", planted: truth.rows, found: manifest.rows },
        Count { what: "refused", planted: truth.refused.len() as u64, found: manifest.rejected },
        Count { what: "blank", planted: truth.blank, found: blank },
        Count { what: "undated", planted: undated as u64, found: manifest.undated },
    ]
}

impl Comparison {
    /// Returns the planted topics that have topics of their own among those found.
    #[must_use]
    pub fn num_topics_found(&self) -> usize {
        self.topics.iter().filter(|topic| topic.is_found()).count()
    }

    /// Returns the planted topics whose fate was called as it was planted.
    #[must_use]
    pub fn num_called_as_planted(&self) -> usize {
        self.topics.iter().filter(|topic| topic.is_called_as_planted()).count()
    }

    /// Returns the planted loners among the first as many entries of the lonely list as there are planted loners.
    #[must_use]
    pub fn num_loners_first(&self) -> usize {
        let most = self.loners.len();
        self.loners.iter().filter(|loner| loner.rank.is_some_and(|rank| rank as usize <= most)).count()
    }
}

#[cfg(test)]
mod tests {
    use strata_shared::manifest::InputEntry;
    use strata_shared::settings::ShardSettings;

    use super::*;
    use crate::corpus::{Plan, generate};

    #[test]
    fn counts_of_a_manifest_stand_beside_the_planted_ones() {
        let truth = generate(&Plan { documents: 300, ..Plan::default() }).expect("a plan that can be followed").truth;
        let input = InputEntry { name: "a".into(), lines: truth.lines, blank: truth.blank, sha256: "0".repeat(64) };
        let counted = (truth.refused.len() as u64 + 1, (truth.dateless.len() + truth.unreadable_dates.len()) as u64);
        let empty = Manifest::first(Vec::new(), vec![input], counted, ShardSettings::default());
        let manifest = Manifest { rows: truth.rows, ..empty };
        let off: Vec<&str> = counts(&truth, &manifest)
            .into_iter()
            .filter(|count| count.planted != count.found)
            .map(|count| count.what)
            .collect();
        assert_eq!(off, ["refused"]);
    }
}
