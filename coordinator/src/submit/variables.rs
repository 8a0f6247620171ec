//! `--env NAME=VALUE` and URLs → what pods may be told in the open. Pure.
//!
//! Manifests are read by many: what looks like a secret is refused here, and belongs in a Secret.

use std::collections::BTreeMap;

use url::Url;

use crate::launch::kubernetes::ClusterError;

/// Variables that are taken from this program's own environment, since every tool of S3 knows them.
const INHERITED: [&str; 2] = ["AWS_ENDPOINT_URL", "AWS_REGION"];

/// What names of secrets have in them.
const SECRET: [&str; 11] = [
    "SECRET",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "CREDENTIAL",
    "ACCESS_KEY",
    "API_KEY",
    "CUSTOMER_KEY",
    "ENCRYPTION_KEY",
    "PRIVATE_KEY",
    // A hook's URL may have a token in it.
    "STRATA_NOTIFY",
];

/// What names of secrets end with: in the middle it is what is counted or where it is from (`TOKEN_BUDGET`, `TOKEN_URL`).
const SECRET_END: [&str; 2] = ["TOKEN", "TOKEN_BASE64"];

/// What names of files end with, which pods have or have not: a name of a secret's file is none.
const FILE: [&str; 3] = ["_FILE", "_PATH", "_DIR"];

/// Returns the variables that all pods get: those in `given`, and of `own`, this program's, the two that may be inherited.
///
/// # Errors
/// [`ClusterError::Usage`] for what is no variable, or looks like a secret.
pub fn variables(
    given: &[String],
    own: impl Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, String>, ClusterError> {
    let inherited = INHERITED.iter().filter_map(|name| Some(((*name).to_owned(), own(name)?)));
    let mut variables: BTreeMap<String, String> = inherited.filter(|(_, value)| !value.is_empty()).collect();
    for word in given {
        let (name, value) = split(word)?;
        variables.insert(name.to_owned(), value.to_owned());
    }
    variables.iter().try_for_each(|(name, value)| check(name, value))?;
    Ok(variables)
}

fn split(word: &str) -> Result<(&str, &str), ClusterError> {
    let (name, value) = word.split_once('=').unwrap_or((word, ""));
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
    if is_name && word.contains('=') {
        return Ok((name, value));
    }
    // What was given may be a secret: only its name is shown.
    Err(ClusterError::Usage(format!("--env {name}: found no variable, expected NAME=VALUE")))
}

fn check(name: &str, value: &str) -> Result<(), ClusterError> {
    if is_secret(&name.to_ascii_uppercase()) {
        return Err(ClusterError::Usage(format!(
            "--env {name}: looks like a secret, which all who may read manifests would see; put it in the Secret that --credentials names"
        )));
    }
    if value.contains("://") { check_url(&format!("--env {name}"), value) } else { Ok(()) }
}

fn is_secret(upper: &str) -> bool {
    let ends = |words: &[&str]| words.iter().any(|word| upper.ends_with(word));
    !ends(&FILE) && (SECRET.iter().any(|word| upper.contains(word)) || ends(&SECRET_END))
}

/// Refuses a URL that pods cannot open, or that has a secret in it.
///
/// # Errors
/// [`ClusterError::Usage`] naming `flag`.
pub fn check_url(flag: &str, url: &str) -> Result<(), ClusterError> {
    let refuse = |reason: &str| Err(ClusterError::Usage(format!("{flag}: {reason}")));
    match Url::parse(url) {
        Ok(parsed) if !parsed.username().is_empty() || parsed.password().is_some() || parsed.query().is_some() => {
            refuse(
                "has credentials or a query in it, which all who may read manifests would see; put credentials in the Secret that --credentials names",
            )
        }
        Ok(parsed) if parsed.scheme() == "file" => {
            refuse("is a file of this machine, expected a URL that pods can open")
        }
        Ok(parsed) if parsed.has_host() => Ok(()),
        _ => refuse("is not the URL of an object or store that pods can open, such as s3://bucket/key"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(words: &[&str]) -> Result<BTreeMap<String, String>, ClusterError> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        variables(&words, |name| (name == "AWS_REGION").then(|| "eu-central-1".into()))
    }

    #[test]
    fn what_is_given_beats_what_is_inherited() {
        assert_eq!(given(&[]).unwrap()["AWS_REGION"], "eu-central-1");
        assert_eq!(given(&["AWS_REGION=x", "STRATA_LOG=debug"]).unwrap()["AWS_REGION"], "x");
    }

    #[test]
    fn what_looks_like_a_secret_is_refused_without_being_shown() {
        for word in [
            "AWS_SECRET_ACCESS_KEY=hush",
            "AWS_SSE_CUSTOMER_KEY_BASE64=hush",
            "my_password=hush",
            "AWS_SESSION_TOKEN=hush",
            "A=http://u:hush@h/",
            "hush",
        ] {
            let error = given(&[word]).expect_err(word).to_string();
            assert!(word == "hush" || !error.contains("hush"), "{error}");
        }
    }

    #[test]
    fn what_only_sounds_like_a_secret_is_a_setting() {
        for word in [
            "STRATA_TOKEN_BUDGET=16384",
            "AWS_WEB_IDENTITY_TOKEN_FILE=/var/run/token",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=/var/run/token",
            "AWS_SHARED_CREDENTIALS_FILE=/etc/aws/credentials",
            "AWS_SERVER_SIDE_ENCRYPTION=aws:kms",
        ] {
            assert!(given(&[word]).is_ok(), "{word}");
        }
    }

    #[test]
    fn pods_are_given_urls_only_and_none_with_credentials() {
        assert!(check_url("--store", "s3://bucket/prefix/").is_ok());
        for url in
            ["/data/corpus", "corpus", "file:///data", "s3://key:secret@bucket/x", "https://h/x?X-Amz-Signature=1"]
        {
            let error = check_url("--store", url).expect_err(url).to_string();
            assert!(!error.contains("secret@") && error.starts_with("--store"), "{error}");
        }
    }
}
