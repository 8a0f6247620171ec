//! Records of finished runs → the one that a new run follows.
//!
//! Invariant: no clock decides. Among several runs of the newest generation that would do, the one that asked the same comes
//! first, then the one with the longest history of topics, then the first by name.

use std::cmp::Reverse;

use strata_shared::run_record::RunRecord;
use strata_shared::settings::ReduceSettings;

/// Chooses the newest finished run of an earlier generation with the same vectors and the same `--clusters`.
#[must_use]
pub fn select<'a>(
    records: &'a [RunRecord],
    generation: u64,
    vectors_of: &str,
    settings: &ReduceSettings,
) -> Option<&'a RunRecord> {
    let fits = |record: &&RunRecord| {
        record.generation < generation
            && record.vectors_of == vectors_of
            && record.parameters.clusters == settings.clusters
    };
    records.iter().filter(fits).max_by_key(|record| {
        let is_same = record.parameters == *settings;
        (record.generation, is_same, record.next_topic_id(), Reverse(record.run.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use strata_shared::run_record::{ClustersRecord, IndexRecord, LonelyRecord, PeriodsRecord};

    use super::*;

    fn record(run: &str, generation: u64) -> RunRecord {
        RunRecord {
            format: 2,
            run: run.into(),
            vectors_of: "model".into(),
            generation,
            manifest_sha256: String::new(),
            parameters: ReduceSettings::default(),
            predecessor: None,
            rows: 1,
            dim: 1,
            inertia: 0.0,
            clusters: ClustersRecord { requested: 3, found: 3, sample_rows: 1 },
            next_topic_id: None,
            index: IndexRecord { factory: "Flat".into(), nprobe: None, recall_at_10: None },
            lonely: LonelyRecord { k: 1, listed: 0, cutoff: None, too_short: 0 },
            periods: PeriodsRecord { undated: 0, recent: None, incomplete: Vec::new(), thin: Vec::new() },
            notes: Vec::new(),
            outputs: Vec::new(),
        }
    }

    fn selected(records: &[RunRecord]) -> Option<&str> {
        select(records, 4, "model", &ReduceSettings::default()).map(|record| record.run.as_str())
    }

    #[test]
    fn the_newest_earlier_generation_is_followed() {
        let records = [record("b", 2), record("a", 3), record("c", 4), record("d", 5)];
        assert_eq!(selected(&records), Some("a"));
        assert_eq!(selected(&records[2..]), None);
    }

    #[test]
    fn runs_of_other_vectors_or_clusters_are_not_followed() {
        let clusters = ReduceSettings { clusters: Some(3), ..ReduceSettings::default() };
        let other = [
            RunRecord { vectors_of: "other".into(), ..record("a", 3) },
            RunRecord { parameters: clusters, ..record("b", 3) },
        ];
        assert_eq!(selected(&other), None);
    }

    #[test]
    fn of_one_generation_the_same_question_comes_first_then_the_longest_history_then_the_name() {
        let lonely = ReduceSettings { lonely: 7, ..ReduceSettings::default() };
        let aside = RunRecord { parameters: lonely, next_topic_id: Some(90), ..record("a", 3) };
        let long = RunRecord { next_topic_id: Some(40), ..record("d", 3) };
        let records = [aside, record("b", 3), record("c", 3), long];
        assert_eq!(selected(&records), Some("d"));
        assert_eq!(selected(&records[..3]), Some("b"));
        assert_eq!(selected(&records[..1]), Some("a"));
    }
}
