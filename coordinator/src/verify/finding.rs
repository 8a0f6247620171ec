//! What is wrong with an object, and what mends it: values, and the one place where they become text and JSON.

use serde_json::{Value, json};
use strata_shared::layout::{self, ModelName, RunName};
use strata_shared::table::TableError;

use super::question::Question;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something is lost, or not what it should be.
    Damage,
    /// Nothing is lost; something is not done yet, or is left over.
    Note,
}

impl Level {
    /// Returns the word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Damage => "damage",
            Self::Note => "note",
        }
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Problem {
    /// The object is not there.
    Missing,
    /// It is of another size.
    Bytes {
        /// Its size.
        found: u64,
        /// The size that what names it says.
        expected: u64,
    },
    /// It has other bytes.
    Sha256 {
        /// Its sha256.
        found: String,
        /// The sha256 that what names it says.
        expected: String,
    },
    /// It cannot be read as what it is.
    Unreadable {
        /// Why.
        reason: String,
    },
    /// It contradicts itself, or what it was made of.
    Content {
        /// What was found and what was expected.
        reason: String,
    },
    /// It has another number of rows, or of lines.
    Rows {
        /// Those that it has.
        found: u64,
        /// Those that it should have.
        expected: u64,
    },
    /// A document of it is in the same generation twice.
    RepeatedId {
        /// The document's row.
        row: usize,
        /// The raw shard where it is first.
        first: String,
        /// Its row there.
        first_row: usize,
    },
    /// Another number of documents is without a date.
    Undated {
        /// Those that are.
        found: u64,
        /// Those that are said to be.
        expected: u64,
    },
    /// It has another document in a row than the raw shard.
    OtherDocuments {
        /// The first such row; `None` where the ids are the same and the texts are not.
        row: Option<usize>,
    },
    /// Its vectors have another number of dimensions than the model's others.
    Dimensions {
        /// Those that they have.
        found: usize,
        /// Those of the others.
        expected: usize,
    },
    /// It is not the copy that it should be.
    NotACopy {
        /// What it should be a copy of.
        of: String,
    },
    /// It names a generation that is not there.
    NoGeneration {
        /// The generation.
        generation: u64,
    },
    /// It names a generation that is another now.
    OtherGeneration {
        /// The generation.
        generation: u64,
        /// The sha256 of its manifest.
        found: String,
        /// The sha256 that it was made of.
        expected: String,
    },
    /// It names a run that is not finished, or not there.
    NoRun {
        /// The run.
        run: String,
    },
    /// It follows a run that was made anew since.
    FollowsOther {
        /// The run.
        run: String,
    },
    /// Shards have no vectors of a model.
    NoVectors {
        /// How many.
        missing: usize,
        /// Of how many.
        total: usize,
    },
    /// A run is not finished.
    Unfinished,
    /// No generation and no run names it.
    Orphan,
    /// A write that was not finished left it.
    Staged,
}

/// What mends it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Remedy {
    /// Nothing needs to be done.
    Nothing,
    /// Only a copy of the store has it.
    Restore,
    /// Another object is the same.
    Copy {
        /// That object.
        from: String,
    },
    /// The inputs of this generation make it again.
    Shard {
        /// The generation, the newest.
        generation: u64,
    },
    /// The compaction that made the newest generation makes it again.
    Compact,
    /// The generation that a run saw has to come back; nothing else can make the run again.
    RestoreGeneration {
        /// Its number.
        generation: u64,
    },
    /// The model makes it again, or whoever brought it along.
    Embed,
    /// A compaction makes a shard without superseded rows, whose vectors somebody can bring along.
    CompactAndBring,
    /// Only a copy of the store has it: nothing makes vectors of an earlier generation.
    RestoreVectors,
    /// The reduce makes it again.
    Reduce {
        /// The run.
        run: RunName,
        /// What it was asked, where that can be read.
        question: Option<Question>,
        /// Whether the run has to be made anew; else what is missing of it is made.
        force: bool,
    },
    /// A prune removes it.
    Prune,
    /// It says nothing that is needed.
    Remove,
}

/// What was found about one object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Its key, or its folder.
    pub object: String,
    /// How much it matters.
    pub level: Level,
    /// What is wrong.
    pub problem: Problem,
    /// What mends it.
    pub remedy: Remedy,
}

impl Finding {
    /// Something is lost or wrong.
    pub(super) fn damage(object: impl Into<String>, problem: Problem, remedy: Remedy) -> Self {
        Self { object: object.into(), level: Level::Damage, problem, remedy }
    }

    /// Something is left over, or not done yet.
    pub(super) fn note(object: impl Into<String>, problem: Problem, remedy: Remedy) -> Self {
        Self { object: object.into(), level: Level::Note, problem, remedy }
    }

    /// Says it in a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Self { object, problem, .. } = self;
        match self.mend() {
            Some(mend) => format!("{object}: {problem}; {mend}"),
            None => format!("{object}: {problem}"),
        }
    }

    /// Returns it as a JSON object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let (found, expected) = self.problem.both();
        json!({
            "object": self.object, "level": self.level.as_str(), "problem": self.problem.kind(),
            "says": self.problem.to_string(), "found": found, "expected": expected, "remedy": self.mend(),
        })
    }

    /// Says what makes vectors.
    fn makes_vectors(&self) -> String {
        let model = self.object.split('/').nth(1).unwrap_or_default();
        if model.parse().is_ok_and(|model: ModelName| model.has_fingerprint()) {
            return "`strata embed` with that model makes it".into();
        }
        format!("the command that brought it makes it: `strata shard` INPUTS `--vectors` FILE `--model-name {model}`")
    }

    fn mend(&self) -> Option<String> {
        // A command that makes what is missing takes what is there for what it should be.
        let is_absent = matches!(self.problem, Problem::Missing | Problem::NoVectors { .. });
        let first = if is_absent { "" } else { "remove it, then " };
        match &self.remedy {
            Remedy::Nothing => None,
            Remedy::Restore => Some("restore it from a copy of the store, else shard into a new one".into()),
            Remedy::Copy { from } => Some(format!("copy {from} to it")),
            Remedy::Shard { generation } => {
                Some(format!("{first}`strata shard` with the inputs of generation {generation} again makes it"))
            }
            Remedy::Compact => Some(format!("{first}`strata compact` makes it again")),
            Remedy::RestoreGeneration { generation } => {
                let key = layout::generation(*generation);
                Some(format!("restore {key} from a copy of the store, else remove the run's folder"))
            }
            Remedy::RestoreVectors => {
                Some("restore it from a copy of the store, as no command makes vectors of an earlier generation".into())
            }
            // No file has vectors of what superseded rows were; a compaction leaves behind what it cannot read.
            Remedy::CompactAndBring => Some(format!("`strata compact` and then {}", self.makes_vectors())),
            Remedy::Embed => Some(format!("{first}{}", self.makes_vectors())),
            Remedy::Reduce { run, question, force } => {
                let force = if *force { " --force" } else { "" };
                Some(match question.as_ref().map(Question::flags) {
                    Some(flags) => format!("`strata reduce --run {run}{flags}{force}` makes it"),
                    None => format!(
                        "`strata reduce --run {run}{force}` with the flags and the --generation that it had makes it"
                    ),
                })
            }
            Remedy::Prune => Some("`strata prune` removes it".into()),
            Remedy::Remove => Some("remove it".into()),
        }
    }
}

impl Problem {
    /// Returns the word for it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Bytes { .. } => "bytes",
            Self::Sha256 { .. } => "sha256",
            Self::Unreadable { .. } => "unreadable",
            Self::Content { .. } => "content",
            Self::Rows { .. } => "rows",
            Self::RepeatedId { .. } => "repeated_id",
            Self::Undated { .. } => "undated",
            Self::OtherDocuments { .. } => "other_documents",
            Self::Dimensions { .. } => "dimensions",
            Self::NotACopy { .. } => "not_a_copy",
            Self::NoGeneration { .. } => "no_generation",
            Self::OtherGeneration { .. } => "other_generation",
            Self::NoRun { .. } => "no_run",
            Self::FollowsOther { .. } => "follows_other",
            Self::NoVectors { .. } => "no_vectors",
            Self::Unfinished => "unfinished",
            Self::Orphan => "orphan",
            Self::Staged => "unfinished_write",
        }
    }

    /// Returns what was found and what was expected, where both are values.
    fn both(&self) -> (Value, Value) {
        match self {
            Self::Bytes { found, expected } | Self::Rows { found, expected } | Self::Undated { found, expected } => {
                (json!(found), json!(expected))
            }
            Self::Sha256 { found, expected } | Self::OtherGeneration { found, expected, .. } => {
                (json!(found), json!(expected))
            }
            Self::Dimensions { found, expected } => (json!(found), json!(expected)),
            Self::NoVectors { missing, total } => (json!(total - missing), json!(total)),
            _ => (Value::Null, Value::Null),
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing => write!(to, "is missing"),
            Self::Bytes { found, expected } => write!(to, "has {found} bytes, expected {expected}"),
            Self::Sha256 { found, expected } => write!(to, "has sha256 {found}, expected {expected}"),
            Self::Unreadable { reason } => write!(to, "cannot be read: {reason}"),
            Self::Content { reason } => write!(to, "{reason}"),
            Self::Rows { found, expected } => write!(to, "has {found} rows, expected {expected}"),
            Self::RepeatedId { row, first, first_row } => {
                write!(to, "row {row} has the id of row {first_row} of {first}, expected each id once in a generation")
            }
            Self::Undated { found, expected } => {
                write!(to, "counts {expected} documents without a date, its shards have {found}")
            }
            Self::OtherDocuments { row: Some(row) } => write!(to, "row {row} is another document than the raw shard's"),
            Self::OtherDocuments { row: None } => write!(to, "its documents have other texts than the raw shard's"),
            Self::Dimensions { found, expected } => {
                write!(to, "vectors have {found} dimensions, those of the model's other shards {expected}")
            }
            Self::NotACopy { of } => write!(to, "differs from {of}, expected a copy"),
            Self::NoGeneration { generation } => write!(to, "saw generation {generation}, which is not there"),
            Self::OtherGeneration { generation, found, expected } => {
                write!(to, "saw generation {generation} with sha256 {expected}, which has {found}")
            }
            Self::NoRun { run } => write!(to, "names {run}, which is no finished run"),
            Self::FollowsOther { run } => {
                write!(to, "follows {run} as it was before it was made anew, so that `--since` goes back no further")
            }
            Self::NoVectors { missing, total } => write!(to, "{missing} of {total} shards have no vectors yet"),
            Self::Unfinished => write!(to, "is not finished, or under way"),
            Self::Orphan => write!(to, "is named by no generation and no run"),
            Self::Staged => write!(to, "is what an unfinished write has left"),
        }
    }
}

impl Problem {
    /// Tells what is wrong with a table, or gives the error back where it is the store that failed.
    ///
    /// # Errors
    /// The store's own.
    pub(super) fn of(error: TableError) -> Result<Self, TableError> {
        let reason = |error: &TableError| match error.to_string().split_once(": ") {
            Some((_, reason)) => reason.to_owned(),
            None => error.to_string(),
        };
        match error {
            TableError::Store(store) if store.is_not_found() => Ok(Self::Missing),
            TableError::Missing { .. } => Ok(Self::Missing),
            TableError::Unreadable { source, .. } => Ok(Self::Unreadable { reason: source.to_string() }),
            TableError::Content { reason, .. } => Ok(Self::Content { reason }),
            error @ (TableError::Column { .. } | TableError::Format { .. }) => {
                Ok(Self::Content { reason: reason(&error) })
            }
            error => Err(error),
        }
    }
}
