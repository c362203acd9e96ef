//! Databases that cannot be used, and what is said about them.

use std::process::{Command, Stdio};

use crate::workspace::Workspace;

/// Runs SQL through the store's own library, as another program would.
fn execute(path: &camino::Utf8Path, sql: &'static str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        use sqlx::{ConnectOptions, Connection, Executor};
        let options = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(path.as_std_path())
            .create_if_missing(true);
        let mut connection = options.connect().await.unwrap();
        connection.execute(sql).await.unwrap();
        connection.close().await.unwrap();
    });
}

#[test]
fn file_that_is_no_database_is_left_alone() {
    let workspace = Workspace::new();
    let path = workspace.path().join("notes.txt");
    let content = "shopping list: ".repeat(100);
    std::fs::write(&path, &content).unwrap();
    let finished = workspace.run(&["runs", "--db", "notes.txt"], 3);
    assert!(finished.stderr.contains("notes.txt is not a database"), "{}", finished.stderr);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
}

#[test]
fn database_of_another_program_is_left_alone() {
    let workspace = Workspace::new();
    let path = workspace.path().join("other.db");
    execute(&path, "CREATE TABLE recipes (name TEXT)");
    let before = std::fs::read(&path).unwrap();
    let finished = workspace.run(&["runs", "--db", "other.db"], 3);
    assert!(finished.stderr.contains("belongs to another program"), "{}", finished.stderr);
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn database_from_a_newer_version_is_refused() {
    let workspace = Workspace::new();
    workspace.run(&["runs"], 0);
    execute(
        &workspace.database(),
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'of the future', 1, x'00', 0)",
    );
    let finished = workspace.run(&["runs"], 3);
    assert!(finished.stderr.contains("newer bench-analyzer (schema 9999)"), "{}", finished.stderr);
    assert!(finished.stderr.contains("update this program"), "{}", finished.stderr);
}

#[cfg(unix)]
#[test]
fn read_only_database_says_so() {
    use std::os::unix::fs::PermissionsExt;

    let workspace = Workspace::new();
    workspace.criterion().save("a", "new", 100.0, 1);
    workspace.run(&["runs"], 0);
    let folder = workspace.path().join(".bench");
    let set_mode = |path: &camino::Utf8Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    set_mode(&workspace.database(), 0o444);
    set_mode(&folder, 0o555);
    if std::fs::File::options().append(true).open(workspace.database()).is_ok() {
        eprintln!("permissions do not bind this user, so there is nothing to see here");
        return;
    }
    let finished = workspace.run(&["import"], 3);
    set_mode(&folder, 0o755);
    assert!(finished.stderr.contains("read-only"), "{}", finished.stderr);
    assert!(finished.stderr.contains("--db"), "{}", finished.stderr);
}

#[test]
fn folder_that_cannot_be_made_is_named() {
    let workspace = Workspace::new();
    std::fs::write(workspace.path().join("file"), "").unwrap();
    workspace.criterion().save("a", "new", 100.0, 1);
    let finished = workspace.run(&["import", "--db", "file/history.db"], 3);
    assert!(finished.stderr.contains("file/history.db cannot be opened"), "{}", finished.stderr);
}

#[test]
fn locked_database_is_waited_for_and_then_named() {
    let workspace = Workspace::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        use bench_analyzer::store::{Destination, Store};
        use std::time::Duration;

        let path = workspace.database();
        let brief = Duration::from_millis(50);
        let mut holder = Store::open(&path).await.unwrap();
        let mut waiter = Store::open_with_timeout(&path, brief).await.unwrap();
        let lock = holder.lock_for_writing().await.unwrap();
        let batch = bench_analyzer::ingest::ImportBatch::default();
        let now = jiff::Timestamp::UNIX_EPOCH;
        let error = waiter.import(&batch, &Destination::NewSet, now).await.unwrap_err();
        assert!(error.to_string().contains("is locked by another process"), "{error}");
        drop(lock);
        waiter.import(&batch, &Destination::NewSet, now).await.unwrap();
    });
}

#[test]
fn default_database_is_the_projects_wherever_one_stands_in_it() {
    let workspace = Workspace::new();
    workspace.run(&["runs"], 0);
    let inner = workspace.path().join("crates/deep");
    std::fs::create_dir_all(&inner).unwrap();
    let program = assert_cmd::cargo::cargo_bin("bench-analyzer");
    let status = Command::new(program)
        .arg("runs")
        .current_dir(&inner)
        .env_remove("BENCH_ANALYZER_DB")
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    assert!(!inner.join(".bench").exists());
}
