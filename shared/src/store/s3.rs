//! `AWS_*` variables → a bucket on an S3-compatible endpoint.
//!
//! Invariant: a variable that cannot be what it should be is refused by its name before any request is made; the value of
//! a secret is never told.

use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use url::Url;

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
const CREDENTIALS: [&str; 5] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_SKIP_SIGNATURE",
];

/// What the environment says about S3.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Settings {
    endpoint: Option<String>,
    timeout: Duration,
}

impl Settings {
    /// Reads the variables, each by its name.
    ///
    /// # Errors
    /// What is wrong with which variable, and what was expected.
    pub(super) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let endpoint = ENDPOINTS.iter().find_map(|name| Some((*name, variable(name)?)));
        if let Some((name, endpoint)) = &endpoint {
            check_endpoint(name, endpoint)?;
        }
        if let Some(name) = HEADERS.iter().find(|name| variable(name).is_some_and(|value| !fits_a_header(&value))) {
            return Err(format!("{name} has blanks or line breaks in it, expected none"));
        }
        // AWS's instances alone have a metadata service that gives credentials. Elsewhere asking for it takes long and
        // ends in a message about an address that nobody has given.
        let is_foreign = endpoint.as_ref().is_some_and(|(_, endpoint)| !endpoint.contains("amazonaws.com"));
        if is_foreign && CREDENTIALS.iter().all(|name| variable(name).is_none()) {
            return Err("no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or \
                        AWS_SKIP_SIGNATURE=true for a public bucket"
                .into());
        }
        Ok(Self { endpoint: endpoint.map(|(_, endpoint)| endpoint), timeout: timeout(variable(TIMEOUT))? })
    }

    /// Opens `bucket`, with whatever else the environment's `AWS_*` variables say.
    ///
    /// # Errors
    /// What the backend says.
    pub(super) fn open(self, bucket: &str) -> object_store::Result<AmazonS3> {
        let Self { endpoint, timeout } = self;
        let options = ClientOptions::new()
            .with_allow_http(endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://")))
            .with_timeout(timeout)
            .with_connect_timeout(CONNECT_TIMEOUT.min(timeout));
        let retry_timeout = 2 * timeout;
        let retry = RetryConfig { backoff: BackoffConfig::default(), max_retries: MAX_RETRIES, retry_timeout };
        let mut builder = AmazonS3Builder::from_env();
        if let Some(endpoint) = endpoint {
            builder = builder.with_config(AmazonS3ConfigKey::Endpoint, endpoint);
        }
        builder.with_client_options(options).with_retry(retry).with_bucket_name(bucket).build()
    }
}

fn check_endpoint(name: &str, endpoint: &str) -> Result<(), String> {
    let parsed = Url::parse(endpoint).ok();
    let fits = parsed.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if fits { Ok(()) } else { Err(format!("{name} is {endpoint:?}, expected a URL such as http://127.0.0.1:9000")) }
}

fn fits_a_header(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_graphic())
}

fn timeout(given: Option<String>) -> Result<Duration, String> {
    let Some(given) = given else { return Ok(REQUEST_TIMEOUT) };
    let seconds = given.parse().ok().filter(|&seconds| seconds > 0).map(Duration::from_secs);
    seconds.ok_or_else(|| format!("{TIMEOUT} is {given:?}, expected whole seconds from 1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: (&str, &str) = ("AWS_ACCESS_KEY_ID", "key");

    fn read(variables: &[(&str, &str)]) -> Result<Settings, String> {
        let value = |name: &str| variables.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned());
        Settings::read(value)
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
    fn a_time_limit_is_a_number_of_seconds() {
        assert_eq!(read(&[(TIMEOUT, "3")]).unwrap().timeout, Duration::from_secs(3));
        for limit in ["0", "60s", "", "-1"] {
            assert!(read(&[(TIMEOUT, limit)]).unwrap_err().starts_with(TIMEOUT), "{limit}");
        }
    }
}
