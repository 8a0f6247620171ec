//! Findings → `report.html`: one file that needs nothing else, in light and dark, for desks and phones.
//!
//! Invariant: the page is markup built by [`markup`], styles and a script that this program brings along, and a policy
//! that lets a browser load nothing and run nothing but that very script. Everything can be read without the script,
//! which only sorts and searches. The same report makes the same bytes.

mod changes;
mod charts;
mod front;
mod lonely;
mod making;
mod markup;
mod movers;
mod policy;
mod reading;
mod topics;

use strata_shared::findings::{Status, Topic};

use super::history::History;
use super::{Report, visible};
use markup::{Markup, markup};

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
    let title = format!("strata: {}", report.input_names());
    let values = [
        ("policy", policy::policy(STYLE, SCRIPT)),
        ("title", markup!("{}", markup::Attribute(&visible::cut(&title, NAME))).into_string()),
        ("style", STYLE.to_owned()),
        ("script", SCRIPT.to_owned()),
        ("front", front::front(report, &history).into_string()),
        ("changes", changes::changes(report).into_string()),
        ("changes_link", changes::link(report).into_string()),
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
    let separated =
        shown.iter().enumerate().map(|(at, text)| if at == 0 { text.clone() } else { markup!(", {}", text) });
    Markup::join(separated)
}

/// Draws a title, or says that there is none.
fn title(title: &str) -> Markup {
    if title.is_empty() { markup!("<span class=\"soft\">(untitled)</span>") } else { markup::foreign(title, TITLE) }
}

/// Draws a topic's name, with titles of its documents folded away beneath it where some are known.
fn named(topic: &Topic, examples: &[&str]) -> Markup {
    let name = markup::foreign(&topic.name, NAME);
    let items = Markup::join(examples.iter().map(|example| markup!("<li>{}</li>", title(example))));
    if items.is_empty() {
        name
    } else {
        markup!(r#"<details><summary>{}</summary><ul class="examples">{}</ul></details>"#, name, items)
    }
}

/// Draws a topic's status: a mark in its colour and the word.
fn status(status: Status) -> Markup {
    markup!(r#"<span class="status {}">{}</span>"#, status.as_str(), status.as_str())
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    /// Checks that tags are closed in the order in which they were opened, and attributes are quoted.
    fn check_nesting(page: &str) {
        const VOID: [&str; 7] = ["meta", "link", "input", "br", "path", "rect", "!doctype"];
        let (before, after) = page.split_once("<style>").unwrap();
        let markup = before.to_owned() + after.split_once("</style>").unwrap().1.split_once("<script>").unwrap().0;
        let mut open: Vec<String> = Vec::new();
        for tag in markup.split('<').skip(1) {
            let (tag, text) = tag.split_once('>').unwrap_or_else(|| panic!("<{tag} is not closed"));
            assert!(!text.contains('>'), "an unescaped > after <{tag}>");
            assert!(tag.matches('"').count().is_multiple_of(2), "<{tag}>");
            let name = tag.split([' ', '/']).find(|part| !part.is_empty()).unwrap_or_default();
            if tag.starts_with('/') {
                assert_eq!(open.pop().as_deref(), Some(name), "</{name}>");
            } else if !VOID.contains(&name) {
                open.push(name.to_owned());
            }
        }
        assert_eq!(open, ["html", "body"]);
    }

    #[test]
    fn every_kind_of_corpus_makes_a_page_whose_tags_are_in_order() {
        let mut reports = [fixture::report(), fixture::hostile(), fixture::undated(), fixture::tiny()];
        reports[0].changes = Some(fixture::changes());
        for report in &reports {
            check_nesting(&html(report));
        }
    }

    #[test]
    fn nothing_hidden_and_no_foreign_tag_is_in_the_page() {
        let page = html(&fixture::hostile());
        assert!(!page.chars().any(|character| character != '\n' && visible::is_hidden(character)));
        for tag in ["<script>window", "<img", "<svg onload", "</title></style>", "onerror=\""] {
            assert!(!page.contains(tag), "{tag}");
        }
        assert!(page.contains("&lt;script&gt;window.__pwned"));
        assert!(page.contains("{{css}}"), "a placeholder in a title is text");
    }

    #[test]
    fn nothing_is_loaded_from_anywhere() {
        let page = html(&fixture::report());
        for address in ["http://", "https://", "src=", "url(", "@import", "style=\""] {
            assert!(!page.contains(address), "{address}");
        }
    }

    #[test]
    fn four_hundred_topics_stay_small() {
        let page = html(&fixture::with_topics(400));
        assert!(page.len() < 2_000_000, "{} bytes", page.len());
        assert_eq!(page.matches("<tr data-status=").count(), 400);
    }

    #[test]
    fn the_same_report_makes_the_same_bytes() {
        assert_eq!(html(&fixture::hostile()), html(&fixture::hostile()));
    }

    #[test]
    fn everything_asked_for_is_there() {
        let page = html(&fixture::report());
        for part in [
            "petri nets for manufacturing",
            "Improvement of product sustainability",
            "id was seen before",
            "12 documents have no date",
            "318 documents of fewer than 20 words",
            "2 clusters share one name",
            "IVF512,Flat",
            "16672.3184",
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "run-3f9a5c0d1e2b",
            "all-MiniLM-L6-v2-0123456789ab",
        ] {
            assert!(page.contains(part), "{part:?} is missing");
        }
    }

    #[test]
    fn what_changed_has_a_section_where_a_run_follows_another() {
        let mut report = fixture::hostile();
        assert!(!html(&report).contains("href=\"#changes\""));
        report.changes = Some(fixture::hostile_changes());
        let page = html(&report);
        for part in ["href=\"#changes\"", "id=\"changes\"", "born", "→ fading", "found company", "steady ×"] {
            assert!(page.contains(part), "{part:?} is missing");
        }
        assert!(!page.contains("<script>window") && page.contains("&lt;script&gt;window"));
    }

    #[test]
    fn what_is_filled_in_is_not_filled_again() {
        let values = [("a", "{{b}}".to_owned()), ("b", "no".to_owned())];
        assert_eq!(fill("<{{a}}|{{b}}|{{c}}>", &values), "<{{b}}|no|>");
    }
}
