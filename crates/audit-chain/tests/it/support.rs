//! Logs to verify.

use std::sync::LazyLock;

use quartermaster_audit_chain::{
    Checkpoint, CheckpointKind, GENESIS, Hash, Head, Header, Hex, Line, Record, RecordHasher, Report, Trusted, Verifier,
};
use quartermaster_types::{EnvironmentId, Timestamp};
use quartermaster_vault::{RootKey, SigningKey};
use uuid::Uuid;

pub(crate) const ENVIRONMENT: EnvironmentId = EnvironmentId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001));
pub(crate) const START_MS: i64 = 1_700_000_000_000;

static KEY: LazyLock<SigningKey> = LazyLock::new(|| {
    let (data_key, _) = RootKey::from_bytes(&[7; 32]).unwrap().new_data_key(ENVIRONMENT).unwrap();
    data_key.new_signing_key(ENVIRONMENT).unwrap().0
});

pub(crate) fn key() -> &'static SigningKey {
    &KEY
}

pub(crate) fn record(sequence: i64) -> Record {
    let id = |kind: u128| Uuid::from_u128((kind << 96) | sequence as u128);
    Record {
        sequence: Some(sequence),
        hash: None,
        id: id(1).into(),
        at: Timestamp::from_unix_ms(START_MS + sequence),
        request_id: id(2).into(),
        token_id: id(3).into(),
        session: (sequence % 2 == 0).then(|| "run-7".to_owned()),
        door: "tool".to_owned(),
        action: "users.suspend".to_owned(),
        account_id: Some(id(4).into()),
        target: Some(format!("user {sequence}")),
        arguments: Some(r#"{"id":"user"}"#.to_owned()),
        before: None,
        after: Some(String::new()),
        decision: None,
        outcome: "ok".to_owned(),
        code: None,
        upstream_calls: 2,
        duration_ms: 12,
    }
}

/// Hashes the records anew, from the one with this sequence on.
pub(crate) fn chain(records: &mut [Record], mut previous: Hash) {
    let mut hasher = RecordHasher::new();
    for record in records {
        previous = hasher.hash(record.sequence.unwrap(), &previous, &record.fields(ENVIRONMENT));
        record.hash = Some(previous);
    }
}

pub(crate) fn signed(kind: CheckpointKind, first: i64, sequence: i64, unchained: i64, hash: Hash) -> Checkpoint {
    let mut checkpoint = Checkpoint {
        kind,
        first,
        sequence,
        count: sequence - first + 1,
        unchained,
        at: Timestamp::from_unix_ms(START_MS + sequence),
        hash,
        signature: Hex([0; 64]),
    };
    checkpoint.signature = Hex(KEY.sign(&checkpoint.statement(ENVIRONMENT)));
    checkpoint
}

/// A log of so many records, with a checkpoint on each of these.
pub(crate) fn log(count: i64, checkpoints: &[i64]) -> Vec<Line> {
    let mut records: Vec<_> = (1..=count).map(record).collect();
    chain(&mut records, GENESIS);
    let head = Head { sequence: count, hash: records.last().map_or(GENESIS, |record| record.hash.unwrap()) };
    let mut lines = vec![Line::Chain(Header::new(ENVIRONMENT, Hex(KEY.public_key()), count, 0))];
    for record in records {
        let (sequence, hash) = (record.sequence.unwrap(), record.hash.unwrap());
        lines.push(Line::Record(record));
        if checkpoints.contains(&sequence) {
            lines.push(Line::Checkpoint(signed(CheckpointKind::Head, 1, sequence, 0, hash)));
        }
    }
    lines.extend([Line::Head(head), Line::End {}]);
    lines
}

pub(crate) fn verify(lines: &[Line]) -> Report {
    verify_with(lines, Trusted::default())
}

pub(crate) fn verify_with(lines: &[Line], trusted: Trusted) -> Report {
    let mut verifier = Verifier::new(trusted);
    for line in lines {
        verifier.line(line);
    }
    verifier.finish()
}

/// Where the record with this sequence stands.
pub(crate) fn place(lines: &[Line], sequence: i64) -> usize {
    lines.iter().position(|line| matches!(line, Line::Record(record) if record.sequence == Some(sequence))).unwrap()
}

/// Whether a finding names this record.
pub(crate) fn names(report: &Report, sequence: i64) -> bool {
    report.findings.iter().any(|finding| {
        finding.sequence.is_some_and(|first| (first..=finding.through.unwrap_or(first)).contains(&sequence))
    })
}
