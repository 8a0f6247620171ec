//! A namespace at Pod Security level *restricted* with the credentials of a store in it, and what runs there.
//!
//! Each test has its own, so that nothing of one reaches another; it goes with its [`Namespace`].

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::{Cluster, ClusterMinio, image, run, wait_for};
use crate::s3_server::Credentials;

/// The Secret that all pods take their credentials from.
const SECRET: &str = "strata-credentials";

/// A namespace of a running cluster.
#[derive(Debug)]
pub struct Namespace<'a> {
    cluster: &'a Cluster,
    /// Its name.
    pub name: String,
}

/// What a test's overlay says over the base.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The environment of all pods.
    pub environment: BTreeMap<String, String>,
    /// Patches as Kustomize reads them: what they apply to, and the JSON patch.
    pub patches: Vec<(Value, Value)>,
}

/// What became of a Job.
#[derive(Debug, Clone)]
pub struct Job(pub Value);

impl Job {
    /// Tells whether it has a condition, such as `Complete` or `Failed`.
    #[must_use]
    pub fn is(&self, condition: &str) -> bool {
        self.condition(condition).is_some()
    }

    /// Returns the condition's reason and message.
    #[must_use]
    pub fn condition(&self, kind: &str) -> Option<String> {
        let conditions = self.0.pointer("/status/conditions")?.as_array()?;
        let holds = |condition: &&Value| condition["type"] == kind && condition["status"] == "True";
        let condition = conditions.iter().find(holds)?;
        Some(format!("{} {}", condition["reason"].as_str()?, condition["message"].as_str().unwrap_or_default()))
    }

    /// Returns a number of its status, 0 where there is none.
    #[must_use]
    pub fn count(&self, name: &str) -> u64 {
        self.0["status"][name].as_u64().unwrap_or(0)
    }

    /// Tells when it started and when it ended.
    #[must_use]
    pub fn span(&self) -> String {
        let time = |name: &str| self.0["status"][name].as_str().unwrap_or("?").to_owned();
        format!("{}–{}", time("startTime"), time("completionTime"))
    }

    /// Returns its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0["metadata"]["name"].as_str().unwrap_or_default()
    }
}

impl<'a> Namespace<'a> {
    /// Makes the namespace `name` with the credentials in it.
    ///
    /// # Errors
    /// kubectl's own.
    pub fn make(cluster: &'a Cluster, name: &str, credentials: &Credentials) -> anyhow::Result<Self> {
        let namespace = Self { cluster, name: name.to_owned() };
        // Enforcement is for pods; of what makes them, a Job say, the API server only warns.
        let restricted = json!({"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted"});
        namespace.apply(&json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "labels": restricted}}))?;
        namespace.give_credentials(credentials)?;
        Ok(namespace)
    }

    /// Puts credentials into the Secret that pods take them from.
    ///
    /// # Errors
    /// kubectl's own.
    pub fn give_credentials(&self, credentials: &Credentials) -> anyhow::Result<()> {
        let data =
            json!({"AWS_ACCESS_KEY_ID": credentials.access_key, "AWS_SECRET_ACCESS_KEY": credentials.secret_key});
        self.apply(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET, "namespace": self.name},
            "stringData": data}))
    }

    /// Applies one object.
    ///
    /// # Errors
    /// kubectl's own.
    pub fn apply(&self, object: &Value) -> anyhow::Result<()> {
        let mut file = tempfile::NamedTempFile::new()?;
        serde_json::to_writer(&mut file, object)?;
        let path = file.path().display().to_string();
        self.cluster.kubectl(["apply", "--server-side", "--filename", &path]).map(drop)
    }

    /// Runs kubectl in the namespace and returns what it says on stdout.
    ///
    /// # Errors
    /// kubectl's own.
    pub fn kubectl<'b>(&'b self, arguments: impl IntoIterator<Item = &'b str>) -> anyhow::Result<String> {
        let mut words = vec!["--namespace", self.name.as_str()];
        words.extend(arguments);
        self.cluster.kubectl(words)
    }

    /// Does what a user does: `kubectl apply -k` of an overlay.
    ///
    /// # Errors
    /// kubectl's own.
    pub fn apply_overlay(&self, settings: &Settings, component: Option<&str>) -> anyhow::Result<()> {
        self.with_overlay(settings, component, |overlay| self.cluster.kubectl(["apply", "-k", overlay]))
    }

    /// Asks the API server what it would say of an overlay, warnings included.
    ///
    /// # Errors
    /// kubectl's own; a warning is one.
    pub fn check_overlay(&self, settings: &Settings, component: Option<&str>) -> anyhow::Result<()> {
        self.with_overlay(settings, component, |overlay| self.check(overlay))
    }

    /// The same of the overlay in a folder; returns what kubectl says.
    ///
    /// # Errors
    /// kubectl's own; a warning is one.
    pub fn check(&self, overlay: &str) -> anyhow::Result<String> {
        self.kubectl(["apply", "--dry-run=server", "--warnings-as-errors", "-k", overlay])
    }

    fn with_overlay(
        &self,
        settings: &Settings,
        component: Option<&str>,
        use_it: impl Fn(&str) -> anyhow::Result<String>,
    ) -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let manifests = folder.path().join("k8s");
        run(std::process::Command::new("cp").arg("-R").arg(image::repository().join("k8s")).arg(&manifests))?;
        let overlay = manifests.join("overlays/test");
        write_overlay(&overlay, &self.name, settings, component)?;
        use_it(&overlay.display().to_string()).map(drop)
    }

    /// Evicts a pod, as draining its node does.
    ///
    /// # Errors
    /// kubectl's own.
    pub fn evict(&self, pod: &str) -> anyhow::Result<()> {
        let mut file = tempfile::NamedTempFile::new()?;
        let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction",
            "metadata": {"name": pod, "namespace": self.name}});
        serde_json::to_writer(&mut file, &eviction)?;
        let url = format!("/api/v1/namespaces/{}/pods/{pod}/eviction", self.name);
        self.cluster.kubectl(["create", "--raw", &url, "--filename", &file.path().display().to_string()]).map(drop)
    }

    /// Returns one object.
    ///
    /// # Errors
    /// kubectl's own.
    pub fn get(&self, kind: &str, name: &str) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&self.kubectl(["get", kind, name, "--output", "json"])?)?)
    }

    /// Returns the objects of a kind that have the label.
    ///
    /// # Errors
    /// kubectl's own.
    pub fn list(&self, kind: &str, label: &str) -> anyhow::Result<Vec<Value>> {
        let told = self.kubectl(["get", kind, "--selector", label, "--output", "json"])?;
        let list: Value = serde_json::from_str(&told)?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// Returns the Jobs of a component: coordinator, map or reduce.
    ///
    /// # Errors
    /// kubectl's own.
    pub fn jobs(&self, component: &str) -> anyhow::Result<Vec<Job>> {
        Ok(self.list("jobs", &of(component))?.into_iter().map(Job).collect())
    }

    /// Returns the pods of a component.
    ///
    /// # Errors
    /// kubectl's own.
    pub fn pods(&self, component: &str) -> anyhow::Result<Vec<Value>> {
        self.list("pods", &of(component))
    }

    /// Waits until the Job `name` has ended either way.
    ///
    /// # Errors
    /// Not within `limit`: the error holds what is there.
    pub fn end_of(&self, name: &str, limit: Duration) -> anyhow::Result<Job> {
        let look = || {
            let job = Job(self.get("job", name)?);
            Ok((job.is("Complete") || job.is("Failed")).then_some(job))
        };
        wait_for(&format!("the end of job {name}"), limit, look).with_context(|| self.describe())
    }

    /// Waits until the Job `name` is complete.
    ///
    /// # Errors
    /// It fails, or not within `limit`: the error holds what is there.
    pub fn completion_of(&self, name: &str, limit: Duration) -> anyhow::Result<Job> {
        let job = self.end_of(name, limit)?;
        if !job.is("Complete") {
            bail!("job {name} has failed: {}\n{}", job.condition("Failed").unwrap_or_default(), self.describe());
        }
        Ok(job)
    }

    /// Waits for the first pod of `component` that `wanted` accepts.
    ///
    /// # Errors
    /// Not within `limit`: the error holds what is there.
    pub fn pod(&self, component: &str, limit: Duration, wanted: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        let look = || Ok(self.pods(component)?.into_iter().find(&wanted));
        wait_for(&format!("a pod of {component}"), limit, look).with_context(|| self.describe())
    }

    /// Returns the log of everything of a component, in no order between pods.
    ///
    /// # Errors
    /// kubectl's own.
    pub fn logs(&self, component: &str) -> anyhow::Result<String> {
        self.kubectl(["logs", "--selector", &of(component), "--tail", "-1", "--prefix", "--max-log-requests", "50"])
    }

    /// Tells all that somebody who looks for a fault would ask for.
    #[must_use]
    pub fn describe(&self) -> String {
        let asked: [&[&str]; 4] = [
            &["get", "jobs,pods", "--output", "wide"],
            &["get", "events", "--sort-by", ".lastTimestamp"],
            &["logs", "--selector", "app.kubernetes.io/component=coordinator", "--tail", "25"],
            &["logs", "--selector", "app.kubernetes.io/component in (map,reduce)", "--tail", "8"],
        ];
        let told =
            asked.iter().map(|words| self.kubectl(words.iter().copied()).unwrap_or_else(|error| format!("{error:#}")));
        told.collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        let gone = self.cluster.kubectl(["delete", "namespace", &self.name, "--grace-period", "1", "--timeout", "90s"]);
        if let Err(error) = gone {
            eprintln!("{error:#}");
        }
    }
}

fn of(component: &str) -> String {
    format!("app.kubernetes.io/component={component}")
}

fn write_overlay(overlay: &Path, namespace: &str, settings: &Settings, component: Option<&str>) -> anyhow::Result<()> {
    let literals: Vec<String> = settings.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let patches = settings.patches.iter().map(|(target, patch)| json!({"target": target, "patch": patch.to_string()}));
    let (repository, tag) = image::IMAGE.split_once(':').unwrap_or((image::IMAGE, "latest"));
    let kustomization = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": namespace,
        "resources": ["../../base"],
        "components": component.iter().map(|name| format!("../../components/{name}")).collect::<Vec<_>>(),
        "images": [{"name": repository, "newTag": tag}],
        "configMapGenerator": [{"name": "strata-settings", "behavior": "merge", "literals": literals}],
        "patches": patches.collect::<Vec<_>>(),
    });
    std::fs::create_dir_all(overlay)?;
    Ok(std::fs::write(overlay.join("kustomization.yaml"), kustomization.to_string())?)
}

impl Settings {
    /// Says where the store is and what to do with it, in figures of a small corpus.
    #[must_use]
    pub fn new(minio: &ClusterMinio, store: &str, inputs: &str, model: &str) -> Self {
        let endpoint = minio.endpoint();
        let environment = [
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ("STRATA_STORE", store),
            ("STRATA_INPUTS", inputs),
            ("STRATA_MODEL", model),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let mut settings = Self { environment, patches: Vec::new() };
        settings.resources("Job", "strata", "/spec", "50m", "512Mi");
        settings.resources("CronJob", "strata-map", "/spec/jobTemplate/spec", "200m", "512Mi");
        settings.resources("CronJob", "strata-reduce", "/spec/jobTemplate/spec", "200m", "1Gi");
        settings
    }

    /// Sets a variable of all pods.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Adds a JSON patch of one operation.
    pub fn patch(&mut self, kind: &str, name: &str, operation: &str, path: &str, value: &Value) {
        let target = json!({"kind": kind, "name": format!("^{name}$")});
        self.patches.push((target, json!([{"op": operation, "path": path, "value": value}])));
    }

    /// Has a pod ask for no more than a small node has.
    fn resources(&mut self, kind: &str, name: &str, spec: &str, cpu: &str, memory: &str) {
        let value = json!({"requests": {"cpu": cpu, "memory": "64Mi"}, "limits": {"cpu": "2", "memory": memory}});
        self.patch(kind, name, "replace", &format!("{spec}/template/spec/containers/0/resources"), &value);
    }
}
