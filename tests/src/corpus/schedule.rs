//! Which document is what: topics by the shares of its year, loners and copies at seeded places, and where lines that
//! are no documents are slipped in.
//!
//! Invariant: a copy lies in the year of its source and after it; a source is never a copy, a loner or odd in form.

use std::collections::{BTreeMap, BTreeSet};

use super::calendar::Calendar;
use super::draw::{Draw, Purpose};
use super::loners::LONERS;
use super::plan::Plan;
use super::topic::Fate;
use super::topics::TOPICS;
use super::truth::RefusalKind;

/// A whole, in parts of which shares are given.
pub(super) const MILLION: u64 = 1_000_000;
/// Draws for the place of a copy before it is given up (an archive of a few documents has no room for copies).
const MOST_TRIES: u32 = 64;

/// What the document at an ordinal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// An article on `TOPICS[i]`.
    Ordinary(usize),
    /// `LONERS[i]`.
    Loner(usize),
    /// The article of another ordinal, word for word.
    ExactCopy(u64),
    /// The article of another ordinal with a few words changed.
    NearCopy(u64),
}

/// A line that is no document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Insert {
    Blank { variant: usize },
    Refused { kind: RefusalKind, variant: usize },
}

/// The roles of all documents and the lines between them.
pub(super) struct Schedule {
    special: BTreeMap<u64, Role>,
    sources: BTreeSet<u64>,
    inserts: BTreeMap<u64, Vec<Insert>>,
    shares: Vec<Vec<u64>>,
    seed: u64,
}

impl Schedule {
    pub(super) fn new(plan: &Plan, calendar: &Calendar) -> Self {
        let shares = calendar.years.iter().map(|year| shares(year.position, plan.steady)).collect();
        let (special, sources, inserts) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        let mut schedule = Self { special, sources, inserts, shares, seed: plan.seed };
        schedule.place_loners(plan);
        schedule.place_copies(plan, calendar);
        if !plan.clean {
            schedule.place_inserts(plan);
        }
        schedule
    }

    /// One loner in each of as many equal stretches of the archive.
    fn place_loners(&mut self, plan: &Plan) {
        let mut draw = Draw::new(plan.seed, Purpose::Loners, 0);
        let num_loners = plan.num_loners();
        for (i, loner) in (0..num_loners).zip(draw.order(LONERS.len())) {
            let start = plan.documents * i / num_loners;
            let ordinal = start + draw.below(plan.documents * (i + 1) / num_loners - start);
            self.special.insert(ordinal, Role::Loner(loner));
        }
    }

    fn place_copies(&mut self, plan: &Plan, calendar: &Calendar) {
        let mut draw = Draw::new(plan.seed, Purpose::Roles, 0);
        let num_copies = plan.num_copies();
        for i in 0..2 * num_copies {
            let place = (0..MOST_TRIES).find_map(|_| self.free_pair(plan, calendar, &mut draw));
            if let Some((source, copy)) = place {
                self.sources.insert(source);
                self.special
                    .insert(copy, if i < num_copies { Role::ExactCopy(source) } else { Role::NearCopy(source) });
            }
        }
    }

    fn free_pair(&self, plan: &Plan, calendar: &Calendar, draw: &mut Draw) -> Option<(u64, u64)> {
        let copy = draw.below(plan.documents);
        let start = calendar.years[calendar.year_index(copy)].ordinals.start;
        let source = start + draw.below(copy - start);
        let is_free = |ordinal| !self.special.contains_key(&ordinal) && !self.sources.contains(&ordinal);
        (source < copy && is_free(source) && is_free(copy)).then_some((source, copy))
    }

    fn place_inserts(&mut self, plan: &Plan) {
        let mut draw = Draw::new(plan.seed, Purpose::Inserts, 0);
        for variant in 0..plan.num_rounds() {
            for kind in RefusalKind::EVERY_ROUND {
                self.insert(plan, Insert::Refused { kind, variant }, &mut draw);
            }
            for blank in 0..3 {
                self.insert(plan, Insert::Blank { variant: 3 * variant + blank }, &mut draw);
            }
        }
        if plan.too_long_bytes.is_some() {
            self.insert(plan, Insert::Refused { kind: RefusalKind::TooLong, variant: 0 }, &mut draw);
        }
    }

    /// Never before the first document: that one carries the byte order mark, and an id must have come to come again.
    fn insert(&mut self, plan: &Plan, insert: Insert, draw: &mut Draw) {
        let before = 1 + draw.below(plan.documents);
        self.inserts.entry(before).or_default().push(insert);
    }

    /// What the document at an ordinal is, in a year given by its place in the calendar.
    pub(super) fn role(&self, ordinal: u64, year_index: usize) -> Role {
        if let Some(role) = self.special.get(&ordinal) {
            return *role;
        }
        let mut rest = Draw::new(self.seed, Purpose::Topic, ordinal).below(MILLION);
        let topic = self.shares[year_index].iter().position(|share| {
            let found = rest < *share;
            rest = rest.saturating_sub(*share);
            found
        });
        Role::Ordinary(topic.unwrap_or(TOPICS.len() - 1))
    }

    /// Whether the document may take an odd form: it is on a topic, and nobody copies it.
    pub(super) fn may_be_odd(&self, ordinal: u64) -> bool {
        !self.special.contains_key(&ordinal) && !self.sources.contains(&ordinal)
    }

    /// The lines that stand just before the document at an ordinal (or at the end).
    pub(super) fn inserts_before(&self, ordinal: u64) -> &[Insert] {
        self.inserts.get(&ordinal).map_or(&[], Vec::as_slice)
    }

    /// Planted shares in parts per million, `[years][topics]`; each year adds up to [`MILLION`].
    pub(super) fn shares(&self) -> &[Vec<u64>] {
        &self.shares
    }
}

/// The planted share of each topic at a position, in parts per million.
///
/// Topics that hold get their weight exactly. The others divide the rest in proportion to weight times level, so that
/// what dies makes room for what is born and nothing else moves. In a steady archive every topic holds.
fn shares(position: u32, steady: bool) -> Vec<u64> {
    let level = |fate: Fate| u64::from(if steady { 500 } else { fate.level(position) });
    let held: u64 =
        TOPICS.iter().filter(|topic| topic.fate == Fate::Holds).map(|topic| 1000 * u64::from(topic.weight)).sum();
    let changing = TOPICS.iter().filter(|topic| topic.fate != Fate::Holds);
    let total: u64 = changing.map(|topic| u64::from(topic.weight) * level(topic.fate)).sum();
    let share = |(topic, weighted): (&super::topic::Topic, u64)| match topic.fate {
        Fate::Holds => 1000 * u64::from(topic.weight),
        _ => (MILLION - held) * weighted / total,
    };
    let mut shares: Vec<u64> =
        TOPICS.iter().map(|topic| share((topic, u64::from(topic.weight) * level(topic.fate)))).collect();
    let rounded_off = MILLION - shares.iter().sum::<u64>();
    if let Some(largest) = shares.iter_mut().max() {
        *largest += rounded_off;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planted_shares_add_up_to_a_whole_at_every_position() {
        for position in 0..=1000 {
            assert_eq!(shares(position, false).iter().sum::<u64>(), MILLION);
        }
    }

    #[test]
    fn a_held_topic_has_one_share_and_a_faded_one_about_a_fifth() {
        for (i, topic) in TOPICS.iter().enumerate() {
            let [early, late] = [0, 950].map(|position| shares(position, false)[i] as f64);
            match topic.fate {
                Fate::Holds => assert!((late / early - 1.0).abs() < 0.001),
                Fate::Fades => assert!((0.15..0.25).contains(&(late / early))),
                Fate::Rises => assert!(late / early > 3.5),
                Fate::Dies { .. } => assert!(late == 0.0 && early > 0.05),
                Fate::Born { .. } => assert!(early == 0.0 && late > 0.05),
            }
        }
    }

    #[test]
    fn in_a_steady_archive_nothing_moves() {
        assert_eq!(shares(0, true), shares(1000, true));
    }
}
