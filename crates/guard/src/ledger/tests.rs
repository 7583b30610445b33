#![allow(clippy::print_stderr, reason = "tests")]

use proptest::prelude::*;
use quartermaster_types::{Clock, IdSource};

use super::*;

const NOW: Timestamp = Timestamp::from_unix_ms(1_700_000_000_000);

struct Ids {
    source: IdSource,
}

impl Ids {
    fn new() -> Self {
        Self { source: IdSource::new(Clock::manual(NOW), 7) }
    }

    fn session(&self) -> SessionKey<'static> {
        SessionKey {
            environment: self.source.next(),
            session: Session::Token(self.source.next()),
            account: self.source.next(),
        }
    }
}

fn ledger(limits: Limits) -> Ledger {
    Ledger::with_limits([1, 2], limits)
}

fn record(ledger: &Ledger, key: &SessionKey<'_>, ids: &[String], now: Timestamp) {
    ledger.record(key, "users", ids.iter().map(String::as_bytes), now);
}

fn numbered(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| format!("ID{number:024}")).collect()
}

#[test]
fn what_was_read_is_grounded_and_nothing_crosses_a_border() {
    let ids = Ids::new();
    let ledger = ledger(Limits::default());
    let key = ids.session();
    record(&ledger, &key, &numbered(0..3), NOW);
    let id = numbered(1..2).remove(0);
    assert_eq!(ledger.is_grounded(&key, "users", id.as_bytes(), NOW), Grounding::Grounded);
    assert_eq!(ledger.is_grounded(&key, "groups", id.as_bytes(), NOW), Grounding::Unread);
    assert_eq!(ledger.is_grounded(&key, "users", b"", NOW), Grounding::Unread);
    let elsewhere = [
        SessionKey { environment: ids.source.next(), ..key },
        SessionKey { account: ids.source.next(), ..key },
        SessionKey { session: Session::Token(ids.source.next()), ..key },
        SessionKey { session: Session::Named("run 1"), ..key },
    ];
    for other in elsewhere {
        assert_eq!(ledger.is_grounded(&other, "users", id.as_bytes(), NOW), Grounding::Unread, "{other:?}");
    }
    assert_eq!(ledger.size(), (1, 3));
}

#[test]
fn a_read_grounds_for_its_lifetime_and_not_a_millisecond_longer() {
    let ids = Ids::new();
    let ledger = ledger(Limits::default());
    let key = ids.session();
    record(&ledger, &key, &numbered(0..1), NOW);
    let id = numbered(0..1).remove(0);
    let at = |ms: i64| ledger.is_grounded(&key, "users", id.as_bytes(), NOW.plus_ms(ms));
    assert_eq!(at(LIFETIME_MS), Grounding::Grounded);
    assert_eq!(at(LIFETIME_MS + 1), Grounding::Expired);
    record(&ledger, &key, &numbered(0..1), NOW.plus_ms(LIFETIME_MS));
    assert_eq!(at(LIFETIME_MS + 1), Grounding::Grounded, "reading again starts the lifetime anew");
}

#[test]
fn a_session_at_its_limit_remembers_all_and_one_past_it_forgets_the_older_half() {
    let ids = Ids::new();
    let ledger = ledger(Limits { ids_per_session: 100, ids_per_shard: 1000, ..Limits::default() });
    let key = ids.session();
    let is_grounded = |id: &String| ledger.is_grounded(&key, "users", id.as_bytes(), NOW) == Grounding::Grounded;
    record(&ledger, &key, &numbered(0..100), NOW);
    assert!(numbered(0..100).iter().all(is_grounded));
    assert_eq!(ledger.size(), (1, 100));
    record(&ledger, &key, &numbered(100..101), NOW);
    assert!(!numbered(0..50).iter().any(is_grounded));
    assert!(numbered(50..101).iter().all(is_grounded));
    assert_eq!(ledger.size(), (1, 51));
}

#[test]
fn one_session_too_many_costs_the_one_used_least_recently() {
    let ids = Ids::new();
    let ledger = ledger(Limits { sessions: 3, shards: 1, ..Limits::default() });
    let keys: Vec<_> = (0..4).map(|_| ids.session()).collect();
    for (key, second) in keys.iter().zip(0..3) {
        record(&ledger, key, &numbered(0..1), NOW.plus_ms(second * 1000));
    }
    record(&ledger, &keys[0], &numbered(1..2), NOW.plus_ms(4000));
    assert_eq!(ledger.size(), (3, 4));
    record(&ledger, &keys[3], &numbered(0..1), NOW.plus_ms(5000));
    assert_eq!(ledger.size(), (3, 4));
    let id = numbered(0..1).remove(0);
    let remembered: Vec<_> = keys
        .iter()
        .map(|key| ledger.is_grounded(key, "users", id.as_bytes(), NOW.plus_ms(5000)) == Grounding::Grounded)
        .collect();
    assert_eq!(remembered, [true, false, true, true]);
}

#[test]
fn sessions_that_nobody_used_for_a_lifetime_go_first() {
    let ids = Ids::new();
    let ledger = ledger(Limits { sessions: 3, shards: 1, ..Limits::default() });
    for _ in 0..3 {
        record(&ledger, &ids.session(), &numbered(0..5), NOW);
    }
    record(&ledger, &ids.session(), &numbered(0..2), NOW.plus_ms(LIFETIME_MS + 1));
    assert_eq!(ledger.size(), (1, 2));
}

#[test]
fn a_shard_at_its_limit_keeps_all_and_one_id_past_it_costs_another_session() {
    let ids = Ids::new();
    let ledger = ledger(Limits { ids_per_shard: 10, shards: 1, ..Limits::default() });
    let (one, other) = (ids.session(), ids.session());
    record(&ledger, &one, &numbered(0..5), NOW);
    record(&ledger, &other, &numbered(0..5), NOW.plus_ms(1));
    assert_eq!(ledger.size(), (2, 10));
    record(&ledger, &other, &numbered(5..6), NOW.plus_ms(2));
    assert_eq!(ledger.size(), (1, 6));
}

#[test]
fn threads_may_record_and_ask_at_once() {
    let ids = Ids::new();
    let ledger = ledger(Limits { ids_per_session: 1000, ..Limits::default() });
    let keys: Vec<_> = (0..8).map(|_| ids.session()).collect();
    std::thread::scope(|scope| {
        for key in &keys {
            let ledger = &ledger;
            scope.spawn(move || {
                for start in 0..200 {
                    record(ledger, key, &numbered(start * 10..start * 10 + 10), NOW);
                    let id = format!("ID{:024}", start * 10);
                    assert_eq!(ledger.is_grounded(key, "users", id.as_bytes(), NOW), Grounding::Grounded);
                }
            });
        }
    });
    assert_eq!(ledger.size().0, 8);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    /// 10,000 ids, each with one character changed, taken away, doubled or swapped: none is grounded.
    #[test]
    fn a_changed_id_is_never_grounded(
        id in "[A-Z2-7]{26}", at in 0..26_usize, letter in "[A-Za-z0-9]", change in 0..4_u8, seed in any::<[u64; 2]>(),
    ) {
        let ids = Ids::new();
        let key = ids.session();
        let ledger = Ledger::with_limits(seed, Limits { shards: 1, ..Limits::default() });
        record(&ledger, &key, std::slice::from_ref(&id), NOW);
        let mut changed: Vec<u8> = id.clone().into_bytes();
        match change {
            0 => changed[at] = letter.as_bytes()[0],
            1 => drop(changed.remove(at)),
            2 => changed.insert(at, letter.as_bytes()[0]),
            _ => changed.swap(at, (at + 1) % 26),
        }
        prop_assume!(changed != id.as_bytes());
        prop_assert_eq!(ledger.is_grounded(&key, "users", &changed, NOW), Grounding::Unread);
        prop_assert_eq!(ledger.is_grounded(&key, "users", id.as_bytes(), NOW), Grounding::Grounded);
    }
}

/// Not a limit: prints the figure for the performance notes (`cargo nextest run --no-capture`).
#[test]
fn recording_a_page_of_known_ids_is_measured() {
    let ids = Ids::new();
    let ledger = ledger(Limits::default());
    let key = ids.session();
    let page = numbered(0..1000);
    record(&ledger, &key, &page, NOW);
    const ROUNDS: u32 = 200;
    let start = std::time::Instant::now();
    for _ in 0..ROUNDS {
        record(&ledger, &key, &page, NOW);
    }
    eprintln!("record 1,000 known ids: {:?}", start.elapsed() / ROUNDS);
    assert_eq!(ledger.size(), (1, 1000));
}

#[test]
fn a_reading_is_the_same_under_the_same_key_and_tells_what_was_not_noted() {
    let ids = Ids::new();
    let key = ids.session();
    let (one, other) = (ledger(Limits::default()), ledger(Limits::default()));
    let texts = numbered(0..3);
    let reading = |ledger: &Ledger, key: &SessionKey<'_>, resource: &str, texts: &[String]| {
        ledger.reading(key, resource, texts.iter().map(String::as_bytes))
    };
    let read = reading(&one, &key, "users", &texts);
    assert_eq!(reading(&other, &key, "users", &texts), read, "replicas hash alike");
    assert_ne!(reading(&Ledger::new([1, 3]), &key, "users", &texts).scope(), read.scope());
    for elsewhere in [
        reading(&one, &SessionKey { account: ids.source.next(), ..key }, "users", &texts),
        reading(&one, &SessionKey { session: Session::Named("run 1"), ..key }, "users", &texts),
        reading(&one, &key, "groups", &texts),
    ] {
        assert_ne!(elsewhere.scope(), read.scope());
    }

    assert_eq!(one.not_noted_since(&read, NOW), read.ids());
    one.keep(&read, NOW);
    let more = reading(&one, &key, "users", &numbered(2..4));
    assert_eq!(one.not_noted_since(&more, NOW), more.ids()[1..]);
    assert_eq!(one.not_noted_since(&read, NOW.plus_ms(1)), read.ids());
    // What another replica noted grounds here once it is kept, with the time of the reading.
    let id = texts[0].as_bytes();
    assert_eq!(other.is_grounded(&key, "users", id, NOW), Grounding::Unread);
    other.keep(&read, NOW.plus_ms(-LIFETIME_MS));
    assert_eq!(other.is_grounded(&key, "users", id, NOW), Grounding::Grounded);
    assert_eq!(other.is_grounded(&key, "users", id, NOW.plus_ms(1)), Grounding::Expired);
}
