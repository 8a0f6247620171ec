//! Objects → the cluster, by server-side apply: what belongs to somebody else is used as it is.

use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use serde_json::Value;

use super::objects::SETTINGS;
use crate::launch::kubernetes::{Cluster, ClusterError, MANAGER};

/// Applies each of `objects` that is not somebody else's.
///
/// # Errors
/// What the API server refuses, or settings of somebody else that differ from what was asked.
pub async fn apply(cluster: &Cluster, objects: &[Value]) -> Result<(), ClusterError> {
    for object in objects {
        apply_one(cluster, object).await?;
    }
    Ok(())
}

async fn apply_one(cluster: &Cluster, object: &Value) -> Result<(), ClusterError> {
    let (kind, name) = (text(object, "/kind"), text(object, "/metadata/name"));
    let what = format!("{kind} {name}");
    let api = api(cluster, kind)?;
    let existing = cluster.ask(&what, "read", || api.get_opt(name)).await?;
    if let Some(owner) = existing.as_ref().and_then(another_manager) {
        if name == SETTINGS {
            check_settings(&what, &owner, object, existing.as_ref())?;
        }
        tracing::info!("{what} was made by {owner}: it is used as it is");
        return Ok(());
    }
    let (parameters, patch) = (PatchParams::apply(MANAGER), Patch::Apply(object));
    match cluster.ask(&what, "applied", || api.patch(name, &parameters, &patch)).await {
        Err(error) if error.is_conflict() => {
            tracing::warn!("{error}; it stays as it is");
            Ok(())
        }
        applied => applied.map(drop),
    }
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
    let mut managers: Vec<&str> = entries.filter_map(|entry| entry.manager.as_deref()).collect();
    managers.dedup();
    (!managers.contains(&MANAGER)).then(|| managers.first().map_or("somebody else", |first| *first).to_owned())
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

    #[test]
    fn settings_that_others_made_may_be_the_same_and_not_others() {
        let theirs = object(&[("kubectl", None)]);
        let check = |data: Value| check_settings("ConfigMap x", "kubectl", &json!({"data": data}), Some(&theirs));
        assert!(check(json!({"AWS_ENDPOINT_URL": "http://a", "AWS_REGION": "us-east-1"})).is_ok());
        let error = check(json!({"AWS_ENDPOINT_URL": "http://b"})).expect_err("another endpoint").to_string();
        assert!(error.contains("AWS_ENDPOINT_URL") && error.contains("kubectl"), "{error}");
    }
}
