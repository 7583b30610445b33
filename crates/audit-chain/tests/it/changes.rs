//! Whatever single thing is done to a log is found, and the record that it was done to is named.

use proptest::prelude::*;
use quartermaster_audit_chain::{CheckpointKind, FindingKind, Hex, Line, PublicKey, Record, Trusted};
use quartermaster_types::{AccountId, Timestamp};
use uuid::Uuid;

use crate::support::{chain, key, log, names, place, record, signed, verify, verify_with};

const COUNT: i64 = 12;

/// Changes one of a record's values; the number says which, and how.
fn change(record: &mut Record, which: usize) {
    let flip = |id: Uuid| Uuid::from_u128(id.as_u128() ^ 1);
    match which {
        0 => record.id = flip(record.id.0).into(),
        1 => record.at = Timestamp::from_unix_ms(record.at.unix_ms() + 1),
        2 => record.request_id = flip(record.request_id.0).into(),
        3 => record.token_id = flip(record.token_id.0).into(),
        4 => record.session = Some("x".to_owned()),
        5 => record.door.push('x'),
        6 => "users.list".clone_into(&mut record.action),
        7 => record.account_id = record.account_id.map(|id| AccountId(flip(id.0))),
        8 => record.account_id = None,
        9 => record.target = None,
        10 => record.arguments = Some(r#"{"id":"uses"}"#.to_owned()),
        // Absent and empty are two things.
        11 => record.before = Some(String::new()),
        12 => record.after = None,
        13 => record.decision = Some("{}".to_owned()),
        14 => "failed".clone_into(&mut record.outcome),
        15 => record.code = Some(String::new()),
        16 => record.upstream_calls += 1,
        17 => record.duration_ms -= 1,
        // A letter that moves from one value to the next changes no byte of the two together.
        18 => {
            "too".clone_into(&mut record.door);
            "lusers.suspend".clone_into(&mut record.action);
        }
        _ => record.hash = Some(Hex([5; 32])),
    }
}

/// How many kinds [`change`] knows.
const CHANGES: usize = 20;

proptest! {
    #[test]
    fn a_changed_record_is_named(sequence in 1..=COUNT, which in 0..CHANGES, checkpoints in any::<bool>()) {
        let mut lines = log(COUNT, if checkpoints { &[4, 8, COUNT] } else { &[] });
        prop_assert!(verify(&lines).intact);
        let at = place(&lines, sequence);
        let Line::Record(record) = &mut lines[at] else { unreachable!() };
        change(record, which);
        let report = verify(&lines);
        prop_assert_eq!(report.findings[0].kind, FindingKind::Changed);
        prop_assert_eq!(report.findings[0].sequence, Some(sequence));
        prop_assert!(report.findings[0].id.is_some() && report.findings[0].at.is_some());
        prop_assert_eq!(report.findings.len(), 1, "the others hold: {:?}", report.findings);
    }

    #[test]
    fn a_removed_record_is_named(sequence in 1..=COUNT) {
        let mut lines = log(COUNT, &[4, 8]);
        lines.remove(place(&lines, sequence));
        let report = verify(&lines);
        prop_assert!(names(&report, sequence), "{:?}", report.findings);
        prop_assert!(report.findings.iter().any(|finding| finding.kind == FindingKind::Removed));
    }

    #[test]
    fn a_record_that_stands_twice_is_named(sequence in 1..=COUNT, to in 0..COUNT as usize) {
        let mut lines = log(COUNT, &[4, 8]);
        let copy = lines[place(&lines, sequence)].clone();
        lines.insert(2 + to, copy);
        let report = verify(&lines);
        prop_assert!(names(&report, sequence), "{:?}", report.findings);
        prop_assert!(!report.intact);
    }

    #[test]
    fn a_made_up_record_is_named(after in 0..=COUNT) {
        let mut lines = log(COUNT, &[4, 8]);
        let mut forged = record(after + 1);
        forged.id = Uuid::from_u128(99).into();
        forged.hash = Some(Hex([1; 32]));
        let at = if after == 0 { 1 } else { place(&lines, after) + 1 };
        lines.insert(at, Line::Record(forged));
        let report = verify(&lines);
        prop_assert!(report.findings.iter().any(|finding| finding.sequence == Some(after + 1)), "{:?}", report.findings);
        prop_assert!(
            report.findings.iter().any(|finding| finding.id == Some(Uuid::from_u128(99).into())), "{:?}", report.findings
        );
    }

    #[test]
    fn swapped_records_are_named(one in 1..=COUNT, other in 1..=COUNT) {
        prop_assume!(one != other);
        let mut lines = log(COUNT, &[4, 8]);
        let (first, second) = (place(&lines, one), place(&lines, other));
        lines.swap(first, second);
        let report = verify(&lines);
        prop_assert!(names(&report, one.min(other)), "{:?}", report.findings);
        prop_assert!(report.findings.iter().any(|finding| finding.kind == FindingKind::Reordered));
    }

    #[test]
    fn swapped_places_in_the_store_are_named(one in 1..=COUNT, other in 1..=COUNT) {
        prop_assume!(one != other);
        let mut lines = log(COUNT, &[4, 8]);
        let (first, second) = (place(&lines, one), place(&lines, other));
        lines.swap(first, second);
        for (at, sequence) in [(first, one), (second, other)] {
            let Line::Record(record) = &mut lines[at] else { unreachable!() };
            record.sequence = Some(sequence);
        }
        let report = verify(&lines);
        prop_assert!(names(&report, one) && names(&report, other), "{:?}", report.findings);
    }

    #[test]
    fn any_line_that_is_left_out_or_altered_is_noticed(at in 0..(COUNT as usize + 5), byte in any::<prop::sample::Index>(), bit in 0..7u8) {
        let lines = log(COUNT, &[4, 8]);
        let mut without = lines.clone();
        without.remove(at);
        let is_checkpoint = matches!(lines[at], Line::Checkpoint(_));
        prop_assert_eq!(verify(&without).intact, is_checkpoint, "a later checkpoint covers what an earlier one did");
        let mut text = serde_json::to_vec(&lines[at]).unwrap();
        let place = byte.index(text.len());
        text[place] ^= 1 << bit;
        if let Ok(line) = serde_json::from_slice::<Line>(&text)
            && line != lines[at]
        {
            let progress_only = matches!(line, Line::Chain(_));
            let mut altered = lines.clone();
            altered[at] = line;
            prop_assert!(progress_only || !verify(&altered).intact);
        }
    }
}

#[test]
fn what_was_replaced_with_new_hashes_contradicts_a_checkpoint() {
    let mut lines = log(COUNT, &[4, 8]);
    let mut records: Vec<Record> = lines
        .iter()
        .filter_map(|line| if let Line::Record(record) = line { Some(record.clone()) } else { None })
        .collect();
    records[5].action = "nothing".to_owned();
    let before = records[4].hash.unwrap();
    chain(&mut records[5..], before);
    for record in records {
        let at = place(&lines, record.sequence.unwrap());
        lines[at] = Line::Record(record);
    }
    let report = verify(&lines);
    assert_eq!(report.findings[0].kind, FindingKind::Rewritten);
    assert_eq!((report.findings[0].sequence, report.findings[0].through), (Some(5), Some(8)));
}

#[test]
fn a_record_that_was_hashed_anew_alone_is_named_with_its_successor() {
    let mut lines = log(COUNT, &[]);
    let Line::Record(before) = lines[place(&lines, 5)].clone() else { unreachable!() };
    let at = place(&lines, 6);
    let Line::Record(record) = &mut lines[at] else { unreachable!() };
    record.action = "nothing".to_owned();
    let id = record.id;
    chain(std::slice::from_mut(record), before.hash.unwrap());
    let report = verify(&lines);
    assert_eq!((report.findings[0].kind, report.findings[0].sequence), (FindingKind::Changed, Some(7)));
    assert!(report.findings[0].detail.contains(&format!("record 6 ({id})")), "{:?}", report.findings);
}

#[test]
fn a_tail_that_a_checkpoint_covers_cannot_be_taken_away() {
    let mut lines = log(COUNT, &[8, COUNT]);
    lines.remove(place(&lines, COUNT));
    let end = lines.len() - 2;
    let Line::Record(last) = lines[place(&lines, COUNT - 1)].clone() else { unreachable!() };
    let Line::Head(head) = &mut lines[end] else { unreachable!() };
    (head.sequence, head.hash) = (COUNT - 1, last.hash.unwrap());
    let report = verify(&lines);
    assert_eq!((report.findings[0].kind, report.findings[0].sequence), (FindingKind::Removed, Some(COUNT)));
}

#[test]
fn what_no_checkpoint_covers_yet_is_said() {
    let report = verify(&log(COUNT, &[4, 8]));
    assert!(report.intact);
    assert_eq!((report.proven_through, report.unproven, report.checkpoints), (Some(8), 4, 2));
    assert_eq!((report.first, report.last, report.records), (Some(1), Some(COUNT), 12));
    assert_eq!(verify(&log(3, &[])).unproven, 3);
    assert!(verify(&log(0, &[])).intact);
}

#[test]
fn another_key_and_another_log_are_noticed() {
    let lines = log(COUNT, &[4]);
    let own = Trusted { public_key: Some(Hex(key().public_key())), checkpoint: None };
    assert!(verify_with(&lines, own).intact);
    let other: PublicKey = Hex([3; 32]);
    let report = verify_with(&lines, Trusted { public_key: Some(other), checkpoint: None });
    let kinds: Vec<_> = report.findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [FindingKind::Key, FindingKind::Checkpoint]);
}

#[test]
fn a_checkpoint_that_was_kept_elsewhere_holds_the_log_to_it() {
    let lines = log(COUNT, &[]);
    let Line::Record(record) = &lines[place(&lines, 5)] else { unreachable!() };
    let kept = |sequence, hash| Trusted {
        public_key: None,
        checkpoint: Some(signed(CheckpointKind::Head, 1, sequence, 0, hash)),
    };
    assert!(verify_with(&lines, kept(5, record.hash.unwrap())).intact);
    let report = verify_with(&lines, kept(5, Hex([1; 32])));
    assert_eq!(report.findings[0].kind, FindingKind::Rewritten);
    let report = verify_with(&lines, kept(COUNT + 1, Hex([1; 32])));
    assert_eq!((report.findings[0].kind, report.findings[0].sequence), (FindingKind::Removed, Some(COUNT + 1)));
}
