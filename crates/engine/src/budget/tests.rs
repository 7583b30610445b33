use quartermaster_types::RateWindow;

use super::*;

const NOW: Timestamp = Timestamp::from_unix_ms(1_752_012_000_000);
const PATIENCE: Duration = Duration::from_secs(5);

fn account() -> AccountId {
    AccountId::from(uuid::Uuid::from_u128(1))
}

fn told(remaining: u64, reset_ms: i64) -> RateLimits {
    let reset_at = Some(NOW.plus_ms(reset_ms));
    let window = RateWindow { name: None, limit: Some(10), window_seconds: Some(10), remaining, reset_at };
    RateLimits { windows: vec![window], ..RateLimits::default() }
}

fn ask(holder: u64, calls: u64) -> Ask {
    Ask { holder, method: 1, calls }
}

/// A budget of an account that told that so many calls are left.
fn budget(remaining: u64) -> (Budgets, Arc<Budget>, Clock) {
    let budgets = Budgets::default();
    budgets.learn(account(), 1, &told(remaining, 10_000), false, NOW);
    let budget = budgets.find(account()).unwrap();
    (budgets, budget, Clock::manual(NOW))
}

#[tokio::test]
async fn a_vendor_that_tells_nothing_has_no_budget() {
    let budgets = Budgets::default();
    budgets.learn(account(), 1, &RateLimits::default(), true, NOW);
    let mut without_reset = told(0, 0);
    without_reset.windows[0].reset_at = None;
    budgets.learn(account(), 1, &without_reset, true, NOW);
    assert_eq!((budgets.len(), budgets.state(account())), (0, None));
}

#[tokio::test]
async fn calls_are_let_go_until_none_is_left_and_unused_ones_come_back() {
    let (budgets, budget, clock) = budget(4);
    let mut three = budget.admit(ask(1, 3), &clock, PATIENCE).await.unwrap();
    let one = budget.admit(ask(1, 1), &clock, PATIENCE).await.unwrap();
    let refused = budget.admit(ask(1, 1), &clock, PATIENCE).await.err().unwrap();
    assert_eq!(refused.reset_at, Some(NOW.plus_ms(10_000)));
    three.begin();
    three.settle(1, Some(&told(3, 10_000)), false);
    drop(three);
    // Two of the three were not made.
    let mut two = budget.admit(ask(1, 2), &clock, PATIENCE).await.unwrap();
    assert!(budget.admit(ask(1, 1), &clock, PATIENCE).await.is_err());
    drop(one);
    // A caller that goes away while its call is under way has used it.
    two.begin();
    drop(two);
    let left = budgets.state(account()).unwrap().windows.all()[0].left();
    assert_eq!(left, 2);
    assert_eq!(budgets.take_changed().len(), 1);
    assert_eq!(budgets.take_changed().len(), 0);
}

#[tokio::test]
async fn when_a_window_starts_anew_one_call_finds_out_and_the_others_wait_for_it() {
    let (_, budget, clock) = budget(0);
    clock.advance_ms(10_000);
    let mut probe = budget.admit(ask(1, 1), &clock, PATIENCE).await.unwrap();
    let mut others: Vec<_> = (2..5)
        .map(|holder| {
            let (budget, clock) = (Arc::clone(&budget), clock.clone());
            Box::pin(async move { budget.admit(ask(holder, 1), &clock, PATIENCE).await.map(std::mem::forget) })
        })
        .collect();
    for other in &mut others {
        assert!(futures_util::poll!(other.as_mut()).is_pending());
    }
    probe.begin();
    probe.settle(1, Some(&told(2, 20_000)), false);
    let let_go = futures_util::future::join_all(others).await.into_iter().flatten().count();
    assert_eq!(let_go, 2);
}

#[tokio::test]
async fn who_waits_for_the_probe_too_long_goes_without() {
    let (_, budget, clock) = budget(0);
    clock.advance_ms(10_000);
    let probe = budget.admit(ask(1, 1), &clock, PATIENCE).await.unwrap();
    let begun = Instant::now();
    assert!(budget.admit(ask(2, 1), &clock, PATIENCE).await.is_ok());
    assert_eq!(begun.elapsed().as_secs(), BUDGET_HOLD_MAX.as_secs());
    drop(probe);
}

#[tokio::test]
async fn what_is_set_aside_is_left_to_its_holder_and_never_more_than_half() {
    let (budgets, budget, clock) = budget(8);
    let reserve =
        |holder, calls, ms| budgets.reserve(account(), Reservation { holder, calls, until: NOW.plus_ms(ms) }, NOW);
    assert!(reserve(7, 100, 60_000));
    let mut others = Vec::new();
    while let Ok(permit) = budget.admit(ask(1, 1), &clock, PATIENCE).await {
        others.push(permit);
    }
    assert_eq!(others.len(), 3, "half of ten are set aside");
    let own = budget.admit(ask(7, 5), &clock, PATIENCE).await.unwrap();
    assert_eq!(budgets.state(account()).unwrap().reserved(NOW), 95);
    drop((own, others));
    assert!(reserve(7, 0, 60_000), "given back");
    assert_eq!(budgets.state(account()).unwrap().reserved(NOW), 0);
    assert!(!reserve(7, 1, BUDGET_RESERVATION_MAX_MS + 1));
    for holder in 0..BUDGET_RESERVATIONS_MAX as u64 {
        assert!(reserve(holder, 1, BUDGET_RESERVATION_MAX_MS));
    }
    assert!(!reserve(u64::MAX, 1, 1));
    assert!(reserve(0, 2, 1), "instead of its own");
}

#[tokio::test]
async fn what_was_known_before_a_restart_is_taken_in_once() {
    let (budgets, budget, clock) = budget(1);
    let under_way = budget.admit(ask(1, 1), &clock, PATIENCE).await.unwrap();
    let text = serde_json::to_string(&budgets.state(account()).unwrap()).unwrap();
    let again = Budgets::default();
    again.restore(account(), serde_json::from_str(&text).unwrap(), NOW);
    let window = again.state(account()).unwrap().windows.all()[0].clone();
    assert_eq!((window.left(), window.reset_at), (1, NOW.plus_ms(10_000)));
    again.learn(account(), 1, &told(0, 10_000), false, NOW);
    again.restore(account(), serde_json::from_str(&text).unwrap(), NOW);
    assert_eq!(again.state(account()).unwrap().windows.all()[0].left(), 0);
    drop(under_way);
}
