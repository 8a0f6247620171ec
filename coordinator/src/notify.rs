//! A finished run → the command or URL that wants to know what it changed.
//!
//! Invariant: a run is told at least once, and hardly ever twice: what was told is put into the run's folder once it was taken,
//! and a command that finds a finished run without that tells it. A URL may have a token in it: it is shown by its host alone.

use std::convert::Infallible;
use std::process::{ExitStatus, Stdio};
use std::str::FromStr;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use serde::Serialize;
use serde_json::Value;
use strata_shared::exit::{Classify, Exit, Failure};
use strata_shared::layout::{self, RunName, run_file};
use strata_shared::run_record::RunRecord;
use strata_shared::store::Store;
use tokio::io::AsyncWriteExt;
use url::Url;

use crate::{ancestry, report};

/// How long a command may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(300);

/// How long a server may take to answer.
const SERVER_LIMIT: Duration = Duration::from_secs(30);

/// Who wants to know.
#[derive(Clone, PartialEq, Eq)]
pub enum Hook {
    /// A command for the shell, which gets the notification on its standard input.
    Command(String),
    /// Where the notification is posted to.
    Url(Url),
}

impl FromStr for Hook {
    type Err = Infallible;

    fn from_str(given: &str) -> Result<Self, Infallible> {
        let url = Url::parse(given).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        Ok(url.map_or_else(|| Self::Command(given.to_owned()), Self::Url))
    }
}

impl std::fmt::Display for Hook {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // Its arguments may be secret.
            Self::Command(command) => formatter.write_str(command.split_whitespace().next().unwrap_or_default()),
            Self::Url(url) => write!(formatter, "{}://{}/...", url.scheme(), url.host_str().unwrap_or_default()),
        }
    }
}

impl std::fmt::Debug for Hook {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Hook({self})")
    }
}

/// Nobody took a notification. The run is finished all the same.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The shell cannot be started.
    #[error("--notify {hook}: sh cannot be started; where there is no shell, notify a URL")]
    Start {
        /// The hook.
        hook: Hook,
        /// What the system says.
        source: std::io::Error,
    },
    /// The command did not end well.
    #[error("--notify {hook}: found {status}, expected exit code 0; {AGAIN}")]
    Failed {
        /// The hook.
        hook: Hook,
        /// How it ended.
        status: ExitStatus,
    },
    /// The command goes on and on.
    #[error("--notify {hook}: goes on after {} s and was ended; {AGAIN}", COMMAND_LIMIT.as_secs())]
    Late {
        /// The hook.
        hook: Hook,
    },
    /// The server did not answer.
    #[error("--notify {hook}: no answer; {AGAIN}")]
    Unreachable {
        /// The hook.
        hook: Hook,
        /// Why, without the URL.
        source: reqwest::Error,
    },
    /// The server did not take it.
    #[error("--notify {hook}: answered {status}, expected success; {AGAIN}")]
    Refused {
        /// The hook.
        hook: Hook,
        /// Its answer.
        status: StatusCode,
    },
}

const AGAIN: &str = "the run is finished, and the same command again notifies of it";

impl Classify for NotifyError {
    fn exit(&self) -> Exit {
        match self {
            Self::Start { .. } => Exit::Configuration,
            Self::Refused { status, .. } if !is_passing(*status) => Exit::Configuration,
            _ => Exit::Retry,
        }
    }
}

/// Tells whether a server may answer otherwise later.
fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
}

/// One line of JSON.
#[derive(Serialize)]
struct Notification<'a> {
    store: &'a str,
    run: &'a str,
    generation: u64,
    page: String,
    text: String,
    /// What `strata report --since` prints as JSON; null where the run follows none.
    changes: Option<Value>,
}

/// Tells `hook` of a finished run, unless it was told before.
///
/// # Errors
/// [`NotifyError`] where nobody took it, and those of reading what changed.
pub async fn tell(hook: &Hook, store: &Store, record: &RunRecord) -> Result<(), Failure> {
    let told = layout::in_run(&RunName::new(&record.run)?, run_file::NOTIFIED);
    if store.head(&told).await?.is_some() {
        return Ok(());
    }
    let notification = compose(store, record).await?;
    match hook {
        Hook::Command(command) => pipe(hook, command, &notification).await?,
        Hook::Url(url) => post(hook, url, &notification).await?,
    }
    tracing::info!(run = %record.run, %hook, "was notified");
    Ok(store.put(&told, notification).await?)
}

async fn compose(store: &Store, record: &RunRecord) -> Result<Vec<u8>, Failure> {
    let data = |error| Failure::new(Exit::Data, error);
    let changes = ancestry::changes(store, record, None).await?;
    let page = format!("{}/runs/{}/{}", store.url(), record.run, run_file::REPORT);
    let notification = Notification {
        store: store.url(),
        run: &record.run,
        generation: record.generation,
        text: format!("{}\n{page}", report::summary(record, changes.as_ref())),
        page,
        changes: match &changes {
            Some(changes) => {
                let json = report::changes_json(changes).map_err(data)?;
                Some(serde_json::from_str(&json).map_err(data)?)
            }
            None => None,
        },
    };
    let mut json = serde_json::to_vec(&notification).map_err(data)?;
    json.push(b'\n');
    Ok(json)
}

async fn pipe(hook: &Hook, command: &str, notification: &[u8]) -> Result<(), NotifyError> {
    let start = |source| NotifyError::Start { hook: hook.clone(), source };
    // What it prints is no data of ours.
    let mut shell = tokio::process::Command::new("sh");
    shell.args(["-c", command]).stdin(Stdio::piped()).stdout(std::io::stderr()).kill_on_drop(true);
    let mut child = shell.spawn().map_err(start)?;
    let stdin = child.stdin.take();
    let work = async {
        if let Some(mut stdin) = stdin {
            // A command that does not want to know it all, such as `mail </dev/null`, is no failure.
            let _ = stdin.write_all(notification).await;
        }
        child.wait().await
    };
    let ended = tokio::time::timeout(COMMAND_LIMIT, work).await;
    let status = ended.map_err(|_| NotifyError::Late { hook: hook.clone() })?.map_err(start)?;
    if status.success() { Ok(()) } else { Err(NotifyError::Failed { hook: hook.clone(), status }) }
}

async fn post(hook: &Hook, url: &Url, notification: &[u8]) -> Result<(), NotifyError> {
    let unreachable =
        |source: reqwest::Error| NotifyError::Unreachable { hook: hook.clone(), source: source.without_url() };
    let client =
        reqwest::Client::builder().timeout(SERVER_LIMIT).redirect(Policy::none()).build().map_err(unreachable)?;
    let request = client.post(url.clone()).header(CONTENT_TYPE, "application/json").body(notification.to_vec());
    let status = request.send().await.map_err(unreachable)?.status();
    if status.is_success() { Ok(()) } else { Err(NotifyError::Refused { hook: hook.clone(), status }) }
}

#[cfg(test)]
mod tests;
