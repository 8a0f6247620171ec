//! What a cluster refuses or fails at → what a person is told, and whether a retry may mend it.

use strata_shared::exit::{Classify, Exit};
use strata_shared::store::StoreError;

use super::template::TemplateError;

/// Why something in a cluster was not done.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// There is no knowing which cluster, or as whom.
    #[error("no cluster: neither a kubeconfig (KUBECONFIG, --context) nor a pod's service account can be used")]
    Configuration {
        /// What kube says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The API server has answered, with a refusal.
    #[error("{object} in namespace {namespace} cannot be {verb}: {message}{}", advice(*code, message, namespace))]
    Refused {
        /// The kind and name.
        object: String,
        /// Where.
        namespace: String,
        /// What was tried.
        verb: &'static str,
        /// The HTTP status.
        code: u16,
        /// In one word, where the status alone may mean several things.
        reason: String,
        /// What the API server says; a 403 names verb, resource and namespace.
        message: String,
    },
    /// The API server has not answered.
    #[error("{object} in namespace {namespace} cannot be {verb}: the Kubernetes API does not answer")]
    Unreachable {
        /// The kind and name.
        object: String,
        /// Where.
        namespace: String,
        /// What was tried.
        verb: &'static str,
        /// What kube says.
        source: Box<kube::Error>,
    },
    /// Nothing was asked of the API server, or nothing that makes sense came back: a login, a certificate, a proxy.
    #[error(
        "{object} in namespace {namespace} cannot be {verb}: the Kubernetes API cannot be used as it is configured"
    )]
    Unusable {
        /// The kind and name.
        object: String,
        /// Where.
        namespace: String,
        /// What was tried.
        verb: &'static str,
        /// What kube says.
        source: Box<kube::Error>,
    },
    /// A Job that was followed is out of sight for too long.
    #[error("Job {job} is out of sight, and is followed no longer; what runs in the cluster goes on")]
    OutOfSight {
        /// Its name.
        job: String,
        /// What the last attempt came to.
        source: Box<Self>,
    },
    /// This program is no pod of a Job.
    #[error(
        "{found}, expected a pod of a Job, with POD_NAME and POD_NAMESPACE from the downward API as in k8s/base/coordinator.yaml; from outside a cluster, `strata submit` starts one"
    )]
    NoPod {
        /// What was found.
        found: String,
    },
    /// A template makes no Job.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A Job has not done its work.
    #[error("Job {job} failed: {reason}")]
    Failed {
        /// Its name.
        job: String,
        /// What Kubernetes says.
        reason: String,
        /// What the pods' ends mean.
        exit: Exit,
    },
    /// Somebody has deleted a Job that was waited for.
    #[error("Job {job}: was deleted before it ended; the same command goes on from here")]
    Deleted {
        /// Its name.
        job: String,
    },
    /// The store has not given a work list.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What people gave does not fit.
    #[error("{0}")]
    Usage(String),
    /// Something is in the way that will be gone by itself.
    #[error("{0}")]
    Busy(String),
}

impl ClusterError {
    /// Makes an error of what kube says about trying `verb` on `object`.
    pub(crate) fn of(object: &str, namespace: &str, verb: &'static str, error: kube::Error) -> Self {
        let (object, namespace) = (object.to_owned(), namespace.to_owned());
        match error {
            kube::Error::Api(status) => {
                let message = status.message.trim_end_matches('.').to_owned();
                Self::Refused { object, namespace, verb, code: status.code, reason: status.reason, message }
            }
            source if is_configuration(&source) => Self::Unusable { object, namespace, verb, source: Box::new(source) },
            source => Self::Unreachable { object, namespace, verb, source: Box::new(source) },
        }
    }

    /// Tells whether the object is simply not there.
    #[must_use]
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Refused { code: 404, .. })
    }

    /// Tells whether an object of this name is there already.
    #[must_use]
    pub fn exists(&self) -> bool {
        matches!(self, Self::Refused { code: 409, reason, .. } if reason == "AlreadyExists")
    }

    /// Tells whether somebody else has a part in the object, or has changed it meanwhile.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused { code: 409, .. }) && !self.exists()
    }

    /// Tells whether the same request may be answered otherwise in a moment. Somebody else's change is looked at, not run
    /// against; but nobody else has a part in what is only being created: there it is a quota's counter that was changed.
    pub(super) fn is_worth_asking_again(&self) -> bool {
        let is_created = matches!(self, Self::Refused { verb: "created", .. });
        self.is_transient() && !self.exists() && (is_created || !self.is_conflict())
    }
}

/// Tells what only another configuration mends from what comes and goes with the network.
const fn is_configuration(error: &kube::Error) -> bool {
    use kube::Error::{
        Auth, BuildRequest, InferConfig, InferKubeconfig, ProxyProtocolDisabled, ProxyProtocolUnsupported, RustlsTls,
        SerdeError, TlsRequired,
    };
    matches!(
        error,
        Auth(_)
            | BuildRequest(_)
            | InferConfig(_)
            | InferKubeconfig(_)
            | ProxyProtocolDisabled { .. }
            | ProxyProtocolUnsupported { .. }
            | RustlsTls(_)
            | SerdeError(_)
            | TlsRequired
    )
}

impl Classify for ClusterError {
    fn exit(&self) -> Exit {
        match self {
            Self::Configuration { .. } | Self::Unusable { .. } | Self::NoPod { .. } | Self::Usage(_) => {
                Exit::Configuration
            }
            Self::Template(error) => error.exit(),
            Self::Refused { code, .. } => refusal(*code),
            Self::Unreachable { .. } | Self::OutOfSight { .. } | Self::Deleted { .. } | Self::Busy(_) => Exit::Retry,
            Self::Failed { exit, .. } => *exit,
            Self::Store(error) => error.exit(),
        }
    }
}

/// Too many requests, a conflict and the server's own faults pass; whatever else it refuses, it refuses again.
const fn refusal(code: u16) -> Exit {
    match code {
        409 | 410 | 429 | 500.. => Exit::Retry,
        _ => Exit::Configuration,
    }
}

fn advice(code: u16, message: &str, namespace: &str) -> String {
    match code {
        401 => "; log in again, or choose another context".into(),
        403 => "; grant it, as the Role in k8s/base/role.yaml does for the coordinator".into(),
        404 if message.starts_with("namespaces ") => {
            format!("; make it with `kubectl create namespace {namespace}`, or name another with --namespace")
        }
        404 => "; apply k8s/base first (`kubectl apply -k`, or `strata submit`), or name another namespace".into(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused_as(code: u16, reason: &str, verb: &'static str, message: &str) -> ClusterError {
        let (reason, message) = (reason.to_owned(), message.to_owned());
        let status = kube::core::Status { code, reason, message, ..kube::core::Status::default() };
        ClusterError::of("Job strata-map-1", "corpus", verb, kube::Error::Api(Box::new(status)))
    }

    fn refused(code: u16, message: &str) -> ClusterError {
        refused_as(code, "", "created", message)
    }

    #[test]
    fn a_job_that_exists_is_joined_and_a_quota_that_was_counted_meanwhile_is_asked_again() {
        let exists = refused_as(409, "AlreadyExists", "created", r#"jobs.batch "strata-map-1" already exists"#);
        assert!(exists.exists() && !exists.is_conflict() && !exists.is_worth_asking_again());
        let counted = "Operation cannot be fulfilled on resourcequotas";
        let quota = refused_as(409, "Conflict", "created", counted);
        assert!(!quota.exists() && quota.is_worth_asking_again());
        let applied = refused_as(409, "Conflict", "applied", "Apply failed with 1 conflict");
        assert!(applied.is_conflict() && !applied.is_worth_asking_again());
    }

    #[test]
    fn a_login_that_fails_is_no_server_that_is_away() {
        let garbled = serde_json::from_str::<u8>("<html>").expect_err("no number");
        for error in [kube::Error::SerdeError(garbled), kube::Error::TlsRequired] {
            assert_eq!(ClusterError::of("Pod p", "n", "read", error).exit(), Exit::Configuration);
        }
    }

    #[test]
    fn a_namespace_that_is_missing_is_made_and_not_applied_to() {
        let said = refused(404, r#"namespaces "corpus" not found"#).to_string();
        assert!(said.contains("kubectl create namespace corpus") && !said.contains("strata submit"), "{said}");
        assert!(refused(404, r#"cronjobs.batch "strata-map" not found"#).to_string().contains("apply k8s/base"));
    }

    #[test]
    fn a_job_out_of_sight_is_looked_for_again_whatever_hid_it() {
        let source = Box::new(refused(401, "Unauthorized"));
        assert_eq!(ClusterError::OutOfSight { job: "j".into(), source }.exit(), Exit::Retry);
    }

    #[test]
    fn a_missing_permission_is_a_sentence_that_says_what_to_do() {
        let error = refused(
            403,
            r#"jobs.batch is forbidden: User "system:serviceaccount:corpus:strata-coordinator" cannot create resource "jobs" in API group "batch" in the namespace "corpus""#,
        );
        let said = error.to_string();
        assert_eq!(error.exit(), Exit::Configuration);
        for part in ["Job strata-map-1 in namespace corpus", "cannot create resource \"jobs\"", "k8s/base/role.yaml"] {
            assert!(said.contains(part), "{said}");
        }
    }

    #[test]
    fn refusals_that_pass_are_worth_a_retry() {
        for (code, exit) in [(409, Exit::Retry), (429, Exit::Retry), (503, Exit::Retry), (422, Exit::Configuration)] {
            assert_eq!(refused(code, "no").exit(), exit, "{code}");
        }
        let silent = kube::Error::Service("connection refused".into());
        assert_eq!(ClusterError::of("Pod p", "n", "read", silent).exit(), Exit::Retry);
    }
}
