//! Histories that may only be read, and ones that are no longer what was stored.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use bench_analyzer::store::Location;
use sqlx::{ConnectOptions, Connection};

use crate::served::Served;
use crate::workspace::Workspace;

/// The program as somebody who may not write.
fn reader(workspace: &Workspace, arguments: &[&str]) -> Command {
    let mut command = if rustix::process::getuid().is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.arg(env!("CARGO_BIN_EXE_bench-analyzer"));
        command
    } else {
        Command::new(env!("CARGO_BIN_EXE_bench-analyzer"))
    };
    command.args(arguments).current_dir(workspace.path()).env_remove("BENCH_ANALYZER_DB");
    command.env("GIT_CEILING_DIRECTORIES", workspace.path().parent().unwrap());
    command
}

/// Runs it; nothing comes back where that cannot be done.
fn as_reader(workspace: &Workspace, arguments: &[&str]) -> Option<Output> {
    let output = reader(workspace, arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("setpriv:") {
        eprintln!("NOT TESTED: {said}");
        return None;
    }
    Some(output)
}

fn allow(workspace: &Workspace, folder: u32, file: u32) {
    let set = |path: &camino::Utf8Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    set(workspace.path(), 0o755);
    set(&workspace.path().join(".bench"), folder);
    for entry in workspace.path().join(".bench").read_dir_utf8().unwrap() {
        let path = entry.unwrap().into_path();
        if path.is_file() {
            set(&path, file);
        }
    }
}

#[test]
fn who_may_only_read_a_history_reads_it() {
    let workspace = Workspace::new();
    let Location::File(_) = workspace.location() else { return };
    workspace.criterion().save_baseline("a", "main", 100.0, 1);
    workspace.run(&["import"], 0);
    workspace.criterion().save("a", "new", 120.0, 2);
    workspace.run(&["import"], 0);
    allow(&workspace, 0o555, 0o444);
    for arguments in [
        &["runs"][..],
        &["report", "--baseline", "main"],
        &["history"],
        &["export"],
        &["doctor"],
        &["jobs"],
    ] {
        let Some(output) = as_reader(&workspace, arguments) else { return };
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
    }
    let refused = as_reader(&workspace, &["import"]).unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(3), "{said}");
    assert!(said.contains("is read-only"), "{said}");
    allow(&workspace, 0o755, 0o644);
}

/// Neither the file nor its folder may be written: no lock, no log and no found step can be kept.
#[test]
fn who_may_only_read_a_history_sees_its_dashboard() {
    let workspace = Workspace::new();
    let Location::File(_) = workspace.location() else { return };
    workspace.criterion().save_baseline("a", "main", 100.0, 1);
    workspace.run(&["import"], 0);
    workspace.criterion().save("a", "new", 120.0, 2);
    workspace.run(&["import"], 0);
    allow(&workspace, 0o555, 0o444);
    if as_reader(&workspace, &["runs"]).is_some() {
        for access in [&["--read-only"][..], &[]] {
            let arguments = [&["serve", "--listen", "127.0.0.1:0"], access].concat();
            let served = Served::by(reader(&workspace, &arguments));
            assert_eq!(served.get("/api/about").json()["read_only"], true);
            let report = served.get("/api/compare?baseline=main&current=latest").json();
            assert_eq!(report["total"], 1, "{report}");
            assert_eq!(served.get("/api/series?benchmark=a&metric=time").status, 200);
            assert_eq!(served.get("/api/changes").status, 200);
            assert_eq!(served.get("/").status, 200);
        }
    }
    allow(&workspace, 0o755, 0o644);
}

/// Flips a bit in the middle of the samples that are stored first.
fn flip(workspace: &Workspace) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(workspace.database());
        let mut connection = options.connect().await.unwrap();
        let mut data: Vec<u8> = sqlx::query_scalar("SELECT data FROM samples ORDER BY 1 LIMIT 1")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        let before = data.clone();
        let middle = data.len() / 2;
        data[middle] ^= 2;
        let changed = sqlx::query("UPDATE samples SET data = $1 WHERE data = $2");
        changed.bind(data).bind(before).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    });
}

#[test]
fn a_bit_that_flipped_is_found_and_not_exported_as_another_number() {
    let workspace = Workspace::new();
    let Location::File(_) = workspace.location() else { return };
    workspace.criterion().save("a", "new", 100.0, 1);
    workspace.run(&["import"], 0);
    workspace.run(&["doctor"], 0);
    flip(&workspace);
    for arguments in [&["export"][..], &["report", "--no-import"]] {
        let said = workspace.run(arguments, 3).stderr;
        assert!(said.contains("not those that were stored"), "{said}");
    }
    let found = workspace.run(&["doctor"], 3).stdout;
    assert!(found.contains("PROBLEM") && found.contains("run:1 holds samples"), "{found}");
}

#[test]
fn a_full_disk_is_named() {
    let workspace = Workspace::new();
    let Location::File(_) = workspace.location() else { return };
    let rows: String = (0..20_000).map(|n| format!("b{},{}\n", n % 50, 100 + n % 7)).collect();
    std::fs::write(workspace.path().join("many.csv"), format!("benchmark,value\n{rows}")).unwrap();
    workspace.run(&["runs"], 0);
    // In blocks of 512 bytes: too few for the index of the write-ahead log, or for the log itself.
    for blocks in ["16", "80"] {
        let output = std::process::Command::new("sh")
            .args(["-c", "trap '' XFSZ; ulimit -f $1; shift; exec \"$@\"", "sh", blocks])
            .arg(env!("CARGO_BIN_EXE_bench-analyzer"))
            .args(["import", "many.csv"])
            .current_dir(workspace.path())
            .env_remove("BENCH_ANALYZER_DB")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{blocks}: {said}");
        assert!(said.contains("check the quota and the disk"), "{blocks}: {said}");
    }
    let runs = workspace.run(&["runs", "--format", "json"], 0).json();
    assert_eq!(runs, serde_json::json!([]), "half of it is there");
}
