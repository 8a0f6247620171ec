//! Findings → what a person reads: tables in the terminal, one page, and JSON for programs.
//!
//! Invariant: pure functions on plain values. The same findings make the same bytes; nothing of when, where or how fast
//! a run was made shows (but in [`timings`], which draw just that), and text from the corpus is shown, never obeyed ([`visible`]). Reading findings from a store
//! and writing the page there are left to the caller.

mod changes;
mod figures;
#[cfg(test)]
pub(crate) mod fixture;
mod history;
mod json;
mod page;
mod tally;
mod terminal;
mod text_table;
mod timings;
pub(crate) mod visible;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use strata_shared::findings::{Findings, Status, Topic};
use strata_shared::manifest::Manifest;

pub use changes::{Changes, End, Step, compose, history, json as changes_json, summary, terminal as changes_terminal};
pub use json::json;
pub use page::html;
pub use tally::{Tally, TallyError};
pub use terminal::{View, terminal};
pub use timings::timings;

/// Of a topic's representative documents, as many are shown.
const REPRESENTATIVES: usize = 3;

/// What a report is drawn from.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What the run found.
    pub findings: Findings,
    /// What became of the inputs.
    pub manifest: Manifest,
    /// Refused lines by reason, from [`Tally`]; `None` where their list could not be read.
    pub rejections: Option<Vec<(String, u64)>>,
    /// What changed since the run before; `None` where that was not read, or there is none.
    pub changes: Option<Changes>,
    /// Titles by id, of [`representative_ids`] as far as they could be read; may be empty.
    pub titles: BTreeMap<String, String>,
}

/// The documents whose titles a report would show, if it were given them.
#[must_use]
pub fn representative_ids(findings: &Findings) -> BTreeSet<String> {
    findings.topics.iter().flat_map(|topic| topic.representative_ids.iter().take(REPRESENTATIVES).cloned()).collect()
}

impl Report {
    /// Says how large the corpus is where its last snapshot was only a part of it.
    fn corpus_beyond(&self) -> String {
        let rows = self.manifest.rows;
        let is_all = self.manifest.documents_of_snapshot() == rows;
        if is_all { String::new() } else { format!("; the corpus has {}", figures::counted(rows, "document")) }
    }

    /// The extinct and the fading topics, the one most surely faded first.
    fn fading(&self) -> Vec<&Topic> {
        self.ranked(|topic| topic.fading_rank)
    }

    /// The emerging and the rising topics, the one most surely grown first.
    fn emerging(&self) -> Vec<&Topic> {
        self.ranked(|topic| topic.emerging_rank)
    }

    fn ranked(&self, rank: fn(&Topic) -> Option<i32>) -> Vec<&Topic> {
        let mut ranked: Vec<&Topic> = self.findings.topics.iter().filter(|topic| rank(topic).is_some()).collect();
        ranked.sort_by_key(|topic| rank(topic));
        ranked
    }

    /// All topics, the largest first.
    fn by_size(&self) -> Vec<&Topic> {
        let mut topics: Vec<&Topic> = self.findings.topics.iter().collect();
        topics.sort_by_key(|topic| (Reverse(topic.size), topic.label));
        topics
    }

    /// How many topics have each status, from the dead to the newborn; those that none has are left out.
    fn statuses(&self) -> Vec<(Status, usize)> {
        let count = |status| self.findings.topics.iter().filter(|topic| topic.status == status).count();
        Status::ALL.into_iter().map(|status| (status, count(status))).filter(|(_, count)| *count > 0).collect()
    }

    /// The titles of a topic's representative documents, as far as they are known, nearest to its centroid first.
    fn examples(&self, topic: &Topic) -> Vec<&str> {
        let ids = topic.representative_ids.iter().take(REPRESENTATIVES);
        ids.filter_map(|id| self.titles.get(id)).map(String::as_str).filter(|title| !title.is_empty()).collect()
    }

    /// Names the inputs, `a.jsonl, b.jsonl and 3 more`.
    fn input_names(&self) -> String {
        let inputs = &self.manifest.inputs;
        let shown: Vec<&str> = inputs.iter().take(3).map(|input| input.name.as_str()).collect();
        let more = inputs.len() - shown.len();
        let names = shown.join(", ");
        if more > 0 { format!("{names} and {more} more") } else { names }
    }
}
