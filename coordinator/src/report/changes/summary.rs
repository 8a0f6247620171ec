//! A run and what changed → the two lines that fit a message.

use strata_shared::findings::ChangeKind;
use strata_shared::run_record::RunRecord;

use super::super::figures::{count, counted};
use super::{Changes, EVENTS, LONERS, STATUSES, called};

/// Sums a run up, and what changed since the one before where there is one.
#[must_use]
pub fn summary(record: &RunRecord, changes: Option<&Changes>) -> String {
    let documents = counted(record.rows, "document");
    let topics = counted(record.clusters.found as u64, "topic");
    let run = format!("{} over generation {}: {documents} in {topics}", record.run, record.generation);
    match changes {
        Some(changes) => format!("{run}\n{}", since(changes)),
        None => run,
    }
}

fn since(changes: &Changes) -> String {
    let mut parts = vec![format!("since {}: {}", changes.since, changes.movement())];
    for (noun, kinds) in [("topics", EVENTS.as_slice()), ("topics", &STATUSES), ("loners", &LONERS)] {
        let of_kind = |kind: &ChangeKind| Some((changes.of(&[*kind]).len() as u64, *kind)).filter(|(num, _)| *num > 0);
        let told = kinds.iter().filter_map(of_kind).map(|(num, kind)| format!("{} {}", count(num), called(kind)));
        let told: Vec<String> = told.collect();
        if !told.is_empty() {
            parts.push(format!("{noun}: {}", told.join(", ")));
        }
    }
    let mut text = parts.join("; ");
    changes.caveats().iter().for_each(|caveat| text.push_str(&format!("\n{caveat}")));
    text
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture;
    use super::*;

    #[test]
    fn a_summary_tells_the_run_and_counts_what_changed() {
        let (report, changes) = (fixture::report(), fixture::changes());
        let record = &report.findings.record;
        let first = summary(record, None);
        assert!(first.starts_with(&record.run) && first.contains("topics") && !first.contains("since"), "{first}");
        let followed = summary(record, Some(&changes));
        assert!(followed.starts_with(&format!("{first}\nsince {}: ", changes.since)), "{followed}");
        let born = changes.of(&[ChangeKind::Born]).len();
        assert!(born > 0 && followed.contains(&format!("topics: {born} born")), "{followed}");
        assert!(followed.contains("loners: "), "{followed}");
    }
}
