//! What is added to inverted lists is what is read from them, in memory and in a folder that may be harmed.

use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use half::f16;
use ndarray::{Array2, Axis, s};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256Plus;
use strata_shared::exit::{Classify, Exit};

use super::storage::Storage;
use super::{InvertedLists, ListsBuilder, ListsError, Place, Portion, decode};

struct Rows {
    vectors: Array2<f32>,
    labels: Vec<i32>,
    num_lists: usize,
}

fn rows(num_rows: usize, dim: usize, num_lists: usize, seed: u64) -> Rows {
    let mut rng = Xoshiro256Plus::seed_from_u64(seed);
    Rows {
        vectors: Array2::from_shape_simple_fn((num_rows, dim), || rng.gen_range(-1.0..1.0)),
        labels: (0..num_rows).map(|_| rng.gen_range(0..num_lists) as i32).collect(),
        num_lists,
    }
}

fn build(rows: &Rows, sizes: &[usize], place: Place) -> Result<InvertedLists, ListsError> {
    let (num_rows, dim) = rows.vectors.dim();
    let mut builder = ListsBuilder::new(rows.num_lists, dim, num_rows, place)?;
    let (mut first, mut portion) = (0, Portion::default());
    for size in sizes.iter().cycle() {
        let end = num_rows.min(first + size);
        portion.refill(first, rows.vectors.slice(s![first..end, ..]), &rows.labels[first..end], rows.num_lists);
        builder.add(&portion)?;
        first = end;
        if first == num_rows {
            break;
        }
    }
    builder.finish()
}

fn halves(row: ndarray::ArrayView1<'_, f32>) -> Vec<f16> {
    row.iter().map(|&value| f16::from_f32(value)).collect()
}

fn place(folder: Option<&Path>) -> Place {
    folder.map_or(Place::Memory, |folder| Place::Folder(folder.to_owned()))
}

proptest! {
    #[test]
    fn lists_give_back_every_row_in_order_wherever_they_are_kept(
        num_rows in 1_usize..1400, dim in 1_usize..20, num_lists in 1_usize..9, in_folder: bool,
        sizes in prop::collection::vec(1_usize..1200, 1..4), max_rows in 1_usize..700, seed: u64,
    ) {
        let (rows, folder) = (rows(num_rows, dim, num_lists, seed), tempfile::tempdir().unwrap());
        let lists = build(&rows, &sizes, place(in_folder.then(|| folder.path()))).unwrap();
        prop_assert_eq!((lists.num_rows(), lists.dim(), lists.num_lists()), (num_rows, dim, num_lists));
        for list in 0..num_lists {
            let expected: Vec<usize> = (0..num_rows).filter(|&row| rows.labels[row] as usize == list).collect();
            let (mut found, mut blocks) = (Vec::new(), Vec::new());
            lists.read(list, max_rows, &mut |block| {
                blocks.push(block.rows.len());
                found.extend_from_slice(block.rows);
                for (&row, codes) in block.rows.iter().zip(block.codes.chunks_exact(dim)) {
                    assert_eq!(codes, halves(rows.vectors.row(row)));
                }
                ControlFlow::Continue(())
            }).unwrap();
            prop_assert_eq!(lists.len(list), expected.len());
            prop_assert_eq!(&found, &expected);
            prop_assert!(blocks.iter().rev().skip(1).all(|&len| len == max_rows));
        }
        let mut rng = Xoshiro256Plus::seed_from_u64(seed ^ 1);
        let some: Vec<usize> = (0..50).map(|_| rng.gen_range(0..num_rows)).collect();
        let codes = lists.codes(&some, &|row| rows.labels[row] as usize).unwrap();
        let gathered = decode(&codes, lists.dim());
        for (&row, vector) in some.iter().zip(gathered.rows()) {
            prop_assert_eq!(halves(rows.vectors.row(row)), halves(vector));
        }
    }

    #[test]
    fn the_greatest_error_is_that_of_the_worst_row_and_not_below_it(
        num_rows in 1_usize..60, dim in 1_usize..600, scale in prop_oneof![Just(1.0_f32), Just(1e-4), Just(1e-9)], seed: u64,
    ) {
        let mut rows = rows(num_rows, dim, 3, seed);
        rows.vectors *= scale;
        let lists = build(&rows, &[17], Place::Memory).unwrap();
        let errors = rows.vectors.rows().into_iter().map(|row| {
            let error = row.iter().map(|&value| (f64::from(value) - f16::from_f32(value).to_f64()).powi(2)).sum::<f64>();
            error.sqrt()
        });
        let worst = errors.fold(0.0, f64::max);
        prop_assert!(worst <= lists.max_error());
        prop_assert!(lists.max_error() <= worst * 1.001 + 1e-15);
    }
}

#[test]
fn a_portion_shows_its_rows_by_label() {
    let rows = rows(500, 7, 6, 3);
    let portion = Portion::new(1000, rows.vectors.view(), &rows.labels, 6);
    let mut seen = 0;
    for list in portion.lists() {
        assert!(!list.is_empty());
        assert!(list.rows().is_sorted());
        for (place, row) in list.rows().enumerate() {
            assert_eq!(rows.labels[row - 1000], list.label);
            assert_eq!(list.vectors.row(place), rows.vectors.row(row - 1000));
        }
        assert_eq!(decode(list.codes, 7).len_of(Axis(0)), list.len());
        seen += list.len();
    }
    assert_eq!(seen, 500);
}

#[test]
fn a_reading_may_break_off() {
    let lists = build(&rows(100, 3, 1, 1), &[30], Place::Memory).unwrap();
    let mut blocks = 0;
    let read = lists.read(0, 10, &mut |_| {
        blocks += 1;
        if blocks == 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(read.is_ok());
    assert_eq!(blocks, 4);
}

#[test]
fn portions_come_in_order_and_make_up_the_corpus() {
    let rows = rows(20, 3, 2, 1);
    let portion = Portion::new(5, rows.vectors.view(), &rows.labels, 2);
    let mut builder = ListsBuilder::new(2, 3, 30, Place::Memory).unwrap();
    let error = builder.add(&portion).unwrap_err();
    assert!(matches!(error, ListsError::Rows { found: 5, expected: 0, .. }), "{error}");
    let error = builder.finish().unwrap_err();
    assert_eq!(error.exit(), Exit::Data, "{error}");
}

fn harmed(harm: impl Fn(&std::fs::File)) -> ListsError {
    let (rows, folder) = (rows(3000, 5, 2, 4), tempfile::tempdir().unwrap());
    let lists = build(&rows, &[1000], place(Some(folder.path()))).unwrap();
    let Storage::File(file) = &lists.storage else { panic!("lists in a folder") };
    harm(file.file());
    let all: Vec<usize> = (0..3000).collect();
    let gathered = lists.codes(&all, &|row| rows.labels[row] as usize).unwrap_err();
    let read = (0..2).find_map(|list| lists.read(list, 100, &mut |_| ControlFlow::Continue(())).err());
    assert_eq!(read.map(|error| error.to_string()), Some(gathered.to_string()));
    assert!(gathered.to_string().contains(folder.path().to_str().unwrap()), "{gathered}");
    gathered
}

#[test]
fn a_file_that_was_changed_or_cut_is_an_error_and_never_other_vectors() {
    let changed = harmed(|file| file.write_all_at(&[1, 2, 3], 29_990).unwrap());
    assert!(matches!(changed, ListsError::Changed { .. }), "{changed}");
    let cut = harmed(|file| file.set_len(29_999).unwrap());
    assert!(matches!(cut, ListsError::Changed { .. }), "{cut}");
    assert_eq!(cut.exit(), Exit::Retry);
}

#[test]
fn nothing_is_left_in_the_folder() {
    let (rows, folder) = (rows(100, 5, 2, 4), tempfile::tempdir().unwrap());
    let lists = build(&rows, &[30], place(Some(folder.path()))).unwrap();
    drop(lists);
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[test]
fn a_folder_that_is_not_there_is_a_mistake_and_a_full_one_is_not() {
    let absent = build(&rows(10, 5, 2, 4), &[30], Place::Folder(PathBuf::from("/nowhere/at/all"))).unwrap_err();
    assert_eq!(absent.exit(), Exit::Configuration);
    assert!(absent.to_string().contains("/nowhere/at/all") && absent.to_string().contains("--scratch"), "{absent}");
    let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
    let full = ListsError::Io { folder: PathBuf::from("/tmp"), doing: "written", source: full };
    assert_eq!(full.exit(), Exit::Retry);
}
