//! Why there is no report.

/// The report of a run cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// It lacks what the playbook that ships puts into it: the run is of another one, or of another version of it.
    #[error("the report of the run cannot be read: {0}")]
    Unreadable(String),
    /// It cannot be written.
    #[error("the report cannot be rendered: {0}")]
    Render(String),
}

impl ReportError {
    pub(crate) fn unreadable(error: impl std::fmt::Display) -> Self {
        Self::Unreadable(error.to_string())
    }

    pub(crate) fn render(error: impl std::fmt::Display) -> Self {
        Self::Render(error.to_string())
    }
}
