//! The manifests, an image and settings → the objects to be applied, and the coordinator's Job. Pure.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::jobs::{COORDINATOR, PROGRAM, STRATA};
use super::{CONTAINER, base};
use crate::launch::kubernetes::{COMPONENT, Order, SUBMISSION, TemplateError, instantiate, named};

/// The name that images have in the manifests, for Kustomize to replace.
const IMAGE: &str = "strata";

/// The name of the Secret in the manifests.
const CREDENTIALS: &str = "strata-credentials";

/// The object that all pods have their settings from.
pub(super) const SETTINGS: &str = "strata-settings";

/// The region where nobody names one, as in `k8s/base`.
const REGION: (&str, &str) = ("AWS_REGION", "us-east-1");

/// Where containers are in a `CronJob`.
pub(super) const CONTAINERS: &str = "/spec/jobTemplate/spec/template/spec/containers";

/// What pods are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pods {
    /// The namespace.
    pub namespace: String,
    /// The image.
    pub image: String,
    /// The Secret with the store's credentials.
    pub credentials: String,
    /// Variables of all of them.
    pub variables: BTreeMap<String, String>,
}

/// When a coordinator is to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// In the notation of cron.
    pub cron: String,
    /// Where that is, where it is not the cluster's own time.
    pub time_zone: Option<String>,
}

/// What there is to be applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Objects {
    /// Who may do what, the settings, and the templates of map and reduce.
    pub around: Vec<Value>,
    /// The template of the coordinator.
    pub coordinator: Value,
}

impl Objects {
    /// Fills the manifests in.
    ///
    /// # Panics
    /// Never: a test finds the coordinator among them.
    #[must_use]
    pub fn new(pods: &Pods) -> Self {
        let mut around: Vec<Value> = base::objects().into_iter().map(|object| fill_in(object, pods)).collect();
        let place = around.iter().position(|object| object["metadata"]["name"] == "strata");
        let coordinator = around.remove(place.expect("the manifests have a coordinator, as a test sees"));
        around.insert(0, settings(pods));
        Self { around, coordinator }
    }

    /// Returns how many map pods may run at once.
    #[must_use]
    pub fn pods_at_once(&self) -> u64 {
        let map = self.around.iter().find(|object| object["metadata"]["name"] == "strata-map");
        map.and_then(|map| map.pointer("/spec/jobTemplate/spec/parallelism")?.as_u64()).unwrap_or(1)
    }
}

/// Returns the name of a submission: the same for the same words, pods included.
#[must_use]
pub fn name(pods: &Pods, arguments: &[String]) -> String {
    let variables = pods.variables.iter().map(|(name, value)| format!("{name}={value}"));
    let parts: Vec<String> =
        [pods.image.clone(), pods.credentials.clone()].into_iter().chain(variables).chain(arguments.to_vec()).collect();
    named("strata", &parts.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Makes the coordinator's Job called `name` from its template, with `arguments`.
///
/// # Errors
/// [`TemplateError`] for a template of somebody else's making that lacks what is needed.
pub fn job(template: &Value, namespace: &str, name: &str, arguments: &[String]) -> Result<Value, TemplateError> {
    let order = Order {
        name: name.to_owned(),
        // A template of somebody else's making may lack those that it is found by.
        labels: [(PROGRAM, STRATA), (COMPONENT, COORDINATOR), (SUBMISSION, name)]
            .map(|(label, value)| (label.to_owned(), value.to_owned()))
            .into(),
        container: CONTAINER,
        arguments: Some(arguments.to_vec()),
        ..Order::default()
    };
    let mut job = instantiate(template, &order)?;
    job["metadata"]["namespace"] = namespace.into();
    Ok(job)
}

/// Lets the coordinator of `template` start by itself. The figures are those of `k8s/overlays/monthly`.
#[must_use]
pub fn scheduled(mut template: Value, schedule: &Schedule, arguments: &[String]) -> Value {
    let spec = &mut template["spec"];
    spec["suspend"] = false.into();
    spec["schedule"] = schedule.cron.as_str().into();
    spec["concurrencyPolicy"] = "Forbid".into();
    spec["startingDeadlineSeconds"] = 86_400.into();
    spec["successfulJobsHistoryLimit"] = 3.into();
    spec["failedJobsHistoryLimit"] = 3.into();
    spec["jobTemplate"]["spec"]["activeDeadlineSeconds"] = 604_800.into();
    if let Some(zone) = &schedule.time_zone {
        spec["timeZone"] = zone.as_str().into();
    }
    for container in template.pointer_mut(CONTAINERS).and_then(Value::as_array_mut).into_iter().flatten() {
        if container["name"] == CONTAINER {
            container["args"] = json!(arguments);
        }
    }
    template
}

fn settings(pods: &Pods) -> Value {
    let mut data = pods.variables.clone();
    data.entry(REGION.0.to_owned()).or_insert_with(|| REGION.1.to_owned());
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": SETTINGS, "namespace": pods.namespace, "labels": {"app.kubernetes.io/name": "strata"}},
        "data": data
    })
}

fn fill_in(mut object: Value, pods: &Pods) -> Value {
    object["metadata"]["namespace"] = pods.namespace.as_str().into();
    for subject in object.get_mut("subjects").and_then(Value::as_array_mut).into_iter().flatten() {
        subject["namespace"] = pods.namespace.as_str().into();
    }
    for container in object.pointer_mut(CONTAINERS).and_then(Value::as_array_mut).into_iter().flatten() {
        if container["image"] == IMAGE {
            container["image"] = pods.image.as_str().into();
        }
        for source in container.get_mut("envFrom").and_then(Value::as_array_mut).into_iter().flatten() {
            if source.pointer("/secretRef/name").is_some_and(|name| name == CREDENTIALS) {
                source["secretRef"]["name"] = pods.credentials.as_str().into();
            }
        }
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pods() -> Pods {
        Pods {
            namespace: "corpus".into(),
            image: "registry.example.com/strata:1".into(),
            credentials: "mine".into(),
            variables: BTreeMap::from([("AWS_ENDPOINT_URL".into(), "http://10.0.0.1:9000".into())]),
        }
    }

    #[test]
    fn everything_is_in_the_namespace_with_the_image_and_the_secret() {
        let objects = Objects::new(&pods());
        let all: Vec<Value> = objects.around.iter().cloned().chain([objects.coordinator.clone()]).collect();
        assert!(all.iter().all(|object| object["metadata"]["namespace"] == "corpus"));
        let text = json!(all).to_string();
        assert_eq!(text.matches(r#""image":"registry.example.com/strata:1""#).count(), 3);
        assert_eq!(text.matches(r#""secretRef":{"name":"mine""#).count(), 3);
        assert!(!text.contains("strata-credentials") && !text.contains(r#""image":"strata""#));
        assert_eq!(objects.around[0]["data"]["AWS_ENDPOINT_URL"], "http://10.0.0.1:9000");
        assert_eq!(objects.around[0]["data"]["AWS_REGION"], "us-east-1");
        assert!(objects.pods_at_once() > 1);
    }

    #[test]
    fn the_same_submitted_twice_has_one_name_and_anything_else_another() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let first = name(&pods(), &words("--store=s3://b/c s3://b/in"));
        assert_eq!(first, name(&pods(), &words("--store=s3://b/c s3://b/in")));
        assert_ne!(first, name(&pods(), &words("--store=s3://b/c s3://b/out")));
        assert_ne!(first, name(&Pods { image: "i".into(), ..pods() }, &words("--store=s3://b/c s3://b/in")));
        assert!(first.len() < 20 && first.starts_with("strata-"));
    }

    #[test]
    fn the_job_is_the_coordinators_template_with_name_and_arguments() {
        let template = Objects::new(&pods()).coordinator;
        let job = job(&template, "corpus", "strata-1", &["--store=s3://b/c".into()]).unwrap();
        assert_eq!(job["metadata"]["labels"]["strata/submission"], "strata-1");
        assert_eq!(job["metadata"]["labels"]["app.kubernetes.io/component"], "coordinator");
        let container = &job["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["args"], json!(["--store=s3://b/c"]));
        let mut without = job["spec"].clone();
        without["template"]["spec"]["containers"][0].as_object_mut().unwrap().remove("args");
        let label = without["template"]["metadata"]["labels"].as_object_mut().unwrap().remove(SUBMISSION);
        assert_eq!(label, Some("strata-1".into()), "its pods are found as it is");
        assert_eq!(without, template["spec"]["jobTemplate"]["spec"]);
    }

    #[test]
    fn a_schedule_runs_one_at_a_time() {
        let schedule = Schedule { cron: "0 3 1 * *".into(), time_zone: Some("Europe/Vienna".into()) };
        let template = scheduled(Objects::new(&pods()).coordinator, &schedule, &["--store=s".into()]);
        let spec = &template["spec"];
        assert_eq!((&spec["suspend"], &spec["concurrencyPolicy"]), (&json!(false), &json!("Forbid")));
        assert_eq!((&spec["schedule"], &spec["timeZone"]), (&json!("0 3 1 * *"), &json!("Europe/Vienna")));
        assert_eq!(template.pointer(CONTAINERS).unwrap()[0]["args"], json!(["--store=s"]));
    }
}
