//! A pod's status → whether it runs, why it does not, and how it failed. Pure.
//!
//! A pod is some kilobytes and a Job may have a hundred thousand: what is kept of each is small.

use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, Pod, PodCondition, PodStatus};
use strata_shared::exit::Exit;
use strata_shared::telemetry::{LogLine, PROGRESS};

use super::Warning;

/// The annotation and label by which Kubernetes tells a pod its index.
const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// The exit code of a program that SIGKILL ended.
const KILLED: i32 = 137;

/// How a pod failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodEnd {
    /// The program's exit code, where it came to one.
    pub code: Option<i32>,
    /// In one word: `OOMKilled`, `Error`, `Evicted`.
    pub reason: String,
    /// The termination message, or what Kubernetes says.
    pub message: String,
    /// Why the cluster took the pod away, where it did: such an end does not count.
    pub disruption: Option<String>,
}

impl PodEnd {
    /// Returns what the end means.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match (&self.disruption, self.code) {
            // A program that stopped because it was asked to, or whose node is gone, says nothing about the work.
            (Some(_), _) | (None, Some(0)) => Exit::Retry,
            (None, code) => Exit::from_code(code),
        }
    }

    /// Says it in words, without a full stop.
    #[must_use]
    pub fn describe(&self) -> String {
        let how = match (&self.disruption, self.code) {
            (Some(reason), _) => format!("was taken away by the cluster ({reason})"),
            (None, Some(_)) if self.reason == "OOMKilled" => {
                "was killed for memory (OOMKilled): raise the limit in its template, or make shards smaller".into()
            }
            (None, Some(KILLED)) => "was killed (SIGKILL)".into(),
            (None, Some(code)) if code > 128 => format!("was ended by signal {}", code - 128),
            (None, Some(code)) => format!("ended with exit code {code}"),
            (None, None) => format!("failed ({})", self.reason),
        };
        if self.message.is_empty() { how } else { format!("{how}: {}", self.message) }
    }
}

/// What a pod is up to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PodView {
    /// Its name.
    pub name: String,
    /// Its index among the tasks, where its Job has several.
    pub index: Option<usize>,
    /// Whether its program runs, or has run: its log can be read.
    pub has_started: bool,
    /// Why it does not run.
    pub warning: Option<Warning>,
    /// How it failed, if it did.
    pub end: Option<PodEnd>,
}

impl PodView {
    /// Reads a pod as the API server tells it.
    #[must_use]
    pub fn of(pod: &Pod) -> Self {
        let status = pod.status.clone().unwrap_or_default();
        let name = pod.metadata.name.clone().unwrap_or_default();
        let state = container(&status);
        let has_started = state.as_ref().is_some_and(|state| state.running.is_some() || state.terminated.is_some());
        let is_leaving = pod.metadata.deletion_timestamp.is_some();
        Self {
            index: index(pod),
            has_started,
            warning: warning(&status, state.as_ref(), &name).filter(|_| !is_leaving),
            end: end(&status, state.and_then(|state| state.terminated)),
            name,
        }
    }
}

fn index(pod: &Pod) -> Option<usize> {
    let annotations = pod.metadata.annotations.as_ref();
    let labels = pod.metadata.labels.as_ref();
    annotations.and_then(|all| all.get(INDEX)).or_else(|| labels.and_then(|all| all.get(INDEX)))?.parse().ok()
}

/// Returns the state of the one container that works; side-cars that a cluster injects come after it.
fn container(status: &PodStatus) -> Option<ContainerState> {
    let statuses = status.container_statuses.as_ref()?;
    let ours = statuses.iter().find(|status| matches!(status.name.as_str(), "worker" | "strata"));
    ours.or_else(|| statuses.first())?.state.clone()
}

fn condition<'a>(status: &'a PodStatus, kind: &str, value: &str) -> Option<&'a PodCondition> {
    status.conditions.as_ref()?.iter().find(|condition| condition.type_ == kind && condition.status == value)
}

fn warning(status: &PodStatus, state: Option<&ContainerState>, name: &str) -> Option<Warning> {
    let said = |reason: &str, message: &Option<String>| {
        Some(Warning {
            object: name.to_owned(),
            reason: reason.to_owned(),
            message: message.clone().unwrap_or_default(),
        })
    };
    if let Some(waiting) = state.and_then(|state| state.waiting.as_ref()) {
        let reason = waiting.reason.as_deref().unwrap_or_default();
        let is_usual = matches!(reason, "" | "ContainerCreating" | "PodInitializing");
        return if is_usual { None } else { said(reason, &waiting.message) };
    }
    let unscheduled = condition(status, "PodScheduled", "False")?;
    let is_unschedulable = unscheduled.reason.as_deref() == Some("Unschedulable");
    if is_unschedulable { said("FailedScheduling", &unscheduled.message) } else { None }
}

fn end(status: &PodStatus, terminated: Option<ContainerStateTerminated>) -> Option<PodEnd> {
    if status.phase.as_deref() != Some("Failed") {
        return None;
    }
    let disruption = condition(status, "DisruptionTarget", "True");
    let terminated = terminated.unwrap_or_default();
    let code = (!terminated.reason.as_deref().unwrap_or_default().is_empty()).then_some(terminated.exit_code);
    let reason = status.reason.clone().or(terminated.reason).unwrap_or_else(|| "unknown".into());
    let said = terminated.message.map(|message| last_words(&message)).filter(|words| !words.is_empty());
    let message = said.or_else(|| status.message.clone());
    Some(PodEnd {
        code,
        reason,
        message: message.unwrap_or_default().trim().to_owned(),
        disruption: disruption.map(|condition| condition.reason.clone().unwrap_or_else(|| "disruption".into())),
    })
}

/// Returns what a termination message comes to. A program that was killed has left none, and Kubernetes takes the end of its log
/// instead: what was said after the last line of JSON, as by a panic, else the last such line that is not about progress.
fn last_words(message: &str) -> String {
    let lines: Vec<&str> = message.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let Some(last) = lines.iter().rposition(|line| LogLine::parse(line).is_some()) else {
        return message.trim().to_owned();
    };
    let plain = lines[last + 1..].join(" ");
    if !plain.is_empty() {
        return plain;
    }
    let said = lines.iter().rev().filter_map(|line| LogLine::parse(line)).find(|line| line.target != PROGRESS);
    said.map(|line| line.message).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(status: &str) -> PodView {
        let json = format!(
            r#"{{"metadata":{{"name":"p-3-x","annotations":{{"batch.kubernetes.io/job-completion-index":"3"}}}},"status":{status}}}"#
        );
        PodView::of(&serde_json::from_str(&json).expect("a pod"))
    }

    fn ended(state: &str, more: &str) -> PodEnd {
        let statuses =
            format!(r#"[{{"name":"worker","image":"","imageID":"","ready":false,"restartCount":0,"state":{state}}}]"#);
        view(&format!(r#"{{"phase":"Failed","containerStatuses":{statuses}{more}}}"#)).end.expect("an end")
    }

    #[test]
    fn ends_are_told_apart_and_mean_what_exit_codes_mean() {
        for (state, more, exit, words) in [
            (
                r#"{"terminated":{"exitCode":3,"reason":"Error","message":"raw/shard_00003.parquet: truncated\n"}}"#,
                "",
                Exit::Data,
                "ended with exit code 3: raw/shard_00003.parquet: truncated",
            ),
            (r#"{"terminated":{"exitCode":2,"reason":"Error"}}"#, "", Exit::Configuration, "ended with exit code 2"),
            (
                r#"{"terminated":{"exitCode":137,"reason":"OOMKilled"}}"#,
                "",
                Exit::Retry,
                "was killed for memory (OOMKilled): raise the limit in its template, or make shards smaller",
            ),
            (r#"{"terminated":{"exitCode":137,"reason":"Error"}}"#, "", Exit::Retry, "was killed (SIGKILL)"),
            (r#"{"terminated":{"exitCode":139,"reason":"Error"}}"#, "", Exit::Retry, "was ended by signal 11"),
            // A worker whose pod is taken away ends as it does, even with a code that would stop the Job.
            (
                r#"{"terminated":{"exitCode":2,"reason":"Error"}}"#,
                r#","conditions":[{"type":"DisruptionTarget","status":"True","reason":"EvictionByEvictionAPI"}]"#,
                Exit::Retry,
                "was taken away by the cluster (EvictionByEvictionAPI)",
            ),
            (
                "{}",
                r#","reason":"Evicted","message":"The node was low on resource: memory.""#,
                Exit::Retry,
                "failed (Evicted): The node was low on resource: memory.",
            ),
        ] {
            let end = ended(state, more);
            assert_eq!((end.exit(), end.describe().as_str()), (exit, words));
        }
    }

    #[test]
    fn a_killed_program_is_told_by_what_it_said_last_and_not_by_its_progress() {
        let progress = r#"{"timestamp":"t","level":"INFO","message":"progress","stage":"embed","done":32,"total":50,"unit":"documents","target":"strata::progress"}"#;
        let said = r#"{"timestamp":"t","level":"INFO","message":"loaded ONNX Runtime","target":"strata_map"}"#;
        let message = |lines: &[&str]| {
            let state = serde_json::json!({"terminated": {"exitCode": 137, "reason": "OOMKilled", "message": lines.join("\n")}});
            ended(&state.to_string(), "").message
        };
        // Kubernetes cuts the log at 2 KiB, in the middle of a line.
        let cut = &progress[40..];
        assert_eq!(message(&[cut, said, progress, progress]), "loaded ONNX Runtime");
        assert_eq!(message(&[cut, progress, progress]), "");
        let panic = ["thread 'main' panicked at src/pool.rs:7:5:", "index out of bounds"];
        assert_eq!(message(&[said, progress, panic[0], panic[1]]), panic.join(" "));
        assert_eq!(message(&["raw/shard_00003.parquet: truncated"]), "raw/shard_00003.parquet: truncated");
    }

    #[test]
    fn why_a_pod_does_not_run_is_told_unless_it_is_usual() {
        let waiting = |reason: &str| {
            let state = format!(r#"{{"waiting":{{"reason":"{reason}","message":"no such image"}}}}"#);
            view(&format!(
                r#"{{"phase":"Pending","containerStatuses":[{{"name":"worker","image":"","imageID":"","ready":false,"restartCount":0,"state":{state}}}]}}"#
            ))
        };
        assert_eq!(waiting("ContainerCreating").warning, None);
        let warning = waiting("ImagePullBackOff").warning.expect("a warning");
        assert_eq!((warning.reason.as_str(), warning.message.as_str()), ("ImagePullBackOff", "no such image"));
        let unscheduled = view(
            r#"{"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","reason":"Unschedulable","message":"0/1 nodes are available: 1 Insufficient cpu."}]}"#,
        );
        assert_eq!(unscheduled.warning.expect("a warning").reason, "FailedScheduling");
        assert_eq!((unscheduled.index, unscheduled.end), (Some(3), None));
    }

    #[test]
    fn a_side_car_does_not_speak_for_the_worker() {
        let status = |name: &str, state: &str| {
            format!(r#"{{"name":"{name}","image":"","imageID":"","ready":true,"restartCount":0,"state":{state}}}"#)
        };
        let (car, worker) =
            (status("aaa", r#"{"running":{}}"#), status("worker", r#"{"waiting":{"reason":"ErrImagePull"}}"#));
        let view = view(&format!(r#"{{"phase":"Pending","containerStatuses":[{car},{worker}]}}"#));
        assert!(!view.has_started && view.warning.is_some());
    }
}
