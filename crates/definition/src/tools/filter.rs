//! Which tools are asked for: by method, by tag, by words.

use crate::plan::{Method, MethodKind};

/// The names in a `methods` filter that stand for several methods.
pub const METHOD_GROUPS: [&str; 3] = ["read", "write", "custom"];

/// Whether `wanted` (`read`, `write`, `custom` or an exact name) means this method.
pub fn method_matches(wanted: &str, kind: MethodKind, name: &str) -> bool {
    match wanted {
        "read" => matches!(kind, MethodKind::List | MethodKind::Get),
        "write" => matches!(kind, MethodKind::Create | MethodKind::Update | MethodKind::Delete),
        "custom" => kind == MethodKind::Custom,
        exact => exact == name,
    }
}

/// Which tools are asked for. Empty lists do not narrow; both given: both must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolFilter {
    /// `read`, `write`, `custom` or exact method names; any of them.
    pub methods: Vec<String>,
    /// Any of these tags.
    pub tags: Vec<String>,
    /// Words to rank by; tools in which none of them occurs are left out.
    pub search: Option<String>,
    /// At most so many.
    pub limit: Option<u32>,
}

impl ToolFilter {
    /// Whether methods and tags let this method through.
    pub fn lets_through(&self, method: &Method) -> bool {
        let by_method = self.methods.is_empty()
            || self.methods.iter().any(|wanted| method_matches(wanted, method.kind, &method.name));
        let by_tag = self.tags.is_empty() || self.tags.iter().any(|tag| method.tags.contains(tag));
        by_method && by_tag
    }
}
