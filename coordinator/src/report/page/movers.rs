//! Fading and emerging topics → cards, each with its share over time, its peak, the recent window and its interval.

use strata_shared::findings::Topic;

use super::super::figures::{self, counted};
use super::super::history::History;
use super::charts::{bars, interval};
use super::markup::{Figure, Markup, markup};
use super::{Report, listed, named, status};

/// Cards that are open to see.
const CARDS: usize = 12;
/// Cards that are folded away beneath them; the table has the rest.
const MORE_CARDS: usize = 48;
/// Terms under a name.
const TERMS: usize = 5;

/// Draws the extinct and the fading topics.
pub(super) fn fading(report: &Report, history: &History) -> Markup {
    let recent = figures::window(report.findings.record.periods.recent.as_deref());
    let lead = markup!(
        "A topic’s <em>fade</em> is its share of {} over its highest share in any window of that length: 1 is the peak, 0 is gone. The ones most surely faded come first.",
        recent
    );
    let topics = report.fading();
    section("fading", "Fading and extinct", &lead, &topics, |topic, rank| {
        card(report, history, topic, rank, &decline(topic))
    })
}

/// Draws the emerging and the rising topics.
pub(super) fn emerging(report: &Report, history: &History) -> Markup {
    let recent = figures::window(report.findings.record.periods.recent.as_deref());
    let lead = markup!(
        "The share of {} against that of all time before. The ones most surely grown come first; a fade well below 1 says that the peak is past.",
        recent
    );
    let topics = report.emerging();
    section("emerging", "Emerging and rising", &lead, &topics, |topic, rank| {
        card(report, history, topic, rank, &growth(history, topic))
    })
}

fn section(
    id: &'static str,
    heading: &'static str,
    lead: &Markup,
    topics: &[&Topic],
    card: impl Fn(&Topic, usize) -> Markup,
) -> Markup {
    let mut cards = topics.iter().zip(1..).map(|(topic, rank)| card(topic, rank));
    let shown = Markup::join(cards.by_ref().take(CARDS));
    let folded: Vec<Markup> = cards.take(MORE_CARDS).collect();
    let body = if topics.is_empty() {
        markup!(
            "<p>No topic is called {}.</p>",
            if id == "fading" { "fading or extinct" } else { "emerging or rising" }
        )
    } else {
        markup!(
            r#"<p class="soft">{}</p>{}<ol class="cards">{}</ol>{}"#,
            lead,
            key(),
            shown,
            more(folded, topics.len())
        )
    };
    markup!(
        r#"<section id="{}" aria-labelledby="{}-title"><h2 id="{}-title">{} <small>{}</small></h2>{}</section>"#,
        id,
        id,
        id,
        heading,
        Figure(figures::count(topics.len() as u64)),
        body
    )
}

fn key() -> Markup {
    markup!(
        r#"<ul class="key"><li class="peak">peak window</li><li class="recent">recent window</li><li class="outline">thin or incomplete period</li><li class="range">95&nbsp;% interval of fade, from 0 to 1</li></ul>"#
    )
}

fn more(folded: Vec<Markup>, found: usize) -> Markup {
    if folded.is_empty() {
        return Markup::default();
    }
    let beyond = found.saturating_sub(CARDS + MORE_CARDS);
    let beyond =
        (beyond > 0).then(|| markup!("<p class=\"soft\">… and {} more in the table of topics.</p>", Figure(beyond)));
    markup!(
        r#"<details class="more"><summary>{} more</summary><ol class="cards" start="{}">{}</ol>{}</details>"#,
        Figure(folded.len()),
        Figure(CARDS + 1),
        Markup::join(folded),
        beyond
    )
}

fn card(report: &Report, history: &History, topic: &Topic, rank: usize, change: &Markup) -> Markup {
    markup!(
        r#"<li class="card"><h3><span class="rank">{}</span> {}</h3><p class="terms">{}</p>{}<p class="facts">{}<span class="soft">{}</span></p><p>{}</p>{}<p class="fade">fade <b>{}</b> <span class="soft">95&nbsp;%&nbsp;interval&nbsp;{}</span></p></li>"#,
        Figure(rank),
        named(topic, &report.examples(topic)),
        listed(&topic.terms, TERMS),
        bars(history, topic),
        status(topic.status),
        counted(topic.size.unsigned_abs(), "document"),
        change,
        interval(topic),
        figures::ratio(topic.fade),
        figures::interval(topic),
    )
}

fn decline(topic: &Topic) -> Markup {
    markup!(
        "<b>{}</b> in {}, now <b>{}</b>",
        figures::share(topic.peak_share),
        figures::window(topic.peak_period.as_deref()),
        figures::share(topic.recent_share),
    )
}

fn growth(history: &History, topic: &Topic) -> Markup {
    let before = history.share_before(topic.label);
    let multiple = topic.recent_share.zip(before).and_then(|(recent, before)| figures::multiple(recent, before));
    let multiple = multiple.map(|multiple| markup!(" ({})", multiple));
    markup!("<b>{}</b> before, now <b>{}</b>{}", figures::share(before), figures::share(topic.recent_share), multiple,)
}
