//! The numbered objects of one store's lease: read, written and tidied.

use std::sync::Arc;
use std::time::Duration;

use super::record::LeaseRecord;
use super::surroundings::Surroundings;
use crate::format;
use crate::layout;
use crate::store::{Store, StoreError};

/// Where a lease is, and the machine that it is looked at from.
#[derive(Debug, Clone)]
pub(super) struct Seat {
    pub(super) store: Store,
    pub(super) surroundings: Arc<dyn Surroundings>,
    pub(super) term: Duration,
}

/// The newest number, and what it says; `None` where that cannot be read, as what another version wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Newest {
    pub(super) number: u64,
    pub(super) record: Option<LeaseRecord>,
}

impl Seat {
    pub(super) fn new(store: Store, surroundings: Arc<dyn Surroundings>, term: Duration) -> Self {
        Self { store, surroundings, term }
    }

    /// Reads the newest number.
    pub(super) async fn newest(&self) -> Result<Option<Newest>, StoreError> {
        loop {
            let Some(number) = self.numbers().await?.into_iter().max() else { return Ok(None) };
            if let Some(bytes) = self.store.get_if_present(&layout::lease(number)).await? {
                return Ok(Some(Newest { number, record: format::decode(&bytes).ok() }));
            }
            // Two renewals came between the listing and the reading: there is a newer one.
        }
    }

    async fn numbers(&self) -> Result<Vec<u64>, StoreError> {
        let objects = self.store.list(&layout::leases()).await?;
        Ok(objects.iter().filter_map(|object| layout::lease_number(&object.location)).collect())
    }

    /// Creates `number`; returns the lower numbers that are there if it is the newest then, and `None` if it is not.
    ///
    /// A number below the newest can be created: it was there once and was tidied away.
    pub(super) async fn write(&self, number: u64, record: &[u8]) -> Result<Option<Vec<u64>>, StoreError> {
        let key = layout::lease(number);
        if !self.store.create(&key, record.to_vec()).await? {
            return Ok(None);
        }
        let mut numbers = self.numbers().await?;
        if numbers.iter().any(|other| *other > number) {
            self.store.delete(&key).await?;
            return Ok(None);
        }
        numbers.retain(|other| *other < number);
        Ok(Some(numbers))
    }

    /// Removes those of `numbers` below the newest but one; what cannot be removed now is removed by the next renewal.
    pub(super) async fn tidy(&self, newest: u64, numbers: &[u64]) {
        for number in numbers.iter().filter(|number| **number + 1 < newest) {
            if let Err(error) = self.store.delete(&layout::lease(*number)).await {
                tracing::debug!("{error}");
            }
        }
    }

    /// Gives back what `instance` holds; does nothing where it holds nothing any more.
    pub(super) async fn release(&self, instance: &str) -> Result<(), StoreError> {
        // A renewal that was on its way may come between, which the next look tells.
        while let Some(Newest { number, record: Some(record) }) = self.newest().await? {
            if record.instance != instance || record.released {
                return Ok(());
            }
            let released = record.given_back(self.surroundings.date()).encode();
            if let Some(older) = self.write(number + 1, &released).await? {
                self.tidy(number + 1, &older).await;
                return Ok(());
            }
        }
        Ok(())
    }
}
