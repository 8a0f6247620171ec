//! A finished run → the command or URL that wants to know what it changed.
//!
//! Invariant: a run is told at least once, and hardly ever twice: what was told is put into the run's folder once it was taken,
//! and a command that finds a finished run without that tells it. Runs that nobody took are told together with the next. A URL may
//! have a token in it: it is shown by its host alone.

use std::os::unix::process::CommandExt;
use std::process::{ExitStatus, Stdio};
use std::str::FromStr;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use rustix::process::{Pid, Signal, kill_process_group};
use serde::Serialize;
use serde_json::Value;
use strata_shared::exit::{Classify, Exit, Failure};
use strata_shared::layout::{self, RunName, run_file};
use strata_shared::run_record::RunRecord;
use strata_shared::store::Store;
use tokio::io::AsyncWriteExt;
use url::Url;

use crate::ancestry;
use crate::report::{self, Changes};

/// How long a command may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(300);

/// How long a server may take to answer.
const SERVER_LIMIT: Duration = Duration::from_secs(30);

/// Who wants to know.
#[derive(Clone, PartialEq, Eq)]
pub enum Hook {
    /// Nobody: a setting that is there and empty.
    Nobody,
    /// A command for the shell, which gets the notification on its standard input.
    Command(String),
    /// Where the notification is posted to.
    Url(Url),
}

/// What nobody can be told by.
#[derive(Debug, thiserror::Error)]
#[error("expected a command for the shell, or a URL that begins with http:// or https://")]
pub struct NoHook;

impl FromStr for Hook {
    type Err = NoHook;

    /// Reads a URL, or a command; neither is shown where it is neither, as a token may be in it.
    fn from_str(given: &str) -> Result<Self, NoHook> {
        let Some(first) = given.split_whitespace().next() else { return Ok(Self::Nobody) };
        let is_url = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
        match Url::parse(given).ok().filter(is_url) {
            Some(url) => Ok(Self::Url(url)),
            None if first.contains("://") => Err(NoHook),
            None => Ok(Self::Command(given.to_owned())),
        }
    }
}

impl std::fmt::Display for Hook {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nobody => formatter.write_str("(nobody)"),
            // Its words may be secret, the first too: `TOKEN=… tell.sh`.
            Self::Command(_) => formatter.write_str("(a command)"),
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
            // What the shell says of a command that is not there, or no program.
            Self::Failed { status, .. } if matches!(status.code(), Some(126 | 127)) => Exit::Configuration,
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
    /// What `strata report --since` prints as JSON but for the topics' histories; null where the run follows none.
    changes: Option<Value>,
}

/// Tells `hook` of a finished run, unless it was told before.
///
/// # Errors
/// [`NotifyError`] where nobody took it, and those of reading what changed.
pub async fn tell(hook: &Hook, store: &Store, record: &RunRecord) -> Result<(), Failure> {
    if *hook == Hook::Nobody {
        return Ok(());
    }
    let told = layout::in_run(&RunName::new(&record.run)?, run_file::NOTIFIED);
    if was_told(store, &record.run).await? {
        return Ok(());
    }
    let (changes, before) = untold(store, record).await?;
    let notification = compose(store, record, changes.as_ref())?;
    match hook {
        Hook::Nobody => return Ok(()),
        // A compaction is no news to those who were told what was found before it.
        _ if before == Before::WasTold && changes.is_some_and(|changes| changes.is_nothing()) => {
            tracing::info!(run = %record.run, "found what the run before found: nobody is notified");
            return Ok(store.put(&told, notification).await?);
        }
        Hook::Command(command) => pipe(hook, command, &notification).await?,
        Hook::Url(url) => post(hook, url, &notification).await?,
    }
    tracing::info!(run = %record.run, %hook, "was notified");
    Ok(store.put(&told, notification).await?)
}

async fn was_told(store: &Store, run: &str) -> Result<bool, Failure> {
    let told = layout::in_run(&RunName::new(run)?, run_file::NOTIFIED);
    Ok(store.head(&told).await?.is_some())
}

/// Whether anybody knows of the run that another one is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    WasTold,
    WasNot,
}

/// Compares a run with the last one that was told of, so that a month that nobody took is told with the next.
///
/// Where there was none, or it can no longer be compared with, it is compared with the last one that found something else.
async fn untold(store: &Store, record: &RunRecord) -> Result<(Option<Changes>, Before), Failure> {
    let followed = ancestry::followed(store, record).await?;
    for since in &followed {
        if was_told(store, since).await? {
            match ancestry::changes(store, record, Some(since)).await {
                Ok(changes) => return Ok((changes, Before::WasTold)),
                // A table of a run in between is lost, for all that is known; a store that fails fails below as well.
                Err(error) => {
                    tracing::warn!("what changed since {since}, which was told last, cannot be told: {error}");
                    break;
                }
            }
        }
    }
    let mut changes = ancestry::changes(store, record, None).await?;
    for since in followed.iter().skip(1) {
        if !changes.as_ref().is_some_and(Changes::is_nothing) {
            break;
        }
        changes = ancestry::changes(store, record, Some(since)).await?;
    }
    Ok((changes, Before::WasNot))
}

fn compose(store: &Store, record: &RunRecord, changes: Option<&Changes>) -> Result<Vec<u8>, Failure> {
    let data = |error| Failure::new(Exit::Data, error);
    let page = format!("{}/runs/{}/{}", store.url(), record.run, run_file::REPORT);
    let notification = Notification {
        store: store.url(),
        run: &record.run,
        generation: record.generation,
        text: format!("{}\n{page}", report::summary(record, changes)),
        page,
        changes: match changes {
            Some(changes) => Some(without_topics(&report::changes_json(changes).map_err(data)?).map_err(data)?),
            None => None,
        },
    };
    let mut json = serde_json::to_vec(&notification).map_err(data)?;
    json.push(b'\n');
    Ok(json)
}

/// Leaves out every topic's history, which is more than a message bears.
fn without_topics(changes: &str) -> serde_json::Result<Value> {
    let mut changes: Value = serde_json::from_str(changes)?;
    if let Some(changes) = changes.as_object_mut() {
        changes.remove("topics");
    }
    Ok(changes)
}

async fn pipe(hook: &Hook, command: &str, notification: &[u8]) -> Result<(), NotifyError> {
    let start = |source| NotifyError::Start { hook: hook.clone(), source };
    let mut shell = std::process::Command::new("sh");
    // What it prints is no data of ours. It gets a group of its own, so that all of it can be ended.
    shell.args(["-c", command]).stdin(Stdio::piped()).stdout(std::io::stderr()).process_group(0);
    let mut child = tokio::process::Command::from(shell).spawn().map_err(start)?;
    let group = Group(child.id());
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
    group.release();
    if status.success() { Ok(()) } else { Err(NotifyError::Failed { hook: hook.clone(), status }) }
}

/// A command with all that it started, which ends with this value.
struct Group(Option<u32>);

impl Group {
    /// Lets go of what has ended by itself; what a command leaves to run on is its own affair.
    fn release(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0.and_then(|id| Pid::from_raw(id.cast_signed())) {
            // It may have ended just now.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
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
