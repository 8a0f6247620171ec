//! Turns a stream of (id, row, vector) into a seeded sample: the rows with the smallest hashes of their ids.
//!
//! Invariant: the sample is a function of the seed, the capacity and the corpus alone. The order in which rows are
//! offered and the cut into shards change nothing, and neither does the number of workers. The memory is one matrix of
//! `capacity` rows and their ids.
//!
//! Leaves to others: reading the shards, and what the sample is for. Its rows come in hash order, a random order, so
//! any prefix of it is a sample too and mini-batches are plain slices of it.
//!
//! Method: bottom-k sampling, Cohen and Kaplan 2007.

use std::collections::BinaryHeap;

use ndarray::{Array2, ShapeError};
use sha2::{Digest, Sha256};
use strata_shared::digest;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Sampled rows for each cluster: as many as faiss trains on (`max_points_per_centroid`).
const ROWS_PER_CLUSTER: usize = 256;

/// The smallest sample of a large corpus.
const MIN_ROWS: usize = 65_536;

/// The largest sample: 192 MiB at 384 dimensions.
const MAX_ROWS: usize = 131_072;

/// Why a sample could not be taken, or is not the one that it was.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// A vector of another length than the corpus has.
    #[error("{id}: the vector has {found} dimensions, the corpus {expected}")]
    Dimension {
        /// The document's id.
        id: String,
        /// The length of its vector.
        found: usize,
        /// The length of all others.
        expected: usize,
    },
    /// A later reading of the corpus leads to another sample.
    #[error("row {row}: is not what it was when the sample was drawn; a shard has changed since")]
    Changed {
        /// The global row.
        row: u64,
    },
    /// The rows taken do not form a matrix.
    #[error("the sampled rows do not form a matrix")]
    Shape(#[from] ShapeError),
}

/// Vectors drawn from the whole corpus, in the order of their hashes.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// `[n, dim]`, one row for each sampled document.
    pub vectors: Array2<f32>,
    /// The global row of each.
    pub rows: Vec<u64>,
    seed: u64,
    /// The hash of the last one's id; with fewer rows than the corpus has, no row left out has a smaller one.
    last_hash: u64,
}

impl Sample {
    /// Returns the sha256 over the rows' numbers (u64) and vectors (f32), little-endian.
    #[must_use]
    pub fn sha256(&self) -> String {
        let mut hasher = Sha256::new();
        for (row, vector) in self.rows.iter().zip(self.vectors.rows()) {
            hasher.update(row.to_le_bytes());
            hasher.update(vector.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>());
        }
        digest::finish(hasher)
    }

    /// Returns what a later reading is held to; `is_whole` tells that the sample is the corpus.
    #[must_use]
    pub fn roll(&self, is_whole: bool) -> Roll {
        let mut rows: Vec<(u64, u64)> =
            self.rows.iter().zip(self.vectors.rows()).map(|(&row, vector)| (row, hash_values(vector.iter()))).collect();
        rows.sort_unstable();
        let last_hash = if is_whole { u64::MAX } else { self.last_hash };
        Roll { seed: self.seed, last_hash, rows, num_called: 0 }
    }
}

/// The sample's rows by number, each with a digest of its vector: a second reading of the corpus must lead to the same
/// sample, so that the first one need not check what it reads.
#[derive(Debug)]
pub struct Roll {
    seed: u64,
    last_hash: u64,
    rows: Vec<(u64, u64)>,
    num_called: usize,
}

impl Roll {
    /// Takes the next row of the corpus, in row order.
    ///
    /// # Errors
    /// [`SampleError::Changed`] for a sampled row whose id or vector is another, and for one that should be sampled.
    pub fn call(&mut self, id: &str, row: u64, vector: &[f32]) -> Result<(), SampleError> {
        let expected = self.rows.get(self.num_called).filter(|(expected, _)| *expected == row);
        let hash = xxh3_64_with_seed(id.as_bytes(), self.seed);
        match expected {
            Some(_) if hash > self.last_hash => Err(SampleError::Changed { row }),
            Some((_, expected)) if *expected != hash_values(vector.iter()) => Err(SampleError::Changed { row }),
            Some(_) => {
                self.num_called += 1;
                Ok(())
            }
            // Rows of equal hashes are told apart by their ids; two of them at this very place are not to be feared.
            None if hash < self.last_hash => Err(SampleError::Changed { row }),
            None => Ok(()),
        }
    }
}

fn hash_values<'a>(vector: impl Iterator<Item = &'a f32>) -> u64 {
    let bytes: Vec<u8> = vector.flat_map(|value| value.to_le_bytes()).collect();
    xxh3_64(&bytes)
}

/// Returns the number of rows to sample from `num_rows` for `num_clusters` clusters.
///
/// 256 rows for each cluster, at least 65,536 and at most 131,072; never more than the corpus has, nor fewer than one
/// for each cluster while the corpus lasts.
#[must_use]
pub fn sample_size(num_rows: usize, num_clusters: usize) -> usize {
    let wanted = num_clusters.saturating_mul(ROWS_PER_CLUSTER).clamp(MIN_ROWS, MAX_ROWS);
    wanted.max(num_clusters).min(num_rows)
}

/// What decides whether a row is in the sample, the smallest first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ticket {
    hash: u64,
    id: String,
    row: u64,
    slot: usize,
}

/// Takes rows one by one, in any order, and keeps those with the smallest hashes.
#[derive(Debug)]
pub struct Sampler {
    seed: u64,
    capacity: usize,
    dim: usize,
    tickets: BinaryHeap<Ticket>,
    vectors: Vec<f32>,
}

impl Sampler {
    /// Starts a sample of at most `capacity` rows of `dim` dimensions, and reserves its memory.
    #[must_use]
    pub fn new(seed: u64, capacity: usize, dim: usize) -> Self {
        let tickets = BinaryHeap::with_capacity(capacity);
        Self { seed, capacity, dim, tickets, vectors: Vec::with_capacity(capacity.saturating_mul(dim)) }
    }

    /// Offers one document: its id, its global row and its vector of `dim` elements.
    ///
    /// # Errors
    /// [`SampleError::Dimension`] if the vector has another length.
    pub fn offer(&mut self, id: &str, row: u64, vector: &[f32]) -> Result<(), SampleError> {
        if vector.len() != self.dim {
            return Err(SampleError::Dimension { id: id.to_owned(), found: vector.len(), expected: self.dim });
        }
        let hash = xxh3_64_with_seed(id.as_bytes(), self.seed);
        if self.tickets.len() < self.capacity {
            self.tickets.push(Ticket { hash, id: id.to_owned(), row, slot: self.tickets.len() });
            self.vectors.extend_from_slice(vector);
        } else {
            self.replace_last(hash, id, row, vector);
        }
        Ok(())
    }

    /// Puts the document in the place of the one with the largest hash, if its own is smaller.
    fn replace_last(&mut self, hash: u64, id: &str, row: u64, vector: &[f32]) {
        let Some(mut last) = self.tickets.peek_mut() else { return };
        if (hash, id, row) < (last.hash, last.id.as_str(), last.row) {
            let slot = last.slot;
            *last = Ticket { hash, id: id.to_owned(), row, slot };
            self.vectors[slot * self.dim..(slot + 1) * self.dim].copy_from_slice(vector);
        }
    }

    /// Ends the sample: its rows in the order of their hashes, ties by id.
    ///
    /// # Errors
    /// [`SampleError::Shape`] if the rows do not form a matrix, which the checks of [`Sampler::offer`] rule out.
    pub fn finish(self) -> Result<Sample, SampleError> {
        let (dim, mut vectors) = (self.dim, self.vectors);
        let tickets = self.tickets.into_sorted_vec();
        let slots: Vec<usize> = tickets.iter().map(|ticket| ticket.slot).collect();
        permute_rows(&mut vectors, dim, slots);
        let rows: Vec<u64> = tickets.iter().map(|ticket| ticket.row).collect();
        let last_hash = tickets.last().map_or(0, |ticket| ticket.hash);
        Ok(Sample { vectors: Array2::from_shape_vec((rows.len(), dim), vectors)?, rows, seed: self.seed, last_hash })
    }
}

/// Moves row `sources[i]` to place `i`, for all of them, in place: a second matrix would double the memory.
fn permute_rows(vectors: &mut [f32], dim: usize, mut sources: Vec<usize>) {
    for first in 0..sources.len() {
        let mut place = first;
        while sources[place] != first {
            let source = sources[place];
            swap_rows(vectors, dim, place, source);
            sources[place] = place;
            place = source;
        }
        sources[place] = place;
    }
}

fn swap_rows(vectors: &mut [f32], dim: usize, a: usize, b: usize) {
    let (low, high) = (a.min(b), a.max(b));
    let (head, tail) = vectors.split_at_mut(high * dim);
    head[low * dim..(low + 1) * dim].swap_with_slice(&mut tail[..dim]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn vector_of(id: &str) -> Vec<f32> {
        id.bytes().cycle().take(3).map(f32::from).collect()
    }

    fn sample_of(ids: &[String], order: &[usize], seed: u64, capacity: usize) -> Sample {
        let mut sampler = Sampler::new(seed, capacity, 3);
        for &row in order {
            sampler.offer(&ids[row], row as u64, &vector_of(&ids[row])).unwrap();
        }
        sampler.finish().unwrap()
    }

    proptest! {
        #[test]
        fn the_order_of_the_offers_changes_nothing(
            n in 0_usize..60, capacity in 0_usize..80, seed: u64,
            order in Just((0..60_usize).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let ids: Vec<String> = (0..n).map(|row| format!("document {row}")).collect();
            let shuffled: Vec<usize> = order.into_iter().filter(|&row| row < n).collect();
            let in_order: Vec<usize> = (0..n).collect();
            let sample = sample_of(&ids, &shuffled, seed, capacity);
            prop_assert_eq!(&sample, &sample_of(&ids, &in_order, seed, capacity));
            let mut expected: Vec<(u64, &String, usize)> =
                ids.iter().enumerate().map(|(row, id)| (xxh3_64_with_seed(id.as_bytes(), seed), id, row)).collect();
            expected.sort();
            expected.truncate(capacity);
            prop_assert_eq!(sample.rows.len(), expected.len());
            for (place, (_, id, row)) in expected.into_iter().enumerate() {
                prop_assert_eq!(sample.rows[place], row as u64);
                prop_assert_eq!(sample.vectors.row(place).to_vec(), vector_of(id));
            }
        }

        #[test]
        fn a_smaller_sample_is_a_prefix_of_a_larger_one(capacity in 1_usize..40, seed: u64) {
            let ids: Vec<String> = (0..60).map(|row| format!("{row:x}")).collect();
            let order: Vec<usize> = (0..60).collect();
            let (small, large) = (sample_of(&ids, &order, seed, capacity), sample_of(&ids, &order, seed, 50));
            prop_assert_eq!(small.rows.as_slice(), &large.rows[..capacity]);
        }
    }

    #[test]
    fn a_second_reading_that_leads_to_another_sample_is_found() {
        let ids: Vec<String> = (0..60).map(|row| format!("id {row}")).collect();
        let order: Vec<usize> = (0..60).collect();
        let sample = sample_of(&ids, &order, 3, 20);
        let read = |ids: &[String], vector: &dyn Fn(usize) -> Vec<f32>| {
            let mut roll = sample.roll(false);
            ids.iter().enumerate().try_for_each(|(row, id)| roll.call(id, row as u64, &vector(row)))
        };
        let as_drawn = |row: usize| vector_of(&ids[row]);
        assert!(read(&ids, &as_drawn).is_ok());
        let sampled = sample.rows[4] as usize;
        assert!(read(&ids, &|row| if row == sampled { vec![0.5; 3] } else { as_drawn(row) }).is_err());
        let unsampled = (0..60).find(|row| !sample.rows.contains(row)).unwrap() as usize;
        let mut renamed = ids.clone();
        renamed.swap(unsampled, sampled);
        assert!(read(&renamed, &as_drawn).is_err());
        assert!(sample_of(&ids, &order, 3, 60).roll(true).call("another", 0, &as_drawn(0)).is_ok());
    }

    #[test]
    fn another_seed_draws_another_sample() {
        let ids: Vec<String> = (0..100).map(|row| row.to_string()).collect();
        let order: Vec<usize> = (0..100).collect();
        assert_ne!(sample_of(&ids, &order, 1, 20).rows, sample_of(&ids, &order, 2, 20).rows);
    }

    #[test]
    fn a_vector_of_another_length_is_refused_by_name() {
        let error = Sampler::new(0, 4, 3).offer("a", 0, &[1.0]).unwrap_err();
        assert_eq!(error.to_string(), "a: the vector has 1 dimensions, the corpus 3");
    }

    #[test]
    fn the_size_is_bounded_by_the_corpus_and_by_memory() {
        assert_eq!(sample_size(35_709, 400), 35_709);
        assert_eq!(sample_size(2_710_783, 100), 65_536);
        assert_eq!(sample_size(2_710_783, 400), 102_400);
        assert_eq!(sample_size(2_710_783, 4_000), 131_072);
        assert_eq!(sample_size(2_710_783, 200_000), 200_000);
        assert_eq!(sample_size(0, 400), 0);
    }
}
