//! Undo: the inverses of what a run changed, last first.

use std::sync::Arc;

use quartermaster_gateway::Actor;
use quartermaster_gateway::planning::{Forecast, PlanView, Undo};
use quartermaster_gateway::runs::{NewRun, RunView};
use quartermaster_simulator::{Config, State};
use quartermaster_store_model::{RunEntryRow, RunLease, RunState};
use quartermaster_types::{AccountId, Code, Problem, RunId};
use serde_json::{Value, json};

use super::{EMAIL, OTHER, at_end, done, order, outcomes, plan, report, set_state, state_of, suspend};
use crate::house::{House, LIST, SUSPEND, object};
use crate::runs::start;

async fn playbook(house: &House, account: AccountId, name: &str, input: Value) -> RunView {
    let new = NewRun {
        kind: "playbook".to_owned(),
        definition: name.to_owned(),
        account,
        input: object(input),
        patience_seconds: None,
    };
    let run = house.gateway.start_run(&house.admin, house.gateway.request_id(), new).await.unwrap();
    at_end(&house.gateway, &house.admin, run.summary.id).await
}

async fn undo(house: &House, actor: &Arc<Actor>, run: RunId) -> Result<PlanView, Problem> {
    house.gateway.undo_run(actor, house.gateway.request_id(), run, Undo::default()).await
}

#[tokio::test]
async fn an_offboarding_is_undone_and_the_undo_is_undone() {
    let house = House::new().await;
    house.gateway.work_on_runs();
    let account = house.account().await;
    let admin = &house.admin;
    let offboarded = playbook(&house, account, "offboard", json!({"email": EMAIL})).await;
    assert_eq!(state_of(&house, EMAIL), State::Suspended);

    let back = undo(&house, admin, offboarded.summary.id).await.unwrap();
    assert_eq!(back.summary.undoes, Some(offboarded.summary.id));
    let row = &back.rows[0];
    assert_eq!((row.method.as_str(), row.who.as_str(), row.forecast), ("users.reactivate", EMAIL, Forecast::Changes));
    assert_eq!(state_of(&house, EMAIL), State::Suspended, "it is only a plan");
    let undone = done(&house, admin, &back).await;
    assert_eq!((undone.summary.name.as_str(), undone.summary.state), ("undo", RunState::Done));
    assert_eq!(state_of(&house, EMAIL), State::Active);
    assert!(report(&undone).text.starts_with(&format!("1 of 1 change of the run {} undone", offboarded.summary.id)));
    let shown = house.gateway.get_run(admin, offboarded.summary.id).await.unwrap();
    assert_eq!(shown.undone_by, Some(undone.summary.id));

    let forth = undo(&house, admin, undone.summary.id).await.unwrap();
    assert_eq!(forth.rows[0].method, "users.suspend");
    done(&house, admin, &forth).await;
    assert_eq!(state_of(&house, EMAIL), State::Suspended);
    super::same_in_a_replay(&house, admin, undone.summary.id).await;
}

#[tokio::test]
async fn an_audit_with_thirty_suspensions_is_undone_last_first_but_for_what_somebody_changed() {
    const PEOPLE: usize = 30;
    let house = House::with(Config { users: 60, ..Config::default() }).await;
    house.gateway.work_on_runs();
    let account = house.account().await;
    let control = house.simulator.control();
    let free = |person: &quartermaster_simulator::Person| {
        person.state == State::Active && !person.last_owner && !person.externally_managed && !person.hidden
    };
    let emails: Vec<String> =
        control.people().into_iter().filter(free).map(|person| person.email).take(PEOPLE).collect();
    let rows: Vec<Value> = emails.iter().map(|email| json!({"email": email})).collect();
    let run = playbook(&house, account, "audit", json!({"rows": rows, "suspend": true})).await;
    assert_eq!(house.sent().suspend, PEOPLE as u64, "{:?}", run.outcome);

    // One was given back by hand, one was changed into something else.
    set_state(&house, &emails[3], State::Active);
    set_state(&house, &emails[5], State::Unspecified);
    let before = house.sent();
    let back = undo(&house, &house.admin, run.summary.id).await.unwrap();
    assert_eq!(house.sent().get - before.get, PEOPLE as u64, "each is read once");
    let row = |email: &str| back.rows.iter().find(|row| row.who == *email).unwrap();
    assert_eq!(row(&emails[3]).forecast, Forecast::Unchanged, "it is back already");
    let changed = row(&emails[5]).problem.as_ref().unwrap();
    assert_eq!((row(&emails[5]).forecast, changed.code()), (Forecast::Refused, Code::PreconditionFailed));
    let totals = back.summary.totals;
    assert_eq!((totals.rows, totals.changes, totals.unchanged, totals.refused), (PEOPLE, PEOPLE - 2, 1, 1));
    // Last first: the audit's own order, turned round.
    let suspended: Vec<_> = run.steps.iter().filter(|step| step.method.as_deref() == Some("users.suspend")).collect();
    let last = suspended.last().unwrap().arguments.as_ref().unwrap()["id"].as_str();
    assert_eq!(back.rows[0].id.as_deref(), last);

    let order = quartermaster_gateway::planning::ExecutePlan { skip_unresolved: true, ..order(&back) };
    let undone = super::execute(&house.gateway, &house.admin, &back, order).await.unwrap().summary.id;
    let undone = at_end(&house.gateway, &house.admin, undone).await;
    assert_eq!(undone.summary.state, RunState::Done);
    assert_eq!(house.sent().reactivate, PEOPLE as u64 - 2);
    for email in &emails {
        let expected = if *email == emails[5] { State::Unspecified } else { State::Active };
        assert_eq!(state_of(&house, email), expected, "{email}");
    }
}

#[tokio::test]
async fn somebody_reactivated_between_the_plan_and_the_undo_is_left_alone() {
    let house = House::new().await;
    house.gateway.work_on_runs();
    let account = house.account().await;
    let made = plan(&house, &house.admin, account, vec![suspend(EMAIL), suspend(OTHER)]).await;
    let run = done(&house, &house.admin, &made).await;
    let back = undo(&house, &house.admin, run.summary.id).await.unwrap();
    assert_eq!(back.rows.iter().map(|row| row.who.as_str()).collect::<Vec<_>>(), [OTHER, EMAIL]);
    set_state(&house, EMAIL, State::Active);
    let undone = done(&house, &house.admin, &back).await;
    assert_eq!(undone.summary.state, RunState::Failed);
    let rows: Vec<_> = outcomes(&undone).into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(rows, ["done", "changed_since"]);
    assert_eq!(house.sent().reactivate, 1);
}

#[tokio::test]
async fn what_cannot_be_undone_says_so_before_anything_is_done() {
    let house = House::new().await;
    house.gateway.work_on_runs();
    let mut account = house.new_account();
    let mut patch = account.override_patch.unwrap();
    patch["resources"] = json!({"users": {"methods": {"suspend": {"undo": null}}}});
    account.override_patch = Some(patch);
    let account = house.create(account).await.unwrap().id;
    let made = plan(&house, &house.admin, account, vec![suspend(EMAIL)]).await;
    let told = serde_json::to_value(&made.rows[0].undoable).unwrap();
    assert!(told["because"].as_str().unwrap().contains("no inverse of users.suspend"), "{told}");
    assert_eq!(made.summary.totals.not_undoable, 1);
    let run = done(&house, &house.admin, &made).await;
    let back = undo(&house, &house.admin, run.summary.id).await.unwrap();
    assert_eq!(back.rows[0].problem.as_ref().unwrap().code(), Code::Unsupported);
    let refused = super::execute(&house.gateway, &house.admin, &back, order(&back)).await.unwrap_err();
    assert_eq!(refused.code(), Code::PreconditionFailed);
}

#[tokio::test]
async fn a_run_that_changed_nothing_or_goes_on_has_no_undo() {
    let house = House::new().await;
    let account = house.account().await;
    let going_on =
        start(&house.gateway, &house.admin, account, &crate::runs::offboard(EMAIL)).await.unwrap().summary.id;
    assert_eq!(undo(&house, &house.admin, going_on).await.unwrap_err().code(), Code::Conflict);
    house.gateway.work_on_runs();
    at_end(&house.gateway, &house.admin, going_on).await;
    let rehearsed = playbook(&house, account, "offboard", json!({"email": OTHER, "dry_run": true})).await;
    let nothing = undo(&house, &house.admin, rehearsed.summary.id).await.unwrap_err();
    assert_eq!(nothing.code(), Code::PreconditionFailed, "{nothing}");
    let agent = house.agent().await;
    assert_eq!(undo(&house, &agent, going_on).await.unwrap_err().code(), Code::NotFound, "it is not the agent's run");
    assert_eq!(undo(&house, &house.admin, going_on).await.unwrap().summary.totals.changes, 1);
}

/// A run that was stopped while its worker was dead: the journal says that a suspension was begun, and no more.
async fn cut_off(house: &House, account: AccountId, id: &str) -> RunLease {
    let script = json!({"name": "cut off", "rounds": [[
        {"key": "suspend", "method": "users.suspend", "arguments": {"id": id}},
    ]]});
    let run = start(&house.gateway, &house.admin, account, &script).await.unwrap().summary.id;
    let now = house.clock.now();
    let claimed = house.store.claim_run(now, now.plus_ms(60_000)).await.unwrap().unwrap();
    assert_eq!(claimed.id, run);
    let call = json!({"key": "suspend", "resource": "users", "method": "suspend", "arguments": {"id": id}});
    let entry = json!({"entry": "begun", "call": call, "at": now}).to_string();
    let lease = RunLease { environment_id: claimed.environment_id, id: run, fence: claimed.fence };
    let entry = RunEntryRow { number: 1, at: now, entry, grounds: None };
    house.store.append_run_entries(&lease, &[entry]).await.unwrap();
    house.gateway.cancel_run(&house.admin, house.gateway.request_id(), run).await.unwrap();
    lease
}

#[tokio::test]
async fn what_the_journal_lost_is_asked_of_the_audit_log_and_then_of_the_record() {
    let house = House::new().await;
    let account = house.account().await;
    let admin = &house.admin;
    let [recorded, unrecorded, untouched] =
        [EMAIL, OTHER, "g.silva@company.com"].map(|email| house.simulator.control().find(email).unwrap().id);
    let mut leases = Vec::new();
    for id in [&recorded, &unrecorded, &untouched] {
        leases.push(cut_off(&house, account, id).await);
    }
    let runs: Vec<RunId> = leases.iter().map(|lease| lease.id).collect();
    // The first was done and recorded, of the second only the vendor knows, the third was never sent.
    for (tool, arguments) in [(LIST, json!({"email": EMAIL})), (SUSPEND, json!({"id": recorded}))] {
        let mut request = house.tool_request(account, tool, arguments);
        request.session = Some(format!("run:{}", runs[0]));
        house.gateway.call(admin, request).await.unwrap();
    }
    set_state(&house, OTHER, State::Suspended);
    for lease in &leases {
        house.store.release_run(lease, RunState::Queued, house.clock.now()).await.unwrap();
    }
    house.gateway.work_on_runs();
    for run in &runs {
        assert_eq!(at_end(&house.gateway, admin, *run).await.summary.state, RunState::Cancelled);
    }
    let first = undo(&house, admin, runs[0]).await.unwrap();
    assert_eq!((first.rows[0].forecast, &first.rows[0].note), (Forecast::Changes, &None), "the audit log knows");
    let second = undo(&house, admin, runs[1]).await.unwrap();
    assert_eq!(second.rows[0].forecast, Forecast::Changes);
    assert!(second.rows[0].note.as_ref().unwrap().contains("is not known"));
    let third = undo(&house, admin, runs[2]).await.unwrap();
    assert_eq!(third.rows[0].forecast, Forecast::Unchanged, "there is nothing to take back");
    for plan in [&first, &second] {
        assert_eq!(done(&house, admin, plan).await.summary.state, RunState::Done);
    }
    assert_eq!((state_of(&house, EMAIL), state_of(&house, OTHER)), (State::Active, State::Active));
}
