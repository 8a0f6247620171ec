//! `raw/rejected.jsonl` → how many lines were refused for each reason.

use std::collections::HashMap;

use serde::Deserialize;

/// Reasons beyond these count as [`OTHER_REASONS`], so that a list of whatever length takes little memory.
const MOST_REASONS: usize = 1000;

/// What stands for the reasons that are one too many.
const OTHER_REASONS: &str = "other reasons";

/// An entry of the list is not one.
#[derive(Debug, thiserror::Error)]
#[error("the list of refused lines: line {line} is not a refused line with its reason (edited by hand?)")]
pub struct TallyError {
    /// The line's number, from 1.
    line: u64,
    /// What the parser says.
    source: serde_json::Error,
}

#[derive(Deserialize)]
struct Entry {
    reason: String,
}

/// Counts refused lines by reason out of a list that comes piece by piece; one line is in memory at a time.
#[derive(Debug, Default)]
pub struct Tally {
    counts: HashMap<String, u64>,
    /// The line that has begun.
    begun: Vec<u8>,
    lines: u64,
}

impl Tally {
    /// Counts the entries that end in `piece`; pieces may break anywhere.
    ///
    /// # Errors
    /// [`TallyError`] for a list that was edited.
    pub fn add(&mut self, piece: &[u8]) -> Result<(), TallyError> {
        for part in piece.split_inclusive(|&byte| byte == b'\n') {
            self.begun.extend_from_slice(part);
            if part.ends_with(b"\n") {
                self.count()?;
            }
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), TallyError> {
        self.lines += 1;
        let entry = serde_json::from_slice(&self.begun).map_err(|source| TallyError { line: self.lines, source });
        let Entry { reason } = entry?;
        self.begun.clear();
        let is_one_too_many = self.counts.len() >= MOST_REASONS && !self.counts.contains_key(&reason);
        *self.counts.entry(if is_one_too_many { OTHER_REASONS.into() } else { reason }).or_default() += 1;
        Ok(())
    }

    /// Returns the counts, the most frequent reason first, then by name.
    ///
    /// # Errors
    /// [`TallyError`] for a list that breaks off in the middle of a line.
    pub fn finish(mut self) -> Result<Vec<(String, u64)>, TallyError> {
        if !self.begun.is_empty() {
            self.count()?;
        }
        let mut reasons: Vec<(String, u64)> = self.counts.into_iter().collect();
        reasons.sort_unstable_by(|(reason, count), (other, others)| others.cmp(count).then_with(|| reason.cmp(other)));
        Ok(reasons)
    }
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

    fn tally(list: &[u8], piece: usize) -> Result<Vec<(String, u64)>, TallyError> {
        let mut tally = Tally::default();
        list.chunks(piece).try_for_each(|piece| tally.add(piece))?;
        tally.finish()
    }

    #[test]
    fn reasons_are_counted_and_the_most_frequent_comes_first() {
        let list = list(&["not JSON", "empty id", "id seen before", "empty id"]);
        let expected = [("empty id", 2), ("id seen before", 1), ("not JSON", 1)];
        let expected = expected.map(|(reason, count)| (reason.to_owned(), count));
        for piece in [1, 7, 1000] {
            assert_eq!(tally(list.as_bytes(), piece).unwrap(), expected);
        }
        assert_eq!(tally(b"", 1).unwrap(), []);
    }

    #[test]
    fn reasons_without_end_are_counted_together() {
        let reasons: Vec<String> = (0..1500).map(|n| format!("reason {n}")).collect();
        let reasons: Vec<&str> = reasons.iter().map(String::as_str).collect();
        let counted = tally(list(&reasons).as_bytes(), 4096).unwrap();
        assert_eq!(counted[0], (OTHER_REASONS.to_owned(), 500));
        assert_eq!(counted.iter().map(|(_, count)| count).sum::<u64>(), 1500);
    }

    #[test]
    fn a_list_edited_by_hand_is_an_error_that_names_the_line() {
        for edited in ["{}\n", "{\"reason\": \"cut o"] {
            let list = list(&["not JSON"]) + edited;
            assert!(tally(list.as_bytes(), 64).unwrap_err().to_string().contains("line 2"));
        }
    }
}
