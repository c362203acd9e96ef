//! A PostgreSQL server of the test's own, where its programs are installed.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sqlx::{ConnectOptions, Connection, Executor};
use sqlx_postgres::{PgConnectOptions, PgConnection};

/// Who owns all tables. Its password must show up nowhere.
pub(crate) const OWNER: &str = "bench";
pub(crate) const PASSWORD: &str = "s3cr3t-of-the-team";

/// Ends with the test, however that ends.
pub(crate) struct Server {
    child: Child,
    port: u16,
    programs: PathBuf,
    data: tempfile::TempDir,
}

impl Server {
    /// Nothing comes back, and a word about it, where PostgreSQL is not installed.
    pub(crate) fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            let missing = "NOT TESTED: PostgreSQL (initdb and postgres) is not installed here";
            assert!(std::env::var_os("BENCH_ANALYZER_TEST_POSTGRES").is_none(), "{missing}");
            eprintln!("{missing}");
            return None;
        };
        let data = tempfile::tempdir().unwrap();
        // The server refuses to run as root, so it may need another user's folder.
        if let Some((uid, gid)) = somebody() {
            std::os::unix::fs::chown(data.path(), Some(uid), Some(gid)).unwrap();
        }
        let secret = data.path().with_extension("password");
        std::fs::write(&secret, PASSWORD).unwrap();
        std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o644)).unwrap();
        // A language's order, not that of bytes: what relies on the order has to say so itself.
        let made = command(&programs.join("initdb"))
            .args(["--no-sync", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"])
            .args(["--locale-provider=icu", "--icu-locale=en"])
            .arg(format!("--username={OWNER}"))
            .arg(format!("--pwfile={}", secret.display()))
            .arg(data.path())
            .output()
            .unwrap();
        std::fs::remove_file(&secret).unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let (child, port) = serve(&programs, data.path());
        let server = Self { child, port, programs, data };
        server.wait_until_ready();
        Some(server)
    }

    /// The database of everybody, as somebody.
    pub(crate) fn address_of(&self, user: &str, password: &str, database: &str) -> String {
        format!("postgres://{user}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    pub(crate) fn address(&self) -> String {
        self.address_of(OWNER, PASSWORD, "postgres")
    }

    /// A store of its own, that nothing is in yet.
    pub(crate) fn new_store(&self) -> String {
        new_store(&self.address())
    }

    /// Ends the server at once, as a power failure does.
    pub(crate) fn crash(&mut self) {
        signal(&self.child, rustix::process::Signal::QUIT);
        self.child.wait().unwrap();
    }

    /// Starts it again at the same place.
    pub(crate) fn restart(&mut self) {
        self.child = start(&self.programs, self.data.path(), self.port);
        self.wait_until_ready();
    }

    fn wait_until_ready(&self) {
        let started = Instant::now();
        loop {
            match run(&self.address(), "SELECT 1") {
                Ok(_) => return,
                Err(error) => {
                    assert!(started.elapsed() < Duration::from_secs(60), "{error}");
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        signal(&self.child, rustix::process::Signal::QUIT);
        let _ = self.child.wait();
    }
}

/// Makes a schema, and says how a store in it is reached.
pub(crate) fn new_store(address: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let schema = format!("store_{}_{number}", std::process::id());
    run(address, &format!("CREATE SCHEMA {schema}")).unwrap();
    format!("{address}?options=-csearch_path%3D{schema}")
}

/// Runs SQL on a server, also where another runtime is at work.
pub(crate) fn run(address: &str, sql: &str) -> sqlx::Result<()> {
    with_connection(address, async |connection| {
        connection.execute(sqlx::AssertSqlSafe(sql.to_owned())).await.map(drop)
    })
}

/// One number.
pub(crate) fn number(address: &str, sql: &str) -> i64 {
    let asked = with_connection(address, async |connection| {
        sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(sql.to_owned()))
            .fetch_one(connection)
            .await
    });
    asked.unwrap()
}

fn with_connection<T: Send>(
    address: &str,
    task: impl AsyncFnOnce(&mut PgConnection) -> sqlx::Result<T> + Send,
) -> sqlx::Result<T> {
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let options: PgConnectOptions = address.parse().unwrap();
            let mut connection = options.connect().await?;
            let result = task(&mut connection).await?;
            connection.close().await?;
            Ok(result)
        })
    };
    std::thread::scope(|scope| scope.spawn(work).join().unwrap())
}

/// Where both programs are that a server takes.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    // Debian keeps versions side by side, and off the path.
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut versions: Vec<PathBuf> =
        versions.flatten().map(|version| version.path().join("bin")).collect();
    versions.sort();
    folders.extend(versions.into_iter().rev());
    let has = |folder: &Path, name: &str| folder.join(name).is_file();
    folders.into_iter().find(|folder| has(folder, "initdb") && has(folder, "postgres"))
}

/// Another user, if this is root.
fn somebody() -> Option<(u32, u32)> {
    if !rustix::process::getuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    ["postgres", "nobody"].iter().find_map(|name| {
        let mut fields =
            users.lines().find(|line| line.split(':').next() == Some(name))?.split(':');
        Some((fields.nth(2)?.parse().ok()?, fields.next()?.parse().ok()?))
    })
}

/// A program as the user that a server may run as, which ends when this thread does.
fn command(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if let Some((uid, gid)) = somebody() {
        command.args([format!("--reuid={uid}"), format!("--regid={gid}")]).arg("--clear-groups");
    }
    command.args(["--pdeathsig", "QUIT"]).arg(program);
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn serve(programs: &Path, data: &Path) -> (Child, u16) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    (start(programs, data, port), port)
}

fn start(programs: &Path, data: &Path, port: u16) -> Child {
    command(&programs.join("postgres"))
        .arg("-D")
        .arg(data)
        .args(["-p", &port.to_string(), "-F"])
        .args(["-c", "listen_addresses=127.0.0.1"])
        .args(["-c", "unix_socket_directories="])
        .args(["-c", "max_connections=40"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn signal(child: &Child, signal: rustix::process::Signal) {
    let process = rustix::process::Pid::from_child(child);
    let _ = rustix::process::kill_process(process, signal);
}
