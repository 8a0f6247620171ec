//! A file of credentials, as AWS's own programs read it → credentials, read anew for each request, since they may change.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;

/// One profile of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CredentialsFile {
    pub(super) path: PathBuf,
    pub(super) profile: String,
}

/// Why a file gives no credentials; never what is in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialsFileError {
    #[error("{}: the file of credentials cannot be read", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{}: has no profile [{profile}]; AWS_PROFILE names another one", path.display())]
    Profile { path: PathBuf, profile: String },
    #[error("{}: profile [{profile}] has no {name}", path.display())]
    Missing { path: PathBuf, profile: String, name: &'static str },
}

impl CredentialsFile {
    /// Reads the profile's credentials.
    pub(super) fn read(&self) -> Result<AwsCredential, CredentialsFileError> {
        let path = || self.path.clone();
        let text = std::fs::read_to_string(&self.path)
            .map_err(|source| CredentialsFileError::Read { path: path(), source })?;
        let settings = profile(&text, &self.profile)
            .ok_or_else(|| CredentialsFileError::Profile { path: path(), profile: self.profile.clone() })?;
        let find = |name: &str| settings.iter().find(|(found, _)| *found == name).map(|(_, value)| (*value).to_owned());
        let need = |name: &'static str| {
            let missing = || CredentialsFileError::Missing { path: path(), profile: self.profile.clone(), name };
            find(name).filter(|value| !value.is_empty()).ok_or_else(missing)
        };
        let (key_id, secret_key) = (need("aws_access_key_id")?, need("aws_secret_access_key")?);
        Ok(AwsCredential { key_id, secret_key, token: find("aws_session_token") })
    }
}

/// Returns the settings of the section `[name]`, or `None` where there is no such section.
fn profile<'a>(text: &'a str, name: &str) -> Option<Vec<(&'a str, &'a str)>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
    let is_heading = |line: &&str| line.starts_with('[');
    let is_wanted =
        |line: &str| line.strip_prefix('[').and_then(|line| line.strip_suffix(']')).map(str::trim) == Some(name);
    let mut rest = lines.skip_while(|line| !is_wanted(line));
    rest.next()?;
    let settings = rest.take_while(|line| !is_heading(line)).filter_map(|line| line.split_once('='));
    Some(settings.map(|(name, value)| (name.trim(), value.trim())).collect())
}

#[async_trait]
impl CredentialProvider for CredentialsFile {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let read = self.read().map(Arc::new);
        read.map_err(|error| object_store::Error::Generic { store: "S3", source: Box::new(error) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# of two accounts\n[other]\naws_access_key_id=x\n\n[ default ]\naws_access_key_id = key\n\
                        aws_secret_access_key = hidden=/+\n; the last\n[empty]\n";

    fn file(folder: &tempfile::TempDir, profile: &str) -> CredentialsFile {
        let path = folder.path().join("credentials");
        std::fs::write(&path, TEXT).unwrap();
        CredentialsFile { path, profile: profile.into() }
    }

    #[test]
    fn a_profile_is_read_as_awss_own_programs_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let read = file(&folder, "default").read().unwrap();
        assert_eq!((read.key_id.as_str(), read.secret_key.as_str(), read.token), ("key", "hidden=/+", None));
    }

    #[tokio::test]
    async fn what_is_wrong_is_named_and_what_is_in_the_file_is_not_told() {
        let folder = tempfile::tempdir().unwrap();
        for (profile, said) in [
            ("absent", "no profile [absent]"),
            ("other", "[other] has no aws_secret_access_key"),
            ("empty", "[empty] has no aws_access_key_id"),
        ] {
            let error = file(&folder, profile).read().unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(text.contains(said) && !text.contains("hidden"), "{text}");
        }
        let absent = CredentialsFile { path: folder.path().join("none"), profile: "default".into() };
        assert!(absent.get_credential().await.unwrap_err().to_string().contains("none: the file of credentials"));
    }
}
