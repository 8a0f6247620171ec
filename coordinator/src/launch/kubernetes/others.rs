//! The Jobs of a namespace → those that other submissions have left running on one store. Pure.

use k8s_openapi::api::batch::v1::Job;

use super::jobs::COMPONENT;
use super::template::SUBMISSION;
use crate::launch::Stage;
use crate::watch::JobView;

/// Returns the first Job that runs on the store at `url` and does not belong to the Job `own`, with its stage.
pub(super) fn first<'a>(jobs: &'a [Job], own: &str, url: &str) -> Option<(&'a Job, Stage)> {
    let is_own = |job: &Job| job.metadata.owner_references.iter().flatten().any(|owner| owner.uid == own);
    let is_of_the_store = |job: &Job| store_of(job).is_some_and(|store| same_store(store, url));
    let mut running = jobs.iter().filter(|job| JobView::of(job).end.is_none() && !is_own(job) && is_of_the_store(job));
    running.find_map(|job| Some((job, stage_of(job)?)))
}

/// Says what is left of whom, and how it is ended.
pub(super) fn describe(job: &Job, stage: Stage, namespace: &str) -> String {
    let view = JobView::of(job);
    let submission = label(job, SUBMISSION).unwrap_or("another submission");
    format!(
        "{} is a {} that {submission} has left running on this store ({}); `strata cancel {submission} --namespace {namespace}` ends it",
        view.name,
        stage.as_str(),
        view.summary()
    )
}

fn label<'a>(job: &'a Job, name: &str) -> Option<&'a str> {
    job.metadata.labels.as_ref()?.get(name).map(String::as_str)
}

fn stage_of(job: &Job) -> Option<Stage> {
    [Stage::Map, Stage::Reduce].into_iter().find(|stage| label(job, COMPONENT) == Some(stage.as_str()))
}

/// Returns the store that a worker's arguments name.
fn store_of(job: &Job) -> Option<&str> {
    let containers = &job.spec.as_ref()?.template.spec.as_ref()?.containers;
    let words: Vec<&str> =
        containers.iter().flat_map(|container| container.args.iter().flatten()).map(String::as_str).collect();
    let apart = words.windows(2).find(|pair| pair[0] == "--store").map(|pair| pair[1]);
    apart.or_else(|| words.iter().find_map(|word| word.strip_prefix("--store=")))
}

fn same_store(one: &str, other: &str) -> bool {
    one.trim_end_matches('/') == other.trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(owner: &str, component: &str, store: &str, status: &str) -> Job {
        let json = format!(
            r#"{{"metadata":{{"name":"strata-{component}-1","labels":{{"app.kubernetes.io/component":"{component}","strata/submission":"strata-old"}},
                "ownerReferences":[{{"apiVersion":"batch/v1","kind":"Job","name":"strata-old","uid":"{owner}"}}]}},
                "spec":{{"completions":9,"completionMode":"Indexed","template":{{"spec":{{"containers":[{{"name":"worker","args":["--store","{store}","--model","m"]}}]}}}}}},
                "status":{status}}}"#
        );
        serde_json::from_str(&json).expect("a Job")
    }

    const ENDED: &str = r#"{"conditions":[{"type":"Failed","status":"True"}]}"#;

    #[test]
    fn what_another_submission_has_left_running_on_the_store_is_found() {
        let found = |jobs: &[Job]| first(jobs, "own", "s3://b/corpus").map(|(_, stage)| stage);
        assert_eq!(found(&[job("old", "map", "s3://b/corpus/", "{}")]), Some(Stage::Map));
        assert_eq!(found(&[job("old", "reduce", "s3://b/corpus", "{}")]), Some(Stage::Reduce));
        let harmless = [
            job("own", "map", "s3://b/corpus", "{}"),
            job("old", "map", "s3://b/corpus", ENDED),
            job("old", "map", "s3://b/another", "{}"),
            job("old", "coordinator", "s3://b/corpus", "{}"),
        ];
        assert_eq!(found(&harmless), None);
    }

    #[test]
    fn it_is_told_whose_it_is_and_how_to_end_it() {
        let said = describe(&job("old", "map", "s", r#"{"active":2,"ready":2}"#), Stage::Map, "corpus");
        for part in ["strata-map-1", "0 of 9 indices, 2 running", "`strata cancel strata-old --namespace corpus`"] {
            assert!(said.contains(part), "{said}");
        }
    }
}
