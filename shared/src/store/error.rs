//! Why a store did not do what was asked, what may mend it, and what a person can do about it.

use object_store::path::Path;

use super::s3::CredentialsFileError;
use crate::exit::{Classify, Exit};

/// Why a store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL itself is not one of a store.
    #[error("store {url}: {reason}")]
    Url {
        /// The URL as given, without credentials.
        url: String,
        /// What is wrong and what was expected.
        reason: String,
    },
    /// The store cannot be opened.
    #[error("store {url}: cannot be opened")]
    Open {
        /// The URL as given, without credentials.
        url: String,
        /// What the backend says.
        source: object_store::Error,
    },
    /// A request about one object failed.
    #[error("{store}/{key}: cannot {verb}{hint}")]
    Object {
        /// The store's URL.
        store: String,
        /// The object's key.
        key: Path,
        /// What was tried.
        verb: &'static str,
        /// What to do, where that is known.
        hint: &'static str,
        /// What the backend says.
        source: object_store::Error,
    },
    /// A local file to be uploaded cannot be read.
    #[error("{path}: cannot be read for upload")]
    File {
        /// The file.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// A part of an object that became none cannot be removed.
    #[error("{path}: cannot be removed")]
    Staged {
        /// The file.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
}

impl StoreError {
    /// Tells whether the object is simply not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Object { source: object_store::Error::NotFound { .. }, .. })
            && !matches!(self, Self::Object { source, .. } if names_missing_bucket(source))
    }
}

impl Classify for StoreError {
    fn exit(&self) -> Exit {
        match self {
            Self::Url { .. } | Self::Open { .. } => Exit::Configuration,
            Self::Object { source, .. } => classify(source),
            Self::File { .. } | Self::Staged { .. } => Exit::Retry,
        }
    }
}

fn classify(error: &object_store::Error) -> Exit {
    use object_store::Error as E;
    match error {
        E::PermissionDenied { .. } | E::Unauthenticated { .. } | E::NotSupported { .. } | E::InvalidPath { .. } => {
            Exit::Configuration
        }
        E::UnknownConfigurationKey { .. } | E::NotImplemented { .. } => Exit::Configuration,
        _ if names_missing_bucket(error) || denies_access(error) || lacks_credentials(error) => Exit::Configuration,
        _ if causes(error).any(<dyn std::error::Error>::is::<CredentialsFileError>) => Exit::Configuration,
        _ => Exit::Retry,
    }
}

fn causes(error: &object_store::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error as &(dyn std::error::Error + 'static)), |cause| cause.source())
}

fn mentions(error: &object_store::Error, words: &[&str]) -> bool {
    causes(error).map(ToString::to_string).any(|text| words.iter().any(|word| text.contains(word)))
}

fn names_missing_bucket(error: &object_store::Error) -> bool {
    mentions(error, &["NoSuchBucket"])
}

/// Tells whether the last resort for credentials, the metadata service of AWS's instances, had none.
fn lacks_credentials(error: &object_store::Error) -> bool {
    mentions(error, &["/latest/api/token", "/latest/meta-data"])
}

/// Tells whether a store may refuse a write for its condition alone; a plain write then tells what else is wrong.
pub(super) fn lacks_conditions(error: &object_store::Error) -> bool {
    use std::io::ErrorKind;
    matches!(error, object_store::Error::NotImplemented { .. } | object_store::Error::NotSupported { .. })
        || mentions(error, &["<Code>NotImplemented</Code>"])
        || causes(error).filter_map(|cause| cause.downcast_ref::<std::io::Error>()).any(|io| {
            // What link(2) says on a file system that has no hard links.
            matches!(io.kind(), ErrorKind::PermissionDenied | ErrorKind::Unsupported)
        })
}

fn denies_access(error: &object_store::Error) -> bool {
    use std::io::ErrorKind;
    const DENIALS: [&str; 7] = [
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "AccessDenied",
        "InvalidBucketName",
        "InvalidToken",
        "InvalidIdentityToken",
        "ExpiredToken",
    ];
    let refused = causes(error).filter_map(|cause| cause.downcast_ref::<std::io::Error>()).any(|io| {
        matches!(io.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem | ErrorKind::NotADirectory)
    });
    refused || mentions(error, &DENIALS)
}

pub(super) fn url_error(url: &str, reason: &str) -> StoreError {
    StoreError::Url { url: url.to_owned(), reason: reason.to_owned() }
}

pub(super) fn unusable(url: &str, error: &std::io::Error) -> StoreError {
    url_error(url, &format!("the directory cannot be used: {error}"))
}

pub(super) fn open_error(url: &str, source: object_store::Error) -> StoreError {
    StoreError::Open { url: url.to_owned(), source }
}

pub(super) fn hint(error: &object_store::Error) -> &'static str {
    use object_store::Error as E;
    match error {
        _ if names_missing_bucket(error) => "; create the bucket, or correct the store's URL",
        _ if mentions(error, &["InvalidBucketName"]) => {
            "; a bucket's name has 3 to 63 lower-case letters, digits, . and -"
        }
        _ if lacks_credentials(error) => {
            "; no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_SHARED_CREDENTIALS_FILE"
        }
        E::Unauthenticated { .. } | E::PermissionDenied { .. } => "; check the credentials and what they allow",
        _ if denies_access(error) => "; check the credentials and the permissions",
        _ => "",
    }
}
