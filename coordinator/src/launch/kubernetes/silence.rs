//! Failed attempts at a watch → for how long nothing was heard of it. Pure.

use std::time::{Duration, Instant};

/// Attempts follow each other at most 30 s apart (kube's default backoff): after a longer pause, there was an answer between.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// After how long people are told.
const WORTH_TELLING: Duration = Duration::from_secs(10);

/// How long nothing may be heard, as while a control plane is replaced.
const PATIENCE: Duration = Duration::from_secs(600);

/// What is to be done about a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reaction {
    /// Try again.
    Wait,
    /// Say that it is tried again, and do.
    Tell,
    /// Ask outright whether there is an answer at all, and give up if there is none.
    Ask,
}

/// A series of failed attempts.
#[derive(Debug, Default)]
pub(super) struct Silence {
    series: Option<(Instant, Instant)>,
    is_told: bool,
}

impl Silence {
    /// Takes an answer.
    pub(super) fn end(&mut self) {
        *self = Self::default();
    }

    /// Takes a failed attempt.
    pub(super) fn fail(&mut self, now: Instant) -> Reaction {
        let begun = self.series.filter(|(_, last)| now.duration_since(*last) <= LONGEST_PAUSE).map(|(first, _)| first);
        self.is_told &= begun.is_some();
        let first = begun.unwrap_or(now);
        self.series = Some((first, now));
        let lasting = now.duration_since(first);
        if lasting >= PATIENCE {
            Reaction::Ask
        } else if lasting >= WORTH_TELLING && !std::mem::replace(&mut self.is_told, true) {
            Reaction::Tell
        } else {
            Reaction::Wait
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_silence_is_told_once_and_then_asked_about() {
        let (mut silence, start) = (Silence::default(), Instant::now());
        let mut at = |seconds| silence.fail(start + Duration::from_secs(seconds));
        assert_eq!([at(0), at(5), at(12), at(40)], [Reaction::Wait, Reaction::Wait, Reaction::Tell, Reaction::Wait]);
        for seconds in (70..600).step_by(30) {
            assert_eq!(at(seconds), Reaction::Wait);
        }
        assert_eq!(at(610), Reaction::Ask);
    }

    #[test]
    fn failures_far_apart_are_no_silence() {
        let (mut silence, start) = (Silence::default(), Instant::now());
        for minutes in 0..30 {
            assert_eq!(silence.fail(start + Duration::from_secs(120 * minutes)), Reaction::Wait);
        }
        silence.end();
        assert_eq!(silence.fail(start + Duration::from_secs(3600)), Reaction::Wait);
    }
}
