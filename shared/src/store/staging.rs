//! What killed writers leave in a directory: files called `key#1` that became no object, and folders without any.
//!
//! Invariant: no name that strata gives has a `#` in it, so that nothing here is ever an object. Other stores show no such
//! thing: a rule of theirs ends uploads that nobody completes, those of writers that could not end them themselves.

use std::path::{Path as FilePath, PathBuf};

use chrono::{DateTime, Utc};
use object_store::path::Path;

use super::{Store, StoreError};

/// A part of an object that became none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    /// The key of the object that it was to be.
    pub of: Path,
    /// The file.
    pub file: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// When it was last written to.
    pub modified: DateTime<Utc>,
}

impl Staged {
    /// Returns the file's place in the store, as people see it.
    #[must_use]
    pub fn name(&self) -> String {
        let number = self.file.to_string_lossy();
        format!("{}#{}", self.of, number.rsplit_once('#').map_or("", |(_, number)| number))
    }
}

impl Store {
    /// Removes what killed writers have left under `folder` in a directory.
    ///
    /// A writer that is at work there loses its object, and is told so.
    pub fn remove_staging(&self, folder: &Path) {
        let Some(root) = &self.folder else { return };
        for file in files_under(&root.join(folder.as_ref())).iter().filter(|file| staged_for(file).is_some()) {
            let removed = std::fs::remove_file(file).is_ok();
            tracing::info!(file = %file.display(), removed, "a killed writer left a part of an object");
        }
    }

    /// Lists what killed writers have left under `folder`, in the order of names; nothing but in a directory.
    #[must_use]
    pub fn staged(&self, folder: &Path) -> Vec<Staged> {
        let Some(root) = &self.folder else { return Vec::new() };
        let mut files = files_under(&root.join(folder.as_ref()));
        files.sort();
        files.into_iter().filter_map(|file| staged(root, file)).collect()
    }

    /// Removes a part of an object that became none; one that is gone is no error.
    ///
    /// # Errors
    /// [`StoreError::Staged`].
    pub fn remove_staged(&self, staged: &Staged) -> Result<(), StoreError> {
        match std::fs::remove_file(&staged.file) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(StoreError::Staged { path: staged.file.display().to_string(), source })
            }
            _ => Ok(()),
        }
    }

    /// Removes the folder in which `key` was, and those above it, as far as nothing is in them; a store other than a directory
    /// has no folders.
    pub fn remove_empty_folders(&self, key: &Path) {
        let Some(root) = &self.folder else { return };
        let mut folder = root.join(key.as_ref());
        while folder.pop() && folder != *root {
            // One in which something is cannot be removed, and stays.
            if std::fs::remove_dir(&folder).is_err() {
                return;
            }
        }
    }
}

fn staged(root: &FilePath, file: PathBuf) -> Option<Staged> {
    let of = staged_for(&file)?;
    let of = Path::parse(of.strip_prefix(root).ok()?.to_str()?).ok()?;
    let found = std::fs::metadata(&file).ok()?;
    let modified = found.modified().ok()?.into();
    Some(Staged { of, file, bytes: found.len(), modified })
}

/// Returns the file of which another one is a part that was not finished, by the name that `object_store` gives such.
fn staged_for(file: &FilePath) -> Option<PathBuf> {
    let name = file.file_name()?.to_str()?;
    let (of, number) = name.rsplit_once('#')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| file.with_file_name(of))
}

/// The files in a folder and in those within it; what cannot be read has none.
fn files_under(folder: &FilePath) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => files_under(&entry.path()),
            _ => vec![entry.path()],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout;

    #[tokio::test]
    async fn parts_of_objects_are_told_from_objects_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().to_str().unwrap()).unwrap();
        store.put(&layout::raw_shard(1), "whole").await.unwrap();
        for name in ["shard_00001.parquet#1", "shard_00002.parquet#12", "note#1a", "note#"] {
            std::fs::write(folder.path().join("raw").join(name), "half").unwrap();
        }
        let found = store.staged(&layout::raw());
        let names: Vec<String> = found.iter().map(Staged::name).collect();
        assert_eq!(names, ["raw/shard_00001.parquet#1", "raw/shard_00002.parquet#12"]);
        assert_eq!((found[0].of.clone(), found[0].bytes), (layout::raw_shard(1), 4));
        for staged in found.iter().chain(&found) {
            store.remove_staged(staged).unwrap();
        }
        assert!(store.staged(&layout::raw()).is_empty());
        let listed = store.list(&layout::raw()).await.unwrap();
        assert!(listed.iter().any(|object| object.location == layout::raw_shard(1)), "{listed:?}");
    }

    #[tokio::test]
    async fn folders_go_once_nothing_is_in_them() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().to_str().unwrap()).unwrap();
        let keys = ["runs/a/labels/shard_00000.parquet", "runs/b/run.json"].map(Path::from);
        for key in &keys {
            store.put(key, "x").await.unwrap();
        }
        store.delete(&keys[0]).await.unwrap();
        store.remove_empty_folders(&keys[0]);
        assert!(!folder.path().join("runs/a").exists() && folder.path().join("runs/b").exists());
        store.delete(&keys[1]).await.unwrap();
        store.remove_empty_folders(&keys[1]);
        assert!(!folder.path().join("runs").exists() && folder.path().exists());
    }
}
