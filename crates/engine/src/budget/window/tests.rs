use proptest::prelude::*;
use quartermaster_types::RateWindow;

use super::*;

const NOW: Timestamp = Timestamp::from_unix_ms(1_752_012_000_000);
const METHOD: u64 = 7;

fn told(remaining: u64, reset_at: Timestamp) -> RateLimits {
    let window = RateWindow { name: None, limit: Some(10), window_seconds: None, remaining, reset_at: Some(reset_at) };
    RateLimits { windows: vec![window], ..RateLimits::default() }
}

fn answered(windows: &mut Windows, sent: Sent, limits: &RateLimits, now: Timestamp) -> bool {
    windows.settle(sent, &Outcome { method: METHOD, limits: Some(limits), limited: false, probe: false }, now)
}

/// A vendor with a window of `limit` calls in ten seconds that begins with its first call, and tells whole seconds, rounded up.
struct Vendor {
    limit: u64,
    used: u64,
    until: Timestamp,
    refused: u64,
}

impl Vendor {
    fn call(&mut self, now: Timestamp) -> RateLimits {
        if now >= self.until {
            self.used = 0;
            self.until = now.plus_ms(10_000);
        }
        if self.used == self.limit {
            self.refused += 1;
        } else {
            self.used += 1;
        }
        let seconds = self.until.ms_since(now).div_euclid(1000) + i64::from(self.until.ms_since(now) % 1000 > 0);
        let mut limits = told(self.limit - self.used, now.plus_ms(seconds * 1000));
        limits.windows[0].limit = Some(self.limit);
        limits
    }
}

/// A call on its way: not yet at the vendor, or on its way back.
enum Flight {
    Out(Sent, bool),
    Back(Sent, bool, RateLimits),
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// However calls and answers overtake each other, the vendor never has to refuse one once it has told its limit.
    #[test]
    fn once_it_is_learned_no_call_is_sent_that_the_vendor_refuses(
        limit in 1..12_u64,
        steps in prop::collection::vec((0..4_u8, 0..8_usize, 0..1500_i64), 1..250),
    ) {
        let mut windows = Windows::default();
        let mut vendor = Vendor { limit, used: 0, until: NOW, refused: 0 };
        let mut now = NOW;
        let first = windows.take(windows.mask(METHOD), 1);
        let limits = vendor.call(now);
        answered(&mut windows, first, &limits, now);
        let mut flights: Vec<Flight> = Vec::new();
        let mut probing = false;
        for (what, which, wait) in steps {
            match what {
                0 | 1 => {
                    let mask = windows.mask(METHOD);
                    let probe = match windows.room(mask, now) {
                        Room::Left(_) => false,
                        Room::Anew if !probing => true,
                        _ => continue,
                    };
                    probing |= probe;
                    flights.push(Flight::Out(windows.take(mask, 1), probe));
                }
                2 if !flights.is_empty() => {
                    let place = which % flights.len();
                    match flights.swap_remove(place) {
                        Flight::Out(sent, probe) => {
                            let limits = vendor.call(now);
                            flights.push(Flight::Back(sent, probe, limits));
                        }
                        Flight::Back(sent, probe, limits) => {
                            let outcome = Outcome { method: METHOD, limits: Some(&limits), limited: false, probe };
                            windows.settle(sent, &outcome, now);
                            probing &= !probe;
                        }
                    }
                }
                _ => now = now.plus_ms(wait),
            }
            prop_assert_eq!(vendor.refused, 0, "at {}: {:?}", now.ms_since(NOW), windows);
        }
    }
}

#[test]
fn what_is_left_counts_calls_that_are_under_way() {
    let mut windows = Windows::default();
    assert_eq!(windows.room(windows.mask(METHOD), NOW), Room::Unknown);
    let first = windows.take(windows.mask(METHOD), 1);
    let reset_at = NOW.plus_ms(5_000);
    assert!(answered(&mut windows, first, &told(3, reset_at), NOW));
    let mask = windows.mask(METHOD);
    let sent: Vec<Sent> = (0..3).map(|_| windows.take(mask, 1)).collect();
    assert_eq!(windows.room(mask, NOW), Room::Spent(reset_at));
    windows.give_back(sent[0], 1);
    assert_eq!(windows.room(mask, NOW), Room::Left(1));
    // The answers come in the wrong order.
    assert!(!answered(&mut windows, sent[1], &told(1, reset_at), NOW));
    assert!(!answered(&mut windows, sent[2], &told(2, reset_at), NOW));
    assert_eq!(windows.room(mask, NOW), Room::Left(1));
    assert_eq!(windows.room(mask, reset_at), Room::Anew);
    // A call without an answer counts.
    let lost = windows.take(mask, 1);
    windows.settle(lost, &Outcome { method: METHOD, limits: None, limited: false, probe: false }, NOW);
    assert_eq!(windows.room(mask, NOW), Room::Spent(reset_at));
    let refusal = windows.refusal(mask, reset_at);
    assert_eq!((refusal.remaining, refusal.reset_at, refusal.limit), (Some(0), Some(reset_at), Some(10)));
    assert_eq!(refusal.policies[0].name.as_deref(), Some(BUDGET_POLICY));
}

#[test]
fn a_later_answer_may_tell_more_and_a_window_without_a_reset_is_none() {
    let mut windows = Windows::default();
    let reset_at = NOW.plus_ms(5_000);
    let sent = windows.take(0, 1);
    answered(&mut windows, sent, &told(1, reset_at), NOW);
    let later = windows.take(windows.mask(METHOD), 1);
    // Buckets that fill up again, and windows that are shorter than what the vendor tells in whole seconds.
    assert!(answered(&mut windows, later, &told(8, reset_at.plus_ms(300)), NOW));
    assert_eq!(windows.room(windows.mask(METHOD), NOW), Room::Left(8));

    let mut other = Windows::default();
    let mut limits = told(0, reset_at);
    limits.windows[0].reset_at = None;
    let sent = other.take(0, 1);
    answered(&mut other, sent, &limits, NOW);
    assert_eq!(other, Windows { told: 1, ..Windows::default() });
}

#[test]
fn methods_are_held_to_the_windows_that_the_vendor_names_with_them() {
    let mut windows = Windows::default();
    let reset_at = NOW.plus_ms(5_000);
    let named = |name: &str, remaining| {
        let mut limits = told(remaining, reset_at);
        limits.windows[0].name = Some(name.to_owned());
        limits
    };
    let tell = |windows: &mut Windows, method, limits: &RateLimits| {
        let sent = windows.take(windows.mask(method), 1);
        windows.settle(sent, &Outcome { method, limits: Some(limits), limited: false, probe: false }, NOW);
    };
    tell(&mut windows, 1, &named("core", 9));
    tell(&mut windows, 2, &named("search", 0));
    assert_eq!(
        windows.room(windows.mask(1), NOW),
        Room::Left(8),
        "a call of which the answer named the other one counts"
    );
    assert_eq!(windows.room(windows.mask(2), NOW), Room::Spent(reset_at));
    assert_eq!(windows.room(windows.mask(3), NOW), Room::Spent(reset_at), "not known yet: all of them");
    for number in 0..BUDGET_WINDOWS_MAX as u64 + 2 {
        tell(&mut windows, 1, &named(&format!("window-{number}"), 5));
    }
    assert_eq!(windows.all().len(), BUDGET_WINDOWS_MAX);
    for method in 10..BUDGET_METHODS_MAX as u64 + 20 {
        tell(&mut windows, method, &named("core", 5));
    }
    assert_eq!(windows.methods.len(), BUDGET_METHODS_MAX);
}

#[test]
fn a_vendor_that_tells_its_reset_too_early_is_believed_less() {
    let mut windows = Windows::default();
    let reset_at = NOW.plus_ms(1_000);
    let sent = windows.take(0, 1);
    answered(&mut windows, sent, &told(0, reset_at), NOW);
    let mask = windows.mask(METHOD);
    let mut now = reset_at;
    for _ in 0..6 {
        assert_eq!(windows.room(mask, now), Room::Anew);
        let probe = windows.take(mask, 1);
        let limits = told(0, now.plus_ms(1_000));
        let outcome = Outcome { method: METHOD, limits: Some(&limits), limited: true, probe: true };
        windows.settle(probe, &outcome, now);
        now = match windows.room(mask, now) {
            Room::Spent(until) => until,
            room => panic!("{room:?}"),
        };
    }
    assert_eq!(windows.slack_ms, BUDGET_RESET_SLACK_MAX_MS);
}

#[test]
fn what_another_replica_knows_is_taken_in() {
    let reset_at = NOW.plus_ms(5_000);
    let tell = |windows: &mut Windows, remaining, reset_at, now| {
        let sent = windows.take(windows.mask(METHOD), 1);
        answered(windows, sent, &told(remaining, reset_at), now);
    };
    let (mut one, mut other) = (Windows::default(), Windows::default());
    tell(&mut one, 6, reset_at, NOW);
    // Nothing is known there yet; what is under way here counts.
    let under_way = one.take(one.mask(METHOD), 2);
    other.merge(&one, NOW);
    assert_eq!(other.room(other.mask(METHOD), NOW), Room::Left(4));
    // Known there already: the smaller number counts, and the vendor's next answer is the truth.
    other.merge(&one, NOW);
    one.give_back(under_way, 2);
    tell(&mut one, 5, reset_at, NOW);
    other.merge(&one, NOW);
    assert_eq!(other.room(other.mask(METHOD), NOW), Room::Left(4));
    tell(&mut other, 5, reset_at, NOW);
    assert_eq!(other.room(other.mask(METHOD), NOW), Room::Left(5));
    // A window that is over there has started anew here.
    tell(&mut one, 9, reset_at.plus_ms(10_000), reset_at);
    assert_eq!(other.room(other.mask(METHOD), reset_at), Room::Anew);
    other.merge(&one, reset_at);
    assert_eq!(other.room(other.mask(METHOD), reset_at), Room::Left(9));
    // One that is over is no news.
    other.merge(&one, reset_at.plus_ms(10_000));
    assert_eq!(other.room(other.mask(METHOD), reset_at.plus_ms(10_000)), Room::Anew);
}

#[test]
fn replicas_hear_when_half_of_what_was_left_is_gone_and_when_a_window_starts_anew() {
    let mut windows = Windows::default();
    let mut before = windows.as_news();
    let mut news = Vec::new();
    for remaining in (0..=9).rev() {
        let sent = windows.take(windows.mask(METHOD), 1);
        answered(&mut windows, sent, &told(remaining, NOW.plus_ms(5_000 + remaining as i64)), NOW);
        if windows.is_news(&before) {
            news.push(remaining);
            before = windows.as_news();
        }
    }
    assert_eq!(news, [9, 7, 3, 1, 0]);
    let sent = windows.take(windows.mask(METHOD), 1);
    answered(&mut windows, sent, &told(0, NOW.plus_ms(20_000)), NOW.plus_ms(6_000));
    assert!(windows.is_news(&before));
}
