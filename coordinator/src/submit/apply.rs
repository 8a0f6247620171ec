//! Objects → the cluster, by server-side apply: what belongs to somebody else is used as it is.
//!
//! Invariant: what running submissions make their pods from does not change under them. All submissions of a namespace share the
//! settings and the templates, so that one that would change these has to wait until nothing else runs there.

use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use serde_json::Value;

use super::jobs::running;
use super::objects::{CONTAINERS, SETTINGS};
use crate::launch::kubernetes::{Cluster, ClusterError, MANAGER};

/// Who applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applicant<'a> {
    /// The submission of this name.
    Submission(&'a str),
    /// A schedule, which may take the place of another.
    Schedule {
        /// Whether that was said.
        replaces: bool,
    },
}

/// What an object that is applied finds in its place.
#[derive(Debug)]
enum Place {
    /// Nothing.
    Free,
    /// Itself, in all that matters to pods.
    Same,
    /// Another version of itself.
    Other,
    /// An object of somebody else's making, by name.
    Theirs(String),
    /// An object of ours in which somebody has changed what is to be applied.
    Shared(ClusterError),
}

/// Applies each of `objects` that is not somebody else's.
///
/// # Errors
/// What the API server refuses, settings or templates of somebody else's making that differ from what was asked, or another
/// submission whose pods would get what is asked here.
pub async fn apply(cluster: &Cluster, objects: &[Value], who: Applicant<'_>) -> Result<(), ClusterError> {
    let mut places = Vec::new();
    for object in objects {
        places.push(look(cluster, object).await?);
    }
    let changed = objects.iter().zip(&places).filter(|(object, place)| {
        matches!(place, Place::Other) && matches!(text(object, "/kind"), "ConfigMap" | "CronJob")
    });
    let changed: Vec<String> = changed.map(|(object, _)| described(object)).collect();
    if !changed.is_empty() {
        check_undisturbed(cluster, &changed.join(" and "), who).await?;
    }
    for (object, place) in objects.iter().zip(places) {
        match place {
            Place::Theirs(owner) => tracing::info!("{} was made by {owner}: it is used as it is", described(object)),
            Place::Shared(error) => tracing::warn!("{error}; it stays as it is"),
            Place::Free | Place::Same | Place::Other => {
                patch(cluster, object, &PatchParams::apply(MANAGER)).await?;
            }
        }
    }
    Ok(())
}

/// Applies the `CronJob` that starts coordinators, and what is `around` it.
///
/// # Errors
/// As [`apply`]; it starts coordinators with other arguments already and nobody said to replace it, or somebody else has a part in it.
pub async fn apply_schedule(
    cluster: &Cluster,
    around: &[Value],
    schedule: &Value,
    replaces: bool,
) -> Result<(), ClusterError> {
    if let Some(existing) = get(cluster, schedule).await?.filter(|_| !replaces) {
        check_schedule(&existing.data, schedule, cluster.namespace())?;
    }
    // Nothing is changed around a schedule that cannot be.
    patch(cluster, schedule, &PatchParams::apply(MANAGER).dry_run()).await.map_err(unshared)?;
    apply(cluster, around, Applicant::Schedule { replaces }).await?;
    patch(cluster, schedule, &PatchParams::apply(MANAGER)).await.map(drop).map_err(unshared)
}

/// Says of a conflict what it takes to mend it: another try meets the same.
fn unshared(error: ClusterError) -> ClusterError {
    if error.is_conflict() {
        ClusterError::Usage(format!("{error}; change that there, or delete the object and schedule it again"))
    } else {
        error
    }
}

/// Returns who has made the object in the place of `object`, where that is somebody else; changes nothing.
///
/// # Errors
/// What the API server refuses, or settings of somebody else's making that differ from what was asked.
pub async fn owner_of_another(cluster: &Cluster, object: &Value) -> Result<Option<String>, ClusterError> {
    theirs(object, get(cluster, object).await?.as_ref())
}

fn theirs(object: &Value, existing: Option<&DynamicObject>) -> Result<Option<String>, ClusterError> {
    let Some(owner) = existing.and_then(another_manager) else { return Ok(None) };
    if text(object, "/metadata/name") == SETTINGS {
        check_settings(&described(object), &owner, object, existing)?;
    }
    Ok(Some(owner))
}

async fn look(cluster: &Cluster, object: &Value) -> Result<Place, ClusterError> {
    let Some(existing) = get(cluster, object).await? else { return Ok(Place::Free) };
    if let Some(owner) = theirs(object, Some(&existing))? {
        return Ok(Place::Theirs(owner));
    }
    match patch(cluster, object, &PatchParams::apply(MANAGER).dry_run()).await {
        Ok(applied) if is_same(&existing.data, &applied.data) => Ok(Place::Same),
        Ok(_) => Ok(Place::Other),
        Err(error) if error.is_conflict() => {
            check_shared(object, &existing)?;
            Ok(Place::Shared(error))
        }
        Err(error) => Err(error),
    }
}

/// Tells whether pods made from the one are pods made from the other.
fn is_same(existing: &Value, applied: &Value) -> bool {
    ["data", "spec"].iter().all(|part| existing.get(part) == applied.get(part))
}

async fn get(cluster: &Cluster, object: &Value) -> Result<Option<DynamicObject>, ClusterError> {
    let (api, name) = (api(cluster, text(object, "/kind"))?, text(object, "/metadata/name"));
    cluster.ask(&described(object), "read", || api.get_opt(name)).await
}

async fn patch(cluster: &Cluster, object: &Value, parameters: &PatchParams) -> Result<DynamicObject, ClusterError> {
    let (api, name) = (api(cluster, text(object, "/kind"))?, text(object, "/metadata/name"));
    let patch = Patch::Apply(object);
    cluster.ask(&described(object), "applied", || api.patch(name, parameters, &patch)).await
}

fn described(object: &Value) -> String {
    format!("{} {}", text(object, "/kind"), text(object, "/metadata/name"))
}

/// Refuses to change what pods of others are still to be made from.
async fn check_undisturbed(cluster: &Cluster, changed: &str, who: Applicant<'_>) -> Result<(), ClusterError> {
    let namespace = cluster.namespace();
    let others = running(cluster).await?;
    let others: Vec<&str> =
        others.iter().map(String::as_str).filter(|name| who != Applicant::Submission(name)).collect();
    if let Some(first) = others.first() {
        return Err(ClusterError::Busy(format!(
            "{changed} would change, of which pods are still made for {} in namespace {namespace}: wait for its end (`strata watch {first}`), end it (`strata cancel {first}`), or name another namespace",
            others.join(", ")
        )));
    }
    let api = cluster.dynamic(&ApiResource::erase::<CronJob>(&()));
    let schedule = cluster.ask("CronJob strata", "read", || api.get_opt("strata")).await?;
    let is_due = schedule.is_some_and(|schedule| is_active(&schedule.data));
    if is_due && who != (Applicant::Schedule { replaces: true }) {
        return Err(ClusterError::Usage(format!(
            "{changed} would change, of which CronJob strata in namespace {namespace} makes pods by its schedule: name another namespace, replace the schedule (`strata schedule … --replace`), or end it (`kubectl --namespace {namespace} delete cronjob strata`)"
        )));
    }
    Ok(())
}

/// Tells whether a `CronJob` starts Jobs by itself.
fn is_active(cron_job: &Value) -> bool {
    cron_job.pointer("/spec/suspend") != Some(&Value::Bool(true))
}

/// Refuses to take the place of a schedule that does something else.
fn check_schedule(existing: &Value, asked: &Value, namespace: &str) -> Result<(), ClusterError> {
    let told = |object: &Value| object.pointer(&format!("{CONTAINERS}/0/args")).cloned();
    if !is_active(existing) || told(existing) == told(asked) {
        return Ok(());
    }
    let words = told(existing).and_then(|words| serde_json::from_value::<Vec<String>>(words).ok()).unwrap_or_default();
    Err(ClusterError::Usage(format!(
        "CronJob strata in namespace {namespace} starts another question by its schedule ({}): say --replace to put this one in its place, or name another namespace",
        words.join(" ")
    )))
}

fn text<'a>(object: &'a Value, place: &str) -> &'a str {
    object.pointer(place).and_then(Value::as_str).unwrap_or_default()
}

fn api(cluster: &Cluster, kind: &str) -> Result<Api<DynamicObject>, ClusterError> {
    let resource = match kind {
        "ServiceAccount" => ApiResource::erase::<ServiceAccount>(&()),
        "Role" => ApiResource::erase::<Role>(&()),
        "RoleBinding" => ApiResource::erase::<RoleBinding>(&()),
        "ConfigMap" => ApiResource::erase::<ConfigMap>(&()),
        "CronJob" => ApiResource::erase::<CronJob>(&()),
        _ => return Err(ClusterError::Usage(format!("{kind}: no object of this kind belongs to strata"))),
    };
    Ok(cluster.dynamic(&resource))
}

/// Returns who made an object that this program has no part in; controllers only write states.
pub(super) fn another_manager(object: &DynamicObject) -> Option<String> {
    let entries = object.metadata.managed_fields.iter().flatten().filter(|entry| entry.subresource.is_none());
    let managers: Vec<&str> = entries.filter_map(|entry| entry.manager.as_deref()).collect();
    (!managers.contains(&MANAGER)).then(|| managers.first().map_or("somebody else", |first| *first).to_owned())
}

/// Refuses an object of ours that others have changed, where pods would differ from what was asked.
fn check_shared(object: &Value, existing: &DynamicObject) -> Result<(), ClusterError> {
    let what = described(object);
    if text(object, "/metadata/name") == SETTINGS {
        return check_settings(&what, "strata and changed by somebody else", object, Some(existing));
    }
    let asked = sources(object);
    let there = sources(&existing.data);
    if text(object, "/kind") != "CronJob" || asked == there {
        return Ok(());
    }
    Err(ClusterError::Usage(format!(
        "{what} was changed by somebody else and has {}, expected {}: change it there, or delete it and submit again",
        there.join(", "),
        asked.join(", ")
    )))
}

/// Returns the images of a template, and the Secrets and `ConfigMap`s that its pods have their environment from.
fn sources(template: &Value) -> Vec<String> {
    let containers = template.pointer(CONTAINERS).and_then(Value::as_array).into_iter().flatten();
    let of_container = |container: &Value| {
        let image = container["image"].as_str().map(|image| format!("image {image}"));
        let environment = container["envFrom"].as_array().cloned().unwrap_or_default();
        let named = environment.iter().filter_map(|source| {
            let secret = source.pointer("/secretRef/name").map(|name| ("Secret", name));
            let (kind, name) = secret.or_else(|| Some(("ConfigMap", source.pointer("/configMapRef/name")?)))?;
            Some(format!("{kind} {}", name.as_str()?))
        });
        image.into_iter().chain(named).collect::<Vec<_>>()
    };
    containers.flat_map(of_container).collect()
}

/// Refuses settings that nobody would see.
fn check_settings(
    what: &str,
    owner: &str,
    asked: &Value,
    existing: Option<&DynamicObject>,
) -> Result<(), ClusterError> {
    let there = existing.and_then(|existing| existing.data.get("data")).cloned().unwrap_or_default();
    // The region is filled in where nobody names one.
    let is_default = |name: &str, value: &Value| name == "AWS_REGION" && value == "us-east-1";
    let differing = asked["data"].as_object().into_iter().flatten();
    let differing: Vec<&str> = differing
        .filter(|(name, value)| there.get(name.as_str()) != Some(value) && !is_default(name, value))
        .map(|(name, _)| name.as_str())
        .collect();
    if differing.is_empty() {
        return Ok(());
    }
    let names = differing.join(", ");
    Err(ClusterError::Usage(format!(
        "{what} was made by {owner} and says otherwise of {names}: change it there, or leave it out here"
    )))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(managers: &[(&str, Option<&str>)]) -> DynamicObject {
        let entries: Vec<Value> = managers
            .iter()
            .map(|(manager, subresource)| json!({"manager": manager, "operation": "Apply", "subresource": subresource}))
            .collect();
        let value = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "managedFields": entries},
            "data": {"AWS_ENDPOINT_URL": "http://a"}});
        serde_json::from_value(value).expect("an object")
    }

    #[test]
    fn what_others_made_is_theirs_and_what_they_only_patched_is_not() {
        assert_eq!(another_manager(&object(&[("strata", None), ("kubectl-patch", None)])), None);
        assert_eq!(
            another_manager(&object(&[("kubectl-client-side-apply", None)])).as_deref(),
            Some("kubectl-client-side-apply")
        );
        assert_eq!(another_manager(&object(&[("strata", None), ("kube-controller-manager", Some("status"))])), None);
        assert_eq!(another_manager(&object(&[])).as_deref(), Some("somebody else"));
    }

    fn template(image: &str, secret: &str, parallelism: u64) -> Value {
        json!({"kind": "CronJob", "metadata": {"name": "strata-map"}, "spec": {"jobTemplate": {"spec": {
            "parallelism": parallelism, "template": {"spec": {"containers": [{"name": "worker", "image": image,
                "envFrom": [{"configMapRef": {"name": SETTINGS}}, {"secretRef": {"name": secret}}]}]}}}}}})
    }

    #[test]
    fn a_template_that_others_changed_may_differ_in_all_but_its_image_and_its_secret() {
        let existing = |image, secret| serde_json::from_value(template(image, secret, 7)).expect("an object");
        let check = |image, secret| check_shared(&template("strata:3", "mine", 100), &existing(image, secret));
        assert!(check("strata:3", "mine").is_ok());
        let said = check("strata:2", "mine").expect_err("another image").to_string();
        assert!(said.contains("CronJob strata-map") && said.contains("image strata:2"), "{said}");
        assert!(check("strata:3", "theirs").is_err());
    }

    #[test]
    fn settings_that_others_changed_are_looked_at_as_those_that_they_made() {
        let theirs = object(&[("strata", None), ("kubectl-edit", None)]);
        let settings = |endpoint: &str| json!({"kind": "ConfigMap", "metadata": {"name": SETTINGS}, "data": {"AWS_ENDPOINT_URL": endpoint}});
        assert!(check_shared(&settings("http://a"), &theirs).is_ok());
        assert!(check_shared(&settings("http://b"), &theirs).is_err());
    }

    #[test]
    fn pods_differ_by_what_they_are_made_from_and_not_by_who_wrote_it() {
        let version = |number: u64| json!({"metadata": {"resourceVersion": number}, "data": {"A": "1"}});
        assert!(is_same(&version(1), &version(2)));
        assert!(!is_same(&version(1), &json!({"data": {"A": "1", "B": "2"}})));
        assert!(!is_same(&template("a", "s", 1), &template("b", "s", 1)));
    }

    #[test]
    fn a_schedule_is_not_replaced_by_another_question_unasked() {
        let schedule = |suspend: bool, argument: &str| {
            json!({"spec": {"suspend": suspend, "jobTemplate": {"spec": {"template": {"spec": {"containers": [
                {"name": "strata", "args": ["--store=s3://b/c", argument]}]}}}}}})
        };
        let check = |existing: Value| check_schedule(&existing, &schedule(false, "--clusters=5"), "corpus");
        assert!(check(schedule(false, "--clusters=5")).is_ok(), "another time for the same question");
        assert!(check(schedule(true, "--clusters=9")).is_ok(), "it starts nothing");
        let said = check(schedule(false, "--clusters=9")).expect_err("another question").to_string();
        assert!(said.contains("--replace") && said.contains("--clusters=9"), "{said}");
    }

    #[test]
    fn settings_that_others_made_may_be_the_same_and_not_others() {
        let theirs = object(&[("kubectl", None)]);
        let check = |data: Value| check_settings("ConfigMap x", "kubectl", &json!({"data": data}), Some(&theirs));
        assert!(check(json!({"AWS_ENDPOINT_URL": "http://a", "AWS_REGION": "us-east-1"})).is_ok());
        let error = check(json!({"AWS_ENDPOINT_URL": "http://b"})).expect_err("another endpoint").to_string();
        assert!(error.contains("AWS_ENDPOINT_URL") && error.contains("kubectl"), "{error}");
    }
}
