//! Programs by other toolchains, which do in a sandbox what they do natively.
//!
//! A toolchain that is not installed leaves its test out: `cargo xtask test` says which were.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use sandbox_core::{Access, Compiler, RunRequest, SecurityPolicy, WasmSandbox};

/// Input of the programs that read.
const WORDS: &str = "once two two three three three\n";

/// A program, compiled for both sides.
struct Program {
    native: PathBuf,
    wasm: PathBuf,
}

/// Where a program finds its files.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// A folder of the host, granted as `/`.
    HostRoot,
    /// A folder of the host, granted below `/`.
    HostFolder,
    /// The guest's own folder in memory.
    Memory,
}

/// Deeds of a program.
#[derive(Debug, PartialEq, Eq)]
struct Deeds {
    code: i32,
    output: String,
}

/// The toolchain's program, if it is installed: the one that the variable names, or the first of these on the path.
fn tool(variable: &str, names: &[&str]) -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(variable) {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
        .find(|candidate| candidate.is_file())
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/languages").join(name)
}

/// Where a language's programs and its compiler's caches are.
fn folder(language: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("languages").join(language);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn build(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn natively(program: &Path) -> (Deeds, tempfile::TempDir) {
    let files = tempfile::tempdir().unwrap();
    let mut child = Command::new(program)
        .arg(files.path())
        .current_dir(files.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that does not read may be gone already.
    let written = std::io::Write::write_all(&mut child.stdin.take().unwrap(), WORDS.as_bytes());
    assert!(written.is_ok() || written.unwrap_err().kind() == std::io::ErrorKind::BrokenPipe);
    let output = child.wait_with_output().unwrap();
    let code = output.status.code().unwrap();
    (Deeds { code, output: String::from_utf8(output.stdout).unwrap() }, files)
}

fn sandboxed(program: &Path, policy: SecurityPolicy, place: Place) -> (Deeds, tempfile::TempDir) {
    let files = tempfile::tempdir().unwrap();
    // However busy the machine is.
    let policy = policy.with_wall_clock(Duration::from_secs(120));
    let (policy, argument) = match place {
        Place::HostRoot => (policy.with_folder(files.path(), "/", Access::ReadWrite), "/"),
        Place::HostFolder => (policy.with_folder(files.path(), "/job", Access::ReadWrite), "/job"),
        Place::Memory => (policy, "/"),
    };
    let sandbox = WasmSandbox::builder()
        .source(program)
        .compiler(Compiler::Singlepass)
        .security_policy(policy)
        .build_blocking()
        .unwrap();
    let output = sandbox.run_blocking(RunRequest::new().argument(argument).stdin(WORDS)).unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    (Deeds { code: output.exit_code, output: stdout + &stderr }, files)
}

/// The paths below the folder, in order.
fn tree(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            found.extend(tree(&path).iter().map(|below| format!("{name}/{below}")));
            found.push(format!("{name}/"));
        } else {
            found.push(format!("{name} {}", std::fs::read_to_string(&path).unwrap()));
        }
    }
    found.sort();
    found
}

fn compare(program: &Program, places: &[Place]) {
    let (expected, native_files) = natively(&program.native);
    assert_eq!(expected.code, 0);
    compare_to(&expected.output, &tree(native_files.path()), &program.wasm, places);
}

/// Compares what a program says and leaves behind with what is right.
fn compare_to(output: &str, left: &[String], program: &Path, places: &[Place]) {
    assert!(!output.is_empty());
    for place in places {
        let presets = [
            ("permissive", SecurityPolicy::permissive()),
            ("basic", SecurityPolicy::basic()),
            ("strict", SecurityPolicy::strict()),
        ];
        for (preset, policy) in presets {
            let (deeds, files) = sandboxed(program, policy, *place);
            assert_eq!(deeds.output, output, "{place:?}, {preset}");
            assert_eq!(deeds.code, 0, "{place:?}, {preset}");
            if !matches!(place, Place::Memory) {
                assert_eq!(tree(files.path()), left, "{place:?}, {preset}");
            }
        }
    }
}

const EVERYWHERE: [Place; 3] = [Place::HostRoot, Place::HostFolder, Place::Memory];

#[test]
fn a_rust_program_does_what_it_does_natively() {
    let (source, folder) = (source("walk.rs"), folder("rust"));
    let (native, wasm) = (folder.join("native"), folder.join("walk.wasm"));
    let rustc = || {
        let mut rustc = Command::new("rustc");
        rustc.args(["--edition=2024", "-O"]).arg(&source);
        rustc
    };
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output().unwrap().stdout;
    let sysroot = PathBuf::from(String::from_utf8(sysroot).unwrap().trim());
    if !sysroot.join("lib/rustlib/wasm32-wasip1").exists() {
        return eprintln!("NOT TESTED: this rustc has no target wasm32-wasip1");
    }
    build(rustc().arg("-o").arg(&native));
    build(rustc().args(["--target", "wasm32-wasip1", "-o"]).arg(&wasm));
    compare(&Program { native, wasm }, &EVERYWHERE);
}

#[test]
fn a_go_program_does_what_it_does_natively() {
    let Some(go) = tool("SANDBOX_TEST_GO", &["go"]) else {
        return eprintln!("NOT TESTED: `go` is not installed");
    };
    let known = Command::new(&go).args(["tool", "dist", "list"]).output().unwrap().stdout;
    if !String::from_utf8_lossy(&known).contains("wasip1/wasm") {
        return eprintln!("NOT TESTED: this `go` is older than 1.21 and compiles nothing for WASI");
    }
    let (source, folder) = (source("walk.go"), folder("go"));
    let (native, wasm) = (folder.join("native"), folder.join("walk.wasm"));
    let go = || {
        let mut go = Command::new(&go);
        go.arg("build").env("GOCACHE", folder.join("cache")).env("GOTOOLCHAIN", "local");
        go.env("GO111MODULE", "off").env_remove("GOFLAGS");
        go
    };
    build(go().arg("-o").arg(&native).arg(&source));
    let mut cross = go();
    cross.env("GOOS", "wasip1").env("GOARCH", "wasm").arg("-o").arg(&wasm).arg(&source);
    build(&mut cross);
    compare(&Program { native, wasm }, &EVERYWHERE);
}

/// Zig's compiler, with its caches in the language's folder.
fn zig(language: &str) -> Option<(impl Fn() -> Command, PathBuf)> {
    let zig = tool("SANDBOX_TEST_ZIG", &["zig", "python-zig"])?;
    let folder = folder(language);
    let cache = folder.join("cache");
    let command = move || {
        let mut zig = Command::new(&zig);
        zig.env("ZIG_GLOBAL_CACHE_DIR", &cache).env("ZIG_LOCAL_CACHE_DIR", &cache);
        zig
    };
    Some((command, folder))
}

#[test]
fn a_zig_program_does_what_it_does_natively() {
    let Some((zig, folder)) = zig("zig") else {
        return eprintln!("NOT TESTED: `zig` is not installed");
    };
    let (native, wasm) = (folder.join("native"), folder.join("walk.wasm"));
    let build_exe = |target: &[&str], to: &Path| {
        let mut command = zig();
        command.args(["build-exe", "-O", "ReleaseSmall"]).args(target);
        command.arg(format!("-femit-bin={}", to.display())).arg(source("walk.zig"));
        build(&mut command);
    };
    build_exe(&[], &native);
    build_exe(&["-target", "wasm32-wasi"], &wasm);
    // Its current folder is the first that it is given.
    compare(&Program { native, wasm }, &[Place::HostRoot, Place::Memory]);
}

fn compare_c(language: &str, compiler: &str, extension: &str, flags: &[&str]) {
    let Some((zig, folder)) = zig(language) else {
        return eprintln!("NOT TESTED: `zig`, as a compiler of {language}, is not installed");
    };
    let (native, wasm) = (folder.join("native"), folder.join("walk.wasm"));
    let compile = |target: &[&str], to: &Path| {
        let mut command = zig();
        command.arg(compiler).args(target).args(flags).arg("-O1").arg("-o").arg(to);
        build(command.arg(source(&format!("walk.{extension}"))));
    };
    compile(&[], &native);
    compile(&["-target", "wasm32-wasi"], &wasm);
    compare(&Program { native, wasm }, &EVERYWHERE);
}

#[test]
fn a_c_program_does_what_it_does_natively() {
    compare_c("c", "cc", "c", &[]);
}

#[test]
fn a_cpp_program_does_what_it_does_natively() {
    compare_c("cpp", "c++", "cpp", &["-std=c++17", "-fno-exceptions"]);
}

#[test]
fn an_assemblyscript_program_does_what_it_should() {
    let Some(asc) = tool("SANDBOX_TEST_ASC", &["asc"]) else {
        return eprintln!("NOT TESTED: AssemblyScript's compiler `asc` is not installed");
    };
    // It is a link to the folder where npm keeps packages. The compiler finds what a configuration names from where it is.
    let asc = std::fs::canonicalize(asc).unwrap();
    let shim = "node_modules/@assemblyscript/wasi-shim/asconfig.json";
    let Some(packages) = asc.ancestors().find(|folder| folder.join(shim).is_file()) else {
        return eprintln!("NOT TESTED: `@assemblyscript/wasi-shim` is not installed beside `asc`");
    };
    let wasm = folder("assemblyscript").join("walk.wasm");
    let mut compile = Command::new(&asc);
    compile.arg(source("walk.ts")).args(["--config", shim, "-O", "-o"]).arg(&wasm);
    build(compile.current_dir(packages));
    // There is no such program without WASI: this is what it says where WASI is another's.
    let expected = std::fs::read_to_string(source("walk.ts.expected")).unwrap();
    let left = ["a/", "a/moved other", "kept/", "kept/file kept"].map(str::to_owned);
    compare_to(&expected, &left, &wasm, &EVERYWHERE);
}
