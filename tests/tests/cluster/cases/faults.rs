//! What cannot end well, and must say exactly why.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::json;
use strata_tests::cluster::{Job, Namespace, Settings};
use strata_tests::s3_server::Credentials;

use crate::lab::{FAST, LIMIT, Lab};

/// Shards that each of these corpora has, at 50 documents a shard.
const POISONED: &str = "raw/shard_00002.parquet";

/// One shard of six is cut short: all others are embedded, the error names it, and once it is mended it alone is done.
pub(super) fn a_poisoned_shard_fails_alone_and_mended_is_done_alone(lab: &Lab) -> anyhow::Result<()> {
    let case = "poisoned";
    let namespace = lab.namespace(case)?;
    lab.shard_on(case)?;
    let whole = lab.replace(case, POISONED, |bytes| bytes.truncate(bytes.len() / 2))?;
    namespace.apply_overlay(&without_retries(lab.settings(case, FAST)), Some("once"))?;
    let failed = namespace.end_of("strata", LIMIT)?;
    ensure!(failed.is("Failed"), "a poisoned shard fails the run");
    let map = only(namespace.jobs("map")?)?;
    ensure!(map.0["status"]["failedIndexes"] == "2", "index 2 alone fails: {:?}", map.0["status"]);
    ensure!(map.count("succeeded") + 1 == map.0["spec"]["completions"].as_u64().unwrap_or(0), "{:?}", map.0["status"]);
    let said = namespace.logs("coordinator")?;
    ensure!(said.contains("shard_00002"), "the shard is named:\n{said}");
    lab.replace(case, POISONED, |bytes| *bytes = whole)?;
    again(&namespace, &lab.settings(case, FAST))?;
    let map = only(namespace.jobs("map")?)?;
    ensure!(map.0["spec"]["completions"] == 1, "only the mended shard is embedded: {:?}", map.0["spec"]);
    lab.check_objects(case, FAST)
}

/// A limit that the model does not fit into.
pub(super) fn a_map_pod_out_of_memory_is_named(lab: &Lab) -> anyhow::Result<()> {
    let case = "memory";
    let namespace = lab.namespace(case)?;
    let mut settings = without_retries(lab.settings(case, FAST));
    let limits = "/spec/jobTemplate/spec/template/spec/containers/0/resources";
    let little = json!({"requests": {"cpu": "100m", "memory": "12Mi"}, "limits": {"memory": "24Mi"}});
    settings.patch("CronJob", "strata-map", "replace", limits, &little);
    settings.patch("CronJob", "strata-map", "replace", "/spec/jobTemplate/spec/backoffLimitPerIndex", &json!(0));
    namespace.apply_overlay(&settings, Some("once"))?;
    ensure!(namespace.end_of("strata", LIMIT)?.is("Failed"), "24 MiB are not enough");
    let said = namespace.logs("coordinator")?;
    ensure!(said.contains("OOMKilled"), "the cause is named:\n{said}");
    again(&namespace, &lab.settings(case, FAST))?;
    lab.check_objects(case, FAST)
}

/// Credentials that the store refuses: exit 2, and no second try.
pub(super) fn wrong_credentials_end_the_run_at_once(lab: &Lab) -> anyhow::Result<()> {
    let case = "credentials";
    let namespace = lab.namespace(case)?;
    let wrong =
        Credentials { secret_key: "wrong-secret-of-a-test".into(), ..lab.minio().borrow().credentials().clone() };
    namespace.give_credentials(&wrong)?;
    namespace.apply_overlay(&lab.settings(case, FAST), Some("once"))?;
    let job = namespace.end_of("strata", Duration::from_mins(1))?;
    let failed = job.condition("Failed").context("wrong credentials fail the run")?;
    ensure!(failed.contains("PodFailurePolicy"), "exit code 2 ends the Job: {failed}");
    ensure!(job.count("failed") == 1, "one try: {:?}", job.0["status"]);
    let said = namespace.logs("coordinator")?;
    ensure!(!said.contains(&wrong.secret_key), "the secret is not told:\n{said}");
    Ok(())
}

/// A role that may not create Jobs.
pub(super) fn a_missing_permission_is_named(lab: &Lab) -> anyhow::Result<()> {
    let case = "forbidden";
    let namespace = lab.namespace(case)?;
    let mut settings = lab.settings(case, FAST);
    settings.patch("Role", "strata-coordinator", "replace", "/rules/1/verbs", &json!(["get", "list", "watch"]));
    namespace.apply_overlay(&settings, Some("once"))?;
    let job = namespace.end_of("strata", LIMIT)?;
    let failed = job.condition("Failed").context("a missing permission fails the run")?;
    ensure!(failed.contains("PodFailurePolicy"), "exit code 2 ends the Job: {failed}");
    let said = namespace.logs("coordinator")?;
    ensure!(said.contains("create") && said.contains("jobs") && said.contains(&namespace.name), "{said}");
    Ok(())
}

/// Ends the coordinator's Job at its pod's first failure, which would be waited for otherwise.
fn without_retries(mut settings: Settings) -> Settings {
    settings.patch("Job", "strata", "replace", "/spec/backoffLimit", &json!(0));
    settings
}

/// Applies everything anew, as a user does who has mended what was wrong.
fn again(namespace: &Namespace<'_>, settings: &Settings) -> anyhow::Result<()> {
    namespace.kubectl(["delete", "job", "strata", "--cascade", "foreground", "--timeout", "60s"])?;
    namespace.apply_overlay(settings, Some("once"))?;
    namespace.completion_of("strata", LIMIT).map(drop)
}

fn only(mut jobs: Vec<Job>) -> anyhow::Result<Job> {
    ensure!(jobs.len() == 1, "one Job, found {jobs:?}");
    jobs.pop().context("a Job")
}
