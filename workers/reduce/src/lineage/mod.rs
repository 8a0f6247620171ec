//! Two runs over a corpus that grew → which topic is which, and what became of those that have no counterpart.
//!
//! The documents that both runs have are counted by the topic that they were in and the one that they are in ([`overlap`]); an
//! optimal assignment ([`assignment`]) pairs topics by these counts and by their centroids, and what is left over was born,
//! split off, merged or died ([`identity`]). Which run is followed is a question of records alone ([`predecessor`]).
//!
//! Invariants: a topic's id is never given to another one along a chain of runs, and a run that follows itself finds every
//! topic again. Neither the numbering of labels nor the order of documents changes who is whom.
//!
//! Leaves to others: starting a clustering from the centroids of the run that is followed ([`crate::kmeans`]).

mod assignment;
mod changes;
mod following;
mod identity;
mod names;
mod overlap;
mod predecessor;
#[cfg(test)]
mod simulation;

pub use assignment::{Edge, assign};
pub use changes::encode as encode_changes;
pub use following::{Following, LineageError, Traced};
pub use identity::{Ancestor, Event, EventKind, Identity, LEAST_STRENGTH, Lineage, trace};
pub use names::keep as keep_names;
pub use overlap::{ENTRY_BYTES, FormerLabels, Overlap, Shared};
pub use predecessor::select;
