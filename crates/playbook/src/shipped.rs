//! The playbooks that ship with the program, as texts: the files in the folder `playbooks/`.

/// One playbook as it ships.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shipped {
    /// Its name.
    pub name: &'static str,
    /// Its path in the repository, for messages.
    pub file: &'static str,
    /// The YAML text.
    pub text: &'static str,
}

const ALL: &[Shipped] = &[
    Shipped { name: "audit", file: "playbooks/audit.yaml", text: include_str!("../../../playbooks/audit.yaml") },
    Shipped {
        name: "offboard",
        file: "playbooks/offboard.yaml",
        text: include_str!("../../../playbooks/offboard.yaml"),
    },
];

/// Every playbook that ships, by name.
pub fn all() -> &'static [Shipped] {
    ALL
}

/// A playbook that ships, by name.
pub fn find(name: &str) -> Option<&'static Shipped> {
    ALL.iter().find(|playbook| playbook.name == name)
}
