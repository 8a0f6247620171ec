//! Work → Jobs of Kubernetes, which schedules, retries and counts; here they are made from templates, joined, watched and explained.
//!
//! Invariant: what a coordinator has started, it finds again after it was itself started again: names follow from its own Job
//! and the work. Nothing is deleted here: a Job goes with the coordinator's Job, which owns it; where that has ended and is still
//! there, what it has left running is waited for.

mod cluster;
mod error;
#[cfg(test)]
mod fake;
mod follow;
mod jobs;
mod logs;
mod names;
mod others;
mod owner;
mod silence;
mod template;

pub use cluster::{Cluster, default_namespace};
pub use error::ClusterError;
pub use follow::{Follower, LogLines};
pub use jobs::{COMPONENT, Jobs, MANAGER, Templates};
pub use names::named;
pub use template::{Order, Owner, SUBMISSION, TemplateError, instantiate};
