//! Planted corpora through the real binaries: what was planted is found, what was not is not called.
//!
//! The real model embeds two of them where it is at hand; the others have synthetic vectors, which leave the texts'
//! meaning aside and put shard, reduce and report to the test.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::Output;

use strata_shared::digest::sha256_hex;
use strata_tests::compare::{Comparison, TopicMatch, WIDTH};
use strata_tests::corpus::{Fate, Plan};
use strata_tests::installed::InstalledModel;
use strata_tests::planted_run::{Embedding, PlantedRun, found};
use strata_tests::{binaries, skipped};

fn plan(documents: u64, seed: u64) -> Plan {
    Plan { documents, seed, ..Plan::default() }
}

fn synthetic(plan: &Plan) -> PlantedRun {
    PlantedRun::new(plan, &Embedding::Synthetic { seed: plan.seed }, &[]).expect("a run that ends well")
}

fn is_fateful(fate: Fate) -> bool {
    matches!(fate, Fate::Dies { .. } | Fate::Born { .. })
}

/// What holds of every planted corpus, however small: nothing is lost, and what stands alone comes first.
fn assert_accounted(comparison: &Comparison) {
    for count in &comparison.counts {
        assert_eq!(count.found, count.planted, "{}\n{comparison}", count.what);
    }
    assert_eq!(comparison.refusals.num_accounted(), comparison.refusals.planted.len(), "{comparison}");
    assert!(comparison.refusals.unplanned.is_empty(), "{comparison}");
    assert_eq!(comparison.num_loners_first(), comparison.loners.len(), "{comparison}");
    assert!(comparison.copies.iter().all(|copy| copy.is_nearest), "{comparison}");
    let mut exact = comparison.copies.iter().filter(|copy| copy.is_exact);
    assert!(exact.all(|copy| copy.shares_label && copy.similarity.is_some_and(|cosine| cosine > 0.999_999)));
}

/// Every planted topic is found, and of what is called no more holds its share than chance may bring.
///
/// The reduce lets 3 % of its calls be chance; twice that, and one call, is allowed here.
fn assert_topics_found(comparison: &Comparison) {
    assert_eq!(comparison.num_topics_found(), comparison.topics.len(), "{comparison}");
    let num_called = |holds: bool| {
        let topics = comparison.topics.iter().filter(|topic| !holds || topic.fate == Fate::Holds);
        topics.map(TopicMatch::num_called).sum::<usize>()
    };
    let (false_calls, calls) = (num_called(true), num_called(false));
    assert!(100 * false_calls <= 100.max(6 * calls), "{false_calls} of {calls} calls are false\n{comparison}");
}

fn assert_deaths_and_births_called(comparison: &Comparison) {
    for topic in comparison.topics.iter().filter(|topic| is_fateful(topic.fate)) {
        assert!(topic.is_called_as_planted(), "{}\n{comparison}", topic.name);
    }
}

fn with_the_model(plan: &Plan, flags: &[&str]) -> Option<Comparison> {
    let Some(installed) = InstalledModel::find() else {
        skipped::note("embedding the planted corpus with the real model, for want of a model or of ONNX Runtime");
        return None;
    };
    let run = PlantedRun::new(plan, &Embedding::Model(installed), flags).expect("a run that ends well");
    Some(run.compare().expect("a finished run"))
}

#[test]
fn the_demo_corpus_gives_back_with_the_real_model_what_was_planted() {
    let Some(comparison) = with_the_model(&Plan::default(), &[]) else { return };
    assert_accounted(&comparison);
    assert_topics_found(&comparison);
    assert_deaths_and_births_called(&comparison);
    assert!(comparison.num_called_as_planted() >= comparison.topics.len() - 1, "{comparison}");
}

#[test]
fn half_the_demo_corpus_of_another_seed_gives_back_with_the_real_model_what_was_planted() {
    // By default so small a corpus has fewer topics than were planted.
    let Some(comparison) = with_the_model(&plan(1500, 7), &["--clusters", "30"]) else { return };
    assert_accounted(&comparison);
    assert_topics_found(&comparison);
    // Of the seven that die or are born, with some seventy documents each, chance may hide one.
    let fateful = || comparison.topics.iter().filter(|topic| is_fateful(topic.fate));
    let num_called = fateful().filter(|topic| topic.is_called_as_planted()).count();
    assert!(num_called + 1 >= fateful().count(), "{comparison}");
}

#[test]
fn large_topics_are_all_called_as_they_were_planted() {
    for seed in [1, 2, 3] {
        let comparison = synthetic(&plan(15_000, seed)).compare().expect("a finished run");
        assert_accounted(&comparison);
        assert_topics_found(&comparison);
        assert_deaths_and_births_called(&comparison);
        assert!(comparison.num_called_as_planted() >= comparison.topics.len() - 1, "seed {seed}\n{comparison}");
    }
}

#[test]
fn in_a_steady_archive_nothing_is_called_in_19_of_20_seeds() {
    let called = (0..20).filter(|&seed| {
        let steady = Plan { steady: true, ..plan(3000, seed) };
        let found = synthetic(&steady).found().expect("a finished run");
        let mut topics = found.findings.topics.iter();
        topics.any(|topic| topic.status.is_decline() || topic.status.is_growth())
    });
    let called: Vec<u64> = called.collect();
    assert!(called.len() <= 1, "topics are called in the archives of seeds {called:?}");
}

#[test]
fn an_archive_that_breaks_off_in_spring_says_so_and_calls_the_same() {
    let until = "2024-05-17".parse().expect("a day");
    let run = synthetic(&Plan { until, ..plan(6000, 11) });
    let record = run.found().expect("a finished run").findings.record;
    assert_eq!(record.periods.incomplete, ["2024"]);
    assert_eq!(record.periods.recent.as_deref(), Some("2021..2023"));
    let comparison = run.compare().expect("a finished run");
    assert_accounted(&comparison);
    assert_topics_found(&comparison);
    assert_deaths_and_births_called(&comparison);
}

#[test]
fn every_line_and_every_document_is_counted_once_everywhere() {
    let run = synthetic(&plan(900, 5));
    let found = run.found().expect("a finished run");
    let manifest = &found.manifest;
    let blank: u64 = manifest.inputs.iter().map(|input| input.blank).sum();
    assert_eq!(manifest.lines(), manifest.rows + manifest.rejected + blank);
    assert_eq!(manifest.rejected, found.rejections.len() as u64);
    assert_eq!((found.ids.len() as u64, found.labels.len() as u64), (manifest.rows, manifest.rows));
    assert_eq!(found.findings.topics.iter().map(|topic| topic.size).sum::<i64>() as u64, manifest.rows);
    let dated: i64 = found.findings.timeline.iter().map(|entry| entry.count).sum();
    assert_eq!(dated as u64, manifest.rows - manifest.undated);
    for output in &found.findings.record.outputs {
        let bytes = std::fs::read(run.store().join(&output.key)).expect("an output that is announced is there");
        assert_eq!((bytes.len() as u64, sha256_hex(&bytes)), (output.bytes, output.sha256.clone()), "{}", output.key);
    }
    assert!(!run.stdout.is_empty());
}

#[test]
fn a_line_beyond_the_limit_is_refused_with_the_others() {
    let plan = Plan { too_long_bytes: Some(40_000), ..plan(600, 5) };
    let embedding = Embedding::Synthetic { seed: 5 };
    let run = PlantedRun::new(&plan, &embedding, &["--max-line", "32KiB"]).expect("a run that ends well");
    let comparison = run.compare().expect("a finished run");
    assert_accounted(&comparison);
}

fn compare_truth(run: &PlantedRun, store: &std::path::Path) -> Output {
    let mut command = binaries::command("compare-truth").expect("a program that is built");
    command.arg("--truth").arg(run.truth_file()).arg("--store").arg(store).output().expect("a program that starts")
}

#[test]
fn compare_truth_prints_what_was_planted_and_found_and_refuses_a_store_without_a_run() {
    let run = synthetic(&plan(900, 5));
    let output = compare_truth(&run, &run.store());
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
    assert!(text.trim_end().ends_with("12 of 12 malformed lines accounted for"), "{text}");

    let empty = tempfile::tempdir().expect("a folder");
    let refused = compare_truth(&run, empty.path());
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no such finished run"), "{refused:?}");
    assert!(found(empty.path()).is_err());
}
