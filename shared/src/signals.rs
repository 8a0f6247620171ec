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
    seen: Seen,
}

/// The kinds of signals that came, and when.
#[derive(Debug, Default)]
struct Seen(Vec<(SignalKind, Instant)>);

impl Seen {
    /// Notes a signal, and tells whether it insists on one that came before.
    fn insists(&mut self, kind: SignalKind, now: Instant) -> bool {
        let insists = self.0.iter().any(|(seen, at)| *seen == kind && now.duration_since(*at) >= ONE_REQUEST);
        self.0.push((kind, now));
        insists
    }
}

impl Interruptions {
    /// Catches the signals from now on; without it they end the program at once.
    ///
    /// # Errors
    /// The system refuses handlers, or there is no runtime.
    pub fn listen() -> io::Result<Self> {
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(Self { interrupt, terminate, seen: Seen::default() })
    }

    /// Waits until somebody asks the program to stop.
    pub async fn asked(&mut self) {
        let kind = self.next().await;
        self.seen.insists(kind, Instant::now());
    }

    /// Waits, after [`asked`](Self::asked), until somebody insists: by a signal of a kind that came before.
    pub async fn insisted(&mut self) {
        loop {
            let kind = self.next().await;
            if self.seen.insists(kind, Instant::now()) {
                return;
            }
        }
    }

    async fn next(&mut self) -> SignalKind {
        tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.terminate.recv() => SignalKind::terminate(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn several_signals_may_be_one_request_and_one_that_comes_again_insists() {
        let (mut seen, asked) = (Seen::default(), Instant::now());
        let after = |millis| asked + Duration::from_millis(millis);
        assert!(!seen.insists(SignalKind::interrupt(), asked));
        assert!(!seen.insists(SignalKind::interrupt(), after(50)), "a group that is signalled twice was asked once");
        assert!(!seen.insists(SignalKind::terminate(), after(900)), "a request that was passed on is still one");
        assert!(seen.insists(SignalKind::interrupt(), after(1000)), "the second request");
    }
}
