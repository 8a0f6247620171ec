//! `--scratch` → a folder of this process's own, which goes when the process ends, or else when the next one begins.
//!
//! Invariant: only folders of that name are ever removed whose process is gone: while it lives it holds a lock.

use std::fs::File;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use strata_shared::exit::{Classify, Exit, Failure};
use tempfile::TempDir;

/// What the folders' names begin with.
const PREFIX: &str = "strata-reduce-";

/// The file in such a folder that its process has locked.
const LOCK: &str = "lock";

/// The folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "--scratch {folder}: cannot be written to; expected a folder with room for two bytes a dimension of each document"
)]
pub struct ScratchError {
    folder: String,
    source: std::io::Error,
}

impl Classify for ScratchError {
    fn exit(&self) -> Exit {
        use std::io::ErrorKind::{NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem};
        match self.source.kind() {
            NotFound | NotADirectory | PermissionDenied | ReadOnlyFilesystem => Exit::Configuration,
            _ => Exit::Retry,
        }
    }
}

/// A folder for temporary files of this process; all of them are gone when it is dropped.
#[derive(Debug)]
pub struct ScratchFolder {
    folder: TempDir,
    _lock: File,
}

impl ScratchFolder {
    /// Makes the folder in `parent`, or where temporary files are, and removes those that dead processes have left there.
    ///
    /// # Errors
    /// [`ScratchError`] if nothing can be written there.
    pub fn make(parent: Option<&Path>) -> Result<Self, Failure> {
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_owned);
        let failed = |source| ScratchError { folder: parent.display().to_string(), source };
        remove_abandoned(&parent);
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(&parent).map_err(failed)?;
        let lock = File::create(folder.path().join(LOCK)).map_err(failed)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| failed(error.into()))?;
        Ok(Self { folder, _lock: lock })
    }

    /// Returns the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes the folders of processes that are gone; what cannot be removed is left to its owner.
fn remove_abandoned(parent: &Path) {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    for folder in
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX)).map(|entry| entry.path())
    {
        let Ok(lock) = File::open(folder.join(LOCK)) else { continue };
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
            let removed = std::fs::remove_dir_all(&folder);
            tracing::info!(folder = %folder.display(), removed = removed.is_ok(), "a stopped reduce left a scratch folder");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_process_left_goes_and_what_a_live_one_has_stays() {
        let parent = tempfile::tempdir().unwrap();
        let left = parent.path().join("strata-reduce-left");
        std::fs::create_dir(&left).unwrap();
        File::create(left.join(LOCK)).unwrap();
        let strange = parent.path().join("strata-reduce-strange");
        std::fs::create_dir(&strange).unwrap();
        let live = ScratchFolder::make(Some(parent.path())).unwrap();
        let other = ScratchFolder::make(Some(parent.path())).unwrap();
        assert!(!left.exists() && strange.exists() && live.path().exists() && other.path().exists());
        let path = live.path().to_owned();
        drop(live);
        assert!(!path.exists() && other.path().exists());
    }

    #[test]
    fn an_absent_folder_is_a_fault_of_the_configuration() {
        let failure = ScratchFolder::make(Some(Path::new("/nowhere"))).unwrap_err();
        assert_eq!(failure.exit(), Exit::Configuration);
        assert!(failure.chain().contains("--scratch /nowhere"), "{}", failure.chain());
    }
}
