//! Work → worker processes, and their ends → exits. Kubernetes will be the other launcher.

mod process;

pub use process::{LaunchError, Worker, end_workers, run_workers};

/// Waits for the signals by which people and supervisors ask a program to stop.
pub async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
