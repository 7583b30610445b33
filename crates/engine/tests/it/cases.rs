//! Runs `integrations/*/cases/*.yaml`: given a call and the upstream's answers, expect these requests and this outcome.
//! The format is described in `integrations/README.md`.

mod check;
mod format;

use std::path::{Path, PathBuf};
use std::time::Duration;

use quartermaster_definition::Plan;
use quartermaster_engine::ListOptions;
use serde_json::Value;

use crate::upstream::{Reply, Upstream};
use crate::world::World;
use format::{Answer, Case, Integration};

/// A list of `integrations/*` that have a definition.
fn integrations() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../integrations");
    let mut folders: Vec<PathBuf> = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|folder| folder.join("definition.yaml").is_file());
    folders.sort();
    folders
}

#[tokio::test]
async fn every_case_of_every_integration_holds() {
    let mut failures = Vec::new();
    let mut count = 0;
    for folder in integrations() {
        let integration = Integration::read(&folder);
        assert!(!integration.files.is_empty(), "{} has no cases", folder.display());
        for (file, cases) in &integration.files {
            for case in cases {
                count += 1;
                let wrong = run(&integration, case).await;
                failures.extend(wrong.into_iter().map(|what| format!("{file}: {}: {what}", case.name)));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {count} cases:\n{}", failures.len(), failures.join("\n"));
}

/// Names are how a failure is found, so that no two cases of a file share one.
#[test]
fn no_two_cases_of_a_file_share_a_name() {
    for folder in integrations() {
        for (file, cases) in Integration::read(&folder).files {
            let mut names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
            names.sort_unstable();
            let all = names.len();
            names.dedup();
            assert_eq!(names.len(), all, "{file}");
        }
    }
}

fn plan(integration: &Integration) -> Plan {
    let (definition, diagnostics) =
        quartermaster_definition::load(&integration.definition_file, &integration.definition);
    let definition = definition.unwrap_or_else(|| panic!("{}", diagnostics.render(false)));
    definition.compile().unwrap_or_else(|diagnostics| panic!("{}", diagnostics.render(false)))
}

/// Runs one case; gives what is wrong.
async fn run(integration: &Integration, case: &Case) -> Vec<String> {
    let given = &case.given;
    let answers: Vec<Answer> = given.answers.iter().map(|answer| integration.answer(answer)).collect();
    let clock = quartermaster_types::Clock::manual(crate::world::NOW);
    let upstream = serve(answers, clock.clone()).await;
    let mut plan = plan(integration);
    if case.expect.preview.is_none() {
        plan.base_url = quartermaster_expr::Template::parse(&upstream.base_url()).unwrap();
    }
    let mut world = World::with_clock(plan, upstream.address, clock);
    world.connection = given.connection.clone();
    world.secrets = given.credentials.clone();
    world.wait = given.wait.map(Duration::from_secs);
    let arguments = Value::Object(given.arguments.clone());
    let options = ListOptions { limit: given.limit, cursor: given.cursor.clone(), fields: given.fields.clone() };
    let mut wrong = Vec::new();
    if !world.knows(&given.call) {
        return vec![format!("there is no method {}", given.call)];
    }
    if let Some(expected) = &case.expect.preview {
        match world.preview(&given.call, arguments, options).await {
            Ok(preview) => check::preview(expected, &preview, &mut wrong),
            Err(problem) => wrong.push(format!("no preview: {problem:?}")),
        }
        return wrong;
    }
    for _ in 1..given.times.0 {
        let _ = world.execute(&given.call, arguments.clone(), options.clone()).await;
    }
    let outcome = world.execute(&given.call, arguments, options).await;
    check::outcome(&case.expect, &world, &outcome, &mut wrong);
    let expected: Vec<_> = case.expect.requests.iter().map(|request| integration.request(request)).collect();
    check::requests(&expected, &upstream.seen(), &mut wrong);
    let shown = check::shown(&outcome);
    wrong.extend(world.shown_secret(&shown).map(|name| format!("the secret {name} is shown in {shown}")));
    wrong
}

/// Serves the answers in order; the clock moves before an answer that says so.
async fn serve(answers: Vec<Answer>, clock: quartermaster_types::Clock) -> Upstream {
    Upstream::start(move |index, _| {
        let Some(answer) = answers.get(index) else {
            return Reply::json(599, r#"{"message":"a request too many"}"#);
        };
        clock.advance_ms(answer.later * 1000);
        answer.reply()
    })
    .await
}

/// Checks that the runner notices what is wrong: a case with every expectation turned around must fail in each.
#[tokio::test]
async fn a_wrong_expectation_is_noticed() {
    let folder = integrations().remove(0);
    let integration = Integration::read(&folder);
    let all: Vec<&Case> = integration.files.iter().flat_map(|(_, cases)| cases).collect();
    for case in all.iter().filter(|case| !case.expect.requests.is_empty()).take(20) {
        let mut turned = (*case).clone();
        turned.expect.requests.pop();
        assert!(!run(&integration, &turned).await.is_empty(), "{}: a request less", case.name);
        let mut turned = (*case).clone();
        match turned.expect.problem.take() {
            Some(mut problem) => {
                problem.code = Some("internal".to_owned());
                turned.expect.problem = Some(problem);
            }
            None => turned.expect.problem = Some(format::ProblemExpected::default()),
        }
        assert!(!run(&integration, &turned).await.is_empty(), "{}: another outcome", case.name);
    }
}
