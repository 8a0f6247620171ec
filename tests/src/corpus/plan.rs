//! What corpus is wanted: size, seed, time, and what to plant in it.
//!
//! Invariant: a checked plan has at least one document and one year, and no more loners than there are texts for.

use chrono::{Datelike, NaiveDate};

use super::loners::LONERS;

/// The wishes for one corpus; [`Plan::default`] is the demo's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Documents, that is lines that are neither blank nor refused.
    pub documents: u64,
    /// Same plan and seed, same bytes.
    pub seed: u64,
    /// The archive starts on the first of January of this year.
    pub first_year: i32,
    /// The last day covered; before the 31st of December the last year is incomplete.
    pub until: NaiveDate,
    /// Number of loners; by default 8 and one more per 1,500 documents, but never above 5 % of the documents.
    pub loners: Option<u64>,
    /// Leaves out everything malformed or odd in form: refused and blank lines, byte order mark, CR LF, bad dates.
    pub clean: bool,
    /// Lets every topic hold its share: the control in which nothing fades or rises.
    pub steady: bool,
    /// Adds one line that is longer than so many bytes.
    pub too_long_bytes: Option<u64>,
}

/// Why there can be no such corpus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// No documents are asked for.
    NoDocuments,
    /// The archive ends before it starts.
    NoYears,
    /// More loners than there are texts, or than the corpus has documents.
    TooManyLoners {
        /// As asked for.
        wanted: u64,
        /// As many as there can be.
        most: u64,
    },
}

impl std::fmt::Display for PlanError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoDocuments => write!(formatter, "a corpus needs at least one document"),
            Self::NoYears => write!(formatter, "the archive ends before its first year"),
            Self::TooManyLoners { wanted, most } => write!(formatter, "{wanted} loners wanted, there can be {most}"),
        }
    }
}

impl std::error::Error for PlanError {}

impl Default for Plan {
    fn default() -> Self {
        Self {
            documents: 3000,
            seed: 42,
            first_year: 2004,
            until: NaiveDate::from_ymd_opt(2023, 12, 31).unwrap_or(NaiveDate::MAX),
            loners: None,
            clean: false,
            steady: false,
            too_long_bytes: None,
        }
    }
}

impl Plan {
    /// Refuses a plan that no corpus can follow.
    ///
    /// # Errors
    /// [`PlanError`], one variant per reason.
    pub fn check(&self) -> Result<(), PlanError> {
        let most = self.documents.min(LONERS.len() as u64);
        match self.loners {
            _ if self.documents == 0 => Err(PlanError::NoDocuments),
            _ if self.until.year() < self.first_year => Err(PlanError::NoYears),
            Some(wanted) if wanted > most => Err(PlanError::TooManyLoners { wanted, most }),
            _ => Ok(()),
        }
    }

    pub(super) fn num_loners(&self) -> u64 {
        let usual = (8 + self.documents / 1500).min(self.documents / 20).min(LONERS.len() as u64);
        self.loners.unwrap_or(usual)
    }

    /// Exact copies; there are as many near ones.
    pub(super) fn num_copies(&self) -> u64 {
        self.documents / 200
    }

    /// How many lines of each malformed kind there are.
    pub(super) fn num_rounds(&self) -> usize {
        (self.documents / 1500).max(1) as usize
    }
}
