//! What comes out in detail: figures by hand, what is absent where, and what changes nothing.

use super::super::{Settings, TimelineBuilder, fading_order, measure};
use super::{POISSON, Shape, noise_and_a_decline, settings, timeline, totals};
use chrono::NaiveDate;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::num::NonZeroUsize;
use strata_shared::findings::Status;
use strata_shared::settings::PeriodLength;

#[test]
fn the_number_of_threads_changes_no_bit() {
    let timeline = noise_and_a_decline(3);
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        format!("{:?}", pool.install(|| measure(&timeline, settings(1))))
    };
    assert_eq!(with(1), with(7));
}

#[test]
fn figures_are_those_of_the_contract() {
    let changes = measure(&timeline(&[10, 10, 10, 10, 10], vec![vec![1, 5, 4, 3, 0], vec![0; 5]]), settings(0));
    let change = &changes[0];
    assert_eq!((change.recent_share, change.peak_share), (Some(7.0 / 30.0), Some(0.4)));
    assert_eq!((change.peak_period.as_deref(), change.dated), (Some("2001..2003"), 13));
    assert!((change.fade.unwrap() - 7.0 / 12.0).abs() < 1e-12);
    assert!(change.fade_low <= change.fade && change.fade <= change.fade_high);
    assert_eq!((changes[1].status, changes[1].fade), (Status::Undated, None));
}

#[test]
fn a_topic_without_recent_documents_may_still_have_some_expected() {
    let changes = measure(&timeline(&[50; 8], vec![vec![9, 9, 9, 9, 9, 0, 0, 0]]), settings(0));
    assert_eq!((changes[0].fade, changes[0].fade_low), (Some(0.0), Some(0.0)));
    assert!(changes[0].fade_high > Some(0.02) && changes[0].fade_high < Some(0.5));
}

#[test]
fn figures_are_absent_where_the_recent_window_is_empty() {
    let changes = measure(&timeline(&[5, 5, 0, 0, 0], vec![vec![1, 2, 0, 0, 0]]), settings(0));
    assert_eq!((changes[0].recent_share, changes[0].fade, changes[0].fade_high), (None, None, None));
    assert_eq!(changes[0].status, Status::Steady);
    assert!(fading_order(&changes).is_empty());
}

#[test]
fn the_window_shrinks_to_the_complete_periods() {
    let changes = measure(&timeline(&[5, 5], vec![vec![4, 1]]), settings(0));
    assert_eq!((changes[0].fade, changes[0].fade_low.is_some()), (Some(1.0), true));
    assert_eq!(changes[0].peak_period.as_deref(), Some("2000..2001"));
    assert_eq!(measure(&timeline(&[], vec![vec![]]), settings(0))[0].status, Status::Undated);
    assert_eq!(measure(&timeline(&[3], vec![vec![3]]), settings(0))[0].fade, Some(1.0));
}

#[test]
fn incomplete_periods_are_left_out() {
    let mut timeline = timeline(&[10, 10, 10, 10, 10], vec![vec![5, 5, 5, 5, 0], vec![0, 0, 0, 0, 1]]);
    timeline.complete[4] = false;
    let changes = measure(&timeline, settings(0));
    assert_eq!((changes[0].fade, changes[0].size, changes[0].dated), (Some(1.0), 20, 20));
    assert_eq!((changes[1].status, changes[1].size, changes[1].dated), (Status::Undated, 1, 0));
}

#[test]
fn a_thousand_months_are_measured_too() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
    let totals = totals(1000, 4.0, 50_000.0, &mut rng);
    let draw = |shape: Shape, rng: &mut Xoshiro256PlusPlus| -> Vec<u64> {
        shape.means(0.3, 2_000.0, &totals).iter().map(|&mean| POISSON.count(mean, rng)).collect()
    };
    let counts = vec![draw(Shape::Death, &mut rng), draw(Shape::Flat, &mut rng), draw(Shape::Birth, &mut rng)];
    let recent = NonZeroUsize::new(24).unwrap();
    let statuses: Vec<Status> =
        measure(&timeline(&totals, counts), Settings { recent, seed: 0 }).iter().map(|change| change.status).collect();
    assert_eq!(statuses, [Status::Extinct, Status::Steady, Status::Emerging]);
}

#[test]
fn one_misprinted_date_changes_no_figure_of_any_topic() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(8);
    let mut builder = TimelineBuilder::new(PeriodLength::Year, 12);
    for document in 0..3_000 {
        let (year, day) = (2004 + document % 20, rng.gen_range(1..366));
        // Topic 0 dies after 2012, topic 1 is born in 2016; the others hold.
        let topic = match rng.gen_range(0..12) {
            0 if year > 2012 => 2,
            1 if year < 2016 => 3,
            topic => topic,
        };
        builder.add(topic, NaiveDate::from_yo_opt(year, day), "cs.RO").unwrap();
    }
    let measured = |builder: TimelineBuilder| {
        let timeline = builder.finish(None);
        let marked = (timeline.thin.clone(), timeline.lopsided.clone());
        (measure(&timeline, settings(1)), marked)
    };
    let mut misprinted = builder.clone();
    misprinted.add(5, NaiveDate::from_ymd_opt(2032, 6, 1), "cs.LG").unwrap();
    let ((changes, marked), (mut with, mut with_marked)) = (measured(builder), measured(misprinted));
    with[5].size -= 1;
    assert_eq!(with, changes);
    with_marked.0.truncate(20);
    with_marked.1.truncate(20);
    assert_eq!(with_marked, marked);
    assert_eq!((changes[0].status, changes[1].status), (Status::Extinct, Status::Emerging));
}
