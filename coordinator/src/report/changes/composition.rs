//! The changes of several runs, one after the other → those between the first and the last.
//!
//! Topics that came and went are those of the steps, statuses and loners are compared end to end.
//!
//! Invariant: a topic that came and went again in between is not told.

use std::collections::{BTreeMap, BTreeSet};

use strata_shared::findings::{Change, ChangeKind, LonelyList, compare_lonely, compare_topics};

use super::{End, Step};

/// Compares two runs, of which the second follows the first by `steps`, the last of which is its own.
#[must_use]
pub fn compose(former: &End, now: &End, steps: &[Step]) -> Vec<Change> {
    let between = Between::new(former, now, steps);
    let mut changes = vec![between.documents(ChangeKind::DocumentsIn), between.documents(ChangeKind::DocumentsOut)];
    let mut events: Vec<Change> = between.arrivals().chain(between.departures()).collect();
    events.sort_by_key(|change| (change.kind, change.topic_id));
    changes.extend(events);
    let same_periods = now.record.parameters.has_periods_of(&former.record.parameters);
    changes.extend(compare_topics(&former.topics, &now.topics, same_periods));
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
            let source = self.source(topic.topic_id);
            let kind = if source.is_some() { ChangeKind::Split } else { ChangeKind::Born };
            let (id, name) = (topic.topic_id, Some(topic.name.clone()));
            self.event(kind, (id, name, topic.size), self.arrival(id), source)
        })
    }

    /// The topics that are no more, dead or merged into one that is there.
    fn departures(&self) -> impl Iterator<Item = Change> + '_ {
        let gone = self.former.topics.iter().filter(|topic| !self.ids_now.contains(&topic.topic_id));
        gone.map(|topic| {
            let target = self.target(topic.topic_id);
            let kind = if target.is_some() { ChangeKind::Merged } else { ChangeKind::Died };
            let (id, name) = (topic.topic_id, Some(topic.name.clone()));
            self.event(kind, (id, name, topic.size), self.departure(id), target)
        })
    }

    /// Tells of a topic that came or went, with the figures of the one step that says the same, where there is one.
    fn event(
        &self,
        kind: ChangeKind,
        (id, name, size): (i64, Option<String>, i64),
        told: Option<&Change>,
        other: Option<i64>,
    ) -> Change {
        let same = told.filter(|told| (told.kind, told.other_topic_id) == (kind, other));
        let is_whole = matches!(kind, ChangeKind::Born | ChangeKind::Died);
        // Documents that came since are in its size, and not in what that step says.
        let only = same.filter(|_| !is_whole || self.steps.len() == 1);
        let documents = only.and_then(|told| told.documents).or(is_whole.then_some(size));
        let share = only.and_then(|told| told.share);
        let (topic_id, other_name) = (Some(id), other.and_then(|id| self.named(id)));
        Change { topic_id, name, other_topic_id: other, other_name, documents, share, ..Change::new(kind) }
    }

    fn arrival(&self, id: i64) -> Option<&'a Change> {
        self.told(&[ChangeKind::Born, ChangeKind::Split]).find(|change| change.topic_id == Some(id))
    }

    /// Follows a topic back to the one that it was split from, and that one, to one that was there.
    fn source(&self, id: i64) -> Option<i64> {
        let mut source = self.arrival(id)?.other_topic_id?;
        for _ in self.steps {
            if self.ids_before.contains(&source) {
                return Some(source);
            }
            source = self.arrival(source)?.other_topic_id?;
        }
        None
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

    /// Compares the two lists, which say what is sure whatever was listed in between.
    fn loners(&self) -> Vec<Change> {
        let [former, now] = [self.former, self.now].map(|end| {
            let lonely = &end.record.lonely;
            LonelyList { entries: &end.lonely, cutoff: lonely.cutoff, k: lonely.k }
        });
        let (was_there, is_there) = (&self.former.documents, &self.now.documents);
        compare_lonely(former, now, |id| was_there.contains(id), |id| is_there.contains(id))
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
            is_fresh: false,
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
                &[1, 4, 6, 7],
                vec![
                    event(ChangeKind::Merged, 2, Some(4)),
                    event(ChangeKind::Died, 5, None),
                    event(ChangeKind::Split, 6, Some(5)),
                    event(ChangeKind::Split, 7, Some(4)),
                ],
            ),
        ];
        let end = |ids: &[i64]| End {
            record: fixture::report().findings.record,
            topics: topics(ids),
            lonely: Vec::new(),
            documents: BTreeSet::new(),
        };
        let changes = compose(&end(&[1, 2, 3]), &end(&[1, 4, 6, 7]), &steps);
        assert_eq!(ids(&changes, ChangeKind::Split), [(4, Some(1)), (7, Some(1))]);
        assert_eq!(ids(&changes, ChangeKind::Born), [(6, None)]);
        assert_eq!(ids(&changes, ChangeKind::Merged), [(2, Some(4)), (3, Some(4))]);
        assert_eq!(ids(&changes, ChangeKind::Died), []);
    }
}
