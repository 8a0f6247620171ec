//! Lines in order → documents without duplicates, refusals, and counts that add up; of a corpus that is there, only the
//! documents that are new or changed go on.
//!
//! Invariant: `lines = rows + rejected + blank`, for each input and for all; of documents with the same id the first
//! stays. What comes out is a function of the lines and the corpus alone, however they were cut into batches.

use std::collections::BTreeMap;
use std::io::Write;

use strata_shared::manifest::{InputEntry, Rejection};

use super::bits::Bits;
use super::document::{Candidate, Line, Refusal};
use super::error::ShardError;
use super::known::{KnownDocuments, Standing};
use super::reason::{Reason, cut};
use super::reuse::Changes;
use super::salvage::salvage_id;
use super::seen::SeenIds;
use super::spool::{Spool, Spooled, scratch_error};
use super::write::ShardSender;

/// What became of the lines of all inputs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// Documents.
    pub rows: u64,
    /// Refused lines.
    pub rejected: u64,
    /// Refused lines by reason.
    pub reasons: BTreeMap<Reason, u64>,
    /// Documents among those that the corpus has as they are.
    pub unchanged: u64,
    /// Documents that the corpus has otherwise.
    pub changed: u64,
    /// Documents that the corpus does not have.
    pub new: u64,
    /// Changed and new documents that are again what they were before an earlier update.
    pub reverted: u64,
    /// When the newest document was created, in microseconds since 1970 in UTC.
    pub newest: Option<i64>,
    /// Documents without a date.
    pub undated: u64,
    /// Changed and new documents without a date.
    pub written_undated: u64,
    /// Documents, among those, with a date that could not be read.
    pub unreadable_dates: u64,
    /// Where the first of those is, for messages: `input:line`.
    pub first_unreadable_date: Option<String>,
    /// Documents without a title.
    pub untitled: u64,
    /// Documents without a text.
    pub textless: u64,
    /// The first refusal, for messages: `input:line: reason`.
    pub first_refusal: Option<String>,
    /// Refused lines whose document cannot be told.
    pub unreadable: u64,
}

/// All that the lines of the inputs became, besides the shards.
#[derive(Debug)]
pub(super) struct Assembled {
    pub(super) tally: Tally,
    pub(super) inputs: Vec<InputEntry>,
    pub(super) rejected: Spooled,
    /// Whether each line that is not blank became a row of a shard.
    pub(super) written: Bits,
    /// The corpus that there was.
    pub(super) known: KnownDocuments,
    /// Changed documents, to be compared with what they were.
    pub(super) changes: Changes,
}

/// Takes lines in order.
#[derive(Debug)]
pub(super) struct Assembly {
    shards: Option<ShardSender>,
    rejected: Spool,
    written: Bits,
    known: KnownDocuments,
    changes: Changes,
    /// Ids that the corpus does not know.
    seen: SeenIds,
    id_field: String,
    tally: Tally,
    inputs: Vec<InputEntry>,
    current: InputEntry,
}

impl Assembly {
    /// Begins with the corpus that there is; documents that are new or changed go to `shards`, or nowhere.
    pub(super) fn new(known: KnownDocuments, id_field: &str, shards: Option<ShardSender>) -> Self {
        Self {
            shards,
            rejected: Spool::new(),
            written: Bits::default(),
            known,
            changes: Changes::default(),
            seen: SeenIds::new(),
            id_field: id_field.to_owned(),
            tally: Tally::default(),
            inputs: Vec::new(),
            current: unread(String::new()),
        }
    }

    /// Tells whether nobody takes the shards any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.shards.as_ref().is_some_and(ShardSender::is_abandoned)
    }

    /// Begins the input of this name.
    pub(super) fn begin_input(&mut self, name: String) {
        self.current = unread(name);
    }

    /// Ends the current input, whose bytes have this sha256.
    pub(super) fn end_input(&mut self, sha256: String) {
        let ended = std::mem::replace(&mut self.current, unread(String::new()));
        self.inputs.push(InputEntry { sha256, ..ended });
    }

    /// Takes the next line; `text` gives what a rejection keeps of it, should its id have been seen before.
    ///
    /// # Errors
    /// [`ShardError::Abandoned`], or [`ShardError::Scratch`] where the refusals find no room.
    pub(super) fn take(&mut self, line: Line, text: impl FnOnce() -> String) -> Result<(), ShardError> {
        self.current.lines += 1;
        match line {
            Line::Blank => {
                self.current.blank += 1;
                Ok(())
            }
            Line::Refused(refusal) => {
                self.name(&refusal);
                self.refuse(refusal)
            }
            Line::Document(candidate) => match self.known.meet(&candidate.id_hash, candidate.content) {
                Standing::New if self.seen.insert(candidate.id_hash) => {
                    self.tally.new += 1;
                    self.write(candidate)
                }
                Standing::Changed(row) => {
                    self.tally.changed += 1;
                    self.changes.push(row, &candidate.document)?;
                    self.write(candidate)
                }
                Standing::Unchanged => {
                    self.tally.unchanged += 1;
                    self.count(&candidate);
                    self.written.push(false);
                    Ok(())
                }
                Standing::New | Standing::Repeated => {
                    let (id, reason) = (Some(candidate.document.id), Reason::DuplicateId);
                    self.refuse(Refusal { reason, id, text: text() })
                }
            },
        }
    }

    fn write(&mut self, candidate: Candidate) -> Result<(), ShardError> {
        self.count(&candidate);
        self.written.push(true);
        self.tally.written_undated += u64::from(candidate.document.created.is_none());
        self.tally.reverted += u64::from(self.known.was_superseded(candidate.content));
        self.shards.as_mut().map_or(Ok(()), |shards| shards.push(candidate.document))
    }

    fn count(&mut self, candidate: &Candidate) {
        self.tally.rows += 1;
        self.tally.newest = self.tally.newest.max(candidate.document.created);
        self.tally.undated += u64::from(candidate.document.created.is_none());
        self.tally.untitled += u64::from(candidate.document.title.is_empty());
        self.tally.textless += u64::from(candidate.document.abstract_text.is_empty());
        if candidate.unreadable_date {
            self.tally.unreadable_dates += 1;
            let (input, line) = (&self.current.name, self.current.lines);
            self.tally.first_unreadable_date.get_or_insert_with(|| format!("{input}:{line}"));
        }
    }

    /// Remembers whose line is refused: its document is not gone.
    fn name(&mut self, refusal: &Refusal) {
        let hidden = || refusal.reason.hides_id().then(|| salvage_id(&refusal.text, &self.id_field)).flatten();
        match refusal.id.clone().or_else(hidden) {
            Some(id) => self.known.name(&id),
            None => self.tally.unreadable += u64::from(refusal.reason.hides_id()),
        }
    }

    fn refuse(&mut self, refusal: Refusal) -> Result<(), ShardError> {
        let (input, line) = (self.current.name.clone(), self.current.lines);
        self.written.push(false);
        self.tally.rejected += 1;
        *self.tally.reasons.entry(refusal.reason).or_default() += 1;
        self.tally.first_refusal.get_or_insert_with(|| format!("{input}:{line}: {}", refusal.reason));
        let id = refusal.id.map(|id| cut(id.as_bytes()));
        let rejection = Rejection { input, line, reason: refusal.reason.to_string(), id, text: refusal.text };
        let written = serde_json::to_writer(&mut self.rejected, &rejection).map_err(std::io::Error::from);
        written.and_then(|()| self.rejected.write_all(b"\n")).map_err(scratch_error)
    }

    /// Ends the corpus.
    ///
    /// # Errors
    /// [`ShardError::Abandoned`] or [`ShardError::Scratch`].
    pub(super) fn finish(self) -> Result<Assembled, ShardError> {
        let Self { shards, rejected, tally, inputs, written, known, changes, .. } = self;
        shards.map_or(Ok(()), ShardSender::finish)?;
        let rejected = rejected.finish()?;
        Ok(Assembled { tally, inputs, rejected, written, known, changes })
    }
}

const fn unread(name: String) -> InputEntry {
    InputEntry { name, lines: 0, blank: 0, sha256: String::new() }
}
