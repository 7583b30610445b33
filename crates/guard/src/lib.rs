//! Pure decisions about whether a call may be made. No I/O: facts in, a decision out; a failing rule denies.
