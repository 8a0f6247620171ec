//! Outcomes → the sentences and tables that commands print about themselves.

use std::collections::BTreeMap;

use crate::configuration::Value;
use crate::shard::Outcome;

/// Says what became of the inputs.
pub(super) fn shards(outcome: &Outcome) {
    let manifest = &outcome.manifest;
    let (rows, shards) = (manifest.rows, manifest.shards.len());
    if outcome.already_done {
        tracing::info!("these inputs are in the store already: {rows} documents in {shards} shards; nothing to do");
        return;
    }
    let blank: u64 = manifest.inputs.iter().map(|input| input.blank).sum();
    tracing::info!(
        "{} lines: {rows} documents in {shards} shards, {} refused (raw/rejected.jsonl), {blank} blank, {} without a date",
        manifest.lines(),
        manifest.rejected,
        manifest.undated
    );
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
