//! The command line as people and scripts meet it: what the real programs say, and how they end.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod findings;
mod folder;
mod housekeeping;
mod interruptions;
mod lease;
mod pods;
mod schedule;
mod settings;
mod streams;
mod updates;
mod uploads;
mod workers;
