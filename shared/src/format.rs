//! JSON objects that carry a format version → their values, or the version that this program does not read.
//!
//! Invariant: the version is looked at before anything else, so that an object of another version is told from a damaged
//! one whatever fields it has.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::layout::{self, FORMAT};

/// Why an object has no value.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// It was written by another version.
    #[error("format {found}, this program reads formats up to {FORMAT}")]
    Other {
        /// The version found.
        found: u32,
    },
    /// It is not JSON of the expected shape.
    #[error("is not an object of a format up to {FORMAT}")]
    Unreadable(#[from] serde_json::Error),
}

/// What every version has.
#[derive(Deserialize)]
struct Versioned {
    format: u32,
}

/// Reads an object of a format version that this program knows; what a later one has added is given a default by its type.
///
/// # Errors
/// [`FormatError::Other`] where it says another version, else [`FormatError::Unreadable`].
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FormatError> {
    let Versioned { format: found } = serde_json::from_slice(bytes)?;
    if layout::is_read(found) { Ok(serde_json::from_slice(bytes)?) } else { Err(FormatError::Other { found }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Object {
        #[expect(dead_code, reason = "only its presence counts")]
        format: u32,
    }

    #[test]
    fn another_version_is_told_from_a_damaged_object() {
        let read = |text: &str| decode::<Object>(text.as_bytes());
        for format in [layout::OLDEST_FORMAT, FORMAT] {
            assert!(read(&format!(r#"{{"format": {format}}}"#)).is_ok());
        }
        let newer = format!(r#"{{"format": {}, "columns": []}}"#, FORMAT + 1);
        assert!(matches!(read(&newer), Err(FormatError::Other { found }) if found == FORMAT + 1));
        for damaged in [format!(r#"{{"format": {FORMAT}, "columns": []}}"#), "{}".into(), r#"{"format": "1"#.into()] {
            assert!(matches!(read(&damaged), Err(FormatError::Unreadable(_))), "{damaged}");
        }
    }
}
