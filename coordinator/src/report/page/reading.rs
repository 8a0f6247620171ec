//! The manifest → what was read: inputs, lines, what became of them, and why lines were refused.

use super::super::figures::{count, counted};
use super::markup::{Figure, Markup, foreign, markup};
use super::{ID, Report};

/// Inputs listed.
const INPUTS: usize = 50;
/// Reasons listed; the others are summed up.
const REASONS: usize = 30;
/// Characters of a reason.
const REASON: usize = 200;

/// Draws what was read.
pub(super) fn reading(report: &Report) -> Markup {
    markup!(
        r#"<section id="reading" aria-labelledby="reading-title"><h2 id="reading-title">What was read</h2><p>{}</p><div class="columns">{}{}</div></section>"#,
        balance(report),
        inputs(report),
        refusals(report)
    )
}

fn balance(report: &Report) -> Markup {
    let manifest = &report.manifest;
    let blank: u64 = manifest.inputs.iter().map(|input| input.blank).sum();
    markup!(
        "<b>{}</b> = <b>{}</b> + {} refused + {} blank{}. {} without a date.",
        counted(manifest.lines(), "line"),
        counted(manifest.documents_of_snapshot(), "document"),
        count(manifest.rejected),
        count(blank),
        Figure(report.corpus_beyond()),
        counted(manifest.undated, "document"),
    )
}

fn inputs(report: &Report) -> Markup {
    let inputs = &report.manifest.inputs;
    let rows = inputs.iter().take(INPUTS).map(|input| {
        markup!(
            r#"<tr><th scope="row">{}<code class="digest">{}</code></th><td class="number">{}</td><td class="number">{}</td></tr>"#,
            foreign(&input.name, ID),
            input.sha256,
            count(input.lines),
            count(input.blank)
        )
    });
    let beyond = inputs.len().saturating_sub(INPUTS);
    let beyond =
        (beyond > 0).then(|| markup!("<p class=\"soft\">… and {} more in raw/manifest.json.</p>", Figure(beyond)));
    markup!(
        r#"<div><table class="plain"><caption>Inputs, with the sha256 of their bytes</caption><thead><tr><th scope="col">input</th><th scope="col" class="number">lines</th><th scope="col" class="number">blank</th></tr></thead><tbody>{}</tbody></table>{}</div>"#,
        Markup::join(rows),
        beyond
    )
}

fn refusals(report: &Report) -> Markup {
    let rejected = report.manifest.rejected;
    match &report.rejections {
        _ if rejected == 0 => markup!("<p>Nothing was refused.</p>"),
        None => markup!(
            "<p>{} refused; the reasons could not be read from raw/rejected.jsonl.</p>",
            counted(rejected, "line")
        ),
        Some(reasons) => {
            let (shown, rest) = reasons.split_at(reasons.len().min(REASONS));
            let most = reasons.first().map_or(1, |(_, number)| *number);
            let rest: u64 = rest.iter().map(|(_, number)| number).sum();
            let other = (rest > 0).then(|| reason("other reasons", rest, most));
            markup!(
                r#"<div><table class="plain"><caption>Refused lines; raw/rejected.jsonl has each of them</caption><thead><tr><th scope="col">reason</th><th scope="col" class="number">lines</th><td></td></tr></thead><tbody>{}{}</tbody></table></div>"#,
                Markup::join(shown.iter().map(|(words, number)| reason(words, *number, most))),
                other
            )
        }
    }
}

fn reason(words: &str, number: u64, most: u64) -> Markup {
    markup!(
        r#"<tr><th scope="row">{}</th><td class="number">{}</td><td class="drawing"><svg class="amount" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect width="{}" height="8"/></svg></td></tr>"#,
        foreign(words, REASON),
        count(number),
        Figure((number as f64 / most.max(1) as f64 * 100.0).clamp(1.0, 100.0).round())
    )
}
