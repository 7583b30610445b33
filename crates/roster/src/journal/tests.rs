use super::*;

const NOW: Timestamp = Timestamp::from_unix_ms(1_700_000_000_000);

fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    (folder, path)
}

#[test]
fn an_unfinished_run_goes_on_and_a_finished_one_begins_anew() {
    let (_folder, path) = place();
    let mut journal = Journal::open(&path, "work", NOW).unwrap();
    assert!(!journal.resumed());
    let key = journal.key("A");
    journal.begin("A", "a@x.com", NOW).unwrap();
    journal.done("A", Some(true), NOW).unwrap();
    journal.begin("B", "b@x.com", NOW).unwrap();
    drop(journal);

    let mut journal = Journal::open(&path, "work", NOW.plus_ms(5)).unwrap();
    assert!(journal.resumed());
    assert_eq!(journal.key("A"), key, "a run keeps its idempotency keys");
    assert_eq!(journal.started_at(), NOW);
    assert_eq!(journal.known("A"), Some(Known::Done(NOW)));
    assert_eq!(journal.known("B"), Some(Known::Begun));
    assert_eq!(journal.known("C"), None);
    journal.finish(NOW).unwrap();
    drop(journal);

    let journal = Journal::open(&path, "work", NOW.plus_ms(5)).unwrap();
    assert!(!journal.resumed());
    assert_ne!(journal.key("A"), key, "a new run has new idempotency keys");
    assert_eq!(journal.known("A"), None);
}

#[test]
fn an_attempt_that_failed_gets_another_key_and_one_that_was_cut_off_keeps_its_own() {
    let (_folder, path) = place();
    let mut journal = Journal::open(&path, "work", NOW).unwrap();
    let (first, other) = (journal.key("A"), journal.key("B"));
    journal.begin("A", "a@x.com", NOW).unwrap();
    journal.failed("A", "refused".to_owned(), NOW).unwrap();
    journal.begin("B", "b@x.com", NOW).unwrap();
    drop(journal);
    let journal = Journal::open(&path, "work", NOW).unwrap();
    assert_ne!(journal.key("A"), first);
    assert_eq!(journal.key("B"), other);
}

#[test]
fn a_line_cut_off_by_a_crash_is_taken_away() {
    let (_folder, path) = place();
    let mut journal = Journal::open(&path, "work", NOW).unwrap();
    journal.begin("A", "a@x.com", NOW).unwrap();
    drop(journal);
    let whole = std::fs::read(&path).unwrap();
    for cut in 1..20 {
        std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
        let mut journal = Journal::open(&path, "work", NOW).unwrap();
        assert_eq!(journal.known("A"), None);
        journal.begin("A", "a@x.com", NOW).unwrap();
        drop(journal);
        assert_eq!(std::fs::read(&path).unwrap(), whole);
    }
}

#[test]
fn damage_in_the_middle_and_foreign_journals_are_refused() {
    let (_folder, path) = place();
    drop(Journal::open(&path, "work", NOW).unwrap());
    assert!(matches!(Journal::open(&path, "other", NOW), Err(JournalError::Foreign { .. })));
    let mut text = std::fs::read(&path).unwrap();
    text.extend_from_slice(b"{\"entry\":\"nonsense\"}\n");
    std::fs::write(&path, text).unwrap();
    assert!(matches!(Journal::open(&path, "work", NOW), Err(JournalError::Damaged { line: 2, .. })));
}

#[test]
fn two_runs_cannot_share_a_journal() {
    let (_folder, path) = place();
    let _first = Journal::open(&path, "work", NOW).unwrap();
    assert!(matches!(Journal::open(&path, "work", NOW), Err(JournalError::InUse { .. })));
}
