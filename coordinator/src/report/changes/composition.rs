//! The changes of several runs, one after the other → those between the first and the last.
//!
//! Invariant: over one step they are that step's own. What came and went again in between is not told.

use std::collections::{BTreeMap, BTreeSet};

use strata_shared::findings::{Change, ChangeKind, compare_topics};

use super::{End, Step};

/// Compares two runs, of which the second follows the first by `steps`, the last of which is its own.
#[must_use]
pub fn compose(former: &End, now: &End, steps: &[Step]) -> Vec<Change> {
    let between = Between::new(former, now, steps);
    let mut changes = vec![between.documents(ChangeKind::DocumentsIn), between.documents(ChangeKind::DocumentsOut)];
    let mut events: Vec<Change> = between.arrivals().chain(between.departures()).collect();
    events.sort_by_key(|change| (change.kind, change.topic_id));
    changes.extend(events);
    changes.extend(compare_topics(&former.topics, &now.topics));
    changes.extend(between.loners());
    changes
}

struct Between<'a> {
    former: &'a End,
    now: &'a End,
    steps: &'a [Step],
    /// Names of all topics on the way, the newest where they have several.
    names: BTreeMap<i64, &'a str>,
    ids_before: BTreeSet<i64>,
    ids_now: BTreeSet<i64>,
}

impl<'a> Between<'a> {
    fn new(former: &'a End, now: &'a End, steps: &'a [Step]) -> Self {
        let topics = steps.iter().map(|step| &step.topics).chain([&now.topics]);
        let names = former.topics.iter().chain(topics.flatten()).map(|topic| (topic.topic_id, topic.name.as_str()));
        let ids = |end: &End| end.topics.iter().map(|topic| topic.topic_id).collect();
        Self { former, now, steps, names: names.collect(), ids_before: ids(former), ids_now: ids(now) }
    }

    fn told(&self, kinds: &'a [ChangeKind]) -> impl Iterator<Item = &'a Change> {
        self.steps.iter().flat_map(|step| &step.changes).filter(|change| kinds.contains(&change.kind))
    }

    /// Adds up what came or went; a document that did both is in both sums.
    fn documents(&self, kind: ChangeKind) -> Change {
        let all = self.steps.iter().flat_map(|step| &step.changes).filter(|change| change.kind == kind);
        Change { documents: Some(all.filter_map(|change| change.documents).sum()), ..Change::new(kind) }
    }

    fn named(&self, id: i64) -> Option<String> {
        self.names.get(&id).map(|name| (*name).to_owned())
    }

    /// The topics that are new, born or split from one that was there.
    fn arrivals(&self) -> impl Iterator<Item = Change> + '_ {
        let new = self.now.topics.iter().filter(|topic| !self.ids_before.contains(&topic.topic_id));
        new.map(|topic| {
            let id = topic.topic_id;
            let told = self.told(&[ChangeKind::Born, ChangeKind::Split]).find(|change| change.topic_id == Some(id));
            let source = told.and_then(|change| change.other_topic_id).filter(|id| self.ids_before.contains(id));
            let kind = if source.is_some() { ChangeKind::Split } else { ChangeKind::Born };
            let (documents, share) = match (told, source) {
                (Some(change), Some(_)) => (change.documents, change.share),
                _ => (Some(topic.size), None),
            };
            let other_name = source.and_then(|id| self.named(id));
            let (topic_id, name) = (Some(id), Some(topic.name.clone()));
            Change { topic_id, name, other_topic_id: source, other_name, documents, share, ..Change::new(kind) }
        })
    }

    /// The topics that are no more, dead or merged into one that is there.
    fn departures(&self) -> impl Iterator<Item = Change> + '_ {
        let gone = self.former.topics.iter().filter(|topic| !self.ids_now.contains(&topic.topic_id));
        gone.map(|topic| {
            let id = topic.topic_id;
            let target = self.target(id);
            let told = self.departure(id);
            let kind = if target.is_some() { ChangeKind::Merged } else { ChangeKind::Died };
            let (documents, share) = match (told, target) {
                (Some(change), Some(_)) => (change.documents, change.share),
                _ => (Some(topic.size), None),
            };
            let other_name = target.and_then(|id| self.named(id));
            let (topic_id, name) = (Some(id), Some(topic.name.clone()));
            Change { topic_id, name, other_topic_id: target, other_name, documents, share, ..Change::new(kind) }
        })
    }

    fn departure(&self, id: i64) -> Option<&'a Change> {
        self.told(&[ChangeKind::Merged, ChangeKind::Died]).find(|change| change.topic_id == Some(id))
    }

    /// Follows a topic from one that it was merged into to the next, to one that is still there.
    fn target(&self, id: i64) -> Option<i64> {
        let mut target = self.departure(id)?.other_topic_id?;
        for _ in self.steps {
            if self.ids_now.contains(&target) {
                return Some(target);
            }
            target = self.departure(target)?.other_topic_id?;
        }
        None
    }

    /// Whoever came to the list and is on it, and whoever left it and is not.
    fn loners(&self) -> Vec<Change> {
        let (before, now) = (&self.former.lonely, &self.now.lonely);
        let told = |kind: ChangeKind| -> BTreeMap<&str, &Change> {
            let all = self.steps.iter().flat_map(|step| &step.changes).filter(|change| change.kind == kind);
            all.filter_map(|change| Some((change.document_id.as_deref()?, change))).collect()
        };
        let (came, left) = (told(ChangeKind::NewLoner), told(ChangeKind::FoundCompany));
        let is_listed =
            |list: &[strata_shared::findings::LonelyDocument], id: &str| list.iter().any(|entry| entry.id == id);
        let new = now.iter().filter(|entry| !is_listed(before, &entry.id)).filter_map(|entry| {
            let change = came.get(entry.id.as_str())?;
            Some(Change { similarity: Some(entry.similarity), ..(*change).clone() })
        });
        let gone = before.iter().filter(|entry| !is_listed(now, &entry.id)).filter_map(|entry| {
            let change = left.get(entry.id.as_str())?;
            Some(Change { former_similarity: Some(entry.similarity), ..(*change).clone() })
        });
        new.chain(gone).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture;
    use super::*;

    fn ids(changes: &[Change], kind: ChangeKind) -> Vec<(i64, Option<i64>)> {
        let of_kind = changes.iter().filter(|change| change.kind == kind);
        of_kind.map(|change| (change.topic_id.unwrap(), change.other_topic_id)).collect()
    }

    #[test]
    fn over_one_step_the_changes_are_its_own() {
        let changes = fixture::changes();
        let (former, now) = fixture::ends(&changes);
        let last = changes.steps.len() - 1;
        let own: Vec<Change> =
            changes.steps[last].changes.iter().filter(|change| !change.kind.is_event()).cloned().collect();
        let composed = compose(&former, &now, &changes.steps[last..]);
        let composed: Vec<Change> = composed.into_iter().filter(|change| !change.kind.is_event()).collect();
        assert_eq!(composed, own);
    }

    #[test]
    fn what_came_and_went_in_between_is_not_told() {
        let topics = |ids: &[i64]| ids.iter().map(|&id| fixture::topic_of(id)).collect::<Vec<_>>();
        let event = |kind, topic_id: i64, other: Option<i64>| Change {
            topic_id: Some(topic_id),
            other_topic_id: other,
            documents: Some(5),
            ..Change::new(kind)
        };
        let step = |ids: &[i64], changes: Vec<Change>| Step {
            run: "r".into(),
            generation: 1,
            rows: 1,
            topics: topics(ids),
            changes,
        };
        let steps = [
            step(
                &[1, 2, 4, 5],
                vec![
                    event(ChangeKind::Split, 4, Some(1)),
                    event(ChangeKind::Born, 5, None),
                    event(ChangeKind::Merged, 3, Some(2)),
                ],
            ),
            step(
                &[1, 4, 6],
                vec![
                    event(ChangeKind::Merged, 2, Some(4)),
                    event(ChangeKind::Died, 5, None),
                    event(ChangeKind::Split, 6, Some(5)),
                ],
            ),
        ];
        let end =
            |ids: &[i64]| End { record: fixture::report().findings.record, topics: topics(ids), lonely: Vec::new() };
        let changes = compose(&end(&[1, 2, 3]), &end(&[1, 4, 6]), &steps);
        assert_eq!(ids(&changes, ChangeKind::Split), [(4, Some(1))]);
        assert_eq!(ids(&changes, ChangeKind::Born), [(6, None)]);
        assert_eq!(ids(&changes, ChangeKind::Merged), [(2, Some(4)), (3, Some(4))]);
        assert_eq!(ids(&changes, ChangeKind::Died), []);
    }
}
