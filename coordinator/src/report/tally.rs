//! `raw/rejected.jsonl` → how many lines were refused for each reason.

use std::collections::HashMap;
use std::io::BufRead;

use serde::Deserialize;

/// Reasons beyond these count as [`OTHER_REASONS`], so that a list of whatever length takes little memory.
const MOST_REASONS: usize = 1000;

/// What stands for the reasons that are one too many.
const OTHER_REASONS: &str = "other reasons";

/// Why refused lines could not be counted.
#[derive(Debug, thiserror::Error)]
pub enum TallyError {
    /// The list breaks off.
    #[error("raw/rejected.jsonl: line {line} cannot be read")]
    Read {
        /// The line's number, from 1.
        line: u64,
        /// What the source says.
        source: std::io::Error,
    },
    /// An entry is not one.
    #[error("raw/rejected.jsonl: line {line} is not a refused line with its reason (edited by hand?)")]
    Entry {
        /// The line's number, from 1.
        line: u64,
        /// What the parser says.
        source: serde_json::Error,
    },
}

#[derive(Deserialize)]
struct Entry {
    reason: String,
}

/// Counts refused lines by reason, the most frequent reason first, then by name.
///
/// One line is in memory at a time.
///
/// # Errors
/// [`TallyError`] for a list that breaks off or was edited.
pub fn tally(mut lines: impl BufRead) -> Result<Vec<(String, u64)>, TallyError> {
    let mut counts: HashMap<String, u64> = HashMap::new();
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        let length = lines.read_until(b'\n', &mut bytes).map_err(|source| TallyError::Read { line, source })?;
        if length == 0 {
            break;
        }
        let entry: Entry = serde_json::from_slice(&bytes).map_err(|source| TallyError::Entry { line, source })?;
        let is_one_too_many = counts.len() >= MOST_REASONS && !counts.contains_key(&entry.reason);
        *counts.entry(if is_one_too_many { OTHER_REASONS.into() } else { entry.reason }).or_default() += 1;
    }
    let mut reasons: Vec<(String, u64)> = counts.into_iter().collect();
    reasons.sort_unstable_by(|(reason, count), (other, others)| others.cmp(count).then_with(|| reason.cmp(other)));
    Ok(reasons)
}

#[cfg(test)]
mod tests {
    use strata_shared::manifest::Rejection;

    use super::*;

    fn list(reasons: &[&str]) -> String {
        let line = |reason: &&str| {
            let text = "{\"id\": 1".into();
            let rejection = Rejection { input: "a.jsonl".into(), line: 1, reason: (*reason).into(), id: None, text };
            serde_json::to_string(&rejection).unwrap() + "\n"
        };
        reasons.iter().map(line).collect()
    }

    #[test]
    fn reasons_are_counted_and_the_most_frequent_comes_first() {
        let list = list(&["not JSON", "empty id", "id seen before", "empty id"]);
        let expected = [("empty id", 2), ("id seen before", 1), ("not JSON", 1)];
        assert_eq!(tally(list.as_bytes()).unwrap(), expected.map(|(reason, count)| (reason.to_owned(), count)));
        assert_eq!(tally(&b""[..]).unwrap(), []);
    }

    #[test]
    fn reasons_without_end_are_counted_together() {
        let reasons: Vec<String> = (0..1500).map(|n| format!("reason {n}")).collect();
        let reasons: Vec<&str> = reasons.iter().map(String::as_str).collect();
        let counted = tally(list(&reasons).as_bytes()).unwrap();
        assert_eq!(counted[0], (OTHER_REASONS.to_owned(), 500));
        assert_eq!(counted.iter().map(|(_, count)| count).sum::<u64>(), 1500);
    }

    #[test]
    fn a_list_edited_by_hand_is_an_error_that_names_the_line() {
        let list = list(&["not JSON"]) + "{}\n";
        assert!(tally(list.as_bytes()).unwrap_err().to_string().contains("line 2"));
    }
}
