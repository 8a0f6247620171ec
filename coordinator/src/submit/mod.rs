//! A question and an image → the objects of a cluster that answer it: applied, started, found again, ended.
//!
//! The manifests are the files of `k8s/base`, compiled in: what `kubectl apply -k` applies and what is applied here are the same.

mod apply;
mod base;
mod cost;
mod jobs;
mod objects;
mod variables;

pub use apply::{Applicant, apply, apply_schedule, owner_of_another};
pub use cost::Cost;
pub use jobs::{Begun, begin, cancel, find, template_of_others};
pub use objects::{Objects, Pods, Schedule, job, name, scheduled};
pub use variables::{check_url, variables};

/// The container of the coordinator's pod.
pub const CONTAINER: &str = "strata";
