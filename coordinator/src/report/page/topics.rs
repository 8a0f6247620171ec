//! Topics → one table, a row each, with its share over time; the script makes it sortable and searchable.

use strata_shared::findings::Topic;

use super::super::figures::{self, NONE};
use super::super::history::History;
use super::charts::curve;
use super::markup::{Figure, Markup, markup};
use super::{Report, listed, named, status};

/// Rows of the table, the largest topics first: some 3 MB of page. The run's topics.parquet has them all.
const ROWS: usize = 2000;
/// Terms under a name.
const TERMS: usize = 5;
/// Categories under a name.
const CATEGORIES: usize = 3;

/// Draws the table of all topics.
pub(super) fn topics(report: &Report, history: &History) -> Markup {
    let all = report.by_size();
    let rows = Markup::join(all.iter().take(ROWS).map(|topic| row(report, history, topic)));
    let beyond = all.len().saturating_sub(ROWS);
    let beyond =
        (beyond > 0).then(|| markup!("<p class=\"soft\">… and {} smaller ones in topics.parquet.</p>", Figure(beyond)));
    markup!(
        r#"<section id="topics" aria-labelledby="topics-title"><h2 id="topics-title">All topics <small>{}</small></h2>{}<table id="topic-table"><caption>{}</caption>{}<tbody>{}</tbody></table>{}</section>"#,
        Figure(figures::count(all.len() as u64)),
        tools(report),
        caption(report, history),
        head(),
        rows,
        beyond
    )
}

fn caption(report: &Report, history: &History) -> Markup {
    let span = history.span(0..history.num_complete());
    let span = span
        .map(|span| markup!(" Curves show the share in {}, each on its own scale; a tick marks a thin period.", span));
    let opens = (!report.titles.is_empty()).then(|| markup!(" A name opens to the documents nearest to its centre."));
    markup!("The largest first.{}{}", span, opens)
}

/// The columns by which rows can be put in order say how their cells compare.
fn head() -> Markup {
    markup!(
        r#"<thead><tr><th scope="col" data-sort="text">topic</th><th scope="col" data-sort="number" class="number">documents</th><th scope="col">share over time</th><th scope="col" data-sort="number" class="number">peak</th><th scope="col" data-sort="number" class="number">recent</th><th scope="col" data-sort="number" class="number">fade</th><th scope="col" data-sort="text">status</th></tr></thead>"#
    )
}

/// What only the script can do; it takes the attribute `hidden` away.
fn tools(report: &Report) -> Markup {
    let statuses = report.statuses();
    let options = statuses.iter().rev().map(|(status, count)| {
        markup!(r#"<option value="{}">{} ({})</option>"#, status.as_str(), status.as_str(), Figure(count))
    });
    markup!(
        r#"<div class="tools" id="topic-tools" hidden><label>search <input type="search" id="topic-search" placeholder="names, terms, titles" autocomplete="off" spellcheck="false"></label><label>status <select id="topic-status"><option value="">all</option>{}</select></label><label class="order">order <select id="topic-order"></select></label><output id="topic-count" aria-live="polite"></output></div>"#,
        Markup::join(options)
    )
}

fn row(report: &Report, history: &History, topic: &Topic) -> Markup {
    let categories = (!topic.top_categories.is_empty())
        .then(|| markup!(r#"<span class="categories">{}</span>"#, listed(&topic.top_categories, CATEGORIES)));
    markup!(
        r#"<tr data-status="{}"><th scope="row">{}<p class="terms">{}{}</p></th><td class="number" data-name="documents" data-value="{}">{}</td><td class="drawing">{}</td>{}{}{}<td>{}</td></tr>"#,
        topic.status.as_str(),
        named(topic, &report.examples(topic)),
        listed(&topic.terms, TERMS),
        categories,
        Figure(topic.size),
        Figure(figures::signed(topic.size)),
        curve(history, topic),
        figure(
            "peak",
            topic.peak_share,
            &figures::share(topic.peak_share),
            topic.peak_period.is_some().then(|| figures::window(topic.peak_period.as_deref()))
        ),
        figure("recent", topic.recent_share, &figures::share(topic.recent_share), None),
        figure(
            "fade",
            topic.fade,
            &figures::ratio(topic.fade),
            topic.fade_low.is_some().then(|| figures::interval(topic))
        ),
        status(topic.status),
    )
}

/// A cell with a figure that rows can be ordered by, and a remark beneath it.
fn figure(name: &'static str, value: Option<f64>, written: &str, remark: Option<String>) -> Markup {
    let remark = remark.map(|remark| markup!(r#"<span class="soft">{}</span>"#, remark));
    match value {
        Some(value) => markup!(
            r#"<td class="number" data-name="{}" data-value="{}">{}{}</td>"#,
            name,
            Figure(format!("{value:.6}")),
            written,
            remark
        ),
        None => markup!(r#"<td class="number" data-name="{}">{}</td>"#, name, NONE),
    }
}
