//! A store that has grown for years → the same store with its newest runs and what they need.
//!
//! Read what is announced, plan, remove: [`announced`] reads, [`plan`] decides, and nothing else here removes anything.
//!
//! Invariant: only keys of strata's are ever removed. A removal that ends halfway leaves no run and no generation that names
//! something which is gone, and the same command goes on from there.

mod announced;
mod describe;
mod plan;
mod policy;

use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};
use strata_shared::exit::{Classify, Exit, Failure};
use strata_shared::layout::{self, ModelName, Object};
use strata_shared::store::{Store, StoreError};
use strata_shared::telemetry::Progress;

use crate::inventory::Inventory;

pub use announced::{Announced, AnnouncedError, AnnouncedGeneration, FinishedRun, UnfinishedRun};
pub use describe::terminal;
pub use plan::{Chosen, Fates, Plan};
pub use policy::{DEFAULT_GRACE, DEFAULT_KEEP, Grace, Policy};

/// Objects that are removed at once.
const REMOVALS_AT_ONCE: usize = 16;

/// Vectors that are still needed.
#[derive(Debug, thiserror::Error)]
pub enum VectorsError {
    /// There are none by that name.
    #[error("vectors/{model}: found none, expected one of {present}")]
    None {
        /// The name.
        model: ModelName,
        /// The names that there are.
        present: String,
    },
    /// Runs were made of them.
    #[error(
        "vectors/{model}: are what {runs} were made of, and what the next update's run would need; --even-if-used removes them \
         all the same, and reports stay readable"
    )]
    Used {
        /// The name.
        model: ModelName,
        /// The runs.
        runs: String,
    },
}

impl Classify for VectorsError {
    fn exit(&self) -> Exit {
        Exit::Configuration
    }
}

/// What tells the time by which ages are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// This machine's clock.
    Own(DateTime<Utc>),
    /// This machine's clock, and the store's: its lease is held, so that its newest object was just written.
    Leased(DateTime<Utc>),
}

impl Clock {
    /// Returns what time it is: of two clocks the one that is behind is believed, so that no clock that is ahead makes anything
    /// older than it is.
    fn now(self, inventory: &Inventory) -> DateTime<Utc> {
        let leases = inventory.objects.values().filter(|listed| matches!(listed.object, Object::Lease(_)));
        match (self, leases.map(|listed| listed.modified).max()) {
            (Self::Leased(own), Some(store)) => own.min(store),
            (Self::Own(own) | Self::Leased(own), _) => own,
        }
    }
}

/// Plans what goes by `policy`.
///
/// # Errors
/// Anything announced that cannot be read, or is not there.
pub async fn plan(store: &Store, policy: Policy, clock: Clock) -> Result<Plan, Failure> {
    let inventory = Inventory::list(store).await?;
    let announced = Announced::read(store, &inventory).await?;
    Ok(Plan::new(&inventory, &announced, policy, clock.now(&inventory)))
}

/// Plans the removal of the vectors by one model.
///
/// # Errors
/// [`VectorsError`] where there are none, or finished runs were made of them and it was not said that they go all the same; a
/// record that cannot be read.
pub async fn plan_vectors(store: &Store, model: &ModelName, even_if_used: bool) -> Result<Plan, Failure> {
    let inventory = Inventory::list(store).await?;
    if store.list(&layout::vectors_of(model)).await?.is_empty() {
        let present = store.folders(&layout::vectors()).await?;
        let present = if present.is_empty() { "none, since there are no vectors".into() } else { present.join(", ") };
        return Err(VectorsError::None { model: model.clone(), present }.into());
    }
    if !even_if_used {
        refuse_used(store, &inventory, model).await?;
    }
    Ok(Plan::drop_vectors(&inventory, model))
}

async fn refuse_used(store: &Store, inventory: &Inventory, model: &ModelName) -> Result<(), Failure> {
    let announced = Announced::read(store, inventory).await?;
    let of_model = announced.finished.iter().filter(|run| run.record.vectors_of == model.as_str());
    let runs: Vec<&str> = of_model.map(|run| run.name.as_str()).collect();
    if runs.is_empty() {
        return Ok(());
    }
    Err(VectorsError::Used { model: model.clone(), runs: runs.join(", ") }.into())
}

/// Removes what `plan` says, step by step, but for runs at whose objects somebody has written since.
///
/// # Errors
/// The store's; the same plan made again goes on from there.
pub async fn carry_out(store: &Store, plan: &Plan) -> Result<(), StoreError> {
    let progress = Progress::start("prune", "objects", plan.removed().objects);
    let stirred = stirred(store, plan).await?;
    let goes = |object: &&Object| object.run().is_none_or(|run| !stirred.contains(&run));
    for step in &plan.steps {
        futures::stream::iter(step.iter().filter(goes))
            .map(|object| async {
                store.delete(&object.key()).await?;
                progress.advance(1);
                Ok::<_, StoreError>(())
            })
            .buffer_unordered(REMOVALS_AT_ONCE)
            .try_collect::<()>()
            .await?;
    }
    for staged in &plan.staged {
        store.remove_staged(staged)?;
        progress.advance(1);
    }
    plan.steps.iter().flatten().filter(goes).for_each(|object| store.remove_empty_folders(&object.key()));
    Ok(())
}

/// Returns those runs that were not finished and in whose folder something was written after the plan was made.
async fn stirred<'a>(store: &Store, plan: &'a Plan) -> Result<Vec<&'a layout::RunName>, StoreError> {
    let mut stirred = Vec::new();
    for (run, written) in &plan.unfinished {
        let mut found = store.list(&layout::run(run)).await?;
        found.retain(|object| Object::parse(&object.location).is_some());
        if found.iter().any(|object| object.last_modified > *written) {
            tracing::warn!(run = %run, "is under way after all, and is left alone");
            stirred.push(run);
        }
    }
    Ok(stirred)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Listed;

    #[test]
    fn a_clock_that_is_ahead_or_behind_makes_nothing_older() {
        let at = |second| DateTime::from_timestamp(second, 0).unwrap();
        let mut inventory = Inventory::default();
        assert_eq!(Clock::Leased(at(500)).now(&inventory), at(500));
        let lease = Listed { object: Object::Lease(1), bytes: 1, modified: at(1_000) };
        inventory.objects.insert(layout::lease(1), lease);
        assert_eq!(Clock::Leased(at(90_000)).now(&inventory), at(1_000), "a clock that is ahead of the store's");
        assert_eq!(Clock::Leased(at(400)).now(&inventory), at(400), "a clock that went backwards");
        assert_eq!(Clock::Own(at(90_000)).now(&inventory), at(90_000), "a lease that was left tells no time");
    }
}
