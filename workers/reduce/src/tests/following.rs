//! Whole reduces that follow others, over a corpus that grows between them.

use std::collections::BTreeMap;

use strata_shared::findings::{Change, ChangeKind, Topic, read_changes, read_topics};
use strata_shared::labels::Labels;
use strata_shared::run_record::RunRecord;

use super::*;

/// Topics that are planted, by the words of their titles.
const TOPICS: [&str; 4] =
    ["petri nets manufacturing", "visual servoing camera", "soft grippers jamming", "quantum annealing qubits"];

const ROWS_OF_TOPIC: usize = 60;

/// Documents of a topic, numbered from `first`.
fn planted(topic: usize, first: usize, count: usize) -> (Documents, Vectors) {
    let document = |row: usize| Document {
        id: format!("{topic}/{row}"),
        title: format!("{} {}", TOPICS[topic], row % 5),
        created: Some(row as i64 * 7_889_400_000_000),
        ..Document::default()
    };
    let rows: Vec<Document> = (first..first + count).map(document).collect();
    let mut rng = Xoshiro256Plus::seed_from_u64((topic * 10_000 + first) as u64);
    let mut vectors = Array2::from_shape_fn((count, DIM), |(_, column)| {
        rng.gen_range(-0.25_f32..0.25) + if column == topic { 1.0 } else { 0.0 }
    });
    for mut row in vectors.outer_iter_mut() {
        let norm = row.dot(&row).sqrt();
        row /= norm;
    }
    (Documents::from_rows(&rows), Vectors::new(DIM, vectors.iter().copied().collect()))
}

fn asking(run: &str, follows: Option<&str>) -> Config {
    let warm_from = follows.map(str::to_owned);
    // One more than the first corpus has topics, as many as the second has.
    let settings = ReduceSettings { clusters: Some(4), warm_from, ..config().settings };
    Config { settings, run: Some(RunName::new(run).unwrap()), ..config() }
}

async fn record(store: &Store, run: &str) -> RunRecord {
    RunRecord::read(store, &RunName::new(run).unwrap()).await.unwrap()
}

async fn topics(store: &Store, run: &str) -> Vec<Topic> {
    read_topics(store, &layout::in_run(&RunName::new(run).unwrap(), run_file::TOPICS)).await.unwrap()
}

async fn changes(store: &Store, run: &str) -> Vec<Change> {
    read_changes(store, &layout::in_run(&RunName::new(run).unwrap(), run_file::CHANGES)).await.unwrap()
}

fn ids(topics: &[Topic]) -> Vec<i64> {
    let mut ids: Vec<i64> = topics.iter().map(|topic| topic.topic_id).collect();
    ids.sort_unstable();
    ids
}

fn documents_of(changes: &[Change], kind: ChangeKind) -> i64 {
    changes.iter().find(|change| change.kind == kind).and_then(|change| change.documents).unwrap()
}

/// A store with a first corpus and its run `a`, and then a second corpus: a few documents more, some gone, a topic new.
async fn grown() -> Store {
    let store = Store::new("memory", Arc::new(InMemory::new()));
    let mut shards: Vec<_> = (0..3).map(|topic| planted(topic, 0, ROWS_OF_TOPIC)).collect();
    put_corpus(&store, &shards).await;
    run(asking("a", None), store.clone()).await.unwrap();
    shards[0] = planted(0, 0, ROWS_OF_TOPIC - 7);
    shards.push(planted(1, ROWS_OF_TOPIC, 11));
    shards.push(planted(3, 0, 50));
    put_corpus(&store, &shards).await;
    store
}

#[tokio::test]
async fn a_run_that_follows_another_keeps_its_topics_and_tells_what_changed() {
    let store = grown().await;
    run(asking("b", Some("a")), store.clone()).await.unwrap();
    let (first, second) = (record(&store, "a").await, record(&store, "b").await);
    assert_eq!((first.predecessor.clone(), first.next_topic_id), (None, Some(4)));
    let predecessor = second.predecessor.clone().unwrap();
    assert_eq!((predecessor.run.as_str(), predecessor.warm), ("a", true));
    assert_eq!(predecessor.centroids_sha256, first.output(run_file::CENTROIDS).unwrap().sha256);
    assert_eq!(first.output(run_file::CHANGES), None);
    let changes = changes(&store, "b").await;
    assert_eq!(documents_of(&changes, ChangeKind::DocumentsIn), 61);
    assert_eq!(documents_of(&changes, ChangeKind::DocumentsOut), 7);
    let born = changes.iter().find(|change| change.kind == ChangeKind::Born).unwrap();
    let (before, after) = (topics(&store, "a").await, topics(&store, "b").await);
    let new: Vec<&Topic> = after.iter().filter(|topic| topic.strength.is_none()).collect();
    assert_eq!(new.iter().map(|topic| Some(topic.topic_id)).collect::<Vec<_>>(), [born.topic_id]);
    assert!(new[0].name.contains("quantum") && new[0].topic_id == 4 && second.next_topic_id == Some(5), "{new:?}");
    let names: BTreeMap<i64, &str> = before.iter().map(|topic| (topic.topic_id, topic.name.as_str())).collect();
    let stayed: Vec<&Topic> = after.iter().filter(|topic| topic.strength >= Some(0.9)).collect();
    assert!(stayed.len() >= 2 && stayed.iter().all(|topic| names[&topic.topic_id] == topic.name), "{stayed:?}");
}

#[tokio::test]
async fn a_run_asked_again_finds_its_answer_and_made_again_is_the_same() {
    let store = grown().await;
    run(asking("b", Some("a")), store.clone()).await.unwrap();
    let finished = record(&store, "b").await;
    let changes = store.get(&layout::in_run(&RunName::new("b").unwrap(), run_file::CHANGES)).await.unwrap();
    run(asking("b", Some("a")), store.clone()).await.unwrap();
    run(Config { force: true, threads: 1, ..asking("b", Some("a")) }, store.clone()).await.unwrap();
    assert_eq!(record(&store, "b").await, finished);
    let again = store.get(&layout::in_run(&RunName::new("b").unwrap(), run_file::CHANGES)).await.unwrap();
    assert_eq!(again, changes);
    let other = run(asking("b", None), store.clone()).await.unwrap_err();
    assert_eq!(other.exit(), Exit::Configuration, "{other}");
}

#[tokio::test]
async fn a_run_that_follows_one_over_the_same_corpus_finds_every_topic_again() {
    let store = grown().await;
    run(asking("b", Some("a")), store.clone()).await.unwrap();
    run(asking("c", Some("b")), store.clone()).await.unwrap();
    let (before, after) = (topics(&store, "b").await, topics(&store, "c").await);
    assert_eq!(ids(&before), ids(&after));
    assert!(after.iter().all(|topic| topic.strength == Some(1.0)), "{after:?}");
    let changes = changes(&store, "c").await;
    assert_eq!(changes.len(), 2, "{changes:?}");
    assert!(changes.iter().all(|change| change.documents == Some(0)));
}

#[tokio::test]
async fn a_fresh_run_is_that_of_a_store_that_was_never_anything_else() {
    let store = grown().await;
    run(asking("b", Some("a")), store.clone()).await.unwrap();
    let fresh = ReduceSettings { fresh: true, ..asking("f", None).settings };
    run(Config { settings: fresh, ..asking("f", None) }, store.clone()).await.unwrap();
    let (aside, found) = (record(&store, "f").await, topics(&store, "f").await);
    let new = Store::new("memory", Arc::new(InMemory::new()));
    let shards = [
        planted(0, 0, ROWS_OF_TOPIC - 7),
        planted(1, 0, ROWS_OF_TOPIC),
        planted(2, 0, ROWS_OF_TOPIC),
        planted(1, ROWS_OF_TOPIC, 11),
        planted(3, 0, 50),
    ];
    put_corpus(&new, &shards).await;
    run(asking("f", None), new.clone()).await.unwrap();
    assert_eq!((aside.predecessor, aside.inertia), (None, record(&new, "f").await.inertia));
    assert_eq!(found, topics(&new, "f").await);
}

#[tokio::test]
async fn what_cannot_be_followed_is_refused_with_a_word() {
    let store = grown().await;
    let itself = run(asking("b", Some("b")), store.clone()).await.unwrap_err();
    assert!(itself.exit() == Exit::Configuration && itself.to_string().contains("itself"), "{itself}");
    let missing = run(asking("b", Some("never")), store.clone()).await.unwrap_err();
    assert!(missing.exit() == Exit::Configuration && missing.to_string().contains("never"), "{missing}");
    store.delete(&layout::in_run(&RunName::new("a").unwrap(), run_file::TOPICS)).await.unwrap();
    let damaged = run(asking("b", Some("a")), store.clone()).await.unwrap_err();
    assert!(damaged.exit() == Exit::Data && damaged.to_string().contains("topics.parquet"), "{damaged}");
}

#[tokio::test]
async fn topics_of_a_run_without_ids_are_known_by_their_labels() {
    let store = grown().await;
    let mut first = record(&store, "a").await;
    first.next_topic_id = None;
    store.put(&layout::in_run(&RunName::new("a").unwrap(), run_file::RECORD), first.encode()).await.unwrap();
    run(asking("b", Some("a")), store.clone()).await.unwrap();
    assert_eq!(record(&store, "b").await.next_topic_id, Some(5));
}

#[tokio::test]
async fn a_reduce_whose_run_was_begun_anew_after_another_predecessor_writes_nothing_more() {
    let store = grown().await;
    let corpus = corpus::Corpus::open(store.clone(), None, None).await.unwrap().open_shards().await.unwrap();
    let (config, name) = (asking("b", None), RunName::new("b").unwrap());
    let following = Following::find(&asking("b", Some("a")), &corpus, &name).await.unwrap();
    let mine = Checkpoint::open(&config, &corpus, &name, following.as_ref()).await.unwrap();
    mine.confirm().await.unwrap();
    // The run that it follows has gone since, and the next one follows none.
    let theirs = Checkpoint::open(&config, &corpus, &name, None).await.unwrap();
    theirs.confirm().await.unwrap();
    let taken = mine.confirm().await.unwrap_err();
    assert_eq!(taken.exit(), Exit::Configuration, "{taken}");
}

#[tokio::test]
async fn a_label_of_the_former_run_that_is_no_topics_is_told() {
    let store = grown().await;
    let key = record(&store, "a").await.labels().next().unwrap();
    let mut labels = Labels::read(&store, &key).await.unwrap();
    labels.labels[3] = 5_000;
    store.put(&key, labels.encode().unwrap()).await.unwrap();
    let mut first = record(&store, "a").await;
    let bytes = store.get(&key).await.unwrap();
    let output = first.outputs.iter_mut().find(|output| output.key == key.as_ref()).unwrap();
    (output.bytes, output.sha256) = (bytes.len() as u64, digest::sha256_hex(&bytes));
    store.put(&layout::in_run(&RunName::new("a").unwrap(), run_file::RECORD), first.encode()).await.unwrap();
    let told = run(asking("b", Some("a")), store.clone()).await.unwrap_err();
    assert!(told.exit() == Exit::Data && told.to_string().contains("has label 5000, expected one of"), "{told}");
}
