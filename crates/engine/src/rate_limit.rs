//! Reads what an upstream says of its limits, in every dialect that is declared or well known.
