//! The findings of two runs whose topics have common ids → what changed between them.
//!
//! Invariant: a run compared with itself gives nothing. What came and went of topics is told by whoever matched them; what is
//! compared here are topics that both runs have, and the lists of the lonely.

use std::collections::{BTreeMap, BTreeSet};

use super::{Change, ChangeKind, LonelyDocument, Status, Topic};

/// Returns the topics whose status or name is another, in the order of their ids; names alone where the statuses are not of the
/// same periods.
#[must_use]
pub fn compare_topics(former: &[Topic], now: &[Topic], same_periods: bool) -> Vec<Change> {
    let former: BTreeMap<i64, &Topic> = former.iter().map(|topic| (topic.topic_id, topic)).collect();
    let mut now: Vec<&Topic> = now.iter().collect();
    now.sort_by_key(|topic| topic.topic_id);
    let pairs = now.into_iter().filter_map(|topic| Some((*former.get(&topic.topic_id)?, topic)));
    let mut changes: Vec<Change> = pairs.flat_map(|(former, now)| compare_topic(former, now)).collect();
    changes.retain(|change| same_periods || change.kind == ChangeKind::Renamed);
    changes.sort_by_key(|change| change.kind);
    changes
}

fn compare_topic(former: &Topic, now: &Topic) -> Vec<Change> {
    let renamed = (former.name != now.name)
        .then(|| Change { other_name: Some(former.name.clone()), ..about(ChangeKind::Renamed, former, now) });
    let kinds = status_changes(former.status, now.status).into_iter();
    renamed.into_iter().chain(kinds.map(|kind| about(kind, former, now))).collect()
}

/// Names what a change of status means; a topic can leave one list and enter another.
fn status_changes(former: Status, now: Status) -> Vec<ChangeKind> {
    [
        (ChangeKind::NowExtinct, now == Status::Extinct && former != Status::Extinct),
        (ChangeKind::NowFading, now == Status::Fading && former != Status::Fading),
        (ChangeKind::NoLongerFading, former.is_decline() && !now.is_decline()),
        (ChangeKind::NowEmerging, now.is_growth() && !former.is_growth()),
        (ChangeKind::NoLongerEmerging, former.is_growth() && !now.is_growth()),
    ]
    .into_iter()
    .filter_map(|(kind, holds)| holds.then_some(kind))
    .collect()
}

fn about(kind: ChangeKind, former: &Topic, now: &Topic) -> Change {
    Change {
        topic_id: Some(now.topic_id),
        name: Some(now.name.clone()),
        documents: Some(now.size),
        status: Some(now.status),
        former_status: Some(former.status),
        fade: now.fade,
        fade_low: now.fade_low,
        fade_high: now.fade_high,
        former_fade: former.fade,
        former_fade_low: former.fade_low,
        former_fade_high: former.fade_high,
        ..Change::new(kind)
    }
}

/// The loneliest documents of one run.
#[derive(Debug, Clone, Copy)]
pub struct LonelyList<'a> {
    /// The entries, the loneliest first.
    pub entries: &'a [LonelyDocument],
    /// No document that is not listed has a lower similarity than this.
    pub cutoff: Option<f64>,
    /// The neighbour that decides.
    pub k: usize,
}

/// Returns the documents that have become lonely and those that no longer are; nothing where the lists measure different
/// things.
///
/// A list has a length, so that a document can come to it or leave it because of others: told is only what is sure. A new one is a
/// document that `was_there` does not hold of, or one that is lonelier than everyone who was not on the former list. One
/// that found company is still there by `is_there`, and was lonelier than everyone is who is not on the list now.
#[must_use]
pub fn compare_lonely(
    former: LonelyList<'_>,
    now: LonelyList<'_>,
    was_there: impl Fn(&str) -> bool,
    is_there: impl Fn(&str) -> bool,
) -> Vec<Change> {
    if former.k != now.k {
        return Vec::new();
    }
    let ids = |list: LonelyList<'_>| list.entries.iter().map(|entry| entry.id.clone()).collect::<BTreeSet<_>>();
    let (listed_before, listed) = (ids(former), ids(now));
    let is_below =
        |entry: &&LonelyDocument, cutoff: Option<f64>| cutoff.is_some_and(|cutoff| entry.similarity < cutoff as f32);
    let new = now.entries.iter().filter(|entry| !listed_before.contains(&entry.id));
    let new = new.filter(|entry| !was_there(&entry.id) || is_below(entry, former.cutoff));
    let gone = former.entries.iter().filter(|entry| !listed.contains(&entry.id));
    let gone = gone.filter(|entry| is_there(&entry.id) && is_below(entry, now.cutoff));
    let new =
        new.map(|entry| Change { similarity: Some(entry.similarity), ..about_document(ChangeKind::NewLoner, entry) });
    let gone = gone.map(|entry| Change {
        similarity: now.cutoff.map(|cutoff| cutoff as f32),
        former_similarity: Some(entry.similarity),
        ..about_document(ChangeKind::FoundCompany, entry)
    });
    new.chain(gone).collect()
}

/// Returns the ids of the documents that are on one list and not on the other: whether the other's run has them decides.
#[must_use]
pub fn listed_only(list: &[LonelyDocument], other: &[LonelyDocument]) -> BTreeSet<String> {
    let listed: BTreeSet<&str> = other.iter().map(|entry| entry.id.as_str()).collect();
    list.iter().map(|entry| entry.id.clone()).filter(|id| !listed.contains(id.as_str())).collect()
}

fn about_document(kind: ChangeKind, entry: &LonelyDocument) -> Change {
    Change { document_id: Some(entry.id.clone()), title: Some(entry.title.clone()), ..Change::new(kind) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(topic_id: i64, status: Status) -> Topic {
        Topic {
            label: topic_id as i32,
            name: format!("topic {topic_id}"),
            terms: Vec::new(),
            size: 3,
            first: None,
            last: None,
            peak_period: None,
            peak_share: None,
            recent_share: None,
            fade: Some(0.5),
            fade_low: None,
            fade_high: None,
            status,
            top_categories: Vec::new(),
            representative_ids: Vec::new(),
            fading_rank: None,
            emerging_rank: None,
            topic_id,
            strength: None,
        }
    }

    fn loner(id: &str, similarity: f32) -> LonelyDocument {
        LonelyDocument {
            rank: 1,
            id: id.into(),
            title: id.to_uppercase(),
            created: None,
            categories: String::new(),
            label: 0,
            similarity,
            nearest_id: None,
            nearest_title: None,
            nearest_similarity: None,
        }
    }

    #[test]
    fn a_run_compared_with_itself_gives_nothing() {
        let topics: Vec<Topic> =
            Status::ALL.into_iter().enumerate().map(|(id, status)| topic(id as i64, status)).collect();
        assert_eq!(compare_topics(&topics, &topics, true), []);
        let entries = [loner("a", 0.1), loner("b", 0.2)];
        let list = LonelyList { entries: &entries, cutoff: Some(f64::from(0.2_f32)), k: 5 };
        assert_eq!(compare_lonely(list, list, |_| true, |_| true), []);
    }

    #[test]
    fn a_topic_that_rose_and_fades_is_told_twice() {
        let changes =
            compare_topics(&[topic(4, Status::Rising)], &[topic(4, Status::Fading), topic(5, Status::Steady)], true);
        let kinds: Vec<ChangeKind> = changes.iter().map(|change| change.kind).collect();
        assert_eq!(kinds, [ChangeKind::NowFading, ChangeKind::NoLongerEmerging]);
        assert_eq!((changes[0].topic_id, changes[0].former_status), (Some(4), Some(Status::Rising)));
        let changes = compare_topics(&[topic(4, Status::Fading)], &[topic(4, Status::Extinct)], true);
        assert_eq!(compare_topics(&[topic(4, Status::Fading)], &[topic(4, Status::Extinct)], false), []);
        assert_eq!(changes.iter().map(|change| change.kind).collect::<Vec<_>>(), [ChangeKind::NowExtinct]);
        let changes = compare_topics(&[topic(4, Status::Extinct)], &[topic(4, Status::Fading)], true);
        assert_eq!(changes.iter().map(|change| change.kind).collect::<Vec<_>>(), [ChangeKind::NowFading]);
    }

    #[test]
    fn a_document_that_others_push_off_the_list_has_not_found_company() {
        let before = [loner("company", 0.1), loner("pushed", 0.3), loner("withdrawn", 0.1)];
        let after = [loner("new", 0.05), loner("moved up", 0.28), loner("deserted", 0.25)];
        let former = LonelyList { entries: &before, cutoff: Some(0.26), k: 5 };
        let now = LonelyList { entries: &after, cutoff: Some(0.28), k: 5 };
        let changes = compare_lonely(former, now, |id| id != "new", |id| id != "withdrawn");
        let told: Vec<(ChangeKind, &str)> =
            changes.iter().map(|change| (change.kind, change.document_id.as_deref().unwrap())).collect();
        let expected =
            [(ChangeKind::NewLoner, "new"), (ChangeKind::NewLoner, "deserted"), (ChangeKind::FoundCompany, "company")];
        assert_eq!(told, expected);
        assert_eq!(compare_lonely(LonelyList { k: 3, ..former }, now, |_| false, |_| true), []);
    }
}
