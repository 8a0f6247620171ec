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

use super::figures::{count, counted};
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
            && self.changes.iter().all(|change| change.kind.is_sum() && change.documents == Some(0))
    }

    /// The changes of statuses in the order of their kinds, of a topic that left one list for another the first.
    pub(super) fn of_statuses(&self) -> Vec<&Change> {
        let mut met = BTreeSet::new();
        let all = STATUSES.iter().flat_map(|kind| self.of(&[*kind]));
        all.filter(|change| met.insert(change.topic_id)).collect()
    }

    /// Says what came, went and was corrected.
    pub(super) fn movement(&self) -> String {
        let number = |kind| self.documents(kind).unsigned_abs();
        let (came, went) = (number(ChangeKind::DocumentsIn), number(ChangeKind::DocumentsOut));
        let corrected = match self.corrected {
            None | Some(0) => String::new(),
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
