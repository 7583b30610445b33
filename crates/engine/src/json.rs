//! Reads JSON in place: one pass over the bytes, no tree.
