//! The playbooks that ship.

use quartermaster_playbook::{load, shipped};

#[test]
fn every_playbook_that_ships_loads_without_a_warning_under_its_name() {
    for one in shipped::all() {
        let (playbook, problems) = load(one.file, one.text.as_bytes());
        assert!(problems.is_empty(), "{problems}");
        let playbook = playbook.expect("it loads");
        assert_eq!(playbook.name(), one.name);
        assert_eq!(one.file, format!("playbooks/{}.yaml", one.name));
        assert_eq!(shipped::find(one.name), Some(one));
        assert!(playbook.step_names().len() > 3);
    }
}

#[test]
fn every_file_of_the_folder_ships() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../playbooks");
    let files = std::fs::read_dir(folder).unwrap().filter_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.strip_suffix(".yaml").map(str::to_owned)
    });
    let mut files: Vec<String> = files.collect();
    files.sort();
    assert_eq!(files, shipped::all().iter().map(|one| one.name).collect::<Vec<_>>());
}

#[test]
fn every_playbook_that_ships_runs_on_every_integration_with_people() {
    let mut with_people = 0;
    for integration in quartermaster_integrations::all() {
        let (definition, _) = quartermaster_definition::load(integration.file, integration.definition);
        let plan = definition.unwrap().compile().unwrap();
        for one in shipped::all() {
            let problems = load(one.file, one.text.as_bytes()).0.unwrap().check_against(&plan);
            assert_eq!(plan.lifecycle.is_some(), problems.is_empty(), "{problems}");
        }
        with_people += usize::from(plan.lifecycle.is_some());
    }
    assert!(with_people > 0);
}

#[test]
fn an_unknown_name_is_not_found() {
    assert_eq!(shipped::find("no such playbook"), None);
}
