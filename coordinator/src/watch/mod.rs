//! What happens → what is said of it: this program's own events, and the state of Jobs, pods and their events in a cluster.
//!
//! What is read from a cluster becomes small values ([`JobView`], [`PodView`], [`Warning`]); a [`Tracker`] turns each change of them into
//! sentences that are said once. All of that is pure: asking the cluster is left to the launcher.

pub mod indexes;
mod job;
mod own;
mod pod;
mod tracker;
mod warning;

pub use job::{DOCUMENTS, JobEnd, JobView};
pub use own::listen;
pub use pod::{PodEnd, PodView};
pub use tracker::{Notice, Tracker};
pub use warning::Warning;
