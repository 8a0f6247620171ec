//! `--memory`, the cgroup and the corpus → what is kept in memory and what in the scratch folder.
//!
//! The limit decides how the work is cut, never the result. What the work takes at least is a constant and some bytes a
//! document; the vectors by cluster are in memory where they fit besides, else in the scratch folder.

use std::path::Path;

use strata_shared::exit::Failure;

use crate::config::{Config, ReduceError};
use crate::corpus::{Corpus, SHARDS_AHEAD};
use crate::faiss::{Design, IndexPlan};
use crate::inverted_lists::Place;
use crate::sample::sample_size;

/// Programs, portions, texts that name topics, counts of terms.
///
/// With 2,710,783 documents of 384 dimensions in 400 clusters and their vectors in a scratch folder the peak is 402 MiB, 32 more
/// than is reckoned here without it; with 50,000, MEASURED.
const BASE_BYTES: u64 = 96 << 20;

/// What stays of a row: its label, its bound, its digest, its place in the lists, and what the lonely search notes of it.
const ROW_BYTES: u64 = 40;

/// A shard in memory takes its vectors twice while they are decoded, and its texts.
const TEXT_BYTES_PER_ROW: u64 = 1536;

/// Blocks from this size on come from the system one by one, and go back to it when they are freed.
///
/// Left alone, glibc raises the size from block to block up to 32 MiB and keeps what shards leave: with 2,710,783 documents and
/// vectors in a scratch folder 872 MiB at most, with this 427, with one arena a thread of arithmetic 402, no slower.
#[cfg(target_env = "gnu")]
const MAPPED_BYTES: libc::c_int = 1 << 20;

/// Pools from which the threads take smaller blocks.
#[cfg(target_env = "gnu")]
const ARENAS: libc::c_int = 2;

/// Free space that a scratch folder keeps beside what is written there.
const SCRATCH_RESERVE_BYTES: u64 = 64 << 20;

/// What a reduce of one corpus takes, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// What it cannot do without.
    pub least: u64,
    /// The vectors by cluster.
    pub lists: u64,
}

impl Needs {
    /// Reckons the needs of `num_rows` vectors of `dim` dimensions, in shards of at most `shard_rows`, in `clusters`.
    #[must_use]
    pub fn of(num_rows: usize, dim: usize, shard_rows: usize, clusters: usize, plan: &IndexPlan) -> Self {
        let vector_bytes = (dim * size_of::<f32>()) as u64;
        let sample = sample_size(num_rows, clusters) as u64 * vector_bytes;
        let shards = (2 + SHARDS_AHEAD) as u64 * shard_rows as u64 * (vector_bytes + TEXT_BYTES_PER_ROW);
        let index = if plan.design() == Design::Factory { plan.index_bytes() } else { 0 };
        Self {
            least: BASE_BYTES + sample + shards + index + num_rows as u64 * ROW_BYTES,
            lists: num_rows as u64 * vector_bytes / 2,
        }
    }
}

/// Decides where the vectors by cluster are kept.
///
/// # Errors
/// [`ReduceError::Memory`] with the figure that would do, [`ReduceError::ScratchSpace`] where the folder has too little room.
pub fn place(config: &Config, corpus: &Corpus) -> Result<Place, Failure> {
    let (num_rows, dim) = (corpus.num_rows(), corpus.dim());
    let clusters = config.clusters(num_rows);
    let plan = config.index_plan(num_rows, dim, clusters)?;
    let needs = Needs::of(num_rows, dim, corpus.max_shard_rows(), clusters, &plan);
    let limit = config.memory_bytes;
    if limit < needs.least {
        return Err(ReduceError::Memory { found: limit >> 20, needed: needs.least.div_ceil(1 << 20) }.into());
    }
    if limit >= needs.least + needs.lists {
        return Ok(Place::Memory);
    }
    let folder = config.scratch_folder();
    check_space(&folder, needs.lists + SCRATCH_RESERVE_BYTES)?;
    tracing::info!(folder = %folder.display(), mib = needs.lists >> 20, "vectors by cluster go to the scratch folder");
    Ok(Place::Folder(folder))
}

fn check_space(folder: &Path, needed: u64) -> Result<(), Failure> {
    let space = rustix::fs::statvfs(folder);
    let space = space
        .map_err(|error| ReduceError::System { what: "the free space of the scratch folder", source: error.into() })?;
    let found = space.f_bavail.saturating_mul(space.f_frsize);
    if found >= needed {
        return Ok(());
    }
    let folder = folder.display().to_string();
    Err(ReduceError::ScratchSpace { folder, found: found >> 20, needed: needed.div_ceil(1 << 20) }.into())
}

/// Has the allocator return what is freed; to be called before there are other threads.
#[cfg_attr(target_env = "gnu", expect(unsafe_code, reason = "the C library has no safe interface to its allocator"))]
pub fn return_what_is_freed() {
    #[cfg(target_env = "gnu")]
    for (parameter, value) in [(libc::M_MMAP_THRESHOLD, MAPPED_BYTES), (libc::M_ARENA_MAX, ARENAS)] {
        // SAFETY: mallopt takes any two numbers and changes nothing but the allocator's parameters; no other thread runs.
        unsafe { libc::mallopt(parameter, value) };
    }
}

/// The least limit on memory that the control groups of this process set, in bytes.
#[must_use]
pub fn cgroup_limit() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let files = groups.lines().flat_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        match controllers {
            // The second version; in a container its own group is the root of what it sees.
            "" => vec![format!("/sys/fs/cgroup{path}/memory.max"), "/sys/fs/cgroup/memory.max".to_owned()],
            "memory" => vec![
                format!("/sys/fs/cgroup/memory{path}/memory.limit_in_bytes"),
                "/sys/fs/cgroup/memory/memory.limit_in_bytes".to_owned(),
            ],
            _ => Vec::new(),
        }
    });
    files.filter_map(|file| std::fs::read_to_string(file).ok()?.trim().parse().ok()).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn needs(num_rows: usize, dim: usize, clusters: usize, index: Option<&str>) -> Needs {
        let plan = index.map_or_else(
            || IndexPlan::by_size(num_rows, dim, clusters),
            |factory| IndexPlan::by_factory(num_rows, dim, factory).unwrap(),
        );
        Needs::of(num_rows, dim, 10_000, clusters, &plan)
    }

    #[test]
    fn whole_archives_fit_in_four_gibibytes_with_their_vectors() {
        for (num_rows, dim, clusters) in [(2_710_783, 384, 400), (10_000_000, 128, 100)] {
            let Needs { least, lists } = needs(num_rows, dim, clusters, None);
            assert!(least + lists <= 4096 * MIB, "{num_rows}: {} + {} MiB", least / MIB, lists / MIB);
        }
    }

    #[test]
    fn the_least_is_a_constant_and_forty_bytes_a_document() {
        for num_rows in [200_000, 1_000_000, 10_000_000] {
            let least = needs(num_rows, 384, 400, None).least;
            assert_eq!(least - num_rows as u64 * 40, needs(2_000_000, 384, 400, None).least - 2_000_000 * 40);
        }
    }

    #[test]
    fn the_least_of_a_text_corpus_is_four_hundred_mebibytes_and_forty_bytes_a_document() {
        for num_rows in [200_000, 2_710_783, 10_000_000] {
            let least = needs(num_rows, 384, 400, None).least;
            assert!(least <= 400 * MIB + 40 * num_rows as u64, "{num_rows}: {} MiB", least / MIB);
        }
    }

    #[test]
    fn an_index_that_faiss_builds_is_charged() {
        let of = |index| needs(1_000_000, 384, 400, Some(index)).least;
        assert!(of("HNSW32") > of("Flat") && of("Flat") > of("IVF400,PQ48") + 1000 * MIB);
        assert!(of("IVF400,PQ48") > needs(1_000_000, 384, 400, None).least);
    }
}
