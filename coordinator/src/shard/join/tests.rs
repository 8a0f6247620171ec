//! What joining promises, on stores in memory.
