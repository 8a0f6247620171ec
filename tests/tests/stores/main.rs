//! Stores: every backend does the same, and what is wrong with one is told in a message, an exit code and bounded time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod conformance;
mod directories;
mod endpoints;
mod months;
mod snapshots;
