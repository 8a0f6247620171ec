//! What the tests that drive the real binaries stand on.

pub mod archive;
pub mod binaries;
pub mod cluster;
pub mod compare;
pub mod conformance;
pub mod corpus;
pub mod empty_topic;
pub mod faults;
pub mod hashed_vectors;
pub mod installed;
pub mod monthly;
pub mod objects;
pub mod planted_months;
pub mod planted_run;
pub mod private_mount;
pub mod process_group;
pub mod reduce_runs;
pub mod s3_server;
pub mod sample_corpus;
pub mod skipped;
pub mod synthetic;
pub mod tampered_store;
