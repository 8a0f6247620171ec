//! A store → everything of strata's in it, listed once, and which of it is named by what.
//!
//! Invariant: what is not strata's is counted and otherwise left alone.

mod references;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::AddAssign;

use chrono::{DateTime, Utc};
use object_store::ObjectMeta;
use object_store::path::Path;
use serde::Serialize;
use strata_shared::layout::{self, Object, RunName, run_file};
use strata_shared::store::{Staged, Store, StoreError};

pub use references::References;

/// A number of objects and what they take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Amount {
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Amount {
    /// One object.
    #[must_use]
    pub const fn one(bytes: u64) -> Self {
        Self { objects: 1, bytes }
    }
}

impl AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        self.objects += other.objects;
        self.bytes += other.bytes;
    }
}

impl std::iter::Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::default(), |mut sum, amount| {
            sum += amount;
            sum
        })
    }
}

/// One object of strata's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// What it is.
    pub object: Object,
    /// Its size.
    pub bytes: u64,
    /// When it was last written, by the store's clock.
    pub modified: DateTime<Utc>,
}

/// What a store holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    /// Strata's objects, by their keys.
    pub objects: BTreeMap<Path, Listed>,
    /// Parts of strata's objects that became none.
    pub staged: Vec<Staged>,
    /// What others keep in strata's folders.
    pub foreign: Amount,
}

impl Inventory {
    /// Lists strata's folders; what is beside them is not looked at.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be listed.
    pub async fn list(store: &Store) -> Result<Self, StoreError> {
        let mut inventory = Self::default();
        for folder in [layout::raw(), layout::vectors(), layout::work(), layout::runs(), layout::leases()] {
            store.list(&folder).await?.into_iter().for_each(|found| inventory.add(found));
        }
        let staged = store.staged(&Path::default()).into_iter();
        inventory.staged.extend(staged.filter(|staged| Object::parse(&staged.of).is_some()));
        store.head(&layout::latest()).await?.into_iter().for_each(|found| inventory.add(found));
        Ok(inventory)
    }

    fn add(&mut self, found: ObjectMeta) {
        match Object::parse(&found.location) {
            Some(object) => {
                let listed = Listed { object, bytes: found.size, modified: found.last_modified };
                self.objects.insert(found.location, listed);
            }
            None => self.foreign += Amount::one(found.size),
        }
    }

    /// Tells whether an object is there.
    #[must_use]
    pub fn has(&self, key: &Path) -> bool {
        self.objects.contains_key(key)
    }

    /// Returns the size of an object, where it is there.
    #[must_use]
    pub fn bytes(&self, key: &Path) -> Option<u64> {
        self.objects.get(key).map(|listed| listed.bytes)
    }

    /// Returns the numbers of the generations that have an object of their own, in order.
    pub fn generations(&self) -> impl Iterator<Item = u64> + '_ {
        self.objects.values().filter_map(|listed| match listed.object {
            Object::Generation(number) => Some(number),
            _ => None,
        })
    }

    /// Returns the runs in whose folder anything is, finished or not.
    #[must_use]
    pub fn runs(&self) -> BTreeSet<RunName> {
        self.objects.values().filter_map(|listed| listed.object.run().cloned()).collect()
    }

    /// Returns when the record of `run` was written; `None` for a run that is not finished.
    #[must_use]
    pub fn finished(&self, run: &RunName) -> Option<DateTime<Utc>> {
        self.objects.get(&layout::in_run(run, run_file::RECORD)).map(|listed| listed.modified)
    }

    /// Returns when anything in the folder of `run` was last written.
    #[must_use]
    pub fn last_written(&self, run: &RunName) -> Option<DateTime<Utc>> {
        let of_run = self.objects.values().filter(|listed| listed.object.run() == Some(run));
        of_run.map(|listed| listed.modified).max()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn objects_of_others_are_counted_and_not_listed() {
        let store = Store::new("memory", Arc::new(InMemory::new()));
        let run = RunName::new("r").unwrap();
        let ours = [layout::raw_shard(0), layout::in_run(&run, run_file::TOPICS), layout::latest(), layout::lease(3)];
        let others = ["raw/notes.txt", "runs/r/plot.png", "elsewhere/raw/shard_00000.parquet", "runs/.hidden/run.json"];
        for key in ours.iter().cloned().chain(others.map(Path::from)) {
            store.put(&key, "four").await.unwrap();
        }
        let inventory = Inventory::list(&store).await.unwrap();
        let mut expected = ours.to_vec();
        expected.sort();
        assert_eq!(inventory.objects.keys().cloned().collect::<Vec<_>>(), expected);
        assert_eq!(inventory.foreign, Amount { objects: 3, bytes: 12 });
        assert_eq!((inventory.runs().len(), inventory.finished(&run)), (1, None));
    }
}
