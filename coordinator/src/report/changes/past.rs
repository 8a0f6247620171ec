//! All finished runs → the table and the JSON that `strata history` prints.

use std::collections::BTreeMap;

use serde::Serialize;
use strata_shared::findings::ChangeKind;

use super::super::figures::{NONE, count, signed};
use super::super::text_table::{Cell, Column, render};
use super::super::{View, visible};
use crate::ancestry::PastRun;

const COLUMNS: [Column; 9] = [
    Column::right("generation"),
    Column::flexible("run"),
    Column::left("finished"),
    Column::right("documents"),
    Column::right("in").spare(1),
    Column::right("out").spare(1),
    Column::right("topics"),
    Column::left("born/split/merged/died").spare(2),
    Column::left("follows").spare(3),
];

#[derive(Serialize)]
struct Entry<'a> {
    run: &'a str,
    generation: u64,
    finished: String,
    rows: u64,
    topics: usize,
    predecessor: Option<&'a str>,
    changes: Option<BTreeMap<&'static str, i64>>,
}

/// Draws the runs, or writes them as JSON.
///
/// # Errors
/// Never: numbers and strings always serialise.
pub fn history(runs: &[PastRun], view: &View, as_json: bool) -> serde_json::Result<String> {
    if as_json {
        let entries: Vec<Entry<'_>> = runs.iter().map(entry).collect();
        return Ok(visible::json(&serde_json::to_string_pretty(&entries)?) + "\n");
    }
    if runs.is_empty() {
        return Ok("no finished run yet: strata reduce\n".into());
    }
    let rows: Vec<Vec<Cell>> = runs.iter().map(row).collect();
    Ok(render(&COLUMNS, &rows, view.width, view.colour))
}

fn entry(run: &PastRun) -> Entry<'_> {
    let counts =
        |counts: &BTreeMap<ChangeKind, i64>| counts.iter().map(|(kind, number)| (kind.as_str(), *number)).collect();
    Entry {
        run: &run.record.run,
        generation: run.record.generation,
        finished: run.finished.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        rows: run.record.rows,
        topics: run.record.clusters.found,
        predecessor: run.record.predecessor.as_ref().map(|predecessor| predecessor.run.as_str()),
        changes: run.counts.as_ref().map(counts),
    }
}

fn row(run: &PastRun) -> Vec<Cell> {
    let number = |kind| run.counts.as_ref().map(|counts| counts.get(&kind).copied().unwrap_or(0));
    let shown = |kind| number(kind).map_or_else(|| NONE.into(), signed);
    let events = super::EVENTS.map(shown).join("/");
    let follows = run.record.predecessor.as_ref().map_or(NONE, |predecessor| predecessor.run.as_str());
    vec![
        Cell::usual(run.record.generation.to_string()),
        Cell::usual(&run.record.run),
        Cell::usual(run.finished.format("%Y-%m-%d").to_string()),
        Cell::usual(count(run.record.rows)),
        Cell::usual(shown(ChangeKind::DocumentsIn)),
        Cell::usual(shown(ChangeKind::DocumentsOut)),
        Cell::usual(count(run.record.clusters.found as u64)),
        Cell::usual(if number(ChangeKind::Born).is_some() { events } else { NONE.into() }),
        Cell::usual(follows),
    ]
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::super::super::fixture;
    use super::*;

    fn runs() -> Vec<PastRun> {
        let record = fixture::report().findings.record;
        let counts = [(ChangeKind::DocumentsIn, 1_250), (ChangeKind::Split, 1)].into_iter().collect();
        let first = PastRun { record: record.clone(), finished: DateTime::UNIX_EPOCH, counts: None };
        vec![first, PastRun { record, finished: DateTime::UNIX_EPOCH, counts: Some(counts) }]
    }

    #[test]
    fn every_run_is_a_line_with_what_it_changed() {
        let view = View { width: 100, colour: false, page: None };
        let text = history(&runs(), &view, false).unwrap();
        assert_eq!(text.lines().count(), 3);
        assert!(text.contains("1,250") && text.contains("0/1/0/0"), "{text}");
        assert!(history(&[], &view, false).unwrap().contains("strata reduce"));
        let value: serde_json::Value = serde_json::from_str(&history(&runs(), &view, true).unwrap()).unwrap();
        assert_eq!((&value[0]["changes"], &value[1]["changes"]["split"]), (&serde_json::Value::Null, &1.into()));
    }
}
