//! Stores: every backend does the same, and what is wrong with one is told in a message, an exit code and bounded time.

mod conformance;
mod directories;
mod endpoints;
