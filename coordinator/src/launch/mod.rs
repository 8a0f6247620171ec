//! Work → worker processes, and their ends → exits. Kubernetes will be the other launcher.

mod process;

pub use process::{LaunchError, Launcher, Worker};
