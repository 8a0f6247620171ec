//! `--memory`, the cgroup and the corpus → what is kept in memory and what in the scratch folder.
//!
//! The limit decides how the work is cut, never the result. What the work takes at least is a constant and some bytes a
//! document; the vectors by cluster are in memory where they fit besides, else in the scratch folder.

use std::path::{Path, PathBuf};

use strata_shared::exit::Failure;

use crate::config::{Config, ReduceError};
use crate::corpus::{Corpus, SHARDS_AHEAD};
use crate::faiss::{Design, IndexPlan};
use crate::inverted_lists::Place;
use crate::lineage::ENTRY_BYTES;
use crate::lonely::{Settings, WAVE_BYTES};
use crate::naming::{MAX_TERMS, most_texts};
use crate::sample::sample_size;

/// Programs, portions on their way, and parts of objects on theirs.
///
/// With `--memory 480MiB` and their vectors in a scratch folder, 2,710,783 documents of 384 dimensions in 400 clusters took 430.
const BASE_BYTES: u64 = 60 << 20;

/// Products of each thread, and what the measure of the machine's peak takes.
const THREAD_BYTES: u64 = 12 << 20;

/// What stays of a row: its label (4), its bound (4), its digest (8), its place in the lists (4), whether it is short (1), and
/// what the lonely search notes of it.
///
/// The search has a lower bound of each row (4). Of one that is in doubt it has its number (4) and a bound that its list gave
/// (4); of one with copies 8 ([`crate::lonely`]), and then at most one of two is in doubt, or all are ranked at once (8): 37
/// with what stays.
const ROW_BYTES: u64 = 40;

/// Copies of a shard's vectors while labels are made: of those read ahead, decoded, in work.
const SHARD_COPIES: u64 = 3 + SHARDS_AHEAD as u64;

/// Copies of a shard's texts while labels are made: of those read ahead, in work, waiting to be counted and being
/// counted, and two more of the one that is decoded.
const TEXT_COPIES: u64 = 5 + SHARDS_AHEAD as u64;

/// One topic's count of one term.
const COUNT_BYTES: u64 = 2 * size_of::<u32>() as u64;

/// A text that names a topic, mostly an abstract, and the words of it while terms are chosen.
const NAMING_TEXT_BYTES: u64 = 2048;

/// Terms that a text adds to those of its topic: one for each word of a text that is as long as any that is kept.
const TERMS_OF_TEXT: u64 = 340;

/// A candidate of the lonely search beside its vector and its k nearest: itself, the order of its lists, and the rows beyond
/// the nearest for which a shortlist has room.
const CANDIDATE_BYTES: u64 = 960;

/// A row that is among the nearest of a candidate, and its product, in a vector that has grown by doubling.
const NEIGHBOUR_BYTES: u64 = 16;

/// Blocks from this size on come from the system one by one, and go back to it when they are freed.
///
/// Left alone, glibc raises the size from block to block up to 32 MiB and keeps what shards leave: 2,710,783 documents with
/// their vectors in a scratch folder took 872 MiB at most, with this 427, and with two pools 402.
#[cfg(target_env = "gnu")]
const MAPPED_BYTES: libc::c_int = 1 << 20;

/// The same where memory is plenty: the most that glibc allows.
#[cfg(target_env = "gnu")]
const MAPPED_BYTES_OF_PLENTY: libc::c_int = 32 << 20;

/// What the allocator may keep where memory is plenty: twice what shards were seen to leave.
const KEPT_BYTES: u64 = 1 << 30;

/// Pools from which the threads take smaller blocks; glibc would make eight for each core.
#[cfg(target_env = "gnu")]
const ARENAS: libc::c_int = 2;

/// Free space that a scratch folder keeps beside what is written there.
const SCRATCH_RESERVE_BYTES: u64 = 64 << 20;

/// What there is to reduce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Documents.
    pub num_rows: usize,
    /// Dimensions of a vector.
    pub dim: usize,
    /// Documents of the largest shard.
    pub shard_rows: usize,
    /// Bytes of the texts of the shard that has most.
    pub shard_text_bytes: u64,
    /// Clusters.
    pub clusters: usize,
    /// The neighbour by which loneliness is measured.
    pub neighbours: usize,
    /// Threads.
    pub threads: usize,
    /// Documents of the run that is followed.
    pub former_rows: usize,
}

impl Extent {
    /// Measures a corpus whose shards are open.
    #[must_use]
    pub fn of(config: &Config, corpus: &Corpus) -> Self {
        let num_rows = corpus.num_rows();
        Self {
            num_rows,
            dim: corpus.dim(),
            shard_rows: corpus.max_shard_rows(),
            shard_text_bytes: corpus.max_text_bytes(),
            clusters: config.clusters(num_rows),
            neighbours: config.settings.lonely_k,
            threads: config.threads,
            former_rows: config.former.map_or(0, |former| former.rows),
        }
    }

    fn vector_bytes(&self) -> u64 {
        (self.dim * size_of::<f32>()) as u64
    }

    fn sample_bytes(&self) -> u64 {
        sample_size(self.num_rows, self.clusters) as u64 * self.vector_bytes()
    }

    /// The sample, and shards on their way to labels.
    fn labelling_bytes(&self) -> u64 {
        let vectors = SHARD_COPIES * self.shard_rows as u64 * self.vector_bytes();
        self.sample_bytes() + vectors + TEXT_COPIES * self.shard_text_bytes
    }

    /// Texts by topic, and for each topic the documents that have each term of it.
    fn naming_bytes(&self) -> u64 {
        let texts = most_texts(self.clusters).min(self.num_rows) as u64;
        let counts = (texts * TERMS_OF_TEXT).min((self.clusters * MAX_TERMS) as u64);
        texts * NAMING_TEXT_BYTES + counts * COUNT_BYTES
    }

    /// Labels of the run that is followed, while topics are matched.
    fn lineage_bytes(&self) -> u64 {
        self.former_rows as u64 * ENTRY_BYTES
    }

    /// Candidates for loneliness, each with its vector as halves and its nearest; of what ties with them no more is held.
    fn search_bytes(&self) -> u64 {
        let nearest = self.neighbours as u64 * NEIGHBOUR_BYTES;
        let candidates = Settings::default().max_candidates.min(self.num_rows) as u64;
        WAVE_BYTES as u64 + candidates * (self.vector_bytes() / 2 + CANDIDATE_BYTES + nearest)
    }
}

/// What a reduce of one corpus takes, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// What it cannot do without.
    pub least: u64,
    /// The vectors by cluster.
    pub lists: u64,
    /// The file of an index that FAISS builds.
    pub index_file: u64,
}

impl Needs {
    /// Reckons the needs of a corpus whose index is planned.
    ///
    /// Labelling, naming, matching topics and searching come one after the other; what each row leaves stays throughout.
    #[must_use]
    pub fn of(extent: &Extent, plan: &IndexPlan) -> Self {
        let is_built = plan.design() == Design::Factory;
        let (index, index_file) = if is_built { (plan.building_bytes(), plan.index_bytes()) } else { (0, 0) };
        // What an index is trained on waits for the end of the search.
        let later =
            extent.search_bytes().max(extent.lineage_bytes()) + if is_built { extent.sample_bytes() } else { 0 };
        let stage = extent.labelling_bytes().max(extent.naming_bytes()).max(later);
        let rows = extent.num_rows as u64 * ROW_BYTES;
        Self {
            least: BASE_BYTES + extent.threads as u64 * THREAD_BYTES + stage + index + rows,
            lists: extent.num_rows as u64 * extent.vector_bytes() / 2,
            index_file,
        }
    }
}

/// What the limit leaves room for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// Where the vectors by cluster are kept.
    pub place: Place,
    /// Whether the allocator may keep what is freed.
    pub is_plenty: bool,
}

/// Decides what the limit leaves room for.
///
/// # Errors
/// [`ReduceError::Memory`] with the figure that would do, [`ReduceError::ScratchSpace`] where the folder has too little room,
/// [`ReduceError::Rows`] for more rows than are ever counted.
pub fn room(config: &Config, corpus: &Corpus) -> Result<Room, Failure> {
    let extent = Extent::of(config, corpus);
    if u32::try_from(extent.num_rows).is_err() {
        return Err(ReduceError::Rows { found: extent.num_rows }.into());
    }
    let plan = config.index_plan(extent.num_rows, extent.dim, extent.clusters)?;
    let needs = Needs::of(&extent, &plan);
    let limit = config.memory_bytes;
    if limit < needs.least {
        return Err(ReduceError::Memory { found: limit >> 20, needed: needs.least.div_ceil(1 << 20) }.into());
    }
    let (folder, in_memory) = (config.scratch_folder(), limit >= needs.least + needs.lists);
    let filed = needs.index_file + if in_memory { 0 } else { needs.lists };
    if filed > 0 {
        check_space(&folder, filed + SCRATCH_RESERVE_BYTES)?;
    }
    if in_memory {
        let is_plenty = limit >= needs.least + needs.lists + KEPT_BYTES;
        return Ok(Room { place: Place::Memory, is_plenty });
    }
    tracing::info!(folder = %folder.display(), mib = needs.lists >> 20, "vectors by cluster go to the scratch folder");
    Ok(Room { place: Place::Folder(folder), is_plenty: false })
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

/// Has the allocator keep little of what is freed; to be called at the start, before it is known how much room there is.
pub fn keep_little_of_what_is_freed() {
    #[cfg(target_env = "gnu")]
    set_allocator(&[(libc::M_MMAP_THRESHOLD, MAPPED_BYTES), (libc::M_ARENA_MAX, ARENAS)]);
}

/// Has the allocator keep what is freed: the system clears every page that it gives anew.
pub fn keep_what_is_freed() {
    #[cfg(target_env = "gnu")]
    set_allocator(&[
        (libc::M_MMAP_THRESHOLD, MAPPED_BYTES_OF_PLENTY),
        (libc::M_TRIM_THRESHOLD, KEPT_BYTES as libc::c_int),
    ]);
}

#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "the C library has no safe interface to its allocator")]
fn set_allocator(parameters: &[(libc::c_int, libc::c_int)]) {
    for &(parameter, value) in parameters {
        // SAFETY: mallopt takes any two numbers, changes nothing but the allocator's parameters, and takes its lock for that.
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
            "" => limit_files("/sys/fs/cgroup", path, "memory.max"),
            named if named.split(',').any(|controller| controller == "memory") => {
                limit_files("/sys/fs/cgroup/memory", path, "memory.limit_in_bytes")
            }
            _ => Vec::new(),
        }
    });
    files.filter_map(|file| std::fs::read_to_string(file).ok()?.trim().parse().ok()).min()
}

/// Names the files in which a group and those around it have their limit; in a container its own is the root of what it sees.
fn limit_files(root: &str, group: &str, file: &str) -> Vec<PathBuf> {
    let group = Path::new(group.trim_start_matches('/'));
    group.ancestors().map(|group| Path::new(root).join(group).join(file)).collect()
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
        let (shard_rows, shard_text_bytes) = (10_000, 12_000_000);
        let (neighbours, threads, former_rows) = (5, 2, num_rows);
        let extent = Extent { num_rows, dim, shard_rows, shard_text_bytes, clusters, neighbours, threads, former_rows };
        Needs::of(&extent, &plan)
    }

    #[test]
    fn whole_archives_fit_in_four_gibibytes_with_their_vectors() {
        for (num_rows, dim, clusters) in [(2_710_783, 384, 400), (10_000_000, 128, 100)] {
            let Needs { least, lists, .. } = needs(num_rows, dim, clusters, None);
            assert!(least + lists <= 4096 * MIB, "{num_rows}: {} + {} MiB", least / MIB, lists / MIB);
        }
    }

    #[test]
    fn the_least_of_abstracts_is_four_hundred_mebibytes_and_forty_bytes_a_document() {
        for num_rows in [200_000, 2_710_783, 10_000_000] {
            let least = needs(num_rows, 384, 400, None).least;
            assert!(least <= 400 * MIB + 40 * num_rows as u64, "{num_rows}: {} MiB", least / MIB);
            assert_eq!(least - num_rows as u64 * 40, needs(2_000_000, 384, 400, None).least - 2_000_000 * 40);
        }
    }

    #[test]
    fn an_index_that_faiss_builds_is_charged() {
        let of = |index| needs(1_000_000, 384, 400, Some(index)).least;
        assert!(of("HNSW32") > of("Flat") && of("Flat") > of("IVF400,PQ48") + 1000 * MIB);
        assert!(of("IVF400,PQ48") > needs(1_000_000, 384, 400, None).least);
        assert!(needs(1_000_000, 384, 400, Some("Flat")).index_file >= 1_000_000 * 384 * 4);
    }

    #[test]
    fn long_texts_many_clusters_threads_and_neighbours_are_charged() {
        let plan = IndexPlan::by_size(1_000_000, 384, 400);
        let usual = Extent {
            num_rows: 1_000_000,
            dim: 384,
            shard_rows: 10_000,
            shard_text_bytes: 12_000_000,
            clusters: 400,
            neighbours: 5,
            threads: 2,
            former_rows: 0,
        };
        let least = |extent| Needs::of(&extent, &plan).least;
        assert!(least(Extent { shard_text_bytes: 256 * MIB, ..usual }) >= least(usual) + 1600 * MIB);
        assert!(least(Extent { clusters: 4000, ..usual }) >= 1000 * MIB);
        assert!(least(Extent { threads: 64, ..usual }) >= least(usual) + 700 * MIB);
        assert!(least(Extent { neighbours: 5000, ..usual }) >= 1000 * MIB);
        assert!(least(Extent { former_rows: 100_000_000, ..usual }) >= 1500 * MIB);
    }

    #[test]
    fn the_limits_of_all_groups_around_are_looked_at() {
        let files = limit_files("/sys/fs/cgroup", "/batch/job", "memory.max");
        let expected = ["batch/job/", "batch/", ""].map(|group| format!("/sys/fs/cgroup/{group}memory.max"));
        assert_eq!(files, expected.map(PathBuf::from));
    }
}
