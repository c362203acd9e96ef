//! Programs from registries as they are, in the folder that `WASI_MODULES` names: an interpreter, a solver, and a compiler
//! with what comes after it. Each does a job with files.

use std::path::Path;
use std::time::Duration;

use sandbox_core::{Access, Compiler, RunOutput, RunRequest, SecurityPolicy, WasmSandbox};

use super::{Place, Report, Verdict, folder_of, in_place};

/// One job, and what comes of it.
struct Job {
    name: &'static str,
    /// Programs with their arguments, one after the other.
    steps: &'static [(&'static str, &'static [&'static str])],
    /// Files that are given, below `/job`.
    files: &'static [(&'static str, &'static str)],
    /// Output and end of the last step.
    stdout: &'static str,
    exit_code: i32,
    /// Files that are left there beside those. `None` is for contents that are another program's business.
    left: &'static [(&'static str, Option<&'static str>)],
}

const PYTHON: Job = Job {
    name: "CPython works with files",
    steps: &[("python.wasm", &["/job/job.py", "/job"])],
    files: &[
        ("job.py", include_str!("modules/job.py")),
        ("orders.csv", "item,count,price\napple,3,0.50\npear,2,1.25\napple,1,0.50\n"),
    ],
    stdout: "3 orders\napple 2.00\npear 2.50\n['job.py', 'orders.csv', 'out/']\nout: log.txt, totals.json\n\
             FileNotFoundError 44\nFileExistsError 20\nsha256 2c26b46b\nremoved\n",
    exit_code: 0,
    left: &[
        ("out/log.txt", Some("first\nsecond\n")),
        ("out/totals.json", Some("{\"apple\": 2.0, \"pear\": 2.5}")),
    ],
};

/// Seven times what, below 100, is 91: 13. The exit code says that there is an answer.
const BOOLECTOR: Job = Job {
    name: "Boolector solves a problem",
    steps: &[("boolector.wasm", &["-m", "-d", "/job/product.smt2"])],
    files: &[("product.smt2", include_str!("modules/product.smt2"))],
    stdout: "sat\n(\n  (define-fun x () (_ BitVec 16) (_ bv7 16))\n  (define-fun y () (_ BitVec 16) (_ bv13 16))\n)\n",
    exit_code: 10,
    left: &[],
};

/// The instructions of AVR for the answer: `ldi r24, 42`, `ldi r25, 0` and `ret`, in Intel's format.
const GCC: Job = Job {
    name: "GCC, as, ld and objcopy make a program",
    steps: &[
        ("cc1.wasm", &["-quiet", "-Os", "/job/answer.c", "-o", "/job/answer.s"]),
        ("avr-as.wasm", &["/job/answer.s", "-o", "/job/answer.o"]),
        ("avr-ld.wasm", &["-e", "answer", "-o", "/job/answer.elf", "/job/answer.o"]),
        ("avr-objcopy.wasm", &["-O", "ihex", "/job/answer.elf", "/job/answer.hex"]),
    ],
    files: &[("answer.c", "int answer(void) { return 42; }\n")],
    stdout: "",
    exit_code: 0,
    left: &[
        ("answer.elf", None),
        ("answer.hex", Some(":060000008AE290E0089581\r\n:00000001FF\r\n")),
        ("answer.o", None),
        ("answer.s", None),
    ],
};

/// Runs one program. Its files in memory are gone when it ends.
fn step(
    job: &Job,
    (program, arguments): (&str, &[&str]),
    place: Place,
    policy: SecurityPolicy,
) -> Result<RunOutput, String> {
    let mut request = RunRequest::new().program(program).arguments(arguments.to_vec());
    if place == Place::Memory {
        for (path, contents) in job.files {
            request = request.file(format!("/job/{path}"), *contents);
        }
    }
    let sandbox = WasmSandbox::builder()
        .source(folder_of("WASI_MODULES").join(program))
        .compiler(Compiler::Singlepass)
        .security_policy(policy)
        .build_blocking()
        .map_err(|error| error.to_string())?;
    sandbox.run_blocking(request).map_err(|error| match error.output() {
        Some(output) => format!("{error}: {}", String::from_utf8_lossy(&output.stderr)),
        None => error.to_string(),
    })
}

fn run(job: &Job, place: Place, policy: SecurityPolicy) -> Result<(), String> {
    let granted = tempfile::tempdir().unwrap();
    // However busy the machine is.
    let mut policy = policy.with_wall_clock(Duration::from_secs(600));
    if place != Place::Memory {
        for (path, contents) in job.files {
            std::fs::write(granted.path().join(path), contents).unwrap();
        }
        policy = policy.with_folder(granted.path(), "/job", Access::ReadWrite);
    }
    let mut output = RunOutput::default();
    for one in job.steps {
        output = step(job, *one, place, policy.clone())?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        if !stderr.is_empty() {
            return Err(format!("{}: exit code {}, {stderr}", one.0, output.exit_code));
        }
    }
    let stdout = String::from_utf8_lossy(&output.stdout);
    if output.exit_code != job.exit_code || stdout != job.stdout {
        return Err(format!("exit code {}, {stdout:?}", output.exit_code));
    }
    if place == Place::Memory {
        return Ok(());
    }
    let given = job.files.iter().map(|(path, contents)| (*path, Some(*contents)));
    let mut expected: Vec<_> = given.chain(job.left.iter().copied()).collect();
    expected.sort_unstable();
    let left = left(granted.path());
    let is_right = left.len() == expected.len()
        && left.iter().zip(&expected).all(|((path, text), (expected_path, expected))| {
            path == expected_path && expected.is_none_or(|expected| text == expected)
        });
    if is_right { Ok(()) } else { Err(format!("it left {left:?}")) }
}

/// The files below a folder, in order.
fn left(folder: &Path) -> Vec<(String, String)> {
    let mut files = super::Files::new();
    super::files_of(folder, "", &mut files);
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let mut left: Vec<_> = files
        .iter()
        .filter_map(|(path, contents)| {
            Some((path.trim_start_matches('/').to_owned(), text(contents.as_ref()?)))
        })
        .collect();
    left.sort_unstable();
    left
}

fn run_all(place: Place) {
    in_place(place, || {
        let mut report = Report::new("modules", place);
        for job in [PYTHON, BOOLECTOR, GCC] {
            let presets =
                [("permissive", SecurityPolicy::permissive()), ("basic", SecurityPolicy::basic())];
            for (preset, policy) in presets {
                let verdict = if place == Place::Memory && job.steps.len() > 1 {
                    Verdict::Skipped("its programs have no memory in common".to_owned())
                } else {
                    run(&job, place, policy).map_or_else(Verdict::Failed, |()| Verdict::Passed)
                };
                report.add(preset, job.name, verdict);
            }
        }
        report.close();
    });
}

#[test]
#[ignore = "needs the programs"]
fn programs_pass_in_memory() {
    run_all(Place::Memory);
}

#[test]
#[ignore = "needs the programs"]
fn programs_pass_in_a_granted_folder() {
    run_all(Place::Openat2);
}

#[test]
#[ignore = "needs the programs"]
fn programs_pass_without_openat2() {
    run_all(Place::Walk);
}
