//! The hash chain of the audit log, as pure functions: what bytes of a record are hashed, what a checkpoint signs, the lines of
//! an export, and the verifier that finds what was changed. No I/O besides reading lines, no clock, no storage; the store, the
//! gateway and the command line all use this one place. `docs/audit-log.md` has the format for third parties.

mod checkpoint;
mod export;
mod hex;
mod record;
mod report;
mod verifier;

pub use checkpoint::{Checkpoint, CheckpointKind};
pub use export::{FORMAT, FORMAT_VERSION, Head, Header, LINE_MAX_BYTES, Line, ReadError, read_line};
pub use hex::{BadHex, Hash, Hex, PublicKey, Signature};
pub use record::{Fields, GENESIS, RECORD_VERSION, Record, RecordHasher};
pub use report::{Dropped, FINDINGS_MAX, Finding, FindingKind, Report};
pub use verifier::{Trusted, Verifier};
