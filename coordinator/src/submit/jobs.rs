//! Coordinators' Jobs: begun or joined, found again, ended.
//!
//! Invariant: nothing is ended that is not a submission's, and a submission runs as long as any of its Jobs does: a coordinator that
//! has failed leaves its map or its reduce behind.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::Duration;

use futures::TryFutureExt;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::Pod;
use kube::Resource;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, PostParams, Preconditions};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::apply::another_manager;
use crate::launch::kubernetes::{COMPONENT, Cluster, ClusterError, MANAGER, SUBMISSION};
use crate::watch::JobView;

/// The label that all Jobs of strata have.
pub(super) const PROGRAM: &str = "app.kubernetes.io/name";

/// What it says.
pub(super) const STRATA: &str = "strata";

/// The component that starts the others.
pub(super) const COORDINATOR: &str = "coordinator";

/// How long a Job may take to be gone with all its pods: their grace, and a little.
const GONE_WITHIN: Duration = Duration::from_secs(120);

/// How often that is looked at.
const LOOKING: Duration = Duration::from_millis(500);

/// What became of a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// A new Job was made.
    Started,
    /// The same runs already.
    Joined,
}

/// Makes `job`, or finds that the same runs; one that has ended makes room.
///
/// # Errors
/// What the API server refuses.
pub async fn begin(cluster: &Cluster, name: &str, job: Value) -> Result<Begun, ClusterError> {
    if let Some(existing) = get(cluster, name).await? {
        if !is_over(&existing) {
            return Ok(Begun::Joined);
        }
        delete(cluster, &existing).await?;
    }
    let object = format!("Job {name}");
    let job: DynamicObject = serde_json::from_value(job)
        .map_err(|error| cluster.failed(&object, "created", kube::Error::SerdeError(error)))?;
    let api = cluster.dynamic(&ApiResource::erase::<Job>(&()));
    let parameters = PostParams { field_manager: Some(MANAGER.into()), ..PostParams::default() };
    match cluster.ask(&object, "created", || api.create(&parameters, &job)).await {
        Ok(_) => Ok(Begun::Started),
        // Somebody submitted the same at the same moment.
        Err(error) if error.exists() => Ok(Begun::Joined),
        Err(error) => Err(error),
    }
}

fn label<'a>(job: &'a Job, name: &str) -> Option<&'a str> {
    job.metadata.labels.as_ref()?.get(name).map(String::as_str)
}

fn is_coordinator(job: &Job) -> bool {
    label(job, PROGRAM) == Some(STRATA) && label(job, COMPONENT) == Some(COORDINATOR)
}

/// Returns the submission that a Job belongs to: its coordinator's name.
fn submission(job: &Job) -> Option<&str> {
    if is_coordinator(job) { job.metadata.name.as_deref() } else { label(job, SUBMISSION) }
}

/// Tells whether a Job has ended, or is being deleted.
fn is_over(job: &Job) -> bool {
    job.metadata.deletion_timestamp.is_some() || JobView::of(job).end.is_some()
}

async fn get(cluster: &Cluster, name: &str) -> Result<Option<Job>, ClusterError> {
    let jobs = cluster.api::<Job>();
    cluster.ask(&format!("Job {name}"), "read", || jobs.get_opt(name)).await
}

/// Deletes this very Job and waits until it is gone; one of the same name that somebody else makes meanwhile stays.
async fn delete(cluster: &Cluster, job: &Job) -> Result<(), ClusterError> {
    let (name, uid) = (job.metadata.name.clone().unwrap_or_default(), job.metadata.uid.clone());
    let preconditions = Preconditions { uid: uid.clone(), ..Preconditions::default() };
    let parameters = DeleteParams::foreground().preconditions(preconditions);
    let jobs = cluster.api::<Job>();
    let deleted = cluster.ask(&format!("Job {name}"), "deleted", || jobs.delete(&name, &parameters).map_ok(drop)).await;
    if let Err(error) = deleted
        && !error.is_absent()
        && !error.is_conflict()
    {
        return Err(error);
    }
    let gone = async {
        while get(cluster, &name).await?.is_some_and(|job| job.metadata.uid == uid) {
            tokio::time::sleep(LOOKING).await;
        }
        Ok(())
    };
    let late = || ClusterError::Busy(format!("Job {name}: is still being deleted; try again once it is gone"));
    tokio::time::timeout(GONE_WITHIN, gone).await.unwrap_or_else(|_| Err(late()))
}

/// Returns the coordinator's template in the cluster, where somebody else has put one there.
///
/// # Errors
/// What the API server refuses.
pub async fn template_of_others(cluster: &Cluster, name: &str) -> Result<Option<Value>, ClusterError> {
    let api = cluster.dynamic(&ApiResource::erase::<CronJob>(&()));
    let object = format!("CronJob {name}");
    let existing = cluster.ask(&object, "read", || api.get_opt(name)).await?;
    let theirs = existing.filter(|existing| another_manager(existing).is_some());
    let value = theirs.map(serde_json::to_value).transpose();
    value.map_err(|error| cluster.failed(&object, "read", kube::Error::SerdeError(error)))
}

/// Finds the coordinator's Job of the submission called `name`, else the newest of those that run, else the newest.
///
/// # Errors
/// There is none, or what the API server refuses.
pub async fn find(cluster: &Cluster, name: Option<&str>) -> Result<Job, ClusterError> {
    match name {
        Some(name) => get(cluster, name).await?.map_or_else(|| Err(nothing(cluster, Some(name))), coordinator),
        None => newest(all(cluster).await?).ok_or_else(|| nothing(cluster, None)),
    }
}

fn nothing(cluster: &Cluster, name: Option<&str>) -> ClusterError {
    let what = name.map_or_else(|| "nothing was submitted".to_owned(), |name| format!("there is no submission {name}"));
    ClusterError::Usage(format!("{what} in namespace {}; `strata submit` does", cluster.namespace()))
}

/// Refuses a Job that somebody has named and that is no submission.
fn coordinator(job: Job) -> Result<Job, ClusterError> {
    if is_coordinator(&job) {
        return Ok(job);
    }
    let name = job.metadata.name.as_deref().unwrap_or_default();
    Err(ClusterError::Usage(match submission(&job) {
        Some(submission) => format!("Job {name}: is a part of submission {submission}, which is to be named"),
        None => format!("Job {name}: is no submission of strata"),
    }))
}

/// Lists the Jobs of all submissions.
async fn all(cluster: &Cluster) -> Result<Vec<Job>, ClusterError> {
    let (jobs, parameters) = (cluster.api::<Job>(), ListParams::default().labels(&format!("{PROGRAM}={STRATA}")));
    Ok(cluster.ask("Jobs", "listed", || jobs.list(&parameters)).await?.items)
}

/// Returns the newest coordinator's Job of those that run, else of all.
#[must_use]
fn newest(jobs: Vec<Job>) -> Option<Job> {
    let coordinators = jobs.into_iter().filter(is_coordinator);
    coordinators.max_by_key(|job| (!is_over(job), job.metadata.creation_timestamp.clone().map(|time| time.0)))
}

/// Returns the submissions of which anything runs.
///
/// # Errors
/// What the API server refuses.
pub(super) async fn running(cluster: &Cluster) -> Result<BTreeSet<String>, ClusterError> {
    Ok(running_of(&all(cluster).await?))
}

fn running_of(jobs: &[Job]) -> BTreeSet<String> {
    jobs.iter().filter(|job| !is_over(job)).filter_map(submission).map(str::to_owned).collect()
}

/// Ends the submission called `name`, or the only one that runs; returns its name, `None` where none runs.
///
/// # Errors
/// Several run and none is named, what is named is none, or what the API server refuses.
pub async fn cancel(cluster: &Cluster, name: Option<&str>) -> Result<Option<String>, ClusterError> {
    let jobs = all(cluster).await?;
    let name = match name {
        Some(name) => name.to_owned(),
        None => match only_running(&jobs)? {
            Some(name) => name,
            None => return Ok(None),
        },
    };
    let (coordinators, others): (Vec<Job>, Vec<Job>) =
        jobs.into_iter().filter(|job| submission(job) == Some(name.as_str())).partition(is_coordinator);
    if coordinators.is_empty() && others.is_empty() {
        // It says what this is instead, where it is anything.
        find(cluster, Some(&name)).await?;
    }
    // The coordinator comes first, which would start others.
    for job in coordinators.iter().chain(&others) {
        delete(cluster, job).await?;
    }
    await_owned(cluster, &name).await?;
    Ok(Some(name))
}

/// Returns the one submission that runs.
fn only_running(jobs: &[Job]) -> Result<Option<String>, ClusterError> {
    let mut running = running_of(jobs);
    if running.len() > 1 {
        let names: Vec<String> = running.into_iter().collect();
        return Err(ClusterError::Usage(format!("several submissions run; name one of {}", names.join(", "))));
    }
    Ok(running.pop_first())
}

/// Waits until nothing of a submission is left: its Jobs, which go after their owner, and their pods, after their grace.
async fn await_owned(cluster: &Cluster, name: &str) -> Result<(), ClusterError> {
    let gone = async {
        while is_any_left::<Job>(cluster, name, "Jobs").await? || is_any_left::<Pod>(cluster, name, "Pods").await? {
            tokio::time::sleep(LOOKING).await;
        }
        Ok(())
    };
    let late = || ClusterError::Busy(format!("{name}: Jobs or pods of it are still being deleted"));
    tokio::time::timeout(GONE_WITHIN, gone).await.unwrap_or_else(|_| Err(late()))
}

async fn is_any_left<K>(cluster: &Cluster, name: &str, kind: &str) -> Result<bool, ClusterError>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let (objects, parameters) =
        (cluster.api::<K>(), ListParams::default().labels(&format!("{SUBMISSION}={name}")).limit(1));
    let listed = cluster.ask(kind, "listed", || objects.list_metadata(&parameters)).await?;
    Ok(!listed.items.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(name: &str, created: &str, status: &str) -> Job {
        labelled(
            name,
            created,
            status,
            r#"{"app.kubernetes.io/name":"strata","app.kubernetes.io/component":"coordinator"}"#,
        )
    }

    fn map_of(submission: &str, status: &str) -> Job {
        let labels = format!(
            r#"{{"app.kubernetes.io/name":"strata","app.kubernetes.io/component":"map","strata/submission":"{submission}"}}"#
        );
        labelled("strata-map-1", "2026-11-03T00:00:00Z", status, &labels)
    }

    fn labelled(name: &str, created: &str, status: &str, labels: &str) -> Job {
        let json = format!(
            r#"{{"metadata":{{"name":"{name}","creationTimestamp":"{created}","labels":{labels}}},"spec":{{"template":{{}}}},"status":{status}}}"#
        );
        serde_json::from_str(&json).expect("a Job")
    }

    const ENDED: &str = r#"{"conditions":[{"type":"Complete","status":"True"}]}"#;

    #[test]
    fn what_runs_is_looked_at_before_what_is_newer_and_over() {
        let name = |jobs: Vec<Job>| newest(jobs).and_then(|job| job.metadata.name);
        let (old, new) = ("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z");
        assert_eq!(name(vec![job("a", old, "{}"), job("b", new, ENDED)]).as_deref(), Some("a"));
        assert_eq!(name(vec![job("a", old, ENDED), job("b", new, ENDED)]).as_deref(), Some("b"));
        assert_eq!(name(Vec::new()), None);
    }

    #[test]
    fn several_that_run_are_named_and_none_is_ended() {
        let time = "2026-11-01T00:00:00Z";
        let error = only_running(&[job("a", time, "{}"), job("b", time, "{}")]).expect_err("two").to_string();
        assert!(error.contains("a, b"), "{error}");
        let one = only_running(&[job("a", time, "{}"), job("b", time, ENDED)]).expect("one");
        assert_eq!(one.as_deref(), Some("a"));
    }

    #[test]
    fn a_map_that_outlives_its_coordinator_still_runs() {
        let ended = job("a", "2026-11-01T00:00:00Z", ENDED);
        let running = only_running(&[ended.clone(), map_of("a", "{}")]).expect("one");
        assert_eq!(running.as_deref(), Some("a"));
        assert_eq!(only_running(&[ended, map_of("a", ENDED)]).expect("none"), None);
        assert_eq!(newest(vec![map_of("a", "{}")]).map(|job| job.metadata.name), None, "it coordinates nothing");
    }

    #[test]
    fn only_a_submission_can_be_named() {
        assert!(coordinator(job("a", "2026-11-01T00:00:00Z", "{}")).is_ok());
        let said = |job: Job| coordinator(job).expect_err("no submission").to_string();
        assert!(said(map_of("a", "{}")).contains("part of submission a"), "{}", said(map_of("a", "{}")));
        let another =
            labelled("backup", "2026-11-01T00:00:00Z", "{}", r#"{"app.kubernetes.io/component":"coordinator"}"#);
        assert!(said(another).contains("Job backup: is no submission of strata"));
    }
}
