//! This pod → the Job that it belongs to, which is to own the Jobs that are made here.

use k8s_openapi::api::core::v1::Pod;

use super::cluster::Cluster;
use super::error::ClusterError;
use super::template::Owner;

/// Finds the Job of the pod that this program runs in.
///
/// # Errors
/// [`ClusterError::NoPod`] outside of a Job's pod, or what the API server says.
pub(super) async fn find(cluster: &Cluster) -> Result<Owner, ClusterError> {
    let name = std::env::var("POD_NAME").map_err(|_| ClusterError::NoPod { found: "POD_NAME is not set".into() })?;
    let pods = cluster.api::<Pod>();
    let pod = cluster.ask(&format!("Pod {name}"), "read", || pods.get(&name)).await?;
    owning_job(&pod).ok_or_else(|| ClusterError::NoPod { found: format!("pod {name} belongs to no Job") })
}

fn owning_job(pod: &Pod) -> Option<Owner> {
    let owners = pod.metadata.owner_references.as_ref()?;
    let job = owners.iter().find(|owner| owner.kind == "Job" && owner.api_version.starts_with("batch/"))?;
    Some(Owner { name: job.name.clone(), uid: job.uid.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_belongs_to_the_job_among_its_owners() {
        let pod = |kind: &str| -> Pod {
            let json = format!(
                r#"{{"metadata":{{"ownerReferences":[{{"apiVersion":"batch/v1","kind":"{kind}","name":"strata-1","uid":"u"}}]}}}}"#
            );
            serde_json::from_str(&json).expect("a pod")
        };
        assert_eq!(owning_job(&pod("Job")), Some(Owner { name: "strata-1".into(), uid: "u".into() }));
        assert_eq!(owning_job(&pod("ReplicaSet")), None);
        assert_eq!(owning_job(&Pod::default()), None);
    }
}
