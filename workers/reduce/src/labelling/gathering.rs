//! Labelled rows in row order → portions of the corpus by cluster, and what is made of them: inverted lists, bounds, recall.
//!
//! Invariant: the cut into portions follows from the rows alone, not from the shards.

use ndarray::{ArrayView2, Axis};

use crate::assign::assign;
use crate::faiss::IndexPlan;
use crate::inverted_lists::{InvertedLists, ListsBuilder, ListsError, PORTION_BYTES, Place, Portion};
use crate::kmeans::Centroids;
use crate::lonely::{Bounds, REFERENCES_PER_CLUSTER, References};
use crate::meter::Meter;
use crate::recall::Recall;
use crate::sample::Sample;

/// Rows that wait for a portion to be full, and the lists of earlier portions.
#[derive(Debug)]
pub(super) struct Gathering {
    portion_rows: usize,
    dim: usize,
    num_lists: usize,
    first_row: usize,
    vectors: Vec<f32>,
    labels: Vec<i32>,
    /// Kept from one portion to the next for its memory.
    portion: Portion,
    lists: ListsBuilder,
    measured: Option<Measured>,
}

/// What is measured of portions as they pass.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) bounds: Bounds,
    pub(super) recall: Option<Recall>,
    meter: Meter,
}

impl Measured {
    /// Takes bounds from the sample's rows, and the recall of an index that does not find everything.
    pub(super) fn new(
        sample: &Sample,
        centroids: &Centroids,
        plan: &IndexPlan,
        (num_rows, neighbours): (usize, usize),
        meter: Meter,
    ) -> Self {
        let labels = assign(sample.vectors.view(), centroids).labels;
        let kept = (centroids.len(), REFERENCES_PER_CLUSTER, neighbours);
        let references = References::new(kept, &sample.rows, &labels, sample.vectors.view());
        let recall = || Recall::new(sample, centroids, plan.nprobe().unwrap_or(centroids.len()));
        Self { bounds: Bounds::new(references, num_rows, neighbours), recall: (!plan.is_exact()).then(recall), meter }
    }

    fn add(&mut self, portion: &Portion, dim: usize) {
        let before = self.bounds.pairs();
        self.bounds.add(portion);
        let mut pairs = self.bounds.pairs() - before;
        if let Some(recall) = &mut self.recall {
            recall.add(portion);
            pairs += (portion.len() * recall.rows().len()) as u64;
        }
        self.meter.computed(2 * pairs * dim as u64);
    }
}

impl Gathering {
    /// Waits for the first of `num_rows` rows.
    ///
    /// # Errors
    /// [`ListsError`] if the lists' place takes nothing.
    pub(super) fn new(
        centroids: &Centroids,
        num_rows: usize,
        place: Place,
        measured: Option<Measured>,
    ) -> Result<Self, ListsError> {
        let (dim, num_lists) = (centroids.dim(), centroids.len());
        let portion_rows = (PORTION_BYTES / (dim * size_of::<f32>())).clamp(1, num_rows.max(1));
        Ok(Self {
            portion_rows,
            dim,
            num_lists,
            first_row: 0,
            vectors: Vec::with_capacity(portion_rows * dim),
            labels: Vec::with_capacity(portion_rows),
            portion: Portion::default(),
            lists: ListsBuilder::new(num_lists, dim, num_rows, place)?,
            measured,
        })
    }

    /// Takes in the rows that follow.
    ///
    /// # Errors
    /// [`ListsError`] if a portion cannot be kept.
    pub(super) fn add(&mut self, vectors: ArrayView2<'_, f32>, labels: &[i32]) -> Result<(), ListsError> {
        let (mut vectors, mut labels) = (vectors, labels);
        while !labels.is_empty() {
            let taken = labels.len().min(self.portion_rows - self.labels.len());
            let (next, rest) = vectors.split_at(Axis(0), taken);
            match next.to_slice() {
                Some(values) => self.vectors.extend_from_slice(values),
                None => self.vectors.extend(next.iter()),
            }
            self.labels.extend_from_slice(&labels[..taken]);
            (vectors, labels) = (rest, &labels[taken..]);
            if self.labels.len() == self.portion_rows {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), ListsError> {
        let num_rows = self.labels.len();
        let vectors = ArrayView2::from_shape((num_rows, self.dim), &self.vectors).expect("a whole number of rows");
        self.portion.refill(self.first_row, vectors, &self.labels, self.num_lists);
        self.vectors.clear();
        self.labels.clear();
        self.first_row += num_rows;
        if let Some(measured) = &mut self.measured {
            measured.add(&self.portion, self.dim);
        }
        self.lists.add(&self.portion)
    }

    /// Ends the corpus.
    ///
    /// # Errors
    /// [`ListsError`] if the last portion cannot be kept, or rows are missing.
    pub(super) fn finish(mut self) -> Result<(InvertedLists, Option<Measured>), ListsError> {
        if !self.labels.is_empty() {
            self.flush()?;
        }
        if let Some(measured) = &mut self.measured {
            measured.bounds.forget_references();
        }
        Ok((self.lists.finish()?, self.measured))
    }
}
