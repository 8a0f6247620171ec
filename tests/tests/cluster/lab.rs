//! What all cases share: a cluster with the image on it, a MinIO, inputs and models in its bucket, and what undisturbed runs on this
//! machine make of them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;
use strata_tests::cluster::{self, Cluster, ClusterMinio, IMAGE, Namespace, Settings, SmallModel};
use strata_tests::corpus::{self, Plan};
use strata_tests::installed::InstalledModel;
use strata_tests::objects::{self, Objects};
use strata_tests::{binaries, s3_server};
use tempfile::TempDir;

const DOCUMENTS: u64 = 300;

/// What a whole run may take, on a machine that does much else.
pub(crate) const LIMIT: Duration = Duration::from_mins(5);

/// What every run is told beside its store, inputs and model: `STRATA_…` without the prefix, and the value.
const PARAMETERS: [(&str, &str); 4] =
    [("ROWS_PER_SHARD", "50"), ("TEXT_FIELD", "none"), ("CLUSTERS", "10"), ("LONELY", "20")];

/// Folders of a store that tell how a run went, and not what it found.
const TRACES: [&str; 2] = ["work/", "lease/"];

/// A cluster with all that cases need on it.
pub(crate) struct Lab {
    minio: RefCell<ClusterMinio>,
    expected: RefCell<BTreeMap<&'static str, Objects>>,
    onnxruntime: PathBuf,
    node_is_stopped: Cell<bool>,
    num_attempts: Cell<usize>,
    pub(crate) cluster: Cluster,
    folder: TempDir,
}

/// Models that differ in how long they take over a document.
pub(crate) const FAST: &str = "fast";
pub(crate) const SLOW: &str = "slow";

impl Lab {
    /// Brings everything up; `None` where something that it takes is not on this machine.
    pub(crate) fn open() -> anyhow::Result<Option<Self>> {
        let (Some(installed), Some(minio)) = (InstalledModel::find(), s3_server::minio_program()) else {
            return Ok(None);
        };
        let Some(cluster) = Cluster::start()? else { return Ok(None) };
        cluster.go_down_on_signals()?;
        let folder = tempfile::tempdir()?;
        cluster.load(&cluster::assemble(folder.path(), &installed.onnxruntime)?)?;
        let minio = RefCell::new(ClusterMinio::start(&cluster, minio, folder.path())?);
        let (expected, node_is_stopped, num_attempts) = (RefCell::default(), Cell::new(false), Cell::new(0));
        let onnxruntime = installed.onnxruntime;
        let lab = Self { minio, expected, onnxruntime, node_is_stopped, num_attempts, cluster, folder };
        lab.fill_bucket()?;
        Ok(Some(lab))
    }

    fn fill_bucket(&self) -> anyhow::Result<()> {
        let contents = self.folder.path().join("contents");
        SmallModel { num_layers: 0 }.write(&contents.join("models").join(FAST))?;
        SmallModel { num_layers: 6_000 }.write(&contents.join("models").join(SLOW))?;
        self.write_input(DOCUMENTS)?;
        self.minio.borrow().upload(&self.cluster, &contents, "shared")
    }

    /// Writes a corpus of so many documents where the bucket is filled from.
    fn write_input(&self, documents: u64) -> anyhow::Result<PathBuf> {
        let folder = self.folder.path().join("contents/inputs").join(documents.to_string());
        std::fs::create_dir_all(&folder)?;
        let input = folder.join("corpus.jsonl");
        if !input.exists() {
            std::fs::write(&input, corpus::generate(&Plan { documents, ..Plan::default() })?.bytes())?;
        }
        Ok(input)
    }

    /// Lets what follows begin in stores and namespaces that nothing has touched.
    pub(crate) fn attempt(&self) {
        self.num_attempts.set(self.num_attempts.get() + 1);
    }

    /// The store of a case, in the bucket.
    fn store(&self, case: &str) -> String {
        format!("{case}-{}", self.num_attempts.get())
    }

    /// Makes a namespace for a case.
    pub(crate) fn namespace(&self, case: &str) -> anyhow::Result<Namespace<'_>> {
        self.namespace_called(&format!("strata-{}", self.store(case)))
    }

    /// Makes a namespace of this very name.
    pub(crate) fn namespace_called(&self, name: &str) -> anyhow::Result<Namespace<'_>> {
        Namespace::make(&self.cluster, name, self.minio.borrow().credentials())
    }

    /// Says what the pods of a case are told, with a store of the case's name.
    pub(crate) fn settings(&self, case: &str, model: &str) -> Settings {
        let input = input_url(DOCUMENTS);
        let model = s3_server::url(&format!("shared/models/{model}"));
        let settings = Settings::new(&self.minio.borrow(), &s3_server::url(&self.store(case)), &input, &model);
        PARAMETERS.iter().fold(settings, |settings, (name, value)| settings.with(&format!("STRATA_{name}"), value))
    }

    /// The same, with a corpus of another size, which is put into the bucket.
    pub(crate) fn settings_for(&self, case: &str, model: &str, documents: u64) -> anyhow::Result<Settings> {
        let file = self.write_input(documents)?;
        let inputs = file.parent().context("a file has a folder")?;
        self.minio.borrow().upload(&self.cluster, inputs, &format!("shared/inputs/{documents}"))?;
        Ok(self.settings(case, model).with("STRATA_INPUTS", &input_url(documents)))
    }

    /// Says what the pods of a case are told that take the newest of the snapshots that are delivered to it.
    pub(crate) fn settings_for_months(&self, case: &str, model: &str) -> Settings {
        let snapshots = s3_server::url(&format!("{}/", self.snapshots(case)));
        self.settings(case, model).with("STRATA_INPUTS", &snapshots).with("STRATA_NEWEST", "true")
    }

    /// Where the snapshots of a case are in the bucket.
    fn snapshots(&self, case: &str) -> String {
        format!("snapshots-{}", self.store(case))
    }

    /// Delivers the first so many lines of the corpus as a snapshot, and returns where they are on this machine.
    pub(crate) fn deliver(&self, case: &str, name: &str, num_lines: usize) -> anyhow::Result<PathBuf> {
        let lines = std::fs::read(self.write_input(DOCUMENTS)?)?;
        let wanted: Vec<u8> = lines.split_inclusive(|byte| *byte == b'\n').take(num_lines).flatten().copied().collect();
        let folder = self.folder.path().join(self.snapshots(case)).join(name);
        std::fs::create_dir_all(&folder)?;
        let file = folder.join(format!("{name}.jsonl"));
        std::fs::write(&file, wanted)?;
        self.minio.borrow().upload(&self.cluster, &folder, &self.snapshots(case))?;
        Ok(file)
    }

    /// Checks that the store of a case holds what these snapshots, one after the other, make on this machine.
    pub(crate) fn check_months(&self, case: &str, model: &str, months: &[PathBuf]) -> anyhow::Result<()> {
        let store = self.folder.path().join(format!("months-{}", self.store(case)));
        let runs = months.iter().map(|month| self.run_on(&store, month, model, &[]));
        let made = runs.last().context("there are months")??;
        self.compare(case, &made)
    }

    /// Returns the command that submits the corpus, as a user outside of the cluster types it.
    pub(crate) fn submit(&self, case: &str, model: &str, namespace: &Namespace<'_>) -> anyhow::Result<Command> {
        self.ask_for("submit", IMAGE, case, model, namespace)
    }

    /// Returns the command that asks for the corpus to be done by `verb`, submit or schedule, with pods of `image`.
    pub(crate) fn ask_for(
        &self,
        verb: &str,
        image: &str,
        case: &str,
        model: &str,
        namespace: &Namespace<'_>,
    ) -> anyhow::Result<Command> {
        let minio = self.minio.borrow();
        let mut command = self.cluster.exec_built("strata")?;
        command.args([verb, &input_url(DOCUMENTS), "--store", &s3_server::url(&self.store(case))]);
        command.args(["--model", &s3_server::url(&format!("shared/models/{model}"))]);
        command.args(["--image", image, "--namespace", &namespace.name]);
        command.args(
            PARAMETERS.iter().map(|(name, value)| format!("--{}={value}", name.to_lowercase().replace('_', "-"))),
        );
        command.envs(minio.environment());
        Ok(command)
    }

    /// Ends what runs in a namespace, as a user does.
    pub(crate) fn cancel(&self, namespace: &Namespace<'_>) -> anyhow::Result<()> {
        cluster::run(&mut self.cancelling(namespace)?).map(drop)
    }

    /// Returns the command that does that.
    pub(crate) fn cancelling(&self, namespace: &Namespace<'_>) -> anyhow::Result<Command> {
        let mut command = self.cluster.exec_built("strata")?;
        command.args(["cancel", "--namespace", &namespace.name]);
        Ok(command)
    }

    /// Returns the shards whose vectors are in the store of a case.
    pub(crate) fn vector_shards(&self, case: &str) -> anyhow::Result<Vec<usize>> {
        let found = self.minio.borrow().digests(&self.cluster, &self.store(case))?;
        let number = |key: &String| {
            key.strip_prefix("vectors/")?.split_once("/shard_")?.1.strip_suffix(".parquet")?.parse().ok()
        };
        Ok(found.keys().filter_map(number).collect())
    }

    /// Returns what the newest number of the lease says in the store of a case.
    pub(crate) fn lease(&self, case: &str) -> anyhow::Result<Value> {
        let folder = tempfile::tempdir()?;
        self.minio.borrow().download(&self.cluster, &self.store(case), folder.path())?;
        let numbers = std::fs::read_dir(folder.path().join("lease"))?.map(|number| Ok(number?.path()));
        let newest =
            numbers.collect::<std::io::Result<Vec<_>>>()?.into_iter().max().context("the store has a lease")?;
        Ok(serde_json::from_slice(&std::fs::read(newest)?)?)
    }

    /// Checks that the store of a case holds what an undisturbed run on this machine makes, byte for byte.
    pub(crate) fn check_objects(&self, case: &str, model: &'static str) -> anyhow::Result<()> {
        self.compare(case, &self.expected(model)?)
    }

    /// The same for a corpus of another size, and with other parameters.
    pub(crate) fn check_objects_of(
        &self,
        case: &str,
        model: &str,
        documents: u64,
        parameters: &[(&str, &str)],
    ) -> anyhow::Result<()> {
        self.compare(case, &self.run_here(model, documents, parameters)?)
    }

    fn compare(&self, case: &str, expected: &Objects) -> anyhow::Result<()> {
        let mut found = self.minio.borrow().digests(&self.cluster, &self.store(case))?;
        found.retain(|key, _| !TRACES.iter().any(|trace| key.starts_with(trace)));
        let differences = objects::differences(expected, &found);
        ensure!(differences.is_empty(), "the objects are not a local run's:\n{}", differences.join("\n"));
        Ok(())
    }

    fn expected(&self, model: &'static str) -> anyhow::Result<Objects> {
        if let Some(expected) = self.expected.borrow().get(model) {
            return Ok(expected.clone());
        }
        let expected = self.run_here(model, DOCUMENTS, &[])?;
        self.expected.borrow_mut().insert(model, expected.clone());
        Ok(expected)
    }

    /// Runs everything on this machine, into a folder; `parameters` beat those of all runs.
    fn run_here(&self, model: &str, documents: u64, parameters: &[(&str, &str)]) -> anyhow::Result<Objects> {
        let store = self.folder.path().join(format!("expected-{model}-{documents}"));
        self.run_on(&store, &self.write_input(documents)?, model, parameters)
    }

    /// Runs an input on this machine, into the folder `store`, and returns what is there then.
    fn run_on(&self, store: &Path, input: &Path, model: &str, parameters: &[(&str, &str)]) -> anyhow::Result<Objects> {
        let mut command = binaries::command("strata")?;
        command.arg("run").arg(input).arg("--store").arg(store);
        command.arg("--model").arg(self.folder.path().join("contents/models").join(model));
        let all = PARAMETERS.iter().chain(parameters);
        command.envs(all.map(|(name, value)| (format!("STRATA_{name}"), value)));
        cluster::run(command.arg("--onnxruntime").arg(&self.onnxruntime)).context("the run on this machine")?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(objects::read(&strata_shared::store::Store::open(&store.display().to_string())?))
    }

    /// Returns the store's server.
    pub(crate) const fn minio(&self) -> &RefCell<ClusterMinio> {
        &self.minio
    }

    /// Puts the raw shards of the corpus into the store of a case, beforehand.
    pub(crate) fn shard_on(&self, case: &str) -> anyhow::Result<()> {
        let minio = self.minio.borrow();
        let mut command = self.cluster.exec_built("strata")?;
        command.arg("shard").arg(self.write_input(DOCUMENTS)?).args(["--store", &s3_server::url(&self.store(case))]);
        command.envs(PARAMETERS.iter().take(2).map(|(name, value)| (format!("STRATA_{name}"), value)));
        cluster::run(command.envs(minio.environment())).map(drop)
    }

    /// Changes one object of a case's store, and returns what it was.
    pub(crate) fn replace(&self, case: &str, key: &str, change: impl FnOnce(&mut Vec<u8>)) -> anyhow::Result<Vec<u8>> {
        let (minio, folder) = (self.minio.borrow(), tempfile::tempdir()?);
        let (there, changed) = (folder.path().join("there"), folder.path().join("changed"));
        minio.download(&self.cluster, &self.store(case), &there)?;
        let was = std::fs::read(there.join(key))?;
        let mut bytes = was.clone();
        change(&mut bytes);
        let place = changed.join(key);
        std::fs::create_dir_all(place.parent().context("a key has a folder")?)?;
        std::fs::write(place, bytes)?;
        minio.upload(&self.cluster, &changed, &self.store(case))?;
        Ok(was)
    }

    /// Checks that the secret key is nowhere: not in the store, not in what the cluster shows of the namespace, not in a log.
    pub(crate) fn check_secrecy(&self, case: &str, namespace: &Namespace<'_>) -> anyhow::Result<()> {
        let minio = self.minio.borrow();
        let folder = tempfile::tempdir()?;
        minio.download(&self.cluster, &self.store(case), folder.path())?;
        let secret = &minio.credentials().secret_key;
        let mut command = Command::new("grep");
        let found =
            command.args(["--recursive", "--text", "--files-with-matches", secret]).arg(folder.path()).output()?;
        ensure!(found.stdout.is_empty(), "the secret is in {}", String::from_utf8_lossy(&found.stdout));
        for component in ["coordinator", "map", "reduce"] {
            ensure!(!namespace.logs(component)?.contains(secret), "the secret is in a log of the {component}");
        }
        let shown = namespace.kubectl(["get", "jobs,cronjobs,pods,configmaps,events", "--output", "json"])?;
        ensure!(!shown.contains(secret), "the secret is in an object that anybody may read");
        Ok(())
    }

    /// Ends the node's kubelet until [`Lab::mend`].
    pub(crate) fn stop_node(&self) -> anyhow::Result<()> {
        self.node_is_stopped.set(true);
        self.cluster.stop_node()
    }

    /// Gives back what a case has taken away: the node, the store.
    pub(crate) fn mend(&self) -> anyhow::Result<()> {
        if self.node_is_stopped.replace(false) {
            self.cluster.start_node()?;
        }
        let mut minio = self.minio.borrow_mut();
        if minio.is_away() { minio.give_back(&self.cluster) } else { Ok(()) }
    }
}

fn input_url(documents: u64) -> String {
    s3_server::url(&format!("shared/inputs/{documents}/corpus.jsonl"))
}
