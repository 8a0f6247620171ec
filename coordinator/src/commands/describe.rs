//! Outcomes → the sentences and tables that commands print about themselves.

use std::collections::BTreeMap;

use crate::configuration::Value;
use crate::shard::Outcome;

/// Says what became of the inputs.
pub(super) fn shards(outcome: &Outcome) {
    let manifest = &outcome.manifest;
    let (rows, shards) = (manifest.rows, counted(manifest.shards.len()));
    if outcome.already_done {
        tracing::info!("these inputs are in the store already: {rows} documents in {shards}; nothing to do");
        return;
    }
    let blank: u64 = manifest.inputs.iter().map(|input| input.blank).sum();
    let unreadable = outcome.tally.as_ref().map_or(0, |tally| tally.unreadable_dates);
    tracing::info!(
        "{} lines: {rows} documents in {shards}, {} refused (raw/rejected.jsonl), {blank} blank, {}",
        manifest.lines(),
        manifest.rejected,
        undated(manifest.undated, unreadable)
    );
}

fn counted(shards: usize) -> String {
    if shards == 1 { "1 shard".into() } else { format!("{shards} shards") }
}

fn undated(documents: u64, unreadable: u64) -> String {
    if unreadable == 0 {
        return format!("{documents} without a date");
    }
    format!("{documents} without a date, {unreadable} of them because their date could not be read; see --date-field")
}

/// Draws the table of all settings.
pub(super) fn settings(values: &BTreeMap<String, Value>) -> String {
    let shown = |value: &Value| value.value.as_deref().map_or_else(|| "-".into(), strata_shared::store::shown);
    let name_width = values.keys().map(String::len).max().unwrap_or(0);
    let value_width = values.values().map(|value| shown(value).len()).max().unwrap_or(0);
    let line = |(name, value): (&String, &Value)| {
        format!("{name:name_width$}  {:value_width$}  {}", shown(value), value.source)
    };
    values.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_that_could_not_be_read_are_told_with_the_flag_that_chooses_others() {
        assert_eq!(undated(7, 0), "7 without a date");
        assert!(undated(7, 3).starts_with("7 without a date, 3 of them ") && undated(7, 3).contains("--date-field"));
    }
}
