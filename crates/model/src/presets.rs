//! Well-known servers of models, as data: `presets.json`.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::Settings;

/// A well-known server.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// Its name, and that of a connection made from it unless another is given.
    pub name: String,
    /// Its name for people.
    pub label: String,
    /// How to speak to it.
    pub settings: Settings,
    /// The variable in which its users keep the key. Where the gateway's environment has it, the connection is there
    /// without further ado.
    #[serde(default)]
    pub key_variable: Option<String>,
    /// Whether it wants a key.
    pub needs_key: bool,
    /// Whether the base URL is only an example.
    #[serde(default)]
    pub needs_base_url: bool,
}

/// Every preset, in the order of the file.
pub static PRESETS: LazyLock<Vec<Preset>> =
    LazyLock::new(|| serde_json::from_str(include_str!("presets.json")).unwrap_or_default());

/// The preset of a name.
pub fn preset(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_a_good_connection() {
        // A file that does not parse would give none.
        assert!(PRESETS.len() >= 6);
        for preset in PRESETS.iter() {
            crate::check_name(&preset.name).unwrap();
            preset.settings.check().unwrap_or_else(|errors| panic!("{}: {errors:?}", preset.name));
            assert!(!preset.label.is_empty());
            assert!(preset.settings.base_url.starts_with("https://") || !preset.needs_key, "{}", preset.name);
        }
        let mut names: Vec<&str> = PRESETS.iter().map(|preset| preset.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), PRESETS.len());
        assert_eq!(preset("openai").unwrap().key_variable.as_deref(), Some("OPENAI_API_KEY"));
        assert!(preset("nothing").is_none());
    }
}
