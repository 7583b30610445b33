use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_unix_ms(1_752_012_000_000);

/// Lets holders that want so many calls each ask in turns until the window of `limit` calls is over; what each was given.
fn one_window(shares: &mut Shares, wants: &[u64], limit: u64, begin: Timestamp, order: &[usize]) -> Vec<u64> {
    shares.start_anew(0, begin);
    let mut given = vec![0; wants.len()];
    // A window of ten seconds; everybody who wants more asks every 50 ms.
    for step in 0..200 {
        let now = begin.plus_ms(step * 50);
        for &who in order {
            if given[who] == wants[who] {
                continue;
            }
            let id = who as u64 + 1;
            let left = limit - given.iter().sum::<u64>();
            shares.ask(id, now);
            if left > 0 && shares.may_take(id, 1, left, now).is_ok() {
                shares.took(id, 1);
                shares.ended(id, 1, 0);
                given[who] += 1;
            } else {
                shares.sent_away(id, begin.plus_ms(10_000));
            }
        }
    }
    given
}

proptest! {
    #[test]
    fn shares_are_fair_and_nothing_is_left_unused(
        (wants, order) in prop::collection::vec(0..120_u64, 1..12)
            .prop_flat_map(|wants| {
                let order: Vec<usize> = (0..wants.len()).collect();
                (Just(wants), Just(order).prop_shuffle())
            }),
        limit in 1..300_u64,
    ) {
        let mut shares = Shares::default();
        let given = one_window(&mut shares, &wants, limit, NOW, &order);
        let total: u64 = given.iter().sum();
        // Never over the limit, and never less than can be given: 200 rounds are enough for everybody.
        prop_assert_eq!(total, limit.min(wants.iter().sum()));
        // Whoever was there from the beginning gets an equal part, or all that it wants.
        let who_want = wants.iter().filter(|want| **want > 0).count().max(1) as u64;
        for (given, want) in given.iter().zip(&wants) {
            prop_assert!(*given >= (*want).min(limit / who_want), "{given} of {want}, limit {limit} for {who_want}");
        }
    }

    #[test]
    fn nobody_starves_however_many_share_a_small_window(count in 1..40_usize, limit in 1..8_u64) {
        let mut shares = Shares::default();
        let order: Vec<usize> = (0..count).collect();
        let wants = vec![u64::MAX; count];
        let rounds = (count as u64).div_ceil(limit);
        let mut given = vec![0; count];
        for round in 0..rounds as i64 {
            let begin = NOW.plus_ms(round * 10_500);
            for (sum, more) in given.iter_mut().zip(one_window(&mut shares, &wants, limit, begin, &order)) {
                *sum += more;
            }
        }
        // The last in line is always asked last, and is served once everybody was.
        prop_assert!(given.iter().all(|given| *given >= 1), "{given:?}");
    }
}

#[test]
fn a_late_comer_gets_its_share_of_what_is_left_and_all_of_it_when_alone() {
    let mut shares = Shares::default();
    shares.ask(1, NOW);
    for left in (41..=50).rev() {
        assert_eq!(shares.may_take(1, 1, left, NOW), Ok(()), "alone");
        shares.took(1, 1);
        shares.ended(1, 1, 0);
    }
    shares.ask(2, NOW);
    // 40 are left and 10 were used by the first one: 25 each, so that 15 are left to it.
    let mut first = 0;
    let mut left = 40;
    while shares.may_take(1, 1, left, NOW).is_ok() {
        shares.took(1, 1);
        left -= 1;
        first += 1;
    }
    assert_eq!((first, left), (15, 25));
    assert_eq!(shares.may_take(1, 1, left, NOW), Err(Some(NOW.plus_ms(BUDGET_ACTIVE_MS))), "when to come back");
    assert_eq!(shares.may_take(2, 3, left, NOW), Ok(()));
    // Once the second one has not asked for a while, nobody claims them.
    let later = NOW.plus_ms(BUDGET_ACTIVE_MS);
    shares.ask(1, later);
    assert_eq!(shares.may_take(1, 1, left, later), Ok(()));
}

#[test]
fn a_share_is_kept_for_who_was_told_to_come_back_and_not_for_ever() {
    let mut shares = Shares::default();
    for id in [1, 2] {
        shares.ask(id, NOW);
    }
    let reset = NOW.plus_ms(60_000);
    shares.sent_away(2, reset);
    shares.start_anew(0, reset);
    shares.ask(1, reset);
    shares.took(1, 5);
    assert_eq!(shares.may_take(1, 1, 5, reset), Err(Some(reset.plus_ms(BUDGET_EXPECTED_MS))), "the others are kept");
    let over = reset.plus_ms(BUDGET_EXPECTED_MS);
    shares.ask(1, over);
    assert_eq!(shares.may_take(1, 1, 5, over), Ok(()));
}

#[test]
fn so_many_share_and_one_more_takes_the_place_of_who_asked_longest_ago() {
    let mut shares = Shares::default();
    for id in 0..BUDGET_HOLDERS_MAX as u64 {
        shares.ask(id, NOW.plus_ms(id as i64));
    }
    let now = NOW.plus_ms(BUDGET_HOLDERS_MAX as i64);
    assert_eq!(shares.holders.len(), BUDGET_HOLDERS_MAX);
    shares.ask(u64::MAX, now);
    assert_eq!(shares.holders.len(), BUDGET_HOLDERS_MAX);
    assert!(shares.holders.iter().all(|holder| holder.id != 0));
    assert!(shares.holders.iter().any(|holder| holder.id == u64::MAX));
}
