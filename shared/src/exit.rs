//! Errors → exit codes: the one table that shells, coordinators and pod failure policies read.
//!
//! | code | meaning | what a launcher does |
//! |---|---|---|
//! | 0 | done, or nothing to do | goes on |
//! | 1 | a retry may mend it (store unreachable or full, inputs still missing); a signal counts as this | retries |
//! | 2 | configuration is at fault; useless to retry until somebody changes it | stops everything |
//! | 3 | the data is at fault; retrying cannot help | fails this piece of work only |

use std::process::ExitCode;

/// What a program's end means to whoever launched it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exit {
    /// The work is done, or there was none.
    Done,
    /// A retry may mend it.
    Retry,
    /// Configuration is at fault.
    Configuration,
    /// The data is at fault.
    Data,
}

impl Exit {
    /// Returns the process exit code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Retry => 1,
            Self::Configuration => 2,
            Self::Data => 3,
        }
    }

    /// Reads a process's end: `code` is `None` when a signal ended it, which a retry may mend.
    #[must_use]
    pub const fn from_code(code: Option<i32>) -> Self {
        match code {
            Some(0) => Self::Done,
            Some(2) => Self::Configuration,
            Some(3) => Self::Data,
            _ => Self::Retry,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// An error that knows how its program should end.
pub trait Classify: std::error::Error + Send + Sync + 'static {
    /// Returns the exit this error leads to; never [`Exit::Done`].
    fn exit(&self) -> Exit;

    /// Tells whether a retry may mend it.
    fn is_transient(&self) -> bool {
        self.exit() == Exit::Retry
    }
}

/// An error at a program's edge: any classified error, with its exit remembered.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl Failure {
    /// Wraps an error that has no type of its own, such as one at the command edge.
    pub fn new(exit: Exit, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { exit, source: source.into() }
    }

    /// Returns the exit this failure leads to.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        self.exit
    }

    /// Returns the error that this failure wraps, if it is of the type `E`.
    #[must_use]
    pub fn downcast_ref<E: std::error::Error + 'static>(&self) -> Option<&E> {
        self.source.downcast_ref()
    }

    /// Prints the failure and its causes on one line, each said once.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.source.to_string();
        let mut cause = self.source.source();
        while let Some(error) = cause {
            let said = error.to_string();
            // Foreign errors often repeat their source in their own text.
            if !text.contains(&said) {
                text.push_str(": ");
                text.push_str(&said);
            }
            cause = error.source();
        }
        text
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.chain())
    }
}

// `Failure` itself is no `std::error::Error`, so that this conversion can cover every classified error.
impl<E: Classify> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { exit: error.exit(), source: Box::new(error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back_as_the_exit_that_wrote_it() {
        for exit in [Exit::Done, Exit::Retry, Exit::Configuration, Exit::Data] {
            assert_eq!(Exit::from_code(Some(i32::from(exit.code()))), exit);
        }
    }

    #[test]
    fn a_signal_or_an_unknown_code_asks_for_a_retry() {
        assert_eq!(Exit::from_code(None), Exit::Retry);
        assert_eq!(Exit::from_code(Some(101)), Exit::Retry);
    }
}
