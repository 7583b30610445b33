//! Shapes of the audit log's chain.

use utoipa::ToSchema;

use super::AnyObject;

/// One page of the lines of an exported log.
#[derive(ToSchema)]
pub(crate) struct AuditExportPage {
    /// Lines in their order; `line` says which kind each is: `chain`, `checkpoint`, `record`, `head` or `end`.
    result: Vec<AnyObject>,
    /// Send it back to go on; `null` after the last line, `end`.
    #[schema(required)]
    next_cursor: Option<String>,
    /// Always `null`.
    #[schema(required)]
    prev_cursor: Option<String>,
    /// Number of lines here.
    result_count: u64,
}

/// The key of an audit log.
#[derive(ToSchema)]
pub(crate) struct AuditKey {
    /// Whose log it is.
    #[schema(format = "uuid")]
    environment_id: String,
    /// Always `ed25519`.
    algorithm: String,
    /// The public half, 64 hexadecimal digits.
    public_key: String,
}

/// Which records are to be dropped.
#[derive(ToSchema)]
pub(crate) struct AuditPruneRequest {
    /// Those from before this time.
    #[schema(format = "date-time")]
    before: String,
}

/// What was dropped.
#[derive(ToSchema)]
pub(crate) struct AuditPruned {
    /// How many records of the chain.
    count: i64,
    /// The first; `null` when there was nothing to drop.
    #[schema(required)]
    first: Option<i64>,
    /// The last.
    #[schema(required)]
    through: Option<i64>,
    /// Records from before the chain that went with them.
    unchained: i64,
    /// Whether older ones are left: ask again.
    more: bool,
}
