//! The program, run as its users run it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod kits;
mod profiles;
mod sessions;
mod tutorial;

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Writes what it reads, and then its arguments and the variable `NAME`, by way of WASI.
const CAT: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_sizes_get" (func $env_sizes (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_get" (func $env (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 2)
    (func $put (param $at i32) (param $len i32)
        (i32.store (i32.const 0) (local.get $at))
        (i32.store (i32.const 4) (local.get $len))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
    (func (export "_start")
        (loop $more
            (i32.store (i32.const 0) (i32.const 1024))
            (i32.store (i32.const 4) (i32.const 4096))
            (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
            (if (i32.load (i32.const 8)) (then
                (call $put (i32.const 1024) (i32.load (i32.const 8)))
                (br $more))))
        (drop (call $sizes (i32.const 16) (i32.const 20)))
        (drop (call $args (i32.const 32) (i32.const 8192)))
        (call $put (i32.const 8192) (i32.load (i32.const 20)))
        (drop (call $env_sizes (i32.const 16) (i32.const 20)))
        (drop (call $env (i32.const 32) (i32.const 8192)))
        (call $put (i32.const 8192) (i32.load (i32.const 20)))
        (call $exit (i32.const 7))))"#;

/// Functions and programs that come to each limit.
const EXTREMES: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\10\00\00\00\00\10\00\00")
    (func (export "spin") (loop $again (br $again)))
    (func (export "trap") (unreachable))
    (func (export "grow") (result i32)
        (if (i32.eq (memory.grow (i32.const 100)) (i32.const -1)) (then unreachable))
        (i32.const 1))
    (func (export "chatter")
        (loop $again
            (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
            (br $again)))
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    (func (export "half") (param f64) (result f64) (f64.div (local.get 0) (f64.const 2))))"#;

/// Returns what it is given, by the guest ABI, and says so on standard output. Declares nothing.
const ECHO: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 64) "\50\00\00\00\05\00\00\00")
    (data (i32.const 80) "said\n")
    (func (export "sandbox_exchange") (result i32) (i32.const 16))
    (func (export "sandbox_reserve") (param i32) (result i32)
        (i32.store (i32.const 16) (i32.const 1024))
        (i32.store (i32.const 20) (i32.const 60000))
        (i32.const 1024))
    (func (export "echo") (param i32) (result i32)
        (drop (call $write (i32.const 1) (i32.const 64) (i32.const 1) (i32.const 72)))
        (i32.store (i32.const 24) (i32.const 1024))
        (i32.store (i32.const 28) (local.get 0))
        (i32.const 0)))"#;

struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn module(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, wat::parse_str(text).unwrap()).unwrap();
        path
    }

    fn sandbox(&self) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("sandbox"));
        command.current_dir(self.folder.path()).env("XDG_CACHE_HOME", self.folder.path());
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        in_words(&self.sandbox().args(arguments).output().unwrap())
    }
}

fn in_words(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_program_has_its_input_arguments_environment_and_exit_code() {
    let bench = Bench::new();
    bench.module("cat.wasm", CAT);
    std::fs::write(bench.folder.path().join("input"), "hello\n").unwrap();
    let mut command = bench.sandbox();
    command.args([
        "run",
        "--env",
        "NAME=value",
        "--env",
        "INHERITED",
        "--usage",
        "cat.wasm",
        "-x",
        "two",
    ]);
    command.env("INHERITED", "yes");
    command.stdin(std::fs::File::open(bench.folder.path().join("input")).unwrap());
    let (code, stdout, stderr) = in_words(&command.output().unwrap());
    assert_eq!(stdout, "hello\ncat.wasm\0-x\0two\0NAME=value\0INHERITED=yes\0", "{stderr}");
    assert_eq!(code, Some(7));
    assert!(stderr.starts_with("used: ") && stderr.contains("of memory"), "{stderr}");
}

#[test]
fn every_limit_has_an_exit_code_and_says_how_to_widen_it() {
    let bench = Bench::new();
    bench.module("extremes.wasm", EXTREMES);
    for (options, function, code, hint) in [
        (&["--time", "100ms"][..], "spin", 124, "--time 2m"),
        (&["--fuel", "100000"], "spin", 152, "--fuel N"),
        (&["--memory", "1MiB"], "grow", 137, "--memory 1GiB"),
        (&["--output", "64KiB"], "chatter", 153, "--output 1GiB"),
        (&[], "trap", 134, "at function"),
        (&[], "no such function", 2, "sandbox inspect"),
    ] {
        let arguments = [&["call"], options, &["extremes.wasm", function]].concat();
        let (ended, _, stderr) = bench.run(&arguments);
        assert_eq!(ended, Some(code), "{function}: {stderr}");
        assert!(stderr.contains(hint), "{function}: {stderr}");
    }
    let (code, _, stderr) = bench.run(&["run", "missing.wasm"]);
    assert_eq!(code, Some(127), "{stderr}");
    std::fs::write(bench.folder.path().join("not.wasm"), "hello").unwrap();
    let (code, _, stderr) = bench.run(&["run", "not.wasm"]);
    assert_eq!(code, Some(126), "{stderr}");
}

#[test]
fn a_program_that_traps_leaves_a_core_dump_if_asked() {
    let program = r#"(module (memory (export "memory") 1)
        (func $fail unreachable)
        (func (export "_start") (i32.store8 (i32.const 100) (i32.const 42)) (call $fail)))"#;
    let bench = Bench::new();
    bench.module("fails.wasm", program);
    bench.module("cat.wasm", CAT);
    let file = bench.folder.path().join("state.core");
    let (code, _, stderr) = bench.run(&["run", "--coredump", "state.core", "fails.wasm"]);
    assert_eq!(code, Some(134), "{stderr}");
    assert!(stderr.starts_with("sandbox: the program's core dump is in state.core\n"), "{stderr}");
    let bytes = std::fs::read(&file).unwrap();
    let mut frames = Vec::new();
    let mut memory = Vec::new();
    for payload in wasmparser::Parser::new(0).parse_all(&bytes) {
        match payload.unwrap() {
            wasmparser::Payload::CustomSection(section) => {
                if let wasmparser::KnownCustom::CoreDumpStack(stack) = section.as_known() {
                    frames = stack.frames.iter().map(|frame| frame.funcidx).collect();
                }
            }
            wasmparser::Payload::DataSection(segments) => {
                memory = segments.into_iter().next().unwrap().unwrap().data.to_vec();
            }
            _ => {}
        }
    }
    assert_eq!((frames, memory[100]), (vec![0, 1], 42));
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&file).unwrap());
        assert_eq!(mode & 0o777, 0o600, "it is for its owner only");
    }

    std::fs::remove_file(&file).unwrap();
    let (code, _, stderr) = bench.run(&["run", "--coredump", "state.core", "cat.wasm"]);
    assert_eq!(code, Some(7), "{stderr}");
    assert!(!file.exists());
    let (code, _, stderr) = bench.run(&["run", "--coredump", "missing/state.core", "fails.wasm"]);
    assert_eq!(code, Some(2), "{stderr}");
}

#[test]
fn a_program_that_waits_for_input_is_not_waited_for() {
    let bench = Bench::new();
    bench.module("cat.wasm", CAT);
    let mut command = bench.sandbox();
    let mut child = command
        .args(["run", "--time", "100ms", "cat.wasm"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    let code = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status.code();
        }
        assert!(began.elapsed() < Duration::from_secs(60), "it waits for ever");
        std::thread::sleep(Duration::from_millis(10));
    };
    assert_eq!(code, Some(124));
}

#[test]
fn functions_are_called_with_numbers() {
    let bench = Bench::new();
    bench.module("extremes.wasm", EXTREMES);
    let called = |arguments: &[&str]| {
        let (code, stdout, stderr) = bench.run(&[&["call", "extremes.wasm"], arguments].concat());
        (code, stdout.trim().to_owned(), stderr)
    };
    assert_eq!(called(&["add", "42", "24"]), (Some(0), "66".to_owned(), String::new()));
    assert_eq!(called(&["add", "42", "-1"]).1, "41");
    assert_eq!(called(&["half", "5"]).1, "2.5");
    for arguments in [&["add"][..], &["add", "1"], &["add", "1", "2", "3"]] {
        let (code, _, stderr) = called(arguments);
        assert_eq!(code, Some(2), "{stderr}");
        let given = arguments.len() - 1;
        let expected = format!("sandbox: `add` takes 2 arguments, and was given {given}\n");
        assert_eq!(stderr, expected);
    }
    // Who runs a plugin is told how it is called.
    let (code, _, stderr) = bench.run(&["run", "extremes.wasm"]);
    assert!(code == Some(2) && stderr.contains("sandbox call MODULE FUNCTION"), "{stderr}");
    let (code, stdout, stderr) = bench.run(&["bench", "extremes.wasm", "add", "1", "2"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(
        stdout.lines().filter(|line| line.contains("a call (median")).count(),
        2,
        "{stdout}"
    );
}

#[test]
fn text_modules_and_all_policies_are_inspected() {
    let bench = Bench::new();
    std::fs::write(bench.folder.path().join("extremes.wat"), EXTREMES).unwrap();
    let (code, stdout, stderr) = bench.run(&["inspect", "extremes.wat"]);
    assert_eq!(code, Some(0), "{stderr}");
    for expected in
        ["add(i32, i32) -> i32", "fd_write", "permissive takes it", "paranoid   takes it"]
    {
        assert!(stdout.contains(expected), "{expected} is not in {stdout}");
    }
}

#[test]
fn a_folder_is_read_only_where_that_is_said() {
    const CREATE: &str = r#"(module
        (import "wasi_snapshot_preview1" "path_open"
            (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (data (i32.const 32) "made")
        (func (export "_start")
            (call $exit (call $open (i32.const 3) (i32.const 0) (i32.const 32) (i32.const 4) (i32.const 1)
                (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 48)))))"#;
    let bench = Bench::new();
    bench.module("create.wasm", CREATE);
    let granted = bench.folder.path().join("granted");
    std::fs::create_dir(&granted).unwrap();
    let created = |options: &[&str]| {
        let _ = std::fs::remove_file(granted.join("made"));
        let (code, _, stderr) = bench.run(&[&["run"], options, &["create.wasm"]].concat());
        (code == Some(0), granted.join("made").exists(), stderr)
    };
    for (options, may_write) in [
        (&["--dir", "granted::/:ro"][..], false),
        (&["--dir", "granted::/"], true),
        (&["--policy", "strict", "--dir", "granted::/"], false),
        (&["--policy", "strict", "--dir", "granted::/:rw"], true),
    ] {
        let (succeeded, exists, stderr) = created(options);
        assert_eq!((succeeded, exists), (may_write, may_write), "{options:?}: {stderr}");
    }
}

#[test]
fn functions_are_declared_and_then_take_what_was_declared() {
    let bench = Bench::new();
    bench.module("echo.wasm", ECHO);
    let (_, stdout, _) = bench.run(&["inspect", "--quick", "echo.wasm"]);
    assert!(stdout.contains("sandbox declare"), "{stdout}");
    let (code, _, stderr) = bench.run(&["call", "echo.wasm", "echo", "text"]);
    assert!(code == Some(2) && stderr.contains("sandbox declare"), "{code:?}: {stderr}");
    for (kind, argument, returned) in [
        ("text", "Wörld", "Wörld\n"),
        ("text", "42", "42\n"),
        ("bytes", "[1]", "[1]"),
        ("bytes", "@echo.wat", "(module)"),
        ("value", r#"{"a": [1, 2.5, null]}"#, "{\"a\":[1,2.5,null]}\n"),
    ] {
        std::fs::write(bench.folder.path().join("echo.wat"), "(module)").unwrap();
        let declared = bench.run(&["declare", "echo.wasm", &format!("echo={kind}:{kind}")]);
        assert_eq!(declared, (Some(0), String::new(), String::new()));
        let (code, stdout, stderr) = bench.run(&["call", "echo.wasm", "echo", argument]);
        assert_eq!((code, &*stdout, &*stderr), (Some(0), returned, "said\n"), "{kind}, {argument}");
        let (_, stdout, _) = bench.run(&["inspect", "--quick", "echo.wasm"]);
        assert!(stdout.contains(&format!("echo: from {kind} to {kind}")), "{stdout}");
    }
    let arguments =
        ["declare", "echo.wasm", "echo=unit:text", "--format", "messagepack", "-o", "other.wasm"];
    assert_eq!(bench.run(&arguments).0, Some(0));
    let (code, stdout, stderr) = bench.run(&["call", "other.wasm", "echo"]);
    assert_eq!((code, &*stdout), (Some(0), "\n"), "{stderr}");
    for (wrong, code, said) in [
        ("missing=text:text", 126, "missing"),
        ("sandbox_exchange=text:text", 126, "(i32) -> i32"),
        ("echo=text", 2, "greet=text:value"),
    ] {
        let (ended, _, stderr) = bench.run(&["declare", "echo.wasm", wrong]);
        assert_eq!(ended, Some(code), "{wrong}: {stderr}");
        assert!(stderr.contains(said), "{wrong}: {stderr}");
    }
}

#[test]
fn a_module_is_compiled_once_and_loaded_with_its_key_only() {
    let bench = Bench::new();
    bench.module("extremes.wasm", EXTREMES);
    for key in ["my.key", "other.key"] {
        assert_eq!(bench.run(&["keygen", key]), (Some(0), String::new(), String::new()));
    }
    let (code, _, stderr) = bench.run(&["keygen", "my.key"]);
    assert_eq!(code, Some(2), "{stderr}");
    let (code, _, stderr) = bench.run(&["compile", "--key", "my.key.pub", "extremes.wasm"]);
    assert!(code == Some(2) && stderr.contains("keygen"), "{stderr}");
    let (code, _, stderr) =
        bench.run(&["compile", "--policy", "strict", "--key", "my.key", "extremes.wasm"]);
    assert!(code == Some(0) && stderr.contains("extremes.compiled"), "{stderr}");
    let call = |options: &[&str]| {
        bench.run(&[&["call"], options, &["extremes.compiled", "add", "42", "24"]].concat())
    };
    for key in ["my.key", "my.key.pub"] {
        let called = call(&["--policy", "strict", "--key", key]);
        assert_eq!(called, (Some(0), "66\n".to_owned(), String::new()));
    }
    for (options, code, said) in [
        (&[][..], 2, "--key"),
        (&["--key", "other.key.pub"], 126, "another key"),
        (&["--key", "extremes.wasm"], 2, "extremes.wasm"),
        // It counts no fuel.
        (&["--key", "my.key.pub", "--fuel", "1000000"], 126, "compile the module"),
    ] {
        let (ended, _, stderr) = call(options);
        assert_eq!(ended, Some(code), "{options:?}: {stderr}");
        assert!(stderr.contains(said), "{options:?}: {stderr}");
    }
    let (code, stdout, stderr) = bench.run(&["inspect", "extremes.compiled"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("signed") && stdout.contains(std::env::consts::ARCH), "{stdout}");
    let mut altered = std::fs::read(bench.folder.path().join("extremes.compiled")).unwrap();
    *altered.last_mut().unwrap() ^= 1;
    std::fs::write(bench.folder.path().join("extremes.compiled"), altered).unwrap();
    let (code, _, stderr) = call(&["--policy", "strict", "--key", "my.key.pub"]);
    assert!(code == Some(126) && stderr.contains("changed after it was sealed"), "{stderr}");
}

#[test]
fn nobody_has_to_read_to_the_end() {
    let bench = Bench::new();
    bench.module("extremes.wasm", EXTREMES);
    for arguments in [
        &["inspect", "extremes.wasm"][..],
        &["call", "extremes.wasm", "add", "1", "2"],
        &["completions", "bash"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = bench.sandbox().args(arguments).stdout(writer).output().unwrap();
        assert_eq!(in_words(&output), (Some(0), String::new(), String::new()), "{arguments:?}");
    }
}

#[test]
fn help_says_what_exit_codes_mean() {
    let bench = Bench::new();
    let (code, stdout, _) = bench.run(&["--help"]);
    assert_eq!(code, Some(0));
    for expected in
        ["run", "call", "inspect", "bench", "compile", "keygen", "declare", "124", "152"]
    {
        assert!(stdout.contains(expected), "{expected} is not in {stdout}");
    }
}

#[test]
fn each_command_has_a_man_page_and_is_completed() {
    let bench = Bench::new();
    let (_, help, _) = bench.run(&["--help"]);
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands: Vec<&str> = listed
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|command| !command.is_empty() && *command != "help")
        .collect();
    assert!(commands.contains(&"run") && commands.contains(&"declare"), "{commands:?}");
    assert!(!commands.contains(&"man"), "{commands:?}");

    let (code, _, stderr) = bench.run(&["man", "share/man1"]);
    assert_eq!(code, Some(0), "{stderr}");
    let pages = bench.folder.path().join("share/man1");
    let named = commands.iter().map(|command| format!("sandbox-{command}.1"));
    let mut expected: Vec<String> = named.chain(["sandbox.1".to_owned()]).collect();
    expected.sort();
    let mut found: Vec<String> = std::fs::read_dir(&pages)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(found, expected);
    for page in found {
        let text = std::fs::read_to_string(pages.join(&page)).unwrap();
        for section in ["NAME", "SYNOPSIS", "OPTIONS"] {
            assert!(text.contains(&format!("\n.SH {section}\n")), "{page} has no {section}");
        }
    }
    // A file stands where the folder should be made.
    std::fs::write(bench.folder.path().join("file"), "").unwrap();
    let (code, _, stderr) = bench.run(&["man", "file/man1"]);
    assert!(code == Some(2) && stderr.contains("file/man1"), "{stderr}");

    for shell in ["bash", "zsh", "fish"] {
        let (code, script, _) = bench.run(&["completions", shell]);
        assert_eq!(code, Some(0));
        for command in &commands {
            assert!(script.contains(command), "{shell} does not complete {command}");
        }
    }
}
