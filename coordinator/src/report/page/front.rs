//! Findings → the head of the page: what it is about, the layers of the corpus, what is to be read with care.

use strata_shared::findings::Status;

use super::super::figures::{self, counted};
use super::super::history::History;
use super::charts::layers;
use super::markup::{Figure, Markup, foreign, markup};
use super::{ID, Report, listed};

/// Characters of a note.
const NOTE: usize = 1000;
/// Periods named in a row.
const PERIODS: usize = 40;

/// Draws the head of the page.
pub(super) fn front(report: &Report, history: &History) -> Markup {
    markup!(
        r#"<header><p class="kicker">strata · {}</p><h1>What faded, what emerged, what stands alone</h1><p class="lead">{}</p></header>{}{}"#,
        report.findings.record.run,
        lead(report, history),
        layers_section(report, history),
        care(report),
    )
}

fn lead(report: &Report, history: &History) -> Markup {
    let span = history.span(0..history.num_complete()).map(|span| markup!(", {}", span));
    let whence = if report.manifest.is_one_snapshot() { " from" } else { ", updated last from" };
    markup!(
        "<strong>{}</strong>{} {}{}, in <strong>{}</strong>.",
        counted(report.findings.record.rows, "document"),
        whence,
        foreign(&report.input_names(), ID * 3),
        span,
        counted(report.findings.topics.len() as u64, "topic"),
    )
}

/// What each word means; the thresholds are the README's.
fn meaning(status: Status) -> &'static str {
    match status {
        Status::Extinct => "all but gone from the recent periods",
        Status::Fading => "fallen well below its peak, beyond chance",
        Status::Steady => "no change that chance could not explain",
        Status::Rising => "grown well above its past, beyond chance",
        Status::Emerging => "grown out of next to nothing",
        Status::Undated => "no document dated within a complete period",
    }
}

fn layers_section(report: &Report, history: &History) -> Markup {
    let drawing = layers(report, history);
    let statuses = report.statuses();
    let shown = statuses.iter().rev().map(|(status, count)| {
        markup!(
            r#"<li><span class="status {}"><b>{}</b> {}</span> <span class="soft">{}</span></li>"#,
            status.as_str(),
            Figure(figures::count(*count as u64)),
            status.as_str(),
            meaning(*status)
        )
    });
    let caption = if drawing.is_empty() {
        markup!(
            "<p class=\"soft\">There is no history to draw: fewer than two complete periods have dated documents.</p>"
        )
    } else {
        markup!(
            r#"<figcaption class="soft">The dated documents of each period, which are the whole height, by what became of their topic: what is gone lies at the bottom, what is new on top. A dashed line marks a thin period.</figcaption>"#
        )
    };
    markup!(
        r#"<section id="layers" aria-labelledby="layers-title"><h2 id="layers-title">The layers</h2><figure>{}{}</figure><ul class="legend">{}</ul></section>"#,
        drawing,
        caption,
        Markup::join(shown)
    )
}

fn care(report: &Report) -> Markup {
    let periods = &report.findings.record.periods;
    let mut notes = Vec::new();
    if !periods.incomplete.is_empty() {
        notes.push(markup!(
            "<b>{}</b>: not covered to the end, left out of every figure; drawn as an outline.",
            listed(&periods.incomplete, PERIODS)
        ));
    }
    if !periods.thin.is_empty() {
        notes.push(markup!(
            "<b>{}</b>: thin, with far fewer documents than the neighbours or another mix of categories, so that shares can move with the mix; drawn as outlines or marked.",
            listed(&periods.thin, PERIODS)
        ));
    }
    if periods.undated > 0 {
        let have = if periods.undated == 1 { "has" } else { "have" };
        notes.push(markup!(
            "{} {} no date: in topics and among the lonely, but in no share.",
            counted(periods.undated, "document"),
            have
        ));
    }
    notes.extend(report.findings.record.notes.iter().map(|note| foreign(note, NOTE)));
    if notes.is_empty() {
        return Markup::default();
    }
    let items = Markup::join(notes.into_iter().map(|note| markup!("<li>{}</li>", note)));
    markup!(
        r#"<aside aria-labelledby="care-title"><h2 id="care-title">To read with care</h2><ul>{}</ul></aside>"#,
        items
    )
}
