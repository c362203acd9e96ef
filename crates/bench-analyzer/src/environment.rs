//! The circumstances of an import, captured once at the edge of the program and passed along:
//! nothing below asks for the time, the machine or the environment by itself.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;

use crate::child;
use bench_stats::model::{Attribute, Attributes, CommitPosition, Fingerprint, Revision};

/// Where, when and on what an import takes place.
#[derive(Debug, Clone, PartialEq)]
pub struct Environment {
    /// The present.
    pub now: Timestamp,
    /// The folder that relative defaults start from.
    pub working_dir: Utf8PathBuf,
    /// Value of `CRITERION_HOME`.
    pub criterion_home: Option<Utf8PathBuf>,
    /// Value of `CARGO_TARGET_DIR`, else of `CARGO_BUILD_TARGET_DIR`.
    pub cargo_target_dir: Option<Utf8PathBuf>,
    /// Where cargo says that it builds what is in the working folder; none if nobody asked it.
    pub target_dir: Option<Utf8PathBuf>,
    /// This machine and its compiler.
    pub fingerprint: Fingerprint,
    /// Further attributes of this machine.
    pub attributes: Attributes,
    /// The source code checked out in the working folder.
    pub revision: Revision,
    /// When that commit was made.
    pub committed_at: Option<Timestamp>,
    /// Remarks on what could not be found out although it is there.
    pub remarks: Vec<String>,
}

impl Environment {
    /// Looks around: asks `git` and `rustc`, both of which may be missing.
    pub fn capture(working_dir: &Utf8Path) -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let mut remarks = Vec::new();
        let (revision, committed_at) = checked_out(working_dir, &mut remarks);
        Self {
            now: Timestamp::now(),
            working_dir: working_dir.to_owned(),
            criterion_home: variable("CRITERION_HOME").map(Utf8PathBuf::from),
            cargo_target_dir: variable("CARGO_TARGET_DIR")
                .or_else(|| variable("CARGO_BUILD_TARGET_DIR"))
                .map(Utf8PathBuf::from),
            target_dir: None,
            fingerprint: this_machine(working_dir),
            attributes: this_machines_attributes(),
            revision,
            committed_at,
            remarks,
        }
    }

    /// Whether a configuration of cargo's says where it builds, so that only cargo knows.
    pub fn builds_where_configured(&self) -> bool {
        let home = std::env::var("CARGO_HOME").ok().map(Utf8PathBuf::from);
        let home =
            home.or_else(|| Some(Utf8PathBuf::from(std::env::var("HOME").ok()?).join(".cargo")));
        let folders = self.working_dir.ancestors().map(|dir| dir.join(".cargo"));
        folders.chain(home).any(|dir| configures_target_dir(&dir))
    }

    /// Asks cargo where it builds: only its own word counts configurations, variables and workspaces.
    #[must_use]
    pub fn ask_cargo(mut self) -> Self {
        self.target_dir = metadata(&self.working_dir).map(|metadata| metadata.target_directory);
        self
    }

    /// The same circumstances in each member of the workspace that configures a place of its own to
    /// build in.
    pub fn members_that_build_elsewhere(&self) -> Vec<Self> {
        let packages = metadata(&self.working_dir).map(|all| all.packages).unwrap_or_default();
        let folders = packages.iter().filter_map(|one| one.manifest_path.parent());
        let own = folders.filter(|dir| configures_target_dir(&dir.join(".cargo")));
        own.map(|dir| Self { working_dir: dir.to_owned(), ..self.clone() }.ask_cargo()).collect()
    }

    /// Where a commit stands in the history that is checked out; none if git does not know it.
    pub fn position_of(&self, commit: &str) -> Option<CommitPosition> {
        // Whatever starts with a dash would be an option.
        if !commit.bytes().all(|byte| byte.is_ascii_hexdigit()) || commit.is_empty() {
            return None;
        }
        let git = |arguments: &[&str]| {
            output(child::tool("git").arg("-C").arg(&self.working_dir).args(arguments))
        };
        let seconds = git(&["log", "-1", "--format=%ct", commit, "--"])?.parse().ok()?;
        let ancestors = git(&["rev-list", "--count", commit, "--"])?.parse().ok()?;
        Some(CommitPosition { committed_at: Timestamp::from_second(seconds).ok()?, ancestors })
    }

    /// The revision of results that were measured at `time`: the one checked out now, unless it
    /// did not exist yet.
    pub fn revision_at(&self, time: Timestamp) -> Revision {
        match self.committed_at {
            Some(committed_at) if committed_at > time => Revision::default(),
            _ => self.revision.clone(),
        }
    }
}

/// Answer of cargo about a workspace.
#[derive(serde::Deserialize)]
struct Metadata {
    target_directory: Utf8PathBuf,
    packages: Vec<Package>,
}

#[derive(serde::Deserialize)]
struct Package {
    manifest_path: Utf8PathBuf,
}

fn metadata(dir: &Utf8Path) -> Option<Metadata> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let arguments = ["metadata", "--no-deps", "--format-version", "1", "--offline"];
    let answer = output(child::tool(cargo).args(arguments).current_dir(dir))?;
    serde_json::from_str(&answer).ok()
}

/// Whether the configuration in a folder `.cargo` names a target folder.
fn configures_target_dir(folder: &Utf8Path) -> bool {
    ["config.toml", "config"].iter().any(|name| {
        std::fs::read_to_string(folder.join(name)).is_ok_and(|text| text.contains("target-dir"))
    })
}

/// Who works here: the user of git, else of the system.
pub fn user(dir: &Utf8Path) -> Option<String> {
    let git = output(child::tool("git").arg("-C").arg(dir).args(["config", "user.name"]));
    git.into_iter()
        .chain(["USER", "USERNAME"].iter().filter_map(|name| std::env::var(name).ok()))
        .find(|name| !name.is_empty())
}

/// The newest tag that the commit checked out in `dir` descends from, with the commit it names.
pub fn newest_tag(dir: &Utf8Path) -> Option<(String, String)> {
    let git = |arguments: &[&str]| output(child::tool("git").arg("-C").arg(dir).args(arguments));
    let name = git(&["describe", "--tags", "--abbrev=0"])?;
    let sha = git(&["rev-list", "-n", "1", &name, "--"])?;
    Some((name, sha))
}

/// The full hash of what git takes `name` for in `dir`, if it is a commit, a tag or a branch there.
pub fn commit(dir: &Utf8Path, name: &str) -> Option<String> {
    let commit = format!("{name}^{{commit}}");
    let arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options", &commit];
    output(child::tool("git").arg("-C").arg(dir).args(arguments)).filter(|hash| !hash.is_empty())
}

/// The commits that `commit` rests on, along first parents, the nearest first.
pub fn commits_before(dir: &Utf8Path, commit: &str) -> Vec<String> {
    const MOST: &str = "1000";
    let arguments =
        ["rev-list", "--first-parent", "--skip=1", "-n", MOST, "--end-of-options", commit];
    let listed = output(child::tool("git").arg("-C").arg(dir).args(arguments));
    listed.unwrap_or_default().lines().map(str::to_owned).collect()
}

/// The address that the repository in `dir` is fetched from: that of `origin`, else of its only remote.
pub fn remote(dir: &Utf8Path) -> Option<String> {
    let git = |arguments: &[&str]| output(child::tool("git").arg("-C").arg(dir).args(arguments));
    let address = |name: &str| git(&["remote", "get-url", "--", name]);
    address("origin").or_else(|| {
        let names = git(&["remote"])?;
        let mut names = names.lines();
        let only = names.next().filter(|_| names.next().is_none())?;
        address(only)
    })
}

fn checked_out(dir: &Utf8Path, remarks: &mut Vec<String>) -> (Revision, Option<Timestamp>) {
    let git = |arguments: &[&str]| output(child::tool("git").arg("-C").arg(dir).args(arguments));
    let Some(head) = git(&["log", "-1", "--format=%H %ct"]) else {
        remarks.extend(distrust(dir));
        return (Revision::default(), None);
    };
    let (commit, seconds) = head.split_once(' ').unwrap_or((&head, ""));
    let branch = git(&["symbolic-ref", "--quiet", "--short", "HEAD"]);
    // Files that git does not know are no part of the commit, but rarely part of the program.
    let status = git(&["status", "--porcelain", "--untracked-files=no"]);
    let revision = Revision {
        commit: Some(commit.to_owned()),
        branch: branch.filter(|branch| !branch.is_empty()),
        dirty: status.map(|status| !status.is_empty()),
    };
    let committed_at = seconds.parse().ok().and_then(|at| Timestamp::from_second(at).ok());
    (revision, committed_at)
}

/// What git says where there is a repository that it does not read.
fn distrust(dir: &Utf8Path) -> Option<String> {
    // In the words that are looked for below, whatever language the user has.
    let mut git = child::tool("git");
    let git = git.arg("-C").arg(dir).args(["log", "-1"]).env("LC_ALL", "C");
    // `Command::output` would panic where a pipe cannot be read.
    let mut git =
        git.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().ok()?;
    let mut said = Vec::new();
    let read = git.stderr.take()?.read_to_end(&mut said);
    git.wait().ok()?;
    read.ok()?;
    let said = String::from_utf8_lossy(&said);
    said.contains("dubious ownership").then(|| {
        format!(
            "git does not trust the repository around {dir} (it belongs to another user), so the \
             commit is not known: `git config --global --add safe.directory '{dir}'`, or name it \
             with --commit"
        )
    })
}

/// Attributes of this machine beside its fingerprint.
fn this_machines_attributes() -> Attributes {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let image = || {
        let (image, version) = (variable("ImageOS")?, variable("ImageVersion")?);
        Some(format!("{image} {version}"))
    };
    // Encoded flags win, as in Cargo; they are separated by a control character.
    let flags = || {
        let encoded = variable("CARGO_ENCODED_RUSTFLAGS").map(|all| all.replace('\u{1f}', " "));
        encoded.or_else(|| variable("RUSTFLAGS"))
    };
    let known = [
        (Attribute::Kernel, kernel()),
        (Attribute::Microcode, of_processor("microcode")),
        (Attribute::Hypervisor, hypervisor()),
        (Attribute::CompilerFlags, flags()),
        (Attribute::RunnerImage, image()),
    ];
    known.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

#[cfg(target_os = "linux")]
fn kernel() -> Option<String> {
    line_of("/proc/sys/kernel/osrelease")
}

#[cfg(not(target_os = "linux"))]
fn kernel() -> Option<String> {
    output(child::tool("uname").arg("-r"))
}

/// The product that a virtual machine says it is; none on bare metal.
fn hypervisor() -> Option<String> {
    let flags = of_processor("flags")?;
    flags.split_whitespace().find(|flag| *flag == "hypervisor")?;
    let product = line_of("/sys/class/dmi/id/product_name");
    Some(product.or_else(|| line_of("/sys/hypervisor/type")).unwrap_or_else(|| "unknown".into()))
}

fn line_of(path: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.lines().next()?.trim().to_owned()).filter(|line| !line.is_empty())
}

/// A field of the first processor in Linux's list.
fn of_processor(key: &str) -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.split([':', '\t']).next() == Some(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn this_machine(dir: &Utf8Path) -> Fingerprint {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let rustc = output(child::tool(rustc).arg("--version").current_dir(dir));
    let cores = std::thread::available_parallelism()
        .ok()
        .and_then(|cores| u32::try_from(cores.get()).ok())
        .unwrap_or(1);
    Fingerprint {
        cpu: cpu_model().unwrap_or_else(|| "unknown".to_owned()),
        cores,
        os: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        rustc: rustc.unwrap_or_else(|| "unknown".to_owned()),
        profile: "bench".to_owned(),
    }
}

#[cfg(target_os = "linux")]
fn cpu_model() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    // x86 says `model name`, others `Processor` or `cpu model`, and 64-bit Arm only numbers.
    ["model name", "Processor", "cpu model", "CPU part"].iter().find_map(|key| {
        let line = text.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    })
}

#[cfg(target_os = "macos")]
fn cpu_model() -> Option<String> {
    output(child::tool("sysctl").args(["-n", "machdep.cpu.brand_string"]))
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn cpu_model() -> Option<String> {
    std::env::var("PROCESSOR_IDENTIFIER").ok()
}

/// How long a command may take: a repository or a compiler may be on a disk that is gone.
const LIMIT: Duration = Duration::from_secs(20);

/// The trimmed standard output of a command that exists, and succeeds in time.
fn output(command: &mut Command) -> Option<String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let mut stdout = child.stdout.take()?;
    let (tell, said) = mpsc::channel();
    // Without a thread nobody would tell, and the command is ended as one that took too long.
    let _ = thread::Builder::new().spawn(move || {
        let mut bytes = Vec::new();
        // Nobody listens any more if it took too long.
        let _ = stdout.read_to_end(&mut bytes).map(|_| tell.send(bytes));
    });
    let began = Instant::now();
    let said = said.recv_timeout(LIMIT).ok();
    let status = loop {
        match child.try_wait().ok()? {
            Some(status) => break status,
            None if said.is_none() || began.elapsed() >= LIMIT => {
                child.kill().ok()?;
                return None;
            }
            None => thread::sleep(Duration::from_millis(1)),
        }
    };
    let text = String::from_utf8(said?).ok()?;
    status.success().then(|| text.trim().to_owned())
}

/// Identity of the system's present life, from start to shutdown.
pub(crate) fn boot() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}
