//! A template (a suspended `CronJob`) and an order → a Job. Pure.
//!
//! Invariant: whatever the template says beside the name, labels, annotations, the owner and arguments, and of an Indexed Job its mode,
//! its completions and what these bound (parallelism, maxFailedIndexes), is in the Job as it stands, fields of newer Kubernetes releases
//! too: so that a patch on the template is what really runs. It is therefore worked on as plain JSON.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use strata_shared::exit::{Classify, Exit};

/// The container that does the work, in the templates of the map and of the reduce.
pub(super) const WORKER: &str = "worker";

/// The label by which all Jobs of one submission are found, and all their pods.
pub const SUBMISSION: &str = "strata/submission";

/// A template that makes no Job.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("CronJob {template}: {found}, expected {expected}; compare it with the one in k8s/base")]
pub struct TemplateError {
    template: String,
    found: &'static str,
    expected: String,
}

impl Classify for TemplateError {
    fn exit(&self) -> Exit {
        Exit::Configuration
    }
}

/// Who a Job belongs to: deleted with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The name of the owning Job.
    pub name: String,
    /// Its identity.
    pub uid: String,
}

/// What a Job is made for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Order {
    /// Its name.
    pub name: String,
    /// Labels beside the template's, of the Job and of its pods.
    pub labels: BTreeMap<String, String>,
    /// Annotations beside the template's.
    pub annotations: BTreeMap<String, String>,
    /// Its owner, if it has one.
    pub owner: Option<Owner>,
    /// Indexes, where there are several; the template's kind of Job stays where there are not.
    pub completions: Option<usize>,
    /// The container that gets the arguments.
    pub container: &'static str,
    /// They; the template's stay where there are none.
    pub arguments: Option<Vec<String>>,
}

/// Makes the Job that `template` and `order` describe.
///
/// # Errors
/// [`TemplateError`] for a template without a Job, or without the container.
pub fn instantiate(template: &Value, order: &Order) -> Result<Value, TemplateError> {
    let name = template.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let unfit = |found, expected: &str| TemplateError { template: name.into(), found, expected: expected.into() };
    let made = template.pointer("/spec/jobTemplate").and_then(Value::as_object);
    let mut job = made.cloned().ok_or_else(|| unfit("has no jobTemplate", "one"))?;
    job.insert("apiVersion".into(), "batch/v1".into());
    job.insert("kind".into(), "Job".into());
    name_it(entry(&mut job, "metadata"), order);
    let spec = entry(&mut job, "spec");
    extend(entry(entry(spec, "template"), "metadata"), "labels", &order.labels);
    if let Some(completions) = order.completions {
        index(spec, completions);
    }
    if let Some(arguments) = &order.arguments {
        let container = container(spec, order.container);
        let container = container.ok_or_else(|| unfit("has no such container", order.container))?;
        container.insert("args".into(), json!(arguments));
    }
    Ok(Value::Object(job))
}

fn name_it(metadata: &mut Map<String, Value>, order: &Order) {
    metadata.insert("name".into(), order.name.clone().into());
    extend(metadata, "labels", &order.labels);
    extend(metadata, "annotations", &order.annotations);
    if let Some(Owner { name, uid }) = &order.owner {
        let owner = json!({"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": uid, "controller": false, "blockOwnerDeletion": false});
        metadata.insert("ownerReferences".into(), json!([owner]));
    }
}

/// Adds what is told to the object called `field`, where anything is.
fn extend(parent: &mut Map<String, Value>, field: &str, told: &BTreeMap<String, String>) {
    if !told.is_empty() {
        entry(parent, field).extend(told.iter().map(|(name, value)| (name.clone(), value.clone().into())));
    }
}

/// Sets the number of indexes; what may not exceed it, does not.
fn index(spec: &mut Map<String, Value>, completions: usize) {
    spec.insert("completionMode".into(), "Indexed".into());
    spec.insert("completions".into(), completions.into());
    for bounded in ["parallelism", "maxFailedIndexes"] {
        if let Some(most) = spec.get(bounded).and_then(Value::as_u64) {
            spec.insert(bounded.into(), most.min(completions as u64).into());
        }
    }
}

fn container<'a>(spec: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Map<String, Value>> {
    let containers = spec.get_mut("template")?.pointer_mut("/spec/containers")?.as_array_mut()?;
    containers.iter_mut().find(|container| container["name"] == name)?.as_object_mut()
}

/// Returns the object called `name` in `parent`, made if it is not there.
fn entry<'a>(parent: &'a mut Map<String, Value>, name: &str) -> &'a mut Map<String, Value> {
    let value = parent.entry(name).or_insert_with(|| json!({}));
    if !value.is_object() {
        *value = json!({});
    }
    match value {
        Value::Object(object) => object,
        _ => unreachable!("an object was put there"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn template() -> Value {
        json!({
            "apiVersion": "batch/v1", "kind": "CronJob",
            "metadata": {"name": "strata-map", "labels": {"of": "the CronJob alone"}},
            "spec": {"suspend": true, "schedule": "0 3 1 * *", "jobTemplate": {
                "metadata": {"labels": {"kueue.x-k8s.io/queue-name": "nightly"}, "annotations": {"a": "b"}},
                "spec": {
                    "completionMode": "Indexed", "completions": 100, "parallelism": 100, "maxFailedIndexes": 100,
                    "backoffLimitPerIndex": 3, "suspend": true, "aFieldOfTomorrow": {"x": [1, 2]},
                    "template": {"spec": {
                        "tolerations": [{"key": "spot"}],
                        "containers": [{"name": "car"}, {"name": "worker", "image": "strata", "command": ["map-worker"]}]
                    }}
                }
            }}
        })
    }

    fn order() -> Order {
        Order {
            name: "strata-map-0123456789".into(),
            labels: BTreeMap::from([(SUBMISSION.into(), "strata-1".into())]),
            annotations: BTreeMap::from([("strata/documents".into(), "70".into())]),
            owner: Some(Owner { name: "strata-1".into(), uid: "u".into() }),
            completions: Some(7),
            container: WORKER,
            arguments: Some(vec!["--task-count=7".into()]),
        }
    }

    #[test]
    fn a_job_is_the_template_with_what_was_ordered() {
        let expected = json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": {
                "name": "strata-map-0123456789",
                "labels": {"kueue.x-k8s.io/queue-name": "nightly", "strata/submission": "strata-1"},
                "annotations": {"a": "b", "strata/documents": "70"},
                "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "strata-1", "uid": "u",
                    "controller": false, "blockOwnerDeletion": false}]
            },
            "spec": {
                "completionMode": "Indexed", "completions": 7, "parallelism": 7, "maxFailedIndexes": 7,
                "backoffLimitPerIndex": 3, "suspend": true, "aFieldOfTomorrow": {"x": [1, 2]},
                "template": {"metadata": {"labels": {"strata/submission": "strata-1"}}, "spec": {
                    "tolerations": [{"key": "spot"}],
                    "containers": [{"name": "car"}, {"name": "worker", "image": "strata", "command": ["map-worker"],
                        "args": ["--task-count=7"]}]
                }}
            }
        });
        assert_eq!(instantiate(&template(), &order()), Ok(expected));
    }

    #[test]
    fn fewer_pods_at_once_stay_fewer_and_a_job_of_one_pod_stays_one() {
        let mut few = template();
        few["spec"]["jobTemplate"]["spec"]["parallelism"] = 3.into();
        assert_eq!(instantiate(&few, &order()).unwrap()["spec"]["parallelism"], 3);
        let one = Order { completions: None, ..order() };
        assert_eq!(instantiate(&template(), &one).unwrap()["spec"]["completions"], 100);
    }

    #[test]
    fn a_template_without_what_is_needed_is_named() {
        let mut other = template();
        other["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][1]["name"] = "main".into();
        let error = instantiate(&other, &order()).unwrap_err().to_string();
        assert!(error.contains("strata-map") && error.contains("worker"), "{error}");
        assert!(instantiate(&json!({"metadata": {"name": "x"}}), &order()).is_err());
    }

    /// JSON as a patch may put it anywhere in a template.
    fn anything() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[a-z]{0,8}".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("[a-z]{1,8}", inner, 0..4).prop_map(|map| json!(map)),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_a_patch_adds_is_in_the_job(
            patch in anything(),
            place in prop_oneof![Just("/spec"), Just("/spec/template/spec"), Just("/spec/template/spec/containers/1"), Just("/metadata")],
        ) {
            let mut patched = template();
            let field = |root: &Value, prefix: &str| root.pointer(&format!("{prefix}{place}/patched")).cloned();
            patched.pointer_mut(&format!("/spec/jobTemplate{place}")).unwrap()["patched"] = patch.clone();
            let job = instantiate(&patched, &order()).unwrap();
            prop_assert_eq!(field(&job, ""), Some(patch));
            let mut without = job;
            without.pointer_mut(place).unwrap().as_object_mut().unwrap().remove("patched");
            prop_assert_eq!(without, instantiate(&template(), &order()).unwrap());
        }
    }
}
