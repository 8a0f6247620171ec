//! A plan → what a person reads of it; as JSON it is what its fields say.

use indicatif::HumanBytes;
use strata_shared::layout::Kind;

use super::plan::{Chosen, Fates, Plan};
use crate::inventory::Amount;

/// Names that a line has room for; the others are counted.
const NAMED: usize = 8;

/// Draws a plan as a table of objects by kind, under the runs and generations that go.
#[must_use]
pub fn terminal(plan: &Plan) -> String {
    let mut lines = Vec::new();
    lines.extend(chosen("runs", &plan.runs));
    lines.extend(chosen("generations", &plan.generations));
    if !plan.unfinished.is_empty() {
        let names: Vec<String> = plan.unfinished.keys().map(ToString::to_string).collect();
        lines.push(format!("{:<13}{} removed ({})", "not finished", names.len(), named(&names)));
    }
    lines.push(format!("{:<26}{:>22}{:>22}{:>22}", "", "removed", "too young", "kept"));
    lines.extend(
        plan.objects.iter().filter(|(kind, _)| **kind != Kind::Leases).map(|(kind, fates)| row(kind.as_str(), *fates)),
    );
    let kept = plan.objects.iter().filter(|(kind, _)| **kind != Kind::Leases).map(|(_, fates)| fates.kept).sum();
    lines.push(row("in all", Fates { removed: plan.removed(), left: plan.left(), kept }));
    if plan.foreign.objects > 0 {
        lines.push(format!("{} objects in these folders are not strata's, and stay", plan.foreign.objects));
    }
    lines.join("\n")
}

fn chosen<T: ToString>(what: &str, chosen: &Chosen<T>) -> Option<String> {
    let names: Vec<String> = chosen.removed.iter().map(ToString::to_string).collect();
    let removed = if names.is_empty() { String::new() } else { format!(" ({})", named(&names)) };
    let any = names.len() + chosen.kept.len() > 0;
    any.then(|| format!("{what:<13}{} removed{removed}, {} kept", names.len(), chosen.kept.len()))
}

fn named(names: &[String]) -> String {
    let shown = names[..names.len().min(NAMED)].join(", ");
    if names.len() > NAMED { format!("{shown} and {} more", names.len() - NAMED) } else { shown }
}

fn row(what: &str, fates: Fates) -> String {
    let cell = |amount: Amount| match amount.objects {
        0 => "0".to_owned(),
        objects => format!("{objects} ({})", HumanBytes(amount.bytes)),
    };
    format!("{what:<26}{:>22}{:>22}{:>22}", cell(fates.removed), cell(fates.left), cell(fates.kept))
}
