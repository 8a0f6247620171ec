//! Outcomes → the sentences and tables that commands print about themselves.

use std::collections::BTreeMap;

use strata_shared::settings::ShardSettings;

use crate::configuration::Value;
use crate::shard::{Outcome, Tally};

/// Says what became of the inputs.
pub(super) fn shards(outcome: &Outcome) {
    let manifest = &outcome.manifest;
    let (rows, shards) = (manifest.rows, counted(manifest.shards.len()));
    if outcome.already_done {
        tracing::info!("these inputs are in the store already: {rows} documents in {shards}; nothing to do");
        return;
    }
    let blank: u64 = manifest.inputs.iter().map(|input| input.blank).sum();
    let tally = outcome.tally.clone().unwrap_or_default();
    tracing::info!(
        "{} lines: {rows} documents in {shards}, {} refused (raw/rejected.jsonl), {blank} blank, {}",
        manifest.lines(),
        manifest.rejected,
        undated(manifest.undated, &tally)
    );
    if tally.rows > 0 {
        suspicions(&tally, &manifest.settings).iter().for_each(|suspicion| tracing::warn!("{suspicion}"));
    }
}

/// Returns what is missing in every document, as it is where a field was misnamed.
fn suspicions(tally: &Tally, settings: &ShardSettings) -> Vec<String> {
    let date = settings.date_field.as_deref().unwrap_or("versions or update_date");
    [
        (tally.untitled, "title", "--title-field", settings.title_field.as_str(), ""),
        (tally.textless, "text", "--text-field", settings.text_field.as_str(), ""),
        (tally.undated, "date", "--date-field", date, ", and nothing can be said about time"),
    ]
    .into_iter()
    .filter(|(lacking, ..)| *lacking == tally.rows)
    .map(|(_, what, flag, field, so)| format!("no document has a {what} in its field {field}{so}: is {flag} right?"))
    .collect()
}

fn counted(shards: usize) -> String {
    if shards == 1 { "1 shard".into() } else { format!("{shards} shards") }
}

fn undated(documents: u64, tally: &Tally) -> String {
    let Some(first) = &tally.first_unreadable_date else { return format!("{documents} without a date") };
    let unreadable = tally.unreadable_dates;
    format!("{documents} without a date, {unreadable} of them with one that could not be read (first {first})")
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
    fn dates_that_could_not_be_read_are_told_with_the_place_of_the_first() {
        assert_eq!(undated(7, &Tally::default()), "7 without a date");
        let first_unreadable_date = Some("a.jsonl:5".to_owned());
        let said = undated(7, &Tally { unreadable_dates: 3, first_unreadable_date, ..Tally::default() });
        assert!(said.starts_with("7 without a date, 3 of them ") && said.contains("a.jsonl:5"), "{said}");
    }

    #[test]
    fn what_every_document_lacks_is_told_with_the_flag_that_names_its_field() {
        let tally = Tally { rows: 3, untitled: 3, textless: 2, undated: 3, ..Tally::default() };
        let said = suspicions(&tally, &ShardSettings { date_field: Some("filed".into()), ..ShardSettings::default() });
        assert_eq!(said.len(), 2);
        assert!(said[0].contains("--title-field") && said[1].contains("filed") && said[1].contains("--date-field"));
    }
}
