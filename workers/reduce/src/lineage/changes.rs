//! A run and the one that it follows → `changes.parquet`.

use object_store::path::Path;
use strata_shared::exit::Failure;
use strata_shared::findings::{
    Change, ChangeKind, LonelyDocument, LonelyList, Topic, compare_lonely, compare_topics, encode_changes, listed_only,
    read_lonely, read_topics,
};
use strata_shared::labels;
use strata_shared::layout::{self, RunName, run_file};
use strata_shared::run_record::LonelyRecord;
use strata_shared::settings::ReduceSettings;
use strata_shared::store::Store;

use super::following::{Following, Traced};
use super::identity::{Event, EventKind};

/// Compares the tables of `run`, which stand in the store but for its record, with those of the run that it follows.
///
/// # Errors
/// A table that cannot be read or encoded.
pub async fn encode(
    store: &Store,
    run: &RunName,
    following: &Following,
    (traced, labels): (&Traced, &[Path]),
    (settings, lonely): (&ReduceSettings, &LonelyRecord),
) -> Result<Vec<u8>, Failure> {
    let topics = read_topics(store, &layout::in_run(run, run_file::TOPICS)).await?;
    let mut changes = vec![documents(ChangeKind::DocumentsIn, traced.documents_in)];
    changes.push(documents(ChangeKind::DocumentsOut, traced.documents_out));
    let mut events: Vec<Change> =
        traced.lineage.events.iter().map(|event| told(event, &following.topics, &topics)).collect();
    events.sort_by_key(|change| (change.kind, change.topic_id));
    changes.extend(events);
    let same_periods = settings.has_periods_of(&following.record.parameters);
    changes.extend(compare_topics(&following.topics, &topics, same_periods));
    changes.extend(loners(store, run, following, labels, lonely).await?);
    Ok(encode_changes(&changes)?)
}

fn documents(kind: ChangeKind, documents: u64) -> Change {
    Change { documents: Some(documents as i64), ..Change::new(kind) }
}

/// Puts names to an event.
fn told(event: &Event, former: &[Topic], now: &[Topic]) -> Change {
    let kind = match event.kind {
        EventKind::Born => ChangeKind::Born,
        EventKind::Split => ChangeKind::Split,
        EventKind::Merged => ChangeKind::Merged,
        EventKind::Died => ChangeKind::Died,
    };
    // A topic that is still there goes by the name that it has now.
    let find = |id: i64| now.iter().chain(former).find(|topic| topic.topic_id == id);
    let (topic, other) = (find(event.topic_id), event.other.and_then(find));
    Change {
        topic_id: Some(event.topic_id),
        name: topic.map(|topic| topic.name.clone()),
        other_topic_id: event.other,
        other_name: other.map(|topic| topic.name.clone()),
        documents: Some(event.documents as i64),
        share: event.share,
        ..Change::new(kind)
    }
}

async fn loners(
    store: &Store,
    run: &RunName,
    following: &Following,
    own_labels: &[Path],
    lonely: &LonelyRecord,
) -> Result<Vec<Change>, Failure> {
    let former_run = RunName::new(&following.record.run)?;
    let before = read_lonely(store, &layout::in_run(&former_run, run_file::LONELY)).await?;
    let now = read_lonely(store, &layout::in_run(run, run_file::LONELY)).await?;
    let former_labels: Vec<Path> = following.record.labels().collect();
    let was_there = labels::present(store, former_labels, &listed_only(&now, &before)).await?;
    let is_there = labels::present(store, own_labels.to_vec(), &listed_only(&before, &now)).await?;
    let list = |entries, record: &LonelyRecord| (entries, record.cutoff, record.k);
    let [former, now] = [list(&before, &following.record.lonely), list(&now, lonely)]
        .map(|(entries, cutoff, k): (&Vec<LonelyDocument>, _, _)| LonelyList { entries, cutoff, k });
    Ok(compare_lonely(former, now, |id| was_there.contains(id), |id| is_there.contains(id)))
}
