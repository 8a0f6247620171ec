//! A Job → its end, with everything on the way said once: how far it is, which pods fail and why, what keeps others waiting.
//!
//! Asks the cluster; what the answers mean is decided in [`crate::watch`].

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::stream::{BoxStream, FuturesUnordered};
use futures::{Stream, StreamExt};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::ListParams;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, watcher};
use strata_shared::exit::{Classify, Failure};
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

/// How long the list of events may take.
const EVENTS: Duration = Duration::from_secs(3);

/// How long a log may bring no line after the Job has ended, before the rest of it is left.
const LAST_LINES: Duration = Duration::from_secs(3);

/// The same where the log is what was asked for.
const WANTED_LINES: Duration = Duration::from_secs(15);

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

/// A log that is read: the pod's name, and whether all of it was.
type Reading<'a> = Pin<Box<dyn Future<Output = (String, bool)> + Send + 'a>>;

/// One watch.
#[derive(Debug, Default)]
struct Hearing {
    silence: Silence,
    /// Whether it was ever answered: a refusal after that is nothing that this program was configured to.
    has_heard: bool,
}

impl Hearing {
    /// Takes an answer.
    fn hear(&mut self) {
        self.silence.end();
        self.has_heard = true;
    }
}

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
    /// Lines of logs that were shown.
    num_lines: Arc<AtomicUsize>,
    of_job: Hearing,
    of_pods: Hearing,
    told: Option<(Option<(u64, u64)>, String)>,
    ticks: u32,
}

impl Follower<'_> {
    /// Follows the Job until it has ended, however it did.
    ///
    /// # Errors
    /// [`ClusterError::Deleted`], a refusal from the start, or [`ClusterError::OutOfSight`].
    pub async fn follow(&self) -> Result<Tracker, ClusterError> {
        let (mut jobs, mut pods) = (self.jobs(), self.pods());
        let mut heard = Heard::default();
        let mut readings: FuturesUnordered<Reading<'_>> = FuturesUnordered::new();
        let mut ticks = tokio::time::interval(TELLING);
        while heard.tracker.job().end.is_none() {
            tokio::select! {
                Some(change) = jobs.next() => self.hear_job(change, &mut heard).await?,
                Some(change) = pods.next() => self.hear_pod(change, &mut heard).await?,
                Some(read) = readings.next() => self.settle_reading(&read),
                _ = ticks.tick() => self.look_around(&mut heard).await,
            }
            readings.extend(self.reading(&mut heard));
        }
        self.tell(&mut heard);
        self.settle(&mut heard).await;
        readings.extend(self.reading(&mut heard));
        self.hear_last_lines(&heard, readings).await;
        Ok(heard.tracker)
    }

    /// Reads on while lines come: a log that was asked for may be long, and what is missing of it is never passed over in silence.
    async fn hear_last_lines(&self, heard: &Heard, mut readings: FuturesUnordered<Reading<'_>>) {
        let is_wanted = self.log == LogLines::Everything;
        let patience = if is_wanted { WANTED_LINES } else { LAST_LINES };
        loop {
            let before = heard.num_lines.load(Ordering::Relaxed);
            match tokio::time::timeout(patience, readings.next()).await {
                Ok(Some(read)) => self.settle_reading(&read),
                Ok(None) => break,
                Err(_) if heard.num_lines.load(Ordering::Relaxed) > before => {}
                Err(_) => {
                    self.miss_lines(None);
                    break;
                }
            }
        }
        if is_wanted && heard.read.is_empty() {
            self.miss_lines(None);
        }
    }

    fn settle_reading(&self, (pod, is_whole): &(String, bool)) {
        if !is_whole {
            self.miss_lines(Some(pod));
        }
    }

    /// Says where the lines are that were not read, where all were asked for.
    fn miss_lines(&self, pod: Option<&str>) {
        if self.log == LogLines::Everything {
            let what = pod.map_or_else(|| format!("job/{}", self.job), |pod| format!("pod/{pod}"));
            let namespace = self.cluster.namespace();
            tracing::warn!(
                "the log of {what} could not be read to its end; `kubectl --namespace {namespace} logs {what}` has it as long as the pod is there, and `strata report` the tables"
            );
        }
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

    async fn hear_job(
        &self,
        change: watcher::Result<watcher::Event<Job>>,
        heard: &mut Heard,
    ) -> Result<(), ClusterError> {
        let deleted = || Err(ClusterError::Deleted { job: self.job.to_owned() });
        match change {
            Ok(watcher::Event::Apply(job) | watcher::Event::InitApply(job)) => {
                heard.of_job.hear();
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
            Err(error) => {
                self.hear_silence(&format!("Job {}", self.job), error, &mut heard.of_job, Instant::now()).await
            }
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
            Ok(watcher::Event::InitDone) => {
                heard.of_pods.hear();
                heard.forget_lost_pods();
            }
            Err(error) => {
                let object = format!("Pods of {}", self.job);
                return self.hear_silence(&object, error, &mut heard.of_pods, Instant::now()).await;
            }
        }
        Ok(())
    }

    async fn see_pod(&self, pod: &Pod, heard: &mut Heard) {
        heard.of_pods.hear();
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

    /// Takes a watch that broke off at `now`: it is begun again by itself, unless it is refused from the start. Whoever was heard once
    /// is waited for, refused or not, as while logins are renewed and roles replaced: the Job goes on meanwhile.
    async fn hear_silence(
        &self,
        object: &str,
        error: watcher::Error,
        hearing: &mut Hearing,
        now: Instant,
    ) -> Result<(), ClusterError> {
        let error = match error {
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error) => error,
            watcher::Error::WatchError(status) => kube::Error::Api(status),
            watcher::Error::NoResourceVersion => return Ok(()),
        };
        let error = self.cluster.failed(object, "watched", error);
        if !error.is_transient() && !hearing.has_heard {
            return Err(error);
        }
        match hearing.silence.fail(now) {
            Reaction::Wait => {}
            Reaction::Tell => {
                tracing::warn!("{}; trying again, while what runs in the cluster goes on", Failure::from(error));
            }
            Reaction::Ask => self.look_for_the_job(hearing).await?,
        }
        Ok(())
    }

    /// Asks for the Job outright before it is given up: watches that break off again and again may have nothing to tell.
    async fn look_for_the_job(&self, hearing: &mut Hearing) -> Result<(), ClusterError> {
        let jobs = self.cluster.api::<Job>();
        match self.cluster.ask(&format!("Job {}", self.job), "read", || jobs.get_opt(self.job)).await {
            Ok(_) => {
                hearing.silence.end();
                Ok(())
            }
            Err(source) => Err(ClusterError::OutOfSight { job: self.job.to_owned(), source: Box::new(source) }),
        }
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
        match tokio::time::timeout(EVENTS, events.list(&parameters)).await {
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
        let num_lines = Arc::clone(&heard.num_lines);
        Some(Box::pin(async move {
            let take = |line: &str, is_old: bool| {
                num_lines.fetch_add(1, Ordering::Relaxed);
                self.show(&pod, line, is_old);
            };
            let is_whole = logs::follow(self.cluster, &pod, self.container, take).await;
            (pod, is_whole)
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
            // A pod that takes another's place goes on with the same work: what is done is the Job's.
            Some(parsed) => self.display.show(self.job, &parsed),
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

#[cfg(test)]
mod tests {
    use strata_shared::exit::Exit;
    use strata_shared::telemetry::LogFormat;

    use super::*;
    use crate::launch::kubernetes::fake;

    fn follower<'a>(cluster: &'a Cluster, log: LogLines, display: &'a Display) -> Follower<'a> {
        Follower {
            cluster,
            job: "j",
            stage: "map",
            container: "worker",
            log,
            subject: &|index| format!("index {index}"),
            display,
        }
    }

    fn refused(code: u16) -> watcher::Error {
        let status = kube::core::Status { code, message: "no".into(), ..kube::core::Status::default() };
        watcher::Error::WatchStartFailed(kube::Error::Api(Box::new(status)))
    }

    /// Lets a watch of a Job be refused with `code` for longer than anybody waits, while the Job itself is answered with `answer`.
    async fn refused_for_long(code: u16, answer: u16, has_heard: bool) -> Result<(), ClusterError> {
        let job = r#"{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"j"},"code":401,"status":{}}"#;
        let cluster = fake::cluster(move |_| (answer, job.to_owned())).await;
        let display = Display::new(LogFormat::Json);
        let follower = follower(&cluster, LogLines::OfFailedPods, &display);
        let (mut hearing, start) = (Hearing { has_heard, ..Hearing::default() }, Instant::now());
        for seconds in (0..900).step_by(30) {
            let now = start + Duration::from_secs(seconds);
            follower.hear_silence("Job j", refused(code), &mut hearing, now).await?;
        }
        Ok(())
    }

    #[tokio::test]
    async fn a_watch_that_is_refused_from_the_start_is_configuration_and_a_later_refusal_is_waited_out() {
        for code in [401, 403] {
            let error = refused_for_long(code, 200, false).await.expect_err("refused");
            assert_eq!(error.exit(), Exit::Configuration, "{code}");
            assert!(refused_for_long(code, 200, true).await.is_ok(), "{code}: the Job itself is answered");
            let error = refused_for_long(code, 401, true).await.expect_err("nothing is answered");
            assert_eq!(error.exit(), Exit::Retry, "{code}: the Job goes on, and is joined by whoever comes next");
        }
    }

    #[tokio::test]
    async fn a_watch_that_keeps_breaking_off_is_not_given_up_while_the_job_is_answered() {
        assert!(refused_for_long(503, 200, true).await.is_ok());
    }

    #[tokio::test]
    async fn a_coordinator_in_anothers_place_goes_on_with_the_same_bars() {
        let cluster = fake::cluster(|_| (200, String::new())).await;
        let display = Display::new(LogFormat::Plain);
        let follower = follower(&cluster, LogLines::Everything, &display);
        for (pod, done) in [("strata-1-a", 10), ("strata-1-b", 40)] {
            let line = format!(
                r#"{{"level":"INFO","target":"{PROGRESS}","message":"","stage":"map","done":{done},"total":100,"unit":"documents"}}"#
            );
            follower.show(pod, &line, false);
        }
        assert_eq!(display.sums("map"), Some((40, 100)));
    }
}
