//! Runs by the clock.

use std::time::Duration;

use anyhow::ensure;
use serde_json::json;
use strata_tests::cluster::{Namespace, wait_for};

use crate::lab::{FAST, LIMIT, Lab, SLOW};

/// A `CronJob` that is due while its last run is still going leaves that run alone and starts no other.
pub(super) fn a_schedule_that_is_due_during_a_run_starts_no_other(lab: &Lab) -> anyhow::Result<()> {
    let case = "scheduled";
    let namespace = lab.namespace(case)?;
    let mut settings = lab.settings(case, SLOW);
    settings.patch("CronJob", "strata", "replace", "/spec/suspend", &json!(false));
    settings.patch("CronJob", "strata", "replace", "/spec/schedule", &json!("* * * * *"));
    // A map that is suspended keeps the run going for as long as this test wants.
    settings.patch("CronJob", "strata-map", "add", "/spec/jobTemplate/spec/suspend", &json!(true));
    namespace.apply_overlay(&settings, None)?;
    let first = wait_for("the first run's map", LIMIT, || Ok(namespace.jobs("map")?.pop()))?;
    // The controller says so when the next minute comes.
    let is_refused = || {
        let events = namespace.kubectl(["get", "events", "--output", "json"])?;
        Ok(events.contains("JobAlreadyActive").then_some(()))
    };
    wait_for("the refusal of a second run", Duration::from_secs(150), is_refused)?;
    ensure!(namespace.jobs("coordinator")?.len() == 1, "one run: {:?}", namespace.jobs("coordinator")?);
    let stop = json!({"spec": {"suspend": true}}).to_string();
    namespace.kubectl(["patch", "cronjob", "strata", "--type", "merge", "--patch", &stop])?;
    let go_on = json!({"spec": {"suspend": false}}).to_string();
    namespace.kubectl(["patch", "job", first.name(), "--type", "merge", "--patch", &go_on])?;
    let coordinator = namespace.jobs("coordinator")?.remove(0);
    namespace.completion_of(coordinator.name(), LIMIT)?;
    lab.check_objects(case, SLOW)
}

/// Every month the newest snapshot under a prefix is taken, only what is new in it is embedded, and nothing new starts no Job.
pub(super) fn every_month_embeds_only_what_the_newest_snapshot_adds(lab: &Lab) -> anyhow::Result<()> {
    let case = "months";
    let namespace = lab.namespace(case)?;
    namespace.apply_overlay(&lab.settings_for_months(case, FAST), None)?;
    let january = lab.deliver(case, "z-january", 170)?;
    month(&namespace, "january")?;
    ensure!(maps(&namespace)? == [4], "a first snapshot is all new: {:?}", maps(&namespace)?);
    let february = lab.deliver(case, "february", 230)?;
    month(&namespace, "february")?;
    ensure!(maps(&namespace)? == [2, 4], "60 lines are two shards of 50: {:?}", maps(&namespace)?);
    month(&namespace, "march")?;
    let (maps, reduces) = (maps(&namespace)?, namespace.jobs("reduce")?.len());
    ensure!((maps.len(), reduces) == (2, 2), "nothing new starts no Job: {maps:?}, {reduces} reduces");
    ensure!(namespace.logs("coordinator")?.contains("nothing to do"), "and that is said");
    lab.check_months(case, FAST, &[january, february])
}

/// Starts what the `CronJob` would start, and waits for its end.
fn month(namespace: &Namespace<'_>, name: &str) -> anyhow::Result<()> {
    namespace.kubectl(["create", "job", name, "--from", "cronjob/strata"])?;
    namespace.completion_of(name, LIMIT).map(drop)
}

/// The completions that the maps have, the fewest first.
fn maps(namespace: &Namespace<'_>) -> anyhow::Result<Vec<u64>> {
    let maps = namespace.jobs("map")?;
    let mut completions: Vec<u64> = maps.iter().filter_map(|map| map.0["spec"]["completions"].as_u64()).collect();
    completions.sort_unstable();
    Ok(completions)
}
