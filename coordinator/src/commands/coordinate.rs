//! `strata coordinate`: what `strata run` does, with Jobs of Kubernetes for workers.

use strata_shared::exit::Failure;
use strata_shared::manifest::Manifest;

use super::Context;
use crate::command_line::{JobFlags, LeaseFlags, ModelFlags, NamespaceFlag, NotifyFlags, ReduceFlags, ShardFlags};
use crate::launch::kubernetes::{Cluster, Jobs, Templates};

/// Where manifests give inputs: URLs with white space between them.
const INPUTS: &str = "STRATA_INPUTS";

/// Finds the cluster that this pod is in, and the Job that it belongs to.
///
/// # Errors
/// There is none, or the API server refuses.
pub async fn jobs(flags: JobFlags, place: NamespaceFlag) -> Result<Jobs, Failure> {
    let own = std::env::var("POD_NAMESPACE").ok();
    let cluster = Cluster::find(None, place.namespace.or(own).as_deref()).await?;
    let templates = Templates { map: flags.map_template, reduce: flags.reduce_template };
    Ok(Jobs::new(cluster, templates, flags.shards_per_pod.get()).await?)
}

/// `strata coordinate`: all of it, then the tables on stdout. Without inputs, the corpus that the store holds.
///
/// # Errors
/// As [`run`](super::run).
pub async fn coordinate(
    context: &Context,
    lease: LeaseFlags,
    mut inputs: ShardFlags,
    model: &ModelFlags,
    question: (&ReduceFlags, &NotifyFlags),
) -> Result<(), Failure> {
    if inputs.inputs.is_empty() {
        inputs.inputs = std::env::var(INPUTS).unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    }
    if inputs.inputs.is_empty() && inputs.vectors.is_none() {
        // Without a corpus, that is told before a model is fetched.
        Manifest::read(&context.store).await?;
        return super::run(context, lease, None, model, question).await;
    }
    super::run(context, lease, Some(inputs), model, question).await
}
