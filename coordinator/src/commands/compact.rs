//! `strata compact`: small and worn shards → fewer, with the vectors that they have.

use indicatif::HumanBytes;
use strata_shared::exit::{Exit, Failure};

use super::exclusive::exclusively;
use super::{Context, print};
use crate::command_line::{LeaseFlags, PlanFlags};
use crate::report::visible;
use crate::shard::{self, Compaction};

/// `strata compact`: the corpus in fewer shards.
///
/// # Errors
/// What keeps the next generation from being made; the corpus is then as it was.
pub async fn compact(context: &Context, lease: LeaseFlags) -> Result<(), Failure> {
    // On the heap: it is all that a compaction does.
    let work = Box::pin(async { Ok(shard::compact(&context.store).await?) });
    let compaction = exclusively(context, lease, "strata compact", work).await?;
    tracing::info!("{}", describe(&compaction));
    Ok(())
}

/// `strata compact --plan`: what would be folded, on stdout.
///
/// # Errors
/// A corpus that cannot be read.
pub async fn plan_compaction(context: &Context, how: PlanFlags) -> Result<(), Failure> {
    let compaction = shard::plan_compaction(&context.store).await?;
    context.display.finish();
    if how.json {
        let json = serde_json::to_string_pretty(&compaction).map_err(|error| Failure::new(Exit::Data, error))?;
        return print(&visible::json(&json));
    }
    print(&describe(&compaction))
}

fn describe(compaction: &Compaction) -> String {
    let Compaction { generation, shards_before, shards, folded, rows, dropped, bytes } = compaction;
    if compaction.is_nothing() {
        return format!("generation {generation}: none of its {shards_before} shards is to be folded; nothing to do");
    }
    format!(
        "generation {generation}: {shards_before} shards become {shards}; {folded} are folded, {rows} documents move with \
         their vectors, {dropped} superseded rows stay behind; {} are read",
        HumanBytes(*bytes)
    )
}
