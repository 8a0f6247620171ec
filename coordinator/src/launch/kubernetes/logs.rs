//! A pod → the lines of its log: its last ones, or all of them as they come.
//!
//! A log is read through the node's kubelet, which may be gone for a while: what cannot be read is no failure of the work.

use chrono::{DateTime, FixedOffset};
use futures::{AsyncBufReadExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::LogParams;
use std::time::Duration;

use super::cluster::Cluster;

/// How long the last lines of a log may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long to wait before a log that broke off is asked for again.
const PAUSE: Duration = Duration::from_secs(2);

/// How often a log may break off without a new line before it is left alone.
const MAX_SILENCES: u32 = 30;

/// Returns the last `number` lines of `container`'s log, none where it cannot be read.
pub(super) async fn tail(cluster: &Cluster, pod: &str, container: &str, number: i64) -> Vec<String> {
    let parameters = LogParams { tail_lines: Some(number), ..of(container) };
    let pods = cluster.api::<Pod>();
    match tokio::time::timeout(PATIENCE, pods.logs(pod, &parameters)).await {
        Ok(Ok(text)) => text.lines().map(str::to_owned).collect(),
        Ok(Err(error)) => {
            tracing::debug!("{pod}: its log cannot be read: {error}");
            Vec::new()
        }
        Err(_) => Vec::new(),
    }
}

/// Gives each line of `container`'s log to `take`, until the container has ended; whether the line is from before this began is
/// told with it. A log that breaks off is gone on with where it did.
pub(super) async fn follow(cluster: &Cluster, pod: &str, container: &str, mut take: impl FnMut(&str, bool)) {
    let mut place = Place::default();
    for line in stamped(cluster, pod, &LogParams { timestamps: true, ..of(container) }).await {
        place.pass(&line).into_iter().for_each(|line| take(line, true));
    }
    let mut silences = 0;
    while silences < MAX_SILENCES {
        let parameters = LogParams { timestamps: true, follow: true, since_time: place.since(), ..of(container) };
        let before = place.clone();
        if read(cluster, pod, &parameters, |line| place.pass(line).into_iter().for_each(|line| take(line, false))).await
        {
            return;
        }
        silences = if place == before { silences + 1 } else { 0 };
        tokio::time::sleep(PAUSE).await;
    }
}

fn of(container: &str) -> LogParams {
    LogParams { container: Some(container.to_owned()), ..LogParams::default() }
}

async fn stamped(cluster: &Cluster, pod: &str, parameters: &LogParams) -> Vec<String> {
    let pods = cluster.api::<Pod>();
    let text = tokio::time::timeout(PATIENCE, pods.logs(pod, parameters)).await;
    text.ok().and_then(Result::ok).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Reads a log until it ends, and tells whether it ended by itself.
async fn read(cluster: &Cluster, pod: &str, parameters: &LogParams, mut take: impl FnMut(&str)) -> bool {
    let pods = cluster.api::<Pod>();
    let Ok(stream) = pods.log_stream(pod, parameters).await else { return false };
    let mut lines = stream.lines();
    loop {
        match lines.try_next().await {
            Ok(Some(line)) => take(&line),
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

/// How far a log was read, by the clock of the node that stamps its lines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Place(Option<DateTime<FixedOffset>>);

impl Place {
    /// Returns what a stamped line says, unless it was read before.
    fn pass<'a>(&mut self, stamped: &'a str) -> Option<&'a str> {
        let (stamp, line) = stamped.split_once(' ').unwrap_or((stamped, ""));
        let Ok(stamp) = DateTime::parse_from_rfc3339(stamp) else { return Some(stamped) };
        if self.0.is_some_and(|read| stamp <= read) {
            return None;
        }
        self.0 = Some(stamp);
        Some(line)
    }

    /// Returns it as the API takes it: in whole seconds, so that lines of the same second come again.
    fn since(&self) -> Option<k8s_openapi::jiff::Timestamp> {
        k8s_openapi::jiff::Timestamp::from_second(self.0?.timestamp()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_is_asked_for_again_gives_each_line_once() {
        let mut place = Place::default();
        assert_eq!(place.pass("2026-11-23T02:00:00.5Z one line"), Some("one line"));
        assert_eq!(place.pass("2026-11-23T02:00:00.500000001Z next"), Some("next"));
        assert_eq!(place.pass("2026-11-23T02:00:00.5Z one line"), None);
        assert_eq!(place.pass("2026-11-23T02:00:01Z"), Some(""));
        assert_eq!(place.pass("no stamp at all"), Some("no stamp at all"));
        assert_eq!(place.since().map(|since| since.to_string()).as_deref(), Some("2026-11-23T02:00:01Z"));
    }
}
