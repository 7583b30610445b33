//! `qm policy`.

use std::io::IsTerminal;
use std::path::Path;

use quartermaster_client::{BlastLimit, CallOptions, Policy, PolicyTest};
use quartermaster_definition::load_policy;
use serde_json::{Value, json};

use super::tools::typed;
use crate::arguments::{OutputArguments, PolicyCommand, PolicyExplain};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Format, Rows, show};
use crate::secrets::read_file;
use crate::{connect, env};

/// What does not need a gateway.
pub(crate) fn local(command: &PolicyCommand) -> Option<Result<Exit, Failure>> {
    match command {
        PolicyCommand::Check { file, output } => Some(check(file, output)),
        PolicyCommand::Schema => {
            let schema = output::json(&quartermaster_definition::policy_schema());
            Some(schema.and_then(|schema| output::data(&schema)).map(|()| Exit::Ok))
        }
        _ => None,
    }
}

pub(crate) async fn run(command: &PolicyCommand) -> Result<Exit, Failure> {
    match command {
        PolicyCommand::Show { number, gateway } => {
            let policy = connect::client(gateway)?.policy(*number).await?;
            if policy.version == 0 {
                output::note("this environment has no policy: every call that the token's rights allow is allowed");
            }
            output::data(&policy.document)?;
        }
        PolicyCommand::Set { file, if_version, gateway } => {
            let document = read_file(file, "the policy")?;
            if !accepted(file, &document) {
                return Ok(Exit::Failed);
            }
            told(&connect::client(gateway)?.set_policy(&document, *if_version).await?);
        }
        PolicyCommand::Restore { number, if_version, gateway } => {
            told(&connect::client(gateway)?.restore_policy(*number, *if_version).await?);
        }
        PolicyCommand::Versions { limit, output, gateway } => {
            let versions = connect::client(gateway)?.policy_versions(*limit).await?;
            show(output.output, &versions, || {
                Rows::new(
                    ["version", "created_at", "token_id", "restored_from", "bytes"],
                    versions.iter().map(|version| {
                        [
                            version.version.to_string(),
                            version.created_at.to_string(),
                            version.token_id.to_string(),
                            version.restored_from.map(|from| from.to_string()).unwrap_or_default(),
                            version.document_bytes.to_string(),
                        ]
                    }),
                )
            })?;
        }
        PolicyCommand::BlastRadius { output, gateway } => {
            let limits = connect::client(gateway)?.blast_radius().await?;
            show(output.output, &limits, || usage(&limits))?;
        }
        PolicyCommand::Test { file, policy, output, gateway } => {
            let document = policy.as_ref().map(|file| read_file(file, "the policy")).transpose()?;
            let cases = cases(&read_file(file, "the cases")?)?;
            let tested = connect::client(gateway)?.test_policy(document.as_deref(), cases).await?;
            return tell_test(&tested, output);
        }
        PolicyCommand::Explain(arguments) => return explain(arguments).await,
        PolicyCommand::Check { .. } | PolicyCommand::Schema => {}
    }
    Ok(Exit::Ok)
}

/// A line for each who has used some of a limit, and one for a limit that nobody has used.
fn usage(limits: &[BlastLimit]) -> Rows {
    let room = |limit: &BlastLimit| match (limit.max, limit.share) {
        (Some(max), _) => max.to_string(),
        (None, Some(share)) => format!("{share} of the directory"),
        (None, None) => String::new(),
    };
    let rows = limits.iter().flat_map(|limit| {
        let nobody = limit.subjects.is_empty().then(|| ["-".to_owned(), "0".to_owned(), String::new()]);
        let used = limit.subjects.iter().map(|one| {
            let frees = one.frees_at.map(|at| at.to_string()).unwrap_or_default();
            [one.subject.clone(), one.used.to_string(), frees]
        });
        let window = limit.within_seconds.map(|seconds| format!("{seconds} s")).unwrap_or_default();
        used.chain(nobody).map(move |[subject, used, frees]| {
            [limit.limit.clone(), limit.per.clone(), window.clone(), room(limit), subject, used, frees]
        })
    });
    Rows::new(["limit", "per", "within", "allows", "subject", "used", "frees_at"], rows)
}

fn told(policy: &Policy) {
    output::note(&format!("the policy is in force, version {}", policy.version));
}

fn check(file: &Path, arguments: &OutputArguments) -> Result<Exit, Failure> {
    let document = read_file(file, "the policy")?;
    let name = file.display().to_string();
    let (policy, diagnostics) = load_policy(&name, &document);
    if arguments.output == Format::Table && !diagnostics.is_empty() {
        output::note(diagnostics.render(coloured()).trim_end());
    }
    let told = diagnostics.to_json();
    show(arguments.output, &told, || {
        let count = |member: &str| told.get(member).map(ToString::to_string).unwrap_or_default();
        let verdict = if policy.is_some() { "ok" } else { "wrong" };
        Rows::new(
            ["file", "verdict", "errors", "warnings"],
            [[name, verdict.to_owned(), count("errors"), count("warnings")]],
        )
    })?;
    Ok(if policy.is_some() { Exit::Ok } else { Exit::Failed })
}

/// Whether a document has no errors; they are printed.
fn accepted(file: &Path, document: &str) -> bool {
    let (policy, diagnostics) = load_policy(&file.display().to_string(), document);
    if !diagnostics.is_empty() {
        output::note(diagnostics.render(coloured()).trim_end());
    }
    policy.is_some()
}

fn coloured() -> bool {
    std::io::stderr().is_terminal() && env::text(env::NO_COLOR).is_none()
}

/// The list under `cases`.
fn cases(text: &str) -> Result<Value, Failure> {
    let parsed: Value =
        serde_saphyr::from_str(text).map_err(|error| Failure::usage(format!("the cases are not YAML: {error}")))?;
    match parsed.get("cases") {
        Some(cases @ Value::Array(_)) => Ok(cases.clone()),
        _ => Err(Failure::usage("the file of cases needs a list under `cases`")),
    }
}

fn tell_test(tested: &PolicyTest, arguments: &OutputArguments) -> Result<Exit, Failure> {
    show(arguments.output, tested, || {
        Rows::new(
            ["case", "outcome", "decided_by", "difference"],
            tested.result.iter().map(|case| {
                [
                    case.name.clone(),
                    if case.passed { "ok" } else { "wrong" }.to_owned(),
                    text(&case.decision, "decided_by"),
                    case.difference.clone().unwrap_or_default(),
                ]
            }),
        )
    })?;
    Ok(if tested.failed == 0 { Exit::Ok } else { Exit::Failed })
}

async fn explain(arguments: &PolicyExplain) -> Result<Exit, Failure> {
    let client = connect::client(&arguments.gateway)?;
    let account = connect::account(&client, &arguments.account).await?;
    let given = typed(&client, account, &arguments.tool, &arguments.pairs).await?;
    let options = CallOptions { session: arguments.session.clone(), ..CallOptions::default() };
    let shown = client.dry_run(account, &arguments.tool, given, &options).await?.value;
    let decision = shown.get("decision").cloned().unwrap_or_default();
    let allowed = decision.get("allowed") == Some(&json!(true));
    show(arguments.output.output, &decision, || rows(&decision))?;
    if arguments.output.output == Format::Table {
        let problem = decision.get("problem");
        let detail = problem.map_or_else(|| "allowed".to_owned(), |problem| text(problem, "detail"));
        output::note(&detail);
    }
    Ok(if allowed { Exit::Ok } else { Exit::Refused })
}

/// The rules that were looked at.
fn rows(decision: &Value) -> Rows {
    let rules = decision.pointer("/policy/rules").and_then(Value::as_array).cloned().unwrap_or_default();
    let decided_by = decision.get("policy").map(|policy| text(policy, "decided_by")).unwrap_or_default();
    Rows::new(
        ["rule", "effect", "holds", "decides", "failure"],
        rules.iter().map(|rule| {
            let name = text(rule, "rule");
            let yes = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
            let decides = yes(name == decided_by);
            [name, text(rule, "effect"), yes(rule.get("held") == Some(&json!(true))), decides, text(rule, "failure")]
        }),
    )
}

fn text(value: &Value, member: &str) -> String {
    value.get(member).and_then(Value::as_str).unwrap_or_default().to_owned()
}
