//! Rows → one raw shard and its vector shard, encoded.
//!
//! Invariant: a pure function of the archive and the rows.

use std::ops::Range;

use strata_shared::digest;
use strata_shared::documents::{Document, Documents};
use strata_shared::layout::{self, ModelName};
use strata_shared::manifest::ShardEntry;
use strata_shared::table::TableError;
use strata_shared::vectors::{self, Vectors};

use super::Archive;
use super::role::Role;
use super::{category, direction::Directions};

/// One shard's objects.
#[derive(Debug)]
pub(super) struct Shard {
    pub(super) entry: ShardEntry,
    pub(super) undated: u64,
    pub(super) raw: Vec<u8>,
    pub(super) vectors: Vec<u8>,
}

impl Archive {
    /// Makes shard `index` of these rows.
    ///
    /// # Errors
    /// [`TableError::Encode`].
    pub(super) fn shard(&self, index: usize, rows: Range<u64>, model: &ModelName) -> Result<Shard, TableError> {
        let documents: Vec<Document> = rows.clone().map(|row| self.document(row)).collect();
        let undated = documents.iter().filter(|document| document.created.is_none()).count() as u64;
        let documents = Documents::from_rows(&documents);
        let raw = documents.encode()?;
        let sha256 = digest::sha256_hex(&raw);
        let vectors = vectors::encode(&documents, &self.vectors(rows), model, &sha256)?;
        let (rows, bytes) = (documents.len() as u64, raw.len() as u64);
        let entry = ShardEntry { key: layout::raw_shard(index).to_string(), rows, superseded: 0, bytes, sha256 };
        Ok(Shard { entry, undated, raw, vectors })
    }

    fn vectors(&self, rows: Range<u64>) -> Vectors {
        let (seed, roles) = (self.plan.seed, self.roles());
        let directions = Directions { seed, roles, sources: &self.sources, normal: &self.normal };
        let mut values = Vec::with_capacity((rows.end - rows.start) as usize * self.plan.dim);
        rows.for_each(|row| values.extend(directions.draw(row)));
        Vectors::new(self.plan.dim, values)
    }

    /// Writes the document in `row`.
    #[must_use]
    pub fn document(&self, row: u64) -> Document {
        let Some(prose) = &self.prose else {
            return Document { id: row.to_string(), ..Document::default() };
        };
        let roles = self.roles();
        let origin = match roles.of(row) {
            Role::Copy { of } => of,
            _ => row,
        };
        let (topic, subject) = match roles.origin_role(origin) {
            Role::Loner { topic } => (topic, None),
            Role::Ordinary { source } => (self.sources.topic(source), Some(self.sources.topic(source))),
            Role::Copy { .. } => unreachable!("an origin copies nothing"),
        };
        Document {
            id: format!("{:04}.{:05}", row / 100_000, row % 100_000),
            title: prose.title(origin, subject),
            abstract_text: prose.abstract_text(origin, row, subject),
            categories: category::of(self.plan.seed, row, topic),
            created: self.history.created(row, topic),
        }
    }
}
