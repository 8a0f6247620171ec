//! Vectors in row order → a FAISS index file that any FAISS opens. The only file that names the `faiss` crate.
//!
//! The metric is the inner product over unit vectors; the id of a vector is its global row, because vectors are added in
//! row order and in portions of a fixed size. Which index is built is a function of the corpus's size alone, or a factory
//! string of FAISS's own:
//!
//! | rows | index | |
//! |---|---|---|
//! | up to 100,000 | `Flat` | exact; every search reads all vectors |
//! | above, and up to 1 GiB of float32 | `IVF{k},Flat` | the run's own k centroids as inverted lists |
//! | above that | `IVF{k},SQfp16` | the same at two bytes a dimension |
//!
//! Invariant: the same vectors in the same order give the same bytes, however they were cut and whatever the number of
//! threads. BLAS therefore runs on one thread, and graphs, whose edges depend on the order of insertion, are built on one.
//!
//! Where the file goes in the end, and what is written about it, is left to the caller.

use std::path::{Path, PathBuf};

use ::faiss::error::Error as NativeError;
use ::faiss::index::autotune::ParameterSpace;
use ::faiss::index::flat::FlatIndex;
use ::faiss::index::io::{IoFlags, read_index_with_flags, write_index};
use ::faiss::index::ivf_flat::IVFFlatIndexImpl;
use ::faiss::index::scalar_quantizer::{IVFScalarQuantizerIndexImpl, QuantizerType};
use ::faiss::index::{IndexImpl, UpcastIndex};
use ::faiss::{Idx, Index, MetricType, index_factory};
use ndarray::{ArrayView2, Axis};
use strata_shared::exit::{Classify, Exit};

/// The most rows of which a flat index is built: 100,000 × 384 are searched in 10 ms.
const MAX_FLAT_ROWS: usize = 100_000;

/// The most bytes of float32 that inverted lists hold as they are.
const MAX_FLOAT_BYTES: usize = 1 << 30;

/// Inverted lists for each one that a search reads: 16 of 400 found 95.6 % of the 11 nearest on 35,709 real abstracts, 8 of
/// them 90.1 %, 32 98.3 %.
const LISTS_PER_PROBE: usize = 25;

/// Vectors that are handed to FAISS at once. Fixed, because a graph grows by portions.
const ROWS_AT_ONCE: usize = 16_384;

/// Why there is no index.
#[derive(Debug, thiserror::Error)]
pub enum FaissError {
    /// FAISS makes nothing of the factory string.
    #[error("index {factory:?} cannot be built for {dim} dimensions")]
    Factory {
        /// The factory string.
        factory: String,
        /// The dimensions that it was to be for.
        dim: usize,
        /// What FAISS said.
        source: NativeError,
    },
    /// The index cannot be trained on the sample.
    #[error("index {factory:?} cannot be trained on {num_rows} vectors")]
    Train {
        /// The factory string.
        factory: String,
        /// The size of the sample.
        num_rows: usize,
        /// What FAISS said.
        source: NativeError,
    },
    /// The index does not take vectors, or takes no more.
    #[error("index {factory:?} does not take the vectors from row {row} on")]
    Add {
        /// The factory string.
        factory: String,
        /// The first row of the portion.
        row: usize,
        /// What FAISS said.
        source: NativeError,
    },
    /// Vectors of another length.
    #[error("row {row}: vectors have {found} dimensions, the index expects {expected}")]
    Dimension {
        /// The first row of the block.
        row: usize,
        /// Its dimensions.
        found: usize,
        /// The index's.
        expected: usize,
    },
    /// The index has not been given the rows that it was planned for, or did not keep them.
    #[error("the index has {found} rows, the run expects {expected}")]
    Rows {
        /// Rows in the index.
        found: usize,
        /// Rows of the corpus.
        expected: usize,
    },
    /// The file cannot be written, or read back.
    #[error("{}: the index cannot be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What FAISS said.
        source: NativeError,
    },
    /// The file does not hold what was written.
    #[error("{}: the written index has {found} rows of {expected}", path.display())]
    Incomplete {
        /// The file.
        path: PathBuf,
        /// Rows that were read back.
        found: u64,
        /// Rows that were written.
        expected: u64,
    },
}

impl Classify for FaissError {
    fn exit(&self) -> Exit {
        match self {
            Self::Factory { .. } | Self::Train { .. } | Self::Add { .. } => Exit::Configuration,
            Self::Dimension { .. } | Self::Rows { .. } => Exit::Data,
            Self::Write { .. } | Self::Incomplete { .. } => Exit::Retry,
        }
    }
}

/// How vectors lie in an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Design {
    /// All in one list.
    Flat,
    /// In the run's clusters, float32.
    Lists,
    /// In the run's clusters, float16.
    HalfLists,
    /// As the factory string says.
    Factory,
}

/// Which index is to be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexPlan {
    design: Design,
    factory: String,
    dim: usize,
    num_rows: usize,
    nprobe: Option<usize>,
}

impl IndexPlan {
    /// Chooses by size: see the table at the head of this file.
    #[must_use]
    pub fn by_size(num_rows: usize, dim: usize, num_centroids: usize) -> Self {
        let bytes = num_rows.saturating_mul(dim).saturating_mul(size_of::<f32>());
        let (design, factory) = if num_rows <= MAX_FLAT_ROWS || num_centroids == 0 {
            (Design::Flat, "Flat".to_owned())
        } else if bytes <= MAX_FLOAT_BYTES {
            (Design::Lists, format!("IVF{num_centroids},Flat"))
        } else {
            (Design::HalfLists, format!("IVF{num_centroids},SQfp16"))
        };
        let nprobe = (design != Design::Flat).then(|| probes(num_centroids));
        Self { design, factory, dim, num_rows, nprobe }
    }

    /// Takes a factory string of FAISS's, once FAISS itself has made an empty index of it.
    ///
    /// # Errors
    /// [`FaissError::Factory`], before any vector has been read.
    pub fn by_factory(num_rows: usize, dim: usize, factory: &str) -> Result<Self, FaissError> {
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

    /// Whether the order of threads would show in the index.
    fn is_graph(&self) -> bool {
        ["HNSW", "NSG"].iter().any(|graph| self.factory.contains(graph))
    }

    /// Whether the index takes all its vectors at once or none.
    ///
    /// FAISS attaches an unlinked node of NSG to a random one of free degree, and never ends where there is none: a
    /// degree of 8 did that with 19,384 random vectors. HNSW has no such case.
    fn takes_all_at_once(&self) -> bool {
        self.factory.contains("NSG")
    }

    /// Makes the empty index.
    fn build(&self, centroids: ArrayView2<'_, f32>) -> Result<IndexImpl, FaissError> {
        let built = match self.design {
            Design::Flat => FlatIndex::new_ip(self.dim as u32).map(UpcastIndex::upcast),
            Design::Lists | Design::HalfLists => self.lists(centroids),
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
        if self.design == Design::Lists {
            return Ok(IVFFlatIndexImpl::new(quantizer, dim, num_lists, metric)?.upcast());
        }
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

    fn factory_error(&self, source: NativeError) -> FaissError {
        FaissError::Factory { factory: self.factory.clone(), dim: self.dim, source }
    }
}

/// The lists to read of so many: about one in 25.
fn probes(num_lists: usize) -> usize {
    num_lists.div_ceil(LISTS_PER_PROBE).max(1)
}

/// The number of inverted lists that a factory string asks for: `IVF400`, `IVF4k`, `IVF1M`.
fn lists_of(factory: &str) -> Option<usize> {
    let (_, after) = factory.split_once("IVF")?;
    let rest = after.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let count: usize = after[..after.len() - rest.len()].parse().ok()?;
    Some(match rest.chars().next() {
        Some('k') => count.saturating_mul(1 << 10),
        Some('M') => count.saturating_mul(1 << 20),
        _ => count,
    })
}

/// An index that is being filled, in row order.
#[derive(Debug)]
pub struct IndexBuilder {
    plan: IndexPlan,
    index: IndexImpl,
    threads: usize,
    /// Rows that FAISS has; the next ones wait in `portion`.
    added: usize,
    portion: Vec<f32>,
}

impl IndexBuilder {
    /// Makes an empty index, trained where it needs that.
    ///
    /// `centroids` are the run's, `[k, dim]`, and become the inverted lists of an index chosen by size; `sample`, `[n,
    /// dim]`, is what an index of a factory string is trained on. `threads` bounds OpenMP, graphs aside; it holds on
    /// whichever thread the builder is used.
    ///
    /// # Errors
    /// [`FaissError::Factory`], [`FaissError::Train`], and [`FaissError::Dimension`] for centroids or a sample of another
    /// length.
    pub fn new(
        plan: IndexPlan,
        centroids: ArrayView2<'_, f32>,
        sample: ArrayView2<'_, f32>,
        threads: usize,
    ) -> Result<Self, FaissError> {
        check_dimension(&plan, 0, centroids)?;
        check_dimension(&plan, 0, sample)?;
        let threads = if plan.is_graph() { 1 } else { threads.max(1) };
        threads::limit(threads);
        let mut index = plan.build(centroids)?;
        if !index.is_trained() {
            let standard = sample.as_standard_layout();
            index.train(standard.as_slice().unwrap_or_default()).map_err(|source| FaissError::Train {
                factory: plan.factory.clone(),
                num_rows: sample.nrows(),
                source,
            })?;
        }
        if let Some(nprobe) = plan.nprobe {
            set_nprobe(&index, nprobe).map_err(|source| plan.factory_error(source))?;
        }
        Ok(Self { plan, index, threads, added: 0, portion: Vec::new() })
    }

    /// Adds the rows that follow those already added, `[rows, dim]`.
    ///
    /// # Errors
    /// [`FaissError::Dimension`], and [`FaissError::Add`] if the index refuses them.
    pub fn add(&mut self, vectors: ArrayView2<'_, f32>) -> Result<(), FaissError> {
        check_dimension(&self.plan, self.added, vectors)?;
        let portion = if self.plan.takes_all_at_once() { usize::MAX } else { ROWS_AT_ONCE };
        let mut rest = vectors;
        while rest.nrows() > 0 {
            let held = self.portion.len() / self.plan.dim;
            let (next, after) = rest.split_at(Axis(0), rest.nrows().min(portion - held));
            self.portion.extend(next.iter());
            rest = after;
            if held + next.nrows() == portion {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Hands the waiting rows to FAISS.
    fn flush(&mut self) -> Result<(), FaissError> {
        threads::limit(self.threads);
        let num_rows = self.portion.len() / self.plan.dim;
        let added = if self.plan.factory.contains("IDMap") {
            let ids: Vec<Idx> = (self.added..self.added + num_rows).map(|row| Idx::new(row as u64)).collect();
            self.index.add_with_ids(&self.portion, &ids)
        } else {
            self.index.add(&self.portion)
        };
        added.map_err(|source| FaissError::Add { factory: self.plan.factory.clone(), row: self.added, source })?;
        self.added += num_rows;
        self.portion.clear();
        Ok(())
    }

    /// Writes the index to a file of its own, reads back that it is whole, and returns its plan.
    ///
    /// # Errors
    /// [`FaissError::Rows`] if rows are missing, [`FaissError::Write`] and [`FaissError::Incomplete`].
    pub fn write(mut self, path: &Path) -> Result<IndexPlan, FaissError> {
        if !self.portion.is_empty() {
            self.flush()?;
        }
        let (found, expected) = (self.index.ntotal(), self.plan.num_rows as u64);
        if found != expected {
            return Err(FaissError::Rows { found: found as usize, expected: expected as usize });
        }
        let write_error = |source| FaissError::Write { path: path.to_owned(), source };
        let name = path.to_str().ok_or_else(|| write_error(NativeError::BadFilePath))?;
        write_index(&self.index, name).map_err(write_error)?;
        drop(self.index);
        // FAISS does not report a file that fails to close, as on a full disk. Mapped, because lists need not be read.
        let written = read_index_with_flags(name, IoFlags::MEM_MAP | IoFlags::READ_ONLY).map_err(write_error)?;
        if written.ntotal() != expected {
            return Err(FaissError::Incomplete { path: path.to_owned(), found: written.ntotal(), expected });
        }
        Ok(self.plan)
    }
}

/// Refuses vectors of another length than the plan's, unless there are none.
fn check_dimension(plan: &IndexPlan, row: usize, vectors: ArrayView2<'_, f32>) -> Result<(), FaissError> {
    if vectors.nrows() > 0 && vectors.ncols() != plan.dim {
        return Err(FaissError::Dimension { row, found: vectors.ncols(), expected: plan.dim });
    }
    Ok(())
}

/// Sets the number of lists that a search reads, wherever in the index they are.
fn set_nprobe(index: &IndexImpl, nprobe: usize) -> Result<(), NativeError> {
    ParameterSpace::new()?.set_index_parameter(index, "nprobe", nprobe as f64)
}

/// The threads of the libraries beneath FAISS, which know nothing of a container's quota.
mod threads {
    use std::ffi::{CStr, c_char, c_int, c_void};

    /// Limits OpenMP to `threads` for what the calling thread starts, and `OpenBLAS`, if that is the BLAS, to one.
    #[expect(unsafe_code, reason = "neither library has a safe interface")]
    pub(super) fn limit(threads: usize) {
        let threads = c_int::try_from(threads).unwrap_or(c_int::MAX).max(1);
        // SAFETY: the function takes any positive number; libgomp is linked with FAISS.
        unsafe { omp_set_num_threads(threads) };
        if let Some(set_threads) = openblas_set_num_threads() {
            // SAFETY: OpenBLAS's function of this name takes one int, any positive number.
            unsafe { set_threads(1) };
        }
    }

    /// The function of `OpenBLAS` if it is the BLAS in this process: any other would leave the symbol undefined.
    #[expect(unsafe_code, reason = "the dynamic linker has no safe interface")]
    fn openblas_set_num_threads() -> Option<unsafe extern "C" fn(c_int)> {
        const NAME: &CStr = c"openblas_set_num_threads";
        // SAFETY: a null handle is RTLD_DEFAULT on Linux, and the name ends in a null byte.
        let symbol = unsafe { dlsym(std::ptr::null_mut(), NAME.as_ptr()) };
        // SAFETY: null becomes None, and anything else is a function of that signature (OpenBLAS's cblas.h).
        unsafe { std::mem::transmute::<*mut c_void, Option<unsafe extern "C" fn(c_int)>>(symbol) }
    }

    #[expect(unsafe_code, reason = "declared as omp.h and dlfcn.h declare them")]
    unsafe extern "C" {
        fn omp_set_num_threads(threads: c_int);
        fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    }
}

#[cfg(test)]
mod tests {
    use ::faiss::index::io::read_index;
    use ndarray::{Array2, s};
    use rand::{Rng, SeedableRng};
    use rand_xoshiro::Xoshiro256Plus;

    use super::*;

    const DIM: usize = 16;

    fn unit_vectors(rows: usize, seed: u64) -> Array2<f32> {
        let mut rng = Xoshiro256Plus::seed_from_u64(seed);
        let mut vectors = Array2::from_shape_simple_fn((rows, DIM), || rng.gen_range(-1.0_f32..1.0));
        for mut row in vectors.outer_iter_mut() {
            let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt();
            row /= norm;
        }
        vectors
    }

    /// A plan of inverted lists for a corpus that would be flat by its size.
    fn lists(design: Design, num_rows: usize, num_lists: usize) -> IndexPlan {
        let factory = format!("IVF{num_lists}");
        IndexPlan { design, factory, dim: DIM, num_rows, nprobe: Some(probes(num_lists)) }
    }

    fn written(plan: IndexPlan, vectors: &Array2<f32>, cut: usize, threads: usize) -> (tempfile::TempDir, PathBuf) {
        let sample = vectors.slice(s![..vectors.nrows().min(2000), ..]);
        let mut builder = IndexBuilder::new(plan, sample.slice(s![..25, ..]), sample, threads).unwrap();
        for block in vectors.axis_chunks_iter(Axis(0), cut) {
            builder.add(block).unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.faiss");
        builder.write(&path).unwrap();
        (folder, path)
    }

    fn plans(rows: usize) -> Vec<IndexPlan> {
        let factories = ["Flat", "HNSW8", "NSG16", "IVF25,SQ8", "IDMap2,Flat", "PCA8,IVF25,Flat", "PQ4x4"];
        let mut plans = vec![lists(Design::Lists, rows, 25), lists(Design::HalfLists, rows, 25)];
        plans.push(IndexPlan::by_size(rows, DIM, 25));
        plans.extend(factories.iter().map(|factory| IndexPlan::by_factory(rows, DIM, factory).unwrap()));
        plans
    }

    #[test]
    fn the_plan_follows_the_size() {
        let plan = |rows| IndexPlan::by_size(rows, 384, 400);
        assert_eq!((plan(100_000).factory(), plan(100_000).nprobe()), ("Flat", None));
        assert_eq!((plan(100_001).factory(), plan(100_001).nprobe()), ("IVF400,Flat", Some(16)));
        assert_eq!((plan(2_710_783).factory(), plan(2_710_783).nprobe()), ("IVF400,SQfp16", Some(16)));
        assert_eq!(lists_of("OPQ16,IVF4096_HNSW32,PQ16"), Some(4096));
        assert_eq!((lists_of("IVF4k,Flat"), lists_of("HNSW32")), (Some(4096), None));
    }

    #[test]
    fn ids_are_rows_in_every_kind_of_index() {
        let vectors = unit_vectors(3000, 1);
        for plan in plans(3000) {
            let name = format!("{plan:?}");
            let (_folder, path) = written(plan, &vectors, 700, 2);
            let mut index = read_index(path.to_str().unwrap()).unwrap();
            assert_eq!((index.ntotal(), index.metric_type()), (3000, MetricType::InnerProduct), "{name}");
            let queries = vectors.slice(s![1000..1100, ..]);
            let found = index.search(queries.as_slice().unwrap(), 10).unwrap();
            let rows = found.labels.chunks(10).enumerate();
            let hits = rows.filter(|(row, ids)| ids.iter().any(|id| id.get() == Some(1000 + *row as u64))).count();
            assert!(
                hits >= if name.contains("PQ") || name.contains("PCA") { 50 } else { 90 },
                "{hits} of 100 found themselves: {name}"
            );
        }
    }

    #[test]
    fn the_same_vectors_give_the_same_bytes_whatever_the_cut_and_the_threads() {
        let all = unit_vectors(ROWS_AT_ONCE + 3000, 2);
        for plan in plans(all.nrows()) {
            // This graph takes seconds for a thousand rows, and comes in no portions anyway.
            let num_rows = if plan.takes_all_at_once() { 1000 } else { all.nrows() };
            let (plan, vectors) = (IndexPlan { num_rows, ..plan }, all.slice(s![..num_rows, ..]).to_owned());
            let (_one, once) = written(plan.clone(), &vectors, 1000, 1);
            let (_two, again) = written(plan.clone(), &vectors, 7777, 2);
            assert_eq!(std::fs::read(once).unwrap(), std::fs::read(again).unwrap(), "{plan:?}");
        }
    }

    #[test]
    fn a_factory_string_that_faiss_does_not_know_is_a_fault_of_the_configuration() {
        for factory in ["Nonsense", "", "PQ5x4", "IVF0,Flat", "Flat\0"] {
            let error = IndexPlan::by_factory(1000, DIM, factory)
                .and_then(|plan| IndexBuilder::new(plan, unit_vectors(4, 1).view(), unit_vectors(500, 1).view(), 1))
                .unwrap_err();
            assert_eq!(error.exit(), Exit::Configuration, "{error}");
            assert!(error.to_string().contains(&format!("{factory:?}")), "{error}");
        }
    }

    #[test]
    fn a_sample_smaller_than_the_lists_is_a_fault_of_the_configuration() {
        let plan = IndexPlan::by_factory(1000, DIM, "IVF600,Flat").unwrap();
        let error = IndexBuilder::new(plan, unit_vectors(4, 1).view(), unit_vectors(500, 1).view(), 1).unwrap_err();
        assert!(matches!(error, FaissError::Train { num_rows: 500, .. }), "{error}");
        assert_eq!(error.exit(), Exit::Configuration);
    }

    #[test]
    fn a_file_that_cannot_be_written_may_be_tried_again_and_missing_rows_may_not() {
        let vectors = unit_vectors(50, 3);
        let builder = |rows| {
            let plan = IndexPlan::by_size(rows, DIM, 4);
            let mut builder = IndexBuilder::new(plan, vectors.view(), vectors.view(), 1).unwrap();
            builder.add(vectors.view()).unwrap();
            builder
        };
        assert_eq!(builder(50).write(Path::new("/nowhere/index.faiss")).unwrap_err().exit(), Exit::Retry);
        let folder = tempfile::tempdir().unwrap();
        let error = builder(51).write(&folder.path().join("index.faiss")).unwrap_err();
        assert!(matches!(error, FaissError::Rows { found: 50, expected: 51 }));
        let error = builder(50).add(Array2::zeros((1, DIM + 1)).view()).unwrap_err();
        assert!(matches!(error, FaissError::Dimension { found: 17, expected: 16, .. }));
    }

    #[test]
    fn lists_are_the_run_s_own_clusters() {
        let vectors = unit_vectors(2000, 4);
        let (_folder, path) = written(lists(Design::Lists, 2000, 25), &vectors, 2000, 2);
        let mut index = read_index(path.to_str().unwrap()).unwrap();
        set_nprobe(&index, 1).unwrap();
        // With one probe, a centroid finds rows of its own list alone, all of them nearest to it in L2.
        for centroid in 0..25 {
            let query = vectors.row(centroid);
            for id in index.search(query.as_slice().unwrap(), 2000).unwrap().labels.iter().filter_map(|id| id.get()) {
                let row = vectors.row(id as usize);
                let nearest = (0..25)
                    .max_by(|&left, &right| row.dot(&vectors.row(left)).total_cmp(&row.dot(&vectors.row(right))))
                    .unwrap();
                assert_eq!(nearest, centroid);
            }
        }
    }
}
