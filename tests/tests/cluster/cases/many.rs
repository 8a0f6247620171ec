//! Many indices on one node: what Kubernetes itself takes for each.

use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::json;

use crate::lab::{FAST, Lab};

/// Shards of the corpus.
const SHARDS: u64 = 200;

/// Documents a shard: so few that embedding them takes no time to speak of.
const ROWS_PER_SHARD: u64 = 5;

const LIMIT: Duration = Duration::from_mins(15);

/// Two hundred indices, sixteen at once, each of a shard that is embedded in a moment.
pub(super) fn two_hundred_indices_run_on_a_single_node(lab: &Lab) -> anyhow::Result<()> {
    let case = "many";
    let namespace = lab.namespace(case)?;
    let documents = SHARDS * ROWS_PER_SHARD;
    let mut settings =
        lab.settings_for(case, FAST, documents)?.with("STRATA_ROWS_PER_SHARD", &ROWS_PER_SHARD.to_string());
    let template = "/spec/jobTemplate/spec";
    settings.patch("CronJob", "strata-map", "replace", &format!("{template}/parallelism"), &json!(16));
    let small = json!({"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}});
    let resources = format!("{template}/template/spec/containers/0/resources");
    settings.patch("CronJob", "strata-map", "replace", &resources, &small);
    let started = Instant::now();
    namespace.apply_overlay(&settings, Some("once"))?;
    namespace.completion_of("strata", LIMIT)?;
    let map = &namespace.jobs("map")?[0];
    ensure!(map.count("succeeded") == SHARDS, "every index is done: {:?}", map.0["status"]);
    let pods = namespace.pods("map")?;
    let bytes: usize = pods.iter().map(|pod| pod.to_string().len()).sum();
    eprintln!(
        "  {SHARDS} indices: {:.0} s in all, the map {}; {} pods of {} bytes each as JSON",
        started.elapsed().as_secs_f64(),
        map.span(),
        pods.len(),
        bytes / pods.len().max(1)
    );
    lab.check_objects_of(case, FAST, documents, &[("ROWS_PER_SHARD", &ROWS_PER_SHARD.to_string())])
}
