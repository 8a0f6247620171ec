//! A store with a finished run whose every text would do harm if it were obeyed.

use chrono::{DateTime, NaiveDate, Utc};
use strata_shared::digest::sha256_hex;
use strata_shared::documents::{Document, Documents};
use strata_shared::findings::{
    LonelyDocument, Status, TimelineEntry, Topic, encode_lonely, encode_timeline, encode_topics,
};
use strata_shared::layout::{self, FORMAT, ModelName, RunName, in_run, run_file};
use strata_shared::manifest::{InputEntry, Manifest, Rejection, ShardEntry};
use strata_shared::run_record::{ClustersRecord, IndexRecord, Latest, LonelyRecord, PeriodsRecord, RunRecord};
use strata_shared::settings::{ReduceSettings, ShardSettings};
use strata_shared::store::Store;
use strata_shared::vectors::{self, Vectors};

/// The names of the topics, and the titles of the documents.
pub(crate) const NAMES: [&str; 9] = [
    "<script>window.__pwned = 1</script><img src=x onerror=\"window.__pwned = 2\">",
    "\u{1b}[2J\u{1b}]0;owned\u{7} escapes \u{9b}31m and NUL \0 and a\r\nnew line",
    "An override \u{202e}txt.exe and an isolate \u{2067}never closed",
    "\"'><svg onload='window.__pwned = 3'> & {{style}} </title></style></table>",
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaftsvorstandsvorsitzendenstellvertreterinnenbüro",
    "ניווט רובוטים עם SLAM ומצלמה אחת",
    "visual servoing",
    "petri nets for manufacturing",
    "deep reinforcement learning",
];

/// Years of history.
const YEARS: i64 = 12;

/// Documents of a topic in a year: some topics die, some are born.
fn count(label: i64, year: i64) -> i64 {
    match label % 3 {
        0 => 40 - 3 * year + label,
        1 => 2 + year * (label + 1),
        _ => 20 + label,
    }
}

fn timeline() -> Vec<TimelineEntry> {
    let labels = 0..NAMES.len() as i64;
    let total = |year| labels.clone().map(|label| count(label, year)).sum::<i64>();
    let entry = |label: i64, year: i64| TimelineEntry {
        label: label as i32,
        period: NaiveDate::from_ymd_opt(2012 + year as i32, 1, 1).unwrap_or_default(),
        count: count(label, year),
        total: total(year),
        share: count(label, year) as f64 / total(year) as f64,
        complete: year + 1 < YEARS,
    };
    labels.clone().flat_map(|label| (0..YEARS).map(move |year| (label, year))).map(|(l, y)| entry(l, y)).collect()
}

fn topic((label, name): (usize, &&str)) -> Topic {
    let fade = [0.04, 0.97, 0.7][label % 3] + label as f64 / 300.0;
    let status = [Status::Extinct, Status::Emerging, Status::Steady][label % 3];
    Topic {
        label: label as i32,
        name: (*name).into(),
        terms: vec![(*name).into(), "term".into()],
        size: (0..YEARS).map(|year| count(label as i64, year)).sum(),
        first: NaiveDate::from_ymd_opt(2012, 3, 1),
        last: NaiveDate::from_ymd_opt(2023, 3, 1),
        peak_period: Some("2012..2014".into()),
        peak_share: Some(0.1),
        recent_share: Some(0.1 * fade),
        fade: Some(fade),
        fade_low: Some(fade * 0.8),
        fade_high: Some((fade * 1.2).min(1.0)),
        status,
        top_categories: vec![(*name).into()],
        representative_ids: vec![format!("id {label}")],
        fading_rank: (status == Status::Extinct).then_some(label as i32 / 3 + 1),
        emerging_rank: (status == Status::Emerging).then_some(label as i32 / 3 + 1),
        topic_id: label as i64,
        strength: None,
    }
}

fn lonely((at, title): (usize, &&str)) -> LonelyDocument {
    LonelyDocument {
        rank: at as i32 + 1,
        id: format!("{title} {at}"),
        title: (*title).into(),
        created: DateTime::<Utc>::from_timestamp(1_600_000_000, 0),
        categories: (*title).into(),
        label: at as i32,
        similarity: 0.3 + at as f32 / 100.0,
        nearest_id: Some((*title).into()),
        nearest_title: Some(NAMES[(at + 1) % NAMES.len()].into()),
        nearest_similarity: Some(0.4),
    }
}

fn manifest(raw: &[u8]) -> Manifest {
    let (rows, rejected) = (NAMES.len() as u64, 2);
    let (key, bytes) = (layout::raw_shard(0).to_string(), raw.len() as u64);
    let shard = ShardEntry { key, rows, superseded: 0, bytes, sha256: sha256_hex(raw) };
    let input =
        InputEntry { name: format!("{}.jsonl", NAMES[0]), lines: rows + rejected, blank: 0, sha256: sha256_hex(b"") };
    Manifest::first(vec![shard], vec![input], (rejected, 1), ShardSettings::default())
}

fn record(run: &RunName, manifest: &[u8]) -> RunRecord {
    let thin = vec!["2017".into()];
    RunRecord {
        format: FORMAT,
        run: run.to_string(),
        vectors_of: "a-model".into(),
        generation: 1,
        manifest_sha256: sha256_hex(manifest),
        parameters: ReduceSettings::default(),
        predecessor: None,
        rows: NAMES.len() as u64,
        dim: 8,
        inertia: 1.5,
        clusters: ClustersRecord { requested: NAMES.len(), found: NAMES.len(), sample_rows: NAMES.len() },
        next_topic_id: Some(NAMES.len() as i64),
        index: IndexRecord { factory: NAMES[3].into(), nprobe: None, recall_at_10: None },
        lonely: LonelyRecord { k: 5, listed: NAMES.len(), cutoff: Some(0.4), too_short: 0 },
        periods: PeriodsRecord { undated: 1, recent: Some("2020..2022".into()), incomplete: vec!["2023".into()], thin },
        notes: NAMES.map(str::to_owned).to_vec(),
        outputs: Vec::new(),
    }
}

fn refused_lines() -> anyhow::Result<String> {
    let rejection = |(line, reason): (usize, &&str)| {
        let text = NAMES[0].to_owned();
        let rejection =
            Rejection { input: NAMES[2].into(), line: line as u64 + 1, reason: (*reason).into(), id: None, text };
        Ok(serde_json::to_string(&rejection)? + "\n")
    };
    NAMES.iter().take(2).enumerate().map(rejection).collect()
}

/// Writes everything that `strata report` reads into the store at `url`.
///
/// # Errors
/// The store's own.
pub(crate) async fn write(url: &str) -> anyhow::Result<()> {
    let (store, run) = (Store::open_or_create(url)?, RunName::new("hostile")?);
    let documents: Vec<Document> = NAMES
        .iter()
        .enumerate()
        .map(|(at, title)| Document { id: format!("id {at}"), title: (*title).into(), ..Document::default() })
        .collect();
    let raw = Documents::from_rows(&documents).encode()?;
    let manifest = manifest(&raw).encode();
    let topics: Vec<Topic> = NAMES.iter().enumerate().map(topic).collect();
    let lonely: Vec<LonelyDocument> = NAMES.iter().enumerate().map(lonely).collect();
    let (model, vector) = (ModelName::new("a-model")?, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    let vectors = Vectors::new(vector.len(), vector.repeat(documents.len()));
    let shard = vectors::encode(&Documents::from_rows(&documents), &vectors, &model, &sha256_hex(&raw))?;
    store.put(&layout::vector_shard(&model, 0), shard).await?;
    store.put(&layout::raw_shard(0), raw).await?;
    store.put(&layout::rejected(), refused_lines()?.into_bytes()).await?;
    store.put(&in_run(&run, run_file::TOPICS), encode_topics(&topics)?).await?;
    store.put(&in_run(&run, run_file::TIMELINE), encode_timeline(&timeline())?).await?;
    store.put(&in_run(&run, run_file::LONELY), encode_lonely(&lonely)?).await?;
    store.put(&in_run(&run, run_file::RECORD), record(&run, &manifest).encode()).await?;
    store.put(&layout::manifest(), manifest).await?;
    Latest::write(&store, &run).await?;
    Ok(())
}
