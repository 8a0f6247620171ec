//! Work that writes what all commands of a store share → the same work under the store's lease.
//!
//! Invariant: whatever ends the work, the lease is given back; where it is lost, the work and its workers on this machine end at
//! once. Jobs of a cluster go on by themselves: whoever coordinates the same store next waits for their end before anything else.
//! Sharding, compacting, embedding and whole runs are exclusive. A reduce alone is not: it writes one run's folder, the same objects
//! however often, so that several questions may be asked of one corpus at the same time.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use strata_shared::exit::{Classify, Failure};
use strata_shared::lease::{Lease, ThisMachine};

use super::Context;
use crate::command_line::LeaseFlags;

/// The lease that this program holds, if it holds one.
#[derive(Debug, Default)]
pub struct Exclusive {
    held: Mutex<Option<Arc<Lease>>>,
}

impl Exclusive {
    /// Gives the lease back, if one is held.
    pub async fn release(&self) {
        let held = self.held().take();
        if let Some(lease) = held {
            lease.release().await;
        }
    }

    fn held(&self) -> MutexGuard<'_, Option<Arc<Lease>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does `work` for `command` while no other command writes to the store.
///
/// # Errors
/// The lease is held by somebody else and `flags` say not to wait, or it is lost; else the work's own.
pub(super) async fn exclusively<T>(
    context: &Context,
    flags: LeaseFlags,
    command: &str,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let holder = context.launcher.holder(command);
    let lease = Lease::take(context.store.clone(), holder, flags.patience(), Arc::new(ThisMachine)).await?;
    let lease = Arc::new(lease);
    *context.exclusive.held() = Some(Arc::clone(&lease));
    let mut work = pin!(async {
        context.launcher.await_others(&context.url, &context.display).await?;
        work.await
    });
    let done = tokio::select! {
        done = &mut work => done,
        lost = lease.lost() => {
            // Somebody else may be at work already: nothing is finished first, and nothing is lost by that.
            tokio::select! {
                _ = &mut work => {}
                () = context.launcher.end(std::future::ready(())) => {}
            }
            Err(Failure::new(lost.exit(), lost))
        }
    };
    context.exclusive.release().await;
    done
}
