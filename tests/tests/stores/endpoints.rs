//! What is wrong with an endpoint, a bucket or credentials → a message, an exit code, in bounded time, and no secret told.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use strata_tests::binaries;
use strata_tests::process_group::{End, ProcessGroup};
use strata_tests::s3_server::{self, Credentials, S3Server};

/// Retries within a program included, with `STRATA_STORE_TIMEOUT` at one second; a busy machine adds to it.
const BOUND: Duration = Duration::from_secs(30);

type Environment = Vec<(&'static str, String)>;

/// Every program that opens a store, asked for something that reads or writes it.
fn programs(url: &str) -> Vec<Command> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    let command = |program: &str, arguments: &[&str]| {
        let mut command = binaries::command(program).unwrap();
        command.args(arguments).args(["--store", url]);
        command
    };
    vec![
        command("strata", &["status"]),
        command("strata", &["shard", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]),
        command("strata", &["report"]),
        command("strata", &["reduce"]),
        command("map-worker", &["--model", folder, "--task-index", "0", "--task-count", "1"]),
        command("reduce-worker", &["--run", "a-run"]),
    ]
}

/// Runs every program against the store at `url` and returns their ends; whatever happens, no secret may be in their words.
fn fail(url: &str, environment: &Environment, secret: &str) -> Vec<(String, End)> {
    let mut ends = Vec::new();
    for mut command in programs(url) {
        let asked = format!("{command:?}");
        // All that the libraries beneath have to say is said, too.
        command.envs(environment.clone()).env("STRATA_STORE_TIMEOUT", "1").env("STRATA_LOG", "trace");
        let started = Instant::now();
        let end = ProcessGroup::start(command).unwrap().wait(2 * BOUND).unwrap();
        assert!(started.elapsed() < BOUND, "{asked} took {:?}:\n{}", started.elapsed(), end.output);
        assert!(!end.output.contains(secret), "{asked} tells the secret:\n{}", end.output);
        ends.push((asked, end));
    }
    ends
}

fn expect(ends: &[(String, End)], code: i32, word: &str) {
    for (asked, end) in ends {
        assert_eq!(end.code(), Some(code), "{asked}:\n{}", end.output);
        assert!(end.output.contains(word), "{asked} does not say {word:?}:\n{}", end.output);
    }
}

fn at(address: SocketAddr) -> (Environment, Credentials) {
    let credentials = Credentials::random();
    (s3_server::environment(address, &credentials), credentials)
}

#[test]
fn a_bucket_that_does_not_exist_is_a_matter_of_configuration() {
    let server = S3Server::start().unwrap();
    let ends = fail("s3://no-such-bucket/prefix", &server.environment(), &server.credentials().secret_key);
    expect(&ends, 2, "bucket");
}

#[test]
fn credentials_that_are_not_known_are_a_matter_of_configuration() {
    let server = S3Server::start().unwrap();
    let known = server.credentials();
    let stranger = Credentials::random();
    let wrong_secret = Credentials { access_key: known.access_key.clone(), ..Credentials::random() };
    for credentials in [stranger, wrong_secret] {
        let ends = fail(&s3_server::url("prefix"), &server.environment_for(&credentials), &credentials.secret_key);
        expect(&ends, 2, "credentials");
    }
}

#[test]
fn an_endpoint_that_nobody_listens_at_may_be_mended_by_a_retry() {
    let (environment, credentials) = at(s3_server::closed_port().unwrap());
    expect(&fail(&s3_server::url("prefix"), &environment, &credentials.secret_key), 1, s3_server::BUCKET);
}

#[test]
fn an_endpoint_that_never_answers_is_given_up_in_bounded_time() {
    // The system accepts connections to it, and that is all that ever happens.
    let silent = s3_server::listen().unwrap();
    let (environment, credentials) = at(silent.local_addr().unwrap());
    expect(&fail(&s3_server::url("prefix"), &environment, &credentials.secret_key), 1, s3_server::BUCKET);
}

#[test]
fn credentials_in_a_url_are_refused_and_not_told() {
    let (environment, credentials) = at(s3_server::closed_port().unwrap());
    let Credentials { access_key, secret_key } = &credentials;
    let url = format!("s3://{access_key}:{secret_key}@{}/prefix", s3_server::BUCKET);
    expect(&fail(&url, &environment, secret_key), 2, "credentials");
}

#[test]
fn the_settings_in_force_tell_no_secret() {
    let (environment, credentials) = at(s3_server::closed_port().unwrap());
    let url = format!("s3://key:{}@{}/prefix", credentials.secret_key, s3_server::BUCKET);
    let mut command = binaries::command("strata").unwrap();
    command.arg("config").env("STRATA_STORE", url).envs(environment);
    let end = ProcessGroup::start(command).unwrap().wait(BOUND).unwrap();
    assert!(!end.output.contains(&credentials.secret_key), "{}", end.output);
}
