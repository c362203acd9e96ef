//! The public testsuite of WASI, in the folder that `WASI_TESTSUITE` names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sandbox_core::{RunRequest, SecurityPolicy};
use serde::Deserialize;

use super::{Files, Place, Report, Verdict, files_of, folder_of, in_place, run_with};

/// The programs that a sandbox refuses something, and what. Two more would make links, and pass where they cannot.
const FORBIDDEN: [(&str, &[&str]); 2] = [
    (
        "a guest always has `/`, as number 3, and it expects that nothing is open beside the streams",
        &["sock_shutdown-invalid_fd"],
    ),
    (
        LINKS,
        &[
            "nofollow_errors",
            "path_exists",
            "path_link",
            "path_symlink_trailing_slashes",
            "readlink",
            "symlink_create",
            "symlink_filestat",
        ],
    ),
];

const LINKS: &str = "guests make no links in a folder of the host";

/// Why a program cannot pass there, if it is so.
fn refusal(program: &str, place: Place) -> Option<&'static str> {
    FORBIDDEN
        .into_iter()
        .find(|(reason, programs)| {
            programs.contains(&program) && (place != Place::Memory || *reason != LINKS)
        })
        .map(|(reason, _)| reason)
}

/// Specification of a program, which the testsuite has beside it.
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

/// The language that a program is written in: the folder above `testsuite`.
fn language(program: &Path) -> String {
    let names: Vec<_> = program.iter().map(|name| name.to_string_lossy()).collect();
    let at = names.iter().rposition(|name| name == "testsuite");
    at.and_then(|at| names.get(at.checked_sub(1)?)).map_or("?", |name| name).to_owned()
}

/// Runs a program. Returns what is wrong.
fn run(program: &Path, place: Place) -> Result<(), String> {
    let specification = match std::fs::read(program.with_extension("json")) {
        Ok(json) => serde_json::from_slice(&json).unwrap(),
        Err(_) => Specification::default(),
    };
    let mut files = Files::new();
    if let Some(root) = &specification.root {
        files_of(&program.with_file_name(root), "", &mut files);
        // Which git needs to keep an empty folder.
        files.retain(|(path, _)| !path.ends_with("/.keep"));
    }
    let mut request = RunRequest::new().arguments(specification.args);
    for (name, value) in specification.env {
        request = request.environment(name, value);
    }
    let (result, _granted) =
        run_with(program, SecurityPolicy::permissive(), request, &files, place);
    match result {
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
    }
}

fn run_all(place: Place) {
    let mut found = Vec::new();
    programs(&folder_of("WASI_TESTSUITE"), &mut found);
    found.sort();
    in_place(place, || {
        let mut report = Report::new("testsuite", place);
        for program in found {
            let name = program.file_stem().unwrap().to_str().unwrap();
            let verdict = match (run(&program, place), refusal(name, place)) {
                (Ok(()), None) => Verdict::Passed,
                (Err(wrong), None) => Verdict::Failed(wrong),
                (Err(_), Some(reason)) => Verdict::Forbidden(reason.to_owned()),
                (Ok(()), Some(_)) => {
                    Verdict::Failed("it passes, and is said to be forbidden".to_owned())
                }
            };
            report.add(language(&program), name, verdict);
        }
        report.close();
    });
}

#[test]
#[ignore = "needs the folder of the testsuite"]
fn programs_pass_in_memory() {
    run_all(Place::Memory);
}

#[test]
#[ignore = "needs the folder of the testsuite"]
fn programs_pass_in_a_granted_folder() {
    run_all(Place::Openat2);
}

#[test]
#[ignore = "needs the folder of the testsuite"]
fn programs_pass_without_openat2() {
    run_all(Place::Walk);
}
