//! What may befall a reduce: shards that change or go while it reads them, a twin, a full scratch folder, death in any stage.
//!
//! It ends with an error that names what is wrong, or the same command again ends in the same objects.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod process;
mod shards;
