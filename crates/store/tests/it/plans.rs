//! Plans: what both back ends do alike when they are made, executed, discarded and forgotten.

use quartermaster_store::Store;
use quartermaster_store::model::{AuditQuery, PlanQuery, PlanRow, PlanState, RunRow, StoreError};
use quartermaster_types::{EnvironmentId, PlanId, RunId};

use crate::runs::run;
use crate::support::{NOW, audit, id, token_id, two_environments};

on_both_back_ends![
    plans_come_back_whole,
    plans_are_listed_newest_first_and_filtered,
    of_many_executions_at_once_one_is_done,
    a_plan_is_not_executed_at_its_end,
    a_discarded_plan_is_not_executed_and_an_executed_one_not_discarded,
    what_undoes_a_run_is_found,
    plans_that_nobody_executed_are_forgotten,
    plans_do_not_cross_environments,
];

const LASTS_MS: i64 = 60_000;

fn plan(environment: EnvironmentId, number: u64) -> PlanRow {
    PlanRow {
        id: id(number),
        environment_id: environment,
        token_id: token_id(1),
        account_id: id(4),
        reason: Some("HR-1 é".to_owned()),
        state: PlanState::Ready,
        hash: [u8::try_from(number % 256).unwrap(); 32],
        summary: r#"{ "rows":1 }"#.to_owned(),
        document: r#"{ "rows":[ {"nul":"\u0000"} ] }"#.to_owned(),
        undoes_run_id: None,
        run_id: None,
        created_at: NOW,
        expires_at: NOW.plus_ms(LASTS_MS),
        ended_at: None,
    }
}

async fn records(store: &Store, environment: EnvironmentId) -> usize {
    store.list_audit(environment, &AuditQuery { limit: 100, ..AuditQuery::default() }).await.unwrap().len()
}

async fn executed(store: &Store, environment: EnvironmentId, plan: u64, run_number: u64) -> bool {
    let records = [audit(environment, 100 + run_number)];
    store.execute_plan(id(plan), NOW.plus_ms(1), &run(environment, run_number), &records).await.unwrap()
}

async fn plans_come_back_whole(store: &Store) {
    let (ours, _) = two_environments(store).await;
    let bare = PlanRow { reason: None, undoes_run_id: Some(id(7)), ..plan(ours, 2) };
    for (number, row) in [(1, &plan(ours, 1)), (2, &bare)] {
        store.insert_plan(row, &audit(ours, number)).await.unwrap();
        assert_eq!(store.find_plan(ours, row.id).await.unwrap().as_ref(), Some(row));
    }
    assert_eq!(store.find_plan(ours, id(3)).await.unwrap(), None);
    assert!(matches!(store.insert_plan(&bare, &audit(ours, 9)).await, Err(StoreError::Conflict(_))));
}

async fn plans_are_listed_newest_first_and_filtered(store: &Store) {
    let (ours, theirs) = two_environments(store).await;
    for number in 1..=4_u64 {
        let row = PlanRow { token_id: token_id(number.div_ceil(2)), ..plan(ours, number) };
        store.insert_plan(&row, &audit(ours, number)).await.unwrap();
    }
    store.insert_plan(&plan(theirs, 9), &audit(theirs, 9)).await.unwrap();
    assert!(store.discard_plan(ours, id(2), NOW, &audit(ours, 20)).await.unwrap());
    let list = async |query: PlanQuery| {
        let rows = store.list_plans(ours, &query).await.unwrap();
        assert!(rows.iter().all(|row| row.document.is_empty() && row.summary == plan(ours, 1).summary));
        rows.iter().map(|row| (1..=9).find(|number| row.id == id(*number)).unwrap()).collect::<Vec<u64>>()
    };
    let all = || PlanQuery { limit: 100, ..PlanQuery::default() };
    assert_eq!(list(all()).await, [4, 3, 2, 1]);
    assert_eq!(list(PlanQuery { limit: 1, ..all() }).await, [4]);
    assert_eq!(list(PlanQuery { before: Some(id(3)), ..all() }).await, [2, 1]);
    assert_eq!(list(PlanQuery { token_id: Some(token_id(2)), ..all() }).await, [4, 3]);
    assert_eq!(list(PlanQuery { state: Some(PlanState::Discarded), ..all() }).await, [2]);
}

async fn of_many_executions_at_once_one_is_done(store: &Store) {
    const TRIES: u64 = 12;
    let (ours, _) = two_environments(store).await;
    store.insert_plan(&plan(ours, 1), &audit(ours, 1)).await.unwrap();
    let tries = (0..TRIES).map(|number| {
        let store = store.clone();
        tokio::spawn(async move { (number, executed(&store, ours, 1, 10 + number).await) })
    });
    let mut winners = Vec::new();
    for one in tries.collect::<Vec<_>>() {
        let (number, done) = one.await.unwrap();
        winners.extend(done.then_some(10 + number));
    }
    let [winner] = winners[..] else { panic!("{winners:?}") };
    let row = store.find_plan(ours, id(1)).await.unwrap().unwrap();
    assert_eq!((row.state, row.run_id, row.ended_at), (PlanState::Executed, Some(id(winner)), Some(NOW.plus_ms(1))));
    for number in 10..10 + TRIES {
        let found: Option<RunRow> = store.find_run(ours, id(number)).await.unwrap();
        assert_eq!(found.is_some(), number == winner, "the others leave no run");
    }
    assert_eq!(records(store, ours).await, 2, "and no record");
}

async fn a_plan_is_not_executed_at_its_end(store: &Store) {
    let (ours, _) = two_environments(store).await;
    store.insert_plan(&plan(ours, 1), &audit(ours, 1)).await.unwrap();
    let end = NOW.plus_ms(LASTS_MS);
    assert!(!store.execute_plan(id(1), end, &run(ours, 5), &[audit(ours, 5)]).await.unwrap());
    assert_eq!(store.find_run(ours, id(5)).await.unwrap(), None);
    assert!(store.execute_plan(id(1), end.plus_ms(-1), &run(ours, 6), &[audit(ours, 6)]).await.unwrap());
}

async fn a_discarded_plan_is_not_executed_and_an_executed_one_not_discarded(store: &Store) {
    let (ours, _) = two_environments(store).await;
    for number in [1, 2] {
        store.insert_plan(&plan(ours, number), &audit(ours, number)).await.unwrap();
    }
    assert!(store.discard_plan(ours, id(1), NOW, &audit(ours, 3)).await.unwrap());
    assert!(!store.discard_plan(ours, id(1), NOW, &audit(ours, 4)).await.unwrap(), "once");
    assert!(!executed(store, ours, 1, 5).await);
    assert!(executed(store, ours, 2, 6).await);
    assert!(!store.discard_plan(ours, id(2), NOW, &audit(ours, 7)).await.unwrap());
    assert!(!store.discard_plan(ours, id(3), NOW, &audit(ours, 8)).await.unwrap(), "there is none");
    assert_eq!(records(store, ours).await, 4);
}

async fn what_undoes_a_run_is_found(store: &Store) {
    let (ours, theirs) = two_environments(store).await;
    let undone: RunId = id(50);
    for number in [1, 2, 3] {
        let row = PlanRow { undoes_run_id: Some(undone), ..plan(ours, number) };
        store.insert_plan(&row, &audit(ours, number)).await.unwrap();
    }
    assert_eq!(store.find_undo(ours, undone).await.unwrap(), None, "nothing was done yet");
    assert!(executed(store, ours, 1, 11).await && executed(store, ours, 2, 12).await);
    assert_eq!(store.find_undo(ours, undone).await.unwrap(), Some(id(12)), "the last one");
    assert_eq!(store.find_undo(theirs, undone).await.unwrap(), None);
    assert_eq!(store.find_undo(ours, id(51)).await.unwrap(), None);
}

async fn plans_that_nobody_executed_are_forgotten(store: &Store) {
    let (ours, _) = two_environments(store).await;
    for number in [1, 2, 3] {
        store.insert_plan(&plan(ours, number), &audit(ours, number)).await.unwrap();
    }
    assert!(executed(store, ours, 1, 5).await);
    assert!(store.discard_plan(ours, id(2), NOW, &audit(ours, 6)).await.unwrap());
    let end = NOW.plus_ms(LASTS_MS);
    assert_eq!(store.prune_plans(end).await.unwrap(), 0, "up to the end they are kept");
    assert_eq!(store.prune_plans(end.plus_ms(1)).await.unwrap(), 2);
    assert!(store.find_plan(ours, id(1)).await.unwrap().is_some(), "what was done stays");
}

async fn plans_do_not_cross_environments(store: &Store) {
    let (ours, theirs) = two_environments(store).await;
    store.insert_plan(&plan(ours, 1), &audit(ours, 1)).await.unwrap();
    let there: PlanId = id(1);
    assert_eq!(store.find_plan(theirs, there).await.unwrap(), None);
    assert!(!store.discard_plan(theirs, there, NOW, &audit(theirs, 2)).await.unwrap());
    assert!(!executed(store, theirs, 1, 5).await);
    assert_eq!(store.find_plan(ours, there).await.unwrap(), Some(plan(ours, 1)));
}
