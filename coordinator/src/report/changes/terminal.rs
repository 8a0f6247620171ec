//! Changes → what `strata report --since` prints: documents, topics that came and went, calls that changed, loners, and the
//! topics' past.
//!
//! Invariant: as in [`super::super::terminal`].

use strata_shared::findings::{Change, ChangeKind};

use super::super::figures::{self, NONE, counted};
use super::super::terminal::{LISTED, View, ink, sparkline, width};
use super::super::text_table::{Cell, Column, Ink, render, shorten, wrap};
use super::super::visible;
use super::{Changes, EVENTS, LONERS, called, statuses};

/// Rows that are shown of each kind of change.
const LISTED_OF_KIND: usize = 6;

/// What is said instead of statuses that were asked for otherwise.
pub(in super::super) const OTHER_PERIODS: &str = "not compared: the two runs were asked for other --period or --recent";

/// Draws what changed, each line as wide as the view at most.
#[must_use]
pub fn terminal(changes: &Changes, view: &View) -> String {
    let sheet = Sheet { changes, width: width(view), colour: view.colour };
    let sections = [sheet.documents(), sheet.events(), sheet.statuses(), sheet.loners(), sheet.past()];
    sections.into_iter().filter(|section| !section.is_empty()).collect::<Vec<_>>().join("\n")
}

struct Sheet<'a> {
    changes: &'a Changes,
    width: usize,
    colour: bool,
}

impl Sheet<'_> {
    fn heading(&self, heading: &str) -> String {
        Ink::Strong.paint(&shorten(&heading.to_uppercase(), self.width), self.colour) + "\n"
    }

    fn paragraph(&self, text: &str) -> String {
        wrap(text, "  ", self.width)
    }

    fn table(&self, columns: &[Column], rows: &[Vec<Cell>]) -> String {
        let shown = &rows[..rows.len().min(LISTED)];
        render(columns, shown, self.width, self.colour) + &self.more(rows.len() - shown.len())
    }

    fn more(&self, number: usize) -> String {
        if number > 0 { self.paragraph(&format!("… {number} more; --json tells all")) } else { String::new() }
    }

    /// Draws a table of changes in the order of their kinds, of each kind so many that all are seen.
    fn table_by_kind(&self, columns: &[Column], changes: &[&Change], row: impl Fn(&Change) -> Vec<Cell>) -> String {
        let of_kinds = changes.chunk_by(|change, next| change.kind == next.kind);
        let shown = of_kinds.flat_map(|of_kind| of_kind.iter().take(LISTED_OF_KIND));
        let rows: Vec<Vec<Cell>> = shown.map(|change| row(change)).collect();
        render(columns, &rows, self.width, self.colour) + &self.more(changes.len() - rows.len())
    }

    fn documents(&self) -> String {
        let steps = self.changes.steps.len() - 1 - self.changes.since_place;
        let last = self.changes.steps.last();
        let now = last.map_or_else(String::new, |step| format!(" ({} now)", figures::count(step.rows)));
        let title = format!("since {} · {}", self.changes.since, counted(steps as u64, "run"));
        let title = Ink::Strong.paint(&shorten(&visible::plain(&title), self.width), self.colour);
        format!("{title}\n{}", self.paragraph(&format!("{}{now}", self.changes.movement())))
    }

    fn events(&self) -> String {
        let columns = [
            Column::left(""),
            Column::right("id"),
            Column::flexible("topic"),
            Column::right("docs"),
            Column::right("of it").spare(1),
            Column::left("from or into").spare(2),
        ];
        let text = match self.changes.of(&EVENTS).as_slice() {
            [] => self.paragraph("no topic came or went"),
            events => self.table_by_kind(&columns, events, event_row),
        };
        let caveats: String = self.changes.caveats().iter().map(|caveat| self.paragraph(caveat)).collect();
        self.heading("Topics that came and went") + &text + &caveats
    }

    fn statuses(&self) -> String {
        let columns = [
            Column::left(""),
            Column::right("id"),
            Column::flexible("topic"),
            Column::right("share, %"),
            Column::left("fade before").spare(1),
            Column::left("fade now"),
        ];
        let text = match self.changes.of_statuses().as_slice() {
            _ if !self.changes.same_periods => self.paragraph(OTHER_PERIODS),
            [] => self.paragraph("no status changed"),
            changes => self.table_by_kind(&columns, changes, |change| self.status_row(change)),
        };
        self.heading("Statuses that changed") + &text + &self.all_renamed()
    }

    fn status_row(&self, change: &Change) -> Vec<Cell> {
        vec![
            Cell::new(&transition(change), change.status.map_or(Ink::Usual, ink)),
            id(change.topic_id),
            text(change.name.as_ref()),
            Cell::usual(self.changes.shares(change.topic_id)),
            Cell::usual(fade([change.former_fade, change.former_fade_low, change.former_fade_high])),
            Cell::usual(fade([change.fade, change.fade_low, change.fade_high])),
        ]
    }

    fn all_renamed(&self) -> String {
        let renamed = self.changes.of(&[ChangeKind::Renamed]);
        let more = match renamed.len().saturating_sub(LISTED) {
            0 => String::new(),
            more => self.paragraph(&format!("… {more} more have another name")),
        };
        renamed.into_iter().take(LISTED).map(|change| self.renamed(change)).collect::<String>() + &more
    }

    fn renamed(&self, change: &Change) -> String {
        let name = |name: &Option<String>| name.clone().unwrap_or_default();
        let id = change.topic_id.unwrap_or_default();
        self.paragraph(&format!("{id} is called “{}” now, before “{}”", name(&change.name), name(&change.other_name)))
    }

    fn loners(&self) -> String {
        let columns = [
            Column::left(""),
            Column::flexible("document"),
            Column::left("id").spare(1),
            Column::right("before"),
            Column::right("now"),
        ];
        let rows: Vec<Vec<Cell>> = self.changes.of(&LONERS).into_iter().map(loner_row).collect();
        let text = if rows.is_empty() { self.paragraph("none came, none left") } else { self.table(&columns, &rows) };
        self.heading("Loners") + &text
    }

    /// The past of the topics whose status changed or is not steady, those that changed first.
    fn past(&self) -> String {
        let Some(last) = self.changes.steps.last().filter(|_| self.changes.steps.len() > 1) else {
            return String::new();
        };
        let changed: Vec<i64> = self.changes.of_statuses().iter().filter_map(|change| change.topic_id).collect();
        let mut topics: Vec<_> = last
            .topics
            .iter()
            .filter(|topic| topic.status.is_decline() || topic.status.is_growth() || changed.contains(&topic.topic_id))
            .collect();
        topics.sort_by_key(|topic| (!changed.contains(&topic.topic_id), topic.topic_id));
        let columns = [
            Column::right("id"),
            Column::flexible("topic"),
            Column::left("share, run by run").spare(1),
            Column::right("docs").spare(2),
            Column::left("status, run by run"),
        ];
        let rows: Vec<Vec<Cell>> = topics
            .into_iter()
            .map(|topic| {
                let past = self.changes.past(topic.topic_id);
                let shares: Vec<Option<f64>> = past.iter().map(|past| past.recent_share).collect();
                vec![
                    Cell::usual(topic.topic_id.to_string()),
                    Cell::usual(&topic.name),
                    Cell::new(&sparkline(&shares), ink(topic.status)),
                    Cell::usual(figures::signed(topic.size)),
                    Cell::usual(statuses(&past)),
                ]
            })
            .collect();
        if rows.is_empty() {
            String::new()
        } else {
            self.heading("Topics over the runs") + &self.table(&columns, &rows)
        }
    }
}

fn number(number: Option<i64>) -> Cell {
    Cell::usual(number.map_or_else(|| NONE.into(), figures::signed))
}

fn text(text: Option<&String>) -> Cell {
    Cell::usual(text.map_or(NONE, String::as_str))
}

/// Draws an id, which is no count.
fn id(id: Option<i64>) -> Cell {
    Cell::usual(id.map_or_else(|| NONE.into(), |id| id.to_string()))
}

fn event_row(change: &Change) -> Vec<Cell> {
    let part = change.share.filter(|_| change.kind != ChangeKind::Born);
    vec![
        Cell::new(called(change.kind), Ink::Strong),
        id(change.topic_id),
        text(change.name.as_ref()),
        number(change.documents),
        Cell::usual(part.map_or_else(|| NONE.into(), |share| format!("{} %", figures::percent(share)))),
        Cell::usual(origin(change)),
    ]
}

/// Writes what a topic was part of or is part of, or how much of one that was born is new.
pub(in super::super) fn origin(change: &Change) -> String {
    match (change.kind, change.other_topic_id, change.share) {
        (_, Some(id), _) => format!("{id} {}", change.other_name.as_deref().unwrap_or_default()),
        (ChangeKind::Born, None, Some(known)) => format!("{} % new documents", figures::percent(1.0 - known)),
        _ => String::new(),
    }
}

/// Writes how a status changed, `steady → fading`.
pub(in super::super) fn transition(change: &Change) -> String {
    match change.former_status.zip(change.status) {
        Some((former, now)) => format!("{former} → {now}"),
        None => called(change.kind).into(),
    }
}

/// Writes a fade with its interval, `0.25 (0.10–0.53)`.
pub(in super::super) fn fade([fade, low, high]: [Option<f64>; 3]) -> String {
    let interval = low.zip(high).map_or_else(String::new, |(low, high)| format!(" ({low:.2}–{high:.2})"));
    format!("{}{interval}", figures::ratio(fade))
}

fn loner_row(change: &Change) -> Vec<Cell> {
    let (before, now) = similarities(change);
    vec![
        Cell::new(called(change.kind), Ink::Strong),
        text(change.title.as_ref()),
        text(change.document_id.as_ref()),
        Cell::usual(before),
        Cell::usual(now),
    ]
}

/// Writes the similarities before and now; of a document that is no longer listed it is known that it is greater than the last one's.
pub(in super::super) fn similarities(change: &Change) -> (String, String) {
    let shown = |similarity: Option<f32>| similarity.map_or_else(|| NONE.into(), figures::similarity);
    let bound = if change.kind == ChangeKind::FoundCompany { "≥ " } else { "" };
    (shown(change.former_similarity), format!("{bound}{}", shown(change.similarity)))
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr;

    use super::super::super::fixture;
    use super::*;

    #[test]
    fn everything_that_changed_is_told_within_the_width() {
        for width in [60, 80, 100] {
            let text = terminal(&fixture::changes(), &View { width, colour: false, page: None });
            assert!(text.lines().all(|line| line.width() <= width), "{text}");
            for part in ["SINCE", "born", "→ fading", "found company", "≥ 0.", "×"] {
                assert!(text.to_uppercase().contains(&part.to_uppercase()), "{part:?} is missing:\n{text}");
            }
        }
    }

    #[test]
    fn topics_that_come_of_more_clusters_are_told_for_what_they_are() {
        let mut changes = fixture::changes();
        let num_topics = changes.steps[2].topics.len();
        changes.steps[1].topics.truncate(num_topics);
        changes.steps[1].topics.pop();
        let text = terminal(&changes, &View { width: 100, colour: false, page: None });
        assert!(text.contains(&format!("{} topics became {num_topics}", num_topics - 1)), "{text}");
    }

    #[test]
    fn nothing_that_changed_is_said_too() {
        let mut changes = fixture::changes();
        changes.changes.clear();
        let text = terminal(&changes, &View { width: 80, colour: false, page: None });
        for part in ["no topic came or went", "no status changed", "none came, none left"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
