//! Work → a Job made from its template, or one that is there already → its end.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{CronJob, Job};
use kube::api::{ApiResource, DynamicObject, ListParams, PostParams};
use serde_json::Value;
use strata_shared::exit::Exit;
use strata_shared::lease::Holder;
use strata_shared::store::Store;
use strata_shared::work_list::WorkList;

use super::cluster::Cluster;
use super::error::ClusterError;
use super::follow::{Follower, LogLines};
use super::template::{self, Order, Owner, SUBMISSION, WORKER};
use super::{names, others, owner};
use crate::display::Display;
use crate::launch::{Stage, Work, shard_keys};
use crate::plan::Sharing;
use crate::watch::{DOCUMENTS, JobEnd, JobView, Tracker};

/// Who creates and applies objects, as Kubernetes records it.
pub const MANAGER: &str = "strata";

/// The label that tells a Job's stage, or that it coordinates.
pub const COMPONENT: &str = "app.kubernetes.io/component";

/// Jobs of one submission that failed at the same work, one after the other: more than a coordinator's own retries.
const MAX_ATTEMPTS: usize = 50;

/// The `CronJob`s that Jobs are made from.
#[derive(Debug, Clone)]
pub struct Templates {
    /// Of the map.
    pub map: String,
    /// Of the reduce.
    pub reduce: String,
}

impl Templates {
    fn of(&self, stage: Stage) -> &str {
        match stage {
            Stage::Map => &self.map,
            Stage::Reduce => &self.reduce,
        }
    }
}

/// Runs workers as Jobs that the Job of this pod owns.
#[derive(Debug, Clone)]
pub struct Jobs {
    cluster: Cluster,
    owner: Owner,
    templates: Templates,
    shards_per_pod: usize,
}

impl Jobs {
    /// Looks up the Job of this pod.
    ///
    /// # Errors
    /// [`ClusterError::NoPod`], or what the API server says.
    pub async fn new(cluster: Cluster, templates: Templates, shards_per_pod: usize) -> Result<Self, ClusterError> {
        let owner = owner::find(&cluster).await?;
        Ok(Self { cluster, owner, templates, shards_per_pod })
    }

    /// Returns who coordinates: any pod of the same Job, one after the other.
    #[must_use]
    pub fn holder(&self) -> Holder {
        let Owner { name, uid } = &self.owner;
        Holder::named(format!("job/{uid}"), format!("Job {name} in namespace {}", self.cluster.namespace()))
    }

    /// Returns the name of the submission: that of the Job of this pod.
    #[must_use]
    pub fn submission(&self) -> &str {
        &self.owner.name
    }

    pub(in crate::launch) const fn sharing(&self) -> Sharing {
        Sharing::ShardsPerPod(self.shards_per_pod)
    }

    /// Does `work` in a Job of its own, or joins the one that does it already.
    ///
    /// # Errors
    /// [`ClusterError::Failed`] where the Job has failed, [`ClusterError::Deleted`], or what the API server says.
    pub(in crate::launch) async fn run(&self, work: &Work, display: &Display) -> Result<(), ClusterError> {
        let name = self.ensure(work).await?;
        self.finish(&name, work.stage, &|index| work.shards_of(index), display).await
    }

    /// Waits for maps of this submission that run already, as after this pod was started again.
    ///
    /// # Errors
    /// As [`run`](Self::run), or a work list that cannot be read.
    pub(in crate::launch) async fn join_map(&self, store: &Store, display: &Display) -> Result<(), ClusterError> {
        for job in self.running(Stage::Map).await? {
            let view = JobView::of(&job);
            tracing::info!("{} runs already: {}", view.name, view.summary());
            let shards = shards_of(&job, store).await?;
            let share = |index: usize| shards.iter().copied().skip(index).step_by(view.num_tasks.max(1)).collect();
            self.finish(&view.name, Stage::Map, &share, display).await?;
        }
        Ok(())
    }

    /// Waits for whatever other submissions have left running on the store at `url`: a coordinator that has ended for good leaves its
    /// Jobs behind, and what they still do is not done a second time beside them.
    ///
    /// # Errors
    /// What the API server says; how those Jobs end is no failure of this submission.
    pub(in crate::launch) async fn await_others(&self, url: &str, display: &Display) -> Result<(), ClusterError> {
        loop {
            let listed = self.list(&format!("{COMPONENT} in (map,reduce)")).await?;
            let Some((job, stage)) = others::first(&listed, &self.owner.uid, url) else { return Ok(()) };
            let view = JobView::of(job);
            tracing::warn!("{}; waiting for its end", others::describe(job, stage, self.cluster.namespace()));
            match self.finish(&view.name, stage, &|_| Vec::new(), display).await {
                Err(ClusterError::Failed { .. } | ClusterError::Deleted { .. }) | Ok(()) => {
                    tracing::info!("{} has ended", view.name);
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn list(&self, selector: &str) -> Result<Vec<Job>, ClusterError> {
        let (jobs, parameters) = (self.cluster.api::<Job>(), ListParams::default().labels(selector));
        Ok(self.cluster.ask("Jobs", "listed", || jobs.list(&parameters)).await?.items)
    }

    async fn running(&self, stage: Stage) -> Result<Vec<Job>, ClusterError> {
        let selector = format!("{SUBMISSION}={},{COMPONENT}={}", self.owner.name, stage.as_str());
        let listed = self.list(&selector).await?;
        let is_ours =
            |job: &Job| job.metadata.owner_references.iter().flatten().any(|owner| owner.uid == self.owner.uid);
        Ok(listed.into_iter().filter(|job| is_ours(job) && JobView::of(job).end.is_none()).collect())
    }

    /// Returns the name of the Job that does `work`: one that runs, or has done it, or is created.
    async fn ensure(&self, work: &Work) -> Result<String, ClusterError> {
        for attempt in 0..MAX_ATTEMPTS {
            let name = self.name(work, attempt);
            match self.look(&name).await? {
                // Whatever a map has done was seen in the store before this: what is left is done by another.
                Some(JobView { end: Some(JobEnd::Complete), .. }) if work.stage == Stage::Reduce => return Ok(name),
                Some(JobView { end: Some(_), .. }) => {}
                Some(_) => return Ok(name),
                None => return self.create(work, name).await,
            }
        }
        let reason = format!("{MAX_ATTEMPTS} Jobs have failed at the same work");
        Err(ClusterError::Failed { job: self.name(work, 0), reason, exit: Exit::Configuration })
    }

    fn name(&self, work: &Work, attempt: usize) -> String {
        let template = self.templates.of(work.stage);
        names::named(template, &[&self.owner.uid, &work.arguments.join("\n"), &attempt.to_string()])
    }

    async fn look(&self, name: &str) -> Result<Option<JobView>, ClusterError> {
        let jobs = self.cluster.api::<Job>();
        let job = self.cluster.ask(&format!("Job {name}"), "read", || jobs.get_opt(name)).await?;
        Ok(job.as_ref().map(JobView::of))
    }

    async fn create(&self, work: &Work, name: String) -> Result<String, ClusterError> {
        let template = self.template(self.templates.of(work.stage)).await?;
        let job = template::instantiate(&template, &self.order(work, &name))?;
        let object = format!("Job {name}");
        let jobs = self.cluster.dynamic(&ApiResource::erase::<Job>(&()));
        let job: DynamicObject = serde_json::from_value(job)
            .map_err(|error| self.cluster.failed(&object, "created", kube::Error::SerdeError(error)))?;
        let parameters = PostParams { field_manager: Some(MANAGER.into()), ..PostParams::default() };
        match self.cluster.ask(&object, "created", || jobs.create(&parameters, &job)).await {
            Ok(_) => tracing::info!("{name} is created: {} documents in {} tasks", work.num_documents, work.num_tasks),
            // Another pod of this coordinator was first, or this one's own request that seemed lost.
            Err(error) if error.exists() => {}
            Err(error) => return Err(error),
        }
        Ok(name)
    }

    async fn template(&self, name: &str) -> Result<Value, ClusterError> {
        let templates = self.cluster.dynamic(&ApiResource::erase::<CronJob>(&()));
        let object = format!("CronJob {name}");
        let template = self.cluster.ask(&object, "read", || templates.get(name)).await?;
        serde_json::to_value(template)
            .map_err(|error| self.cluster.failed(&object, "read", kube::Error::SerdeError(error)))
    }

    fn order(&self, work: &Work, name: &str) -> Order {
        let told = |name: &str, value: String| (name.to_owned(), value);
        let mut annotations = BTreeMap::from([told(DOCUMENTS, work.num_documents.to_string())]);
        annotations.extend((work.stage == Stage::Map).then(|| told("strata/shards", work.shards.len().to_string())));
        annotations.extend(work.run.as_ref().map(|run| told("strata/run", run.to_string())));
        let labels = [
            told("app.kubernetes.io/name", "strata".into()),
            told(COMPONENT, work.stage.as_str().into()),
            told(SUBMISSION, self.owner.name.clone()),
        ];
        Order {
            name: name.to_owned(),
            labels: BTreeMap::from(labels),
            annotations,
            owner: Some(self.owner.clone()),
            completions: (work.stage == Stage::Map).then_some(work.num_tasks),
            container: WORKER,
            arguments: Some(work.arguments.clone()),
        }
    }

    /// Follows a Job to its end; `share` gives the shards of an index.
    async fn finish(
        &self,
        name: &str,
        stage: Stage,
        share: &(dyn Fn(usize) -> Vec<usize> + Sync),
        display: &Display,
    ) -> Result<(), ClusterError> {
        let subject = |index: usize| subject(index, &share(index));
        let log = if stage == Stage::Reduce { LogLines::Progress } else { LogLines::OfFailedPods };
        let follower = Follower {
            cluster: &self.cluster,
            job: name,
            stage: stage.as_str(),
            container: WORKER,
            log,
            subject: &subject,
            display,
        };
        // On the heap: the state of two watches and of logs is large for whoever awaits this.
        let tracker = Box::pin(follower.follow()).await?;
        failure(name, &tracker).map_or(Ok(()), Err)
    }
}

/// Names an index and its shards.
fn subject(index: usize, shards: &[usize]) -> String {
    match shards {
        [] => format!("index {index}"),
        shards => format!("index {index}, {}", shard_keys(shards)),
    }
}

/// Returns why a Job that was followed to its end has failed, if it has.
fn failure(name: &str, tracker: &Tracker) -> Option<ClusterError> {
    let (exit, reason) = tracker.failure()?;
    Some(ClusterError::Failed { job: name.to_owned(), reason, exit })
}

/// Reads the work list that a running map was given; empty where it was given none.
async fn shards_of(job: &Job, store: &Store) -> Result<Vec<usize>, ClusterError> {
    let spec = job.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
    let mut arguments =
        spec.into_iter().flat_map(|pod| &pod.containers).flat_map(|container| container.args.iter().flatten());
    let Some(key) = arguments.find_map(|argument| argument.strip_prefix("--work-list=")) else {
        return Ok(Vec::new());
    };
    let json = store.get_if_present(&key.into()).await?.unwrap_or_default();
    Ok(serde_json::from_slice::<WorkList>(&json).map(|list| list.shards).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::PodView;

    #[test]
    fn a_failed_job_names_its_failed_indices() {
        let mut tracker = Tracker::default();
        let end = Some(JobEnd::Failed { reason: "FailedIndexes".into(), message: "Job has failed indexes".into() });
        tracker.see_job(JobView { num_tasks: 4, failed_tasks: vec![1, 3], end, ..JobView::default() });
        tracker.see_pod(PodView::default(), |_| String::new());
        let said = failure("strata-map-1", &tracker).expect("a failure").to_string();
        assert!(said.contains("Job strata-map-1 failed") && said.contains("indices 1, 3 failed"), "{said}");
        tracker.see_job(JobView { end: Some(JobEnd::Complete), ..JobView::default() });
        assert!(failure("strata-map-1", &tracker).is_none());
    }

    #[test]
    fn an_index_is_told_with_its_shards() {
        assert_eq!(subject(3, &[17]), "index 3, raw/shard_00017.parquet");
        assert_eq!(subject(0, &[]), "index 0");
        assert!(subject(1, &(0..30).collect::<Vec<_>>()).ends_with("and 20 more"));
    }
}
