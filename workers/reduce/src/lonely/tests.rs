//! The search against brute force in float64, and what it does with corpora that have little to search.

use std::collections::HashSet;
use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{Array, StringArray};
use ndarray::{Array2, Axis, s};
use proptest::prelude::*;
use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_xoshiro::Xoshiro256Plus;

use super::copies::Copies;
use super::filter::Filter;
use super::nearest::cosine;
use super::{
    Block, Bounds, Certificate, Entry, Lonely, LonelyError, References, Settings, VectorSource, rounding_error, search,
};
use crate::inverted_lists::{InvertedLists, ListsBuilder, Place, Portion};

/// An array that is shown in blocks of the given sizes, over and over, starting from the back if told so.
struct Cut {
    vectors: Array2<f32>,
    ids: Vec<String>,
    /// The ids of each block, in the order of the rows.
    columns: Vec<StringArray>,
    backwards: bool,
    /// The most vectors that were asked for at once.
    most_asked: AtomicUsize,
}

impl Cut {
    fn new(vectors: Array2<f32>, sizes: &[usize]) -> Self {
        let ids = shuffled_ids(vectors.nrows(), 17);
        Self::with_ids(vectors, ids, sizes, false)
    }

    fn with_ids(vectors: Array2<f32>, ids: Vec<String>, sizes: &[usize], backwards: bool) -> Self {
        let (mut columns, mut rest) = (Vec::new(), ids.as_slice());
        for size in sizes.iter().cycle() {
            let (block, after) = rest.split_at(rest.len().min(*size));
            columns.push(StringArray::from_iter_values(block));
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        Self { vectors, ids, columns, backwards, most_asked: AtomicUsize::new(0) }
    }

    fn blocks(&self) -> Vec<Block<'_>> {
        let mut blocks = Vec::new();
        let mut first_row = 0;
        for ids in &self.columns {
            let end = first_row + ids.len();
            blocks.push(Block { first_row, vectors: self.vectors.slice(s![first_row..end, ..]), ids });
            first_row = end;
        }
        if self.backwards {
            blocks.reverse();
        }
        blocks
    }
}

impl VectorSource for Cut {
    type Error = std::io::Error;

    fn num_rows(&self) -> usize {
        self.vectors.nrows()
    }

    fn dim(&self) -> usize {
        self.vectors.ncols()
    }

    fn scan(&self, visit: &mut dyn FnMut(Block<'_>) -> ControlFlow<()>) -> Result<(), Self::Error> {
        for block in self.blocks() {
            if visit(block).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn vectors(&self, rows: &[usize]) -> Result<Array2<f32>, Self::Error> {
        self.most_asked.fetch_max(rows.len(), Ordering::Relaxed);
        vectors_by_scan(self, rows)
    }

    fn ids(&self, rows: &[usize]) -> Result<Vec<String>, Self::Error> {
        Ok(rows.iter().map(|&row| self.ids[row].clone()).collect())
    }
}

/// The vectors of `rows`, which ascend, as a scan shows them; rows that it does not show are zeros.
fn vectors_by_scan<S: VectorSource>(source: &S, rows: &[usize]) -> Result<Array2<f32>, S::Error> {
    let mut vectors = Array2::zeros((rows.len(), source.dim()));
    source.scan(&mut |block| {
        let shown = block.first_row..block.first_row + block.vectors.nrows();
        for (mut place, row) in vectors.outer_iter_mut().zip(rows).filter(|(_, row)| shown.contains(*row)) {
            place.assign(&block.vectors.row(row - block.first_row));
        }
        ControlFlow::Continue(())
    })?;
    Ok(vectors)
}

#[derive(Debug, Clone, Copy)]
enum Shape {
    Random,
    Clustered,
    Duplicated,
    NearlyDuplicated,
    Identical,
    /// Unit vectors along the axes: nearly all similarities are exactly 0 or 1.
    Axes,
}

fn shapes() -> impl Strategy<Value = Shape> {
    prop_oneof![
        Just(Shape::Random),
        Just(Shape::Clustered),
        Just(Shape::Duplicated),
        Just(Shape::NearlyDuplicated),
        Just(Shape::Identical),
        Just(Shape::Axes),
    ]
}

fn unit(mut vectors: Array2<f32>) -> Array2<f32> {
    for mut row in vectors.outer_iter_mut() {
        let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt();
        row /= norm;
    }
    vectors
}

fn noise(rows: usize, dim: usize, scale: f32, rng: &mut Xoshiro256Plus) -> Array2<f32> {
    Array2::from_shape_simple_fn((rows, dim), || rng.gen_range(-scale..scale))
}

fn corpus(shape: Shape, rows: usize, dim: usize, seed: u64) -> Array2<f32> {
    let mut rng = Xoshiro256Plus::seed_from_u64(seed);
    let few = unit(noise(rows.div_ceil(6), dim, 1.0, &mut rng));
    let mut near = |scale: f32| {
        let of: Vec<usize> = (0..rows).map(|_| rng.gen_range(0..few.nrows())).collect();
        unit(few.select(Axis(0), &of) + noise(rows, dim, scale, &mut rng))
    };
    match shape {
        Shape::Random => unit(noise(rows, dim, 1.0, &mut rng)),
        Shape::Clustered => near(0.2),
        Shape::NearlyDuplicated => near(1e-7),
        Shape::Duplicated => few.select(Axis(0), &(0..rows).map(|_| rng.gen_range(0..few.nrows())).collect::<Vec<_>>()),
        Shape::Identical => few.select(Axis(0), &vec![0; rows]),
        Shape::Axes => Array2::from_shape_fn((rows, dim), |(row, column)| f32::from(row * 7 % 5 % dim == column)),
    }
}

/// Ids whose order is not the order of rows.
fn shuffled_ids(rows: usize, seed: u64) -> Vec<String> {
    let mut ids: Vec<String> = (0..rows).map(|row| format!("id{row:06}")).collect();
    ids.shuffle(&mut Xoshiro256Plus::seed_from_u64(seed));
    ids
}

fn brute_force(source: &Cut, listed: &dyn Fn(usize) -> bool, k: usize, want: usize) -> Vec<Entry> {
    let vectors = &source.vectors;
    let mut entries = Vec::new();
    for row in (0..vectors.nrows()).filter(|&row| listed(row)) {
        let mut others: Vec<(f64, usize)> = (0..vectors.nrows())
            .filter(|&other| other != row)
            .map(|other| (cosine(vectors.row(row), vectors.row(other)), other))
            .collect();
        others.sort_by(|left, right| {
            right.0.total_cmp(&left.0).then_with(|| source.ids[left.1].cmp(&source.ids[right.1]))
        });
        let k = k.min(others.len());
        if k > 0 {
            let (nearest_similarity, nearest_row) = others[0];
            entries.push(Entry {
                row,
                id: source.ids[row].clone(),
                similarity: others[k - 1].0,
                nearest_row,
                nearest_similarity,
            });
        }
    }
    entries.sort_by(|left, right| left.similarity.total_cmp(&right.similarity).then(left.id.cmp(&right.id)));
    entries.truncate(want);
    entries
}

/// A labelled corpus: what the search is given beside the source.
struct Labelled {
    bounds: Bounds,
    lists: InvertedLists,
    centroids: Array2<f32>,
}

impl Labelled {
    /// Labels the rows of `source`, portion by portion.
    fn new(
        source: &Cut,
        labels: &[i32],
        references: References,
        centroids: Array2<f32>,
        k: usize,
        place: Place,
    ) -> Self {
        let (rows, num_lists) = (source.num_rows(), centroids.nrows());
        let mut bounds = Bounds::new(references, rows, k);
        let mut lists = ListsBuilder::new(num_lists, source.dim(), rows, place).unwrap();
        let mut blocks = source.blocks();
        blocks.sort_by_key(|block| block.first_row);
        for Block { first_row, vectors, .. } in blocks {
            let labels = &labels[first_row..first_row + vectors.nrows()];
            let portion = Portion::new(first_row, vectors, labels, num_lists);
            bounds.add(&portion);
            lists.add(&portion).unwrap();
        }
        bounds.forget_references();
        Self { bounds, lists: lists.finish().unwrap(), centroids }
    }

    fn search<S: VectorSource>(
        &self,
        source: &S,
        listed: &dyn Fn(usize) -> bool,
        settings: Settings,
    ) -> Result<Lonely, LonelyError<S::Error>> {
        search(source, &self.lists, &self.bounds, self.centroids.view(), listed, settings)
    }
}

/// Labels a corpus with labels, references and centroids drawn at random, but equal for equal vectors: none may matter.
fn labelled(source: &Cut, k: usize, place: Place, seed: u64) -> Labelled {
    let mut rng = Xoshiro256Plus::seed_from_u64(seed);
    let rows = source.num_rows();
    let num_clusters = rng.gen_range(1..=rows.div_ceil(5) + rows);
    let salt: u64 = rng.gen_range(1..1000);
    let label = |row: usize| {
        let sum: u64 = source.vectors.row(row).iter().map(|value| u64::from(value.to_bits())).sum();
        (sum.wrapping_mul(salt) % 1_000_003 % num_clusters as u64) as i32
    };
    let labels: Vec<i32> = (0..rows).map(label).collect();
    let sample: Vec<usize> = (0..rows).filter(|_| rng.gen_bool(0.6)).collect();
    let references = References::new(
        (num_clusters, rng.gen_range(1..20), k),
        &sample.iter().map(|&row| row as u64).collect::<Vec<_>>(),
        &sample.iter().map(|&row| labels[row]).collect::<Vec<_>>(),
        source.vectors.select(Axis(0), &sample).view(),
    );
    let centroids = noise(num_clusters, source.dim(), 1.0, &mut rng);
    Labelled::new(source, &labels, references, centroids, k, place)
}

/// Labels and searches a corpus.
fn find(source: &Cut, listed: &dyn Fn(usize) -> bool, settings: Settings, seed: u64) -> Lonely {
    labelled(source, settings.neighbours, Place::Memory, seed).search(source, listed, settings).unwrap()
}

fn everyone(_: usize) -> bool {
    true
}

/// The number of different vectors among the rows that may be listed; those of one row have no neighbours.
fn distinct(vectors: &Array2<f32>, listed: &dyn Fn(usize) -> bool) -> usize {
    let bits = |row| vectors.row(row).iter().map(|value| value.to_bits()).collect::<Vec<u32>>();
    let rows = 0..if vectors.nrows() > 1 { vectors.nrows() } else { 0 };
    rows.filter(|&row| listed(row)).map(bits).collect::<HashSet<_>>().len()
}

/// Holds the certificate's stages together: every distinct row falls once or is a finalist.
fn check_chain(certificate: &Certificate, distinct: usize) {
    let [chain @ .., crowds] = certificate.stages();
    let mut standing = distinct;
    for stage in chain {
        assert_eq!(stage.entered, standing, "{certificate:?}");
        assert!(stage.fell <= standing, "{certificate:?}");
        standing -= stage.fell;
    }
    assert_eq!(certificate.finalists, standing, "{certificate:?}");
    assert_eq!(certificate.distinct, distinct, "{certificate:?}");
    assert!(crowds.fell <= crowds.entered && crowds.entered <= certificate.finalists, "{certificate:?}");
    assert!(certificate.finalists <= certificate.exhausted && certificate.exhausted <= distinct, "{certificate:?}");
    let pairs: u64 = certificate.stages().iter().map(|stage| stage.pairs).sum();
    assert_eq!(certificate.operations(), 2 * pairs * certificate.dim as u64);
}

fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_list_is_brute_force_s_for_any_corpus_cut_and_threads(
        shape in shapes(), rows in 1_usize..150, dim in 1_usize..24, k in 1_usize..9, want in 1_usize..40,
        sizes in prop::collection::vec(1_usize..60, 1..4), backwards: bool, max_candidates in 1_usize..60,
        threads in 1_usize..4, skipped in 1_usize..9, in_folder: bool, seed: u64,
    ) {
        let (vectors, ids) = (corpus(shape, rows, dim, seed), shuffled_ids(rows, seed ^ 1));
        let source = Cut::with_ids(vectors, ids, &sizes, backwards);
        let listed = |row: usize| row % skipped != 1;
        let settings = Settings { neighbours: k, want, max_candidates, ..Settings::default() };
        let folder = tempfile::tempdir().unwrap();
        let place = if in_folder { Place::Folder(folder.path().to_owned()) } else { Place::Memory };
        let labelled = labelled(&source, k, place, seed ^ 2);
        let found = on_threads(threads, || labelled.search(&source, &listed, settings).unwrap());
        let expected = brute_force(&source, &listed, k, want);
        prop_assert_eq!(found.neighbours, k.min(rows - 1));
        prop_assert_eq!(&found.entries, &expected);
        let cutoff = (expected.len() == want).then(|| expected[want - 1].similarity);
        prop_assert_eq!(found.certificate.cutoff, cutoff);
        check_chain(&found.certificate, distinct(&source.vectors, &listed));
    }

    #[test]
    fn float32_products_stay_within_the_rounding_error(dim in 1_usize..2000, seed: u64) {
        let vectors = corpus(Shape::Random, 2, dim, seed);
        let product = crate::matrix::product_transposed(vectors.slice(s![..1, ..]), vectors.slice(s![1.., ..]))[[0, 0]];
        let exact = cosine(vectors.row(0), vectors.row(1));
        prop_assert!((f64::from(product) - exact).abs() <= rounding_error(dim));
    }
}

#[test]
fn tiny_corpora_lower_k_and_one_document_has_no_neighbour() {
    for rows in 1..=8 {
        let source = Cut::new(corpus(Shape::Random, rows, 4, 7), &[3]);
        let found = find(&source, &everyone, Settings::default(), 9);
        assert_eq!(found.neighbours, 5.min(rows - 1));
        assert_eq!(found.entries, brute_force(&source, &everyone, 5, 100));
        assert_eq!(found.entries.len(), if rows == 1 { 0 } else { rows });
    }
}

#[test]
fn a_corpus_of_one_vector_is_one_search_and_lists_the_smallest_ids() {
    let rows = 140_000;
    let source = Cut::new(corpus(Shape::Identical, rows, 3, 1), &[9_999]);
    let mut ids: Vec<(String, usize)> = source.ids.iter().cloned().zip(0..).collect();
    let found = find(&source, &everyone, Settings::default(), 3);
    ids.sort();
    let listed: Vec<(String, usize)> = found.entries.iter().map(|entry| (entry.id.clone(), entry.row)).collect();
    assert_eq!(listed, ids[..100]);
    let nearest = |entry: &Entry| if entry.row == ids[0].1 { ids[1].1 } else { ids[0].1 };
    assert!(found.entries.iter().all(|entry| entry.nearest_row == nearest(entry)));
    assert_eq!((found.certificate.distinct, found.certificate.exhausted), (1, 1));
    assert_eq!(found.certificate.store_scans, 1, "140,000 rows tie: no shortlist holds them");
}

#[test]
fn a_corpus_of_pairs_takes_eight_bytes_a_row_for_its_copies() {
    let (half, dim) = (15_000, 6);
    let distinct = corpus(Shape::Random, half, dim, 8);
    let mut of: Vec<usize> = (0..half).chain(0..half).collect();
    of.shuffle(&mut Xoshiro256Plus::seed_from_u64(9));
    let source = Cut::new(distinct.select(Axis(0), &of), &[7_000]);
    let folder = tempfile::tempdir().unwrap();
    let labels: Vec<i32> = of.iter().map(|&of| (of % 3) as i32).collect();
    let references = References::new((3, 8, 5), &[], &[], Array2::zeros((0, dim)).view());
    let place = Place::Folder(folder.path().to_owned());
    let labelled = Labelled::new(&source, &labels, references, Array2::zeros((3, dim)), 5, place);
    let copies = Copies::find(&labelled.bounds, &labelled.lists, &everyone).unwrap();
    assert!(copies.bytes() <= 8 * 2 * half, "{} bytes", copies.bytes());
    let groups: Vec<Vec<usize>> =
        copies.groups().map(|rows| rows.iter().map(|&row| of[row as usize]).collect()).collect();
    assert!(groups.len() == half && groups.iter().all(|of| of.len() == 2 && of[0] == of[1]));
    let first_rows: Vec<u32> = copies.groups().map(|rows| rows[0]).collect();
    assert!(first_rows.is_sorted());
    assert!(
        first_rows.iter().all(|&row| copies.weight(row as usize) == 2 && copies.members(row as usize).count() == 2)
    );
    let some = Copies::find(&labelled.bounds, &labelled.lists, &|row| of[row] < 10 || row % 2 == 0).unwrap();
    assert!(some.groups().flatten().all(|&row| of[row as usize] < 10 || row % 2 == 0));
}

#[test]
fn of_two_nearest_documents_the_one_whose_id_comes_first_is_named() {
    let vectors = unit(ndarray::array![[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
    for (ids, nearest) in [(["a", "b", "c", "d"], 1), (["a", "c", "b", "d"], 2)] {
        for neighbours in [1, 2] {
            let ids = ids.map(str::to_owned).to_vec();
            let source = Cut::with_ids(vectors.clone(), ids, &[3], false);
            let found = find(&source, &everyone, Settings { neighbours, ..Settings::default() }, 2);
            let entry = found.entries.iter().find(|entry| entry.row == 0).unwrap();
            assert_eq!(entry.nearest_row, nearest, "k = {neighbours}");
        }
    }
}

#[test]
fn exact_copies_neither_hide_nor_create_loneliness() {
    let crowd = corpus(Shape::Identical, 20, 4, 5);
    let mut vectors = Array2::zeros((23, 4));
    vectors.slice_mut(s![..20, ..]).assign(&crowd);
    let away = unit(ndarray::array![[1.0, -crowd[[0, 0]] / crowd[[0, 1]], 0.0, 0.0]]);
    vectors.slice_mut(s![20.., ..]).assign(&away.broadcast((3, 4)).unwrap());
    let source = Cut::new(vectors, &[5]);
    let settings = Settings { neighbours: 5, want: 3, ..Settings::default() };
    let mut rows: Vec<usize> = find(&source, &everyone, settings, 1).entries.iter().map(|e| e.row).collect();
    rows.sort_unstable();
    assert_eq!(rows, [20, 21, 22], "three copies have two neighbours, not five");
    let settings = Settings { neighbours: 2, ..settings };
    let found = find(&source, &everyone, settings, 1);
    assert!(found.entries.iter().all(|entry| entry.similarity > 0.999), "and two they have");
}

#[test]
fn the_work_is_far_less_than_brute_force() {
    let (rows, dim) = (20_000, 32);
    let mut rng = Xoshiro256Plus::seed_from_u64(4);
    let centres = unit(noise(40, dim, 1.0, &mut rng));
    let labels: Vec<i32> = (0..rows).map(|_| rng.gen_range(0..40)).collect();
    let of: Vec<usize> = labels.iter().map(|&label| label as usize).collect();
    let mut vectors = unit(centres.select(Axis(0), &of) + noise(rows, dim, 0.1, &mut rng));
    vectors.slice_mut(s![100..160, ..]).assign(&unit(noise(60, dim, 1.0, &mut rng)));
    let references =
        References::new((40, 128, 5), &(0..5000).collect::<Vec<_>>(), &labels[..5000], vectors.slice(s![..5000, ..]));
    let source = Cut::new(vectors, &[1000]);
    let labelled = Labelled::new(&source, &labels, references, centres, 5, Place::Memory);
    let settings = Settings { want: 50, ..Settings::default() };
    let found = labelled.search(&source, &everyone, settings).unwrap();
    assert!(found.entries.iter().all(|entry| (100..160).contains(&entry.row)));
    let certificate = found.certificate;
    check_chain(&certificate, rows);
    assert!(certificate.bounds.fell > rows / 2, "most fall by their bounds alone: {certificate:?}");
    assert!(certificate.operations() * 10 < certificate.brute_force_operations(), "{certificate:?}");
    assert_eq!(certificate.store_scans, 0);
    assert!(certificate.cutoff <= certificate.first_cutoff);
    let alone = on_threads(1, || labelled.search(&source, &everyone, settings).unwrap());
    assert_eq!((alone.certificate, alone.entries), (certificate, found.entries), "the same on one thread");
}

#[test]
fn the_stages_add_up_for_corpora_of_every_kind() {
    let settings = Settings { want: 7, max_candidates: 50, ..Settings::default() };
    let shapes =
        [Shape::Random, Shape::Clustered, Shape::Duplicated, Shape::NearlyDuplicated, Shape::Identical, Shape::Axes];
    for (seed, shape) in (0..).zip(shapes) {
        for neighbours in [1, 5, 64, 100] {
            let source = Cut::new(corpus(shape, 600, 12, seed), &[170]);
            let settings = Settings { neighbours, ..settings };
            let one = Array2::zeros((1, 12));
            let sample: Vec<u64> = (0..600).step_by(2).collect();
            let of_sample = source.vectors.select(Axis(0), &sample.iter().map(|&row| row as usize).collect::<Vec<_>>());
            let references = References::new((1, 64, neighbours), &sample, &vec![0; sample.len()], of_sample.view());
            let one_cluster = Labelled::new(&source, &vec![0; 600], references, one, neighbours, Place::Memory);
            let many_clusters = labelled(&source, neighbours, Place::Memory, seed);
            for labelled in [one_cluster, many_clusters] {
                let listed = |row: usize| row % 11 != 3;
                let found = labelled.search(&source, &listed, settings).unwrap();
                assert_eq!(found.entries, brute_force(&source, &listed, neighbours, 7), "{shape:?} {neighbours}");
                check_chain(&found.certificate, distinct(&source.vectors, &listed));
            }
        }
    }
}

#[test]
fn no_more_rows_are_held_than_may_be_however_many_cannot_be_told_apart() {
    let (half, dim) = (1500, 8);
    let mut rng = Xoshiro256Plus::seed_from_u64(11);
    let of: Vec<usize> = (0..half).chain(0..half).collect();
    let nearly = unit(corpus(Shape::Random, half, dim, 10).select(Axis(0), &of) + noise(2 * half, dim, 1e-6, &mut rng));
    let source = Cut::new(nearly, &[700]);
    let labelled = labelled(&source, 1, Place::Memory, 12);
    let settings = Settings { neighbours: 1, want: 9, max_candidates: 64, max_operations: u64::MAX };
    let Labelled { bounds, lists, centroids } = &labelled;
    let copies = Copies::find(bounds, lists, &everyone).unwrap();
    let mut handed_over = Vec::new();
    let filter = Filter::new(lists, bounds, centroids.view(), &copies, &everyone, settings);
    let certificate = filter.run::<Infallible>(&mut |finalists, _| {
        handed_over.push(finalists.len());
        Ok(f64::INFINITY)
    });
    assert_eq!(certificate.unwrap().finalists, handed_over.iter().sum::<usize>());
    assert!(handed_over.len() > 20 && handed_over.iter().all(|&len| len <= 64), "{handed_over:?}");
    let found = labelled.search(&source, &everyone, settings).unwrap();
    assert_eq!(found.entries, brute_force(&source, &everyone, 1, 9));
    check_chain(&found.certificate, 2 * half);
    assert!(source.most_asked.into_inner() <= 64);
}

#[test]
fn a_source_that_shows_other_rows_than_it_announced_is_refused() {
    struct Short(Cut);
    impl VectorSource for Short {
        type Error = std::io::Error;
        fn num_rows(&self) -> usize {
            self.0.num_rows()
        }
        fn dim(&self) -> usize {
            self.0.dim()
        }
        fn scan(&self, visit: &mut dyn FnMut(Block<'_>) -> ControlFlow<()>) -> Result<(), Self::Error> {
            let _ = visit(self.0.blocks()[0]);
            Ok(())
        }
        fn vectors(&self, rows: &[usize]) -> Result<Array2<f32>, Self::Error> {
            vectors_by_scan(self, rows)
        }
        fn ids(&self, rows: &[usize]) -> Result<Vec<String>, Self::Error> {
            self.0.ids(rows)
        }
    }
    let cut = Cut::new(corpus(Shape::Random, 30, 4, 1), &[10]);
    let labelled = labelled(&cut, 5, Place::Memory, 1);
    let changed = labelled.search(&Short(cut), &everyone, Settings::default());
    assert!(matches!(changed, Err(LonelyError::Changed { row: 10 })), "{changed:?}");
    let other = Cut::new(corpus(Shape::Random, 31, 4, 1), &[10]);
    let more = labelled.search(&other, &everyone, Settings::default());
    assert!(matches!(more, Err(LonelyError::Rows { found: 30, expected: 31 })), "{more:?}");
}

#[test]
fn what_would_take_very_long_is_told_before_it_is_begun() {
    let source = Cut::new(corpus(Shape::NearlyDuplicated, 3000, 8, 5), &[700]);
    let labelled = labelled(&source, 5, Place::Memory, 6);
    let settings = Settings { want: 3, max_operations: 10_000_000, ..Settings::default() };
    let refused = labelled.search(&source, &everyone, settings);
    assert!(matches!(refused, Err(LonelyError::Cost { .. })), "{refused:?}");
    let settings = Settings { max_operations: u64::MAX, ..settings };
    let found = labelled.search(&source, &everyone, settings).unwrap();
    assert_eq!(found.entries, brute_force(&source, &everyone, 5, 3));
}
