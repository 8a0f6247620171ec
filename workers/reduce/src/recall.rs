//! A few sampled rows as queries → how many of their nearest neighbours the index finds.
//!
//! While portions of the corpus pass by, each query's [`NEAREST`] nearest other rows are found twice: among all rows, from
//! float32 products, and as a search of the index would find them, from half floats in the inverted lists that it probes.
//! The recall is the part of the former that is among the latter.
//!
//! Invariant: a product is the same bits in any block and ties go to the lower row, so the recall is a function of the
//! corpus, the centroids and the queries alone.

use std::collections::HashSet;

use half::slice::HalfFloatSliceExt;
use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;

use crate::assign::nearest_labels;
use crate::inverted_lists::{Portion, PortionList};
use crate::kmeans::Centroids;
use crate::matrix::{CHUNK_ROWS, product_transposed};
use crate::sample::Sample;

/// Queries: 2,000 neighbours in all, of which 95 % found is known within a percent; 0.4 TFLOP at 2.7 million × 384.
const QUERIES: usize = 200;

/// Neighbours of a query: what a page of results shows.
pub const NEAREST: usize = 10;

/// The nearest of the rows offered so far, the nearest first, ties by row.
#[derive(Debug, Clone, Default)]
struct Nearest(Vec<(f32, u64)>);

impl Nearest {
    /// What a similarity has to reach.
    fn threshold(&self) -> f32 {
        self.0.get(NEAREST - 1).map_or(f32::NEG_INFINITY, |(similarity, _)| *similarity)
    }

    fn offer(&mut self, similarity: f32, row: u64) {
        let place = self.0.partition_point(|&(held, other)| held > similarity || (held >= similarity && other < row));
        if place < NEAREST {
            self.0.truncate(NEAREST - 1);
            self.0.insert(place, (similarity, row));
        }
    }
}

/// Queries and what was found for them so far.
#[derive(Debug)]
pub struct Recall {
    queries: Array2<f32>,
    rows: Vec<u64>,
    /// For each inverted list, the queries that probe it.
    probed_by: Vec<Vec<usize>>,
    exact: Vec<Nearest>,
    found: Vec<Nearest>,
}

impl Recall {
    /// Takes the first rows of a sample as queries that probe `nprobe` lists each.
    #[must_use]
    pub fn new(sample: &Sample, centroids: &Centroids, nprobe: usize) -> Self {
        let num_queries = sample.rows.len().min(QUERIES);
        let queries = sample.vectors.slice(ndarray::s![..num_queries, ..]).to_owned();
        let mut probed_by = vec![Vec::new(); centroids.len()];
        for (query, labels) in nearest_labels(queries.view(), centroids, nprobe).into_iter().enumerate() {
            labels.into_iter().for_each(|label| probed_by[label].push(query));
        }
        let nearest = vec![Nearest::default(); num_queries];
        Self { queries, rows: sample.rows[..num_queries].to_vec(), probed_by, exact: nearest.clone(), found: nearest }
    }

    /// Takes in a portion of the corpus.
    pub fn add(&mut self, portion: &Portion) {
        let lists: Vec<PortionList<'_>> = portion.lists().collect();
        let everyone: Vec<usize> = (0..self.rows.len()).collect();
        let exact: Vec<Vec<Hit>> = lists
            .par_iter()
            .map(|list| self.hits(list, list.vectors, &everyone, self.queries.view(), &self.exact))
            .collect();
        let found: Vec<Vec<Hit>> = lists.par_iter().map(|list| self.probe(list)).collect();
        exact.into_iter().flatten().for_each(|hit| self.exact[hit.query].offer(hit.similarity, hit.row));
        found.into_iter().flatten().for_each(|hit| self.found[hit.query].offer(hit.similarity, hit.row));
    }

    /// What the queries that probe a list find in it.
    fn probe(&self, list: &PortionList<'_>) -> Vec<Hit> {
        let numbers = &self.probed_by[list.label as usize];
        if numbers.is_empty() {
            return Vec::new();
        }
        let mut vectors = Array2::zeros(list.vectors.raw_dim());
        if let Some(values) = vectors.as_slice_mut() {
            list.codes.convert_to_f32_slice(values);
        }
        self.hits(list, vectors.view(), numbers, self.queries.select(Axis(0), numbers).view(), &self.found)
    }

    /// The rows of a list that may be among the nearest of some queries.
    fn hits(
        &self,
        list: &PortionList<'_>,
        vectors: ArrayView2<'_, f32>,
        numbers: &[usize],
        queries: ArrayView2<'_, f32>,
        held: &[Nearest],
    ) -> Vec<Hit> {
        let mut thresholds: Vec<f32> = numbers.iter().map(|&query| held[query].threshold()).collect();
        // Of a list no more is kept than can be among the nearest: at first every row is nearer than nothing.
        let mut nearest = vec![Nearest::default(); numbers.len()];
        let mut rows = list.rows();
        for chunk in vectors.axis_chunks_iter(Axis(0), CHUNK_ROWS) {
            let products = product_transposed(chunk, queries);
            for (products, row) in products.outer_iter().zip(rows.by_ref().map(|row| row as u64)) {
                let queries = thresholds.iter_mut().zip(&mut nearest).zip(numbers);
                for (&similarity, ((threshold, nearest), &query)) in products.iter().zip(queries) {
                    if similarity >= *threshold && self.rows[query] != row {
                        nearest.offer(similarity, row);
                        *threshold = threshold.max(nearest.threshold());
                    }
                }
            }
        }
        let hits = numbers.iter().zip(nearest);
        hits.flat_map(|(&query, nearest)| {
            nearest.0.into_iter().map(move |(similarity, row)| Hit { query, similarity, row })
        })
        .collect()
    }

    /// Returns the part of the nearest neighbours that the index finds, in [0, 1]; 1 where there is none to be found.
    #[must_use]
    pub fn of_index(&self) -> f64 {
        let found = |query: usize| self.found[query].0.iter().map(|(_, row)| *row).collect();
        self.queries().recall(found)
    }

    /// Returns the global row of each query.
    #[must_use]
    pub fn rows(&self) -> &[u64] {
        &self.rows
    }

    /// Returns the queries with what a search should find.
    #[must_use]
    pub fn queries(&self) -> Queries {
        let rows_of = |nearest: &Nearest| nearest.0.iter().map(|(_, row)| *row).collect();
        Queries {
            vectors: self.queries.clone(),
            rows: self.rows.clone(),
            nearest: self.exact.iter().map(rows_of).collect(),
        }
    }
}

/// Queries, and the rows that a search should find.
#[derive(Debug)]
pub struct Queries {
    vectors: Array2<f32>,
    rows: Vec<u64>,
    nearest: Vec<Vec<u64>>,
}

impl Queries {
    /// Takes the first rows of a sample as queries, of which it is known what a search should find.
    #[must_use]
    pub fn again(sample: &Sample, nearest: Vec<Vec<u64>>) -> Self {
        let num_queries = nearest.len().min(sample.rows.len());
        let vectors = sample.vectors.slice(ndarray::s![..num_queries, ..]).to_owned();
        Self { vectors, rows: sample.rows[..num_queries].to_vec(), nearest }
    }

    /// Returns the queries, `[queries, dim]`.
    #[must_use]
    pub fn vectors(&self) -> ArrayView2<'_, f32> {
        self.vectors.view()
    }

    /// Returns the global row of each query.
    #[must_use]
    pub fn rows(&self) -> &[u64] {
        &self.rows
    }

    /// Returns the nearest other rows of each query.
    #[must_use]
    pub fn nearest(&self) -> &[Vec<u64>] {
        &self.nearest
    }

    /// Returns the part of the nearest rows that are in what `found` returns for each query; 1 where there is none.
    pub fn recall(&self, found: impl Fn(usize) -> HashSet<u64>) -> f64 {
        let (mut wanted, mut hit) = (0, 0);
        for (query, nearest) in self.nearest.iter().enumerate() {
            let found = found(query);
            wanted += nearest.len();
            hit += nearest.iter().filter(|row| found.contains(row)).count();
        }
        if wanted == 0 { 1.0 } else { hit as f64 / wanted as f64 }
    }
}

/// A row that may be among a query's nearest.
struct Hit {
    query: usize,
    similarity: f32,
    row: u64,
}
