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
    #[error("{object} in namespace {namespace} cannot be {verb}: {message}{}", advice(*code))]
    Refused {
        /// The kind and name.
        object: String,
        /// Where.
        namespace: String,
        /// What was tried.
        verb: &'static str,
        /// The HTTP status.
        code: u16,
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
}

impl ClusterError {
    /// Makes an error of what kube says about trying `verb` on `object`.
    pub(crate) fn of(object: &str, namespace: &str, verb: &'static str, error: kube::Error) -> Self {
        let (object, namespace) = (object.to_owned(), namespace.to_owned());
        match error {
            kube::Error::Api(status) => {
                let message = status.message.trim_end_matches('.').to_owned();
                Self::Refused { object, namespace, verb, code: status.code, message }
            }
            source => Self::Unreachable { object, namespace, verb, source: Box::new(source) },
        }
    }

    /// Tells whether the object is simply not there.
    #[must_use]
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Refused { code: 404, .. })
    }

    /// Tells whether the object is there already, or has changed meanwhile.
    #[must_use]
    pub const fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused { code: 409, .. })
    }
}

impl Classify for ClusterError {
    fn exit(&self) -> Exit {
        match self {
            Self::Configuration { .. } | Self::NoPod { .. } | Self::Usage(_) => Exit::Configuration,
            Self::Template(error) => error.exit(),
            Self::Refused { code, .. } => refusal(*code),
            Self::Unreachable { .. } | Self::Deleted { .. } => Exit::Retry,
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

const fn advice(code: u16) -> &'static str {
    match code {
        401 => "; log in again, or choose another context",
        403 => "; grant it, as the Role in k8s/base/role.yaml does for the coordinator",
        404 => "; apply k8s/base first (`kubectl apply -k`, or `strata submit`), or name another namespace",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: u16, message: &str) -> ClusterError {
        let status = kube::core::Status { code, message: message.into(), ..kube::core::Status::default() };
        ClusterError::of("Job strata-map-1", "corpus", "created", kube::Error::Api(Box::new(status)))
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
