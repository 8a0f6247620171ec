//! What `strata` is told of a store that is to be tidied or looked over.

use std::num::NonZeroUsize;

use clap::Args;
use strata_shared::layout::ModelName;

use super::{LeaseFlags, StoreFlags};
use crate::prune::{DEFAULT_GRACE, DEFAULT_KEEP, Grace, Policy};

/// `strata prune`.
#[derive(Debug, Args)]
pub struct PruneCommand {
    /// Where.
    #[command(flatten)]
    pub store: StoreFlags,
    /// How it gets the store for itself.
    #[command(flatten)]
    pub lease: LeaseFlags,
    /// What goes.
    #[command(flatten)]
    pub prune: PruneFlags,
}

/// What goes, and how that is said.
#[derive(Debug, Args)]
pub struct PruneFlags {
    /// The newest finished runs that stay, with the generations that they name
    #[arg(long, env = "STRATA_KEEP", value_name = "N", default_value = DEFAULT_KEEP)]
    pub keep: NonZeroUsize,
    /// What no generation and no run names stays while it is younger than this, such as 1d, 12h or 0
    #[arg(long, env = "STRATA_GRACE", value_name = "TIME", default_value = DEFAULT_GRACE)]
    pub grace: Grace,
    /// Remove the vectors by this model, and nothing else
    #[arg(long, value_name = "NAME")]
    pub drop_vectors: Option<ModelName>,
    /// Remove them even if finished runs were made of them
    #[arg(long, requires = "drop_vectors")]
    pub even_if_used: bool,
    /// Say what would be removed, and write nothing
    #[arg(long)]
    pub plan: bool,
    /// Say it as JSON
    #[arg(long)]
    pub json: bool,
}

impl PruneFlags {
    /// Returns what is kept.
    #[must_use]
    pub const fn policy(&self) -> Policy {
        Policy { keep: self.keep, grace: self.grace }
    }
}

/// `strata verify`.
#[derive(Debug, Args)]
pub struct VerifyCommand {
    /// Where.
    #[command(flatten)]
    pub store: StoreFlags,
    /// How closely, and how it is said.
    #[command(flatten)]
    pub verify: VerifyFlags,
}

/// How closely a store is looked over, and how what was found is said.
#[derive(Debug, Clone, Copy, Args)]
pub struct VerifyFlags {
    /// Look at presence and sizes alone
    #[arg(long)]
    pub fast: bool,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}
