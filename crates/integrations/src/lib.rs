//! The definitions that ship with the program, as texts.
