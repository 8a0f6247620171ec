//! What `strata` is told of a cluster, outside of it and in a pod.

use std::net::SocketAddr;
use std::num::NonZeroUsize;

use clap::Args;

use super::{LeaseFlags, ModelFlags, NotifyFlags, ReduceFlags, ShardFlags, StoreFlags};

/// `strata coordinate`.
#[derive(Debug, Args)]
pub struct CoordinateCommand {
    /// Where.
    #[command(flatten)]
    pub store: StoreFlags,
    /// How it gets the store for itself.
    #[command(flatten)]
    pub lease: LeaseFlags,
    /// The inputs.
    #[command(flatten)]
    pub shard: ShardFlags,
    /// The model.
    #[command(flatten)]
    pub model: ModelFlags,
    /// The question.
    #[command(flatten)]
    pub reduce: ReduceFlags,
    /// The Jobs.
    #[command(flatten)]
    pub jobs: JobFlags,
    /// Where they run.
    #[command(flatten)]
    pub place: NamespaceFlag,
    /// Who wants to know.
    #[command(flatten)]
    pub notify: NotifyFlags,
    /// Serve metrics for Prometheus here, such as 0.0.0.0:9464 [default: nowhere]
    #[arg(long, env = "STRATA_METRICS", value_name = "ADDRESS")]
    pub metrics: Option<SocketAddr>,
}

/// `strata submit`.
#[derive(Debug, Args)]
pub struct SubmitCommand {
    /// The question.
    #[command(flatten)]
    pub question: SubmissionFlags,
    /// Leave it to itself once it has begun: `strata watch` looks at it again
    #[arg(long)]
    pub detach: bool,
}

/// `strata schedule`.
#[derive(Debug, Args)]
pub struct ScheduleCommand {
    /// The question.
    #[command(flatten)]
    pub question: SubmissionFlags,
    /// When: minute, hour, day of the month, month, day of the week, as in '0 3 1 * *'
    #[arg(long, value_name = "CRON")]
    pub cron: String,
    /// The time zone of that, such as Europe/Vienna [default: the cluster's own]
    #[arg(long, value_name = "ZONE")]
    pub time_zone: Option<String>,
    /// Take the place of a schedule that asks another question
    #[arg(long)]
    pub replace: bool,
}

/// `strata watch` and `strata cancel`.
#[derive(Debug, Args)]
pub struct SubmissionCommand {
    /// Its name [default: the one that runs, or the newest]
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Where.
    #[command(flatten)]
    pub place: PlaceFlags,
}

/// What is to be done in a cluster, and with what.
#[derive(Debug, Args)]
pub struct SubmissionFlags {
    /// The store.
    #[command(flatten)]
    pub store: StoreFlags,
    /// The inputs.
    #[command(flatten)]
    pub shard: ShardFlags,
    /// The model.
    #[command(flatten)]
    pub model: ModelFlags,
    /// The question.
    #[command(flatten)]
    pub reduce: ReduceFlags,
    /// The Jobs.
    #[command(flatten)]
    pub jobs: JobFlags,
    /// The cluster.
    #[command(flatten)]
    pub place: PlaceFlags,
    /// The pods.
    #[command(flatten)]
    pub pods: PodFlags,
    /// Print what would be applied as YAML, and on stderr what it will cost; change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Documents that a map pod embeds in a second, for the cost
    #[arg(long, env = "STRATA_DOCUMENTS_PER_SECOND", value_name = "N", default_value_t = DOCUMENTS_PER_SECOND)]
    pub documents_per_second: f64,
}

/// What a map pod with two processors was measured to embed in a second: abstracts, all-MiniLM-L6-v2, two cores of a Zen 4.
const DOCUMENTS_PER_SECOND: f64 = 32.0;

/// Which cluster, and where in it.
#[derive(Debug, Args)]
pub struct PlaceFlags {
    /// The namespace [default: the kubeconfig's]
    #[arg(long, env = "STRATA_NAMESPACE", value_name = "NAME")]
    pub namespace: Option<String>,
    /// The context of the kubeconfig [default: the current one]
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
}

/// What pods are made of.
#[derive(Debug, Args)]
pub struct PodFlags {
    /// The image that holds strata and its workers
    #[arg(long, env = "STRATA_IMAGE", value_name = "IMAGE")]
    pub image: String,
    /// The Secret that holds the store's credentials as `AWS_*` variables; it may be absent where pods have an identity
    #[arg(long, env = "STRATA_CREDENTIALS", value_name = "SECRET", default_value = "strata-credentials")]
    pub credentials: String,
    /// A variable for all pods; `AWS_ENDPOINT_URL` and `AWS_REGION` are taken from here where they are set
    #[arg(long = "env", value_name = "NAME=VALUE")]
    pub variables: Vec<String>,
}

/// The namespace of a pod.
#[derive(Debug, Args)]
pub struct NamespaceFlag {
    /// The namespace [default: the pod's own]
    #[arg(long, env = "STRATA_NAMESPACE", value_name = "NAME")]
    pub namespace: Option<String>,
}

/// What Jobs are made of.
#[derive(Debug, Args)]
pub struct JobFlags {
    /// The suspended `CronJob` that the map is made from
    #[arg(long, env = "STRATA_MAP_TEMPLATE", value_name = "NAME", default_value = "strata-map")]
    pub map_template: String,
    /// The suspended `CronJob` that the reduce is made from
    #[arg(long, env = "STRATA_REDUCE_TEMPLATE", value_name = "NAME", default_value = "strata-reduce")]
    pub reduce_template: String,
    /// Shards that one pod embeds; more where there would be over 100,000 pods
    #[arg(long, env = "STRATA_SHARDS_PER_POD", value_name = "N", default_value = "1")]
    pub shards_per_pod: NonZeroUsize,
}
