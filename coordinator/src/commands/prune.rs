//! `strata prune`: what no kept run and generation names → removed, and told.

use chrono::Utc;
use strata_shared::exit::{Exit, Failure};

use super::exclusive::exclusively;
use super::{Context, print};
use crate::command_line::{LeaseFlags, PruneFlags};
use crate::prune::{self, Clock, Plan};
use crate::report::visible;

/// `strata prune`.
///
/// # Errors
/// What is announced and cannot be read, so that nobody can say what is needed; the store's own.
pub async fn prune(context: &Context, lease: LeaseFlags, flags: &PruneFlags) -> Result<(), Failure> {
    let plan = if flags.plan {
        let plan = plan(context, flags, Clock::Own(Utc::now())).await?;
        tracing::info!("this is what would go: nothing was removed");
        plan
    } else {
        exclusively(context, lease, "strata prune", Box::pin(remove(context, flags))).await?
    };
    context.display.finish();
    if flags.json {
        let json = serde_json::to_string_pretty(&plan).map_err(|error| Failure::new(Exit::Data, error))?;
        return print(&visible::json(&json));
    }
    print(&prune::terminal(&plan))
}

async fn remove(context: &Context, flags: &PruneFlags) -> Result<Plan, Failure> {
    let plan = plan(context, flags, Clock::Leased(Utc::now())).await?;
    prune::carry_out(&context.store, &plan).await?;
    Ok(plan)
}

async fn plan(context: &Context, flags: &PruneFlags, clock: Clock) -> Result<Plan, Failure> {
    match &flags.drop_vectors {
        Some(model) => prune::plan_vectors(&context.store, model, flags.even_if_used).await,
        None => prune::plan(&context.store, flags.policy(), clock).await,
    }
}
