//! Dropped ranges and records from before the chain.

use quartermaster_audit_chain::{CheckpointKind, FindingKind, Line};

use crate::support::{log, names, place, record, signed, verify};

/// The log without its first records, and the statements that they were dropped.
fn pruned(count: i64, through: &[i64]) -> Vec<Line> {
    let mut lines = log(count, &[count]);
    let mut first = 1;
    for (number, sequence) in through.iter().enumerate() {
        let Line::Record(last) = lines[place(&lines, *sequence)].clone() else { unreachable!() };
        let statement = signed(CheckpointKind::Prune, first, *sequence, 0, last.hash.unwrap());
        lines.insert(1 + number, Line::Checkpoint(statement));
        first = sequence + 1;
    }
    lines.retain(|line| !matches!(line, Line::Record(record) if record.sequence.unwrap() < first));
    lines
}

#[test]
fn what_is_left_verifies_and_dropped_ranges_are_named() {
    let report = verify(&pruned(10, &[3, 6]));
    assert!(report.intact, "{:?}", report.findings);
    let ranges: Vec<_> = report.dropped.iter().map(|range| (range.first, range.through)).collect();
    assert_eq!(ranges, [(1, 3), (4, 6)]);
    assert_eq!((report.first, report.last, report.records, report.unproven), (Some(7), Some(10), 4, 0));
    let report = verify(&pruned(10, &[10]));
    assert!(report.intact && report.records == 0, "everything may be dropped: {:?}", report.findings);
}

#[test]
fn a_prune_that_nobody_signed_or_that_leaves_a_gap_is_noticed() {
    let mut lines = pruned(10, &[3, 6]);
    lines.remove(1);
    let report = verify(&lines);
    assert_eq!((report.findings[0].kind, report.findings[0].through), (FindingKind::Removed, Some(3)));

    let mut lines = pruned(10, &[3, 6]);
    lines.remove(2);
    assert!(names(&verify(&lines), 5), "records 4 to 6 are gone without a statement");

    let mut lines = pruned(10, &[3]);
    let Line::Checkpoint(statement) = &mut lines[1] else { unreachable!() };
    statement.sequence = 2;
    statement.count = 2;
    assert_eq!(verify(&lines).findings[0].kind, FindingKind::Checkpoint);

    let mut lines = pruned(10, &[3]);
    lines.remove(place(&lines, 4));
    assert!(names(&verify(&lines), 4), "the first that is left");
}

#[test]
fn records_outside_the_chain_are_counted_or_named() {
    let with = |unchained: i64, there: i64, late: bool| {
        let mut lines = log(4, &[4]);
        let Line::Chain(header) = &mut lines[0] else { unreachable!() };
        header.unchained = unchained;
        for number in 0..there {
            let mut old = record(if late { 100 } else { -number });
            old.sequence = None;
            lines.insert(lines.len() - 1, Line::Record(old));
        }
        verify(&lines)
    };
    assert!(with(2, 2, false).intact);
    assert_eq!(with(2, 2, false).unchained, 2);
    assert_eq!(with(2, 1, false).findings[0].kind, FindingKind::Removed);
    assert_eq!(with(2, 3, false).findings[0].kind, FindingKind::Added);
    let report = with(0, 1, false);
    assert_eq!((report.findings[0].kind, report.findings[0].id), (FindingKind::Added, Some(record(0).id)));
    assert_eq!(with(2, 1, true).findings[0].id, Some(record(100).id));
}
