//! What updates promise, on stores in memory: any sequence of snapshots makes the corpus that a plain map would hold.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use strata_shared::documents::Documents;
use strata_shared::exit::{Classify, Exit};
use strata_shared::generations;
use strata_shared::layout;
use strata_shared::manifest::Manifest;
use strata_shared::store::Store;
use strata_shared::superseded::Superseded;

use crate::shard::corpus::Sources;
use crate::shard::tests::{Bench, gzip, runtime};
use crate::shard::{Change, Outcome, Reason, Request, ShardError, Terms, plan};

/// Title and day by id.
type Corpus = BTreeMap<String, (String, Option<i64>)>;

/// Reads the documents of a generation, of which none may be there twice.
fn corpus(store: &Store, generation: u64) -> Corpus {
    runtime().block_on(async {
        let manifest = generations::read(store, generation).await.unwrap().manifest;
        let superseded = Superseded::read(store, &manifest).await.unwrap();
        let mut corpus = Corpus::new();
        for shard in &manifest.shards {
            let documents = Documents::read(store, &shard.path()).await.unwrap();
            assert_eq!(documents.len() as u64, shard.rows);
            for row in (0..documents.len()).filter(|&row| !superseded.contains(shard.number(), row as u32)) {
                let document = (documents.title(row).to_owned(), documents.created(row));
                assert!(
                    corpus.insert(documents.id(row).to_owned(), document).is_none(),
                    "{} is twice",
                    documents.id(row)
                );
            }
        }
        assert_eq!(manifest.rows, corpus.len() as u64);
        assert_eq!(manifest.undated, corpus.values().filter(|(_, created)| created.is_none()).count() as u64);
        corpus
    })
}

fn newest(store: &Store) -> Manifest {
    runtime().block_on(Manifest::read(store)).unwrap().0
}

/// Everything in the store but the copies of the newest generation's objects.
fn objects(bench: &Bench) -> BTreeMap<String, Vec<u8>> {
    let copies = [layout::manifest(), layout::rejected()].map(|key| key.to_string());
    bench.objects().into_iter().filter(|(key, _)| !copies.contains(key)).collect()
}

const DAY_MICROS: i64 = 86_400_000_000;

/// A line of a document: its version decides on its title and its day.
fn line(id: u8, version: u8) -> String {
    let day = if version == 3 { "null".into() } else { format!("\"2020-01-0{}\"", version + 1) };
    format!("{{\"id\":\"{id}\",\"title\":\"title {id} of version {version}\",\"update_date\":{day}}}\n")
}

fn document(id: u8, version: u8) -> (String, Option<i64>) {
    let created = (version != 3).then_some((18_262 + i64::from(version)) * DAY_MICROS);
    (format!("title {id} of version {version}"), created)
}

fn bench() -> Bench {
    let mut bench = Bench::new();
    bench.settings.rows_per_shard = 3;
    bench.terms = Terms { max_change: "100%".parse().unwrap(), allow_older: true, ..Terms::default() };
    bench
}

fn plan_of(bench: &Bench, input: &Path) -> Result<Change, ShardError> {
    let inputs = vec![input.display().to_string()];
    let (settings, vectors) = (bench.settings.clone(), bench.vectors.clone());
    runtime().block_on(plan(Request { inputs, settings, vectors, terms: bench.terms }, &bench.store))
}

/// Shards these lines as a snapshot of its own.
fn shard(bench: &Bench, lines: &[String]) -> Result<Outcome, ShardError> {
    bench.shard(&[&bench.file("snapshot.jsonl", lines.concat().as_bytes())])
}

/// One snapshot: its lines in order, and whether it is said to be the whole archive.
#[derive(Debug, Clone)]
struct Snapshot {
    documents: Vec<(u8, u8)>,
    complete: bool,
    refused: Option<u8>,
}

fn snapshots() -> impl Strategy<Value = Vec<Snapshot>> {
    let documents = prop::collection::vec((0u8..9, 0u8..4), 1..14);
    let snapshot = (documents, any::<bool>(), prop::option::weighted(0.2, 0u8..9));
    let snapshot = snapshot.prop_map(|(documents, complete, refused)| Snapshot { documents, complete, refused });
    prop::collection::vec(snapshot, 1..6)
}

/// Does to a map what a snapshot does to a corpus.
fn expect(corpus: &Corpus, snapshot: &Snapshot) -> Corpus {
    let mut expected = if snapshot.complete { Corpus::new() } else { corpus.clone() };
    let mut first = BTreeMap::new();
    for (id, version) in &snapshot.documents {
        first.entry(*id).or_insert(*version);
    }
    expected.extend(first.into_iter().map(|(id, version)| (id.to_string(), document(id, version))));
    if let Some(kept) = snapshot.refused.map(|id| id.to_string())
        && let Some(document) = corpus.get(&kept)
    {
        expected.entry(kept).or_insert_with(|| document.clone());
    }
    expected
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_sequence_of_snapshots_makes_the_corpus_that_a_map_would_hold(snapshots in snapshots()) {
        let mut bench = bench();
        let (mut expected, mut history) = (Corpus::new(), Vec::new());
        for snapshot in &snapshots {
            bench.terms.complete = snapshot.complete;
            let mut lines: Vec<String> = snapshot.documents.iter().map(|(id, version)| line(*id, *version)).collect();
            // A line that breaks off names its document, and is no document.
            lines.extend(snapshot.refused.map(|id| format!("{{\"id\":\"{id}\",\"title\":\n")));
            expected = expect(&expected, snapshot);
            let input = bench.file("snapshot.jsonl", lines.concat().as_bytes());
            let before = objects(&bench);
            let planned = plan_of(&bench, &input).unwrap();
            prop_assert_eq!(&objects(&bench), &before, "a plan writes nothing");
            let outcome = bench.shard(&[&input]).unwrap();
            let generation = outcome.manifest.generation;
            prop_assert_eq!(corpus(&bench.store, generation), expected.clone());
            prop_assert_eq!(planned.rows, expected.len() as u64);
            if let Some(change) = &outcome.change {
                prop_assert_eq!(change, &planned);
                prop_assert_eq!(outcome.already_done, change.is_nothing());
            }
            if !outcome.already_done {
                history.push(expected.clone());
            }
            prop_assert_eq!(generation, history.len() as u64);
            let kept = objects(&bench);
            prop_assert!(before.iter().all(|(key, bytes)| kept.get(key) == Some(bytes)), "nothing that was there changes");
        }
        for (place, then) in history.iter().enumerate() {
            prop_assert_eq!(&corpus(&bench.store, place as u64 + 1), then);
        }
    }

    #[test]
    fn the_order_of_a_snapshot_changes_nothing(
        order in Just((0..9u8).collect::<Vec<_>>()).prop_shuffle(), versions in prop::collection::vec(0u8..2, 9),
    ) {
        let [mut one, mut other] = [bench(), bench()];
        for bench in [&mut one, &mut other] {
            shard(bench, &(0..6).map(|id| line(id, 0)).collect::<Vec<_>>()).unwrap();
        }
        let of = |ids: &[u8]| ids.iter().map(|&id| line(id, versions[usize::from(id)])).collect::<Vec<_>>();
        let counts = |bench: &Bench, ids: &[u8]| shard(bench, &of(ids)).unwrap().change;
        let in_order: Vec<u8> = (0..9).collect();
        prop_assert_eq!(counts(&one, &in_order), counts(&other, &order));
        prop_assert_eq!(corpus(&one.store, 2), corpus(&other.store, 2));
    }
}

#[test]
fn unchanged_rows_stay_where_they_are_and_only_the_others_are_written() {
    let bench = bench();
    shard(&bench, &(0..6).map(|id| line(id, 0)).collect::<Vec<_>>()).unwrap();
    let first = bench.objects();
    let lines = [line(0, 0), line(1, 1), line(2, 0), line(7, 0)];
    let outcome = shard(&bench, &lines).unwrap();
    let change = outcome.change.unwrap();
    assert_eq!((change.unchanged, change.changed, change.new, change.gone, change.kept), (2, 1, 1, 0, 3));
    let manifest = outcome.manifest;
    let shards: Vec<(usize, u64, u64)> =
        manifest.shards.iter().map(|shard| (shard.number(), shard.rows, shard.superseded)).collect();
    assert_eq!((shards, manifest.next_shard, manifest.rows), (vec![(0, 3, 1), (1, 3, 0), (2, 2, 0)], 3, 7));
    let kept = objects(&bench);
    assert!(first.iter().filter(|(key, _)| key.contains("shard_")).all(|(key, bytes)| kept.get(key) == Some(bytes)));
    let written: Vec<&str> =
        kept.keys().map(String::as_str).filter(|key| !first.iter().any(|(there, _)| there == key)).collect();
    let expected = [
        "raw/generations/00000002.json",
        "raw/generations/00000002.rejected.jsonl",
        "raw/generations/00000002.superseded.parquet",
        "raw/shard_00002.parquet",
    ];
    assert_eq!(written, expected);
}

#[test]
fn the_same_snapshot_again_does_nothing_whatever_its_name_order_and_compression() {
    let bench = bench();
    let lines: Vec<String> = (0..6).map(|id| line(id, 0)).collect();
    shard(&bench, &lines).unwrap();
    let before = bench.objects();
    let backwards: Vec<String> = lines.iter().rev().cloned().collect();
    for (name, bytes) in [("b.jsonl", backwards.concat().into_bytes()), ("c.jsonl.gz", gzip(lines.concat().as_bytes()))]
    {
        let outcome = bench.shard(&[&bench.file(name, &bytes)]).unwrap();
        assert!(outcome.already_done && outcome.change.unwrap().is_nothing());
        assert_eq!(bench.objects(), before);
    }
}

#[test]
fn what_a_whole_archive_lacks_is_gone_and_what_a_part_lacks_is_kept() {
    let mut bench = bench();
    let all: Vec<String> = (0..6).map(|id| line(id, 0)).collect();
    shard(&bench, &all).unwrap();
    let part = &all[..4];
    let outcome = shard(&bench, part).unwrap();
    assert!(outcome.already_done && outcome.change.unwrap().kept == 2);
    bench.terms.complete = true;
    let change = shard(&bench, part).unwrap().change.unwrap();
    assert_eq!((change.gone, change.kept, change.rows), (2, 0, 4));
    assert!(shard(&bench, part).unwrap().already_done);
    let back = shard(&bench, &all).unwrap().change.unwrap();
    assert_eq!((back.new, back.reverted), (2, 2), "what comes back is known again");
}

#[test]
fn a_refused_line_never_makes_its_document_gone() {
    let mut bench = bench();
    bench.terms.complete = true;
    shard(&bench, &(0..6).map(|id| line(id, 0)).collect::<Vec<_>>()).unwrap();
    // Refused for its title, for its end, and for its length: each names document 0.
    let long = format!("{{\"id\": \"0\", \"title\": \"{}\"}}\n", "x".repeat(20 << 20));
    for refused in ["{\"id\":\"0\",\"title\":5}\n", "{\"id\":\"0\",\n", &long] {
        let lines: Vec<String> = (1..6).map(|id| line(id, 0)).chain([refused.to_owned()]).collect();
        let outcome = shard(&bench, &lines).unwrap();
        assert!(outcome.already_done && outcome.tally.unwrap().rejected == 1, "{} bytes", refused.len());
    }
    // Nobody can tell whose line this is.
    let lines: Vec<String> = (1..6).map(|id| line(id, 0)).chain(["garbage\n".to_owned()]).collect();
    let change = shard(&bench, &lines).unwrap().change.unwrap();
    assert_eq!((change.unreadable, change.gone, change.kept), (1, 0, 1));
    // This one is read, and is no document's.
    let lines: Vec<String> = (1..6).map(|id| line(id, 0)).chain(["{\"title\":\"no id\"}\n".to_owned()]).collect();
    assert_eq!(shard(&bench, &lines).unwrap().change.unwrap().gone, 1);
}

#[test]
fn an_update_that_changes_too_much_is_refused_and_leaves_nothing() {
    let mut bench = bench();
    shard(&bench, &(0..6).map(|id| line(id, 0)).collect::<Vec<_>>()).unwrap();
    let before = bench.objects();
    bench.terms = Terms::default();
    let lines: Vec<String> = (0..2).map(|id| line(id, 1)).chain((6..9).map(|id| line(id, 0))).collect();
    let error = shard(&bench, &lines).expect_err("too much");
    assert!(matches!(error, ShardError::TooMuch { changed: 2, gone: 0, rows: 6, .. }), "{error}");
    assert_eq!((error.exit(), bench.objects()), (Exit::Configuration, before));
    let planned = plan_of(&bench, &bench.file("s.jsonl", lines.concat().as_bytes())).unwrap();
    assert_eq!((planned.changed, planned.new), (2, 3), "a plan says it without refusing");
    bench.terms.max_change = "34%".parse().unwrap();
    assert_eq!(shard(&bench, &lines).unwrap().manifest.rows, 9);
}

#[test]
fn a_whole_archive_older_than_the_store_is_refused_unless_told() {
    let mut bench = bench();
    shard(&bench, &[line(0, 0), line(1, 2)]).unwrap();
    let before = bench.objects();
    bench.terms = Terms { complete: true, allow_older: false, ..bench.terms };
    let error = shard(&bench, &[line(0, 0), line(2, 1)]).expect_err("older");
    assert!(error.to_string().contains("2020-01-02") && error.to_string().contains("2020-01-03"), "{error}");
    assert_eq!((error.exit(), bench.objects()), (Exit::Configuration, before));
    bench.terms.allow_older = true;
    assert_eq!(shard(&bench, &[line(0, 0), line(2, 1)]).unwrap().change.unwrap().gone, 1);
}

#[test]
fn going_back_to_what_was_superseded_is_told() {
    let bench = bench();
    // Each brings another document, so that no shard is left without a row.
    for (place, (version, reverted)) in [(0, 0), (1, 0), (0, 1), (2, 0), (1, 1)].into_iter().enumerate() {
        let outcome = shard(&bench, &[line(0, version), line(1 + place as u8, 0)]).unwrap();
        assert_eq!(outcome.change.map_or(0, |change| change.reverted), reverted, "version {version}");
    }
}

#[test]
fn an_id_that_is_used_again_for_another_paper_is_told_by_name() {
    let bench = bench();
    let paper = |id: &str, text: &str| format!("{{\"id\":\"{id}\",\"title\":\"{text}\"}}\n");
    let petri = "Petri nets that model flexible manufacturing systems and their deadlocks";
    let corrected = "Petri nets which model flexible manufacturing systems, and their deadlocks";
    shard(&bench, &[paper("a/1", petri), paper("a/2", petri), paper("a/3", "unchanged")]).unwrap();
    let dough = "Kneading bread dough with an automatic bench while observing rheology";
    let change = shard(&bench, &[paper("a/1", corrected), paper("a/2", dough)]).unwrap().change.unwrap();
    assert_eq!((change.changed, change.reused, change.reused_ids), (2, 1, vec!["a/2".to_owned()]));
}

#[test]
fn of_documents_with_one_id_in_a_snapshot_the_first_stays() {
    let bench = bench();
    shard(&bench, &[line(0, 0), line(1, 0)]).unwrap();
    let outcome = shard(&bench, &[line(0, 0), line(0, 1), line(1, 1), line(1, 2), line(2, 0), line(2, 1)]).unwrap();
    assert_eq!(outcome.tally.unwrap().reasons, BTreeMap::from([(Reason::DuplicateId, 3)]));
    let expected = [(0, 0), (1, 1), (2, 0)].map(|(id, version)| (id.to_string(), document(id, version)));
    assert_eq!(corpus(&bench.store, 2), Corpus::from(expected));
}

#[test]
fn a_snapshot_that_is_empty_or_cut_off_makes_no_generation() {
    let mut bench = bench();
    bench.terms.complete = true;
    shard(&bench, &(0..6).map(|id| line(id, 0)).collect::<Vec<_>>()).unwrap();
    let before = bench.objects();
    let whole = gzip((0..6).map(|id| line(id, 1)).collect::<String>().as_bytes());
    let cut = whole[..whole.len() - 9].to_vec();
    for (bytes, exit) in [(Vec::new(), Exit::Data), (b"\n".to_vec(), Exit::Data), (cut, Exit::Data)] {
        let error = bench.shard(&[&bench.file("a.jsonl", &bytes)]).expect_err("no snapshot");
        assert_eq!((error.exit(), bench.objects()), (exit, before.clone()), "{error}");
    }
}

#[test]
fn shards_that_a_killed_update_left_are_overwritten_or_removed_and_never_read() {
    let [bench, undisturbed] = [bench(), bench()];
    for bench in [&bench, &undisturbed] {
        shard(bench, &(0..6).map(|id| line(id, 0)).collect::<Vec<_>>()).unwrap();
    }
    runtime().block_on(async {
        for key in [layout::raw_shard(2), layout::raw_shard(5), layout::superseded(2), layout::rejected_of(2)] {
            bench.store.put(&key, "left over").await.unwrap();
        }
    });
    assert_eq!(corpus(&bench.store, 1), corpus(&undisturbed.store, 1));
    for bench in [&bench, &undisturbed] {
        shard(bench, &[line(0, 1)]).unwrap();
    }
    assert_eq!(bench.objects(), undisturbed.objects());
}

#[test]
fn what_was_lost_of_an_update_is_made_again_by_its_snapshot_alone() {
    let bench = bench();
    let first: Vec<String> = (0..6).map(|id| line(id, 0)).collect();
    shard(&bench, &first).unwrap();
    let second = [line(0, 1), line(7, 0)];
    shard(&bench, &second).unwrap();
    let whole = bench.objects();
    for lost in [layout::raw_shard(2), layout::superseded(2)] {
        runtime().block_on(bench.store.delete(&lost)).unwrap();
        let error = shard(&bench, &[line(8, 0)]).expect_err("lost");
        assert!(matches!(error, ShardError::Lost { .. }) && error.to_string().contains(lost.as_ref()), "{error}");
        assert!(!shard(&bench, &second).unwrap().already_done);
        assert_eq!(bench.objects(), whole, "{lost}");
    }
    runtime().block_on(bench.store.delete(&layout::raw_shard(0))).unwrap();
    for snapshot in [&first[..], &second[..]] {
        let error = shard(&bench, snapshot).expect_err("lost");
        assert!(matches!(error, ShardError::Lost { .. }) && error.exit() == Exit::Data, "{error}");
    }
}

#[test]
fn copies_that_a_killed_update_did_not_write_are_mended_by_the_same_snapshot() {
    let bench = bench();
    shard(&bench, &[line(0, 0), "refused\n".into()]).unwrap();
    let old = bench.objects();
    let second = [line(1, 0), "refused otherwise\n".into()];
    shard(&bench, &second).unwrap();
    let whole = bench.objects();
    runtime().block_on(async {
        for key in [layout::manifest(), layout::rejected()] {
            let (_, bytes) = old.iter().find(|(there, _)| *there == key.to_string()).unwrap();
            bench.store.put(&key, bytes.clone()).await.unwrap();
        }
    });
    assert_eq!(newest(&bench.store).generation, 2, "the numbered generations are what counts");
    assert!(shard(&bench, &second).unwrap().already_done);
    assert_eq!(bench.objects(), whole);
}

#[test]
fn a_store_of_the_first_format_is_updated_and_keeps_its_first_manifest() {
    let bench = bench();
    shard(&bench, &[line(0, 0), line(1, 0)]).unwrap();
    let manifest = newest(&bench.store);
    let mut value = serde_json::to_value(&manifest).unwrap();
    let fields = value.as_object_mut().unwrap();
    fields.insert("format".into(), 1.into());
    ["generation", "next_shard"].iter().for_each(|name| assert!(fields.remove(*name).is_some()));
    let bytes = serde_json::to_vec_pretty(&value).unwrap();
    runtime().block_on(async {
        bench.store.put(&layout::manifest(), bytes.clone()).await.unwrap();
        for key in [layout::generation(1), layout::rejected_of(1)] {
            bench.store.delete(&key).await.unwrap();
        }
    });
    let before = bench.objects();
    assert!(shard(&bench, &[line(0, 0), line(1, 0)]).unwrap().already_done);
    assert_eq!(bench.objects(), before, "what has nothing new is not touched");
    assert_eq!(shard(&bench, &[line(0, 1)]).unwrap().manifest.generation, 2);
    let kept = runtime().block_on(bench.store.get(&layout::generation(1))).unwrap();
    assert_eq!(kept, bytes);
    assert_eq!(corpus(&bench.store, 1).len() + corpus(&bench.store, 2).len(), 4);
}

#[test]
fn of_two_updates_at_once_one_wins_and_the_other_says_so() {
    let bench = bench();
    shard(&bench, &(0..6).map(|id| line(id, 0)).collect::<Vec<_>>()).unwrap();
    let stale = runtime().block_on(generations::newest(&bench.store)).unwrap();
    let winner = [line(0, 1), line(7, 0)];
    shard(&bench, &winner).unwrap();
    let whole = bench.objects();
    // As on a store that cannot keep two commands apart: this one has seen the first generation.
    let late = bench.file("late.jsonl", [line(1, 1), line(8, 0)].concat().as_bytes());
    let request = |input: &Path| {
        let inputs = vec![input.display().to_string()];
        Request { inputs, settings: bench.settings.clone(), vectors: None, terms: bench.terms }
    };
    let error = runtime().block_on(async {
        let sources = Sources::find(&request(&late)).await.unwrap();
        super::run(&sources, &bench.store, stale, &bench.terms).await.expect_err("too late")
    });
    assert!(matches!(error, ShardError::Overtaken { generation: 2, .. }) && error.exit() == Exit::Retry, "{error}");
    assert_eq!(bench.objects(), whole, "nothing of the winner's is touched");
    shard(&bench, &winner).unwrap();
    assert_eq!(bench.objects(), whole);
    bench.shard(&[&late]).unwrap();
    let expected = [(0, 1), (1, 1), (2, 0), (3, 0), (4, 0), (5, 0), (7, 0), (8, 0)];
    assert_eq!(corpus(&bench.store, 3), expected.map(|(id, version)| (id.to_string(), document(id, version))).into());
}

#[test]
fn an_update_that_is_refused_too_late_touches_nothing_of_the_winners() {
    let bench = bench();
    shard(&bench, &(0..6).map(|id| line(id, 0)).collect::<Vec<_>>()).unwrap();
    let stale = runtime().block_on(generations::newest(&bench.store)).unwrap();
    shard(&bench, &[line(0, 1), line(7, 0)]).unwrap();
    let whole = bench.objects();
    let late = bench.file("late.jsonl", (0..6).map(|id| line(id, 2)).collect::<String>().as_bytes());
    let terms = Terms { max_change: "1%".parse().unwrap(), ..bench.terms };
    let request =
        Request { inputs: vec![late.display().to_string()], settings: bench.settings.clone(), vectors: None, terms };
    runtime().block_on(async {
        let sources = Sources::find(&request).await.unwrap();
        super::run(&sources, &bench.store, stale, &terms).await.expect_err("too much, and too late");
    });
    assert_eq!(bench.objects(), whole);
}

#[test]
fn of_two_updates_at_once_by_the_same_snapshot_the_late_one_has_nothing_to_do_again() {
    let bench = bench();
    shard(&bench, &(0..6).map(|id| line(id, 0)).collect::<Vec<_>>()).unwrap();
    let stale = runtime().block_on(generations::newest(&bench.store)).unwrap();
    let input = bench.file("a.jsonl", [line(0, 1), line(7, 0)].concat().as_bytes());
    bench.shard(&[&input]).unwrap();
    let whole = bench.objects();
    let inputs = vec![input.display().to_string()];
    let request = Request { inputs, settings: bench.settings.clone(), vectors: None, terms: bench.terms };
    runtime().block_on(async {
        let sources = Sources::find(&request).await.unwrap();
        let late = super::run(&sources, &bench.store, stale, &bench.terms).await.expect_err("too late");
        assert!(matches!(late, ShardError::Overtaken { .. }), "{late}");
    });
    assert_eq!(bench.objects(), whole);
    assert!(bench.shard(&[&input]).unwrap().already_done);
    assert_eq!(bench.objects(), whole);
}
