//! The map-worker as a whole: on corpora in memory with an embedder that only counts, and on small graphs that ONNX
//! Runtime runs.

mod corpus;
mod graph;
mod graphs;
mod kinds;
mod onnx_file;
mod resume;
mod shares;
mod texts;
