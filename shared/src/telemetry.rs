//! What a program says while it works → stderr: plain lines for people, JSON lines for programs.
//!
//! Progress is an event like any other, under the target [`PROGRESS`]: a coordinator reads it from a worker's JSON
//! lines and draws it. Data never comes here; it goes to stdout.

mod json;

use std::io::IsTerminal;
use std::str::FromStr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::metrics;
use crate::settings::SettingError;

pub use json::timestamp;

use json::JsonLines;

/// The variable that names the pod which this program runs in.
const POD: &str = "POD_NAME";

/// The target of progress events.
pub const PROGRESS: &str = "strata::progress";

/// How often one stage may report progress.
const INTERVAL: Duration = Duration::from_millis(200);

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One line for people.
    Plain,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// Returns JSON where stderr is no terminal, plain lines where it is one.
    #[must_use]
    pub fn for_worker() -> Self {
        if std::io::stderr().is_terminal() { Self::Plain } else { Self::Json }
    }

    /// Returns the word that flags use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Json => "json",
        }
    }
}

impl FromStr for LogFormat {
    type Err = SettingError;
    fn from_str(word: &str) -> Result<Self, SettingError> {
        match word {
            "plain" => Ok(Self::Plain),
            "json" => Ok(Self::Json),
            _ => Err(SettingError { name: "--log-format", found: word.into(), expected: "plain or json" }),
        }
    }
}

/// Sends every event of this process to stderr; `STRATA_LOG` filters as `RUST_LOG` does (default `info`).
pub fn init(format: LogFormat) {
    let filter = EnvFilter::try_from_env("STRATA_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    // A second call, as tests make, leaves the first in force.
    let _ = match format {
        LogFormat::Json => registry.with(layer.json().event_format(JsonLines { pod: pod() })).try_init(),
        LogFormat::Plain => {
            let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            registry.with(layer.with_target(false).with_ansi(colour).compact()).try_init()
        }
    };
}

/// Returns the name of the pod that this program runs in, where it runs in one.
#[must_use]
pub fn pod() -> Option<String> {
    std::env::var(POD).ok().filter(|name| !name.is_empty())
}

/// One line of a worker's JSON log, as a coordinator reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When it was said: RFC 3339, in UTC.
    pub timestamp: Option<String>,
    /// `INFO`, `WARN`, `ERROR` and so on.
    pub level: String,
    /// The module, or [`PROGRESS`].
    pub target: String,
    /// What is said.
    #[serde(default)]
    pub message: String,
    /// The stage, where this is progress.
    pub stage: Option<String>,
    /// Units done, where this is progress.
    pub done: Option<u64>,
    /// Units in all, where this is progress.
    pub total: Option<u64>,
    /// The unit, where this is progress.
    pub unit: Option<String>,
    /// The run that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The key of the raw shard that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<String>,
    /// The pod that says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
}

impl LogLine {
    /// Parses one line of a worker's log; `None` for a line that is not one.
    ///
    /// Fields that have no place of their own are appended to the message, as ` name=value`.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).ok()?;
        let text = |name: &str| fields.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
        let number = |name: &str| fields.get(name).and_then(serde_json::Value::as_u64);
        let target = text("target")?;
        let is_progress = target == PROGRESS;
        let own = ["timestamp", "level", "target", "message", "run", "shard", "pod"];
        let others = fields.iter().filter(|(name, _)| !is_progress && !own.contains(&name.as_str()));
        let others =
            others.map(|(name, value)| format!(" {name}={}", value.as_str().map_or(value.to_string(), str::to_owned)));
        Some(Self {
            timestamp: text("timestamp"),
            run: text("run"),
            shard: text("shard"),
            pod: text("pod"),
            level: text("level")?,
            target,
            message: text("message").unwrap_or_default() + &others.collect::<String>(),
            stage: text("stage").filter(|_| is_progress),
            done: number("done").filter(|_| is_progress),
            total: number("total").filter(|_| is_progress),
            unit: text("unit").filter(|_| is_progress),
        })
    }
}

/// The progress of one stage; cheap to advance from any thread.
#[derive(Debug)]
pub struct Progress {
    stage: &'static str,
    unit: &'static str,
    total: u64,
    state: Mutex<(u64, Option<Instant>)>,
}

impl Progress {
    /// Announces a stage of `total` units.
    #[must_use]
    pub fn start(stage: &'static str, unit: &'static str, total: u64) -> Self {
        let progress = Self { stage, unit, total, state: Mutex::new((0, None)) };
        progress.advance(0);
        progress
    }

    /// Counts `units` as done, and says so unless it did a moment ago.
    pub fn advance(&self, units: u64) {
        if self.unit == "documents" {
            metrics::documents(self.stage, units);
        }
        let Ok(mut state) = self.state.lock() else { return };
        state.0 += units;
        let due = state.1.is_none_or(|last| last.elapsed() >= INTERVAL);
        if due || state.0 == self.total {
            state.1 = Some(Instant::now());
            tracing::info!(
                target: PROGRESS, stage = self.stage, done = state.0, total = self.total, unit = self.unit, "progress"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_progress_line_is_read_back() {
        let line = r#"{"timestamp":"t","level":"INFO","message":"progress","stage":"embed","done":5,"total":9,"unit":"documents","target":"strata::progress"}"#;
        let parsed = LogLine::parse(line).expect("a log line");
        assert_eq!((parsed.target.as_str(), parsed.done, parsed.total), (PROGRESS, Some(5), Some(9)));
        assert_eq!(LogLine::parse("thread main panicked"), None);
    }

    #[test]
    fn fields_without_a_place_of_their_own_join_the_message() {
        let line =
            r#"{"level":"INFO","message":"stage is done","stage":"labels","seconds":"2.5","target":"strata_reduce"}"#;
        let parsed = LogLine::parse(line).expect("a log line");
        assert_eq!(parsed.message, "stage is done seconds=2.5 stage=labels");
    }
}
