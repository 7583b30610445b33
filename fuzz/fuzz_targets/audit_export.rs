//! Exported audit logs of any bytes: they are read or refused line by line, what is found is bounded, and nobody can make up a
//! checkpoint.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use quartermaster_audit_chain::{FINDINGS_MAX, Hex, LINE_MAX_BYTES, Line, PublicKey, ReadError, Trusted, Verifier, read_line};
use quartermaster_types::EnvironmentId;
use quartermaster_vault::RootKey;

/// A key that signs nothing: fresh in every process, so that no input can hold a signature by it.
static KEY: LazyLock<PublicKey> = LazyLock::new(|| {
    let environment: EnvironmentId = "01900000-0000-7000-8000-000000000001".parse().expect("a UUID");
    let (data_key, _) =
        RootKey::from_bytes(&[7; 32]).and_then(|root| root.new_data_key(environment)).expect("a data key");
    Hex(data_key.new_signing_key(environment).expect("a key").0.public_key())
});

fuzz_target!(|bytes: &[u8]| {
    let mut known = Verifier::new(Trusted { public_key: Some(*KEY), checkpoint: None });
    let mut own = Verifier::new(Trusted::default());
    let (mut reader, mut buffer, mut count) = (bytes, Vec::new(), 0_u64);
    loop {
        match read_line(&mut reader, &mut buffer) {
            Ok(None) => break,
            Ok(Some(line)) => {
                let text = serde_json::to_vec(&line).expect("a line serialises");
                let again: Line = serde_json::from_slice(&text).expect("what was written is read");
                assert_eq!(again, line);
                count += u64::from(matches!(line, Line::Record(_)));
                known.line(&line);
                own.line(&line);
            }
            Err(ReadError::NotALine(error)) => {
                known.unreadable("line", &error.to_string());
                own.unreadable("line", &error.to_string());
            }
            Err(_) => {
                assert!(bytes.len() > LINE_MAX_BYTES, "only a long line is too long");
                break;
            }
        }
    }
    let report = known.finish();
    assert_eq!((report.checkpoints, report.dropped.len(), report.proven_through), (0, 0, None), "nobody signed it");
    for report in [report, own.finish()] {
        assert!(report.findings.len() <= FINDINGS_MAX && report.records + report.unchained <= count);
        assert_eq!(report.intact, report.findings.is_empty());
    }
});
