//! Events → what a person sees on stderr: bars on a terminal, plain lines elsewhere, JSON where asked for.
//!
//! The only place that draws progress. Several workers of one stage make one bar.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};
use strata_shared::telemetry::{LogFormat, LogLine, PROGRESS};

use crate::report::visible;

/// How often a stage says how far it is where there is no terminal.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

/// How events are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Renderer {
    Bars,
    Plain,
    Json,
}

/// Everything that a command has to say while it works.
#[derive(Debug)]
pub struct Display {
    renderer: Renderer,
    stages: Mutex<BTreeMap<String, Stage>>,
}

/// How far one worker is.
#[derive(Debug, Clone, Copy)]
struct Amount<'a> {
    done: u64,
    total: u64,
    unit: &'a str,
    /// What else it has to say.
    details: &'a str,
}

/// Returns what an event of progress says beside its numbers.
fn details(message: &str) -> &str {
    if message == "progress" { "" } else { message }
}

#[derive(Debug)]
struct Stage {
    /// Units done and in all, by worker.
    workers: BTreeMap<String, (u64, u64)>,
    bar: Option<ProgressBar>,
    /// Units that were done when the stage was first heard of: it may have begun long before.
    before: u64,
    started: Instant,
    last_line: Option<Instant>,
    /// The total at which the stage was said to be done; another worker's share makes it grow.
    ended_at: Option<u64>,
}

impl Stage {
    fn begin(bar: Option<ProgressBar>, before: u64) -> Self {
        Self { workers: BTreeMap::new(), bar, before, started: Instant::now(), last_line: None, ended_at: None }
    }

    /// Tells whether a plain line is due: the first one, one now and then, and the last one, once for each total.
    fn is_due(&mut self, done: u64, total: u64) -> bool {
        let ends = done >= total && done > 0;
        let due = self.last_line.is_none_or(|last| last.elapsed() >= PLAIN_INTERVAL) || ends;
        if !due || self.ended_at == Some(total) {
            return false;
        }
        self.ended_at = ends.then_some(total);
        self.last_line = Some(Instant::now());
        true
    }

    fn sums(&self) -> (u64, u64) {
        self.workers.values().fold((0, 0), |(done, total), worker| (done + worker.0, total + worker.1))
    }
}

impl Display {
    /// Shows events as `format` says; bars only where stderr is a terminal.
    #[must_use]
    pub fn new(format: LogFormat) -> Self {
        let renderer = match format {
            LogFormat::Json => Renderer::Json,
            LogFormat::Plain if std::io::stderr().is_terminal() => Renderer::Bars,
            LogFormat::Plain => Renderer::Plain,
        };
        Self { renderer, stages: Mutex::new(BTreeMap::new()) }
    }

    /// Shows one event of `worker`.
    pub fn show(&self, worker: &str, line: &LogLine) {
        match (self.renderer, &line.stage, line.done, line.total) {
            (Renderer::Json, ..) => self.json(worker, line),
            (_, Some(stage), Some(done), Some(total)) if line.target == PROGRESS => {
                let unit = line.unit.as_deref().unwrap_or("units");
                self.progress(worker, stage, Amount { done, total, unit, details: details(&line.message) });
            }
            _ if line.level == "INFO" => self.line(&line.message),
            _ => self.line(&format!("{}: {}", line.level.to_lowercase(), line.message)),
        }
    }

    /// Shows one line above the bars, its hidden characters as symbols: messages carry text from the corpus.
    fn line(&self, text: &str) {
        let text = visible::plain(text);
        let stages = self.lock();
        match stages.values().find_map(|stage| stage.bar.as_ref()) {
            Some(bar) => bar.suspend(|| say(&text)),
            None => say(&text),
        }
    }

    fn json(&self, worker: &str, line: &LogLine) {
        let text = json(worker, line);
        let _guard = self.lock();
        say(&text);
    }

    fn progress(&self, worker: &str, name: &str, amount: Amount<'_>) {
        let Amount { done, total, unit, details } = amount;
        let mut stages = self.lock();
        let bars = self.renderer == Renderer::Bars;
        let stage = stages.entry(name.to_owned()).or_insert_with(|| Stage::begin(bars.then(|| bar(name, unit)), done));
        stage.workers.insert(worker.to_owned(), (done, total));
        let (done, total) = stage.sums();
        if let Some(bar) = &stage.bar {
            if bar.is_finished() && done < total {
                bar.reset();
            }
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(visible::plain(details).into_owned());
            if done == total {
                bar.abandon();
            }
        } else if stage.is_due(done, total) {
            let amount = Amount { done, total, unit, details };
            say(&visible::plain(&plain(name, amount, stage.before, stage.started.elapsed())));
        }
    }

    /// Leaves the bars as they stand.
    pub fn finish(&self) {
        self.lock().values().filter_map(|stage| stage.bar.as_ref()).for_each(ProgressBar::abandon);
    }

    /// Returns how much of a stage is done, of how much.
    #[cfg(test)]
    pub(crate) fn sums(&self, stage: &str) -> Option<(u64, u64)> {
        self.lock().get(stage).map(Stage::sums)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Stage>> {
        self.stages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes a line to stderr; where nobody reads it any more, the work goes on without.
pub(crate) fn say(line: &str) {
    // One write, so that lines of several programs do not mix.
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Writes a line of data to stdout; a reader that has gone away, as `head` does, is no failure.
pub(crate) fn pass_on(line: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{}", visible::plain(line)).and_then(|()| stdout.flush());
}

/// Encodes one event of `worker` as an object on one line.
fn json(worker: &str, line: &LogLine) -> String {
    let mut object = serde_json::json!(line);
    object["program"] = worker.into();
    visible::json(&object.to_string())
}

fn bar(name: &str, unit: &str) -> ProgressBar {
    let template = if unit == "bytes" {
        "{prefix:>8} {bar:30} {bytes:>11} of {total_bytes:11} {bytes_per_sec:>13}  {eta} left"
    } else {
        "{prefix:>8} {bar:30} {human_pos:>11} of {human_len:11} {per_sec:>13}  {eta} left  {msg}"
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_prefix(name.to_owned()).with_style(style)
}

/// Says how far a stage is that had done `before` units when it was first heard of, `elapsed` ago.
fn plain(name: &str, amount_of: Amount<'_>, before: u64, elapsed: Duration) -> String {
    let Amount { done, total, unit, details } = amount_of;
    let rate = done.saturating_sub(before) as f64 / elapsed.as_secs_f64().max(1e-3);
    let (so_far, all) = (amount(done, unit), amount(total, unit));
    let begun = so_far.strip_suffix(unit).unwrap_or(&so_far).trim_end();
    let speed = if unit == "bytes" { HumanBytes(rate as u64).to_string() } else { format!("{rate:.0}") };
    if total == 0 {
        return format!("{name}: {so_far}");
    }
    let left = if rate > 0.0 { total.saturating_sub(done) as f64 / rate } else { 0.0 };
    let percent = 100.0 * done as f64 / total as f64;
    let details = if details.is_empty() { String::new() } else { format!("; {details}") };
    if done == 0 {
        format!("{name}: {all} to go{details}")
    } else if done >= total {
        format!("{name}: {so_far} in {:.1} s ({speed} a second){details}", elapsed.as_secs_f64())
    } else {
        format!("{name}: {begun} of {all} ({percent:.0} %), {speed} a second, {left:.0} s left{details}")
    }
}

fn amount(number: u64, unit: &str) -> String {
    if unit == "bytes" { HumanBytes(number).to_string() } else { format!("{} {unit}", HumanCount(number)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_lines_say_how_far_and_how_long() {
        let amount = |done, total, unit| Amount { done, total, unit, details: "" };
        let line = plain("embed", amount(5_000, 20_000, "documents"), 0, Duration::from_secs(50));
        assert_eq!(line, "embed: 5,000 of 20,000 documents (25 %), 100 a second, 150 s left");
        assert_eq!(plain("shard", amount(3 << 20, 0, "bytes"), 0, Duration::from_secs(1)), "shard: 3.00 MiB");
        let line = plain("shard", amount(3 << 20, 3 << 20, "bytes"), 0, Duration::from_secs(2));
        assert_eq!(line, "shard: 3.00 MiB in 2.0 s (1.50 MiB a second)");
    }

    #[test]
    fn a_stage_that_is_joined_half_way_is_as_fast_as_it_was_seen_to_be() {
        let amount = Amount { done: 600, total: 1_000, unit: "documents", details: "6 of 10 indices, 4 running" };
        let line = plain("map", amount, 500, Duration::from_secs(10));
        assert_eq!(line, "map: 600 of 1,000 documents (60 %), 10 a second, 40 s left; 6 of 10 indices, 4 running");
    }

    #[test]
    fn escapes_and_overrides_in_json_messages_are_written_out() {
        let message = "a\u{1b}[2Jb\u{9b}c\u{202e}d";
        let line =
            LogLine { level: "INFO".into(), target: "strata".into(), message: message.into(), ..LogLine::default() };
        let text = json("map-worker-0", &line);
        assert!(text.contains(r"a\u001b[2Jb\u009bc\u202ed"), "{text}");
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((read["message"].as_str(), read["program"].as_str()), (Some(message), Some("map-worker-0")));
    }

    #[test]
    fn a_stage_whose_total_grows_has_not_ended() {
        let mut stage = Stage::begin(None, 0);
        assert!(stage.is_due(0, 50), "the beginning");
        assert!(stage.is_due(50, 50), "the end of the one worker that was heard");
        assert!(!stage.is_due(50, 50), "the same end again");
        assert!(!stage.is_due(50, 120), "too soon after the last line");
        assert!(stage.is_due(120, 120), "the end of both");
    }
}
