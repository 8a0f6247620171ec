//! In this process, over a store in memory: shards that change, shards that go, and two reduces of one run at once.

use std::sync::Arc;

use bytes::Bytes;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;
use strata::shard::{self, Request, Terms};
use strata_reduce::Config;
use strata_shared::documents::Documents;
use strata_shared::exit::{Exit, Failure};
use strata_shared::layout::{self, ModelName, RunName};
use strata_shared::manifest::Manifest;
use strata_shared::settings::{ReduceSettings, ShardSettings};
use strata_shared::store::Store;
use strata_shared::vectors::{self, Vectors};
use strata_tests::corpus::{self, Plan};
use strata_tests::hashed_vectors;
use strata_tests::objects::{self, Objects};
use strata_tests::tampered_store::{TamperedStore, Tampering};

/// The shard that misfortune befalls: neither the first nor the last.
const SHARD: usize = 1;

fn question() -> Config {
    Config {
        settings: ReduceSettings { clusters: Some(8), lonely: 10, ..ReduceSettings::default() },
        run: Some(RunName::new("mine").unwrap()),
        generation: None,
        vectors_of: None,
        force: false,
        threads: 2,
        memory_bytes: 1 << 30,
        scratch: None,
        lonely_exhaustive: false,
        former: None,
    }
}

/// A store in memory with three shards and their vectors.
async fn corpus() -> Arc<dyn ObjectStore> {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("corpus.jsonl");
    let snapshot = corpus::generate(&Plan { documents: 300, clean: true, ..Plan::default() }).unwrap();
    std::fs::write(&input, snapshot.bytes()).unwrap();
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let store = Store::new("memory:", Arc::clone(&objects));
    let settings = ShardSettings { rows_per_shard: 100, ..ShardSettings::default() };
    let inputs = vec![input.display().to_string()];
    let request = Request { inputs, settings, vectors: None, terms: Terms::default() };
    shard::run(request, &store).await.unwrap();
    hashed_vectors::embed(&store).await.unwrap();
    objects
}

async fn copy(objects: &Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> {
    let (from, copy): (_, Arc<dyn ObjectStore>) =
        (Store::new("memory:", Arc::clone(objects)), Arc::new(InMemory::new()));
    let to = Store::new("memory:", Arc::clone(&copy));
    for object in from.list(&Path::default()).await.unwrap() {
        to.put(&object.location, from.get(&object.location).await.unwrap()).await.unwrap();
    }
    copy
}

async fn reduce(objects: Arc<dyn ObjectStore>) -> Result<RunName, Failure> {
    Box::pin(strata_reduce::run(question(), Store::new("memory:", objects))).await
}

async fn read(objects: &Arc<dyn ObjectStore>) -> Objects {
    objects::read(&Store::new("memory:", Arc::clone(objects))).await.unwrap()
}

fn key() -> Path {
    layout::vector_shard(&ModelName::new(hashed_vectors::MODEL).unwrap(), SHARD)
}

/// A sound shard of the same documents with other vectors.
async fn other_vectors(store: &Store) -> Bytes {
    let (manifest, _) = Manifest::read(store).await.unwrap();
    let documents = Documents::read(store, &layout::raw_shard(SHARD)).await.unwrap();
    let values = (0..documents.len()).flat_map(|row| hashed_vectors::vector(&format!("other {row}"))).collect();
    let model = ModelName::new(hashed_vectors::MODEL).unwrap();
    let vectors = Vectors::new(hashed_vectors::DIM, values);
    vectors::encode(&documents, &vectors, &model, &manifest.shards[SHARD].sha256).unwrap().into()
}

/// What a reduce makes of a store, the shard that misfortune befalls aside; `None` where it refuses to.
async fn outcome(objects: &Arc<dyn ObjectStore>) -> Option<Objects> {
    let objects = copy(objects).await;
    reduce(Arc::clone(&objects)).await.ok()?;
    Some(read_but_the_shard(&objects).await)
}

async fn read_but_the_shard(objects: &Arc<dyn ObjectStore>) -> Objects {
    let mut objects = read(objects).await;
    objects.remove(key().as_ref());
    objects
}

/// Puts back the shard as it was.
async fn mend(untouched: &Arc<dyn ObjectStore>, objects: &Arc<dyn ObjectStore>) {
    let [from, to] = [untouched, objects].map(|objects| Store::new("memory:", Arc::clone(objects)));
    to.put(&key(), from.get(&key()).await.unwrap()).await.unwrap();
}

/// Changes the shard at its first read, its second and so on, each time over a fresh store, until no read is left.
///
/// A run that ends well is that of the store as it was or as it has become, and of no mixture; any other end is told, and
/// leaves nothing from which the same command goes on once the shard is mended.
async fn befall(becomes: Option<Bytes>, exits: &[Exit]) {
    let untouched = corpus().await;
    let changed = copy(&untouched).await;
    let store = Store::new("memory:", Arc::clone(&changed));
    match &becomes {
        Some(bytes) => store.put(&key(), bytes.clone()).await.unwrap(),
        None => store.delete(&key()).await.unwrap(),
    }
    let expected = [outcome(&untouched).await, outcome(&changed).await];
    let mut num_told = 0;
    for number in 1.. {
        let objects = copy(&untouched).await;
        let tampering = Tampering { key: key(), read: number, becomes: becomes.clone() };
        let tampered = TamperedStore::new(Arc::clone(&objects), tampering);
        let done = reduce(Arc::new(tampered.clone())).await;
        if !tampered.is_changed() {
            break;
        }
        match done {
            Ok(_) => assert!(expected.contains(&Some(read_but_the_shard(&objects).await)), "changed at read {number}"),
            Err(failure) => {
                assert!(exits.contains(&failure.exit()), "changed at read {number}: {failure}");
                assert!(failure.chain().contains(key().as_ref()), "changed at read {number}: {failure}");
                mend(&untouched, &objects).await;
                assert_eq!(outcome(&objects).await, expected[0], "changed at read {number}, then mended");
                num_told += 1;
            }
        }
    }
    assert!(num_told >= 4, "only {num_told} reads told");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_becomes_another_while_it_is_read_is_told_or_does_not_matter() {
    let untouched = corpus().await;
    let other = other_vectors(&Store::new("memory:", untouched)).await;
    befall(Some(other), &[Exit::Data]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_breaks_off_while_it_is_read_is_told_or_does_not_matter() {
    let store = Store::new("memory:", corpus().await);
    let whole = store.get(&key()).await.unwrap();
    // Where its length was looked up before, the store says that there is less, and the same command again what is wrong.
    befall(Some(whole.slice(..whole.len() / 2)), &[Exit::Data, Exit::Retry]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_goes_while_it_is_read_may_come_back() {
    befall(None, &[Exit::Retry]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_reduces_of_one_run_at_once_end_in_the_same_objects() {
    let untouched = corpus().await;
    let whole = copy(&untouched).await;
    reduce(Arc::clone(&whole)).await.unwrap();
    let expected = read(&whole).await;
    for _ in 0..10 {
        let objects = copy(&untouched).await;
        let twins = [tokio::spawn(reduce(Arc::clone(&objects))), tokio::spawn(reduce(Arc::clone(&objects)))];
        for twin in twins {
            if let Err(failure) = twin.await.unwrap() {
                assert_eq!(failure.exit(), Exit::Retry, "{failure}");
            }
        }
        reduce(Arc::clone(&objects)).await.unwrap();
        assert_eq!(objects::differences(&expected, &read(&objects).await), Vec::<String>::new());
    }
}
