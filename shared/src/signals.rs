//! SIGINT and SIGTERM → a request to stop, and the insistence on it.
//!
//! One request often comes as several signals: Ctrl-C in a terminal reaches workers too, to whom `strata` then sends
//! SIGTERM; `timeout` and systemd signal a program's whole group. So only a signal that came before insists, and only
//! after a moment.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

/// How long a worker may take to finish what it has begun once it was asked to stop; Kubernetes kills after 30 s.
pub const GRACE: Duration = Duration::from_secs(20);

/// Signals of one kind within this time are one request: whoever signals a group or passes a signal on does it at once.
const ONE_REQUEST: Duration = Duration::from_millis(200);

/// The signals by which people and supervisors ask a program to stop.
#[derive(Debug)]
pub struct Interruptions {
    interrupt: Signal,
    terminate: Signal,
    /// The kinds that came, and when.
    seen: Vec<(SignalKind, Instant)>,
}

impl Interruptions {
    /// Catches the signals from now on; without it they end the program at once.
    ///
    /// # Errors
    /// The system refuses handlers, or there is no runtime.
    pub fn listen() -> io::Result<Self> {
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(Self { interrupt, terminate, seen: Vec::new() })
    }

    /// Waits until somebody asks the program to stop.
    pub async fn asked(&mut self) {
        let kind = self.next().await;
        self.seen.push((kind, Instant::now()));
    }

    /// Waits, after [`asked`](Self::asked), until somebody insists: by a signal of a kind that came before.
    pub async fn insisted(&mut self) {
        loop {
            let kind = self.next().await;
            if self.seen.iter().any(|(seen, at)| *seen == kind && at.elapsed() >= ONE_REQUEST) {
                return;
            }
            self.seen.push((kind, Instant::now()));
        }
    }

    async fn next(&mut self) -> SignalKind {
        tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.terminate.recv() => SignalKind::terminate(),
        }
    }
}
