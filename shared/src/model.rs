//! A model folder → its settings and its name (being written).
