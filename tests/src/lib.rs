//! What the tests that drive the real binaries stand on.

pub mod binaries;
pub mod compare;
pub mod corpus;
pub mod skipped;
pub mod synthetic;
