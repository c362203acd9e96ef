//! The disk cache as several processes see it.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use sandbox_core::{Compiler, WasmSandbox, WasmSandboxBuilder};

use crate::modules::{self, NUMBERS};

const SOURCE: &str = "SANDBOX_TEST_SOURCE";
const CACHE: &str = "SANDBOX_TEST_CACHE";
/// Text before the answer of the other process in its output.
const ANSWER: &str = "module origin: ";

/// A module whose one function returns the number.
pub(crate) fn wasm_of(number: i32) -> Vec<u8> {
    let text = format!(r#"(module (func (export "number") (result i32) i32.const {number}))"#);
    modules::wasm(&text)
}

/// Not a test: what [`run`] runs in another process.
#[tokio::test]
#[ignore = "runs only as a process of other tests"]
async fn another_process() {
    let Ok(source) = std::env::var(SOURCE) else { return };
    let builder = match source.as_str() {
        "numbers" => modules::builder(NUMBERS),
        "guest" => WasmSandbox::builder().source(modules::guest("memory_ops")),
        "guest_singlepass" => WasmSandbox::builder()
            .source(modules::guest("memory_ops"))
            .compiler(Compiler::Singlepass),
        number => WasmSandbox::builder().source_bytes(wasm_of(number.parse().unwrap())),
    };
    let cached = |builder: WasmSandboxBuilder| match std::env::var(CACHE).unwrap().as_str() {
        "untouched" => builder,
        "enabled" => builder.enable_cache(true),
        "disabled" => builder.disable_cache(),
        folder => builder.cache_dir(folder),
    };
    let sandbox = cached(builder).build().await.unwrap();
    println!("{ANSWER}{:?}.", sandbox.module().origin());
}

/// The command that builds a sandbox in a new process.
fn command(source: &str, cache: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "cache::processes::another_process", "--ignored", "--nocapture"])
        .env(SOURCE, source)
        .env(CACHE, cache)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Where the module of a process came from.
fn answer(mut command: Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let answer = text.split_once(ANSWER).and_then(|(_, rest)| rest.split_once('.'));
    let (origin, _) = answer.unwrap_or_else(|| {
        panic!("no answer: {text}{}", String::from_utf8_lossy(&output.stderr));
    });
    assert!(output.status.success(), "{text}");
    origin.to_owned()
}

/// Builds a sandbox of that source in a new process, and says where its module came from.
pub(crate) fn run(source: &str, folder: &Path) -> String {
    answer(command(source, folder.to_str().unwrap()))
}

/// Builds the module of that number in another process.
pub(crate) fn build_elsewhere(number: i32, folder: &Path) -> String {
    run(&number.to_string(), folder)
}

#[test]
fn a_second_process_does_not_compile() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(build_elsewhere(200, folder.path()), "Compiled");
    assert_eq!(build_elsewhere(200, folder.path()), "DiskCache");
}

#[test]
fn many_processes_at_once_all_get_their_modules() {
    let folder = tempfile::tempdir().unwrap();
    // Two modules, so that they write the same entries and different ones.
    let folder_name = folder.path().join("new").display().to_string();
    let running: Vec<_> = (0..12)
        .map(|at| command(&(210 + at % 2).to_string(), &folder_name).spawn().unwrap())
        .collect();
    for process in running {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    for number in ["210", "211"] {
        assert_eq!(answer(command(number, &folder_name)), "DiskCache");
    }
    // The secret and two entries, and nothing that is unfinished.
    assert_eq!(std::fs::read_dir(&folder_name).unwrap().count(), 3);
}

#[test]
fn nothing_is_written_to_disk_unasked() {
    let home = tempfile::tempdir().unwrap();
    for cache in ["untouched", "disabled"] {
        let mut command = command("220", cache);
        command.env("XDG_CACHE_HOME", home.path()).env("HOME", home.path());
        assert_eq!(answer(command), "Compiled", "{cache}");
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0, "{cache}");
    }
}

#[test]
fn an_enabled_cache_lies_in_the_users_cache_folder() {
    let home = tempfile::tempdir().unwrap();
    for expected in ["Compiled", "DiskCache"] {
        let mut command = command("221", "enabled");
        command.env("XDG_CACHE_HOME", home.path());
        assert_eq!(answer(command), expected);
    }
    assert!(home.path().join("wasm-sandbox/modules/key").exists());

    let home = tempfile::tempdir().unwrap();
    let mut command = command("221", "enabled");
    command.env_remove("XDG_CACHE_HOME").env("HOME", home.path());
    assert_eq!(answer(command), "Compiled");
    assert!(home.path().join(".cache/wasm-sandbox/modules/key").exists());
}

#[test]
fn without_any_home_an_enabled_cache_fails_nothing() {
    let mut command = command("222", "enabled");
    command.env_remove("XDG_CACHE_HOME").env_remove("HOME");
    assert_eq!(answer(command), "Compiled");
}

#[test]
fn a_full_disk_fails_nothing() {
    let folder = tempfile::tempdir().unwrap();
    // The key fits, the entry does not: no file may have more than one block of 512 bytes. With the signal
    // ignored, which outlives `exec`, a write beyond that is an error as on a full disk.
    let full = |source: &str| {
        let plain = command(source, folder.path().to_str().unwrap());
        let mut limited = Command::new("sh");
        limited
            .args(["-c", r#"trap "" XFSZ; ulimit -f 1; exec "$0" "$@""#])
            .arg(plain.get_program())
            .args(plain.get_args())
            .envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .process_group(0)
            .stdout(Stdio::piped());
        answer(limited)
    };
    assert_eq!(full("223"), "Compiled");
    assert_eq!(full("223"), "Compiled");
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|item| item.unwrap().file_name()).collect();
    assert_eq!(left, ["key"]);
}
