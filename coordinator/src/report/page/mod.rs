//! Findings → `report.html`: one file that needs nothing else, in light and dark, for desks and phones.
//!
//! Invariant: the page is markup built by [`markup`], styles and a script that this program brings along, and a policy
//! that lets a browser load nothing and run nothing but that very script. Everything can be read without the script,
//! which only sorts and searches. The same report makes the same bytes.

mod charts;
mod front;
mod lonely;
mod making;
mod markup;
mod movers;
mod policy;
mod reading;
mod topics;

use super::history::History;
use super::{Report, visible};
use markup::{Markup, ToMarkup, markup};

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Characters of a topic's name, of a category, of a term.
const NAME: usize = 120;
/// Characters of a title; whoever needs more of it has the id.
const TITLE: usize = 300;
/// Characters of an id, of an input's name.
const ID: usize = 100;

/// Draws the page.
#[must_use]
pub fn html(report: &Report) -> String {
    let history = History::new(&report.findings);
    let title = format!("strata: {}", report.input_names().unwrap_or_else(|| report.findings.record.run.clone()));
    let values = [
        ("policy", policy::policy(STYLE, SCRIPT)),
        ("title", markup!("{}", markup::Attribute(&visible::cut(&title, NAME))).into_string()),
        ("style", STYLE.to_owned()),
        ("script", SCRIPT.to_owned()),
        ("front", front::front(report, &history).into_string()),
        ("fading", movers::fading(report, &history).into_string()),
        ("emerging", movers::emerging(report, &history).into_string()),
        ("lonely", lonely::lonely(report).into_string()),
        ("topics", topics::topics(report, &history).into_string()),
        ("reading", reading::reading(report).into_string()),
        ("making", making::making(report).into_string()),
    ];
    fill(TEMPLATE, &values)
}

/// Fills `{{name}}` in the template, in one pass: what is filled in is not looked at again.
fn fill(template: &str, values: &[(&str, String)]) -> String {
    let mut page = String::with_capacity(template.len() + values.iter().map(|(_, value)| value.len()).sum::<usize>());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        page.push_str(before);
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        page.extend(values.iter().filter(|(known, _)| *known == name).map(|(_, value)| value.as_str()));
        rest = after;
    }
    page + rest
}

/// Draws a list of foreign texts on one line.
fn listed<'a>(texts: impl IntoIterator<Item = &'a String>, most: usize) -> Markup {
    let shown: Vec<Markup> = texts.into_iter().take(most).map(|text| markup::foreign(text, NAME)).collect();
    let separated = shown.iter().enumerate().map(|(at, text)| if at == 0 { text.clone() } else { markup!(", {}", text) });
    Markup::join(separated)
}

/// Draws a title, or says that there is none.
fn title(title: &str) -> Markup {
    if title.is_empty() { markup!("<span class=\"soft\">(untitled)</span>") } else { markup::foreign(title, TITLE) }
}

/// Draws the examples of a topic behind a summary; nothing where no title is known.
fn examples(titles: &[&str], summary: &impl ToMarkup) -> Markup {
    let items = Markup::join(titles.iter().map(|text| markup!("<li>{}</li>", title(text))));
    if titles.is_empty() {
        markup!("{}", Markup::join([markup!("{}", Shown(summary))]))
    } else {
        markup!("<details><summary>{}</summary><ul class=\"examples\">{}</ul></details>", Shown(summary), items)
    }
}
