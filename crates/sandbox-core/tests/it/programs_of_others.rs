//! Programs that others wrote, which are fetched beside the project and never part of it.
//!
//! Their tests are ignored, since nobody has them by default. `cargo xtask wasi` runs them and says where they come from.
//! Each test finds its programs in the folder that a variable of the environment names.

mod go;
mod modules;
mod specification;
mod testsuite;

use std::path::{Path, PathBuf};

use serde::Serialize;

use sandbox_core::{Access, RunOutput, RunRequest, SecurityPolicy, WasmSandbox};

/// Names the folder that a report is written to, for who wants to know more than whether all passed.
const REPORT: &str = "WASI_REPORT";

/// Where a program finds its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Place {
    /// In the guest's own memory.
    Memory,
    /// In a granted folder, whose paths the kernel resolves.
    Openat2,
    /// In a granted folder, whose paths we walk because the kernel refuses to resolve them.
    Walk,
}

/// Verdict about a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Passed,
    /// It asks for what a sandbox never gives, and was refused that.
    Forbidden(String),
    /// It says itself that it does not test here.
    Skipped(String),
    Failed(String),
}

#[derive(Debug, Serialize)]
struct Row {
    group: String,
    program: String,
    verdict: Verdict,
}

/// Verdicts about all programs in one place.
#[derive(Debug, Serialize)]
struct Report {
    of: &'static str,
    place: Place,
    rows: Vec<Row>,
}

impl Report {
    const fn new(of: &'static str, place: Place) -> Self {
        Self { of, place, rows: Vec::new() }
    }

    fn add(&mut self, group: impl Into<String>, program: impl Into<String>, verdict: Verdict) {
        self.rows.push(Row { group: group.into(), program: program.into(), verdict });
    }

    /// Writes the report where it is wanted, and fails if a program did or none passed.
    fn close(self) {
        if let Some(folder) = std::env::var_os(REPORT) {
            let name = format!("{}-{:?}.json", self.of, self.place).to_lowercase();
            std::fs::write(Path::new(&folder).join(name), serde_json::to_vec(&self).unwrap())
                .unwrap();
        }
        let failed = self.rows.iter().filter_map(|row| match &row.verdict {
            Verdict::Failed(reason) => Some(format!("{} {}: {reason}", row.group, row.program)),
            _ => None,
        });
        let failed: Vec<_> = failed.collect();
        let passed = self.rows.iter().filter(|row| row.verdict == Verdict::Passed).count();
        println!("{passed} of {} passed, {} failed", self.rows.len(), failed.len());
        assert!(failed.is_empty(), "{}", failed.join("\n\n"));
        assert!(passed > 0, "no program was found");
    }
}

/// The folder that the variable names.
fn folder_of(variable: &str) -> PathBuf {
    std::env::var_os(variable).unwrap_or_else(|| panic!("{variable} names no folder")).into()
}

/// Does something on a thread on which the kernel resolves paths, or does not. Guests that are run there share that.
fn in_place(place: Place, act: impl FnOnce() + Send) {
    let act = || {
        if place == Place::Walk {
            without_openat2();
        }
        act();
    };
    std::thread::scope(|scope| scope.spawn(act).join()).unwrap_or_else(|panic| {
        std::panic::resume_unwind(panic);
    });
}

/// Has the kernel refuse to resolve paths for this thread, as filters of some containers do.
fn without_openat2() {
    use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

    let rules = [(libc::SYS_openat2, Vec::new())].into_iter().collect();
    let refused = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
    let here = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, here).unwrap();
    seccompiler::apply_filter(&BpfProgram::try_from(filter).unwrap()).unwrap();
    let opened = rustix::fs::openat2(CWD, ".", OFlags::PATH, Mode::empty(), ResolveFlags::empty());
    assert_eq!(opened.unwrap_err(), rustix::io::Errno::NOSYS);
}

/// Files for a program: paths below its `/`, with what is in them. `None` is a folder.
type Files = Vec<(String, Option<Vec<u8>>)>;

/// Collects what is below a folder, in which paths begin with that.
fn files_of(folder: &Path, below: &str, files: &mut Files) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{below}/{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            files.push((name.clone(), None));
            files_of(&path, &name, files);
        } else {
            files.push((name, Some(std::fs::read(&path).unwrap())));
        }
    }
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// Runs a program with these files in place. What it left in a granted folder is there as long as the folder.
fn run_with(
    program: &Path,
    policy: SecurityPolicy,
    request: RunRequest,
    files: &Files,
    place: Place,
) -> (sandbox_core::Result<RunOutput>, tempfile::TempDir) {
    let granted = tempfile::tempdir().unwrap();
    let (mut policy, mut request) = (policy, request);
    if place == Place::Memory {
        for (path, contents) in files {
            request = match contents {
                Some(contents) => request.file(path, contents.clone()),
                None if files.iter().any(|(other, _)| is_below(other, path)) => request,
                // There is no empty folder without a file.
                None => request.file(format!("{path}/.keep"), Vec::new()),
            };
        }
    } else {
        for (path, contents) in files {
            let path = granted.path().join(path.trim_start_matches('/'));
            match contents {
                Some(contents) => {
                    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                    std::fs::write(path, contents).unwrap();
                }
                None => std::fs::create_dir_all(path).unwrap(),
            }
        }
        policy = policy.with_folder(granted.path(), "/", Access::ReadWrite);
    }
    let sandbox =
        WasmSandbox::builder().source(program).security_policy(policy).build_blocking().unwrap();
    (sandbox.run_blocking(request), granted)
}
