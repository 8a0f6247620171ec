//! Where set-up leaves what the programs need beside themselves: ONNX Runtime's library and a model.
//!
//! The folder is `STRATA_CACHE`, else `XDG_CACHE_HOME/strata`, else `~/.cache/strata`. This file only looks.

use std::path::{Path, PathBuf};

/// The model that set-up installs.
pub const DEFAULT_MODEL: &str = "all-MiniLM-L6-v2";

/// Returns the cache folder, whether or not it exists; `None` without a home.
#[must_use]
pub fn folder() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("STRATA_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join("strata")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/strata")))
}

/// Returns the folder of the model that set-up installed, if it is there.
#[must_use]
pub fn default_model() -> Option<PathBuf> {
    Some(folder()?.join("models").join(DEFAULT_MODEL)).filter(|model| model.is_dir())
}

/// Returns the newest ONNX Runtime library that set-up installed, if there is one.
#[must_use]
pub fn onnxruntime() -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder()?.join("onnxruntime")).ok()?;
    let libraries = entries.filter_map(|entry| Some(entry.ok()?.path().join("libonnxruntime.so")));
    libraries.filter(|library| library.is_file()).max_by_key(|library| version(library))
}

/// Returns the numbers of the folder's name, so that 1.31.10 is newer than 1.31.2.
fn version(library: &Path) -> Vec<u64> {
    let folder = library.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default();
    folder.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        let library = |folder: &str| version(&Path::new("onnxruntime").join(folder).join("libonnxruntime.so"));
        assert!(library("1.31.10") > library("1.31.2"));
        assert!(library("1.31.2") > library("nightly"));
    }
}
