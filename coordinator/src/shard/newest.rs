//! A folder of snapshots → the newest of them.
//!
//! Invariant: what is chosen depends on the store's own times and on names alone: the object that was written last, of several at
//! the same moment the last by name. Whatever is no snapshot by its name (marks, checksums, uploads under way) is passed over.

use object_store::ObjectMeta;
use object_store::path::Path as Key;
use strata_shared::store::Store;
use url::Url;

use super::error::ShardError;

/// How names of snapshots end, before the extension of a compression.
const KINDS: [&str; 4] = ["jsonl", "ndjson", "json", "parquet"];

/// Extensions of compressions.
const COMPRESSIONS: [&str; 2] = ["gz", "zst"];

/// Finds the snapshot that was written last under `folder`, a directory or a store URL, however deep, and returns it as an input. A file
/// and standard input are taken as they are.
///
/// # Errors
/// [`ShardError::Absent`] for a folder that is not there, [`ShardError::NoSnapshot`] where none is in it, or the store's own.
pub async fn newest_in(folder: &str) -> Result<String, ShardError> {
    if folder == "-" || std::path::Path::new(folder).is_file() {
        return Ok(folder.to_owned());
    }
    if !folder.contains("://") && !std::path::Path::new(folder).exists() {
        return Err(ShardError::Absent { input: folder.to_owned() });
    }
    let store = Store::open(folder)?;
    let listed = store.list(&Key::default()).await?;
    let num_objects = listed.len();
    let Some(found) = choose(listed) else {
        return Err(ShardError::NoSnapshot { folder: folder.to_owned(), num_objects });
    };
    let input = match store.folder() {
        Some(directory) => directory.join(found.location.as_ref()).display().to_string(),
        None => beneath(folder, &found.location)?,
    };
    tracing::info!(%folder, snapshot = %input, written = %found.last_modified, "takes the newest snapshot");
    Ok(input)
}

/// Returns the URL of an object of the store at `folder`.
fn beneath(folder: &str, key: &Key) -> Result<String, ShardError> {
    let absent = || ShardError::Absent { input: folder.to_owned() };
    let mut url = Url::parse(folder).map_err(|_| absent())?;
    url.path_segments_mut()
        .map_err(|()| absent())?
        .pop_if_empty()
        .extend(key.parts().map(|part| part.as_ref().to_owned()));
    Ok(url.into())
}

fn choose(listed: Vec<ObjectMeta>) -> Option<ObjectMeta> {
    let snapshots = listed.into_iter().filter(|object| is_snapshot(&object.location));
    snapshots.max_by(|a, b| (a.last_modified, &a.location).cmp(&(b.last_modified, &b.location)))
}

fn is_snapshot(key: &Key) -> bool {
    let is_hidden = key.parts().any(|part| part.as_ref().starts_with(['.', '_']));
    let name = key.filename().unwrap_or_default().to_lowercase();
    let plain = COMPRESSIONS.iter().find_map(|end| name.strip_suffix(end)?.strip_suffix('.')).unwrap_or(&name);
    !is_hidden && plain.rsplit_once('.').is_some_and(|(stem, kind)| !stem.is_empty() && KINDS.contains(&kind))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn object(key: &str, seconds: i64) -> ObjectMeta {
        let last_modified = DateTime::from_timestamp(seconds, 0).unwrap();
        ObjectMeta { location: Key::from(key), last_modified, size: 1, e_tag: None, version: None }
    }

    fn chosen(objects: &[(&str, i64)]) -> Option<String> {
        choose(objects.iter().map(|(key, seconds)| object(key, *seconds)).collect()).map(|found| found.location.into())
    }

    #[test]
    fn the_snapshot_that_was_written_last_is_taken_then_the_last_by_name() {
        let all = [("2026-09/a.jsonl.gz", 5), ("2026-10/b.jsonl.zst", 9), ("2026-10/a.JSON", 9), ("z.parquet", 1)];
        assert_eq!(chosen(&all).as_deref(), Some("2026-10/b.jsonl.zst"));
        assert_eq!(chosen(&all[..1]).as_deref(), Some("2026-09/a.jsonl.gz"));
    }

    #[test]
    fn marks_checksums_and_uploads_under_way_are_no_snapshots() {
        let others = [
            "_SUCCESS",
            "a.jsonl.gz.sha256",
            ".a.jsonl",
            "_tmp/a.jsonl",
            "a.jsonl.gz.part",
            "README.md",
            ".jsonl",
            "gz",
        ];
        assert_eq!(chosen(&others.map(|key| (key, 7))), None);
    }

    #[tokio::test]
    async fn a_folder_without_a_snapshot_is_told_with_what_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("notes.txt"), "x").unwrap();
        let error = newest_in(&folder.path().display().to_string()).await.unwrap_err();
        assert!(error.to_string().contains("none of the 1 objects"), "{error}");
        std::fs::create_dir(folder.path().join("2026-11")).unwrap();
        std::fs::write(folder.path().join("2026-11/a.jsonl"), "{}\n").unwrap();
        let found = newest_in(&folder.path().display().to_string()).await.unwrap();
        assert!(found.ends_with("/2026-11/a.jsonl") && std::fs::read(&found).is_ok(), "{found}");
        assert_eq!(newest_in(&found).await.unwrap(), found, "a file that is named is taken as it is");
    }

    #[test]
    fn a_key_beneath_a_url_is_escaped_as_inputs_are_read() {
        for folder in ["s3://bucket/in", "s3://bucket/in/"] {
            assert_eq!(
                beneath(folder, &Key::from("2026 11/a%b.jsonl")).unwrap(),
                "s3://bucket/in/2026%2011/a%2525b.jsonl"
            );
        }
    }
}
