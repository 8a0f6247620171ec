//! What the tests that drive the real binaries stand on.

pub mod corpus;
