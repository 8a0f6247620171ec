//! A Job's status → where it stands. Pure.

use k8s_openapi::api::batch::v1::Job;

use super::indexes;

/// The annotation that says how many documents a Job goes through.
pub const DOCUMENTS: &str = "strata/documents";

/// How a Job has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobEnd {
    /// Every task was done.
    Complete,
    /// Kubernetes has given up.
    Failed {
        /// In one word.
        reason: String,
        /// In a sentence.
        message: String,
    },
}

/// Where a Job stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobView {
    /// Its name.
    pub name: String,
    /// Its identity.
    pub uid: String,
    /// Tasks in all.
    pub num_tasks: usize,
    /// Tasks that are done.
    pub done: usize,
    /// Pods that exist and have not ended.
    pub active: usize,
    /// Pods whose program runs.
    pub running: usize,
    /// Pods that have failed, and count.
    pub failed_pods: usize,
    /// Tasks that Kubernetes has given up.
    pub failed_tasks: Vec<usize>,
    /// Documents that all tasks go through, where the Job says so.
    pub num_documents: Option<u64>,
    /// Whether somebody has suspended it.
    pub is_suspended: bool,
    /// How it ended, once it has.
    pub end: Option<JobEnd>,
}

impl JobView {
    /// Reads a Job as the API server tells it.
    #[must_use]
    pub fn of(job: &Job) -> Self {
        let (spec, status) = (job.spec.clone().unwrap_or_default(), job.status.clone().unwrap_or_default());
        let is_indexed = spec.completion_mode.as_deref() == Some("Indexed");
        let completed = indexes::count(status.completed_indexes.as_deref().unwrap_or_default());
        Self {
            name: job.metadata.name.clone().unwrap_or_default(),
            uid: job.metadata.uid.clone().unwrap_or_default(),
            num_tasks: natural(spec.completions.or(Some(1))),
            done: if is_indexed { completed } else { natural(status.succeeded) },
            active: natural(status.active),
            running: natural(status.ready),
            failed_pods: natural(status.failed),
            failed_tasks: indexes::parse(status.failed_indexes.as_deref().unwrap_or_default()),
            num_documents: annotation(job, DOCUMENTS).and_then(|number| number.parse().ok()),
            is_suspended: spec.suspend == Some(true),
            end: end(job),
        }
    }

    /// Returns how many failed pods Kubernetes has replaced by others.
    #[must_use]
    pub fn retried(&self) -> usize {
        self.failed_pods.saturating_sub(self.failed_tasks.len())
    }

    /// Returns the documents that are done, of those in all, as far as whole tasks tell.
    #[must_use]
    pub fn documents(&self) -> Option<(u64, u64)> {
        let total = self.num_documents?;
        let part = u128::from(total) * self.done as u128 / self.num_tasks.max(1) as u128;
        Some((part as u64, total))
    }

    /// Says in a few words how its tasks stand.
    #[must_use]
    pub fn summary(&self) -> String {
        if self.is_suspended {
            return format!("suspended at {} of {} indices", self.done, self.num_tasks);
        }
        let counts = [
            (self.running, "running"),
            (self.active.saturating_sub(self.running), "starting"),
            (self.failed_tasks.len(), "failed"),
            (self.retried(), "retried"),
        ];
        let told = counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!(", {count} {what}"));
        format!("{} of {} indices{}", self.done, self.num_tasks, told.collect::<String>())
    }
}

fn natural(number: Option<i32>) -> usize {
    number.unwrap_or_default().try_into().unwrap_or_default()
}

fn annotation<'a>(job: &'a Job, name: &str) -> Option<&'a str> {
    job.metadata.annotations.as_ref()?.get(name).map(String::as_str)
}

/// Reads how a Job ended. Conditions that only announce an end (`FailureTarget`, `SuccessCriteriaMet`) are none: pods still run.
fn end(job: &Job) -> Option<JobEnd> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let is_true = conditions.iter().filter(|condition| condition.status == "True");
    is_true.clone().find(|condition| condition.type_ == "Complete").map(|_| JobEnd::Complete).or_else(|| {
        let failed = is_true.clone().find(|condition| condition.type_ == "Failed")?;
        let said = |text: &Option<String>| text.clone().unwrap_or_default();
        Some(JobEnd::Failed { reason: said(&failed.reason), message: said(&failed.message) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(json: &str) -> JobView {
        JobView::of(&serde_json::from_str(json).expect("a Job"))
    }

    #[test]
    fn an_indexed_job_is_told_by_its_indices() {
        let view = view(
            r#"{"metadata":{"name":"strata-map-1","uid":"u","annotations":{"strata/documents":"2000"}},
                "spec":{"completionMode":"Indexed","completions":20,"template":{}},
                "status":{"active":6,"ready":4,"succeeded":9,"failed":5,"completedIndexes":"0-6,9,11","failedIndexes":"7,12"}}"#,
        );
        assert_eq!((view.done, view.active, view.running, view.failed_tasks.as_slice()), (9, 6, 4, [7, 12].as_slice()));
        assert_eq!((view.retried(), view.documents(), view.end.clone()), (3, Some((900, 2000)), None));
        assert_eq!(view.summary(), "9 of 20 indices, 4 running, 2 starting, 2 failed, 3 retried");
    }

    #[test]
    fn a_job_that_is_only_about_to_fail_has_not_ended() {
        let announced = r#"{"spec":{"completions":1,"template":{}},"status":{"conditions":[
            {"type":"FailureTarget","status":"True","reason":"PodFailurePolicy","message":"exit code 2"}]}}"#;
        assert_eq!(view(announced).end, None);
        let failed = announced.replace("FailureTarget", "Failed");
        let end = JobEnd::Failed { reason: "PodFailurePolicy".into(), message: "exit code 2".into() };
        assert_eq!(view(&failed).end, Some(end));
        assert_eq!(view(&failed.replace("True", "False")).end, None);
        assert_eq!(view(&announced.replace("FailureTarget", "SuccessCriteriaMet")).end, None);
        assert_eq!(view(&announced.replace("FailureTarget", "Complete")).end, Some(JobEnd::Complete));
    }

    #[test]
    fn a_job_of_one_pod_counts_its_success() {
        let done = view(r#"{"spec":{"template":{}},"status":{"succeeded":1}}"#);
        assert_eq!((done.num_tasks, done.done, done.documents()), (1, 1, None));
        let suspended = view(r#"{"spec":{"suspend":true,"completions":3,"completionMode":"Indexed","template":{}}}"#);
        assert_eq!(suspended.summary(), "suspended at 0 of 3 indices");
    }
}
