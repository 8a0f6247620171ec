//! A corpus's size, or a factory string → which index is to be built, and the empty index itself.

use ::faiss::error::Error as NativeError;
use ::faiss::index::flat::FlatIndex;
use ::faiss::index::scalar_quantizer::{IVFScalarQuantizerIndexImpl, QuantizerType};
use ::faiss::index::{IndexImpl, UpcastIndex};
use ::faiss::{Index, MetricType, index_factory};
use ndarray::ArrayView2;

use super::{FaissError, size};

/// The most rows of which a flat index is built: 100,000 × 384 are searched in 10 ms.
const MAX_FLAT_ROWS: usize = 100_000;

/// Inverted lists for each one that a search reads: 16 of 400 found 95.6 % of the 11 nearest on 35,709 real abstracts, 8 of
/// them 90.1 %, 32 98.3 %.
const LISTS_PER_PROBE: usize = 25;

/// How vectors lie in an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Design {
    /// All in one list.
    Flat,
    /// In the run's clusters, float16.
    Lists,
    /// As the factory string says.
    Factory,
}

/// Which index is to be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexPlan {
    pub(super) design: Design,
    pub(super) factory: String,
    pub(super) dim: usize,
    pub(super) num_rows: usize,
    pub(super) nprobe: Option<usize>,
}

impl IndexPlan {
    /// Chooses by size: see the table at the head of [`super`].
    #[must_use]
    pub fn by_size(num_rows: usize, dim: usize, num_centroids: usize) -> Self {
        let (design, factory) = if num_rows <= MAX_FLAT_ROWS || num_centroids == 0 {
            (Design::Flat, "Flat".to_owned())
        } else {
            (Design::Lists, format!("IVF{num_centroids},SQfp16"))
        };
        let nprobe = (design != Design::Flat).then(|| probes(num_centroids));
        Self { design, factory, dim, num_rows, nprobe }
    }

    /// Takes a factory string of FAISS's, once FAISS itself has made an empty index of it.
    ///
    /// # Errors
    /// [`FaissError::Factory`] and [`FaissError::Endless`], before any vector has been read.
    pub fn by_factory(num_rows: usize, dim: usize, factory: &str) -> Result<Self, FaissError> {
        // FAISS attaches an unlinked node of NSG to a random one of free degree, and never ends where there is none: a
        // degree of 8 did that with 19,384 random vectors. HNSW has no such case.
        if factory.contains("NSG") {
            return Err(FaissError::Endless { factory: factory.to_owned() });
        }
        let plan = Self {
            design: Design::Factory,
            factory: factory.to_owned(),
            dim,
            num_rows,
            nprobe: lists_of(factory).map(probes),
        };
        if lists_of(factory) == Some(0) {
            // FAISS makes such an index, and fails at the first vector.
            return Err(plan.factory_error(NativeError::IndexDescription));
        }
        plan.parse_factory().map(|_| plan)
    }

    /// The index's factory string.
    #[must_use]
    pub fn factory(&self) -> &str {
        &self.factory
    }

    /// The inverted lists that a search reads unless it says otherwise; none where there are no such lists.
    #[must_use]
    pub fn nprobe(&self) -> Option<usize> {
        self.nprobe
    }

    /// The bytes of the index when it is full.
    #[must_use]
    pub fn index_bytes(&self) -> u64 {
        self.num_rows as u64 * size::row_bytes(&self.factory, self.dim)
    }

    /// The bytes that FAISS takes to build it, at most: codes that are not in inverted lists, and edges, lie in arrays that are
    /// copied to twice their size when they are full.
    #[must_use]
    pub fn building_bytes(&self) -> u64 {
        let copies = if lists_of(&self.factory).is_some() { 1 } else { 2 };
        copies * self.index_bytes()
    }

    /// How the vectors lie.
    #[must_use]
    pub const fn design(&self) -> Design {
        self.design
    }

    /// Whether the index is trained on a sample, as one of a factory string may be.
    #[must_use]
    pub fn is_trained_on_sample(&self) -> bool {
        self.design == Design::Factory
    }

    /// Whether every search finds the nearest vectors.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.design == Design::Flat
    }

    /// Whether the order of threads would show in the index.
    pub(super) fn is_graph(&self) -> bool {
        self.factory.contains("HNSW")
    }

    /// Makes the empty index.
    pub(super) fn build(&self, centroids: ArrayView2<'_, f32>) -> Result<IndexImpl, FaissError> {
        let built = match self.design {
            Design::Flat => FlatIndex::new_ip(self.dim as u32).map(UpcastIndex::upcast),
            Design::Lists => self.lists(centroids),
            Design::Factory => return self.parse_factory(),
        };
        built.map_err(|source| self.factory_error(source))
    }

    /// Makes inverted lists out of the centroids: a vector lies in the list of its nearest one in L2, its label.
    fn lists(&self, centroids: ArrayView2<'_, f32>) -> Result<IndexImpl, NativeError> {
        let (dim, num_lists, metric) = (self.dim as u32, centroids.nrows() as u32, MetricType::InnerProduct);
        let centroids = centroids.as_standard_layout();
        let flat = centroids.as_slice().unwrap_or_default();
        let mut quantizer = FlatIndex::new_l2(dim)?;
        quantizer.add(flat)?;
        // Not residuals: their inner products would need the centroid's, and the quantizer gives L2.
        let half = QuantizerType::QT_fp16;
        let lists = IVFScalarQuantizerIndexImpl::new_with_metric(quantizer, dim, half, num_lists, metric, Some(false))?;
        let mut index = lists.upcast();
        // The quantizer is full, so this trains nothing; it says that the index is ready.
        index.train(flat)?;
        Ok(index)
    }

    /// Makes the empty index of the factory string.
    fn parse_factory(&self) -> Result<IndexImpl, FaissError> {
        index_factory(self.dim as u32, &self.factory, MetricType::InnerProduct)
            .map_err(|source| self.factory_error(source))
    }

    pub(super) fn factory_error(&self, source: NativeError) -> FaissError {
        FaissError::Factory { factory: self.factory.clone(), dim: self.dim, source }
    }
}

/// The lists to read of so many: about one in 25.
pub(super) fn probes(num_lists: usize) -> usize {
    num_lists.div_ceil(LISTS_PER_PROBE).max(1)
}

/// The number of inverted lists that a factory string asks for: `IVF400`, `IVF4k`, `IVF1M`.
pub(super) fn lists_of(factory: &str) -> Option<usize> {
    let (_, after) = factory.split_once("IVF")?;
    let rest = after.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let count: usize = after[..after.len() - rest.len()].parse().ok()?;
    Some(match rest.chars().next() {
        Some('k') => count.saturating_mul(1 << 10),
        Some('M') => count.saturating_mul(1 << 20),
        _ => count,
    })
}
