//! The lines of an exported audit log (JSON Lines), and the reader of them.

use std::io::BufRead;

use quartermaster_types::EnvironmentId;
use serde::{Deserialize, Serialize};

use crate::{Checkpoint, Hash, PublicKey, Record};

/// What the first line says that the file is.
pub const FORMAT: &str = "quartermaster-audit-log";

/// The version of the export's form.
pub const FORMAT_VERSION: u32 = 1;

/// The longest line of an export. The largest record, every character of it escaped, stays below.
pub const LINE_MAX_BYTES: usize = 1024 * 1024;

/// One line. They come in this order: the chain, the prunes, then records with the checkpoints on them by sequence, the head,
/// the records from before the chain, the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every line is a record: boxing each would cost an allocation a line"
)]
pub enum Line {
    /// What this is.
    Chain(Header),
    /// A signed statement.
    Checkpoint(Checkpoint),
    /// A record.
    Record(Record),
    /// Where the chain ends.
    Head(Head),
    /// Nothing comes after it.
    End {},
}

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`FORMAT`].
    pub format: String,
    /// [`FORMAT_VERSION`].
    pub version: u32,
    /// Whose log it is.
    pub environment_id: EnvironmentId,
    /// The Ed25519 key that checkpoints are signed with.
    pub public_key: PublicKey,
    /// The last record when the export began: a measure for progress, not for proof.
    pub head: i64,
    /// Records from before the chain began, which nothing proves.
    pub unchained: i64,
}

/// Where the chain ends, as the store says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The last record; 0 when there has been none.
    pub sequence: i64,
    /// Its hash.
    pub hash: Hash,
}

/// A line cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// Longer than [`LINE_MAX_BYTES`]; what comes after it was not looked at.
    #[error("the line is longer than {LINE_MAX_BYTES} bytes")]
    TooLong,
    /// Not a line of an export.
    #[error("it is not a line of an exported audit log: {0}")]
    NotALine(#[from] serde_json::Error),
}

/// Reads the next line into `buffer`; `None` at the end of the file. After [`ReadError::NotALine`] reading can go on.
pub fn read_line(reader: &mut impl BufRead, buffer: &mut Vec<u8>) -> Result<Option<Line>, ReadError> {
    buffer.clear();
    let mut limited = std::io::Read::take(reader, LINE_MAX_BYTES as u64 + 1);
    if limited.read_until(b'\n', buffer)? == 0 {
        return Ok(None);
    }
    if buffer.last() == Some(&b'\n') {
        buffer.pop();
    }
    if buffer.len() > LINE_MAX_BYTES {
        return Err(ReadError::TooLong);
    }
    Ok(Some(serde_json::from_slice(buffer)?))
}

/// Times in exactly the one form in which this product writes them, so that a text that was changed is not read as the same.
pub(crate) mod exact_time {
    use quartermaster_types::Timestamp;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(crate) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        time.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time = Timestamp::parse_rfc3339(&text).filter(|time| time.to_string() == text);
        time.ok_or_else(|| de::Error::custom("not a time like 2026-11-23T13:30:00.000Z"))
    }
}

impl Header {
    /// The first line of a log.
    pub fn new(environment_id: EnvironmentId, public_key: PublicKey, head: i64, unchained: i64) -> Self {
        Self { format: FORMAT.to_owned(), version: FORMAT_VERSION, environment_id, public_key, head, unchained }
    }
}
