//! Whole or not at all: whatever kills a run, and whenever, the same command again ends in the same objects.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod every_write;
mod kills;
