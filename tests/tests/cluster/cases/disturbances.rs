//! What happens to every cluster now and then, and must not change the answer.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use strata_tests::cluster::{Job, Namespace, wait_for};

use crate::lab::{LIMIT, Lab, SLOW};

const SOON: Duration = Duration::from_secs(90);

/// A map pod that gets SIGKILL while it embeds is replaced, and counts as one failure.
pub(super) fn a_map_pod_killed_in_mid_shard_is_made_again(lab: &Lab) -> anyhow::Result<()> {
    let case = "killed";
    let namespace = lab.namespace(case)?;
    namespace.apply_overlay(&lab.settings(case, SLOW), Some("once"))?;
    let pod = embedding_pod(&namespace)?;
    kill(&pod)?;
    await_another(&namespace, "map", &pod)?;
    ends_well(lab, &namespace, case)?;
    let map = &namespace.jobs("map")?[0];
    ensure!(map.count("failed") == 1, "the pod was killed: {:?}", map.0["status"]);
    Ok(())
}

/// A map pod that is evicted is replaced, unless it finishes its shard first, and is not counted against its index.
pub(super) fn an_evicted_map_pod_is_made_again_and_not_counted(lab: &Lab) -> anyhow::Result<()> {
    let case = "evicted";
    let namespace = lab.namespace(case)?;
    let mut settings = lab.settings(case, SLOW);
    // One counted failure would be the end of the index, and of the run.
    settings.patch("CronJob", "strata-map", "replace", "/spec/jobTemplate/spec/backoffLimitPerIndex", &json!(0));
    namespace.apply_overlay(&settings, Some("once"))?;
    let pod = embedding_pod(&namespace)?;
    namespace.evict(name(&pod))?;
    await_another_or_the_end(&namespace, &pod)?;
    ends_well(lab, &namespace, case)
}

/// The coordinator is killed as soon as there are raw shards, a map, a reduce; its successor joins what it finds.
pub(super) fn a_coordinator_killed_in_any_phase_goes_on(lab: &Lab) -> anyhow::Result<()> {
    let case = "coordinator";
    let namespace = lab.namespace(case)?;
    let mut settings = lab.settings(case, SLOW);
    // The reduce waits until it is let go: however fast it is, the coordinator does not end before it is killed.
    settings.patch("CronJob", "strata-reduce", "add", "/spec/jobTemplate/spec/suspend", &json!(true));
    namespace.apply_overlay(&settings, Some("once"))?;
    for component in ["coordinator", "map", "reduce"] {
        let begun = || Ok((!namespace.jobs(component)?.is_empty()).then_some(()));
        wait_for(&format!("the {component}"), LIMIT, begun).with_context(|| namespace.describe())?;
        let coordinator = namespace.pod("coordinator", SOON, is_running)?;
        kill(&coordinator)?;
        await_another(&namespace, "coordinator", &coordinator)?;
    }
    suspend(&namespace, "reduce", false)?;
    ends_well(lab, &namespace, case)?;
    let (maps, reduces) = (namespace.jobs("map")?, namespace.jobs("reduce")?);
    ensure!((maps.len(), reduces.len()) == (1, 1), "Jobs are joined, not made again: {maps:?} {reduces:?}");
    Ok(())
}

/// A map that an administrator suspends stops, and goes on where it was when it is resumed.
pub(super) fn a_suspended_map_goes_on_when_it_is_resumed(lab: &Lab) -> anyhow::Result<()> {
    let case = "suspended";
    let namespace = lab.namespace(case)?;
    namespace.apply_overlay(&lab.settings(case, SLOW), Some("once"))?;
    embedding_pod(&namespace)?;
    suspend(&namespace, "map", true)?;
    let stopped = || Ok((!namespace.pods("map")?.iter().any(is_running)).then_some(()));
    wait_for("the end of the map's pods", SOON, stopped)?;
    suspend(&namespace, "map", false)?;
    ends_well(lab, &namespace, case)
}

/// The store goes away in the middle of the map, for 30 seconds.
pub(super) fn a_store_that_is_gone_for_half_a_minute_is_waited_for(lab: &Lab) -> anyhow::Result<()> {
    let case = "storeless";
    let namespace = lab.namespace(case)?;
    let mut settings = lab.settings(case, SLOW);
    settings.patch("CronJob", "strata-map", "replace", "/spec/jobTemplate/spec/backoffLimitPerIndex", &json!(6));
    namespace.apply_overlay(&settings, Some("once"))?;
    embedding_pod(&namespace)?;
    lab.minio().borrow_mut().take_away();
    std::thread::sleep(Duration::from_secs(30));
    lab.mend()?;
    ends_well(lab, &namespace, case)
}

/// The kubelet is away until the node counts as lost (50 s), and comes back to a pod that was deleted meanwhile.
///
/// The case deletes the pod: whether the node's controller evicts it is a matter of milliseconds, because it takes back the taint
/// of a lost node as soon as it sees that all nodes are lost (`handleDisruption`), and here the only one is.
pub(super) fn a_node_that_comes_back_finishes_what_it_began(lab: &Lab) -> anyhow::Result<()> {
    let case = "nodeless";
    let namespace = lab.namespace(case)?;
    namespace.apply_overlay(&lab.settings(case, SLOW), Some("once"))?;
    let pod = embedding_pod(&namespace)?;
    lab.stop_node()?;
    let is_lost = || Ok(namespace.list("node", "")?.iter().any(has_unknown_readiness).then_some(()));
    wait_for("the loss of the node", LIMIT, is_lost)?;
    namespace.kubectl(["delete", "pod", name(&pod), "--wait=false", "--ignore-not-found"])?;
    lab.mend()?;
    // Pods that have ended meanwhile are counted as they ended; the others are made again.
    ends_well(lab, &namespace, case)
}

/// Suspends the Job of a component, or lets it go on.
fn suspend(namespace: &Namespace<'_>, component: &str, suspended: bool) -> anyhow::Result<()> {
    let job = namespace.jobs(component)?.pop().with_context(|| format!("a {component}"))?;
    let patch = json!({"spec": {"suspend": suspended}}).to_string();
    namespace.kubectl(["patch", "job", job.name(), "--type", "merge", "--patch", &patch]).map(drop)
}

/// Waits for the run's end, says how long that took, and checks what it has made.
fn ends_well(lab: &Lab, namespace: &Namespace<'_>, case: &str) -> anyhow::Result<()> {
    let started = Instant::now();
    namespace.completion_of("strata", LIMIT)?;
    eprintln!("  {case}: complete {:.0} s after that", started.elapsed().as_secs_f64());
    lab.check_objects(case, SLOW)
}

/// Waits until another pod has the place of `pod`, and says how long that took.
fn await_another(namespace: &Namespace<'_>, component: &str, pod: &Value) -> anyhow::Result<()> {
    let started = Instant::now();
    let another = namespace.pod(component, LIMIT, |other| takes_the_place(other, pod))?;
    eprintln!("  {} takes the place of {} after {:.0} s", name(&another), name(pod), started.elapsed().as_secs_f64());
    Ok(())
}

/// Waits until another pod has the place of a map pod that was told to go, or the map is done: it may finish its shard first.
fn await_another_or_the_end(namespace: &Namespace<'_>, pod: &Value) -> anyhow::Result<()> {
    let look = || {
        let another =
            namespace.pods("map")?.iter().find(|other| takes_the_place(other, pod)).map(|other| name(other).to_owned());
        let is_done = |map: &Job| Some(map.count("succeeded")) == map.0["spec"]["completions"].as_u64();
        Ok(if namespace.jobs("map")?.iter().any(is_done) { Some(another) } else { another.map(Some) })
    };
    match wait_for("a successor, or the end of the map", LIMIT, look).with_context(|| namespace.describe())? {
        Some(another) => eprintln!("  {another} takes the place of {}", name(pod)),
        None => eprintln!("  {} finished its shard before it went", name(pod)),
    }
    Ok(())
}

/// Tells whether a pod was made for the index of an earlier one.
fn takes_the_place(other: &Value, pod: &Value) -> bool {
    let index = |pod: &Value| pod["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"].clone();
    let created = |pod: &Value| pod["metadata"]["creationTimestamp"].to_string();
    index(other) == index(pod) && created(other) > created(pod) && (is_running(other) || has_ended(other))
}

/// Waits for a map pod that is in the middle of a shard.
fn embedding_pod(namespace: &Namespace<'_>) -> anyhow::Result<Value> {
    let embeds = |pod: &Value| {
        let log = namespace.kubectl(["logs", name(pod), "--tail", "20"]).unwrap_or_default();
        is_running(pod) && log.contains("\"stage\":\"embed\"")
    };
    namespace.pod("map", LIMIT, embeds)
}

fn name(pod: &Value) -> &str {
    pod["metadata"]["name"].as_str().unwrap_or_default()
}

fn is_running(pod: &Value) -> bool {
    pod["status"]["phase"] == "Running" && !marked_for_deletion(pod)
}

fn has_unknown_readiness(node: &Value) -> bool {
    let conditions = node["status"]["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] == "Unknown"))
}

fn has_ended(pod: &Value) -> bool {
    ["Succeeded", "Failed"].iter().any(|phase| pod["status"]["phase"] == *phase)
}

fn marked_for_deletion(pod: &Value) -> bool {
    !pod["metadata"]["deletionTimestamp"].is_null()
}

/// Sends SIGKILL to the program of a pod, which runs on this machine in a control group named after the pod.
fn kill(pod: &Value) -> anyhow::Result<()> {
    let uid = pod["metadata"]["uid"].as_str().context("a pod has an id")?;
    let program = pod.pointer("/spec/containers/0/command/0").and_then(Value::as_str).context("a pod has a program")?;
    let process = wait_for("the pod's process", SOON, || Ok(find_process(uid, program)))?;
    kill_process(process, Signal::KILL).with_context(|| format!("kill {program} of {}", name(pod)))
}

fn find_process(pod: &str, program: &str) -> Option<Pid> {
    let processes = std::fs::read_dir("/proc").ok()?;
    let is_it = |process: &std::path::Path| {
        let read = |file: &str| std::fs::read_to_string(process.join(file)).unwrap_or_default();
        // Where systemd names control groups, it has underscores for hyphens.
        read("cgroup").replace('_', "-").contains(pod) && read("cmdline").starts_with(program)
    };
    let found = processes.flatten().map(|process| process.path()).find(|process| is_it(process))?;
    Pid::from_raw(found.file_name()?.to_str()?.parse().ok()?)
}
