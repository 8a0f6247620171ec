//! What changed between a run and one that it follows → text, JSON and a section of the page.

mod composition;
mod json;
mod past;
mod summary;
mod terminal;

use std::collections::BTreeSet;

use serde::Serialize;
use strata_shared::findings::{Change, ChangeKind, LonelyDocument, Status, Topic};
use strata_shared::run_record::RunRecord;

use super::figures::{NONE, count, counted, percent};
pub use composition::compose;
pub use json::json;
pub use past::history;
pub use summary::summary;
pub use terminal::terminal;
pub(super) use terminal::{OTHER_PERIODS, fade, origin, similarities, transition};

/// What changed, and the runs in between.
#[derive(Debug, Clone, PartialEq)]
pub struct Changes {
    /// The run that is compared with.
    pub since: String,
    /// What changed since, kind by kind.
    pub changes: Vec<Change>,
    /// How often updates changed a document meanwhile; `None` where a generation is no longer there.
    pub corrected: Option<u64>,
    /// Its place among the steps.
    pub since_place: usize,
    /// The runs that lead to this one, the oldest first and this one last.
    pub steps: Vec<Step>,
    /// Whether statuses of both ends can be compared.
    pub same_periods: bool,
}

/// One run of a chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its name.
    pub run: String,
    /// The generation that it saw.
    pub generation: u64,
    /// Its documents.
    pub rows: u64,
    /// Its topics.
    pub topics: Vec<Topic>,
    /// What changed since the run before it.
    pub changes: Vec<Change>,
    /// Whether it clustered afresh, though it follows a run.
    pub is_fresh: bool,
}

/// One of two runs that are compared.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    /// What it says of itself.
    pub record: RunRecord,
    /// Its topics.
    pub topics: Vec<Topic>,
    /// Its loneliest documents.
    pub lonely: Vec<LonelyDocument>,
    /// Those documents that it has of the other end's loneliest.
    pub documents: BTreeSet<String>,
}

/// A topic in one run of a chain.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Past<'a> {
    pub(super) run: &'a str,
    pub(super) status: Status,
    pub(super) size: i64,
    pub(super) recent_share: Option<f64>,
    pub(super) strength: Option<f64>,
}

impl Changes {
    /// The changes of one of some kinds, in their order.
    pub(super) fn of(&self, kinds: &[ChangeKind]) -> Vec<&Change> {
        self.changes.iter().filter(|change| kinds.contains(&change.kind)).collect()
    }

    /// Tells whether the run has the very documents of the other one, and found the same.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.corrected == Some(0)
            && self.same_periods
            && self.changes.iter().all(|change| change.kind.is_sum() && change.documents == Some(0))
    }

    /// The changes of statuses in the order of their kinds, of each kind those first whose fade moved furthest: a topic near a
    /// threshold changes its status by next to nothing. Of a topic that left one list for another it is the first.
    pub(super) fn of_statuses(&self) -> Vec<&Change> {
        let moved = |change: &Change| change.fade.zip(change.former_fade).map_or(0.0, |(now, was)| (now - was).abs());
        let of_kind = |kind: &ChangeKind| {
            let mut changes = self.of(&[*kind]);
            changes.sort_by(|one, other| moved(other).total_cmp(&moved(one)));
            changes
        };
        let mut met = BTreeSet::new();
        STATUSES.iter().flat_map(of_kind).filter(|change| met.insert(change.topic_id)).collect()
    }

    /// The recent share of a topic in the run that is compared with, and now, `0.90 → 2.97`, in percent.
    pub(super) fn shares(&self, topic_id: Option<i64>) -> String {
        let share = |step: Option<&Step>| {
            let topic = step?.topics.iter().find(|topic| Some(topic.topic_id) == topic_id)?;
            Some(percent(topic.recent_share?))
        };
        let shares = [self.steps.get(self.since_place), self.steps.last()].map(share);
        shares.map(|share| share.unwrap_or_else(|| NONE.into())).join(" → ")
    }

    /// Says what came, went and was corrected.
    pub(super) fn movement(&self) -> String {
        let number = |kind| self.documents(kind).unsigned_abs();
        let (came, went) = (number(ChangeKind::DocumentsIn), number(ChangeKind::DocumentsOut));
        let corrected = match self.corrected {
            None => ", and nobody knows how many were corrected".into(),
            Some(0) => String::new(),
            Some(corrected) => format!(", {} corrected", count(corrected)),
        };
        format!("{} came, {} went{corrected}", counted(came, "document"), count(went))
    }

    /// The documents that came, or went.
    pub(super) fn documents(&self, kind: ChangeKind) -> i64 {
        self.of(&[kind]).iter().filter_map(|change| change.documents).sum()
    }

    /// Says what makes topics come and go beside what the documents say: more clusters or fewer, and a fresh clustering.
    pub(super) fn caveats(&self) -> Vec<String> {
        let mut caveats = Vec::new();
        let former = self.steps.get(self.since_place).map_or(0, |step| step.topics.len());
        let now = self.steps.last().map_or(0, |step| step.topics.len());
        // Of a run that is no longer there nobody knows how many it had.
        if former > 0 && former != now {
            caveats.push(format!(
                "{former} topics became {now}: where the number of clusters changes, topics come, go and lose share by that alone"
            ));
        }
        let fresh = self.steps.iter().skip(self.since_place + 1).filter(|step| step.is_fresh);
        caveats
            .extend(fresh.map(|step| format!("{} was clustered afresh: topics come and go by that alone", step.run)));
        caveats
    }

    /// The topic in each run that has it, the oldest first.
    pub(super) fn past(&self, topic_id: i64) -> Vec<Past<'_>> {
        let of = |step: &'_ Step| step.topics.iter().position(|topic| topic.topic_id == topic_id);
        let found = self.steps.iter().filter_map(|step| Some((step, &step.topics[of(step)?])));
        found
            .map(|(step, topic)| Past {
                run: &step.run,
                status: topic.status,
                size: topic.size,
                recent_share: topic.recent_share,
                strength: topic.strength,
            })
            .collect()
    }
}

/// What a status has been, run after run: `steady ×12, fading ×4`, the last ones where it changed often.
pub(super) fn statuses(past: &[Past<'_>]) -> String {
    const SHOWN: usize = 3;
    let mut stretches: Vec<(Status, usize)> = Vec::new();
    for past in past {
        match stretches.last_mut() {
            Some((status, runs)) if *status == past.status => *runs += 1,
            _ => stretches.push((past.status, 1)),
        }
    }
    let skipped = stretches.len().saturating_sub(SHOWN);
    let shown = stretches[skipped..].iter().map(|(status, runs)| format!("{status} ×{runs}"));
    let shown: Vec<String> = shown.collect();
    format!("{}{}", if skipped > 0 { "… " } else { "" }, shown.join(", "))
}

/// What the sections of changes are about: their heading, and the kinds that they tell.
pub(super) const EVENTS: [ChangeKind; 4] = [ChangeKind::Born, ChangeKind::Split, ChangeKind::Merged, ChangeKind::Died];
pub(super) const STATUSES: [ChangeKind; 5] = [
    ChangeKind::NowExtinct,
    ChangeKind::NowFading,
    ChangeKind::NoLongerFading,
    ChangeKind::NowEmerging,
    ChangeKind::NoLongerEmerging,
];
pub(super) const LONERS: [ChangeKind; 2] = [ChangeKind::NewLoner, ChangeKind::FoundCompany];

/// What a kind is called where people read it.
pub(super) const fn called(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::DocumentsIn => "came",
        ChangeKind::DocumentsOut => "went",
        ChangeKind::Born => "born",
        ChangeKind::Split => "split off",
        ChangeKind::Merged => "merged",
        ChangeKind::Died => "died",
        ChangeKind::Renamed => "renamed",
        ChangeKind::NowExtinct => "now extinct",
        ChangeKind::NowFading => "now fading",
        ChangeKind::NoLongerFading => "no longer fading",
        ChangeKind::NowEmerging => "now emerging",
        ChangeKind::NoLongerEmerging => "no longer emerging",
        ChangeKind::NewLoner => "new",
        ChangeKind::FoundCompany => "found company",
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    fn status(kind: ChangeKind, topic_id: i64, [was, now]: [f64; 2]) -> Change {
        Change { topic_id: Some(topic_id), former_fade: Some(was), fade: Some(now), ..Change::new(kind) }
    }

    #[test]
    fn a_topic_whose_status_changed_is_told_once_and_the_furthest_moved_first() {
        let changes = vec![
            status(ChangeKind::NowFading, 1, [0.33, 0.35]),
            status(ChangeKind::NowFading, 2, [0.9, 0.2]),
            // From rising to extinct.
            status(ChangeKind::NowExtinct, 3, [1.0, 0.0]),
            status(ChangeKind::NoLongerEmerging, 3, [1.0, 0.0]),
        ];
        let changes = Changes { changes, ..fixture::changes() };
        let ids: Vec<i64> = changes.of_statuses().iter().filter_map(|change| change.topic_id).collect();
        assert_eq!(ids, [3, 2, 1]);
    }

    #[test]
    fn nothing_is_what_neither_documents_nor_findings_tell() {
        let sums = |came| {
            let documents = |kind, documents| Change { documents: Some(documents), ..Change::new(kind) };
            vec![documents(ChangeKind::DocumentsIn, came), documents(ChangeKind::DocumentsOut, 0)]
        };
        let told = |changes, corrected| Changes { changes, corrected, ..fixture::changes() };
        assert!(told(sums(0), Some(0)).is_nothing());
        for (changes, corrected) in [(sums(1), Some(0)), (sums(0), Some(1)), (sums(0), None)] {
            assert!(!told(changes, corrected).is_nothing());
        }
        let renamed = vec![Change::new(ChangeKind::Renamed)];
        assert!(!told([sums(0), renamed].concat(), Some(0)).is_nothing());
        assert_eq!(told(sums(1_250), Some(3)).movement(), "1,250 documents came, 0 went, 3 corrected");
        let unknown = told(sums(1), None).movement();
        assert_eq!(unknown, "1 document came, 0 went, and nobody knows how many were corrected");
    }
}
