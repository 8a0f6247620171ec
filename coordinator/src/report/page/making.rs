//! The run's record → how the run was made: what went in, what was asked, what came out. Nothing of when or how fast.

use super::super::figures::{count, counted, window};
use super::markup::{Figure, Markup, ToMarkup, foreign, markup};
use super::{ID, Report};

/// Outputs listed; there is one for every shard of labels.
const OUTPUTS: usize = 200;

/// Draws how the run was made.
pub(super) fn making(report: &Report) -> Markup {
    markup!(
        r#"<section id="making" aria-labelledby="making-title"><h2 id="making-title">How the run was made</h2><div class="columns">{}{}</div>{}<p class="soft">The same input, parameters and seed give the same bytes on one kind of CPU, this page included.</p></section>"#,
        came_out(report),
        was_asked(report),
        outputs(report)
    )
}

fn entry(name: &'static str, value: impl ToMarkup) -> Markup {
    markup!("<div><dt>{}</dt><dd>{}</dd></div>", name, value)
}

fn list(heading: &'static str, entries: impl IntoIterator<Item = Markup>) -> Markup {
    markup!("<div><h3>{}</h3><dl>{}</dl></div>", heading, Markup::join(entries))
}

fn came_out(report: &Report) -> Markup {
    let record = &report.findings.record;
    let clusters = &record.clusters;
    let index = &record.index;
    let probes = index.nprobe.map(|nprobe| markup!(", nprobe {}", Figure(nprobe)));
    list(
        "The run",
        [
            entry("run", foreign(&record.run, ID)),
            entry("vectors of", foreign(&record.vectors_of, ID)),
            entry("generation", Figure(record.generation)),
            entry("manifest", markup!(r#"<code class="digest">{}</code>"#, record.manifest_sha256)),
            entry("documents", count(record.rows)),
            entry("dimensions", Figure(record.dim)),
            entry(
                "clusters",
                markup!("{} of {} asked for", count(clusters.found as u64), count(clusters.requested as u64)),
            ),
            entry("k-means sample", count(clusters.sample_rows as u64)),
            entry("inertia", Figure(record.inertia)),
            entry("index", markup!("{}{}", foreign(&index.factory, ID), probes)),
        ],
    )
}

fn was_asked(report: &Report) -> Markup {
    let parameters = &report.findings.record.parameters;
    let or_rule = |value: Option<String>| value.unwrap_or_else(|| "by rule".into());
    list(
        "What was asked",
        [
            entry("clusters", or_rule(parameters.clusters.map(|clusters| count(clusters as u64)))),
            entry("k-means", parameters.kmeans.as_str()),
            entry("seed", Figure(parameters.seed)),
            entry("period", parameters.period.as_str()),
            entry("recent periods", Figure(parameters.recent)),
            entry("until", parameters.until.clone().unwrap_or_else(|| "found from the data".into())),
            entry("lonely listed", count(parameters.lonely as u64)),
            entry("lonely neighbour", Figure(parameters.lonely_k)),
            entry("fewest words", Figure(parameters.lonely_min_words)),
            entry("index", parameters.index.as_deref().map_or_else(|| markup!("by rule"), |index| foreign(index, ID))),
            entry("recent window", window(report.findings.record.periods.recent.as_deref())),
        ],
    )
}

fn outputs(report: &Report) -> Markup {
    let outputs = &report.findings.record.outputs;
    let rows = outputs.iter().take(OUTPUTS).map(|output| {
        markup!(
            r#"<tr><th scope="row">{}<code class="digest">{}</code></th><td class="number">{}</td></tr>"#,
            foreign(&output.key, ID * 2),
            output.sha256,
            count(output.bytes)
        )
    });
    let beyond = outputs.len().saturating_sub(OUTPUTS);
    let beyond = (beyond > 0).then(|| markup!("<p class=\"soft\">… and {} more in run.json.</p>", Figure(beyond)));
    markup!(
        r#"<details class="more"><summary>{} written</summary><table class="plain"><caption>Objects, with the sha256 of their bytes</caption><thead><tr><th scope="col">object</th><th scope="col" class="number">bytes</th></tr></thead><tbody>{}</tbody></table>{}</details>"#,
        counted(outputs.len() as u64, "object"),
        Markup::join(rows),
        beyond
    )
}
