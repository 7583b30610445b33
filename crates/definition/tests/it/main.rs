//! The definition language through its public interface.

mod shipped;
