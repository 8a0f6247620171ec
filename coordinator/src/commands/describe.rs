//! Outcomes → the sentences and tables that commands print about themselves.

use std::collections::BTreeMap;

use strata_shared::settings::ShardSettings;

use crate::configuration::Value;
use crate::report::visible;
use crate::shard::{Change, Outcome, Tally, Terms};

/// Says what became of the inputs.
pub(super) fn shards(outcome: &Outcome) {
    let manifest = &outcome.manifest;
    let (rows, shards) = (manifest.rows, counted(manifest.shards.len()));
    if let Some(change) = &outcome.change {
        surprises(change).iter().for_each(|surprise| tracing::warn!("{surprise}"));
    }
    match &outcome.change {
        Some(change) if change.is_nothing() => {
            let (lines, unchanged) = (change.unchanged + change.rejected, change.unchanged);
            tracing::info!(
                "{unchanged} documents in {lines} lines, none of them new or changed: {rows} documents in {shards}; \
                 nothing to do"
            );
            if change.rejected > 0 {
                tracing::warn!("{}", refused(change.rejected, outcome.tally.as_ref()));
            }
            return;
        }
        None if outcome.already_done => {
            tracing::info!("these inputs are in the store already: {rows} documents in {shards}; nothing to do");
            return;
        }
        Some(change) => {
            let Change { generation, unchanged, changed, new, gone, kept, .. } = change;
            tracing::info!(
                "generation {generation}: {new} new, {changed} changed, {unchanged} unchanged, {gone} gone, {kept} kept \
                 though these inputs lack them"
            );
        }
        None => {}
    }
    let blank: u64 = manifest.inputs.iter().map(|input| input.blank).sum();
    let tally = outcome.tally.clone().unwrap_or_default();
    tracing::info!(
        "{} lines: {} documents, {} refused (raw/rejected.jsonl), {blank} blank; the corpus has {rows} documents in {shards}, {}",
        manifest.lines(),
        manifest.documents_of_snapshot(),
        manifest.rejected,
        undated(manifest.undated, &tally)
    );
    if tally.rows > 0 {
        suspicions(&tally, &manifest.settings).iter().for_each(|suspicion| tracing::warn!("{suspicion}"));
    }
}

/// Tells of refusals that no generation lists, since nothing came of their snapshot.
fn refused(number: u64, tally: Option<&Tally>) -> String {
    let first = tally.and_then(|tally| tally.first_refusal.as_ref());
    let first = first.map_or_else(String::new, |first| format!(", first {first}"));
    format!("{number} lines were refused{first}")
}

/// Returns what somebody who updates a corpus may not expect.
fn surprises(change: &Change) -> Vec<String> {
    let Change { reverted, reused, reused_ids, unreadable, kept, .. } = change;
    let mut surprises = Vec::new();
    if *reverted > 0 {
        surprises.push(format!(
            "{reverted} documents are again what they were before an earlier update: is this an older snapshot?"
        ));
    }
    if *reused > 0 {
        let more = if *reused > reused_ids.len() as u64 { ", …" } else { "" };
        surprises.push(format!(
            "{reused} documents share hardly a word with what they were; were their ids used again for others? {}{more}",
            reused_ids.iter().map(|id| format!("{id:?}")).collect::<Vec<_>>().join(", ")
        ));
    }
    if *unreadable > 0 && *kept > 0 {
        surprises.push(format!(
            "{unreadable} refused lines cannot be told to be any document's: while there are such, none of the {kept} \
             documents that these inputs lack is taken for gone"
        ));
    }
    surprises
}

/// Draws what a snapshot would change.
pub(super) fn change(change: &Change, terms: &Terms) -> String {
    let share = |documents: u64| match change.rows_before {
        0 => String::new(),
        rows => format!("{:>8.2} %", documents as f64 * 100.0 / rows as f64),
    };
    let line = |name: &str, documents: u64, share: String, what: &str| {
        format!("{name:<10} {documents:>12} {share:>10}   {what}").trim_end().to_owned()
    };
    let lacking =
        if terms.complete { "these inputs lack them" } else { "these inputs lack them; --complete removes them" };
    let mut lines = vec![
        line("unchanged", change.unchanged, share(change.unchanged), "stay where they are"),
        line("changed", change.changed, share(change.changed), "are embedded again"),
        line("new", change.new, String::new(), "are embedded"),
        line("gone", change.gone, share(change.gone), "these inputs lack them: they are removed"),
        line("kept", change.kept, share(change.kept), lacking),
        line("refused", change.rejected, String::new(), "lines that are no document"),
    ];
    let day = |day: &Option<String>| day.clone().unwrap_or_else(|| "no day".into());
    let newest = format!("newest of {}, these inputs' of {}", day(&change.newest_before), day(&change.newest));
    lines.push(format!("{} documents become {}; {newest}", change.rows_before, change.rows));
    lines.extend(surprises(change));
    if change.is_nothing() {
        lines.push("nothing to do".into());
    } else if let Err(refusal) = change.check(terms) {
        lines.push(format!("would be refused: {refusal}"));
    }
    lines.iter().map(|line| visible::plain(line)).collect::<Vec<_>>().join("\n")
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
