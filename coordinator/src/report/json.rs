//! Findings → the JSON that `strata report --json` prints.
//!
//! Its keys are the contract's: `run`, `rows`, `topics`, `fading`, `emerging`, `lonely`, `rejected`; entries have the
//! names of the tables' columns. Text is as it was read: hidden characters are written as `\uXXXX`.

use serde_json::{Value, json};

use super::{Report, visible};

/// Returns the findings as one JSON object.
#[must_use]
pub fn json(report: &Report) -> Value {
    json!({
        "run": report.findings.record.run,
        "rows": report.findings.record.rows,
        "topics": report.findings.topics,
        "fading": report.fading(),
        "emerging": report.emerging(),
        "lonely": report.findings.lonely,
        "rejected": report.manifest.rejected,
    })
}

/// Writes the findings as indented JSON that is safe to print: no character of it steers a terminal.
#[must_use]
pub fn json_text(report: &Report) -> String {
    visible::json(&format!("{:#}\n", json(report)))
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn the_keys_are_those_of_the_contract() {
        let value = json(&fixture::report());
        let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["emerging", "fading", "lonely", "rejected", "rows", "run", "topics"]);
        assert_eq!(value["rows"], 35_709);
        assert_eq!(value["rejected"], 11);
        assert_eq!(value["fading"][0]["fading_rank"], 1);
        assert_eq!(value["emerging"][0]["status"], "emerging");
        for column in ["label", "name", "terms", "size", "first", "peak_period", "fade_low", "representative_ids"] {
            assert!(value["topics"][0].get(column).is_some(), "{column}");
        }
        for column in ["rank", "id", "created", "label", "similarity", "nearest_id", "nearest_similarity"] {
            assert!(value["lonely"][0].get(column).is_some(), "{column}");
        }
    }

    #[test]
    fn hostile_text_keeps_its_value_and_steers_no_terminal() {
        let report = fixture::hostile();
        let text = json_text(&report);
        assert!(!text.chars().any(|character| character != '\n' && visible::is_hidden(character)));
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read, json(&report));
        assert_eq!(read["lonely"][0]["title"], fixture::HOSTILE[0]);
    }
}
