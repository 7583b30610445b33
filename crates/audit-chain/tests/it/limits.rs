//! Limits, at them and one past.

use quartermaster_audit_chain::{FINDINGS_MAX, LINE_MAX_BYTES, Line, ReadError, Trusted, Verifier, read_line};

use crate::support::{log, verify};

fn end_of(length: usize) -> Vec<u8> {
    let mut line = br#"{"line":"end"}"#.to_vec();
    line.resize(length, b' ');
    line.push(b'\n');
    line
}

#[test]
fn a_line_is_read_at_its_limit_and_refused_one_past_it() {
    let mut buffer = Vec::new();
    assert!(matches!(read_line(&mut &end_of(LINE_MAX_BYTES)[..], &mut buffer), Ok(Some(Line::End {}))));
    assert!(matches!(read_line(&mut &end_of(LINE_MAX_BYTES + 1)[..], &mut buffer), Err(ReadError::TooLong)));
    assert!(matches!(read_line(&mut &b""[..], &mut buffer), Ok(None)));
}

#[test]
fn findings_are_named_to_their_limit_and_counted_beyond() {
    for extra in [0, 1] {
        let mut lines = log(FINDINGS_MAX as i64 + extra, &[]);
        for line in &mut lines {
            if let Line::Record(record) = line {
                record.hash = None;
            }
        }
        let report = verify(&lines);
        assert_eq!(report.findings.len(), FINDINGS_MAX);
        // One more: the head does not fit a last record without a hash... it does fit what was computed of it.
        assert_eq!(report.more_findings, extra as u64);
        assert!(!report.intact);
    }
}

#[test]
fn lines_of_another_kind_are_named_with_their_place_and_reading_goes_on() {
    let mut verifier = Verifier::new(Trusted::default());
    let text = b"{\"line\":\"other\"}\n{\"line\":\"end\"}";
    let (mut reader, mut buffer) = (&text[..], Vec::new());
    let Err(error) = read_line(&mut reader, &mut buffer) else { panic!("there is no such line") };
    verifier.unreadable("line 1", &error.to_string());
    let line = read_line(&mut reader, &mut buffer).unwrap().unwrap();
    verifier.line(&line);
    let report = verifier.finish();
    assert!(report.findings[0].detail.starts_with("line 1: "), "{:?}", report.findings);
    for wrong in [r#"{"line":"end","x":1}"#, r#"{"line":"head","sequence":1}"#, "", "[]", r#"{"line":"end"}{}"#] {
        let mut line = wrong.as_bytes().to_vec();
        line.push(b'\n');
        let read = read_line(&mut line.as_slice(), &mut buffer);
        // An empty object has no member to be unknown.
        assert!(matches!(read, Err(ReadError::NotALine(_))) || wrong.contains("\"x\""), "{wrong}: {read:?}");
    }
}
