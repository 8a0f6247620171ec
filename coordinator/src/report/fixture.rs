//! Reports of invented runs, for the tests of this folder.

use chrono::{DateTime, NaiveDate, Utc};
use strata_shared::findings::{
    Change, ChangeKind, Findings, LonelyDocument, LonelyList, Status, TimelineEntry, Topic, compare_lonely,
    compare_topics,
};
use strata_shared::layout::FORMAT;
use strata_shared::manifest::{InputEntry, Manifest, ShardEntry};
use strata_shared::run_record::{ClustersRecord, IndexRecord, LonelyRecord, OutputEntry, PeriodsRecord, RunRecord};
use strata_shared::settings::{ReduceSettings, ShardSettings};

use super::Report;
use super::changes::{Changes, Step};

/// Texts that would do harm if they were obeyed.
pub(super) const HOSTILE: [&str; 8] = [
    "<script>window.__pwned = 1</script><img src=x onerror=\"window.__pwned = 2\">",
    "\u{1b}[2J\u{1b}]0;owned\u{7} escapes \u{9b}31m and NUL \0 and a\r\nnew line",
    "An override \u{202e}txt.exe and an isolate \u{2067}never closed",
    "Zero\u{200b}width\u{feff} joiners\u{200d} and a soft\u{ad}hyphen",
    "\"><svg onload='window.__pwned = 3'> & quotes ' \" ` = {{css}} </title></style>",
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaftsvorstandsvorsitzendenstellvertreterinnenbüro",
    "ניווט רובוטים עם SLAM ומצלמה אחת",
    "تخطيط الحركة للروبوتات (RRT*) في بيئة ديناميكية",
];

const NAMES: [(&str, Shape); 40] = [
    ("petri nets for manufacturing", Shape::Dying),
    ("visual servoing", Shape::Fading),
    ("gaze and head-eye control of humanoids", Shape::Fading),
    ("flexible joint manipulators", Shape::Fading),
    ("stereo camera calibration", Shape::Fading),
    ("parallel mechanisms", Shape::Fading),
    ("particle filter SLAM", Shape::Hump),
    ("haptic interfaces", Shape::Fading),
    ("deep reinforcement learning", Shape::Newborn),
    ("learned grasping", Shape::Growing),
    ("LiDAR odometry", Shape::Growing),
    ("autonomous driving", Shape::Growing),
    ("language-conditioned manipulation", Shape::Newborn),
    ("soft robots", Shape::Growing),
    ("quadrotor trajectory optimisation", Shape::Growing),
    ("motion planning", Shape::Level),
    ("legged locomotion", Shape::Level),
    ("multi-robot coverage", Shape::Level),
    ("surgical robots", Shape::Level),
    ("underwater vehicles", Shape::Level),
    ("exoskeletons", Shape::Level),
    ("human-robot interaction", Shape::Level),
    ("tactile sensing", Shape::Level),
    ("force control", Shape::Level),
    ("humanoid walking", Shape::Hump),
    ("mobile robot localisation", Shape::Level),
    ("object recognition", Shape::Level),
    ("micro-manipulation", Shape::Fading),
    ("redundant manipulators", Shape::Level),
    ("robot teams and task allocation", Shape::Level),
    ("snake robots", Shape::Level),
    ("cable-driven robots", Shape::Level),
    ("telepresence", Shape::Level),
    ("collision detection", Shape::Level),
    ("agricultural robots", Shape::Growing),
    ("space robots", Shape::Level),
    ("speech and sound source localisation", Shape::Hump),
    ("robot programming by demonstration", Shape::Level),
    ("path following of car-like robots", Shape::Fading),
    ("place recognition", Shape::Growing),
];

#[derive(Clone, Copy)]
enum Shape {
    Dying,
    Fading,
    Hump,
    Level,
    Growing,
    Newborn,
}

impl Shape {
    /// The topic's weight at `time`, from 0 (the first period) to 1 (the last).
    fn weight(self, time: f64) -> f64 {
        match self {
            Self::Dying => (-9.0 * time).exp() * 2.0,
            Self::Fading => 1.6 * (-2.6 * time).exp(),
            Self::Hump => 0.2 + 1.8 * (-((time - 0.35) / 0.15).powi(2)).exp(),
            Self::Level => 1.0,
            Self::Growing => 0.15 + 1.8 * time.powi(3),
            Self::Newborn => 3.0 * ((time - 0.6).max(0.0) / 0.4).powf(1.5),
        }
    }
}

/// The periods that end before this one are complete.
const FIRST_INCOMPLETE: i32 = 2024;

/// A number from 0 to 1 that the arguments decide.
fn noise(topic: usize, period: usize) -> f64 {
    let mixed = (topic as u64 * 7919 + period as u64 * 104_729 + 17).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 40) as f64 / f64::from(1 << 24)
}

/// Documents of each topic in each of 25 years; 2016 is thin and 2024 has only begun.
fn counts(num_topics: usize) -> Vec<Vec<i64>> {
    let total = |period: usize| match period {
        16 => 500.0,
        24 => 180.0,
        _ => 600.0 + 60.0 * period as f64,
    };
    let count = |topic: usize, period: usize| {
        let size = 0.4 + 1.4 * noise(topic, 99);
        let weight = size * NAMES[topic % NAMES.len()].1.weight(period as f64 / 23.0);
        (weight * (0.75 + 0.5 * noise(topic, period)) * total(period) / num_topics as f64).round() as i64
    };
    (0..num_topics).map(|topic| (0..25).map(|period| count(topic, period)).collect()).collect()
}

fn timeline(counts: &[Vec<i64>]) -> Vec<TimelineEntry> {
    let totals: Vec<i64> = (0..25).map(|period| counts.iter().map(|of| of[period]).sum()).collect();
    let entry = |label: usize, period: usize| TimelineEntry {
        label: label as i32,
        period: NaiveDate::from_ymd_opt(2000 + period as i32, 1, 1).unwrap(),
        count: counts[label][period],
        total: totals[period],
        share: counts[label][period] as f64 / totals[period].max(1) as f64,
        complete: 2000 + (period as i32) < FIRST_INCOMPLETE,
    };
    (0..counts.len()).flat_map(|label| (0..25).map(move |period| (label, period))).map(|(l, p)| entry(l, p)).collect()
}

fn topic(label: usize, timeline: &[TimelineEntry]) -> Topic {
    let own = &timeline[label * 25..(label + 1) * 25];
    let share = |from: usize| {
        let window = &own[from..from + 3];
        window.iter().map(|e| e.count).sum::<i64>() as f64 / window.iter().map(|e| e.total).sum::<i64>().max(1) as f64
    };
    let peak = (0..22).max_by(|&a, &b| share(a).total_cmp(&share(b))).unwrap();
    let (recent, highest) = (share(21), share(peak));
    let fade = if highest > 0.0 { recent / highest } else { 1.0 };
    let early = share(0).max(share(5));
    let name = NAMES[label % NAMES.len()].0;
    let status = match fade {
        fade if fade <= 0.05 => Status::Extinct,
        fade if fade <= 0.5 => Status::Fading,
        _ if early <= 0.1 * recent => Status::Emerging,
        _ if early * 1.5 <= recent => Status::Rising,
        _ => Status::Steady,
    };
    Topic {
        label: label as i32,
        name: if label < NAMES.len() { name.into() } else { format!("{name} {}", label / NAMES.len() + 1) },
        terms: name.split(' ').map(str::to_owned).chain(["robot".into(), "control system".into()]).collect(),
        size: own.iter().map(|entry| entry.count).sum::<i64>() + 1,
        first: own.iter().find(|entry| entry.count > 0).map(|entry| entry.period),
        last: own.iter().rfind(|entry| entry.count > 0).map(|entry| entry.period),
        peak_period: Some(format!("{}..{}", 2000 + peak, 2002 + peak)),
        peak_share: Some(highest),
        recent_share: Some(recent),
        fade: Some(fade),
        fade_low: Some(fade * 0.62),
        fade_high: Some((fade * 1.5 + 0.01).min(1.0)),
        status,
        top_categories: vec!["cs.RO".into(), "icra".into()],
        representative_ids: vec![format!("paper/{label}-1"), format!("paper/{label}-2")],
        fading_rank: None,
        emerging_rank: None,
        topic_id: label as i64,
        strength: None,
    }
}

fn topics(num_topics: usize, timeline: &[TimelineEntry]) -> Vec<Topic> {
    let mut topics: Vec<Topic> = (0..num_topics).map(|label| topic(label, timeline)).collect();
    let order = |statuses: [Status; 2]| {
        let mut called: Vec<usize> = (0..topics.len()).filter(|&at| statuses.contains(&topics[at].status)).collect();
        called.sort_by(|&a, &b| topics[a].fade_high.unwrap().total_cmp(&topics[b].fade_high.unwrap()));
        called
    };
    let (fading, emerging) = (order([Status::Extinct, Status::Fading]), order([Status::Emerging, Status::Rising]));
    let emerging = emerging.into_iter().rev();
    fading.into_iter().zip(1..).for_each(|(at, rank)| topics[at].fading_rank = Some(rank));
    emerging.zip(1..).for_each(|(at, rank)| topics[at].emerging_rank = Some(rank));
    topics
}

fn lonely(titles: &[&str]) -> Vec<LonelyDocument> {
    let entry = |(at, title): (usize, &&str)| LonelyDocument {
        rank: at as i32 + 1,
        id: format!("conf/icra/{:04}", 1234 + 777 * at % 8000),
        title: (*title).into(),
        created: "2006-10-28T00:00:00Z".parse::<DateTime<Utc>>().ok().filter(|_| at != 3),
        categories: "cs.RO iros".into(),
        label: (at % 7) as i32,
        similarity: 0.296 + 0.004 * at as f32,
        nearest_id: Some(format!("conf/iros/{}", 17 * at)),
        nearest_title: Some(titles[(at + 3) % titles.len()].into()),
        nearest_similarity: Some(0.402 + 0.003 * at as f32),
    };
    titles.iter().enumerate().map(entry).collect()
}

const LONERS: [&str; 12] = [
    "Improvement of product sustainability",
    "A history of the patent office and its machines",
    "Proceedings of the 2006 IEEE/RSJ International Conference: welcome message from the general chair",
    "Sheep shearing by a hydraulic arm that follows the skin",
    "Chess openings learnt from a mechanical opponent",
    "Bread dough: rheology and an automatic kneading bench",
    "On the acoustics of empty factory halls",
    "A robot reads newspapers to its owner, and what they talk about afterwards over breakfast, lunch and dinner in a care home",
    "Determining the age of oysters",
    "Paper folding with two fingers and a table edge",
    "Cloud seeding",
    "Restoration of a mechanical astronomical clock",
];

fn record(num_topics: usize, rows: u64) -> RunRecord {
    RunRecord {
        format: FORMAT,
        run: "run-3f9a5c0d1e2b".into(),
        vectors_of: "all-MiniLM-L6-v2-0123456789ab".into(),
        generation: 1,
        manifest_sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into(),
        parameters: ReduceSettings { lonely_min_words: 20, clusters: Some(num_topics), ..ReduceSettings::default() },
        predecessor: None,
        rows,
        dim: 384,
        inertia: 16_672.318_4,
        clusters: ClustersRecord { requested: num_topics, found: num_topics, sample_rows: 16_384 },
        next_topic_id: Some(num_topics as i64),
        index: IndexRecord { factory: "IVF512,Flat".into(), nprobe: Some(16), recall_at_10: Some(0.953) },
        lonely: LonelyRecord { k: 5, listed: 12, cutoff: Some(0.344), too_short: 318 },
        periods: PeriodsRecord {
            undated: 12,
            recent: Some("2021..2023".into()),
            incomplete: vec!["2024".into()],
            thin: vec!["2016".into()],
        },
        notes: vec!["2 clusters share one name; the larger one keeps it".into()],
        outputs: vec![OutputEntry {
            key: "runs/run-3f9a5c0d1e2b/topics.parquet".into(),
            bytes: 48_213,
            sha256: "ab".repeat(32),
        }],
    }
}

fn manifest(rows: u64, rejected: u64) -> Manifest {
    let input = |name: &str, lines, blank| InputEntry { name: name.into(), lines, blank, sha256: "cd".repeat(32) };
    let shard = ShardEntry {
        key: "raw/shard_00000.parquet".into(),
        rows,
        superseded: 0,
        bytes: 1 << 20,
        sha256: "ef".repeat(32),
    };
    let inputs = vec![input("robotics.jsonl.gz", rows + rejected + 3, 3)];
    Manifest::first(vec![shard], inputs, (rejected, 12), ShardSettings::default())
}

/// A run of `num_topics` topics over a corpus like one of robotics papers.
pub(super) fn with_topics(num_topics: usize) -> Report {
    let timeline = timeline(&counts(num_topics));
    let topics = topics(num_topics, &timeline);
    let title = |topic: &Topic, nth: usize| {
        (topic.representative_ids[nth].clone(), format!("{} in unknown environments, part {nth}", topic.name))
    };
    let titles = topics.iter().flat_map(|topic| [title(topic, 0), title(topic, 1)]).collect();
    let record = record(num_topics, 35_709);
    let rejections = [("not a JSON object", 6), ("id was seen before", 3), ("id is empty", 2)];
    Report {
        findings: Findings { record, topics, timeline, lonely: lonely(&LONERS) },
        manifest: manifest(35_709, 11),
        rejections: Some(rejections.map(|(reason, count)| (reason.to_owned(), count)).to_vec()),
        changes: None,
        titles,
    }
}

/// The usual run, of 40 topics.
pub(crate) fn report() -> Report {
    with_topics(40)
}

/// A run whose every text would do harm if it were obeyed.
pub(super) fn hostile() -> Report {
    let mut report = with_topics(60);
    report.findings.lonely = lonely(&HOSTILE);
    for (topic, text) in report.findings.topics.iter_mut().zip(HOSTILE.iter().cycle()) {
        topic.name = (*text).into();
        topic.terms = vec![(*text).into(), "\u{2066}term".into()];
        topic.top_categories = vec![(*text).into()];
    }
    for (document, text) in report.findings.lonely.iter_mut().zip(HOSTILE.iter().cycle().skip(1)) {
        document.id = (*text).into();
        document.categories = (*text).into();
        document.nearest_id = Some((*text).into());
    }
    report.titles.values_mut().zip(HOSTILE.iter().cycle()).for_each(|(title, text)| *title = (*text).into());
    report.rejections = Some(HOSTILE.iter().zip(1..).map(|(text, count)| ((*text).to_owned(), count)).collect());
    report.findings.record.notes = HOSTILE.map(str::to_owned).to_vec();
    report.findings.record.index.factory = HOSTILE[0].into();
    report.manifest.inputs[0].name = HOSTILE[4].into();
    report
}

/// A run without a date: no figures, no history.
pub(super) fn undated() -> Report {
    let mut report = with_topics(5);
    report.findings.timeline.clear();
    for topic in &mut report.findings.topics {
        (topic.first, topic.last, topic.peak_period) = (None, None, None);
        (topic.peak_share, topic.recent_share) = (None, None);
        (topic.fade, topic.fade_low, topic.fade_high) = (None, None, None);
        (topic.fading_rank, topic.emerging_rank, topic.status) = (None, None, Status::Undated);
    }
    report.findings.record.periods =
        PeriodsRecord { undated: 35_709, recent: None, incomplete: Vec::new(), thin: Vec::new() };
    report
}

/// One document, one topic, nothing lonely, nothing refused, no titles.
pub(super) fn tiny() -> Report {
    let mut report = with_topics(1);
    report.findings.lonely.clear();
    report.findings.record.lonely = LonelyRecord { k: 0, listed: 0, cutoff: None, too_short: 0 };
    report.findings.record.notes.clear();
    report.findings.topics[0].fading_rank = None;
    report.findings.topics[0].emerging_rank = None;
    report.findings.record.rows = 1;
    report.manifest = manifest(1, 0);
    report.rejections = None;
    report.titles.clear();
    report
}

/// A topic of which hardly more is known than its id.
pub(super) fn topic_of(id: i64) -> Topic {
    let mut topic = report().findings.topics.swap_remove(0);
    (topic.topic_id, topic.name) = (id, format!("topic {id}"));
    topic
}

/// The usual run after two others: a topic was born, one merged, calls changed, loners came and left.
pub(super) fn changes() -> Changes {
    let now = report().findings;
    let former = former(&now);
    let lists = [&former, &now].map(|findings| LonelyList {
        entries: &findings.lonely,
        cutoff: findings.record.lonely.cutoff,
        k: findings.record.lonely.k,
    });
    let known = |id: &str| former.lonely.iter().any(|entry| entry.id == id);
    let mut changes = vec![
        Change { documents: Some(1_250), ..Change::new(ChangeKind::DocumentsIn) },
        Change { documents: Some(7), ..Change::new(ChangeKind::DocumentsOut) },
        event(ChangeKind::Born, 39, &now.topics[39].name),
        Change {
            other_topic_id: Some(3),
            other_name: Some(now.topics[3].name.clone()),
            share: Some(0.75),
            ..event(ChangeKind::Merged, 99, "topic 99")
        },
    ];
    changes.extend(compare_topics(&former.topics, &now.topics, true));
    changes.extend(compare_lonely(lists[0], lists[1], known, |_| true));
    let step = |run: &str, topics: &[Topic], changes: Vec<Change>| Step {
        run: run.into(),
        generation: 1,
        rows: 34_466,
        topics: topics.to_vec(),
        changes,
        is_fresh: false,
    };
    let steps = vec![
        step("run-a", &former.topics, Vec::new()),
        step("run-b", &former.topics, Vec::new()),
        step(&now.record.run, &now.topics, changes.clone()),
    ];
    Changes { since: "run-b".into(), changes, corrected: Some(7), since_place: 1, steps, same_periods: true }
}

fn event(kind: ChangeKind, topic_id: i64, name: &str) -> Change {
    Change { topic_id: Some(topic_id), name: Some(name.into()), documents: Some(40), ..Change::new(kind) }
}

/// What the run before the usual one found.
fn former(now: &Findings) -> Findings {
    let mut former = now.clone();
    former.topics[39] = topic_of(99);
    let calls = former.topics.iter_mut().filter(|topic| matches!(topic.status, Status::Fading | Status::Emerging));
    for topic in calls.take(4) {
        topic.status = Status::Steady;
        (topic.fade, topic.fade_low, topic.fade_high) = (Some(0.9), Some(0.6), Some(1.0));
    }
    former.lonely[0].id = "conf/company".into();
    former.lonely[1].id = "conf/other".into();
    former
}

/// The same with texts that would do harm if they were obeyed.
pub(super) fn hostile_changes() -> Changes {
    let mut changes = changes();
    let texts = changes
        .changes
        .iter_mut()
        .flat_map(|change| [&mut change.name, &mut change.other_name, &mut change.title, &mut change.document_id]);
    let texts = texts.filter(|text| text.is_some());
    texts.zip(HOSTILE.iter().cycle()).for_each(|(text, hostile)| *text = Some((*hostile).to_owned()));
    changes
}
