//! The data folder: made once, used by one process, kept whole.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::stage::{Background, Stage, command, finish, run};

fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn init_prints_the_token_alone_and_a_second_one_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("deep/data");
    let args = ["init", "--data-dir", data.to_str().unwrap()];
    let first = run(&args).exits(0);
    assert_eq!(first.out.lines().count(), 1);
    assert!(first.out.starts_with("qmt_"), "{}", first.out);
    assert!(!first.err.contains(first.out.trim()), "the token is on standard output only");
    assert_eq!(std::fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(std::fs::metadata(data.join("root.key")).unwrap().permissions().mode() & 0o777, 0o600);
    let before = contents(&data);
    let second = run(&args).exits(1);
    assert!(second.out.is_empty());
    assert!(second.err.contains("nothing was changed"), "{}", second.err);
    assert_eq!(contents(&data), before);
}

#[test]
fn init_leaves_a_folder_with_other_things_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("thesis.txt"), "words").unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let output = run(&["init", "--data-dir", folder.path().to_str().unwrap()]).exits(1);
    assert!(output.err.contains("thesis.txt"), "{}", output.err);
    assert_eq!(contents(folder.path()), [("thesis.txt".to_owned(), b"words".to_vec())]);
    let mode = std::fs::metadata(folder.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755, "others can still look into what is theirs");
}

#[test]
fn an_address_that_is_no_postgresql_database_is_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for url in ["data.sqlite", "mysql://user:hush@127.0.0.1/x"] {
        let output = finish(
            command(&["init", "--data-dir", data.to_str().unwrap()]).env("QM_DATABASE_URL", url).spawn().unwrap(),
        )
        .exits(2);
        assert!(output.err.contains("QM_DATABASE_URL") && output.err.contains("postgres://"), "{}", output.err);
        assert!(!output.err.contains("hush"), "{}", output.err);
        assert!(!data.exists());
    }
    let url = "postgres://user:hush@127.0.0.1:1/x";
    let output =
        finish(command(&["init", "--data-dir", data.to_str().unwrap()]).env("QM_DATABASE_URL", url).spawn().unwrap())
            .exits(1);
    assert!(output.err.contains("QM_DATABASE_URL") && !output.err.contains("hush"), "{}", output.err);
    assert_eq!(output.err.matches("refused").count(), 1, "said once: {}", output.err);
}

#[test]
fn a_half_finished_init_is_done_again() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join(".init")).unwrap();
    std::fs::write(folder.path().join(".init/root.key"), "cut off").unwrap();
    let output = run(&["init", "--data-dir", folder.path().to_str().unwrap()]).exits(0);
    assert!(output.out.starts_with("qmt_"));
    assert!(!folder.path().join(".init").exists());
}

#[test]
fn the_root_key_can_live_elsewhere_and_serving_needs_it() {
    let folder = tempfile::tempdir().unwrap();
    let (data, key) = (folder.path().join("data"), folder.path().join("key"));
    let (data, key) = (data.to_str().unwrap(), key.to_str().unwrap());
    finish(command(&["init", "--data-dir", data]).env("QM_ROOT_KEY_FILE", key).spawn().unwrap()).exits(0);
    assert!(!Path::new(data).join("root.key").exists());
    let without = run(&["serve", "--data-dir", data, "--listen", "127.0.0.1:0"]).exits(1);
    assert!(without.err.contains("QM_ROOT_KEY_FILE"), "{}", without.err);
    let served = Background::spawn(
        command(&["serve", "--data-dir", data, "--listen", "127.0.0.1:0"]).env("QM_ROOT_KEY_FILE", key),
    );
    served.line("listening on http://127.0.0.1:");
}

#[test]
fn serve_wants_a_folder_that_init_made() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(&["serve", "--data-dir", folder.path().to_str().unwrap()]).exits(1);
    assert!(output.err.contains("qm init"), "{}", output.err);
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "nothing was made");
}

#[test]
fn one_process_at_a_time_and_signals_end_it_gracefully() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    run(&["init", "--data-dir", data]).exits(0);
    let args = ["serve", "--data-dir", data, "--listen", "127.0.0.1:0"];
    for signal in ["TERM", "INT"] {
        let first = Background::start(&args);
        first.line("listening on http://127.0.0.1:");
        let second = run(&args).exits(1);
        assert!(second.out.is_empty());
        assert!(second.err.contains("another process"), "{}", second.err);
        first.signal(signal);
        assert_eq!(first.wait(), Some(0), "{signal}");
    }
}

#[test]
fn a_folder_of_a_newer_version_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    run(&["init", "--data-dir", data.to_str().unwrap()]).exits(0);
    let database = data.join("quartermaster.sqlite");
    make_newer(&database);
    let before = std::fs::read(&database).unwrap();
    let output = run(&["serve", "--data-dir", data.to_str().unwrap(), "--listen", "127.0.0.1:0"]).exits(1);
    assert!(output.out.is_empty(), "{}", output.out);
    assert!(output.err.contains("newer"), "{}", output.err);
    assert_eq!(std::fs::read(&database).unwrap(), before);
}

/// Adds a migration that this program does not know, as a newer one would have.
fn make_newer(database: &Path) {
    let script = "import sqlite3, sys\n\
        base = sqlite3.connect(sys.argv[1])\n\
        base.execute(\"insert into _sqlx_migrations select 99991231000000, 'later', installed_on, 1, checksum, 1 \
        from _sqlx_migrations limit 1\")\n\
        base.commit()\nbase.execute('pragma wal_checkpoint(truncate)')\nbase.close()\n";
    let done = std::process::Command::new("python3").args(["-c", script]).arg(database).status().unwrap();
    assert!(done.success());
}

#[test]
fn killed_during_writes_it_serves_again_and_nothing_that_was_answered_is_lost() {
    let mut stage = Stage::start(&[]);
    let mut made = Vec::new();
    for round in 0..3 {
        for number in 0..5 {
            let name = format!("token {round}.{number}");
            let args = ["token", "create", "--name", &name, "--role", "auditor", "-o", "json"];
            made.push(stage.run(&args).exits(0).json()["id"].clone());
        }
        // A write is under way when the process dies.
        let under_way = stage.command(&["token", "create", "--name", "lost", "--role", "auditor"]).spawn().unwrap();
        let gateway = stage.gateway.take().unwrap();
        gateway.signal("KILL");
        assert_eq!(gateway.wait(), None);
        finish(under_way);
        stage.serve();
    }
    let listed = stage.run(&["token", "list", "-o", "json"]).exits(0).json();
    let listed: Vec<_> = listed.as_array().unwrap().iter().map(|token| token["id"].clone()).collect();
    assert!(made.iter().all(|id| listed.contains(id)));
    assert_eq!(stage.state("a.miller@company.com"), "ACTIVE", "the sealed credentials still open");
}
