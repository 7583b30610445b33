//! Shapes of the switch routes.

use utoipa::{IntoParams, ToSchema};

use super::FieldError;

/// What a kill switch is about.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum SwitchKind {
    /// Every call of the environment.
    Environment,
    /// Every call on one account.
    Account,
    /// Every call with one token.
    Token,
    /// Every call of one tool.
    Tool,
}

/// Something that is switched off.
#[derive(ToSchema)]
pub(crate) struct Switch {
    /// What it is about.
    kind: SwitchKind,
    /// The id of the account or token, the name of the tool; `null` for the environment.
    #[schema(required)]
    subject: Option<String>,
    /// Why.
    reason: String,
    /// Who switched it off.
    #[schema(format = "uuid")]
    token_id: String,
    /// When.
    #[schema(format = "date-time")]
    created_at: String,
    /// A tool that nothing here has at present: mistyped, or to come.
    warnings: Option<Vec<FieldError>>,
}

/// Everything that is switched off.
#[derive(ToSchema)]
pub(crate) struct SwitchPage {
    /// By kind and subject.
    result: Vec<Switch>,
    /// Always `null`.
    #[schema(required)]
    next_cursor: Option<String>,
    /// Always `null`.
    #[schema(required)]
    prev_cursor: Option<String>,
    /// Number of things here.
    result_count: u64,
}

/// Why something is switched off.
#[derive(ToSchema)]
pub(crate) struct SwitchOff {
    /// Whoever is refused reads it.
    #[schema(min_length = 1, max_length = 500, example = "A vendor incident; ask Ops")]
    reason: String,
}

/// The tool in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ToolPath {
    /// Name or alias of the tool; case does not matter.
    name: String,
}
