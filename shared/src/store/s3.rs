//! `AWS_*` variables → a bucket on an S3-compatible endpoint.
//!
//! Invariant: a variable that cannot be what it should be is refused by its name before any request is made; the value of
//! a secret is never told.

mod credentials_file;
#[cfg(test)]
mod secrets;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use url::Url;

use crate::exit::{Exit, Failure};

use credentials_file::CredentialsFile;
pub(super) use credentials_file::CredentialsFileError;

/// The variable that sets how long one request may take, in seconds.
const TIMEOUT: &str = "STRATA_STORE_TIMEOUT";

/// How long one request may take where nobody says.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);

/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How often a request is tried again within a program; launchers retry beyond that.
const MAX_RETRIES: usize = 4;

/// The variables that name an endpoint, the first one that is set winning.
const ENDPOINTS: [&str; 3] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];

/// The variables that travel in the headers of requests.
const HEADERS: [&str; 5] =
    ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"];

/// What tells where credentials are.
const CREDENTIALS: [&str; 6] = [
    "AWS_ACCESS_KEY_ID",
    WEB_IDENTITY,
    SHARED_FILE,
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_SKIP_SIGNATURE",
];

/// The variable that names the file with a pod's identity, as EKS and its like write it.
const WEB_IDENTITY: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";

/// The variable that names a file of credentials.
const SHARED_FILE: &str = "AWS_SHARED_CREDENTIALS_FILE";

/// Variables that mean nothing without another one, and whether the first names a file.
const PAIRS: [(&str, &str, bool); 3] = [
    (WEB_IDENTITY, "AWS_ROLE_ARN", true),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", true),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", false),
];

/// Variables by their names; some are secrets.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Variables(BTreeMap<String, String>);

impl Variables {
    /// Returns those of the environment that concern a store.
    pub(super) fn of_environment() -> Self {
        let concerns = |name: &str| name.starts_with("AWS_") || name == TIMEOUT;
        let text = |(name, value): (OsString, OsString)| name.into_string().ok().zip(value.into_string().ok());
        Self(std::env::vars_os().filter_map(text).filter(|(name, _)| concerns(name)).collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl std::fmt::Debug for Variables {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

/// What the environment says about S3.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Settings {
    variables: Variables,
    endpoint: Option<String>,
    timeout: Duration,
    file: Option<CredentialsFile>,
}

impl Settings {
    /// Reads the variables, each by its name.
    ///
    /// # Errors
    /// What is wrong with which variable, and what was expected.
    pub(super) fn read(variables: Variables) -> Result<Self, String> {
        let endpoint = ENDPOINTS.iter().find_map(|name| Some((*name, variables.get(name)?)));
        if let Some((name, endpoint)) = endpoint {
            check_endpoint(name, endpoint)?;
        }
        if let Some(name) = HEADERS.iter().find(|name| variables.get(name).is_some_and(|value| !fits_a_header(value))) {
            return Err(format!("{name} has blanks or line breaks in it, expected none"));
        }
        let file = credentials_file(&variables);
        check_credentials(&variables, file.as_ref(), endpoint.map(|(_, endpoint)| endpoint))?;
        let (endpoint, timeout) = (endpoint.map(|(_, endpoint)| endpoint.to_owned()), timeout(variables.get(TIMEOUT))?);
        Ok(Self { variables, endpoint, timeout, file })
    }

    /// Opens `bucket`, with whatever else the `AWS_*` variables say.
    ///
    /// # Errors
    /// What the backend says.
    pub(super) fn open(self, bucket: &str) -> object_store::Result<AmazonS3> {
        let Self { variables, endpoint, timeout, file } = self;
        let options = ClientOptions::new()
            .with_allow_http(endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://")))
            .with_timeout(timeout)
            .with_connect_timeout(CONNECT_TIMEOUT.min(timeout));
        let retry_timeout = 2 * timeout;
        let retry = RetryConfig { backoff: BackoffConfig::default(), max_retries: MAX_RETRIES, retry_timeout };
        let mut builder = variables.0.into_iter().fold(AmazonS3Builder::new(), |builder, (name, value)| {
            // Variables that mean something to AWS's own programs alone are passed over.
            match name.to_ascii_lowercase().parse() {
                Ok(key) => builder.with_config(key, value),
                Err(_) => builder,
            }
        });
        if let Some(endpoint) = endpoint {
            builder = builder.with_config(AmazonS3ConfigKey::Endpoint, endpoint);
        }
        if let Some(file) = file {
            builder = builder.with_credentials(Arc::new(file));
        }
        builder.with_client_options(options).with_retry(retry).with_bucket_name(bucket).build()
    }
}

/// Returns the file of credentials that is named, unless there are others that go before it, as AWS orders them.
fn credentials_file(variables: &Variables) -> Option<CredentialsFile> {
    let path = variables.get(SHARED_FILE)?.into();
    if ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", WEB_IDENTITY].iter().any(|name| variables.get(name).is_some()) {
        return None;
    }
    Some(CredentialsFile { path, profile: variables.get("AWS_PROFILE").unwrap_or("default").to_owned() })
}

/// Refuses credentials that are half there: without this, they would be passed over, and those of AWS's instances be
/// asked for.
fn check_credentials(
    variables: &Variables,
    file: Option<&CredentialsFile>,
    endpoint: Option<&str>,
) -> Result<(), String> {
    for (name, other, is_file) in PAIRS {
        let Some(value) = variables.get(name) else { continue };
        if variables.get(other).is_none() {
            return Err(format!("{name} is set and {other} is not, expected both"));
        }
        if is_file && let Err(error) = std::fs::File::open(value) {
            return Err(format!("{name}: {value} cannot be read: {error}"));
        }
    }
    if let Some(Err(error)) = file.map(CredentialsFile::read) {
        return Err(format!("{SHARED_FILE}: {}", Failure::new(Exit::Configuration, error)));
    }
    // AWS's instances alone have a metadata service that gives credentials. Elsewhere asking for it takes long and
    // ends in a message about an address that nobody has given.
    let is_foreign = endpoint.is_some_and(|endpoint| !endpoint.contains("amazonaws.com"));
    if is_foreign && CREDENTIALS.iter().all(|name| variables.get(name).is_none()) {
        return Err("no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a file by \
                    AWS_SHARED_CREDENTIALS_FILE, or AWS_SKIP_SIGNATURE=true for a public bucket"
            .into());
    }
    Ok(())
}

fn check_endpoint(name: &str, endpoint: &str) -> Result<(), String> {
    let parsed = Url::parse(endpoint).ok();
    let fits = parsed.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if endpoint.contains('@') {
        return Err(format!("{name} has credentials in it, expected none; give them in the other AWS_* variables"));
    }
    if fits { Ok(()) } else { Err(format!("{name} is {endpoint:?}, expected a URL such as http://127.0.0.1:9000")) }
}

fn fits_a_header(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_graphic())
}

fn timeout(given: Option<&str>) -> Result<Duration, String> {
    let Some(given) = given else { return Ok(REQUEST_TIMEOUT) };
    let seconds = given.parse().ok().filter(|&seconds| seconds > 0).map(Duration::from_secs);
    seconds.ok_or_else(|| format!("{TIMEOUT} is {given:?}, expected whole seconds from 1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: (&str, &str) = ("AWS_ACCESS_KEY_ID", "key");

    fn read(variables: &[(&str, &str)]) -> Result<Settings, String> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::read(Variables(variables.collect()))
    }

    #[test]
    fn an_endpoint_that_is_no_url_is_refused_by_the_name_of_its_variable() {
        for endpoint in ["banana", "127.0.0.1:9000", "", "http://", "http://a b:9", "http://127.0.0.1:99999", "ftp://a"]
        {
            let refused = read(&[KEY, ("AWS_ENDPOINT_URL", endpoint)]).unwrap_err();
            assert!(refused.starts_with("AWS_ENDPOINT_URL is "), "{refused}");
        }
        let settings = read(&[KEY, ("AWS_ENDPOINT", "http://b:1"), ("AWS_ENDPOINT_URL_S3", "http://a:1")]).unwrap();
        assert_eq!(settings.endpoint.as_deref(), Some("http://a:1"));
    }

    #[test]
    fn a_secret_with_a_line_break_is_refused_without_being_told() {
        let refused = read(&[KEY, ("AWS_SECRET_ACCESS_KEY", "hidden\n")]).unwrap_err();
        assert!(refused.starts_with("AWS_SECRET_ACCESS_KEY") && !refused.contains("hidden"), "{refused}");
    }

    #[test]
    fn an_endpoint_outside_aws_wants_credentials() {
        let elsewhere = ("AWS_ENDPOINT_URL", "http://127.0.0.1:9000");
        assert!(read(&[elsewhere]).unwrap_err().starts_with("no credentials were found"));
        assert!(read(&[elsewhere, KEY]).is_ok());
        assert!(read(&[elsewhere, ("AWS_SKIP_SIGNATURE", "true")]).is_ok());
        assert!(read(&[("AWS_ENDPOINT_URL", "https://s3.eu-west-1.amazonaws.com")]).is_ok());
        assert!(read(&[]).is_ok());
    }

    #[test]
    fn an_endpoint_with_credentials_in_it_is_refused_without_being_told() {
        for endpoint in ["http://user:hidden@127.0.0.1:9000", "htp:/user:hidden@host"] {
            let refused = read(&[KEY, ("AWS_ENDPOINT_URL", endpoint)]).unwrap_err();
            assert!(refused.starts_with("AWS_ENDPOINT_URL") && !refused.contains("hidden"), "{refused}");
        }
    }

    #[test]
    fn an_identity_that_is_half_there_is_refused_by_the_name_of_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let (present, absent) = (folder.path().join("token"), folder.path().join("absent"));
        std::fs::write(&present, "hidden").unwrap();
        let [present, absent] = [&present, &absent].map(|path| path.to_str().unwrap());
        let role = ("AWS_ROLE_ARN", "arn:aws:iam::1:role/strata");
        let uri = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials");
        for (variables, named) in [
            (vec![(WEB_IDENTITY, present)], "AWS_ROLE_ARN"),
            (vec![(WEB_IDENTITY, absent), role], absent),
            (vec![uri], "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
            (vec![uri, ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", absent)], absent),
            (vec![(SHARED_FILE, absent)], absent),
            (vec![(SHARED_FILE, present)], "no profile [default]"),
        ] {
            let refused = read(&variables).unwrap_err();
            assert!(refused.contains(named) && !refused.contains("hidden"), "{refused}");
        }
        assert!(read(&[(WEB_IDENTITY, present), role]).is_ok());
        assert!(read(&[uri, ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", present)]).is_ok());
    }

    #[test]
    fn a_file_of_credentials_is_one_where_no_key_is_set_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials");
        std::fs::write(&path, "[work]\naws_access_key_id = a\naws_secret_access_key = b\n").unwrap();
        let (file, profile) = ((SHARED_FILE, path.to_str().unwrap()), ("AWS_PROFILE", "work"));
        let elsewhere = ("AWS_ENDPOINT_URL", "http://127.0.0.1:9000");
        assert_eq!(read(&[file, profile, elsewhere]).unwrap().file.unwrap().profile, "work");
        assert_eq!(read(&[file, profile, elsewhere, KEY]).unwrap().file, None);
    }

    #[test]
    fn a_time_limit_is_a_number_of_seconds() {
        assert_eq!(read(&[(TIMEOUT, "3")]).unwrap().timeout, Duration::from_secs(3));
        for limit in ["0", "60s", "", "-1"] {
            assert!(read(&[(TIMEOUT, limit)]).unwrap_err().starts_with(TIMEOUT), "{limit}");
        }
    }
}
