//! `strata submit`, from outside of the cluster.

use std::process::Command;

use anyhow::ensure;
use strata_tests::cluster::{Namespace, run};
use strata_tests::process_group::{End, ProcessGroup};

use crate::lab::{FAST, LIMIT, Lab};

/// Submits, watches to the end, and prints the tables; the same again has nothing to do.
pub(super) fn submitting_from_outside_does_the_same(lab: &Lab) -> anyhow::Result<()> {
    let case = "submit";
    let namespace = lab.namespace(case)?;
    let said = run(&mut submit(lab, &namespace, case)?)?;
    ensure!(said.contains("LONELIEST DOCUMENTS"), "the tables are on stdout:\n{said}");
    lab.check_objects(case, FAST)?;
    lab.check_secrecy(case, &namespace)
}

/// Two laptops submit the same at the same moment: one run, which both watch to its end.
pub(super) fn the_same_submitted_twice_at_once_is_one_run(lab: &Lab) -> anyhow::Result<()> {
    let case = "twice";
    let namespace = lab.namespace(case)?;
    let both = [submit(lab, &namespace, case)?, submit(lab, &namespace, case)?].map(ProcessGroup::start);
    for started in both {
        started?.wait(LIMIT).and_then(End::succeeded)?;
    }
    let jobs = ["coordinator", "map", "reduce"].map(|component| namespace.jobs(component).map(|jobs| jobs.len()));
    ensure!(jobs.into_iter().collect::<anyhow::Result<Vec<_>>>()? == [1, 1, 1], "one Job of each kind");
    lab.check_objects(case, FAST)
}

/// The command that a user types, with small pods.
fn submit(lab: &Lab, namespace: &Namespace<'_>, case: &str) -> anyhow::Result<Command> {
    // What the templates ask for by themselves is more than a small node has: the user's own templates are used as they are.
    namespace.apply_overlay(&lab.settings(case, FAST), None)?;
    lab.submit(case, &namespace.name)
}
