//! Commands of Wasmer packages.

use sandbox_core::{
    Access, GrantUse, InstanceMode, Package, RunRequest, SandboxError, SecurityPolicy, WasmSandbox,
};

use crate::playground::Playground;

/// Writes its command line, its environment, and the file `greeting` of its second folder.
const PROGRAM: &str = r#"(module
    (import "wasi_snapshot_preview1" "args_sizes_get" (func $arg_sizes (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_sizes_get" (func $env_sizes (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_get" (func $env (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 100) "greeting")
    (func $say (param $at i32) (param $len i32)
        (i32.store (i32.const 16) (local.get $at))
        (i32.store (i32.const 20) (local.get $len))
        (if (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24)) (then unreachable)))
    (func (export "_start")
        (drop (call $arg_sizes (i32.const 0) (i32.const 4)))
        (drop (call $args (i32.const 1024) (i32.const 2048)))
        (call $say (i32.const 2048) (i32.load (i32.const 4)))
        (drop (call $env_sizes (i32.const 0) (i32.const 4)))
        (drop (call $env (i32.const 1024) (i32.const 2048)))
        (call $say (i32.const 2048) (i32.load (i32.const 4)))
        (if (call $open (i32.const 4) (i32.const 1) (i32.const 100) (i32.const 8) (i32.const 0)
                (i64.const 2) (i64.const 2) (i32.const 0) (i32.const 0)) (then unreachable))
        (i32.store (i32.const 16) (i32.const 4096))
        (i32.store (i32.const 20) (i32.const 4096))
        (if (call $read (i32.load (i32.const 0)) (i32.const 16) (i32.const 1) (i32.const 24)) (then unreachable))
        (call $say (i32.const 4096) (i32.load (i32.const 24)))))"#;

const MANIFEST: &str = r#"
    [package]
    name = "example/greeter"
    version = "1.2.3"
    description = "Greets."
    entrypoint = "greet"

    [fs]
    "/data" = "files"

    [[module]]
    name = "program"
    source = "program.wasm"

    [[command]]
    name = "greet"
    module = "program"
    runner = "https://webc.org/runner/wasi"

    [command.annotations.wasi]
    atom = "program"
    env = ["GREETING=hello", "EMPTY"]
    main-args = ["--polite"]
    exec-name = "greeter"

    [[command]]
    name = "plain"
    module = "program"
    runner = "https://webc.org/runner/wasi"
"#;

/// A folder that is built into a package.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("wasmer.toml"), MANIFEST).unwrap();
    std::fs::write(folder.path().join("program.wasm"), wat::parse_str(PROGRAM).unwrap()).unwrap();
    std::fs::create_dir(folder.path().join("files")).unwrap();
    std::fs::write(folder.path().join("files/greeting"), "from the package").unwrap();
    folder
}

fn sandbox(package: &Package, command: &str, policy: SecurityPolicy) -> WasmSandbox {
    let builder = WasmSandbox::builder().package_command(package.command(command).unwrap());
    builder.security_policy(policy).build_blocking().unwrap()
}

fn output(sandbox: &WasmSandbox, request: RunRequest) -> String {
    String::from_utf8(sandbox.run_blocking(request).unwrap().stdout).unwrap()
}

#[test]
fn a_command_runs_with_what_its_package_says_of_it() {
    let folder = folder();
    let package = Package::from_folder(folder.path()).unwrap();
    let names: Vec<&str> = package.commands().iter().map(|command| command.name()).collect();
    assert_eq!(names, ["greet", "plain"]);
    assert_eq!(package.entrypoint().unwrap().name(), "greet");
    for mode in [InstanceMode::Persistent, InstanceMode::Fresh] {
        let policy = SecurityPolicy::strict()
            .with_instances(mode)
            .with_argument("--policy")
            .with_environment("EMPTY", "no longer");
        let sandbox = sandbox(&package, "greet", policy);
        for _ in 0..2 {
            let request = RunRequest::new().argument("--run").environment("OWN", "1");
            assert_eq!(
                output(&sandbox, request),
                "greeter\0--polite\0--policy\0--run\0GREETING=hello\0EMPTY=no longer\0OWN=1\0from the package"
            );
        }
        let named = RunRequest::new().program("another").environment("GREETING", "bye");
        assert!(output(&sandbox, named).starts_with("another\0--polite\0--policy\0GREETING=bye\0"));
    }
    let plain = sandbox(&package, "plain", SecurityPolicy::strict());
    assert_eq!(output(&plain, RunRequest::new()), "plain\0from the package");
}

#[test]
fn a_package_is_read_from_a_file_and_from_memory_too() {
    let folder = folder();
    let manifest = folder.path().join("wasmer.toml");
    let built = wasmer_package::package::Package::from_manifest(manifest).unwrap();
    let bytes = built.serialize().unwrap();
    let path = folder.path().join("greeter.webc");
    std::fs::write(&path, &bytes).unwrap();
    for package in [Package::from_file(&path).unwrap(), Package::from_bytes(bytes).unwrap()] {
        let sandbox = sandbox(&package, "plain", SecurityPolicy::basic());
        assert_eq!(output(&sandbox, RunRequest::new()), "plain\0from the package");
    }
    let error = Package::from_file(folder.path().join("missing.webc")).unwrap_err();
    assert!(matches!(error, SandboxError::PackageUnreadable { .. }), "{error}");
    assert!(std::error::Error::source(&error).is_some(), "{error}");
    let error = Package::from_folder(folder.path().join("files")).unwrap_err();
    assert!(matches!(error, SandboxError::PackageUnreadable { .. }), "{error}");
    std::fs::write(folder.path().join("wasmer.toml"), "[package]\nname = 1").unwrap();
    let error = Package::from_folder(folder.path()).unwrap_err();
    assert!(matches!(error, SandboxError::InvalidPackage { .. }), "{error}");
}

#[test]
fn the_limits_of_the_policy_hold_for_commands_too() {
    let folder = folder();
    let package = Package::from_folder(folder.path()).unwrap();
    let greet = package.command("greet").unwrap();
    let build = |policy: SecurityPolicy| {
        WasmSandbox::builder().package_command(greet).security_policy(policy).build_blocking()
    };
    let error = build(SecurityPolicy::strict().with_module_limit(100)).unwrap_err();
    assert!(matches!(error, SandboxError::ModuleTooLarge { .. }), "{error}");
    let error = build(SecurityPolicy::paranoid()).unwrap_err();
    assert!(matches!(error, SandboxError::InvalidGrant { .. }), "{error}");
    let opened = build(SecurityPolicy::paranoid().with_grants(GrantUse::Accepted)).unwrap();
    assert!(output(&opened, RunRequest::new()).ends_with("from the package"));
    let ground = Playground::new();
    let taken =
        SecurityPolicy::strict().with_folder(ground.host("granted"), "/data", Access::ReadOnly);
    let error = build(taken).unwrap_err();
    assert!(error.to_string().contains("another folder has that path"), "{error}");
}
