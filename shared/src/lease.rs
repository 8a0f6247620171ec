//! A store → the one command that may write what all commands share: numbered objects under `lease/`, created once.
//!
//! The newest number tells who holds the lease. Its holder creates the next number every third of the term; whoever waits
//! takes the lease by creating the next number once the newest one says that it was released, or its holder is seen to be
//! dead. Only creation decides, which every store has; no clock but the observer's own is trusted.
//!
//! Invariants: numbers never go back, and the newest two are kept, so that neither a request that arrives late nor a
//! listing beside a renewal can hide the newest; a number counts only once no higher one is listed after its creation. A
//! holder whose renewals do not succeed gives up before anybody else may take the lease.
//!
//! What the work writes stays whole without the lease, as it does when a machine sleeps and wakes after its term: the lease
//! keeps two commands from undoing each other's work, not objects from harm.

mod process;
mod record;
mod seat;
#[cfg(test)]
mod simulation;
mod surroundings;
mod tenure;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::exit::{Classify, Exit};
use crate::store::{Store, StoreError};

pub use process::Process;
pub use record::{Holder, LeaseRecord};
pub use surroundings::{Surroundings, ThisMachine};

use seat::Seat;
use tenure::Tenure;

/// How long a lease holds without a renewal: a store may be gone for half a minute before work is given up.
pub const TERM: Duration = Duration::from_secs(60);

/// How long the release of a lease may take; one that was not released is free after a term.
const RELEASE_WITHIN: Duration = Duration::from_secs(10);

/// What to do where somebody else holds the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Say who it is, and wait.
    Wait,
    /// Say who it is, and end.
    Refuse,
}

/// Why a lease is not held.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Somebody else holds it.
    #[error("{store}: in use by {what} since {since}; the same command goes on once that has ended")]
    Held {
        /// The store's URL.
        store: String,
        /// Who.
        what: String,
        /// Since when, by the holder's clock.
        since: String,
    },
    /// Somebody else has taken it.
    #[error("{store}: is now in use by {what}, so that this command had to stop; the same command goes on from here")]
    Taken {
        /// The store's URL.
        store: String,
        /// Who.
        what: String,
    },
    /// It could not be renewed in time.
    #[error(
        "{store}: its lease could not be renewed for {} s, so that this command had to stop; the same command goes on from here",
        silence.as_secs()
    )]
    Expired {
        /// The store's URL.
        store: String,
        /// How long no renewal succeeded.
        silence: Duration,
        /// What the store said last, if it said anything.
        source: Option<StoreError>,
    },
    /// The store does not do what a lease takes.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Classify for LeaseError {
    fn exit(&self) -> Exit {
        match self {
            Self::Held { .. } | Self::Taken { .. } | Self::Expired { .. } => Exit::Retry,
            Self::Store(error) => error.exit(),
        }
    }
}

/// A lease that is held, and renewed by a task of its own until it is released or lost.
#[derive(Debug)]
pub struct Lease {
    seat: Seat,
    instance: String,
    /// Tells how the lease was lost, once it is.
    told: watch::Receiver<Option<Arc<LeaseError>>>,
    keeper: AbortHandle,
}

impl Lease {
    /// Takes the lease of `store` for `holder`, and keeps it from now on.
    ///
    /// # Errors
    /// [`LeaseError::Held`] where `patience` is over, [`LeaseError::Store`] where the store fails.
    pub async fn take(
        store: Store,
        holder: Holder,
        patience: Patience,
        surroundings: Arc<dyn Surroundings>,
    ) -> Result<Self, LeaseError> {
        let seat = Seat::new(store, surroundings, TERM);
        let mut tenure = Tenure::take(&seat, &holder, patience).await?;
        let instance = tenure.instance().to_owned();
        let (tell, told) = watch::channel(None);
        let keeper = tokio::spawn(async move {
            let lost = tenure.keep().await;
            // Nobody listens any more where the work has ended.
            let _ = tell.send(Some(Arc::new(lost)));
        });
        Ok(Self { seat, instance, told, keeper: keeper.abort_handle() })
    }

    /// Waits until the lease is lost, and tells why; the work that it was for must stop then.
    pub async fn lost(&self) -> Arc<LeaseError> {
        let mut told = self.told.clone();
        match told.wait_for(Option::is_some).await.ok().and_then(|lost| lost.clone()) {
            Some(lost) => lost,
            // The keeper was ended: the lease is being released.
            None => std::future::pending().await,
        }
    }

    /// Gives the lease back, so that the next command goes on at once; where the store fails, it will after a term.
    pub async fn release(&self) {
        self.keeper.abort();
        match tokio::time::timeout(RELEASE_WITHIN, self.seat.release(&self.instance)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!("{error}: the store's lease ends by itself in {} s", TERM.as_secs()),
            Err(_) => tracing::warn!("the store does not answer: its lease ends by itself in {} s", TERM.as_secs()),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}
