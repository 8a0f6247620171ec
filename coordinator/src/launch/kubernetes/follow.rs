//! A Job → its end, with everything on the way said once: how far it is, which pods fail and why, what keeps others waiting.
//!
//! Asks the cluster; what the answers mean is decided in [`crate::watch`].

use std::collections::BTreeSet;
use std::pin::Pin;
use std::time::{Duration, Instant};

use futures::stream::{BoxStream, FuturesUnordered};
use futures::{Stream, StreamExt};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::ListParams;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, watcher};
use strata_shared::exit::Classify;
use strata_shared::telemetry::{LogLine, PROGRESS};

use super::cluster::Cluster;
use super::error::ClusterError;
use super::logs;
use super::silence::{Reaction, Silence};
use crate::display::{self, Display};
use crate::watch::{JobView, Notice, PodView, Tracker, Warning};

/// How often a Job says how far it is.
const TELLING: Duration = Duration::from_secs(1);

/// How often events are asked for while pods wait.
const ASKING: u32 = 10;

/// How long the last lines of a log may take after the Job has ended.
const LAST_LINES: Duration = Duration::from_secs(3);

/// The last lines of a failing pod's log that are shown.
const TAIL: i64 = 8;

/// Events that are read at once.
const MAX_EVENTS: u32 = 500;

/// Which lines of pods' logs are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLines {
    /// The last ones of pods that fail.
    OfFailedPods,
    /// All of the running pod, which is a worker.
    Progress,
    /// All of the running pod, which is a coordinator: its data goes to stdout here too.
    Everything,
}

/// Follows one Job.
pub struct Follower<'a> {
    /// Where.
    pub cluster: &'a Cluster,
    /// Its name.
    pub job: &'a str,
    /// What its bar is called.
    pub stage: &'a str,
    /// The container that does the work.
    pub container: &'a str,
    /// What is shown of logs.
    pub log: LogLines,
    /// Names the work of an index.
    pub subject: &'a (dyn Fn(usize) -> String + Sync),
    /// Where all of it goes.
    pub display: &'a Display,
}

type Changes<K> = BoxStream<'static, watcher::Result<watcher::Event<K>>>;
type Reading<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// What a follower has heard so far.
#[derive(Default)]
struct Heard {
    tracker: Tracker,
    /// Whether the Job is in the list that is under way, or was in the last one.
    is_job_listed: bool,
    /// The pods in the list that is under way.
    listed: BTreeSet<String>,
    /// The pods of the list before.
    known: BTreeSet<String>,
    /// Pods whose logs are followed.
    read: BTreeSet<String>,
    silence: Silence,
    told: Option<(Option<(u64, u64)>, String)>,
    ticks: u32,
}

impl Follower<'_> {
    /// Follows the Job until it has ended, however it did.
    ///
    /// # Errors
    /// [`ClusterError::Deleted`], a refusal, or an API server that is gone for too long.
    pub async fn follow(&self) -> Result<Tracker, ClusterError> {
        let (mut jobs, mut pods) = (self.jobs(), self.pods());
        let mut heard = Heard::default();
        let mut readings: FuturesUnordered<Reading<'_>> = FuturesUnordered::new();
        let mut ticks = tokio::time::interval(TELLING);
        while heard.tracker.job().end.is_none() {
            tokio::select! {
                Some(change) = jobs.next() => self.hear_job(change, &mut heard)?,
                Some(change) = pods.next() => self.hear_pod(change, &mut heard).await?,
                Some(()) = readings.next() => {}
                _ = ticks.tick() => self.look_around(&mut heard).await,
            }
            readings.extend(self.reading(&mut heard));
        }
        self.tell(&mut heard);
        self.settle(&mut heard).await;
        readings.extend(self.reading(&mut heard));
        let rest = async { while readings.next().await.is_some() {} };
        let _ = tokio::time::timeout(LAST_LINES, rest).await;
        Ok(heard.tracker)
    }

    fn jobs(&self) -> Changes<Job> {
        changes(watcher(
            self.cluster.api::<Job>(),
            watcher::Config::default().fields(&format!("metadata.name={}", self.job)),
        ))
    }

    fn pods(&self) -> Changes<Pod> {
        let config = watcher::Config::default().labels(&self.selector());
        // Of a hundred thousand pods most have succeeded, and nothing is to be said of them.
        let is_one = self.log == LogLines::Everything;
        let config = if is_one { config } else { config.fields("status.phase!=Succeeded") };
        changes(watcher(self.cluster.api::<Pod>(), config))
    }

    fn selector(&self) -> String {
        format!("batch.kubernetes.io/job-name={}", self.job)
    }

    fn hear_job(&self, change: watcher::Result<watcher::Event<Job>>, heard: &mut Heard) -> Result<(), ClusterError> {
        let deleted = || Err(ClusterError::Deleted { job: self.job.to_owned() });
        match change {
            Ok(watcher::Event::Apply(job) | watcher::Event::InitApply(job)) => {
                heard.silence.end();
                heard.is_job_listed = true;
                let (view, before) = (JobView::of(&job), heard.tracker.job());
                if !before.uid.is_empty() && before.uid != view.uid {
                    return deleted();
                }
                heard.tracker.see_job(view).iter().for_each(say);
                Ok(())
            }
            Ok(watcher::Event::Delete(_)) => deleted(),
            Ok(watcher::Event::Init) => {
                heard.is_job_listed = false;
                Ok(())
            }
            // Listed anew, and not there: it was deleted while nobody looked.
            Ok(watcher::Event::InitDone) if !heard.is_job_listed => deleted(),
            Ok(watcher::Event::InitDone) => Ok(()),
            Err(error) => self.hear_silence(&format!("Job {}", self.job), error, heard),
        }
    }

    async fn hear_pod(
        &self,
        change: watcher::Result<watcher::Event<Pod>>,
        heard: &mut Heard,
    ) -> Result<(), ClusterError> {
        match change {
            Ok(watcher::Event::Apply(pod)) => self.see_pod(&pod, heard).await,
            Ok(watcher::Event::InitApply(pod)) => {
                heard.listed.extend(pod.metadata.name.clone());
                self.see_pod(&pod, heard).await;
            }
            Ok(watcher::Event::Delete(pod)) => heard.tracker.lose_pod(&pod.metadata.name.unwrap_or_default()),
            Ok(watcher::Event::Init) => heard.listed.clear(),
            Ok(watcher::Event::InitDone) => heard.forget_lost_pods(),
            Err(error) => return self.hear_silence(&format!("Pods of {}", self.job), error, heard),
        }
        Ok(())
    }

    async fn see_pod(&self, pod: &Pod, heard: &mut Heard) {
        heard.silence.end();
        for notice in heard.tracker.see_pod(PodView::of(pod), self.subject) {
            say(&notice);
            // What is followed was shown already.
            let explained = notice.log_of.filter(|pod| !heard.read.contains(pod));
            if let Some(pod) = explained {
                let lines = logs::tail(self.cluster, &pod, self.container, TAIL).await;
                lines.iter().for_each(|line| tracing::warn!("  {pod} | {}", message(line)));
            }
        }
    }

    /// Takes a watch that broke off: it is begun again by itself, unless it is refused, or for too long.
    fn hear_silence(&self, object: &str, error: watcher::Error, heard: &mut Heard) -> Result<(), ClusterError> {
        let error = match error {
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error) => error,
            watcher::Error::WatchError(status) => kube::Error::Api(status),
            watcher::Error::NoResourceVersion => return Ok(()),
        };
        let error = self.cluster.failed(object, "watched", error);
        if !error.is_transient() {
            return Err(error);
        }
        match heard.silence.fail(Instant::now()) {
            Reaction::Wait => {}
            Reaction::Tell => tracing::warn!("{error}; trying again, while what runs in the cluster goes on"),
            Reaction::GiveUp => return Err(error),
        }
        Ok(())
    }

    /// Says how far the Job is, and asks now and then why pods wait.
    async fn look_around(&self, heard: &mut Heard) {
        self.tell(heard);
        heard.ticks += 1;
        if !heard.ticks.is_multiple_of(ASKING) || !heard.tracker.is_waiting() {
            return;
        }
        let events = self.cluster.api::<Event>();
        let parameters = ListParams::default().fields("type=Warning").limit(MAX_EVENTS);
        match tokio::time::timeout(LAST_LINES, events.list(&parameters)).await {
            Ok(Ok(list)) => {
                let warnings = list.items.iter().filter_map(|event| Warning::of(event, self.job));
                warnings.filter_map(|warning| heard.tracker.see_warning(&warning)).for_each(|notice| say(&notice));
            }
            // They only explain: the work goes on without them.
            Ok(Err(error)) => tracing::debug!("events cannot be listed: {error}"),
            Err(_) => {}
        }
    }

    /// Says how far the Job is, where that has changed and is counted.
    fn tell(&self, heard: &mut Heard) {
        let job = heard.tracker.job();
        let now = (job.documents(), job.summary());
        if self.log != LogLines::OfFailedPods || job.uid.is_empty() || heard.told.as_ref() == Some(&now) {
            return;
        }
        let (done, total) = now.0.unwrap_or((job.done as u64, job.num_tasks as u64));
        let unit = if now.0.is_some() { "documents" } else { "indices" };
        tracing::info!(target: PROGRESS, stage = self.stage, done, total, unit, "{}", now.1);
        heard.told = Some(now);
    }

    /// Begins to read the log of a pod that runs, unless it is read.
    fn reading(&self, heard: &mut Heard) -> Option<Reading<'_>> {
        if self.log == LogLines::OfFailedPods {
            return None;
        }
        let pod = heard.tracker.readable_pods().find(|pod| !heard.read.contains(*pod))?.to_owned();
        heard.read.insert(pod.clone());
        Some(Box::pin(async move {
            logs::follow(self.cluster, &pod, self.container, |line, is_old| self.show(&pod, line, is_old)).await;
        }))
    }

    /// Shows a line of a pod's log; how far it was before anybody looked is of no interest.
    fn show(&self, pod: &str, line: &str, is_old: bool) {
        let parsed = match self.log {
            LogLines::Everything => serde_json::from_str(line).ok(),
            _ => LogLine::parse(line),
        };
        match parsed {
            Some(parsed) if is_old && parsed.target == PROGRESS => {}
            Some(parsed) => self.display.show(pod, &parsed),
            None if self.log == LogLines::Everything => display::pass_on(line),
            None => tracing::info!("{pod} | {line}"),
        }
    }

    /// Hears of pods that ended just before their Job did.
    async fn settle(&self, heard: &mut Heard) {
        let pods = self.cluster.api::<Pod>();
        let parameters = ListParams::default().labels(&self.selector()).limit(MAX_EVENTS);
        let is_one = self.log == LogLines::Everything;
        let parameters = if is_one { parameters } else { parameters.fields("status.phase=Failed") };
        if let Ok(failed) =
            self.cluster.ask(&format!("Pods of {}", self.job), "listed", || pods.list(&parameters)).await
        {
            for pod in &failed.items {
                self.see_pod(pod, heard).await;
            }
        }
    }
}

impl Heard {
    /// Forgets pods that the list before had and this one has not.
    fn forget_lost_pods(&mut self) {
        let listed = std::mem::take(&mut self.listed);
        self.known.difference(&listed).for_each(|name| self.tracker.lose_pod(name));
        self.known = listed;
    }
}

/// Watches, again after a while whenever that breaks off.
fn changes<K: Send + 'static>(
    watch: impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send + 'static,
) -> Changes<K> {
    watch.default_backoff().boxed()
}

fn say(notice: &Notice) {
    if notice.is_warning {
        tracing::warn!("{}", notice.text);
    } else {
        tracing::info!("{}", notice.text);
    }
}

/// Returns what a line of a worker's log says.
fn message(line: &str) -> String {
    LogLine::parse(line)
        .map_or_else(|| line.to_owned(), |line| format!("{}: {}", line.level.to_lowercase(), line.message))
}
