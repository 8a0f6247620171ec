//! Whole or not at all: whatever kills a run, and whenever, the same command again ends in the same objects.

mod every_write;
mod kills;
