//! The test vector of `docs/audit-log.md`, computed by another program.

use quartermaster_audit_chain::{Checkpoint, CheckpointKind, Fields, GENESIS, Hex, RecordHasher};
use quartermaster_types::{EnvironmentId, Timestamp};
use uuid::Uuid;

fn id<Id: From<Uuid>>(number: u128) -> Id {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + number).into()
}

#[test]
fn a_record_and_a_checkpoint_have_the_documented_bytes() {
    let environment: EnvironmentId = id(1);
    let at = Timestamp::from_unix_ms(1_700_000_000_000);
    let fields = Fields {
        environment_id: environment,
        id: id(2),
        at,
        request_id: id(3),
        token_id: id(4),
        session: Some("run-7"),
        door: "tool",
        action: "users.suspend",
        account_id: Some(id(5)),
        target: Some("é"),
        arguments: Some(r#"{"id":"x"}"#),
        before: None,
        after: Some(""),
        decision: None,
        outcome: "ok",
        code: None,
        upstream_calls: 2,
        duration_ms: 12,
    };
    let mut hasher = RecordHasher::new();
    assert_eq!(hasher.bytes(1, &GENESIS, &fields).len(), 261);
    let hash = hasher.hash(1, &GENESIS, &fields);
    assert_eq!(hash.to_string(), "53cd8e82f71a3108bd806ee8f2255e2a6d113db3409054a913cd1b15c6e7b03b");
    let checkpoint = Checkpoint {
        kind: CheckpointKind::Head,
        first: 1,
        sequence: 1,
        count: 1,
        unchained: 0,
        at,
        hash,
        signature: Hex([0; 64]),
    };
    let statement = checkpoint.statement(environment);
    let digest = Hex(quartermaster_vault::sha256_of(&statement)).to_string();
    assert_eq!(statement.len(), 159);
    assert_eq!(digest, "17d2b5ac753caa882a15171b2af94dd7eabc4288701ef75e181e37e8fd54f150");
}
