//! One small store a format version, kept as files: what this program writes is what those files hold, byte for byte, and
//! what they hold is what it reads.
//!
//! A test that fails here means that a format has changed. If that is meant, `layout::FORMAT` goes up, the ignored test
//! below writes the new version's folder (`cargo test --release --test golden -- --ignored`), and the old one stays.
//!
//! Raw objects come from `strata shard` over `input.jsonl`, and over `update.jsonl` since there are generations; the others
//! from their codecs with the values below, since what a reduce finds may differ in the last bit from one kind of CPU to
//! another.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use arrow::array::{AsArray, RecordBatch, StringArray};
use bytes::Bytes;
use chrono::{DateTime, NaiveDate};
use object_store::path::Path as Key;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::ParquetMetaData;
use strata::shard::{self, Request, Terms};
use strata_shared::documents::{Document, Documents};
use strata_shared::exit::Failure;
use strata_shared::findings::{self, Change, ChangeKind, Findings, LonelyDocument, Status, TimelineEntry, Topic};
use strata_shared::generations;
use strata_shared::labels::Labels;
use strata_shared::layout::{self, FORMAT, ModelName, RunName, run_file};
use strata_shared::manifest::{Manifest, Rejection};
use strata_shared::run_record::{
    ClustersRecord, IndexRecord, Latest, LonelyRecord, OutputEntry, PeriodsRecord, PredecessorRecord, RunRecord,
};
use strata_shared::settings::{KmeansEngine, PeriodLength, ReduceSettings, ShardSettings};
use strata_shared::store::Store;
use strata_shared::superseded::Superseded;
use strata_shared::table::TableReader;
use strata_shared::vectors::{self, VectorShard, Vectors};
use strata_shared::{centroids, digest};
use strata_tests::empty_topic::empty_topic;

const DIM: usize = 8;
const ROWS: usize = 20;

/// Documents of the second generation: one is changed, one is new.
const ROWS_UPDATED: usize = 21;

/// The row of the document that changes.
const CHANGED: usize = 5;
const NUM_TOPICS: i32 = 2;

fn all_golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

fn golden() -> PathBuf {
    all_golden().join(format!("v{FORMAT}"))
}

fn model() -> ModelName {
    ModelName::new("golden-0123456789ab").expect("a name")
}

fn run() -> RunName {
    RunName::new("golden").expect("a name")
}

/// Ids, texts and dates of every kind: not ASCII, empty, missing, at the ends of the calendar.
fn documents() -> Vec<Document> {
    let plain = |row: usize| Document {
        id: format!("golden/{row:02}"),
        title: format!("Title {row}"),
        abstract_text: format!("Text of document {row}, in a sentence."),
        categories: if row.is_multiple_of(2) { "cs.RO cs.AI".into() } else { "cs.RO".into() },
        created: Some((30 * 365 + 200 * row as i64) * 86_400_000_000),
    };
    let mut documents: Vec<Document> = (0..ROWS).map(plain).collect();
    documents[1].title = "Über naïve 日本語 🦀".into();
    documents[2].title = String::new();
    documents[3].abstract_text = String::new();
    documents[4].categories = String::new();
    documents[5].created = None;
    // 1000-01-01 and 2200-12-31, the ends of the calendar that inputs may have.
    documents[6].created = Some(-30_610_224_000_000_000);
    documents[7].created = Some(7_289_568_000_000_000);
    documents
}

/// The document that changes, with a date now, and a new one.
fn updated_documents() -> Vec<Document> {
    let changed = Document { created: Some(11_000 * 86_400_000_000), ..documents()[CHANGED].clone() };
    let new = Document { id: "golden/new".into(), title: "A new one".into(), ..Document::default() };
    vec![changed, new]
}

/// What is left of the documents of the first shard.
fn kept_documents() -> Vec<Document> {
    let mut kept = documents();
    kept.remove(CHANGED);
    kept
}

/// The documents as lines, and three that are refused, and a blank one.
fn input() -> String {
    let mut lines: Vec<String> = documents().iter().map(line).collect();
    lines.extend(["{\"title\": \"No id\"}".into(), lines[0].clone(), "no <json>".into(), String::new()]);
    lines.join("\n") + "\n"
}

/// What a later snapshot brings: two documents, and a line that is refused.
fn update() -> String {
    let mut lines: Vec<String> = updated_documents().iter().map(line).collect();
    lines.push("no <json> either".into());
    lines.join("\n") + "\n"
}

fn line(document: &Document) -> String {
    let created = document.created.and_then(DateTime::from_timestamp_micros);
    let created = created.map(|created| format!("{:04}-{}", chrono::Datelike::year(&created), created.format("%m-%d")));
    let line = serde_json::json!({
        "id": document.id, "title": document.title, "abstract": document.abstract_text,
        "categories": document.categories, "update_date": created,
    });
    line.to_string()
}

fn vectors(rows: std::ops::Range<usize>) -> Vectors {
    let row = |row: usize| {
        let mut vector = [0.0; DIM];
        (vector[row % DIM], vector[(row + 3) % DIM]) = (0.6, if row.is_multiple_of(2) { 0.8 } else { -0.8 });
        vector
    };
    Vectors::new(DIM, rows.flat_map(row).collect())
}

fn centroids() -> Vec<f32> {
    (0..NUM_TOPICS as usize * DIM).map(|at| 0.0625 * at as f32 - 0.5).collect()
}

fn labels(documents: &[Document]) -> Labels {
    let rows = documents.len();
    Labels {
        ids: StringArray::from_iter_values(documents.iter().map(|document| &document.id)),
        labels: (0..rows as i32).map(|row| row % NUM_TOPICS).collect(),
        similarities: (0..rows).map(|row| 0.5 + 0.015_625 * row as f32).collect(),
    }
}

fn day(year: i32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, 1, 1).expect("a day")
}

/// One topic with every figure, one with none.
fn topics() -> Vec<Topic> {
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let full = Topic {
        label: 0,
        name: "petri nets · manufacturing".into(),
        terms: words(&["petri nets", "manufacturing", "naïve"]),
        size: 10,
        first: Some(day(2000)),
        last: Some(day(2010)),
        peak_period: Some("2001..2003".into()),
        peak_share: Some(0.25),
        recent_share: Some(0.0625),
        fade: Some(0.25),
        fade_low: Some(0.125),
        fade_high: Some(0.5),
        status: Status::Fading,
        top_categories: words(&["cs.RO", "cs.AI"]),
        representative_ids: words(&["golden/00", "golden/02"]),
        fading_rank: Some(1),
        emerging_rank: None,
        topic_id: 7,
        strength: Some(0.75),
    };
    let empty = Topic {
        name: full.name.clone(),
        size: full.size,
        representative_ids: full.representative_ids.clone(),
        emerging_rank: Some(1),
        ..empty_topic(1)
    };
    vec![full, empty]
}

/// One change with every figure, one with none.
fn changes() -> Vec<Change> {
    let full = Change {
        kind: ChangeKind::Split,
        topic_id: Some(7),
        name: Some("petri nets · manufacturing".into()),
        other_topic_id: Some(3),
        other_name: Some("naïve".into()),
        documents: Some(12),
        share: Some(0.25),
        status: Some(Status::Fading),
        former_status: Some(Status::Steady),
        fade: Some(0.25),
        fade_low: Some(0.125),
        fade_high: Some(0.5),
        former_fade: Some(0.75),
        former_fade_low: Some(0.5),
        former_fade_high: Some(1.0),
        document_id: Some("golden/01".into()),
        title: Some("Über naïve 日本語 🦀".into()),
        similarity: Some(0.5),
        former_similarity: Some(0.25),
    };
    vec![full, Change::new(ChangeKind::DocumentsOut)]
}

fn timeline() -> Vec<TimelineEntry> {
    let entry = |label, year, count| TimelineEntry {
        label,
        period: day(year),
        count,
        total: 4,
        share: count as f64 / 4.0,
        complete: year < 2011,
    };
    vec![entry(0, 2010, 1), entry(0, 2011, 0), entry(1, 2010, 3), entry(1, 2011, 4)]
}

fn lonely() -> Vec<LonelyDocument> {
    let full = LonelyDocument {
        rank: 1,
        id: "golden/01".into(),
        title: "Über naïve 日本語 🦀".into(),
        created: DateTime::from_timestamp_micros(963_360_000_000_001),
        categories: "cs.RO".into(),
        label: 1,
        similarity: 0.25,
        nearest_id: Some("golden/04".into()),
        nearest_title: Some("Title 4".into()),
        nearest_similarity: Some(0.5),
    };
    let alone = LonelyDocument {
        rank: 2,
        created: None,
        nearest_id: None,
        nearest_title: None,
        nearest_similarity: None,
        ..full.clone()
    };
    vec![full, alone]
}

fn record(manifest_sha256: &str) -> RunRecord {
    RunRecord {
        format: FORMAT,
        run: run().to_string(),
        vectors_of: model().to_string(),
        generation: 2,
        manifest_sha256: manifest_sha256.into(),
        parameters: ReduceSettings {
            clusters: Some(2),
            period: PeriodLength::Quarter,
            until: Some("2023-12-31".into()),
            index: Some("Flat".into()),
            kmeans: KmeansEngine::Linfa,
            warm_from: Some("earlier".into()),
            ..ReduceSettings::default()
        },
        predecessor: Some(PredecessorRecord {
            run: "earlier".into(),
            generation: 1,
            centroids_sha256: digest::sha256_hex(b"earlier"),
            topics_sha256: Some(digest::sha256_hex(b"earlier topics")),
            warm: true,
            excess: -0.25,
        }),
        rows: ROWS_UPDATED as u64,
        dim: DIM,
        inertia: 12.5,
        clusters: ClustersRecord { requested: 2, found: 2, sample_rows: ROWS },
        next_topic_id: Some(8),
        index: IndexRecord { factory: "IVF4,Flat".into(), nprobe: Some(2), recall_at_10: None },
        lonely: LonelyRecord { k: 5, listed: 2, cutoff: Some(0.25), too_short: 1 },
        periods: PeriodsRecord {
            undated: 1,
            recent: Some("2021..2023".into()),
            incomplete: vec!["2024".into()],
            thin: vec!["2016".into()],
        },
        notes: vec!["a note".into()],
        outputs: vec![OutputEntry {
            key: "runs/golden/topics.parquet".into(),
            bytes: 1,
            sha256: digest::sha256_hex(b"golden"),
        }],
    }
}

/// Writes every object of this version into `folder`, as the programs do.
async fn write(folder: &Path) {
    std::fs::create_dir_all(folder).expect("a folder");
    let store = Store::open(&folder.display().to_string()).expect("a store");
    shard(folder, "input.jsonl", &input(), &store).await;
    let manifest = shard(folder, "update.jsonl", &update(), &store).await;
    let of_shards = [(documents(), vectors(0..ROWS)), (updated_documents(), vectors(ROWS..ROWS + 2))];
    for (entry, (documents, vectors)) in manifest.shards.iter().zip(of_shards) {
        let documents = Documents::from_rows(&documents);
        let encoded = vectors::encode(&documents, &vectors, &model(), &entry.sha256).expect("vectors");
        store.put(&layout::vector_shard(&model(), entry.number()), encoded).await.expect("written");
    }
    let centroids = centroids::encode(DIM, &centroids()).expect("centroids");
    let objects = [
        (layout::labels(&run(), 0), labels(&kept_documents()).encode().expect("labels")),
        (layout::labels(&run(), 1), labels(&updated_documents()).encode().expect("labels")),
        (layout::in_run(&run(), run_file::CENTROIDS), centroids),
        (layout::in_run(&run(), run_file::TOPICS), findings::encode_topics(&topics()).expect("topics")),
        (layout::in_run(&run(), run_file::TIMELINE), findings::encode_timeline(&timeline()).expect("timeline")),
        (layout::in_run(&run(), run_file::LONELY), findings::encode_lonely(&lonely()).expect("lonely")),
        (layout::in_run(&run(), run_file::CHANGES), findings::encode_changes(&changes()).expect("changes")),
        (layout::in_run(&run(), run_file::RECORD), record(&digest::sha256_hex(&manifest.encode())).encode()),
    ];
    for (key, bytes) in objects {
        store.put(&key, bytes).await.expect("written");
    }
    Latest::write(&store, &run()).await.expect("written");
}

/// Shards or updates by a snapshot that is kept beside.
async fn shard(folder: &Path, name: &str, lines: &str, store: &Store) -> Manifest {
    let file = folder.join(name);
    std::fs::write(&file, lines).expect("a snapshot");
    let inputs = vec![file.display().to_string()];
    let request = Request { inputs, settings: ShardSettings::default(), vectors: None, terms: Terms::default() };
    shard::run(request, store).await.expect("a corpus").manifest
}

/// Every file beneath a folder by its path there.
fn files(folder: &Path) -> BTreeMap<String, Bytes> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).unwrap_or_else(|error| panic!("{}: {error}", next.display())) {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("a path beneath").display().to_string();
                files.insert(name, std::fs::read(&path).expect("a file").into());
            }
        }
    }
    files
}

#[tokio::test]
#[ignore = "writes the golden files, which is due when a format version is new"]
async fn write_golden_files() {
    assert!(!golden().exists(), "{}: the files of a version never change", golden().display());
    write(&golden()).await;
}

/// What makes a Parquet file what it is, but for the version of the library that wrote it.
#[derive(Debug, PartialEq)]
struct Table {
    schema: String,
    metadata: Vec<(String, Option<String>)>,
    columns: Vec<String>,
    rows: Vec<RecordBatch>,
}

fn open(bytes: &Bytes) -> ParquetRecordBatchReaderBuilder<Bytes> {
    ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).expect("a Parquet file")
}

fn created_by(bytes: &Bytes) -> Option<String> {
    open(bytes).metadata().file_metadata().created_by().map(str::to_owned)
}

fn table(bytes: &Bytes) -> Table {
    let builder = open(bytes);
    let footer: &ParquetMetaData = builder.metadata();
    let mut schema = Vec::new();
    parquet::schema::printer::print_schema(&mut schema, footer.file_metadata().schema());
    let pairs = footer.file_metadata().key_value_metadata().cloned().unwrap_or_default();
    // What arrow says of the schema is compared with the batches; the shard's own sha256 moves with the library.
    let moves = |key: &str| key == "ARROW:schema" || key == vectors::RAW_SHA256;
    let columns =
        footer.row_groups().iter().flat_map(parquet::file::metadata::RowGroupMetaData::columns).map(|column| {
            format!("{} {:?} {:?}", column.column_path(), column.compression(), column.encodings().collect::<Vec<_>>())
        });
    Table {
        schema: String::from_utf8(schema).expect("text"),
        metadata: pairs.into_iter().filter(|pair| !moves(&pair.key)).map(|pair| (pair.key, pair.value)).collect(),
        columns: columns.collect(),
        rows: builder.build().expect("a reader").collect::<Result<_, _>>().expect("rows"),
    }
}

/// Two JSON texts without what depends on the bytes of Parquet files.
fn json(bytes: &Bytes) -> serde_json::Value {
    let mut value: serde_json::Value = serde_json::from_slice(bytes).expect("JSON");
    if let Some(shards) = value.get_mut("shards").and_then(serde_json::Value::as_array_mut) {
        for shard in shards {
            assert!(shard["bytes"].is_u64() && shard["sha256"].as_str().is_some_and(digest::is_sha256_hex));
            (shard["bytes"], shard["sha256"]) = (0.into(), "".into());
        }
    }
    if let Some(sha256) = value.get_mut("manifest_sha256") {
        *sha256 = "".into();
    }
    if let Some(superseded) = value.get_mut("superseded") {
        (superseded["bytes"], superseded["sha256"]) = (0.into(), "".into());
    }
    value
}

#[tokio::test]
async fn what_this_program_writes_is_what_the_golden_files_hold() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path()).await;
    let (golden, written) = (files(&golden()), files(folder.path()));
    assert_eq!(written.keys().collect::<Vec<_>>(), golden.keys().collect::<Vec<_>>());
    let raw = layout::raw_shard(0).to_string();
    let same_library = created_by(&golden[&raw]) == created_by(&written[&raw]);
    for (name, golden) in &golden {
        let written = &written[name];
        match Path::new(name).extension().and_then(|extension| extension.to_str()) {
            Some("parquet") => assert_eq!(table(written), table(golden), "{name}"),
            Some("json") => assert_eq!(json(written), json(golden), "{name}"),
            _ => assert_eq!(written, golden, "{name}"),
        }
        assert!(!same_library || written == golden, "{name}: other bytes, though the values are the same");
    }
}

fn store_of(version: u32) -> Store {
    let folder = all_golden().join(format!("v{version}"));
    assert!(folder.is_dir(), "{}: this format version has no golden files", folder.display());
    Store::open(&folder.display().to_string()).expect("a store")
}

async fn golden_store() -> (Store, Manifest, String) {
    let store = store_of(FORMAT);
    let (manifest, sha256) = Manifest::read(&store).await.expect("a manifest");
    (store, manifest, sha256)
}

/// Holds the first shard of a version, raw and with vectors, against the values that were written.
async fn assert_first_shard(store: &Store, manifest: &Manifest) {
    let (expected, entry) = (Documents::from_rows(&documents()), &manifest.shards[0]);
    let key = entry.path();
    let raw = store.get(&key).await.expect("a shard");
    assert_eq!((raw.len() as u64, digest::sha256_hex(&raw)), (entry.bytes, entry.sha256.clone()));
    assert_eq!(Documents::read(store, &key).await.expect("documents").columns(), expected.columns());

    let key = layout::vector_shard(&model(), 0);
    let shard = VectorShard::open(store, &key, &model(), &entry.sha256, ROWS).await.expect("a vector shard");
    let (ids, found) = shard.read_vectors(store).await.expect("vectors");
    assert_eq!((found.dim(), found.values()), (DIM, vectors(0..ROWS).values()));
    assert_eq!(&ids, expected.columns().column(0).as_string::<i32>());
    assert_eq!(shard.read_documents(store).await.expect("documents").columns(), expected.columns());
}

fn assert_first_snapshot(manifest: &Manifest) {
    assert_eq!((manifest.rows, manifest.rejected, manifest.undated), (ROWS as u64, 3, 1));
    assert_eq!((manifest.generation, manifest.next_shard, manifest.update), (1, 1, None));
    assert_eq!((manifest.lines(), manifest.inputs[0].blank, manifest.inputs[0].name.as_str()), (24, 1, "input.jsonl"));
    assert_eq!(manifest.inputs[0].sha256, digest::sha256_hex(input().as_bytes()));
    assert_eq!(manifest.settings, ShardSettings::default());
}

#[tokio::test]
async fn the_golden_corpus_reads_as_the_documents_and_vectors_that_were_written() {
    let (store, manifest, _) = golden_store().await;
    let first = generations::read(&store, 1).await.expect("a first generation").manifest;
    assert_first_snapshot(&first);
    assert_first_shard(&store, &first).await;

    assert_eq!((manifest.format, manifest.generation, manifest.rows), (FORMAT, 2, ROWS_UPDATED as u64));
    assert_eq!((manifest.rejected, manifest.undated, manifest.next_shard), (1, 1, 2));
    assert_eq!((manifest.lines(), manifest.inputs[0].name.as_str()), (3, "update.jsonl"));
    let update = manifest.update.expect("an update");
    assert_eq!((update.unchanged, update.changed, update.new, update.gone, update.kept), (0, 1, 1, 0, 19));
    assert_eq!((update.complete, update.first_shard, update.reverted, update.reused), (false, 1, 0, 0));
    let superseded = Superseded::read(&store, &manifest).await.expect("superseded rows");
    assert_eq!((superseded.of(0), superseded.num_rows()), (&[CHANGED as u32][..], 1));
    let expected = Documents::from_rows(&updated_documents());
    let found = Documents::read(&store, &manifest.shards[1].path()).await.expect("documents");
    assert_eq!(found.columns(), expected.columns());
}

#[tokio::test]
async fn a_corpus_of_the_first_version_reads_as_its_first_generation() {
    let store = store_of(1);
    let generation = generations::newest(&store).await.expect("a generation");
    assert_eq!((generation.manifest.format, generation.is_numbered), (1, false));
    assert_first_snapshot(&generation.manifest);
    assert_first_shard(&store, &generation.manifest).await;
    let record = RunRecord::read(&store, &run()).await.expect("a record");
    assert_eq!((record.generation, record.manifest_sha256), (1, generation.sha256));
    let found = Labels::read(&store, &layout::labels(&run(), 0)).await.expect("labels");
    assert_eq!(found, labels(&documents()));
}

#[tokio::test]
async fn the_golden_refusals_read_as_lines_with_their_reasons() {
    let (store, ..) = golden_store().await;
    let bytes = store.get(&layout::rejected_of(1)).await.expect("refusals");
    let lines = std::str::from_utf8(&bytes).expect("text").lines();
    let rejections: Vec<Rejection> = lines.map(|line| serde_json::from_str(line).expect("a refusal")).collect();
    let told: Vec<_> =
        rejections.iter().map(|found| (found.line, found.reason.as_str(), found.id.as_deref())).collect();
    let expected = [
        (21, "the id is missing or null", None),
        (22, "an earlier document has the same id", Some("golden/00")),
        (23, "the line is not valid JSON", None),
    ];
    assert_eq!(told, expected);
    assert_eq!((rejections[2].input.as_str(), rejections[2].text.as_str()), ("input.jsonl", "no <json>"));
    let newest = store.get(&layout::rejected()).await.expect("refusals");
    assert_eq!(newest, store.get(&layout::rejected_of(2)).await.expect("refusals"));
    let found: Rejection = serde_json::from_slice(&newest).expect("a refusal");
    assert_eq!((found.line, found.text.as_str()), (3, "no <json> either"));
}

#[tokio::test]
async fn the_golden_run_reads_as_the_findings_that_were_written() {
    let (store, _, manifest_sha256) = golden_store().await;
    assert_eq!(Latest::read(&store).await.expect("latest.json"), Some(run()));
    let found = RunRecord::read(&store, &run()).await.expect("a record");
    assert_eq!(found, record(&manifest_sha256));
    let found = Findings::read(&store, &run(), found).await.expect("findings");
    assert_eq!((found.topics, found.timeline, found.lonely), (topics(), timeline(), lonely()));
    let found = findings::read_changes(&store, &layout::in_run(&run(), run_file::CHANGES)).await.expect("changes");
    assert_eq!(found, changes());
    let key = layout::in_run(&run(), run_file::CENTROIDS);
    assert_eq!(centroids::read(&store, &key, DIM).await.expect("centroids"), centroids());
    for (number, documents) in [(0, kept_documents()), (1, updated_documents())] {
        let found = Labels::read(&store, &layout::labels(&run(), number)).await.expect("labels");
        assert_eq!(found, labels(&documents));
    }
}

#[tokio::test]
async fn topics_of_the_first_version_are_known_by_their_labels() {
    let store = Store::open(&all_golden().join("v1").display().to_string()).expect("a store");
    let record = RunRecord::read(&store, &run()).await.expect("a record");
    assert_eq!((record.generation, record.next_topic_id(), record.predecessor.clone()), (1, 2, None));
    let found = Findings::read(&store, &run(), record).await.expect("findings").topics;
    let expected = topics().into_iter().map(|topic| Topic { topic_id: topic.label.into(), strength: None, ..topic });
    assert_eq!(found, expected.collect::<Vec<_>>());
}

/// Opens every object of the version in `folder` that says its version itself, and returns what each of them answers.
async fn open_all(folder: &Path) -> Vec<(String, Result<(), Failure>)> {
    let store = Store::open(&folder.display().to_string()).expect("a store");
    let mut opened = vec![
        ("manifest".to_owned(), Manifest::read(&store).await.map(drop).map_err(Failure::from)),
        ("record".to_owned(), RunRecord::read(&store, &run()).await.map(drop).map_err(Failure::from)),
    ];
    for name in files(folder).into_keys().filter(|name| name.ends_with(".parquet")) {
        let table = TableReader::open(&store, &Key::from(name.as_str())).await;
        opened.push((name, table.map(drop).map_err(Failure::from)));
    }
    opened
}

fn assert_read_or_refused(version: u32, opened: Vec<(String, Result<(), Failure>)>) {
    for (name, outcome) in opened {
        let Err(error) = outcome else { continue };
        let said = error.chain();
        assert!(version != FORMAT && said.contains(&format!("format {version}, ")), "v{version}: {name}: {said}");
    }
}

#[tokio::test]
async fn the_golden_files_of_every_version_are_read_or_refused_for_their_version() {
    let mut versions = Vec::new();
    for entry in std::fs::read_dir(all_golden()).expect("a folder") {
        let folder = entry.expect("an entry").path();
        let name = folder.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        let version: u32 = name.strip_prefix('v').and_then(|number| number.parse().ok()).expect("v and a number");
        assert_read_or_refused(version, open_all(&folder).await);
        versions.push(version);
    }
    versions.sort_unstable();
    assert_eq!(versions, (1..=FORMAT).collect::<Vec<_>>(), "each version keeps its files");
}

#[tokio::test]
async fn a_version_yet_to_come_is_refused_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let next = FORMAT + 1;
    for name in ["raw/manifest.json", "runs/golden/run.json"] {
        let text = std::fs::read_to_string(golden().join(name)).expect("JSON");
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        let version = |format: u32| format!("\"format\": {format},");
        std::fs::write(path, text.replace(&version(FORMAT), &version(next))).expect("written");
    }
    let opened = open_all(folder.path()).await;
    assert!(opened.iter().all(|(_, outcome)| outcome.is_err()));
    assert_read_or_refused(next, opened);
}
