//! A plan into a snapshot in arXiv's schema with planted truths, and the truth beside it.
//!
//! Some two dozen topics die, fade, hold, rise or are born; single documents stand alone; texts come twice; lines are
//! malformed. All of it is drawn from one seed with whole numbers only.
//!
//! Invariant: the same plan gives the same bytes on every machine, whether collected or streamed. What a reader should
//! make of the corpus is left to the tests.

mod calendar;
mod draw;
mod line;
mod loners;
mod plan;
mod prose;
mod recorder;
mod refused;
mod schedule;
mod sink;
mod templates;
mod topic;
mod topics;
mod truth;

use std::convert::Infallible;
use std::io::{self, Write};

pub use plan::{Plan, PlanError};
pub use sink::{Sink, StoredFrame};
pub use topic::Fate;
pub use truth::{PlantedCopy, PlantedLoner, PlantedRefusal, PlantedTopic, RefusalKind, Truth};

/// A whole corpus in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Each line without its line feed; not all of them are text.
    pub lines: Vec<Vec<u8>>,
    /// What is planted in them.
    pub truth: Truth,
}

impl Snapshot {
    /// The lines as one file, each with its line feed.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.lines.iter().flat_map(|line| line.iter().chain(b"\n")).copied().collect()
    }
}

/// Makes a corpus in memory.
///
/// # Errors
/// [`PlanError`] if no corpus can follow the plan.
pub fn generate(plan: &Plan) -> Result<Snapshot, PlanError> {
    plan.check()?;
    let mut lines = Vec::new();
    let Ok(truth) = recorder::record(plan, |line| {
        lines.push(line);
        Ok::<(), Infallible>(())
    });
    Ok(Snapshot { lines, truth })
}

/// Writes a corpus line by line; memory holds one line and the truth.
///
/// # Errors
/// `InvalidInput` with a [`PlanError`] if no corpus can follow the plan, else whatever `output` says.
pub fn write(plan: &Plan, output: &mut impl Write) -> io::Result<Truth> {
    plan.check().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    recorder::record(plan, |mut line| {
        line.push(b'\n');
        output.write_all(&line)
    })
}

#[cfg(test)]
mod tests;
