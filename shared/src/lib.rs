//! The vocabulary of strata: what every program agrees on, and nothing that only one of them needs.
//!
//! `Documents → Vectors → Centroids → Labels → Findings → Report`: each noun has one codec here, one place in
//! [`layout`], and travels through one [`store`]. Programs meet only in these objects, in command lines and in
//! [`exit`] codes.

pub mod cache;
pub mod centroids;
pub mod digest;
pub mod documents;
pub mod exit;
pub mod findings;
pub mod format;
pub mod generations;
pub mod labels;
pub mod layout;
pub mod lease;
pub mod manifest;
pub mod measurements;
pub mod metrics;
pub mod model;
pub mod run_record;
pub mod settings;
pub mod signals;
pub mod store;
pub mod superseded;
pub mod table;
pub mod telemetry;
pub mod termination;
pub mod vectors;
pub mod work_list;
