//! Every kind of index: ids, bytes, faults.

use std::path::{Path, PathBuf};

use ::faiss::index::io::read_index;
use ::faiss::{Index, MetricType};
use ndarray::{Array2, Axis, s};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256Plus;

use super::builder::{ROWS_AT_ONCE, set_nprobe};
use super::plan::{Design, lists_of, probes};
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
fn lists(num_rows: usize, num_lists: usize) -> IndexPlan {
    let factory = format!("IVF{num_lists},SQfp16");
    IndexPlan { design: Design::Lists, factory, dim: DIM, num_rows, nprobe: Some(probes(num_lists)) }
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
    let factories = ["Flat", "HNSW8", "IVF25,SQ8", "IDMap2,Flat", "PCA8,IVF25,Flat", "PQ4x4"];
    let mut plans = vec![lists(rows, 25), IndexPlan::by_size(rows, DIM, 25)];
    plans.extend(factories.iter().map(|factory| IndexPlan::by_factory(rows, DIM, factory).unwrap()));
    plans
}

#[test]
fn the_plan_follows_the_size() {
    let plan = |rows| IndexPlan::by_size(rows, 384, 400);
    assert_eq!((plan(100_000).factory(), plan(100_000).nprobe()), ("Flat", None));
    assert_eq!((plan(100_001).factory(), plan(100_001).nprobe()), ("IVF400,SQfp16", Some(16)));
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
    let vectors = unit_vectors(ROWS_AT_ONCE + 3000, 2);
    for plan in plans(vectors.nrows()) {
        let (_one, once) = written(plan.clone(), &vectors, 1000, 1);
        let (_two, again) = written(plan.clone(), &vectors, 7777, 2);
        assert_eq!(std::fs::read(once).unwrap(), std::fs::read(again).unwrap(), "{plan:?}");
    }
}

#[test]
fn a_factory_string_that_faiss_does_not_know_is_a_fault_of_the_configuration() {
    for factory in ["Nonsense", "", "PQ5x4", "IVF0,Flat", "Flat\0", "NNDescent16", "NSG16", "IVF25_NSG8,Flat"] {
        let error = IndexPlan::by_factory(1000, DIM, factory)
            .and_then(|plan| IndexBuilder::new(plan, unit_vectors(4, 1).view(), unit_vectors(500, 1).view(), 1))
            .unwrap_err();
        assert_eq!(error.exit(), Exit::Configuration, "{error}");
        let said = error.to_string();
        assert!(said.contains(&format!("{factory:?}")) && said.contains("HNSW32"), "what would do is said: {error}");
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
    let (_folder, path) = written(lists(2000, 25), &vectors, 2000, 2);
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

/// Labels by the rule of the lists' quantizer: the nearest of the first 25 rows in L2.
fn labels(vectors: &Array2<f32>) -> Vec<i32> {
    let centroids = crate::kmeans::Centroids::new(vectors.slice(s![..25, ..]).to_owned());
    crate::assign::assign(vectors.view(), &centroids).labels
}

#[test]
fn a_file_put_together_is_the_file_that_faiss_writes() {
    use crate::inverted_lists::{ListsBuilder, Place, Portion};
    // Values that are halves already: FAISS built without such instructions rounds ties away from zero.
    let vectors = unit_vectors(3000, 8).mapv(|value| half::f16::from_f32(value).to_f32());
    let scratch = tempfile::tempdir().unwrap();
    let (_folder, path) = written(lists(3000, 25), &vectors, 3000, 1);
    let mut builder = ListsBuilder::new(25, DIM, 3000, Place::Memory).unwrap();
    builder.add(&Portion::new(0, vectors.view(), &labels(&vectors), 25)).unwrap();
    let stored = builder.finish().unwrap();
    let sizes: Vec<usize> = (0..25).map(|list| stored.len(list)).collect();
    let mut file = list_header(&lists(3000, 25), vectors.slice(s![..25, ..]), &sizes, scratch.path()).unwrap();
    for list in 0..25 {
        let (mut codes, mut ids) = (Vec::new(), Vec::new());
        stored
            .read(list, 100, &mut |block| {
                codes.extend(block.codes.iter().flat_map(|code| code.to_le_bytes()));
                ids.extend(block.rows.iter().flat_map(|&row| (row as u64).to_le_bytes()));
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
        file.extend(codes.into_iter().chain(ids));
    }
    assert!(file == std::fs::read(path).unwrap(), "inverted lists");
    let (_folder, path) = written(IndexPlan::by_size(3000, DIM, 25), &vectors, 3000, 1);
    let mut file = flat_header(&IndexPlan::by_size(3000, DIM, 25), scratch.path()).unwrap();
    file.extend(vectors.iter().flat_map(|value| value.to_le_bytes()));
    assert!(file == std::fs::read(path).unwrap(), "flat");
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
}

#[test]
fn lists_of_which_most_are_empty_are_written_as_faiss_reads_them() {
    let vectors = unit_vectors(40, 9);
    let scratch = tempfile::tempdir().unwrap();
    let plan = lists(40, 25);
    let mut sizes = vec![0; 25];
    sizes[7] = 40;
    let mut file = list_header(&plan, vectors.slice(s![..25, ..]), &sizes, scratch.path()).unwrap();
    file.extend(vectors.iter().flat_map(|value| half::f16::from_f32(*value).to_le_bytes()));
    file.extend((0..40_u64).flat_map(u64::to_le_bytes));
    let path = scratch.path().join("index.faiss");
    std::fs::write(&path, file).unwrap();
    assert_eq!(read_index(path.to_str().unwrap()).unwrap().ntotal(), 40);
}

#[test]
fn a_file_is_searched_with_its_own_nprobe() {
    let vectors = unit_vectors(3000, 10);
    let (_folder, path) = written(lists(3000, 25), &vectors, 3000, 1);
    let found = search_file(&path, vectors.slice(s![..50, ..]), 3).unwrap();
    assert!(found.iter().enumerate().all(|(row, found)| found[0] == row as u64));
    assert!(matches!(search_file(Path::new("/nowhere"), vectors.view(), 3), Err(FaissError::Search { .. })));
}
