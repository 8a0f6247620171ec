//! One holder's time with a lease: taken, renewed, lost.

use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};

use super::record::{Holder, LeaseRecord};
use super::seat::{Newest, Seat};
use super::{LeaseError, Patience};
use crate::store::StoreError;

/// A lease is renewed once this part of its term is over: a renewal may fail twice.
const RENEWALS_A_TERM: u32 = 3;

/// Whoever waits, or could not reach the store, tries again after this part of the term.
const TRIES_A_TERM: u32 = 12;

/// The part of its term after which a holder without a renewal gives up, so that clocks may differ in speed.
const TRUSTED: f64 = 0.9;

/// A lease that is held.
#[derive(Debug)]
pub(super) struct Tenure {
    seat: Seat,
    record: LeaseRecord,
    number: u64,
    /// When the newest number was asked for, by this machine's clock: others cannot have seen it before.
    renewed_at: Duration,
    /// The numbers below the newest that were there when it was written.
    older: Vec<u64>,
}

/// The number that was seen last, and since when.
#[derive(Debug, Default)]
struct Sight {
    number: Option<u64>,
    since: Duration,
}

impl Sight {
    /// Returns how long `number` has been the newest, of a look that lasted from `begun` to `ended`.
    fn seen_for(&mut self, number: u64, begun: Duration, ended: Duration) -> Duration {
        if self.number != Some(number) {
            *self = Self { number: Some(number), since: ended };
        }
        begun.saturating_sub(self.since)
    }
}

/// Tells whether whoever is called `name` may take the lease.
pub(super) fn is_free(newest: &Newest, name: &str, seen_for: Duration, seat: &Seat) -> bool {
    let Some(record) = &newest.record else { return seen_for >= seat.term };
    let is_gone = || record.process.as_ref().is_some_and(|process| seat.surroundings.is_gone(process));
    record.released || record.holder == name || is_gone() || seen_for >= record.term()
}

impl Tenure {
    /// Takes the lease, as soon as it is free where `patience` is to wait.
    pub(super) async fn take(seat: &Seat, holder: &Holder, patience: Patience) -> Result<Self, LeaseError> {
        let (mut sight, mut told) = (Sight::default(), None);
        loop {
            let begun = seat.surroundings.now();
            let newest = seat.newest().await?;
            if let Some(newest) = &newest {
                let seen_for = sight.seen_for(newest.number, begun, seat.surroundings.now());
                if !is_free(newest, &holder.name, seen_for, seat) {
                    wait(seat, newest, patience, &mut told).await?;
                    continue;
                }
            }
            if let Some(tenure) = Self::claim(seat, holder, newest.map_or(1, |newest| newest.number + 1)).await? {
                return Ok(tenure);
            }
        }
    }

    /// Creates `number`, unless somebody else does before, or so slowly that others may have taken the lease again.
    async fn claim(seat: &Seat, holder: &Holder, number: u64) -> Result<Option<Self>, StoreError> {
        let renewed_at = seat.surroundings.now();
        let process = seat.surroundings.own_process();
        let record = LeaseRecord::taken(holder, process, seat.surroundings.date(), seat.term);
        let Some(older) = seat.write(number, &record.encode()).await? else { return Ok(None) };
        let tenure = Self { seat: seat.clone(), record, number, renewed_at, older };
        let in_time = tenure.time_left() > Duration::ZERO;
        Ok(in_time.then_some(tenure))
    }

    /// Returns what tells this tenure from every other one.
    pub(super) fn instance(&self) -> &str {
        &self.record.instance
    }

    /// Returns until when the lease is held, by this machine's clock, if it is never renewed again.
    pub(super) fn trusted_until(&self) -> Duration {
        self.renewed_at + self.seat.term.mul_f64(TRUSTED)
    }

    fn time_left(&self) -> Duration {
        self.trusted_until().saturating_sub(self.seat.surroundings.now())
    }

    /// Renews the lease until it is lost; tells why it is.
    pub(super) async fn keep(&mut self) -> LeaseError {
        loop {
            self.rest().await;
            let mut last_error = None;
            match self.renew_in_time(&mut last_error).await {
                Some(true) => {}
                Some(false) => return self.taken().await,
                None => return self.expired(last_error),
            }
        }
    }

    /// Renews the lease as [`renew`](Self::renew) does, or gives up when it can be trusted no more.
    async fn renew_in_time(&mut self, last_error: &mut Option<StoreError>) -> Option<bool> {
        let give_up = self.seat.surroundings.sleep(self.time_left());
        match select(pin!(self.renew(last_error)), give_up).await {
            Either::Left((renewed, _)) => Some(renewed),
            Either::Right(_) => None,
        }
    }

    /// Tidies up, and waits until a renewal is due.
    async fn rest(&self) {
        let due = || {
            let due = self.renewed_at + self.seat.term / RENEWALS_A_TERM;
            self.seat.surroundings.sleep(due.saturating_sub(self.seat.surroundings.now()))
        };
        select(pin!(self.seat.tidy(self.number, &self.older)), due()).await;
        due().await;
    }

    /// Creates the next number, however often that takes; `false` where somebody else has.
    async fn renew(&mut self, last_error: &mut Option<StoreError>) -> bool {
        let (number, begun) = (self.number + 1, self.seat.surroundings.now());
        // The same bytes at each try, so that a creation whose answer was lost is known for this tenure's own.
        let record = self.record.renewed(self.seat.surroundings.date());
        let bytes = record.encode();
        loop {
            match self.seat.write(number, &bytes).await {
                Ok(None) => return false,
                Ok(Some(older)) => {
                    (self.record, self.number, self.renewed_at, self.older) = (record, number, begun, older);
                    return true;
                }
                Err(error) => *last_error = Some(error),
            }
            self.seat.surroundings.sleep(self.seat.term / TRIES_A_TERM).await;
        }
    }

    fn expired(&self, source: Option<StoreError>) -> LeaseError {
        let silence = self.seat.surroundings.now().saturating_sub(self.renewed_at);
        LeaseError::Expired { store: self.seat.store.url().to_owned(), silence, source }
    }

    async fn taken(&self) -> LeaseError {
        let newest = self.seat.newest().await.ok().flatten();
        let what = newest.and_then(|newest| newest.record).map_or_else(|| UNKNOWN.into(), |record| record.what);
        LeaseError::Taken { store: self.seat.store.url().to_owned(), what }
    }
}

/// What a holder is called whose record cannot be read.
const UNKNOWN: &str = "another command";

/// Says who holds the lease, once for each holder, and waits a little.
async fn wait(seat: &Seat, newest: &Newest, patience: Patience, told: &mut Option<String>) -> Result<(), LeaseError> {
    let store = seat.store.url().to_owned();
    let record = newest.record.as_ref();
    let (what, since) = record.map_or((UNKNOWN, "an unknown time"), |record| (&record.what, &record.since));
    if patience == Patience::Refuse {
        return Err(LeaseError::Held { store, what: what.to_owned(), since: since.to_owned() });
    }
    let instance = record.map_or("", |record| &record.instance);
    if told.as_deref() != Some(instance) {
        tracing::info!("{store}: in use by {what} since {since}; waiting for its end");
        *told = Some(instance.to_owned());
    }
    seat.surroundings.sleep(seat.term / TRIES_A_TERM).await;
    Ok(())
}
