//! What `strata` is told on one machine; flags of inputs, model and question mean the same in a cluster.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use strata_shared::layout::{ModelName, RunName};
use strata_shared::lease::Patience;
use strata_shared::settings::{
    DEFAULT_MAX_LINE, KmeansEngine, Parallelism, PeriodLength, ReduceSettings, SettingError, ShardSettings, parse_bytes,
};

use crate::notify::Hook;
use crate::shard::{DEFAULT_MAX_CHANGE, MaxChange, Terms};

/// `strata shard`.
#[derive(Debug, Args)]
pub struct ShardCommand {
    /// Where.
    #[command(flatten)]
    pub store: StoreFlags,
    /// How it gets the store for itself.
    #[command(flatten)]
    pub lease: LeaseFlags,
    /// What and how.
    #[command(flatten)]
    pub shard: ShardFlags,
    /// Whether to look first.
    #[command(flatten)]
    pub plan: PlanFlags,
}

/// `strata compact`.
#[derive(Debug, Args)]
pub struct CompactCommand {
    /// Where.
    #[command(flatten)]
    pub store: StoreFlags,
    /// How it gets the store for itself.
    #[command(flatten)]
    pub lease: LeaseFlags,
    /// Whether to look first.
    #[command(flatten)]
    pub plan: PlanFlags,
}

/// `strata embed`.
#[derive(Debug, Args)]
pub struct EmbedCommand {
    /// Where.
    #[command(flatten)]
    pub store: StoreFlags,
    /// How it gets the store for itself.
    #[command(flatten)]
    pub lease: LeaseFlags,
    /// With what.
    #[command(flatten)]
    pub embed: EmbedFlags,
    /// On how much of the machine.
    #[command(flatten)]
    pub machine: MachineFlags,
}

/// `strata reduce`.
#[derive(Debug, Args)]
pub struct ReduceCommand {
    /// Where.
    #[command(flatten)]
    pub store: StoreFlags,
    /// What to find.
    #[command(flatten)]
    pub reduce: ReduceFlags,
    /// On how much of the machine.
    #[command(flatten)]
    pub machine: MachineFlags,
}

/// `strata run`.
#[derive(Debug, Args)]
pub struct RunCommand {
    /// Where.
    #[command(flatten)]
    pub store: StoreFlags,
    /// How it gets the store for itself.
    #[command(flatten)]
    pub lease: LeaseFlags,
    /// The inputs.
    #[command(flatten)]
    pub shard: ShardFlags,
    /// Whether to look first.
    #[command(flatten)]
    pub plan: PlanFlags,
    /// The model.
    #[command(flatten)]
    pub embed: EmbedFlags,
    /// The question.
    #[command(flatten)]
    pub reduce: ReduceFlags,
    /// On how much of the machine.
    #[command(flatten)]
    pub machine: MachineFlags,
    /// Who wants to know.
    #[command(flatten)]
    pub notify: NotifyFlags,
}

/// `strata status` and `strata history`.
#[derive(Debug, Args)]
pub struct StatusCommand {
    /// Where.
    #[command(flatten)]
    pub store: StoreFlags,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// `strata report`.
#[derive(Debug, Args)]
pub struct ReportCommand {
    /// Where.
    #[command(flatten)]
    pub store: StoreFlags,
    /// What to show.
    #[command(flatten)]
    pub report: ReportFlags,
}

/// Where everything lies.
#[derive(Debug, Args)]
pub struct StoreFlags {
    /// The store: a directory, or `s3://bucket/prefix`
    #[arg(long, env = "STRATA_STORE", value_name = "URL")]
    pub store: String,
}

/// How a command gets a store for itself.
#[derive(Debug, Clone, Copy, Args)]
pub struct LeaseFlags {
    /// End at once, with exit code 1, where another command works on the store [default: wait for its end]
    #[arg(long, env = "STRATA_NO_WAIT")]
    pub no_wait: bool,
}

impl LeaseFlags {
    /// Returns what to do where somebody else holds the lease.
    #[must_use]
    pub const fn patience(self) -> Patience {
        if self.no_wait { Patience::Refuse } else { Patience::Wait }
    }
}

/// Who is told of a run that is finished.
#[derive(Debug, Args)]
pub struct NotifyFlags {
    /// Tell this command (JSON on its stdin) or post to this URL what each run has changed
    #[arg(long, env = "STRATA_NOTIFY", value_name = "COMMAND|URL", hide_env_values = true, hide_default_value = true)]
    pub notify: Option<Hook>,
}

/// How inputs become documents.
#[derive(Debug, Args)]
pub struct ShardFlags {
    /// JSON lines (plain, .gz, .zst, - for stdin) or Parquet files
    #[arg(value_name = "INPUT")]
    pub inputs: Vec<String>,
    /// Each INPUT is a folder, here or in a store: take the snapshot in it that was written last
    #[arg(long, env = "STRATA_NEWEST")]
    pub newest: bool,
    /// Documents a shard
    #[arg(
        long, env = "STRATA_ROWS_PER_SHARD", value_name = "N",
        default_value_t = ShardSettings::default().rows_per_shard
    )]
    pub rows_per_shard: usize,
    /// The longest line that is read
    #[arg(long, env = "STRATA_MAX_LINE", value_name = "SIZE", default_value = DEFAULT_MAX_LINE)]
    pub max_line: String,
    /// The field that names a document
    #[arg(long, env = "STRATA_ID_FIELD", value_name = "FIELD", default_value_t = ShardSettings::default().id_field)]
    pub id_field: String,
    /// The field of the title
    #[arg(
        long, env = "STRATA_TITLE_FIELD", value_name = "FIELD",
        default_value_t = ShardSettings::default().title_field
    )]
    pub title_field: String,
    /// The field of the text
    #[arg(long, env = "STRATA_TEXT_FIELD", value_name = "FIELD", default_value_t = ShardSettings::default().text_field)]
    pub text_field: String,
    /// The field of the date [default: arXiv's `versions[0].created`, else `update_date`]
    #[arg(long, env = "STRATA_DATE_FIELD", value_name = "FIELD")]
    pub date_field: Option<String>,
    /// The field of the categories
    #[arg(
        long, env = "STRATA_CATEGORY_FIELD", value_name = "FIELD",
        default_value_t = ShardSettings::default().category_field
    )]
    pub category_field: String,
    /// Vectors made elsewhere (.parquet by id, .npy by row): the map is skipped
    #[arg(long, env = "STRATA_VECTORS", value_name = "FILE")]
    pub vectors: Option<PathBuf>,
    /// The name of the model that made those vectors
    #[arg(long, env = "STRATA_MODEL_NAME", value_name = "NAME")]
    pub model_name: Option<ModelName>,
    /// The inputs are the whole archive: documents that they lack are gone [default: documents that they lack are kept]
    #[arg(long, env = "STRATA_COMPLETE")]
    pub complete: bool,
    /// The most of the corpus that the inputs may change or remove
    #[arg(long, env = "STRATA_MAX_CHANGE", value_name = "PERCENT", default_value_t = DEFAULT_MAX_CHANGE)]
    pub max_change: MaxChange,
    /// Take a whole archive whose newest document is older than the corpus's
    #[arg(long, env = "STRATA_ALLOW_OLDER", requires = "complete")]
    pub allow_older: bool,
}

/// Whether to look before a corpus is updated or compacted.
#[derive(Debug, Clone, Copy, Args)]
pub struct PlanFlags {
    /// Say what would change, and write nothing
    #[arg(long)]
    pub plan: bool,
    /// Say it as JSON
    #[arg(long, requires = "plan")]
    pub json: bool,
}

impl ShardFlags {
    /// Returns what the manifest records of the flags.
    ///
    /// # Errors
    /// [`SettingError`] for what makes no sense.
    pub fn settings(&self) -> Result<ShardSettings, SettingError> {
        self.check_pair()?;
        let settings = ShardSettings {
            rows_per_shard: self.rows_per_shard,
            max_line_bytes: parse_bytes("--max-line", &self.max_line)? as usize,
            id_field: self.id_field.clone(),
            title_field: self.title_field.clone(),
            text_field: self.text_field.clone(),
            date_field: self.date_field.clone(),
            category_field: self.category_field.clone(),
        };
        settings.check()
    }

    /// Returns on which terms a corpus that is there may be updated.
    #[must_use]
    pub const fn terms(&self) -> Terms {
        Terms { complete: self.complete, max_change: self.max_change, allow_older: self.allow_older }
    }

    /// Refuses vectors whose model has no name, and a name for no vectors.
    fn check_pair(&self) -> Result<(), SettingError> {
        match (&self.vectors, &self.model_name) {
            (Some(file), None) => Err(SettingError {
                name: "--vectors",
                found: file.display().to_string(),
                expected: "--model-name NAME with it, the name of the model that made them",
            }),
            (None, Some(name)) => Err(SettingError {
                name: "--model-name",
                found: name.to_string(),
                expected: "--vectors FILE with it; a model that embeds here is given by --model and names itself",
            }),
            _ => Ok(()),
        }
    }
}

/// The model that makes vectors.
#[derive(Debug, Args)]
pub struct ModelFlags {
    /// The model's folder or URL [default: what deploy/setup.sh installed]
    #[arg(long, env = "STRATA_MODEL", value_name = "DIR|URL")]
    pub model: Option<String>,
}

/// How documents become vectors on this machine.
#[derive(Debug, Args)]
pub struct EmbedFlags {
    /// With which model.
    #[command(flatten)]
    pub model: ModelFlags,
    /// Worker processes that share the threads of this machine
    #[arg(long, env = "STRATA_WORKERS", value_name = "N", default_value = "1")]
    pub workers: Parallelism,
    /// ONNX Runtime's library [default: what deploy/setup.sh installed]
    #[arg(long, env = "STRATA_ONNXRUNTIME", value_name = "FILE")]
    pub onnxruntime: Option<PathBuf>,
}

/// What workers may take of this machine.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct MachineFlags {
    /// Threads in all [default: what the cgroup and the affinity mask leave]
    #[arg(long, env = "STRATA_THREADS", value_name = "N")]
    pub threads: Option<Parallelism>,
}

impl MachineFlags {
    /// Returns the threads that workers share.
    #[must_use]
    pub fn threads(self) -> usize {
        let asked = self.threads.map(Parallelism::get);
        asked.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get)
    }
}

/// What to find, and how.
#[derive(Debug, Args)]
pub struct ReduceFlags {
    /// The run's name [default: made of the corpus and the parameters]
    #[arg(long, env = "STRATA_RUN", value_name = "NAME")]
    pub run: Option<RunName>,
    /// The number of the generation to reduce [default: the newest]
    #[arg(long, env = "STRATA_GENERATION", value_name = "N")]
    pub generation: Option<u64>,
    /// Whose vectors [default: those of the one model there is]
    #[arg(long, env = "STRATA_VECTORS_OF", value_name = "NAME")]
    pub vectors_of: Option<ModelName>,
    /// Clusters [default: 400, fewer for a small corpus]
    #[arg(long, env = "STRATA_CLUSTERS", value_name = "K")]
    pub clusters: Option<usize>,
    /// Length of the lonely list
    #[arg(long, env = "STRATA_LONELY", value_name = "N", default_value_t = ReduceSettings::default().lonely)]
    pub lonely: usize,
    /// The neighbour by whose distance loneliness is measured
    #[arg(long, env = "STRATA_LONELY_K", value_name = "K", default_value_t = ReduceSettings::default().lonely_k)]
    pub lonely_k: usize,
    /// Documents of fewer words stay out of the lonely list
    #[arg(
        long, env = "STRATA_LONELY_MIN_WORDS", value_name = "N",
        default_value_t = ReduceSettings::default().lonely_min_words
    )]
    pub lonely_min_words: usize,
    /// Length of the periods: year, quarter or month
    #[arg(
        long, env = "STRATA_PERIOD", value_name = "PERIOD",
        default_value = ReduceSettings::default().period.as_str()
    )]
    pub period: PeriodLength,
    /// How many complete periods are recent
    #[arg(long, env = "STRATA_RECENT", value_name = "N", default_value_t = ReduceSettings::default().recent)]
    pub recent: usize,
    /// The last day covered, YYYY-MM-DD [default: found from the data]
    #[arg(long, env = "STRATA_UNTIL", value_name = "DATE")]
    pub until: Option<String>,
    /// The seed of every draw
    #[arg(long, env = "STRATA_SEED", value_name = "N", default_value_t = ReduceSettings::default().seed)]
    pub seed: u64,
    /// Memory that must suffice for the reduce, such as 2GiB [default: 4GiB, or the control group's limit if that is less]
    #[arg(long, env = "STRATA_MEMORY", value_name = "SIZE")]
    pub memory: Option<String>,
    /// The folder for what does not fit in memory [default: that of all temporary files]
    #[arg(long, env = "STRATA_SCRATCH", value_name = "DIR")]
    pub scratch: Option<String>,
    /// Search for the lonely even where that takes hours
    #[arg(long, env = "STRATA_LONELY_EXHAUSTIVE")]
    pub lonely_exhaustive: bool,
    /// A FAISS factory string [default: by rows and dimensions]
    #[arg(long, env = "STRATA_INDEX", value_name = "FACTORY")]
    pub index: Option<String>,
    /// The k-means engine: matrix or linfa
    #[arg(
        long, env = "STRATA_KMEANS", value_name = "ENGINE",
        default_value = ReduceSettings::default().kmeans.as_str()
    )]
    pub kmeans: KmeansEngine,
    /// Follow no earlier run: neither its centroids nor its topics
    #[arg(long, env = "STRATA_FRESH")]
    pub fresh: bool,
    /// The run to follow [default: the newest of an earlier generation with the same vectors and --clusters]
    #[arg(long, env = "STRATA_WARM_FROM", value_name = "RUN")]
    pub warm_from: Option<RunName>,
    /// Do a finished run again
    #[arg(long, env = "STRATA_FORCE")]
    pub force: bool,
}

impl ReduceFlags {
    /// Returns what the run's record keeps of the flags.
    ///
    /// # Errors
    /// [`SettingError`] for what makes no sense.
    pub fn settings(&self) -> Result<ReduceSettings, SettingError> {
        self.memory.as_deref().map(|memory| parse_bytes("--memory", memory)).transpose()?;
        let settings = ReduceSettings {
            clusters: self.clusters,
            lonely: self.lonely,
            lonely_k: self.lonely_k,
            lonely_min_words: self.lonely_min_words,
            period: self.period,
            recent: self.recent,
            until: self.until.clone(),
            seed: self.seed,
            index: self.index.clone(),
            kmeans: self.kmeans,
            fresh: self.fresh,
            warm_from: self.warm_from.as_ref().map(ToString::to_string),
        };
        settings.check()
    }
}

/// What to show of a finished run.
#[derive(Debug, Args)]
pub struct ReportFlags {
    /// The run [default: the newest finished one]
    #[arg(long, env = "STRATA_RUN", value_name = "NAME")]
    pub run: Option<RunName>,
    /// What changed since the run of this name, or the last one finished by this day (YYYY-MM-DD), instead of what was found
    #[arg(long, value_name = "RUN|DATE", conflicts_with_all = ["html", "timings"])]
    pub since: Option<String>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// Also write the page to this file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// What each stage of the reduce cost, instead of what it found
    #[arg(long, conflicts_with_all = ["json", "html"])]
    pub timings: bool,
}
