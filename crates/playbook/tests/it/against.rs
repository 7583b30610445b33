//! A playbook against an integration that does not have what it calls.

use quartermaster_playbook::load;

fn problems(text: &str) -> String {
    let integration = &quartermaster_integrations::all()[0];
    let (definition, _) = quartermaster_definition::load(integration.file, integration.definition);
    let plan = definition.unwrap().compile().unwrap();
    let (playbook, problems) = load("mine.yaml", text.as_bytes());
    playbook.unwrap_or_else(|| panic!("{problems}")).check_against(&plan).render(false)
}

#[test]
fn methods_and_arguments_that_a_definition_does_not_have_are_told_with_their_places() {
    let text = "\
name: mine
description: Calls what is not there.
inputs:
  id: {description: An id., required: true}
steps:
  - name: one
    call: users.suspnd
  - name: two
    call: {method: users.get, with: {idd: '{{ input.id }}'}}
  - name: three
    call: {method: users.list, with: {limit: many}}
  - name: four
    find: {list: users.get, where: {id: '{{ input.id }}'}}
  - name: five
    find: {list: users.list, where: {e_mail: '{{ input.id }}'}}
  - name: six
    for_each:
      in: steps.three.result
      steps:
        - name: seven
          call:
            method: groups.remove
            with: {id: '{{ row.id }}'}
            confirm: {method: users.gett, with: {id: '{{ row.id }}'}, that: 'true'}
  - name: eight
    call: {method: groups.remove, account: '{{ input.id }}'}
";
    insta::assert_snapshot!(problems(text));
}
