//! A drawn page → a file that somebody named, whole or not at all.

use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

use strata_shared::exit::{Classify, Exit};

/// The page did not become a file.
#[derive(Debug, thiserror::Error)]
#[error("{}: the page cannot be written; choose another place with --html, or make room in this one", path.display())]
pub(super) struct PageFileError {
    /// The file as it was named.
    path: PathBuf,
    /// What the system says.
    source: Error,
}

impl Classify for PageFileError {
    fn exit(&self) -> Exit {
        match self.source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::Interrupted | ErrorKind::TimedOut => {
                Exit::Retry
            }
            _ => Exit::Configuration,
        }
    }
}

/// Writes `page` to `path`, replacing a file that is there; a device or a pipe is written to as it is.
///
/// # Errors
/// [`PageFileError`]; the file is then as it was before.
pub(super) async fn write(path: &Path, page: String) -> Result<(), PageFileError> {
    let failed = |source| PageFileError { path: path.to_owned(), source };
    match tokio::fs::metadata(path).await {
        Ok(there) if !there.is_file() && !there.is_dir() => tokio::fs::write(path, page).await.map_err(failed),
        // The file that a link leads to is replaced, not the link.
        Ok(_) => replace(&tokio::fs::canonicalize(path).await.map_err(failed)?, page).await.map_err(failed),
        Err(_) => replace(path, page).await.map_err(failed),
    }
}

/// Writes a file beside `path` and gives it that name once it is whole.
async fn replace(path: &Path, page: String) -> std::io::Result<()> {
    let name = path.file_name().ok_or(ErrorKind::IsADirectory)?.to_string_lossy();
    let begun = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = async {
        tokio::fs::write(&begun, page).await?;
        tokio::fs::rename(&begun, path).await
    };
    let written = written.await;
    if written.is_err() {
        // The first error is the one to tell.
        let _ = tokio::fs::remove_file(&begun).await;
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_page_replaces_a_file_through_its_link_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("page.html"), folder.path().join("link.html"));
        std::fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write(&link, "new".into()).await.unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[tokio::test]
    async fn a_place_that_does_not_do_is_named_and_a_full_one_may_be_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        for place in [folder.path().to_owned(), folder.path().join("none/page.html")] {
            let error = write(&place, "page".into()).await.unwrap_err();
            assert_eq!(error.exit(), Exit::Configuration);
            assert!(error.to_string().contains(&place.display().to_string()), "{error}");
        }
        let full = PageFileError { path: "page.html".into(), source: ErrorKind::StorageFull.into() };
        assert_eq!(full.exit(), Exit::Retry);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_device_is_written_to_and_stays_one() {
        write(Path::new("/dev/null"), "page".into()).await.unwrap();
        assert!(!std::fs::metadata("/dev/null").unwrap().is_file());
    }
}
