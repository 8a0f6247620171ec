//! What changed since the run before → a section, which is left out where a run follows none.

use strata_shared::findings::{Change, ChangeKind, Topic};

use super::super::changes::{
    Changes, EVENTS, LONERS, OTHER_PERIODS, called, fade, origin, similarities, statuses, transition,
};
use super::super::figures::{self, counted};
use super::markup::{Figure, Markup, foreign, markup};
use super::{ID, NAME, Report, TITLE, title};
use Heading::{Number, Text};

/// Rows that are open to see; the rest is in the table of the run.
const ROWS: usize = 40;

/// What the kinds of events mean, and their numbers of documents.
const KINDS: &str = "A topic is a cluster: one that is born or died had no counterpart in the other run, and its documents are new, withdrawn, \
     or shared out among its neighbours. Documents are all of it then; of one that was split off or merged they are what it shares \
     with the other topic, in brackets as a part of that.";

/// What stands above a column.
enum Heading {
    Text(&'static str),
    Number(&'static str),
}

/// Draws the section.
pub(super) fn changes(report: &Report) -> Markup {
    let Some(changes) = &report.changes else { return Markup::default() };
    markup!(
        r#"<section id="changes" aria-labelledby="changes-title"><h2 id="changes-title">What changed</h2><p class="soft">{}</p>{}{}{}{}{}</section>"#,
        lead(changes),
        events(changes),
        statuses_that_changed(changes),
        renamed(changes),
        loners(changes),
        past(changes)
    )
}

/// Draws the link to the section, where there is one.
pub(super) fn link(report: &Report) -> Markup {
    report.changes.as_ref().map_or_else(Markup::default, |_| markup!(r##"<a href="#changes">What changed</a>"##))
}

fn lead(changes: &Changes) -> Markup {
    markup!(
        "Since {}: {}. A topic is known by its number from run to run; its strength is what it shares with what it was: documents in both over documents in either, of those that both runs have.",
        foreign(&changes.since, ID),
        Figure(changes.movement())
    )
}

/// Draws a table of some kinds of changes, or says that there are none.
fn table(
    changes: &[&Change],
    (caption, none): (&'static str, &'static str),
    columns: &[Heading],
    row: impl Fn(&Change) -> Markup,
) -> Markup {
    if changes.is_empty() {
        return markup!("<h3>{}</h3><p>{}</p>", caption, none);
    }
    let headings = Markup::join(columns.iter().map(|column| match column {
        Text(text) => markup!(r#"<th scope="col">{}</th>"#, *text),
        Number(text) => markup!(r#"<th scope="col" class="number">{}</th>"#, *text),
    }));
    let beyond = changes.len().saturating_sub(ROWS);
    let beyond = (beyond > 0).then(|| markup!("<p class=\"soft\">… and {} more.</p>", Figure(beyond)));
    markup!(
        r#"<h3>{}</h3><table class="plain"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>{}"#,
        caption,
        headings,
        Markup::join(changes.iter().take(ROWS).map(|change| row(change))),
        beyond
    )
}

fn events(changes: &Changes) -> Markup {
    let columns = [Text("what"), Text("topic"), Number("documents"), Text("from or into")];
    let caveats = changes.caveats();
    let caveats = caveats.iter().map(|text| markup!("<p class=\"soft\">{}.</p>", foreign(text, TITLE)));
    let caveats = Markup::join(caveats);
    let captions = ("Topics that came and went", "No topic came or went.");
    let told = changes.of(&EVENTS);
    let kinds = (!told.is_empty()).then(|| markup!("<p class=\"soft\">{}</p>", KINDS));
    markup!("{}{}{}", table(&told, captions, &columns, event), kinds, caveats)
}

fn event(change: &Change) -> Markup {
    let part = change.share.filter(|_| change.kind != ChangeKind::Born);
    let share = part.map(|share| markup!(" ({})", figures::share(Some(share))));
    let other = match &change.other_name {
        Some(name) => markup!("{}{}", named(change.other_topic_id, name), share),
        None => markup!("{}", Figure(origin(change))),
    };
    markup!(
        r#"<tr><td>{}</td><th scope="row">{}</th><td class="number">{}</td><td>{}</td></tr>"#,
        called(change.kind),
        topic(change),
        Figure(figures::signed(change.documents.unwrap_or(0))),
        other
    )
}

fn statuses_that_changed(changes: &Changes) -> Markup {
    if !changes.same_periods {
        return markup!("<h3>Statuses that changed</h3><p>{}.</p>", OTHER_PERIODS);
    }
    let columns = [Text("what"), Text("topic"), Number("share, %"), Number("fade before"), Number("fade now")];
    table(&changes.of_statuses(), ("Statuses that changed", "No status changed."), &columns, |change| {
        markup!(
            r#"<tr><td>{}</td><th scope="row">{}</th><td class="number">{}</td><td class="number">{}</td><td class="number">{}</td></tr>"#,
            Figure(transition(change)),
            topic(change),
            Figure(changes.shares(change.topic_id)),
            fade([change.former_fade, change.former_fade_low, change.former_fade_high]),
            fade([change.fade, change.fade_low, change.fade_high])
        )
    })
}

fn renamed(changes: &Changes) -> Markup {
    let columns = [Text("topic"), Text("called before")];
    table(&changes.of(&[ChangeKind::Renamed]), ("Names", "No name changed."), &columns, |change| {
        let before = foreign(change.other_name.as_deref().unwrap_or_default(), NAME);
        markup!(r#"<tr><th scope="row">{}</th><td>{}</td></tr>"#, topic(change), before)
    })
}

fn loners(changes: &Changes) -> Markup {
    let columns = [Text("what"), Text("document"), Number("similarity before"), Number("now")];
    table(&changes.of(&LONERS), ("Loners", "None came, none left."), &columns, |change| {
        let (before, now) = similarities(change);
        markup!(
            r#"<tr><td>{}</td><th scope="row">{} <span class="soft">{}</span></th><td class="number">{}</td><td class="number">{}</td></tr>"#,
            called(change.kind),
            title(change.title.as_deref().unwrap_or_default()),
            foreign(change.document_id.as_deref().unwrap_or_default(), ID),
            before,
            now
        )
    })
}

/// Draws each topic's status, share and size over the runs, folded away.
fn past(changes: &Changes) -> Markup {
    let Some(last) = changes.steps.last() else { return Markup::default() };
    let mut topics: Vec<&Topic> = last.topics.iter().collect();
    topics.sort_by_key(|topic| topic.topic_id);
    let rows = Markup::join(topics.iter().map(|topic| past_row(changes, topic)));
    markup!(
        r#"<details class="more"><summary>Each topic over {}</summary><table class="plain"><thead><tr><th scope="col">topic</th><th scope="col">status, run by run</th><th scope="col" class="number">recent share</th><th scope="col" class="number">documents</th><th scope="col" class="number">strength</th></tr></thead><tbody>{}</tbody></table></details>"#,
        counted(changes.steps.len() as u64, "run"),
        rows
    )
}

fn past_row(changes: &Changes, topic: &Topic) -> Markup {
    let past = changes.past(topic.topic_id);
    let first = past.first();
    let share = first.map(|past| figures::share(past.recent_share));
    let size = first.map(|past| figures::signed(past.size));
    markup!(
        r#"<tr><th scope="row">{}</th><td>{}</td><td class="number">{} → {}</td><td class="number">{} → {}</td><td class="number">{}</td></tr>"#,
        named(Some(topic.topic_id), &topic.name),
        statuses(&past),
        share,
        figures::share(topic.recent_share),
        size,
        Figure(figures::signed(topic.size)),
        figures::ratio(topic.strength)
    )
}

fn topic(change: &Change) -> Markup {
    named(change.topic_id, change.name.as_deref().unwrap_or_default())
}

fn named(id: Option<i64>, name: &str) -> Markup {
    let id = id.map(|id| markup!(r#"<span class="soft">{}</span> "#, Figure(id)));
    markup!("{}{}", id, foreign(name, NAME))
}
