//! The programs of the public testsuite of WASI, which is fetched beside the project and never part of it.
//!
//! Its tests are ignored, since nobody has it by default: `WASI_TESTSUITE=FOLDER cargo test -p sandbox-core --test it
//! wasi_testsuite -- --ignored` runs them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sandbox_core::{Access, Clock, RunRequest, SecurityPolicy, WasmSandbox};
use serde::Deserialize;

/// Names the folder of the testsuite, with its programs compiled.
const FOLDER: &str = "WASI_TESTSUITE";

/// Programs that cannot pass anywhere: a guest always has `/`, and they expect that nothing is open beside the streams.
const WITHOUT_ROOT: [&str; 1] = ["sock_shutdown-invalid_fd"];

/// Programs that cannot pass in a folder of the host, because guests make no links there.
const LINKS_ON_THE_HOST: [&str; 9] = [
    "dangling_symlink",
    "nofollow_errors",
    "path_exists",
    "path_link",
    "path_symlink_trailing_slashes",
    "readlink",
    "symlink_create",
    "symlink_filestat",
    "symlink_loop",
];

/// Where a program finds its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Storage {
    Memory,
    Host,
}

/// What the testsuite says of a program beside it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Specification {
    args: Vec<String>,
    env: BTreeMap<String, String>,
    /// The folder that is to be `/`.
    root: Option<PathBuf>,
    exit_code: i32,
    stdout: Option<String>,
}

/// The programs in that folder and below.
fn programs(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            programs(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "wasm")
            && path.iter().any(|name| name == "wasm32-wasip1")
        {
            found.push(path);
        }
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Whether nothing is to be found in the folder.
fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().all(|entry| entry.unwrap().file_name() == ".keep")
}

/// Runs a program. Returns what is wrong, or nothing if it cannot run there.
fn run(program: &Path, storage: Storage) -> Option<Result<(), String>> {
    let specification = match std::fs::read(program.with_extension("json")) {
        Ok(json) => serde_json::from_slice(&json).unwrap(),
        Err(_) => Specification::default(),
    };
    let files = tempfile::tempdir().unwrap();
    let mut policy = SecurityPolicy::permissive().with_clock(Clock::Real);
    match (&specification.root, storage) {
        (Some(root), Storage::Host) => {
            copy(&program.with_file_name(root), files.path());
            policy = policy.with_folder(files.path(), "/", Access::ReadWrite);
        }
        // A folder in memory begins empty.
        (Some(root), Storage::Memory) if !is_empty(&program.with_file_name(root)) => return None,
        (Some(_), Storage::Memory) => {}
        (None, Storage::Memory) => {}
        (None, Storage::Host) => return None,
    }
    let sandbox =
        WasmSandbox::builder().source(program).security_policy(policy).build_blocking().unwrap();
    let mut request = RunRequest::new().arguments(specification.args);
    for (name, value) in specification.env {
        request = request.environment(name, value);
    }
    Some(match sandbox.run_blocking(request) {
        Ok(output) if output.exit_code != specification.exit_code => {
            let (code, stderr) = (output.exit_code, String::from_utf8_lossy(&output.stderr));
            Err(format!("exit code {code}: {stderr}"))
        }
        Ok(output) => match specification.stdout {
            Some(expected) if expected.as_bytes() != output.stdout => {
                Err(format!("it wrote {:?}", String::from_utf8_lossy(&output.stdout)))
            }
            _ => Ok(()),
        },
        Err(error) => {
            let stderr = error.output().map(|output| output.stderr.clone()).unwrap_or_default();
            Err(format!("{error}\n{}", String::from_utf8_lossy(&stderr)))
        }
    })
}

fn run_all(storage: Storage) {
    let folder = std::env::var(FOLDER).unwrap_or_else(|_| panic!("{FOLDER} names no folder"));
    let mut found = Vec::new();
    programs(Path::new(&folder), &mut found);
    found.sort();
    let (mut passed, mut failed) = (0, Vec::new());
    for program in found {
        let name = program.file_stem().unwrap().to_str().unwrap();
        let is_refused = storage == Storage::Host && LINKS_ON_THE_HOST.contains(&name);
        if is_refused || WITHOUT_ROOT.contains(&name) {
            continue;
        }
        match run(&program, storage) {
            None => {}
            Some(Ok(())) => passed += 1,
            Some(Err(reason)) => failed.push(format!("{}: {reason}", program.display())),
        }
    }
    println!("{passed} programs passed, {} failed", failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    assert!(passed > 0, "no program was found");
}

#[test]
#[ignore = "needs the folder of the testsuite"]
fn programs_of_the_testsuite_pass_in_memory() {
    run_all(Storage::Memory);
}

#[test]
#[ignore = "needs the folder of the testsuite"]
fn programs_of_the_testsuite_pass_in_a_folder_of_the_host() {
    run_all(Storage::Host);
}
