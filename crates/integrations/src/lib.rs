//! The definitions that ship with the program, as texts: whatever stands in the folder `integrations/` at build time.

/// One integration as it ships.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Integration {
    /// Its name: the name of its folder.
    pub name: &'static str,
    /// The definition's path in the repository, for messages.
    pub file: &'static str,
    /// The definition, YAML.
    pub definition: &'static str,
    /// What `qm demo` uses: (path below the integration's `demo/` folder, text), by path.
    pub demo: &'static [(&'static str, &'static str)],
}

include!(concat!(env!("OUT_DIR"), "/all.rs"));

/// Every integration, by name.
pub fn all() -> Vec<Integration> {
    ALL.to_vec()
}

/// An integration by name.
pub fn find(name: &str) -> Option<Integration> {
    ALL.iter().copied().find(|integration| integration.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_definition_is_there_under_its_folder_s_name() {
        let all = all();
        assert!(!all.is_empty());
        for integration in all {
            assert!(integration.definition.contains(&format!("name: {}", integration.name)), "{}", integration.name);
            assert_eq!(integration.file, format!("integrations/{}/definition.yaml", integration.name));
            assert_eq!(find(integration.name), Some(integration));
        }
    }

    #[test]
    fn an_unknown_name_is_not_found() {
        assert_eq!(find("no such vendor"), None);
    }
}
