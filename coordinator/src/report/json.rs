//! Findings → the JSON that `strata report --json` prints.
//!
//! Its keys are the contract's: `run`, `rows`, `topics`, `fading`, `emerging`, `lonely`, `rejected`; entries have the
//! names of the tables' columns. Text keeps its value, and hidden characters are written as `\uXXXX`, so that nothing of
//! it steers the terminal that it is printed on.

use serde::Serialize;
use strata_shared::findings::{LonelyDocument, Topic};

use super::{Report, visible};

#[derive(Serialize)]
struct Printed<'a> {
    run: &'a str,
    rows: u64,
    topics: &'a [Topic],
    fading: Vec<&'a Topic>,
    emerging: Vec<&'a Topic>,
    lonely: &'a [LonelyDocument],
    rejected: u64,
}

/// Writes the findings as one indented JSON object and a line feed.
///
/// # Errors
/// Never: numbers and strings always serialise.
pub fn json(report: &Report) -> serde_json::Result<String> {
    let printed = Printed {
        run: &report.findings.record.run,
        rows: report.findings.record.rows,
        topics: &report.findings.topics,
        fading: report.fading(),
        emerging: report.emerging(),
        lonely: &report.findings.lonely,
        rejected: report.manifest.rejected,
    };
    Ok(visible::json(&serde_json::to_string_pretty(&printed)?) + "\n")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::fixture;
    use super::*;

    #[test]
    fn the_keys_are_those_of_the_contract() {
        let value: Value = serde_json::from_str(&json(&fixture::report()).unwrap()).unwrap();
        let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["emerging", "fading", "lonely", "rejected", "rows", "run", "topics"]);
        assert_eq!(value["rows"], 35_709);
        assert_eq!(value["rejected"], 11);
        assert_eq!(value["fading"][0]["fading_rank"], 1);
        assert_eq!(value["emerging"][0]["emerging_rank"], 1);
        for column in ["label", "name", "terms", "size", "first", "peak_period", "fade_low", "representative_ids"] {
            assert!(value["topics"][0].get(column).is_some(), "{column}");
        }
        for column in ["rank", "id", "created", "label", "similarity", "nearest_id", "nearest_similarity"] {
            assert!(value["lonely"][0].get(column).is_some(), "{column}");
        }
    }

    #[test]
    fn a_similarity_has_the_digits_that_it_needs() {
        assert!(json(&fixture::report()).unwrap().contains("\"similarity\": 0.296,"));
    }

    #[test]
    fn hostile_text_keeps_its_value_and_steers_no_terminal() {
        let text = json(&fixture::hostile()).unwrap();
        assert!(!text.chars().any(|character| character != '\n' && visible::is_hidden(character)));
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["lonely"][1]["title"], fixture::HOSTILE[1]);
        assert_eq!(read["lonely"][2]["title"], fixture::HOSTILE[2]);
    }
}
