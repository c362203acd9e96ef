//! A store on a server that a team shares.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::server::{self, OWNER, PASSWORD, Server};
use crate::workspace::{SERVER, Workspace};

/// What these tests are about does not depend on where the history is.
const NOT_ABOUT_STORES: [&str; 11] = [
    "team::",
    "database::",
    "settings::doctor_says",
    "limits::",
    "browser::",
    "dashboard::",
    "scale::",
    "redaction::",
    "project::",
    "readers::",
    "on_a_server",
];

#[test]
fn whole_suite_passes_on_postgresql() {
    let Some(server) = Server::start() else { return };
    let mut suite = Command::new(std::env::current_exe().unwrap());
    suite.env(SERVER, server.address()).args(["--test-threads", "2"]);
    for name in NOT_ABOUT_STORES {
        suite.args(["--skip", name]);
    }
    let output = suite.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(!said.contains(PASSWORD), "the password shows:\n{said}");
    // They did use the server.
    let stores = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'store_%'";
    assert!(server::number(&server.address(), stores) > 50, "{said}");
}

/// Starts an import of what is in a folder.
fn start_import(workspace: &Workspace, address: &str) -> std::process::Child {
    workspace.process(&["import", "--db", address]).spawn().unwrap()
}

#[test]
fn eight_runners_that_import_at_once_lose_and_double_nothing() {
    let Some(server) = Server::start() else { return };
    let address = server.new_store();
    // Every runner has results of its own, and one that all of them have.
    let workspaces: Vec<Workspace> = (0..8)
        .map(|runner| {
            let workspace = Workspace::new();
            for benchmark in 0..25 {
                let name = format!("group/b{benchmark}");
                workspace.criterion().save(&name, "new", 100.0, runner * 100 + benchmark);
            }
            workspace.criterion().save("shared", "new", 100.0, 1);
            workspace
        })
        .collect();
    // Nobody has made the schema yet: they also race for that.
    let runners: Vec<_> = workspaces.iter().map(|one| start_import(one, &address)).collect();
    for runner in runners {
        let output = runner.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let count = |what: &str| server::number(&address, &format!("SELECT count(*) FROM {what}"));
    assert_eq!(count("measurements"), 8 * 25 + 1);
    assert_eq!(count("samples"), 8 * 25 + 1);
    assert_eq!(count("runs"), 8);
    assert_eq!(count("series"), 26);
    assert_eq!(count("fingerprints"), 1);
    // And once more, which adds nothing.
    let runners: Vec<_> = workspaces.iter().map(|one| start_import(one, &address)).collect();
    for runner in runners {
        assert!(runner.wait_with_output().unwrap().status.success());
    }
    assert_eq!(count("measurements"), 8 * 25 + 1);
    assert_eq!(count("runs"), 8);
}

#[test]
fn server_that_dies_during_an_import_keeps_all_or_nothing_of_it() {
    let Some(mut server) = Server::start() else { return };
    let address = server.new_store();
    let workspace = Workspace::new();
    for benchmark in 0..400 {
        workspace.criterion().save(&format!("b{benchmark}"), "new", 100.0, benchmark);
    }
    workspace.run(&["runs", "--db", &address], 0);
    let mut interrupted = 0;
    for attempt in 0_u64..6 {
        let started = Instant::now();
        let mut import = start_import(&workspace, &address);
        // Until it writes, and then a little longer each time.
        let writes = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted";
        while server::number(&server.address(), writes) == 0
            && import.try_wait().unwrap().is_none()
            && started.elapsed() < Duration::from_secs(60)
        {
            std::thread::sleep(Duration::from_millis(2));
        }
        std::thread::sleep(Duration::from_millis(attempt * 15));
        server.crash();
        let output = import.wait_with_output().unwrap();
        server.restart();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains(PASSWORD), "{said}");
        let stored = server::number(&address, "SELECT count(*) FROM measurements");
        if output.status.success() {
            assert_eq!(stored, 400);
            break;
        }
        interrupted += 1;
        assert!(
            said.contains("broke the connection") || said.contains("cannot be reached"),
            "{said}"
        );
        assert!(stored == 0 || stored == 400, "{stored} of 400 were stored");
        assert_eq!(server::number(&address, "SELECT count(*) FROM runs"), stored / 400);
    }
    assert!(interrupted > 0, "no import was ever interrupted");
    workspace.run(&["import", "--db", &address], 0);
    assert_eq!(server::number(&address, "SELECT count(*) FROM measurements"), 400);
}

#[test]
fn servers_that_cannot_be_used_are_told_apart_and_no_password_shows() {
    let Some(server) = Server::start() else { return };
    let workspace = Workspace::new();
    workspace.criterion().save("a", "new", 100.0, 1);
    let fails = |arguments: &[&str], address: &str, expected: &str| {
        let mut arguments = arguments.to_vec();
        arguments.extend(["--db", address]);
        let finished = workspace.run(&arguments, 3);
        let said = format!("{}{}", finished.stdout, finished.stderr);
        assert!(said.contains(expected), "{expected}: {said}");
        for secret in [PASSWORD, "wr0ng", "reader-pw"] {
            assert!(!said.contains(secret), "{said}");
        }
    };
    let as_owner = |database| server.address_of(OWNER, PASSWORD, database);

    fails(&["runs"], &server.address_of(OWNER, "wr0ng", "postgres"), "does not let you in");
    fails(&["doctor"], &server.address_of(OWNER, "wr0ng", "postgres"), "does not let you in");
    fails(&["runs"], &as_owner("nowhere"), "does not exist: make it with `createdb`");
    fails(&["runs"], &format!("postgres://a:{PASSWORD}@127.0.0.1:9/x"), "cannot be reached");
    fails(
        &["runs"],
        &format!("postgres://a:{PASSWORD}@no.such.host.invalid/x"),
        "cannot be reached",
    );
    fails(&["runs"], &format!("postgres://a:{PASSWORD}@h:99999/x"), "has the form postgres://");
    let encrypted = format!("{}?sslmode=require", server.address());
    fails(&["runs"], &encrypted, "does not offer the encryption");

    let address = server.new_store();
    workspace.run(&["import", "--db", &address], 0);
    server::run(
        &address,
        "CREATE ROLE reader LOGIN PASSWORD 'reader-pw';
         DO $$ BEGIN EXECUTE format('GRANT USAGE ON SCHEMA %I TO reader', current_schema());
         EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO reader', current_schema());
         END $$",
    )
    .unwrap();
    let reader = address.replace(&format!("{OWNER}:{PASSWORD}@"), "reader:reader-pw@");
    // Who may only read, reads.
    let runs = workspace.run(&["runs", "--format", "json", "--db", &reader], 0).json();
    assert_eq!(runs.as_array().unwrap().len(), 1);
    workspace.criterion().save("b", "new", 100.0, 2);
    fails(&["import"], &reader, "does not let this user do that");
    fails(&["runs"], &server.address_of("reader", "reader-pw", "postgres"), "CREATE");

    let foreign = server.new_store();
    server::run(&foreign, "CREATE TABLE runs (distance BIGINT)").unwrap();
    fails(&["runs"], &foreign, "belongs to another program");

    server::run(&address, "ALTER ROLE reader CONNECTION LIMIT 0").unwrap();
    fails(&["runs"], &reader, "too many connections");

    server::run(
        &address,
        "INSERT INTO bench_analyzer_migrations
         (version, description, success, checksum, execution_time)
         VALUES (9999, 'of the future', true, '', 0)",
    )
    .unwrap();
    fails(&["runs"], &address, "newer bench-analyzer (schema 9999)");
}

#[test]
fn help_does_not_show_the_address_of_the_environment() {
    let workspace = Workspace::new();
    for arguments in [&["--help"][..], &["report", "--help"], &["no-such-command"]] {
        let mut command = workspace.command(arguments);
        command.env("BENCH_ANALYZER_DB", format!("postgres://ada:{PASSWORD}@host/bench"));
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(!String::from_utf8_lossy(&said).contains(PASSWORD));
    }
}

#[tokio::test]
async fn lost_connection_is_made_anew_and_writers_wait_for_their_turn() {
    use bench_analyzer::ingest::ImportBatch;
    use bench_analyzer::store::{Destination, Location, Store};

    let Some(mut server) = Server::start() else { return };
    let location: Location = server.new_store().parse().unwrap();
    let mut store = Store::open(&location).await.unwrap();
    assert!(store.runs(None).await.unwrap().is_empty());
    server.crash();
    let error = store.runs(None).await.unwrap_err();
    assert!(error.to_string().contains("broke the connection"), "{error}");
    assert!(!format!("{error:?}").contains(PASSWORD), "{error:?}");
    server.restart();
    assert!(store.runs(None).await.unwrap().is_empty());

    let brief = Duration::from_millis(100);
    let mut waiter = Store::open_with_timeout(&location, brief).await.unwrap();
    let lock = store.lock_for_writing().await.unwrap();
    let now = jiff::Timestamp::UNIX_EPOCH;
    let batch = ImportBatch::default();
    let error = waiter.import(&batch, &Destination::NewSet, now).await.unwrap_err();
    assert!(error.to_string().contains("is locked by another process"), "{error}");
    drop(lock);
    // The dropped lock goes with the next statement.
    store.runs(None).await.unwrap();
    waiter.import(&batch, &Destination::NewSet, now).await.unwrap();
}

#[test]
fn push_that_is_killed_goes_on_where_it_was() {
    /// Enough that a busy machine, which sees a push late, still cuts one off.
    const RUNS: i64 = 600;
    let Some(server) = Server::start() else { return };
    let address = server.new_store();
    let workspace = Workspace::new();
    let mut rows = String::from("benchmark,value,run,time\n");
    for run in 0..RUNS {
        for benchmark in 0..20 {
            let value = 100 + (run * 31 + benchmark * 7) % 13;
            let time = 1_700_000_000 + run * 60;
            rows.push_str(&format!("b{benchmark},{value},r{run},{time}\n"));
        }
    }
    std::fs::write(workspace.path().join("history.csv"), rows).unwrap();
    workspace.run(&["import", "history.csv"], 0);
    workspace.run(&["runs", "--db", &address], 0);
    let count = |what: &str| server::number(&address, &format!("SELECT count(*) FROM {what}"));
    let mut before = 0;
    let mut cut = 0;
    while cut < 4 && before < RUNS * 2 / 3 {
        let mut push = workspace.process(&["push", "--to", &address]).spawn().unwrap();
        let started = Instant::now();
        while count("runs") < before + 10 && push.try_wait().unwrap().is_none() {
            assert!(started.elapsed() < Duration::from_secs(60), "no run ever came");
            std::thread::sleep(Duration::from_millis(3));
        }
        push.kill().unwrap();
        push.wait().unwrap();
        let (runs, measurements) = (count("runs"), count("measurements"));
        assert_eq!(measurements, runs * 20, "a run is there in part");
        assert!(runs >= before, "runs went away");
        before = runs;
        cut += 1;
    }
    assert!(before < RUNS, "no push was ever cut off");
    workspace.run(&["push", "--to", &address], 0);
    assert_eq!((count("runs"), count("measurements")), (RUNS, RUNS * 20));
    let again = workspace.run(&["push", "--to", &address], 0);
    assert!(again.stderr.contains("has all 600 runs already"), "{}", again.stderr);
}

#[test]
fn watchers_that_share_a_server_send_each_letter_once() {
    let Some(server) = Server::start() else { return };
    crate::fleet::each_letter_goes_out_once(&server.new_store().parse().unwrap());
}

#[test]
fn machines_that_share_a_server_take_each_job_once() {
    let Some(server) = Server::start() else { return };
    crate::fleet::each_job_is_taken_once(&server.new_store().parse().unwrap());
}
