//! Runs by the clock.

use std::time::Duration;

use anyhow::ensure;
use serde_json::json;
use strata_tests::cluster::wait_for;

use crate::lab::{LIMIT, Lab, SLOW};

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
