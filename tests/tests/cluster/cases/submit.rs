//! `strata submit`, from outside of the cluster.

use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::json;
use strata_tests::cluster::{Namespace, run, wait_for};
use strata_tests::process_group::{End, ProcessGroup};

use crate::lab::{FAST, LIMIT, Lab, SLOW};

/// Submits, watches to the end, and prints the tables; the same again has nothing to do.
pub(super) fn submitting_from_outside_does_the_same(lab: &Lab) -> anyhow::Result<()> {
    let case = "submit";
    let namespace = lab.namespace(case)?;
    let said = run(&mut submit(lab, &namespace, case, FAST)?)?;
    ensure!(said.contains("LONELIEST DOCUMENTS"), "the tables are on stdout:\n{said}");
    lab.check_objects(case, FAST)?;
    lab.check_secrecy(case, &namespace)
}

/// Two laptops submit the same at the same moment: one run, which both watch to its end.
pub(super) fn the_same_submitted_twice_at_once_is_one_run(lab: &Lab) -> anyhow::Result<()> {
    let case = "twice";
    let namespace = lab.namespace(case)?;
    let both = [submit(lab, &namespace, case, FAST)?, submit(lab, &namespace, case, FAST)?].map(ProcessGroup::start);
    for started in both {
        started?.wait(LIMIT).and_then(End::succeeded)?;
    }
    let jobs = ["coordinator", "map", "reduce"].map(|component| namespace.jobs(component).map(|jobs| jobs.len()));
    ensure!(jobs.into_iter().collect::<anyhow::Result<Vec<_>>>()? == [1, 1, 1], "one Job of each kind");
    lab.check_objects(case, FAST)
}

/// What a submission would do and cost, said without doing it: objects that the API server accepts, and nothing of them there.
pub(super) fn a_dry_run_says_what_it_costs_and_changes_nothing(lab: &Lab) -> anyhow::Result<()> {
    let case = "dry";
    let namespace = lab.namespace(case)?;
    let foretold = |lab: &Lab| -> anyhow::Result<(String, String)> {
        let output = lab.submit(case, FAST, &namespace)?.arg("--dry-run").output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        ensure!(output.status.success(), "{}", text(&output.stderr));
        Ok((text(&output.stdout), text(&output.stderr)))
    };
    let (_, said) = foretold(lab)?;
    ensure!(said.contains("the store holds no corpus yet"), "{said}");
    lab.shard_on(case)?;
    let (yaml, said) = foretold(lab)?;
    ensure!(
        said.contains("in 7 shards to embed: 7 map pods, at most 7 at once"),
        "documents, shards, pods, hours:\n{said}"
    );
    ensure!(said.contains("hours in all"), "{said}");
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), yaml)?;
    namespace.kubectl(["apply", "--dry-run=server", "--filename", &file.path().display().to_string()])?;
    let there = namespace.kubectl(["get", "jobs,cronjobs,roles,rolebindings", "--output", "name"])?;
    ensure!(there.is_empty(), "nothing is there: {there}");
    namespace.apply_overlay(&lab.settings(case, FAST), None)?;
    let (yaml, _) = foretold(lab)?;
    ensure!(yaml.contains("# CronJob strata-map was made by kubectl"), "what is there stays, and is told:\n{yaml}");
    ensure!(!yaml.contains("name: strata-map\n"), "and is not foretold as something to be applied:\n{yaml}");
    Ok(())
}

/// A run that is cancelled in the middle of its map leaves no pod, gives the store's lease back, and keeps the shards that it has done.
pub(super) fn a_cancelled_run_is_gone_and_the_next_one_goes_on_at_once(lab: &Lab) -> anyhow::Result<()> {
    let case = "cancelled";
    let namespace = lab.namespace(case)?;
    let mut settings = lab.settings(case, SLOW);
    // One shard after the other: some are left however soon the first is done.
    settings.patch("CronJob", "strata-map", "replace", "/spec/jobTemplate/spec/parallelism", &json!(1));
    namespace.apply_overlay(&settings, None)?;
    run(lab.submit(case, SLOW, &namespace)?.arg("--detach"))?;
    let one_is_done = || Ok(namespace.jobs("map")?.pop().filter(|map| map.count("succeeded") > 0));
    let map = wait_for("the first shard", LIMIT, one_is_done).with_context(|| namespace.describe())?;
    let all = map.0["spec"]["completions"].as_u64().context("a map has completions")?;
    lab.cancel(&namespace)?;
    let left = namespace.kubectl(["get", "jobs,pods", "--output", "name"])?;
    ensure!(left.is_empty(), "nothing runs any more: {left}");
    let lease = lab.lease(case)?;
    ensure!(lease["released"] == true, "the lease is given back: {lease}");
    let done = lab.vector_shards(case)?.len() as u64;
    run(&mut lab.submit(case, SLOW, &namespace)?)?;
    let map = namespace.jobs("map")?.pop().context("a map")?;
    ensure!(map.0["spec"]["completions"] == all - done, "{done} shards were done: {:?}", map.0["spec"]);
    let said = namespace.logs("coordinator")?;
    ensure!(!said.contains("in use by"), "nobody is waited for:\n{said}");
    lab.check_objects(case, SLOW)
}

/// The command that a user types, with small pods.
fn submit(lab: &Lab, namespace: &Namespace<'_>, case: &str, model: &str) -> anyhow::Result<Command> {
    // What the templates ask for by themselves is more than a small node has: the user's own templates are used as they are.
    namespace.apply_overlay(&lab.settings(case, model), None)?;
    lab.submit(case, model, namespace)
}
