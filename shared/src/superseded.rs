//! Superseded rows ↔ `raw/generations/NNNNNNNN.superseded.parquet`: rows of raw shards that a later update has replaced or
//! removed, and that every reader of that generation passes over.
//!
//! Invariant: rows ascend within their shard, each is listed once, and the object is what the generation's manifest says of
//! it. All of them so far are listed, four bytes a row in memory, so that a generation needs no other.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, Int32Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use object_store::memory::InMemory;
use object_store::path::Path;

use crate::digest;
use crate::layout;
use crate::manifest::{Manifest, SupersededEntry};
use crate::store::Store;
use crate::table::{self, TableError, TableReader};

/// The superseded rows of a corpus, by the number of their raw shard.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Superseded {
    rows: BTreeMap<usize, Vec<u32>>,
}

fn schema() -> SchemaRef {
    let field = |name| Field::new(name, DataType::Int32, false);
    Arc::new(Schema::new(vec![field("shard"), field("row")]))
}

impl Superseded {
    /// Reads what a generation's manifest names, and holds it to that.
    ///
    /// # Errors
    /// [`TableError`] for an object that is missing, unreadable, or another than the manifest says.
    pub async fn read(store: &Store, manifest: &Manifest) -> Result<Self, TableError> {
        let Some(entry) = &manifest.superseded else { return Ok(Self::default()) };
        let key = Path::from(entry.key.as_str());
        let content = |reason| TableError::Content { key: key.clone(), reason };
        // A generation's own objects are written before it: what is missing was removed, and no retry brings it back.
        let missing = || content("is missing, and its generation says which rows are superseded by it".into());
        let bytes = store.get_if_present(&key).await?.ok_or_else(missing)?;
        let found = digest::sha256_hex(&bytes);
        if found != entry.sha256 {
            return Err(content(format!("has sha256 {found}, its generation says {}", entry.sha256)));
        }
        // The very bytes that were checked; reading the object again could give others.
        let checked = Store::new(store.url(), Arc::new(InMemory::new()));
        checked.put(&key, bytes).await?;
        let batch = TableReader::open(&checked, &key).await?.read(&checked, &schema()).await?;
        let read = Self::from_columns(&batch).map_err(content)?;
        read.check(manifest).map_err(content)?;
        Ok(read)
    }

    fn from_columns(batch: &RecordBatch) -> Result<Self, String> {
        let column = |place| batch.column(place).as_primitive::<Int32Type>().values();
        let mut rows: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
        for (&shard, &row) in column(0).iter().zip(column(1)) {
            let (Ok(number), Ok(row)) = (usize::try_from(shard), u32::try_from(row)) else {
                return Err(format!("lists row {row} of shard {shard}, expected numbers from 0 on"));
            };
            let of_shard = rows.entry(number).or_default();
            if of_shard.last().is_some_and(|&last| last >= row) {
                return Err(format!("lists row {row} of shard {number} out of order"));
            }
            of_shard.push(row);
        }
        rows.values_mut().for_each(Vec::shrink_to_fit);
        Ok(Self { rows })
    }

    fn check(&self, manifest: &Manifest) -> Result<(), String> {
        let expected: BTreeMap<usize, (u64, u64)> = manifest
            .shards
            .iter()
            .filter(|shard| shard.superseded > 0)
            .map(|shard| (shard.number(), (shard.superseded, shard.rows)))
            .collect();
        let found = |number: &usize| self.of(*number).len() as u64;
        if let Some((number, (superseded, _))) = expected.iter().find(|(number, (rows, _))| found(number) != *rows) {
            return Err(format!("lists {} rows of shard {number}, its generation says {superseded}", found(number)));
        }
        match self.rows.iter().find(|(number, rows)| {
            expected.get(number).is_none_or(|(_, num_rows)| rows.last().is_some_and(|&row| u64::from(row) >= *num_rows))
        }) {
            Some((number, _)) => Err(format!("lists rows that shard {number} does not have")),
            None => Ok(()),
        }
    }

    /// Encodes the list, sorted by shard and row, and describes it as the generation of this number has it; `None` where
    /// nothing is superseded.
    ///
    /// # Errors
    /// [`TableError::Encode`].
    pub fn encode(&self, generation: u64) -> Result<Option<(SupersededEntry, Vec<u8>)>, TableError> {
        let rows = self.num_rows();
        if rows == 0 {
            return Ok(None);
        }
        let pairs = || self.rows.iter().flat_map(|(number, rows)| rows.iter().map(move |row| (*number, *row)));
        let shards: Int32Array = pairs().map(|(number, _)| number as i32).collect();
        let places: Int32Array = pairs().map(|(_, row)| row as i32).collect();
        let batch = table::batch(&schema(), vec![Arc::new(shards), Arc::new(places)])?;
        let bytes = table::encode(&[batch], &schema(), &[])?;
        let key = layout::superseded(generation).to_string();
        let entry = SupersededEntry { key, rows, bytes: bytes.len() as u64, sha256: digest::sha256_hex(&bytes) };
        Ok(Some((entry, bytes)))
    }

    /// Returns the superseded rows of the shard of this number, ascending.
    #[must_use]
    pub fn of(&self, number: usize) -> &[u32] {
        self.rows.get(&number).map_or(&[], Vec::as_slice)
    }

    /// Returns the number of superseded rows in all shards.
    #[must_use]
    pub fn num_rows(&self) -> u64 {
        self.rows.values().map(|rows| rows.len() as u64).sum()
    }

    /// Adds rows of the shard of this number, in any order.
    pub fn add(&mut self, number: usize, rows: impl IntoIterator<Item = u32>) {
        let of_shard = self.rows.entry(number).or_default();
        of_shard.extend(rows);
        of_shard.sort_unstable();
        of_shard.dedup();
        if of_shard.is_empty() {
            self.rows.remove(&number);
        }
    }

    /// Forgets the rows of shards of which `is_listed` does not hold, which no reader opens.
    pub fn keep_shards(&mut self, is_listed: impl Fn(usize) -> bool) {
        self.rows.retain(|number, _| is_listed(*number));
    }

    /// Tells whether a row of the shard of this number is superseded.
    #[must_use]
    pub fn contains(&self, number: usize, row: u32) -> bool {
        self.of(number).binary_search(&row).is_ok()
    }

    /// Returns the row of the shard of this number that is the `live`-th, from 0, of those that are not superseded.
    #[must_use]
    pub fn row_of(&self, number: usize, live: usize) -> usize {
        let superseded = self.of(number);
        // Before the superseded row at `place` there are its own row less `place` that are not.
        let (mut low, mut high) = (0, superseded.len());
        while low < high {
            let place = low.midpoint(high);
            if superseded[place] as usize - place <= live { low = place + 1 } else { high = place }
        }
        live + low
    }

    /// Tells for each of the `num_rows` rows of the shard of this number whether it is to be read; `None` where all are.
    #[must_use]
    pub fn mask(&self, number: usize, num_rows: usize) -> Option<BooleanArray> {
        let superseded = self.of(number);
        if superseded.is_empty() {
            return None;
        }
        let mut mask = vec![true; num_rows];
        superseded.iter().filter_map(|&row| mask.get_mut(row as usize).map(|live| *live = false)).for_each(drop);
        Some(mask.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::manifest::{InputEntry, ShardEntry};
    use crate::settings::ShardSettings;

    const ROWS: u32 = 40;

    fn manifest(superseded: &Superseded, entry: Option<SupersededEntry>) -> Manifest {
        let shard = |number: usize| ShardEntry {
            key: layout::raw_shard(number).to_string(),
            rows: u64::from(ROWS),
            superseded: superseded.of(number).len() as u64,
            bytes: 1,
            sha256: digest::sha256_hex(b""),
        };
        let input = InputEntry { name: "a".into(), lines: 0, blank: 0, sha256: String::new() };
        let first = Manifest::first((0..4).map(shard).collect(), vec![input], (0, 0), ShardSettings::default());
        Manifest { superseded: entry, ..first }
    }

    fn read(superseded: &Superseded, entry: SupersededEntry, bytes: Vec<u8>) -> Result<Superseded, TableError> {
        let store = Store::new("memory", Arc::new(InMemory::new()));
        let manifest = manifest(superseded, Some(entry));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            store.put(&layout::superseded(1), bytes).await.unwrap();
            Superseded::read(&store, &manifest).await
        })
    }

    proptest! {
        #[test]
        fn a_list_reads_back_as_it_was_written(rows in prop::collection::btree_set((0usize..4, 0..ROWS), 0..80)) {
            let mut superseded = Superseded::default();
            rows.iter().rev().for_each(|&(number, row)| superseded.add(number, [row]));
            prop_assert_eq!(superseded.num_rows(), rows.len() as u64);
            let Some((entry, bytes)) = superseded.encode(1).unwrap() else {
                prop_assert!(rows.is_empty());
                return Ok(());
            };
            prop_assert_eq!(read(&superseded, entry, bytes).unwrap(), superseded);
        }

        #[test]
        fn live_rows_are_those_that_are_not_superseded(rows in prop::collection::btree_set(0..ROWS, 0..40)) {
            let mut superseded = Superseded::default();
            superseded.add(3, rows.iter().copied());
            let live: Vec<usize> = (0..ROWS).filter(|row| !rows.contains(row)).map(|row| row as usize).collect();
            let found: Vec<usize> = (0..live.len()).map(|place| superseded.row_of(3, place)).collect();
            prop_assert_eq!(&found, &live);
            let mask = superseded.mask(3, ROWS as usize);
            prop_assert_eq!(mask.is_none(), rows.is_empty());
            if let Some(mask) = mask {
                prop_assert!((0..ROWS).all(|row| mask.value(row as usize) != superseded.contains(3, row)));
            }
        }
    }

    #[test]
    fn what_is_not_as_its_generation_says_is_refused() {
        let mut superseded = Superseded::default();
        superseded.add(1, [3, 5]);
        let (entry, bytes) = superseded.encode(1).unwrap().unwrap();
        let mut other = superseded.clone();
        other.add(1, [7]);
        let (other_entry, other_bytes) = other.encode(1).unwrap().unwrap();
        let cases = [
            (read(&superseded, entry, other_bytes.clone()), "has sha256"),
            (read(&superseded, other_entry.clone(), other_bytes), "lists 3 rows of shard 1, its generation says 2"),
            (read(&superseded, other_entry, bytes), "has sha256"),
        ];
        for (outcome, said) in cases {
            let error = outcome.unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
