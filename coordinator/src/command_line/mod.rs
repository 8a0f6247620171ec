//! The command line: what people type, and what each flag means.
//!
//! Flags beat environment variables (`STRATA_*`), which beat the configuration file, which beats the defaults here.

mod cluster;
mod housekeeping;
mod local;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use strata_shared::telemetry::LogFormat;

pub use cluster::{
    CoordinateCommand, JobFlags, NamespaceFlag, PlaceFlags, PodFlags, ScheduleCommand, SubmissionCommand,
    SubmissionFlags, SubmitCommand,
};
pub use housekeeping::{PruneCommand, PruneFlags, VerifyCommand, VerifyFlags};
pub use local::{
    CompactCommand, EmbedCommand, EmbedFlags, LeaseFlags, MachineFlags, ModelFlags, NotifyFlags, PlanFlags,
    ReduceCommand, ReduceFlags, ReportCommand, ReportFlags, RunCommand, ShardCommand, ShardFlags, StatusCommand,
    StoreFlags,
};

/// Sees a whole corpus at once: which topics died, which are being born, which documents stand alone.
#[derive(Debug, Parser)]
#[command(name = "strata", version, subcommand_required = true, arg_required_else_help = true)]
pub struct CommandLine {
    /// A TOML file of settings, named as the flags are (rows-per-shard = 5000)
    #[arg(long, env = "STRATA_CONFIG", global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Log lines: plain (with bars on a terminal) or json
    #[arg(
        long, env = "STRATA_LOG_FORMAT", global = true, value_name = "FORMAT",
        default_value = LogFormat::Plain.as_str()
    )]
    pub log_format: LogFormat,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What `strata` can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Stream inputs into raw shards; of a corpus that is there, what is new or changed
    Shard(ShardCommand),
    /// Fold small and much superseded shards together, with their vectors
    Compact(CompactCommand),
    /// Embed the shards that have no vectors yet
    Embed(EmbedCommand),
    /// Find topics, their history and the lonely over all vectors
    Reduce(ReduceCommand),
    /// Shard, embed, reduce and report
    Run(Box<RunCommand>),
    /// The same inside of a cluster, as the pod of a Job: map and reduce become Jobs made from templates
    Coordinate(Box<CoordinateCommand>),
    /// The same on Kubernetes, from outside: apply what it takes, start a coordinator, and watch it
    Submit(Box<SubmitCommand>),
    /// Watch what was submitted, from anywhere
    Watch(SubmissionCommand),
    /// End what was submitted; shards that are done stay
    Cancel(SubmissionCommand),
    /// Let a coordinator start on Kubernetes again and again
    Schedule(Box<ScheduleCommand>),
    /// Say what is there, missing or stale
    Status(StatusCommand),
    /// Show the findings of a finished run
    Report(ReportCommand),
    /// List the finished runs: what each saw, what it changed, which one it follows
    History(StatusCommand),
    /// Remove what no kept run and no kept generation needs
    Prune(PruneCommand),
    /// Read everything again, and say what is wrong and what mends it
    Verify(VerifyCommand),
    /// Show every setting in force, and where it comes from
    Config,
}
