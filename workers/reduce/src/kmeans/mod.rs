//! Turns a sample of vectors into centroids: mini-batch k-means on matrix products.
//!
//! [`fit()`] runs one schedule for either [`KmeansEngine`]: k-means++ seeding, batches in hash order that double, steps
//! over the whole sample until they stop paying, repair of empty clusters, canonical order. A step means the same to
//! both engines; ours does it by matrix products, and compares rows that have a label with the centroids near theirs.
//!
//! [`fit_warm()`] goes on from the centroids of an earlier sample instead, and swaps some where topics have come or gone;
//! [`fit_same()`] takes those of the very same sample as they are.
//!
//! Invariants: the centroids are a function of the sample, the parameters and the kind of CPU, whatever the number of
//! threads. Each has at least one member in the sample by the scoring of [`crate::assign`]; a row scores the same in
//! any block, and the sample's rows are rows of the corpus, so no cluster of the corpus is empty either. Label 0 is the
//! largest cluster of the sample.
//!
//! Leaves to others: taking the sample, and labels for the corpus.
//!
//! [`KmeansEngine`]: strata_shared::settings::KmeansEngine

mod centroids;
mod distinct;
mod engine;
mod matrix_engine;
mod members;
mod nearest;
mod occupancy;
mod parameters;
mod relocation;
mod schedule;
mod seeding;
mod warm;

pub use centroids::Centroids;
pub use parameters::{Params, default_clusters};
pub use schedule::{Fit, FitError, Lowered, Watch, fit, fit_watched};
pub use warm::{WarmStart, fit_same, fit_warm};
