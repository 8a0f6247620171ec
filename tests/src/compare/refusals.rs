//! Planted faults and `raw/rejected.jsonl` → which line was refused for which reason, and which refusals nobody planted.

use strata::shard::Reason;
use strata_shared::manifest::Rejection;

use crate::corpus::{PlantedRefusal, RefusalKind};

/// What became of all planted faults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusals {
    /// One entry for each planted fault, in order of line.
    pub planted: Vec<RefusalMatch>,
    /// Refused lines with which nothing was planted to be wrong.
    pub unplanned: Vec<u64>,
}

/// One planted fault and the reason for which its line was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalMatch {
    /// The line's number, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub kind: RefusalKind,
    /// The reason that was given; `None` where the line was not refused.
    pub reason: Option<String>,
}

impl RefusalMatch {
    /// Tells whether the line was refused for what is wrong with it.
    #[must_use]
    pub fn is_accounted(&self) -> bool {
        self.reason.as_deref() == Some(expected(self.kind).to_string().as_str())
    }
}

impl Refusals {
    /// Returns the planted faults that were refused for what is wrong with them.
    #[must_use]
    pub fn num_accounted(&self) -> usize {
        self.planted.iter().filter(|refusal| refusal.is_accounted()).count()
    }
}

const fn expected(kind: RefusalKind) -> Reason {
    match kind {
        RefusalKind::NotJson | RefusalKind::TruncatedJson => Reason::NotJson,
        RefusalKind::InvalidUtf8 => Reason::NotUtf8,
        RefusalKind::NotAnObject => Reason::NotObject,
        RefusalKind::MissingId | RefusalKind::NullId => Reason::NoId,
        RefusalKind::EmptyId => Reason::EmptyId,
        RefusalKind::IdType => Reason::IdType,
        RefusalKind::RepeatedId => Reason::DuplicateId,
        RefusalKind::TitleType => Reason::TitleType,
        RefusalKind::TextType => Reason::TextType,
        RefusalKind::NothingToRead => Reason::NoContent,
        RefusalKind::TooLong => Reason::TooLong,
    }
}

pub(super) fn compare(planted: &[PlantedRefusal], rejections: &[Rejection]) -> Refusals {
    let reason = |line| rejections.iter().find(|rejection| rejection.line == line).map(|found| found.reason.clone());
    let matched = planted.iter().map(|refusal| RefusalMatch {
        line: refusal.line,
        kind: refusal.kind,
        reason: reason(refusal.line),
    });
    let is_planted = |line| planted.iter().any(|refusal| refusal.line == line);
    let unplanned = rejections.iter().map(|rejection| rejection.line).filter(|line| !is_planted(*line));
    Refusals { planted: matched.collect(), unplanned: unplanned.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejection(line: u64, reason: Reason) -> Rejection {
        Rejection { input: "a".into(), line, reason: reason.to_string(), id: None, text: String::new() }
    }

    #[test]
    fn a_line_is_accounted_for_by_its_number_and_its_reason() {
        let planted = [2, 4, 6].map(|line| PlantedRefusal { line, kind: RefusalKind::NullId });
        let found = [rejection(2, Reason::NoId), rejection(4, Reason::NotJson), rejection(5, Reason::NoId)];
        let refusals = compare(&planted, &found);
        assert_eq!(refusals.num_accounted(), 1);
        assert_eq!(refusals.planted[2].reason, None);
        assert_eq!(refusals.unplanned, [5]);
    }
}
