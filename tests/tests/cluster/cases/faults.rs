//! What cannot end well, and must say exactly why.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::json;
use strata_tests::cluster::{Job, Namespace, Settings, wait_for};
use strata_tests::s3_server::Credentials;

use crate::lab::{FAST, LIMIT, Lab, SLOW};

/// One of the seven shards that these corpora have, at 50 documents a shard.
const POISONED: &str = "raw/shard_00002.parquet";

/// One shard of seven is damaged: all others are embedded, the error names it, and once it is mended it alone is done.
pub(super) fn a_poisoned_shard_fails_alone_and_mended_is_done_alone(lab: &Lab) -> anyhow::Result<()> {
    let case = "poisoned";
    let namespace = lab.namespace(case)?;
    lab.shard_on(case)?;
    let whole = lab.replace(case, POISONED, |bytes| damage(bytes))?;
    namespace.apply_overlay(&lab.settings(case, FAST), Some("once"))?;
    ends_with_bad_data(&namespace)?;
    let map = only(namespace.jobs("map")?)?;
    ensure!(map.0["status"]["failedIndexes"] == "2", "index 2 alone fails: {:?}", map.0["status"]);
    ensure!(map.count("failed") == 1, "exit code 3 is not tried again: {:?}", map.0["status"]);
    ensure!(map.count("succeeded") + 1 == map.0["spec"]["completions"].as_u64().unwrap_or(0), "{:?}", map.0["status"]);
    lab.replace(case, POISONED, |bytes| *bytes = whole)?;
    again(&namespace, &lab.settings(case, FAST))?;
    let map = only(namespace.jobs("map")?)?;
    ensure!(map.0["spec"]["completions"] == 1, "only the mended shard is embedded: {:?}", map.0["spec"]);
    lab.check_objects(case, FAST)
}

/// Two pods share seven shards, of which one is damaged: its pod does its other three before it ends.
pub(super) fn a_poisoned_shard_among_several_of_a_pod_leaves_the_others_done(lab: &Lab) -> anyhow::Result<()> {
    let case = "several";
    let namespace = lab.namespace(case)?;
    lab.shard_on(case)?;
    let whole = lab.replace(case, POISONED, |bytes| damage(bytes))?;
    let settings = lab.settings(case, FAST).with("STRATA_SHARDS_PER_POD", "4");
    namespace.apply_overlay(&settings, Some("once"))?;
    ends_with_bad_data(&namespace)?;
    let map = only(namespace.jobs("map")?)?;
    ensure!(map.0["spec"]["completions"] == 2, "at most four shards a pod: {:?}", map.0["spec"]);
    // Tasks take turns: the pod of index 0 has shards 0, 2, 4 and 6.
    ensure!(map.0["status"]["failedIndexes"] == "0", "the index of the shard fails: {:?}", map.0["status"]);
    let done = lab.vector_shards(case)?;
    ensure!(done == [0, 1, 3, 4, 5, 6], "all shards but the damaged one are done: {done:?}");
    lab.replace(case, POISONED, |bytes| *bytes = whole)?;
    again(&namespace, &settings)?;
    lab.check_objects(case, FAST)
}

/// Changes one byte and not the size, as a disk does that forgets: whoever reads the shard finds it, and nobody who only lists it.
fn damage(bytes: &mut [u8]) {
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
}

/// Waits until the run has failed by exit code 3, at its first try, with the damaged shard named.
fn ends_with_bad_data(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let job = namespace.end_of("strata", LIMIT)?;
    let failed = job.condition("Failed").context("a poisoned shard fails the run")?;
    ensure!(failed.contains("PodFailurePolicy") && failed.contains("exit code 3"), "data is at fault: {failed}");
    ensure!(job.count("failed") == 1, "one try: {:?}", job.0["status"]);
    let said = namespace.logs("coordinator")?;
    ensure!(said.contains("without vectors: raw/shard_00002.parquet\""), "the shard, and no other, is named:\n{said}");
    Ok(())
}

/// A limit that the model, a graph of some thousand nodes, does not fit into.
pub(super) fn a_map_pod_out_of_memory_is_named(lab: &Lab) -> anyhow::Result<()> {
    let case = "memory";
    let namespace = lab.namespace(case)?;
    let mut settings = without_retries(lab.settings(case, SLOW));
    let limits = "/spec/jobTemplate/spec/template/spec/containers/0/resources";
    let little = json!({"requests": {"cpu": "100m", "memory": "12Mi"}, "limits": {"memory": "20Mi"}});
    settings.patch("CronJob", "strata-map", "replace", limits, &little);
    settings.patch("CronJob", "strata-map", "replace", "/spec/jobTemplate/spec/backoffLimitPerIndex", &json!(0));
    namespace.apply_overlay(&settings, Some("once"))?;
    ensure!(namespace.end_of("strata", LIMIT)?.is("Failed"), "20 MiB are not enough");
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
    ensure!(said.contains("check the credentials"), "what is at fault is named:\n{said}");
    ensure!(!said.contains(&wrong.secret_key), "the secret is not told:\n{said}");
    Ok(())
}

/// An image that nobody can pull: the pods wait, the coordinator says for what, and a cancelled run leaves nothing in the way.
pub(super) fn an_image_that_cannot_be_pulled_is_named(lab: &Lab) -> anyhow::Result<()> {
    let case = "imageless";
    let namespace = lab.namespace(case)?;
    let mut settings = lab.settings(case, FAST);
    let image = "/spec/jobTemplate/spec/template/spec/containers/0/image";
    settings.patch("CronJob", "strata-map", "replace", image, &json!("127.0.0.1:1/strata:absent"));
    namespace.apply_overlay(&settings, Some("once"))?;
    let is_named = || {
        let said = namespace.logs("coordinator").unwrap_or_default();
        Ok((said.contains("ErrImagePull") && said.contains("127.0.0.1:1/strata:absent")).then_some(()))
    };
    wait_for("the name of the image", LIMIT, is_named).with_context(|| namespace.describe())?;
    lab.cancel(&namespace)?;
    namespace.apply_overlay(&lab.settings(case, FAST), Some("once"))?;
    namespace.completion_of("strata", LIMIT)?;
    lab.check_objects(case, FAST)
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
    namespace.kubectl(["delete", "job", "strata", "--cascade=foreground", "--timeout", "60s"])?;
    namespace.apply_overlay(settings, Some("once"))?;
    namespace.completion_of("strata", LIMIT).map(drop)
}

fn only(mut jobs: Vec<Job>) -> anyhow::Result<Job> {
    ensure!(jobs.len() == 1, "one Job, found {jobs:?}");
    jobs.pop().context("a Job")
}
