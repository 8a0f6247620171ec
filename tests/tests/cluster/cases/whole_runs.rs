//! Runs that nothing disturbs.

use anyhow::ensure;
use serde_json::json;

use crate::lab::{FAST, LIMIT, Lab};

/// `kubectl apply -k`, and nothing else: the objects are a local run's, and no secret is anywhere.
pub(super) fn applying_an_overlay_is_all_that_it_takes(lab: &Lab) -> anyhow::Result<()> {
    let case = "apply";
    let namespace = lab.namespace(case)?;
    namespace.apply_overlay(&lab.settings(case, FAST), Some("once"))?;
    namespace.completion_of("strata", LIMIT)?;
    lab.check_objects(case, FAST)?;
    let maps = namespace.jobs("map")?;
    ensure!(maps.len() == 1 && maps[0].count("succeeded") > 1 && maps[0].count("failed") == 0, "{maps:?}");
    ensure!(namespace.jobs("reduce")?.len() == 1, "one reduce");
    let coordinator = namespace.logs("coordinator")?;
    ensure!(coordinator.contains("LONELIEST DOCUMENTS"), "the tables are the end of the log:\n{coordinator}");
    lab.check_secrecy(case, &namespace)
}

/// A Kustomize patch on a template is what the pods get.
pub(super) fn what_a_patch_says_of_a_template_is_what_runs(lab: &Lab) -> anyhow::Result<()> {
    let case = "patched";
    let namespace = lab.namespace(case)?;
    let mut settings = lab.settings(case, FAST);
    let toleration = json!([{"key": "strata/test", "operator": "Exists"}]);
    settings.patch("CronJob", "strata-map", "add", "/spec/jobTemplate/spec/template/spec/tolerations", &toleration);
    settings.patch("CronJob", "strata-map", "replace", "/spec/jobTemplate/spec/parallelism", &json!(2));
    let queue = json!({"kueue.x-k8s.io/queue-name": "research", "app.kubernetes.io/component": "reduce"});
    settings.patch("CronJob", "strata-reduce", "replace", "/spec/jobTemplate/metadata/labels", &queue);
    namespace.apply_overlay(&settings, Some("once"))?;
    namespace.completion_of("strata", LIMIT)?;
    lab.check_objects(case, FAST)?;
    let map = &namespace.jobs("map")?[0];
    ensure!(map.0["spec"]["parallelism"] == 2, "{:?}", map.0["spec"]);
    let tolerated = |pod: &serde_json::Value| pod["spec"]["tolerations"].to_string().contains("strata/test");
    ensure!(namespace.pods("map")?.iter().all(tolerated), "every pod of the map tolerates what the patch says");
    let reduce = namespace.list("jobs", "kueue.x-k8s.io/queue-name=research")?;
    ensure!(reduce.len() == 1, "the reduce has its queue's label");
    Ok(())
}

/// Two corpora in two namespaces of one cluster, at the same time: neither knows of the other.
pub(super) fn two_namespaces_run_side_by_side(lab: &Lab) -> anyhow::Result<()> {
    let cases = ["beside-one", "beside-two"];
    let namespaces = [lab.namespace(cases[0])?, lab.namespace(cases[1])?];
    for (case, namespace) in cases.iter().zip(&namespaces) {
        namespace.apply_overlay(&lab.settings(case, FAST), Some("once"))?;
    }
    for (case, namespace) in cases.iter().zip(&namespaces) {
        namespace.completion_of("strata", LIMIT)?;
        let jobs = ["map", "reduce"].map(|component| namespace.jobs(component).map(|jobs| jobs.len()));
        ensure!(jobs.into_iter().collect::<anyhow::Result<Vec<_>>>()? == [1, 1], "Jobs of its own, and no other");
        lab.check_objects(case, FAST)?;
    }
    Ok(())
}
