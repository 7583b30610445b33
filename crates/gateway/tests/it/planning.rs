//! Plans and undo: drawn up, executed exactly so, once, unless the world changed.

mod bad_days;
mod undo;

use std::sync::Arc;
use std::time::Duration;

use quartermaster_gateway::limits::{PLAN_CALLS_MAX, PLAN_LASTS_DEFAULT};
use quartermaster_gateway::planning::{ExecutePlan, Forecast, NewPlan, PlanStatus, PlanView, PlannedCall, Undoable};
use quartermaster_gateway::runs::machine::{Action, Report};
use quartermaster_gateway::runs::{PlanKind, RunView, replay};
use quartermaster_gateway::{Actor, AuditFilter, Gateway, Target};
use quartermaster_simulator::{Config, RateHeaders, RateLimit, State};
use quartermaster_store_model::{Narrowing, Role, RunState};
use quartermaster_types::{AccountId, Code, Problem, RunId};
use serde_json::{Map, Value, json};

use crate::house::{House, LIST, SUSPEND, object};
use crate::runs::in_state;

pub(crate) const EMAIL: &str = "a.miller@company.com";
pub(crate) const SUSPENDED: &str = "d.okafor@company.com";
pub(crate) const OTHER: &str = "f.tanaka@company.com";

/// Suspends the person with this address.
pub(crate) fn suspend(email: &str) -> PlannedCall {
    PlannedCall {
        target: Target::Tool(SUSPEND.to_owned()),
        arguments: Map::new(),
        email: Some(email.to_owned()),
        expect: Map::new(),
    }
}

/// The same by id.
pub(crate) fn suspend_id(id: &str) -> PlannedCall {
    PlannedCall { email: None, arguments: object(json!({"id": id})), ..suspend("") }
}

pub(crate) fn new_plan(account: AccountId, calls: Vec<PlannedCall>) -> NewPlan {
    NewPlan { account, calls, reason: Some("HR-1".to_owned()), lasts: None, session: None }
}

pub(crate) async fn plan(house: &House, actor: &Arc<Actor>, account: AccountId, calls: Vec<PlannedCall>) -> PlanView {
    house.gateway.make_plan(actor, house.gateway.request_id(), new_plan(account, calls)).await.unwrap()
}

pub(crate) fn order(plan: &PlanView) -> ExecutePlan {
    ExecutePlan { hash: plan.summary.hash.clone(), skip_unresolved: false, stop_on_change: true }
}

pub(crate) async fn execute(
    gateway: &Gateway,
    actor: &Arc<Actor>,
    plan: &PlanView,
    order: ExecutePlan,
) -> Result<RunView, Problem> {
    gateway.execute_plan(actor, gateway.request_id(), plan.summary.id.unwrap(), order).await
}

/// The run, at its end.
pub(crate) async fn at_end(gateway: &Gateway, actor: &Arc<Actor>, run: RunId) -> RunView {
    for _ in 0..3000 {
        let run = gateway.get_run(actor, run).await.unwrap();
        if run.summary.state.is_end() {
            return run;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{run} does not end");
}

/// Executes a plan and waits for the end.
pub(crate) async fn done(house: &House, actor: &Arc<Actor>, plan: &PlanView) -> RunView {
    let run = execute(&house.gateway, actor, plan, order(plan)).await.unwrap().summary.id;
    at_end(&house.gateway, actor, run).await
}

pub(crate) fn report(run: &RunView) -> Report {
    let outcome = run.outcome.as_ref().unwrap();
    match outcome.action.clone().unwrap() {
        Action::Done { report, .. } | Action::Failed { report, .. } => report.unwrap(),
        other @ Action::Proceed { .. } => panic!("{other:?}"),
    }
}

/// Who and outcome of each row of the report.
pub(crate) fn outcomes(run: &RunView) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    report(run).table.unwrap().rows.iter().map(|row| (text(&row[2]), text(&row[5]))).collect()
}

pub(crate) fn state_of(house: &House, email: &str) -> State {
    house.simulator.control().find(email).unwrap().state
}

pub(crate) fn set_state(house: &House, email: &str, state: State) {
    let control = house.simulator.control();
    assert!(control.set_state(&control.find(email).unwrap().id, state));
}

async fn same_in_a_replay(house: &House, actor: &Arc<Actor>, run: RunId) {
    let export = house.gateway.export_run(actor, run).await.unwrap();
    assert_eq!(replay(&PlanKind, &export).unwrap(), None);
}

#[tokio::test]
async fn a_plan_tells_what_each_row_changes_and_changes_nothing() {
    let house = House::new().await;
    let account = house.account().await;
    let before = house.sent();
    let calls =
        vec![suspend(EMAIL), suspend(SUSPENDED), suspend("nobody@company.com"), suspend("A.MILLER@company.com")];
    let plan = plan(&house, &house.admin, account, calls).await;
    let forecasts: Vec<_> = plan.rows.iter().map(|row| row.forecast).collect();
    use Forecast::{Changes, Unchanged, Unresolved};
    assert_eq!(forecasts, [Changes, Unchanged, Unresolved, Unchanged], "the last is what the first makes of it");
    let [first, second, third, _] = &plan.rows[..] else { panic!() };
    assert_eq!((first.who.as_str(), first.effect.as_deref()), (EMAIL, Some("destructive")));
    assert_eq!(first.before, Some(object(json!({"email": EMAIL, "state": "ACTIVE"}))));
    assert_eq!(first.after, Some(object(json!({"email": EMAIL, "state": "SUSPENDED"}))));
    assert_eq!(first.undoable, Some(Undoable::By { method: "users.reactivate".to_owned() }));
    assert!(first.request.as_ref().unwrap().url.ends_with(":suspend"));
    assert_eq!(second.diff, []);
    assert_eq!(third.problem.as_ref().unwrap().code(), Code::NotFound);
    let totals = plan.summary.totals;
    assert_eq!((totals.rows, totals.changes, totals.unchanged, totals.unresolved), (4, 1, 2, 1));
    // The read before the write, the write and the proof; a look for each of the two that are as asked.
    assert_eq!((plan.cost.upstream_calls, plan.cost.upstream_calls_at_most), (3 + 2, 3 * 4 + 2));
    let after = house.sent();
    assert_eq!((after.suspend, after.get - before.get), (0, 0), "one pass over the list tells all");
    assert_eq!(plan.cost.calls_made, after.list - before.list);
    let records = house.audit(AuditFilter { action: Some("plan.make".to_owned()), ..AuditFilter::default() }).await;
    assert_eq!(records.len(), 1);
    assert_eq!(u64::from(records[0].upstream_calls), plan.cost.calls_made);
    assert_eq!(records[0].target, plan.summary.id.map(|id| id.to_string()));
}

#[tokio::test]
async fn a_plan_is_executed_exactly_and_reports_every_row() {
    let house = House::new().await;
    house.gateway.work_on_runs();
    let account = house.account().await;
    let plan = plan(&house, &house.admin, account, vec![suspend(EMAIL), suspend(SUSPENDED), suspend(OTHER)]).await;
    let before = house.sent();
    let run = done(&house, &house.admin, &plan).await;
    assert_eq!(run.summary.state, RunState::Done);
    let after = house.sent();
    assert_eq!(after.suspend - before.suspend, 2);
    assert_eq!(after.total() - before.total(), plan.cost.upstream_calls, "as many calls as the plan said");
    assert_eq!((state_of(&house, EMAIL), state_of(&house, OTHER)), (State::Suspended, State::Suspended));
    let rows = outcomes(&run);
    let expected = [(EMAIL, "done"), (SUSPENDED, "unchanged"), (OTHER, "done")];
    assert_eq!(rows, expected.map(|(who, outcome)| (who.to_owned(), outcome.to_owned())));
    let report = report(&run);
    assert_eq!(report.text, "2 of 2 planned changes made in 1Password. 1 was as asked already.");
    assert_eq!(report.members["hash"], plan.summary.hash.as_str());
    assert_eq!(report.table.unwrap().rows[0][4], "state ACTIVE → SUSPENDED");
    same_in_a_replay(&house, &house.admin, run.summary.id).await;

    let shown = house.gateway.get_plan(&house.admin, plan.summary.id.unwrap()).await.unwrap();
    assert_eq!((shown.summary.state, shown.summary.run_id), (PlanStatus::Executed, Some(run.summary.id)));
    let again = execute(&house.gateway, &house.admin, &plan, order(&plan)).await.unwrap_err();
    assert_eq!(again.code(), Code::Conflict);
    assert_eq!(house.sent().suspend, after.suspend);
}

#[tokio::test]
async fn what_somebody_changed_since_ends_the_run_or_is_left_alone() {
    for stop_on_change in [true, false] {
        let house = House::new().await;
        house.gateway.work_on_runs();
        let account = house.account().await;
        let third = "g.silva@company.com";
        let calls = vec![suspend(EMAIL), suspend(OTHER), suspend(third)];
        let plan = plan(&house, &house.admin, account, calls).await;
        set_state(&house, OTHER, State::Unspecified);
        let order = ExecutePlan { stop_on_change, ..order(&plan) };
        let run = execute(&house.gateway, &house.admin, &plan, order).await.unwrap().summary.id;
        let run = at_end(&house.gateway, &house.admin, run).await;
        let rest = if stop_on_change { "not_reached" } else { "done" };
        let rows: Vec<_> = outcomes(&run).into_iter().map(|(_, outcome)| outcome).collect();
        assert_eq!(rows, ["done", "changed_since", rest]);
        assert_eq!(run.summary.state, if stop_on_change { RunState::Failed } else { RunState::Done });
        assert_eq!(house.sent().suspend, if stop_on_change { 1 } else { 2 });
        assert_eq!(state_of(&house, OTHER), State::Unspecified, "nobody touched it");
        same_in_a_replay(&house, &house.admin, run.summary.id).await;
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_done_is_left_out_only_when_asked() {
    let house = House::new().await;
    house.gateway.work_on_runs();
    let account = house.account().await;
    let plan = plan(&house, &house.admin, account, vec![suspend("nobody@company.com"), suspend(EMAIL)]).await;
    let refused = execute(&house.gateway, &house.admin, &plan, order(&plan)).await.unwrap_err();
    assert_eq!((refused.code(), refused.body().errors[0].pointer.as_str()), (Code::PreconditionFailed, "/rows/0"));
    assert_eq!(house.sent().suspend, 0);
    let order = ExecutePlan { skip_unresolved: true, ..order(&plan) };
    let run = execute(&house.gateway, &house.admin, &plan, order).await.unwrap().summary.id;
    let run = at_end(&house.gateway, &house.admin, run).await;
    let rows: Vec<_> = outcomes(&run).into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(rows, ["left_out", "done"]);
    assert!(report(&run).text.ends_with("1 was left out of the plan."));
}

#[tokio::test]
async fn an_id_has_to_be_read_in_the_session_that_plans_it() {
    let house = House::new().await;
    house.gateway.work_on_runs();
    let account = house.account().await;
    let agent = house.agent().await;
    let id = house.simulator.control().find(EMAIL).unwrap().id;
    let before = house.sent();
    let unread = plan(&house, &agent, account, vec![suspend_id(&id)]).await;
    assert_eq!(unread.rows[0].problem.as_ref().unwrap().code(), Code::UngroundedId);
    assert_eq!(house.sent(), before, "an id that nobody read is not read for the plan either");
    house.tool(&agent, account, LIST, json!({"email": EMAIL})).await.unwrap();
    let read = plan(&house, &agent, account, vec![suspend_id(&id)]).await;
    assert_eq!((read.rows[0].forecast, read.rows[0].who.as_str()), (Forecast::Changes, EMAIL));
    let run = done(&house, &agent, &read).await;
    assert_eq!(run.summary.state, RunState::Done);
    assert_eq!(state_of(&house, EMAIL), State::Suspended);
    // A plan does not ground anything in the session of whoever makes it.
    plan(&house, &agent, account, vec![suspend(OTHER)]).await;
    let other = house.simulator.control().find(OTHER).unwrap().id;
    let refused = house.tool(&agent, account, SUSPEND, json!({"id": other})).await.unwrap_err();
    assert_eq!(refused.code(), Code::UngroundedId);
}

#[tokio::test]
async fn guards_and_expectations_refuse_rows_of_a_plan() {
    let house = House::new().await;
    let account = house.account().await;
    let policy = "version: 1\nrules:\n  - name: nobody-from-tokyo\n    match: {methods: [suspend]}\n    when: record.email == 'f.tanaka@company.com'\n    effect: deny\n    because: she is on call\n";
    let (gateway, admin) = (&house.gateway, &house.admin);
    gateway.put_policy(admin, gateway.request_id(), None, policy.to_owned()).await.unwrap();
    let expecting = PlannedCall { expect: object(json!({"state": "SUSPENDED"})), ..suspend(EMAIL) };
    let read = PlannedCall {
        target: Target::Method { resource: "users".to_owned(), method: "list".to_owned() },
        email: None,
        ..suspend("")
    };
    let unknown = PlannedCall { target: Target::Tool("delete_everything".to_owned()), ..read.clone() };
    let calls = vec![suspend(OTHER), expecting, read, unknown];
    let plan = plan(&house, admin, account, calls).await;
    let codes: Vec<_> = plan.rows.iter().map(|row| row.problem.as_ref().unwrap().code()).collect();
    assert_eq!(codes, [Code::DeniedByPolicy, Code::PreconditionFailed, Code::InvalidArgument, Code::NotFound]);
    assert!(plan.rows[0].policy.as_ref().unwrap().to_string().contains("nobody-from-tokyo"));
    assert_eq!(plan.rows[1].problem.as_ref().unwrap().body().errors[0].pointer, "/expect/state");
    assert!(plan.rows.iter().all(|row| row.forecast == Forecast::Refused));
    let order = ExecutePlan { skip_unresolved: true, ..order(&plan) };
    let nothing = execute(gateway, admin, &plan, order).await.unwrap_err();
    assert_eq!(nothing.code(), Code::PreconditionFailed, "{nothing}");
}

#[tokio::test]
async fn a_plan_ends_at_its_time_and_belongs_to_its_environment() {
    let house = House::new().await;
    let account = house.account().await;
    let (gateway, admin) = (&house.gateway, &house.admin);
    let made = plan(&house, admin, account, vec![suspend(EMAIL)]).await;
    let (_, text) = gateway.create_environment(admin, gateway.request_id(), "elsewhere").await.unwrap();
    let stranger = gateway.authenticate(Some(secrecy::ExposeSecret::expose_secret(&text))).await.unwrap();
    let foreign = execute(gateway, &stranger, &made, order(&made)).await.unwrap_err();
    assert_eq!(foreign.code(), Code::NotFound);
    let other = house.agent().await;
    assert_eq!(execute(gateway, &other, &made, order(&made)).await.unwrap_err().code(), Code::NotFound);
    let wrong = ExecutePlan { hash: "0".repeat(64), ..order(&made) };
    assert_eq!(execute(gateway, admin, &made, wrong).await.unwrap_err().code(), Code::PreconditionFailed);

    house.clock.advance_ms(PLAN_LASTS_DEFAULT.as_millis() as i64 - 1);
    let state = async || gateway.get_plan(admin, made.summary.id.unwrap()).await.unwrap().summary.state;
    assert_eq!(state().await, PlanStatus::Ready);
    house.clock.advance_ms(1);
    assert_eq!(state().await, PlanStatus::Expired);
    let late = execute(gateway, admin, &made, order(&made)).await.unwrap_err();
    assert!(late.body().detail.contains("expired at"), "{late}");
    assert_eq!(house.sent().suspend, 0);
}

#[tokio::test]
async fn the_same_plan_has_the_same_hash_and_another_world_another() {
    let house = House::new().await;
    let account = house.account().await;
    let hash = async || plan(&house, &house.admin, account, vec![suspend(EMAIL)]).await.summary.hash;
    let first = hash().await;
    assert_eq!((first.len(), hash().await), (64, first.clone()));
    set_state(&house, EMAIL, State::Unspecified);
    assert_ne!(hash().await, first);
}

#[tokio::test]
async fn so_many_calls_make_a_plan_and_one_more_does_not() {
    let house = House::with(Config { users: PLAN_CALLS_MAX + 1, ..Config::default() }).await;
    let account = house.account().await;
    let emails: Vec<String> = house.simulator.control().people().iter().map(|person| person.email.clone()).collect();
    let calls = |count: usize| emails.iter().take(count).map(|email| suspend(email)).collect::<Vec<_>>();
    let plan = plan(&house, &house.admin, account, calls(PLAN_CALLS_MAX)).await;
    assert_eq!(plan.summary.totals.rows, PLAN_CALLS_MAX);
    let past = new_plan(account, calls(PLAN_CALLS_MAX + 1));
    let refused = house.gateway.make_plan(&house.admin, house.gateway.request_id(), past).await.unwrap_err();
    assert_eq!((refused.code(), refused.body().errors[0].pointer.as_str()), (Code::InvalidArgument, "/calls"));
}

#[tokio::test]
async fn a_plan_reckons_with_the_limit_that_the_vendor_tells() {
    let limit = RateLimit { requests: 10, window: Duration::from_secs(60) };
    let config = Config { rate_limit: Some(limit), rate_headers: RateHeaders::Trio, ..Config::default() };
    let house = House::with(config).await;
    let account = house.account().await;
    let emails = [EMAIL, OTHER, "g.silva@company.com", "k.novak@external-agency.com", "l.moreau@external-agency.com"];
    let plan = plan(&house, &house.admin, account, emails.map(suspend).to_vec()).await;
    let budget = plan.cost.rate_budget.unwrap();
    assert_eq!(budget.limit, Some(10));
    assert!(budget.remaining.unwrap() < 10);
    assert_eq!(plan.cost.upstream_calls, 15);
    // More than is left, and no more than one window besides.
    let seconds = plan.cost.seconds.unwrap();
    assert!((30..=60).contains(&seconds), "{seconds}");
    assert!(plan.cost.seconds_at_most.unwrap() > 5 * 60, "sixty calls are six windows");
    let house = House::new().await;
    let account = house.account().await;
    let plan = self::plan(&house, &house.admin, account, vec![suspend(EMAIL)]).await;
    assert_eq!(plan.cost.rate_budget, None, "a vendor that tells nothing is not guessed at");
}

#[tokio::test]
async fn a_token_without_the_right_makes_a_plan_of_refusals() {
    let house = House::new().await;
    let account = house.account().await;
    let narrowing = Narrowing { methods: Some(vec!["read".to_owned()]), ..Narrowing::default() };
    let (reader, _) = house.token(Role::Agent, narrowing).await;
    let plan = plan(&house, &reader, account, vec![suspend(EMAIL)]).await;
    assert_eq!(plan.rows[0].problem.as_ref().unwrap().code(), Code::PermissionDenied);
    assert_eq!(plan.summary.totals.refused, 1);
}

#[tokio::test]
async fn a_stopped_run_of_a_plan_makes_no_further_call() {
    let house = House::new().await;
    let account = house.account().await;
    let plan = plan(&house, &house.admin, account, vec![suspend(EMAIL)]).await;
    let run = execute(&house.gateway, &house.admin, &plan, order(&plan)).await.unwrap().summary.id;
    house.gateway.cancel_run(&house.admin, house.gateway.request_id(), run).await.unwrap();
    house.gateway.work_on_runs();
    in_state(&house.gateway, &house.admin, run, RunState::Cancelled).await;
    assert_eq!(house.sent().suspend, 0);
}
