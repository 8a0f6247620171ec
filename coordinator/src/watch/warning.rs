//! An event of the cluster → a warning that explains why something does not get on. Pure.

use k8s_openapi::api::core::v1::Event;

/// Reasons of warnings that a pod's own status does not tell, or tells later.
const TELLING: [&str; 7] = [
    "FailedScheduling",
    "FailedMount",
    "FailedAttachVolume",
    "FailedCreate",
    "FailedCreatePodSandBox",
    "NodeNotReady",
    "Evicted",
];

/// Why something does not get on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The pod or Job.
    pub object: String,
    /// In one word.
    pub reason: String,
    /// In a sentence.
    pub message: String,
}

impl Warning {
    /// Reads an event of `job` or one of its pods; `None` for others, and for those that explain nothing.
    #[must_use]
    pub fn of(event: &Event, job: &str) -> Option<Self> {
        let object = event.involved_object.name.clone()?;
        let is_ours = object == job || object.strip_prefix(job).is_some_and(|rest| rest.starts_with('-'));
        let reason = event.reason.clone()?;
        let message = event.message.clone().unwrap_or_default();
        (is_ours && TELLING.contains(&reason.as_str())).then_some(Self { object, reason, message })
    }

    /// Returns what is the same in such warnings of other pods: with a hundred pods that wait for room, one is enough.
    pub(super) fn kind(&self) -> String {
        let words = self.message.split_whitespace();
        let general = words.filter(|word| !word.bytes().any(|byte| byte.is_ascii_digit()));
        format!("{} {}", self.reason, general.collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(object: &str, reason: &str) -> Event {
        let json = format!(
            r#"{{"metadata":{{}},"involvedObject":{{"name":"{object}"}},"reason":"{reason}","message":"0/3 nodes are available","type":"Warning"}}"#
        );
        serde_json::from_str(&json).expect("an event")
    }

    #[test]
    fn only_events_of_the_job_and_its_pods_that_explain_something_are_warnings() {
        let told = |object, reason| Warning::of(&event(object, reason), "strata-map-1").is_some();
        assert!(told("strata-map-1", "FailedCreate") && told("strata-map-1-7-abcde", "FailedScheduling"));
        assert!(!told("strata-map-12-7-abcde", "FailedScheduling") && !told("strata-map-1-7-abcde", "BackOff"));
    }

    #[test]
    fn warnings_that_differ_only_in_numbers_are_of_one_kind() {
        let warning = |object: &str, message: &str| Warning {
            object: object.into(),
            reason: "FailedScheduling".into(),
            message: message.into(),
        };
        let (one, two) = (warning("a-1", "0/3 nodes have room"), warning("a-2", "0/4 nodes have room"));
        assert_eq!(one.kind(), two.kind());
        assert_ne!(one.kind(), warning("a-1", "0/3 nodes tolerate it").kind());
    }
}
