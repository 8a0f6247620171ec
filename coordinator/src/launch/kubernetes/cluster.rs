//! A namespace of a cluster, and requests to it: tried again for a while where that may help.

use std::fmt::Debug;
use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config, Resource};

use super::error::ClusterError;

/// How long the API server may take for one request.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often a request is tried, each time after twice the wait: half a minute of waits in all, as long as a control plane takes to
/// restart, and as much again for each attempt that is not answered.
const ATTEMPTS: u32 = 6;

/// For how long a connection may bring nothing: more than the 295 s after which kube begins a quiet watch again. Lists, the start of
/// a watch, and logs have no other limit, and a laptop that was closed, or a firewall that forgets, tells nobody.
const NOTHING_HEARD: Duration = Duration::from_secs(330);

/// A namespace of a cluster.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    namespace: String,
}

impl Debug for Cluster {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Cluster").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl Cluster {
    /// Finds the cluster that a kubeconfig names, by its context `context`, else the one this pod is in; `namespace` beats theirs.
    ///
    /// # Errors
    /// [`ClusterError::Configuration`].
    pub async fn find(context: Option<&str>, namespace: Option<&str>) -> Result<Self, ClusterError> {
        let mut config = configuration(context).await?;
        config.read_timeout = Some(NOTHING_HEARD);
        // Counted from the request, not from when the connection was last used.
        config.reset_reader_on_write = true;
        let namespace = namespace.unwrap_or(&config.default_namespace).to_owned();
        let client = Client::try_from(config).map_err(unconfigured)?;
        Ok(Self { client, namespace })
    }

    /// Returns the namespace of the API server at `url`, which is on loopback and asks for no login.
    #[cfg(test)]
    pub(super) fn at(url: &str, namespace: &str) -> Self {
        let config = Config::new(url.parse().expect("a URL"));
        Self { client: Client::try_from(config).expect("a client"), namespace: namespace.to_owned() }
    }

    /// Returns the namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Returns the objects of one kind in the namespace.
    #[must_use]
    pub fn api<K: Resource<Scope = NamespaceResourceScope, DynamicType: Default>>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Returns the objects of one kind in the namespace as they are, fields that this program does not know included.
    #[must_use]
    pub fn dynamic(&self, resource: &ApiResource) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, resource)
    }

    /// Makes an error of what kube says about trying `verb` on `object`.
    pub(crate) fn failed(&self, object: &str, verb: &'static str, error: kube::Error) -> ClusterError {
        ClusterError::of(object, &self.namespace, verb, error)
    }

    /// Sends a request, again after a while where a retry may mend it.
    ///
    /// # Errors
    /// The last one.
    pub async fn ask<T, F: Future<Output = kube::Result<T>>>(
        &self,
        object: &str,
        verb: &'static str,
        request: impl Fn() -> F,
    ) -> Result<T, ClusterError> {
        let mut attempt = 0;
        loop {
            let answer = tokio::time::timeout(PATIENCE, request()).await;
            let silent = |_| Err(kube::Error::Service("no answer in time".into()));
            let error = match answer.unwrap_or_else(silent) {
                Ok(answer) => return Ok(answer),
                Err(error) => self.failed(object, verb, error),
            };
            attempt += 1;
            if !error.is_worth_asking_again() || attempt == ATTEMPTS {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_secs(1 << (attempt - 1))).await;
        }
    }
}

async fn configuration(context: Option<&str>) -> Result<Config, ClusterError> {
    let Some(context) = context else {
        return Config::infer().await.map_err(unconfigured);
    };
    let options = KubeConfigOptions { context: Some(context.to_owned()), ..KubeConfigOptions::default() };
    Config::from_kubeconfig(&options).await.map_err(unconfigured)
}

fn unconfigured(error: impl std::error::Error + Send + Sync + 'static) -> ClusterError {
    ClusterError::Configuration { source: Box::new(error) }
}

/// Returns the namespace that a kubeconfig names, without asking a cluster.
#[must_use]
pub fn default_namespace(context: Option<&str>) -> String {
    let named = Kubeconfig::read().ok().and_then(|kubeconfig| {
        let context = context.map(str::to_owned).or(kubeconfig.current_context)?;
        kubeconfig.contexts.into_iter().find(|named| named.name == context)?.context?.namespace
    });
    named.unwrap_or_else(|| "default".into())
}
