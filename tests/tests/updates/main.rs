//! A corpus that grows: updates that die, that meet others, and that readers do not notice.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod compaction;
mod every_write;
mod pipeline;
mod prune;
mod readers;
mod verify;
