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

/// The same for one that ended by itself: as a rule its container has ended too, which is told a moment later.
const MOMENT: Duration = Duration::from_millis(300);

/// How often a log of a container that has ended may break off without a new line before it is left alone.
const MAX_SILENCES: u32 = 5;

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

/// Gives each line of `container`'s log to `take`; whether the line is from before this began is told with it. Returns whether all of
/// them were read.
///
/// A log that breaks off is gone on with where it did. That it ends by itself says nothing yet: it does so too where a kubelet or an API
/// server is started anew. What is read after the container was seen to have ended is the end.
pub(super) async fn follow(cluster: &Cluster, pod: &str, container: &str, mut take: impl FnMut(&str, bool)) -> bool {
    let mut place = Place::default();
    for line in stamped(cluster, pod, &LogParams { timestamps: true, ..of(container) }).await {
        place.pass(&line).into_iter().for_each(|line| take(line, true));
    }
    let (mut silences, mut is_ended) = (0, false);
    loop {
        let state = look(cluster, pod, container).await;
        if state == State::Gone {
            return is_ended;
        }
        let parameters = LogParams { timestamps: true, follow: true, since_time: place.since(), ..of(container) };
        let before = place.clone();
        is_ended =
            read(cluster, pod, &parameters, |line| place.pass(line).into_iter().for_each(|line| take(line, false)))
                .await;
        silences = if place == before { silences + 1 } else { 0 };
        if state == State::Ended && (is_ended || silences >= MAX_SILENCES) {
            return is_ended;
        }
        tokio::time::sleep(if is_ended { MOMENT } else { PAUSE }).await;
    }
}

/// What is known of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It runs, or there is no telling.
    Running,
    /// It has ended, and its log can be read.
    Ended,
    /// Its pod is no more.
    Gone,
}

async fn look(cluster: &Cluster, pod: &str, container: &str) -> State {
    let pods = cluster.api::<Pod>();
    match tokio::time::timeout(PATIENCE, pods.get_opt(pod)).await {
        Ok(Ok(pod)) => state(pod.as_ref(), container),
        _ => State::Running,
    }
}

fn state(pod: Option<&Pod>, container: &str) -> State {
    let Some(pod) = pod else { return State::Gone };
    let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    let mut states = statuses.filter(|status| status.name == container).filter_map(|status| status.state.as_ref());
    if states.any(|state| state.terminated.is_some()) { State::Ended } else { State::Running }
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
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::launch::kubernetes::fake;

    fn pod(state: &str) -> String {
        format!(
            r#"{{"metadata":{{"name":"p"}},"status":{{"containerStatuses":[{{"name":"strata","image":"","imageID":"","ready":false,"restartCount":0,"state":{state}}}]}}}}"#
        )
    }

    /// Reads the log of a pod that has ended once its log was followed for the `ends_after`th time.
    async fn followed(ends_after: usize, logs: &'static [&'static str]) -> (Vec<String>, bool) {
        let num_read = AtomicUsize::new(0);
        let cluster = fake::cluster(move |path| {
            let read = num_read.load(Ordering::Relaxed);
            if !path.contains("/log") {
                let ended = read >= ends_after;
                return (200, pod(if ended { r#"{"terminated":{"exitCode":0}}"# } else { r#"{"running":{}}"# }));
            }
            if !path.contains("follow=true") {
                return (200, String::new());
            }
            num_read.fetch_add(1, Ordering::Relaxed);
            logs.get(read).map_or((500, String::new()), |log| (200, (*log).to_owned()))
        });
        let mut lines = Vec::new();
        let is_whole = follow(&cluster.await, "p", "strata", |line, _| lines.push(line.to_owned())).await;
        (lines, is_whole)
    }

    #[tokio::test]
    async fn a_log_whose_stream_ends_while_its_container_runs_is_gone_on_with() {
        let logs = &["2026-11-23T02:00:00Z one\n", "2026-11-23T02:00:00Z one\n2026-11-23T02:00:01Z two\n", ""];
        assert_eq!(followed(2, logs).await, (vec!["one".into(), "two".into()], true));
    }

    #[tokio::test]
    async fn a_log_that_goes_with_its_pod_is_as_whole_as_it_was() {
        let is_whole = |logs: &'static [&'static str]| async move {
            let num_read = AtomicUsize::new(0);
            let cluster = fake::cluster(move |path| match (path.contains("follow=true"), path.contains("/log")) {
                (true, _) => {
                    let log = logs.get(num_read.fetch_add(1, Ordering::Relaxed));
                    log.map_or((500, String::new()), |log| (200, (*log).to_owned()))
                }
                (false, true) => (200, String::new()),
                (false, false) if num_read.load(Ordering::Relaxed) == 0 => (200, pod(r#"{"running":{}}"#)),
                (false, false) => (404, r#"{"kind":"Status","code":404,"reason":"NotFound"}"#.into()),
            });
            follow(&cluster.await, "p", "strata", |_, _| {}).await
        };
        assert!(is_whole(&["2026-11-23T02:00:00Z one\n"]).await);
        assert!(!is_whole(&[]).await);
    }

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
