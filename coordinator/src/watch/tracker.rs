//! One Job's changes → sentences, each said once, and the reasons for its end. Pure.

use std::collections::{BTreeMap, BTreeSet};

use strata_shared::exit::Exit;

use super::{JobEnd, JobView, PodEnd, PodView, Warning, indexes};

/// Pods whose end is told one by one; the others are counted.
const TOLD: usize = 20;

/// Indexes that a message names.
const NAMED: usize = 10;

/// Something to be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What.
    pub text: String,
    /// Whether something is wrong.
    pub is_warning: bool,
    /// The pod whose last log lines explain it.
    pub log_of: Option<String>,
}

impl Notice {
    fn information(text: String) -> Self {
        Self { text, is_warning: false, log_of: None }
    }

    fn warning(text: String) -> Self {
        Self { text, is_warning: true, log_of: None }
    }
}

/// What is known of one Job.
#[derive(Debug, Default)]
pub struct Tracker {
    job: JobView,
    pods: BTreeMap<String, PodView>,
    /// Kinds of warnings, and pods whose end was told.
    said: BTreeSet<String>,
    /// Ends that count, by what they mean.
    ends: BTreeMap<Exit, usize>,
    num_told: usize,
}

impl Tracker {
    /// Returns how the Job stands.
    #[must_use]
    pub const fn job(&self) -> &JobView {
        &self.job
    }

    /// Returns the pods whose logs can be read; the last lines of those that failed were shown with their end.
    pub fn readable_pods(&self) -> impl Iterator<Item = &str> {
        self.pods.values().filter(|pod| pod.has_started && pod.end.is_none()).map(|pod| pod.name.as_str())
    }

    /// Tells whether pods are missing or waiting, so that events may explain why.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.job.is_suspended && (self.job.active == 0 || self.job.running < self.job.active)
    }

    /// Takes what the Job is now.
    pub fn see_job(&mut self, now: JobView) -> Vec<Notice> {
        let before = std::mem::replace(&mut self.job, now);
        let (was, is) = (before.is_suspended, self.job.is_suspended);
        let mut notices = Vec::new();
        if was != is {
            let what = if is { "is suspended; it goes on when somebody resumes it" } else { "is resumed" };
            notices.push(Notice::information(format!("{} {what}", self.job.name)));
        }
        notices
    }

    /// Takes what a pod is now; `subject` names the work of an index in words.
    pub fn see_pod(&mut self, now: PodView, subject: impl Fn(usize) -> String) -> Vec<Notice> {
        let mut notices: Vec<Notice> =
            now.warning.clone().and_then(|warning| self.see_warning(&warning)).into_iter().collect();
        if let Some(end) = &now.end
            && self.said.insert(now.name.clone())
        {
            notices.extend(self.see_end(&now, end, subject));
        }
        self.pods.insert(now.name.clone(), now);
        notices
    }

    fn see_end(&mut self, pod: &PodView, end: &PodEnd, subject: impl Fn(usize) -> String) -> Option<Notice> {
        if end.disruption.is_none() {
            *self.ends.entry(end.exit()).or_default() += 1;
        }
        self.num_told += 1;
        if self.num_told > TOLD {
            let more = "more pods have failed; `kubectl get pods` lists them".to_owned();
            return (self.num_told == TOLD + 1).then(|| Notice::warning(more));
        }
        let work = pod.index.map_or_else(String::new, |index| format!(" ({})", subject(index)));
        let text = format!("pod {}{work} {}", pod.name, end.describe());
        let log_of = (end.disruption.is_none() && end.code.is_some()).then(|| pod.name.clone());
        Some(Notice { text, is_warning: true, log_of })
    }

    /// Forgets a pod that is no more.
    pub fn lose_pod(&mut self, name: &str) {
        self.pods.remove(name);
    }

    /// Takes a warning; says it unless one of its kind was said.
    pub fn see_warning(&mut self, warning: &Warning) -> Option<Notice> {
        let text = format!("{}: {}: {}", warning.object, warning.reason, warning.message.trim());
        self.said.insert(warning.kind()).then(|| Notice::warning(text))
    }

    /// Returns why the Job failed, and what that means; `None` where it did not.
    #[must_use]
    pub fn failure(&self) -> Option<(Exit, String)> {
        let Some(JobEnd::Failed { reason, message }) = &self.job.end else { return None };
        let gravest = [Exit::Configuration, Exit::Data].into_iter().find(|exit| self.ends.contains_key(exit));
        let failed = &self.job.failed_tasks;
        let which = match failed.len() {
            0 => String::new(),
            1 => format!("; index {} failed", failed[0]),
            _ => format!("; indices {} failed", indexes::named(failed, NAMED)),
        };
        Some((gravest.unwrap_or(Exit::Retry), format!("{reason}: {}{which}", message.trim_end_matches('.'))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(name: &str, index: usize, code: i32, disruption: Option<&str>) -> PodView {
        let disruption = disruption.map(str::to_owned);
        let end = PodEnd { code: Some(code), reason: "Error".into(), message: "why".into(), disruption };
        PodView { name: name.into(), index: Some(index), has_started: true, end: Some(end), ..PodView::default() }
    }

    fn failed_job(failed_tasks: Vec<usize>) -> JobView {
        let end = Some(JobEnd::Failed { reason: "FailedIndexes".into(), message: "Job has failed indexes".into() });
        JobView { failed_tasks, num_tasks: 9, end, ..JobView::default() }
    }

    #[test]
    fn an_end_is_said_once_with_its_work_and_asks_for_the_log() {
        let mut tracker = Tracker::default();
        let subject = |index| format!("index {index}, raw/shard_0000{index}.parquet");
        let notices = tracker.see_pod(ended("m-3-x", 3, 3, None), subject);
        assert_eq!(notices.len(), 1);
        assert_eq!(notices[0].text, "pod m-3-x (index 3, raw/shard_00003.parquet) ended with exit code 3: why");
        assert_eq!(notices[0].log_of.as_deref(), Some("m-3-x"));
        assert_eq!(tracker.see_pod(ended("m-3-x", 3, 3, None), subject), []);
    }

    #[test]
    fn the_gravest_end_decides_and_disruptions_do_not() {
        let failure = |ends: &[(i32, Option<&str>)]| {
            let mut tracker = Tracker::default();
            for (number, (code, disruption)) in ends.iter().enumerate() {
                tracker.see_pod(ended(&format!("p{number}"), 1, *code, *disruption), |_| String::new());
            }
            tracker.see_job(failed_job(vec![1, 4]));
            tracker.failure().expect("a failure")
        };
        assert_eq!(failure(&[(1, None), (3, None), (2, None)]).0, Exit::Configuration);
        assert_eq!(failure(&[(137, None), (3, None)]).0, Exit::Data);
        assert_eq!(failure(&[(1, None), (3, Some("PreemptionByScheduler"))]).0, Exit::Retry);
        assert_eq!(failure(&[]).1, "FailedIndexes: Job has failed indexes; indices 1, 4 failed");
    }

    #[test]
    fn a_hundred_pods_that_wait_for_the_same_are_one_sentence() {
        let mut tracker = Tracker::default();
        let wait = |number: usize| {
            let message = format!("0/{number} nodes are available");
            PodView {
                name: format!("p{number}"),
                warning: Some(Warning { object: format!("p{number}"), reason: "FailedScheduling".into(), message }),
                ..PodView::default()
            }
        };
        let said: usize = (0..100).map(|number| tracker.see_pod(wait(number), |_| String::new()).len()).sum();
        assert_eq!(said, 1);
    }

    #[test]
    fn many_failed_pods_are_told_one_by_one_only_at_first() {
        let mut tracker = Tracker::default();
        let see = |number: usize| ended(&format!("p{number}"), number, 1, None);
        let said: usize = (0..200).map(|number| tracker.see_pod(see(number), |_| String::new()).len()).sum();
        assert_eq!(said, TOLD + 1);
    }

    #[test]
    fn whoever_suspends_and_resumes_is_heard() {
        let mut tracker = Tracker::default();
        assert_eq!(tracker.see_job(JobView::default()), []);
        let suspended = JobView { is_suspended: true, name: "m".into(), ..JobView::default() };
        assert!(tracker.see_job(suspended).iter().all(|notice| notice.text.starts_with("m is suspended")));
        assert_eq!(tracker.see_job(JobView { name: "m".into(), ..JobView::default() })[0].text, "m is resumed");
    }
}
