//! What the stage as a whole promises, on stores in memory.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::memory::InMemory;
use object_store::path::Path as Key;
use proptest::prelude::*;
use strata_shared::documents::Documents;
use strata_shared::exit::{Classify, Exit};
use strata_shared::generations;
use strata_shared::layout;
use strata_shared::manifest::{Manifest, Rejection};
use strata_shared::settings::ShardSettings;
use strata_shared::store::Store;

use super::corpus::Sources;
use super::{Outcome, Reason, Request, ShardError, Terms, VectorsRequest, begin, run, settle};

/// A folder for inputs, a store in memory, and a way to shard the one into the other.
pub(super) struct Bench {
    pub(super) folder: tempfile::TempDir,
    pub(super) store: Store,
    pub(super) settings: ShardSettings,
    pub(super) vectors: Option<VectorsRequest>,
    pub(super) terms: Terms,
}

impl Bench {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (settings, terms) = (ShardSettings::default(), Terms::default());
        Self { folder, store: memory_store(), settings, vectors: None, terms }
    }

    pub(super) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn request(&self, inputs: Vec<String>) -> Request {
        Request { inputs, settings: self.settings.clone(), vectors: self.vectors.clone(), terms: self.terms }
    }

    pub(super) fn shard(&self, inputs: &[&Path]) -> Result<Outcome, ShardError> {
        let inputs = inputs.iter().map(|path| path.display().to_string()).collect();
        runtime().block_on(run(self.request(inputs), &self.store))
    }

    pub(super) fn documents(&self) -> Vec<Documents> {
        runtime().block_on(async {
            let (manifest, _) = Manifest::read(&self.store).await.unwrap();
            let mut shards = Vec::new();
            for shard in &manifest.shards {
                shards.push(Documents::read(&self.store, &Key::from(shard.key.as_str())).await.unwrap());
            }
            shards
        })
    }

    pub(super) fn rejections(&self) -> Vec<Rejection> {
        let bytes = runtime().block_on(self.store.get(&layout::rejected())).unwrap();
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
    }

    pub(super) fn objects(&self) -> Vec<(String, Vec<u8>)> {
        runtime().block_on(async {
            let mut objects = Vec::new();
            for object in self.store.list(&Key::default()).await.unwrap() {
                objects.push((object.location.to_string(), self.store.get(&object.location).await.unwrap().to_vec()));
            }
            objects
        })
    }
}

pub(super) fn memory_store() -> Store {
    Store::new("memory", Arc::new(InMemory::new()))
}

pub(super) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

pub(super) fn line(id: usize) -> String {
    format!("{{\"id\":\"{id}\",\"title\":\"Title {id}\",\"abstract\":\"Text {id}.\",\"update_date\":\"2020-01-02\"}}\n")
}

fn corpus(num_lines: usize) -> Vec<u8> {
    (0..num_lines).map(line).collect::<String>().into_bytes()
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

/// Shards one file of these bytes and returns what became of its lines.
fn reasons(bytes: &[u8]) -> (Bench, Vec<(u64, String, Option<String>)>) {
    let bench = Bench::new();
    let mut whole = line(1_000_000).into_bytes();
    whole.extend_from_slice(bytes);
    let input = bench.file("input.jsonl", &whole);
    let outcome = bench.shard(&[&input]).unwrap();
    assert_eq!(outcome.manifest.lines(), outcome.manifest.rows + outcome.manifest.rejected + blank(&outcome.manifest));
    let rejections = bench.rejections();
    assert_eq!(rejections.len() as u64, outcome.manifest.rejected);
    let reasons =
        rejections.into_iter().map(|rejection| (rejection.line - 1, rejection.reason, rejection.id)).collect();
    (bench, reasons)
}

fn blank(manifest: &Manifest) -> u64 {
    manifest.inputs.iter().map(|input| input.blank).sum()
}

fn ids(bench: &Bench) -> Vec<String> {
    let shards = bench.documents();
    shards.iter().flat_map(|shard| (0..shard.len()).map(|row| shard.id(row).to_owned())).collect()
}

#[test]
fn every_way_of_compressing_gives_the_same_shards() {
    let lines = corpus(25);
    let halves = lines.split_at(lines.len() / 2);
    let members = [gzip(halves.0), gzip(halves.1)].concat();
    let frames = [zstd(halves.0), b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc".to_vec(), zstd(halves.1)].concat();
    let mut expected = None;
    for bytes in [lines.clone(), gzip(&lines), zstd(&lines), members, frames] {
        let mut bench = Bench::new();
        bench.settings.rows_per_shard = 10;
        // The name tells nothing: the first bytes do.
        let outcome = bench.shard(&[&bench.file("input.data", &bytes)]).unwrap();
        let sizes: Vec<u64> = outcome.manifest.shards.iter().map(|shard| shard.rows).collect();
        assert_eq!(sizes, [10, 10, 5]);
        let shards = outcome.manifest.shards;
        assert_eq!(*expected.get_or_insert(shards.clone()), shards);
    }
}

#[test]
fn a_compressed_file_that_breaks_off_anywhere_is_an_error_and_leaves_no_manifest() {
    let lines = corpus(5);
    for (name, whole) in [("a.jsonl.gz", gzip(&lines)), ("a.jsonl.zst", zstd(&lines))] {
        let bench = Bench::new();
        for end in 0..whole.len() {
            let error = bench.shard(&[&bench.file(name, &whole[..end])]).expect_err("cut short");
            assert!(matches!(error, ShardError::Truncated { .. }), "{name} cut at {end}: {error}");
            assert_eq!(error.exit(), Exit::Data);
        }
        assert_eq!(runtime().block_on(generations::newest_if_present(&bench.store)).unwrap(), None);
        assert!(bench.shard(&[&bench.file(name, &whole)]).is_ok());
    }
}

#[test]
fn damaged_compression_is_an_error() {
    let bench = Bench::new();
    let mut damaged = gzip(&corpus(1000));
    let middle = damaged.len() / 2;
    damaged[middle..middle + 40].fill(0xaa);
    let error = bench.shard(&[&bench.file("a.gz", &damaged)]).expect_err("damaged");
    assert_eq!(error.exit(), Exit::Data, "{error}");
}

#[test]
fn absent_inputs_and_directories_are_refused() {
    let bench = Bench::new();
    let absent = bench.shard(&[&bench.folder.path().join("absent.jsonl")]).expect_err("absent");
    assert!(matches!(absent, ShardError::Open { .. }) && absent.exit() == Exit::Configuration);
    let directory = bench.shard(&[bench.folder.path()]).expect_err("a directory");
    assert!(matches!(directory, ShardError::Directory { .. }) && directory.exit() == Exit::Configuration);
    let nothing = bench.shard(&[]).expect_err("no input");
    assert_eq!(nothing.exit(), Exit::Configuration);
    let twice = bench.shard(&[Path::new("-"), Path::new("-")]).expect_err("standard input twice");
    assert_eq!(twice.exit(), Exit::Configuration);
    let url = format!("file://{}/absent.jsonl", bench.folder.path().display());
    assert_eq!(bench.shard(&[Path::new(&url)]).expect_err("absent").exit(), Exit::Configuration);
}

#[test]
fn a_file_url_names_the_file() {
    let bench = Bench::new();
    let path = bench.file("a b.jsonl", &corpus(3));
    let url = format!("file://{}", path.display().to_string().replace(' ', "%20"));
    assert_eq!(bench.shard(&[Path::new(&url)]).unwrap().manifest.rows, 3);
}

#[test]
fn an_input_without_a_row_is_an_error_and_leaves_nothing_behind() {
    for bytes in [&b""[..], b"\n\n", b"not json\n", b"[1]\n{}\n", b"\xEF\xBB\xBF", b"\xff\xfe{\0\"\0"] {
        let bench = Bench::new();
        let error = bench.shard(&[&bench.file("input.jsonl", bytes)]).expect_err("no row");
        assert!(matches!(error, ShardError::NoRow { .. }) && error.exit() == Exit::Data, "{error}");
        assert_eq!(bench.objects(), []);
    }
}

#[test]
fn every_bad_line_is_refused_for_its_reason() {
    for (bad, reason, id) in [
        (&b"not json"[..], Reason::NotJson, None),
        (b"{\"id\":\"a\",\"title\":\"t\"", Reason::NotJson, None),
        (b"{\"id\":\"a\",\"title\":\"t\"} {}", Reason::NotJson, None),
        (b"{\"id\":\"a\",\"title\":\"\\ud800\"}", Reason::NotJson, None),
        (b"\0", Reason::NotJson, None),
        (b"{\"id\":\"a\",\"title\":\"t\0\"}", Reason::NotJson, None),
        (b"[1,2", Reason::NotJson, None),
        (b"[1,2]", Reason::NotObject, None),
        (b"\"text\"", Reason::NotObject, None),
        (b"null", Reason::NotObject, None),
        (b"{\"id\":\"a\",\"title\":\"\xff\"}", Reason::NotUtf8, None),
        (b"{}", Reason::NoId, None),
        (b"{\"title\":\"t\"}", Reason::NoId, None),
        (b"{\"id\":null,\"title\":\"t\"}", Reason::NoId, None),
        (b"{\"id\":\"\",\"title\":\"t\"}", Reason::EmptyId, Some("")),
        (b"{\"id\":\" \\t\",\"title\":\"t\"}", Reason::EmptyId, Some(" \t")),
        (b"{\"id\":1.5,\"title\":\"t\"}", Reason::IdType, None),
        (b"{\"id\":1e3,\"title\":\"t\"}", Reason::IdType, None),
        (b"{\"id\":true,\"title\":\"t\"}", Reason::IdType, None),
        (b"{\"id\":[\"a\"],\"title\":\"t\"}", Reason::IdType, None),
        (b"{\"id\":{},\"title\":\"t\"}", Reason::IdType, None),
        (b"{\"id\":\"1000000\",\"title\":\"t\"}", Reason::DuplicateId, Some("1000000")),
        (b"{\"id\":1000000,\"title\":\"t\"}", Reason::DuplicateId, Some("1000000")),
        (b"{\"id\":\"a\",\"title\":5}", Reason::TitleType, Some("a")),
        (b"{\"id\":\"a\",\"title\":[\"t\"]}", Reason::TitleType, Some("a")),
        (b"{\"id\":\"a\",\"title\":\"t\",\"abstract\":{}}", Reason::TextType, Some("a")),
        (b"{\"id\":\"a\"}", Reason::NoContent, Some("a")),
        (b"{\"id\":\"a\",\"title\":null,\"abstract\":\" \"}", Reason::NoContent, Some("a")),
    ] {
        let (bench, found) = reasons(&[bad, b"\n"].concat());
        let shown = String::from_utf8_lossy(bad);
        assert_eq!(found, [(1, reason.to_string(), id.map(str::to_owned))], "{shown}");
        assert_eq!(bench.rejections()[0].text, shown);
        assert_eq!(ids(&bench), ["1000000"]);
    }
}

#[test]
fn missing_texts_are_empty_and_other_fields_do_not_matter() {
    let lines = [
        r#"{"id":"a","title":" A\n  title\u0000 "}"#,
        r#"{"id":7,"title":null,"abstract":"text","categories":["cs.RO",null,3,"  cs.AI "],"x":{"id":[1]}}"#,
        r#"{"id":-0,"title":"t","categories":{"a":1},"title":"last one counts"}"#,
        r#"{"id":123456789012345678901234567890,"title":"t","categories":"cs.RO  math"}"#,
        "\u{feff}{\"id\":\"crlf\",\"title\":\"t\"}\r",
    ];
    let (bench, refused) = reasons(lines.join("\n").as_bytes());
    assert_eq!(refused, []);
    assert_eq!(ids(&bench)[1..], ["a", "7", "0", "123456789012345678901234567890", "crlf"]);
    let shard = &bench.documents()[0];
    assert_eq!((shard.title(1), shard.abstract_text(1), shard.categories(1)), ("A title", "", ""));
    assert_eq!((shard.title(2), shard.abstract_text(2), shard.categories(2)), ("", "text", "cs.RO 3 cs.AI"));
    assert_eq!((shard.title(3), shard.categories(3), shard.categories(4)), ("last one counts", "", "cs.RO math"));
}

#[test]
fn blank_lines_are_counted_apart() {
    let (bench, refused) = reasons("\n  \t\r\n\u{a0}\u{3000}\n\n{\"id\":\"a\",\"title\":\"t\"}\n \n".as_bytes());
    assert_eq!(refused, []);
    let (manifest, _) = runtime().block_on(Manifest::read(&bench.store)).unwrap();
    assert_eq!((manifest.inputs[0].lines, manifest.inputs[0].blank, manifest.rows), (7, 5, 2));
}

#[test]
fn a_date_that_cannot_be_read_becomes_null_and_is_counted() {
    let mut lines = String::new();
    for (id, fields) in [
        r#""versions":[{"version":"v1","created":"Mon, 2 Apr 2007 19:18:42 GMT"},{"created":"x"}],"update_date":"2010-01-01""#,
        r#""versions":[{"created":"nonsense"}],"update_date":"2010-01-01""#,
        r#""versions":"none","update_date":2011"#,
        r#""versions":[],"update_date":"0000-00-00""#,
        r#""versions":[{"created":"Fri, 31 Dec 9999 00:00:00 GMT"}],"update_date":null"#,
        r#""versions":[5],"update_date":true"#,
        r#""update_date":"  ""#,
    ]
    .iter()
    .enumerate()
    {
        lines.push_str(&format!("{{\"id\":{id},\"title\":\"t\",{fields}}}\n"));
    }
    let bench = Bench::new();
    let outcome = bench.shard(&[&bench.file("a.jsonl", lines.as_bytes())]).unwrap();
    let (tally, shard) = (outcome.tally.unwrap(), &bench.documents()[0]);
    let days: Vec<Option<i64>> =
        (0..shard.len()).map(|row| shard.created(row).map(|micros| micros / 86_400_000_000)).collect();
    assert_eq!(days, [Some(13_605), Some(14_610), Some(14_975), None, None, None, None]);
    assert_eq!((tally.undated, outcome.manifest.undated, tally.unreadable_dates), (4, 4, 3));
}

#[test]
fn fields_of_other_corpora_are_named() {
    let mut bench = Bench::new();
    let settings = &mut bench.settings;
    (settings.id_field, settings.title_field, settings.text_field) = ("pmid".into(), "body".into(), "body".into());
    (settings.date_field, settings.category_field) = (Some("when".into()), "tags".into());
    let lines = "{\"pmid\":5,\"body\":\"b\",\"when\":\"1999-05\",\"tags\":[\"x\",\"y\"],\"update_date\":\"2001\"}\n{\"id\":\"a\",\"title\":\"t\"}";
    let outcome = bench.shard(&[&bench.file("a.jsonl", lines.as_bytes())]).unwrap();
    let shard = &bench.documents()[0];
    assert_eq!((shard.id(0), shard.title(0), shard.abstract_text(0), shard.categories(0)), ("5", "b", "b", "x y"));
    assert_eq!((shard.created(0), outcome.manifest.rejected), (Some(925_516_800_000_000), 1));
}

#[test]
fn a_line_of_fifty_mebibytes_is_refused_and_the_next_one_read() {
    let bench = Bench::new();
    let path = bench.folder.path().join("long.jsonl");
    let mut file = std::fs::File::create(&path).unwrap();
    let beginning = b"{\"id\":\"long\",\"title\":\"";
    file.write_all(beginning).unwrap();
    (0..50).for_each(|_| file.write_all(&vec![b'x'; 1 << 20]).unwrap());
    file.write_all(format!("\"}}\n{}", line(1)).as_bytes()).unwrap();
    let outcome = bench.shard(&[&path]).unwrap();
    assert_eq!((outcome.manifest.rows, outcome.manifest.rejected), (1, 1));
    let rejection = &bench.rejections()[0];
    assert_eq!((rejection.line, rejection.id.as_deref(), rejection.text.len()), (1, None, 64 << 10));
    assert_eq!(rejection.reason, Reason::TooLong.to_string());
    assert!(rejection.text.as_bytes().starts_with(beginning));
}

#[test]
fn the_longest_line_allowed_is_read() {
    let mut bench = Bench::new();
    bench.settings.max_line_bytes = 1024;
    let line_of = |bytes: usize| format!("{{\"id\":\"{bytes}\",\"title\":\"{}\"}}\n", "x".repeat(bytes - 24));
    let lines = [line_of(1024), line_of(1025), line_of(1024).replace("1024", "last").trim_end().to_owned()].concat();
    let outcome = bench.shard(&[&bench.file("a.jsonl", lines.as_bytes())]).unwrap();
    assert_eq!((outcome.manifest.rows, ids(&bench)), (2, vec!["1024".to_owned(), "last".to_owned()]));
}

#[test]
fn duplicates_are_found_across_inputs_and_the_first_stays() {
    let bench = Bench::new();
    let first = bench.file("first.jsonl", b"{\"id\":\"a\"}\n{\"id\":\"a\",\"title\":\"first\"}\n");
    let second =
        bench.file("second.jsonl.gz", &gzip(b"{\"id\":\"a\",\"title\":\"second\"}\n{\"id\":\"b\",\"title\":\"b\"}"));
    let manifest = bench.shard(&[&first, &second]).unwrap().manifest;
    assert_eq!((bench.documents()[0].title(0), manifest.rows, manifest.rejected), ("first", 2, 2));
    let names: Vec<&str> = manifest.inputs.iter().map(|input| input.name.as_str()).collect();
    assert_eq!(names, ["first.jsonl", "second.jsonl.gz"]);
    let rejections = bench.rejections();
    assert_eq!((rejections[1].input.as_str(), rejections[1].line), ("second.jsonl.gz", 1));
    assert_eq!(rejections[1].text, "{\"id\":\"a\",\"title\":\"second\"}");
}

#[test]
fn the_same_inputs_again_do_nothing_and_other_settings_are_refused() {
    let mut bench = Bench::new();
    let input = bench.file("a.jsonl", &corpus(30));
    let manifest = bench.shard(&[&input]).unwrap().manifest;
    let objects = bench.objects();
    let elsewhere = bench.file("b.jsonl", &corpus(30));
    let again = bench.shard(&[&elsewhere]).unwrap();
    assert!(again.already_done && again.manifest == manifest && bench.objects() == objects);

    bench.settings.rows_per_shard = 7;
    let error = bench.shard(&[&input]).expect_err("other settings");
    assert!(matches!(error, ShardError::OtherSettings { .. }) && error.exit() == Exit::Configuration, "{error}");
    assert!(error.to_string().contains("its --rows-per-shard is 10000, not 7"), "{error}");
    assert_eq!(bench.objects(), objects);
}

#[test]
fn what_a_killed_attempt_left_does_not_matter() {
    let mut bench = Bench::new();
    bench.settings.rows_per_shard = 10;
    let keys = [layout::raw_shard(1), layout::raw_shard(7), layout::rejected()];
    runtime().block_on(async {
        for key in &keys {
            bench.store.put(key, "left over").await.unwrap();
        }
    });
    let undisturbed = Bench { settings: bench.settings.clone(), ..Bench::new() };
    for bench in [&bench, &undisturbed] {
        bench.shard(&[&bench.file("a.jsonl", &corpus(25))]).unwrap();
    }
    assert_eq!(bench.objects(), undisturbed.objects());
}

/// Shards `input` as a command does that found no corpus in the store.
fn shard_meanwhile(bench: &Bench, input: &Path) -> Result<Outcome, ShardError> {
    let inputs = vec![input.display().to_string()];
    let request = bench.request(inputs);
    runtime().block_on(async { begin(&Sources::find(&request).await?, &bench.store, None).await })
}

#[test]
fn of_two_commands_at_once_the_first_keeps_the_store_and_what_the_other_wrote_goes() {
    let mut bench = Bench::new();
    bench.settings.rows_per_shard = 10;
    let input = bench.file("a.jsonl", &[&corpus(25)[..], b"refused\n"].concat());
    let manifest = bench.shard(&[&input]).unwrap().manifest;
    let objects = bench.objects();
    // The last shard of the first corpus, then others, and more of them.
    let other = bench.file("b.jsonl", &(20..25).chain(100..135).map(line).collect::<String>().into_bytes());
    let error = shard_meanwhile(&bench, &other).expect_err("too late");
    assert!(matches!(error, ShardError::Overtaken { .. }) && error.exit() == Exit::Retry, "{error}");
    assert_eq!(bench.objects(), objects, "nothing of the first command's is touched");
    assert_eq!(bench.shard(&[&input]).unwrap().manifest, manifest);
    assert_eq!(bench.objects(), objects);
}

#[test]
fn of_two_commands_at_once_on_the_same_inputs_the_late_one_has_nothing_to_do_again() {
    let bench = Bench::new();
    bench.shard(&[&bench.file("a.jsonl", &corpus(5))]).unwrap();
    let objects = bench.objects();
    let renamed = bench.file("b.jsonl", &corpus(5));
    let error = shard_meanwhile(&bench, &renamed).expect_err("too late");
    assert!(matches!(error, ShardError::Overtaken { .. }), "{error}");
    assert!(bench.shard(&[&renamed]).unwrap().already_done);
    assert_eq!(bench.objects(), objects);
}

#[test]
fn a_corpus_whose_shards_were_overwritten_before_its_manifest_is_not_called_done() {
    let bench = Bench::new();
    let manifest = bench.shard(&[&bench.file("a.jsonl", &corpus(5))]).unwrap().manifest;
    runtime().block_on(async {
        bench.store.delete(&layout::generation(1)).await.unwrap();
        bench.store.put(&layout::raw_shard(0), "another's").await.unwrap();
        let error = settle::create(&bench.store, manifest).await.expect_err("overwritten");
        assert!(matches!(error, ShardError::Disturbed { .. }) && error.exit() == Exit::Retry, "{error}");
    });
}

#[test]
fn a_raw_shard_that_was_lost_is_made_again() {
    let mut bench = Bench::new();
    bench.settings.rows_per_shard = 10;
    let input = bench.file("a.jsonl", &corpus(25));
    bench.shard(&[&input]).unwrap();
    let objects = bench.objects();
    runtime().block_on(bench.store.delete(&layout::raw_shard(1))).unwrap();
    assert!(!bench.shard(&[&input]).unwrap().already_done);
    assert_eq!(bench.objects(), objects);
}

#[test]
fn a_shard_of_large_documents_is_cut_into_row_groups() {
    let bench = Bench::new();
    let large = |id: usize| format!("{{\"id\":\"{id}\",\"title\":\"{}\"}}\n", "word ".repeat(1 << 20));
    let outcome = bench.shard(&[&bench.file("a.jsonl", (0..9).map(large).collect::<String>().as_bytes())]).unwrap();
    assert_eq!((outcome.manifest.shards.len(), outcome.manifest.rows), (1, 9));
    assert_eq!(bench.documents()[0].title(8).len(), (5 << 20) - 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn counts_add_up_and_compression_changes_nothing(
        kinds in prop::collection::vec(0u8..7, 1..60),
        rows_per_shard in 1usize..20,
    ) {
        let mut text = line(999);
        for (id, kind) in kinds.iter().enumerate() {
            text.push_str(&match kind {
                0 | 1 => line(id),
                2 => "\n".to_owned(),
                3 => "{\n".to_owned(),
                4 => line(id % 5),
                5 => format!("{{\"id\":{id}}}\r\n"),
                _ => format!("{{\"id\":\"{id}\",\"title\":\"{}\"}}\n", "long ".repeat(40_000)),
            });
        }
        let mut objects = Vec::new();
        for compress in [false, true] {
            let mut bench = Bench::new();
            bench.settings.rows_per_shard = rows_per_shard;
            let bytes = if compress { gzip(text.as_bytes()) } else { text.clone().into_bytes() };
            let input = bench.file("a.jsonl", &bytes);
            let manifest = bench.shard(&[&input]).unwrap().manifest;
            prop_assert_eq!(manifest.lines(), text.lines().count() as u64);
            prop_assert_eq!(manifest.lines(), manifest.rows + manifest.rejected + blank(&manifest));
            prop_assert_eq!(bench.rejections().len() as u64, manifest.rejected);
            prop_assert_eq!(bench.documents().iter().map(Documents::len).sum::<usize>() as u64, manifest.rows);
            objects.push(bench.objects().into_iter().filter(|(key, _)| Path::new(key).extension() != Some("json".as_ref())).collect::<Vec<_>>());
        }
        prop_assert_eq!(&objects[0], &objects[1]);
    }
}
