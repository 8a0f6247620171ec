//! Lonely documents → a table, each with its nearest neighbour and how near that is.

use strata_shared::findings::LonelyDocument;

use super::super::figures::{self, NONE, counted, ordinal};
use super::markup::{Figure, Markup, foreign, markup};
use super::{ID, Report, title};

/// Entries that are open to see.
const SHOWN: usize = 20;
/// Entries that are folded away beneath them; the rest is in the table of the run.
const FOLDED: usize = 980;

/// Draws the loneliest documents.
pub(super) fn lonely(report: &Report) -> Markup {
    let entries = &report.findings.lonely;
    let (shown, rest) = entries.split_at(entries.len().min(SHOWN));
    let (folded, beyond) = rest.split_at(rest.len().min(FOLDED));
    let body = if entries.is_empty() {
        markup!("<p>No document is listed.</p>")
    } else {
        markup!("{}{}", table(report, shown, "The loneliest documents"), more(report, folded, beyond.len()))
    };
    markup!(
        r#"<section id="lonely" aria-labelledby="lonely-title"><h2 id="lonely-title">Lonely documents <small>{}</small></h2><p class="soft">{}</p>{}</section>"#,
        Figure(figures::count(entries.len() as u64)),
        lead(report),
        body
    )
}

fn lead(report: &Report) -> Markup {
    if report.findings.record.lonely.k == 0 {
        return markup!("There is no other document that one could be near to.");
    }
    let (found, parameters) = (&report.findings.record.lonely, &report.findings.record.parameters);
    let certificate = found.cutoff.map(|cutoff| {
        markup!(
            " The list is exact: the {} nearest of every document that is not on it has a cosine of at least {}.",
            ordinal(found.k),
            Figure(format!("{cutoff:.3}"))
        )
    });
    let too_short = (parameters.lonely_min_words > 0).then(|| {
        markup!(
            " Left out: {} of fewer than {} words.",
            counted(found.too_short, "document"),
            Figure(parameters.lonely_min_words)
        )
    });
    markup!(
        "A document is as lonely as its {} nearest other document is far; similarity is the cosine to that one.{}{}",
        ordinal(found.k),
        certificate,
        too_short
    )
}

fn more(report: &Report, folded: &[LonelyDocument], beyond: usize) -> Markup {
    if folded.is_empty() {
        return Markup::default();
    }
    let beyond =
        (beyond > 0).then(|| markup!("<p class=\"soft\">… and {} more in lonely.parquet.</p>", Figure(beyond)));
    markup!(
        r#"<details class="more"><summary>{} more</summary>{}{}</details>"#,
        Figure(folded.len()),
        table(report, folded, "More lonely documents"),
        beyond
    )
}

fn table(report: &Report, entries: &[LonelyDocument], caption: &'static str) -> Markup {
    markup!(
        r#"<table class="lonely"><caption>{}</caption><thead><tr><th scope="col" class="number">#</th><th scope="col">document</th><th scope="col" class="number">similarity</th><th scope="col">nearest other document</th><th scope="col" class="number">its similarity</th></tr></thead><tbody>{}</tbody></table>"#,
        caption,
        Markup::join(entries.iter().map(|entry| row(report, entry)))
    )
}

fn row(report: &Report, entry: &LonelyDocument) -> Markup {
    markup!(
        r#"<tr><td class="number rank">{}</td><th scope="row">{}<span class="soft source">{}</span></th><td class="number" data-name="similarity">{}</td><td data-name="nearest">{}</td><td class="number" data-name="its similarity">{}</td></tr>"#,
        Figure(entry.rank),
        title(&entry.title),
        source(report, entry),
        Figure(figures::similarity(entry.similarity)),
        nearest(entry),
        Figure(entry.nearest_similarity.map_or_else(|| NONE.into(), figures::similarity)),
    )
}

/// The id, the year, the categories and the topic of a document.
fn source(report: &Report, entry: &LonelyDocument) -> Markup {
    let year = entry.created.map(|created| markup!(" · {}", Figure(created.format("%Y"))));
    let categories = (!entry.categories.is_empty()).then(|| markup!(" · {}", foreign(&entry.categories, ID)));
    let topic = report.findings.topics.iter().find(|topic| topic.label == entry.label);
    let topic = topic.map(|topic| markup!(" · in {}", foreign(&topic.name, ID)));
    markup!("{}{}{}{}", foreign(&entry.id, ID), year, categories, topic)
}

fn nearest(entry: &LonelyDocument) -> Markup {
    let Some(id) = &entry.nearest_id else { return markup!("{}", NONE) };
    let nearest = title(entry.nearest_title.as_deref().unwrap_or_default());
    markup!("{}<span class=\"soft source\">{}</span>", nearest, foreign(id, ID))
}
