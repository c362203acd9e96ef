//! Plugins built with the guest kits, in each language whose compiler is installed, and called as a host calls them.
//!
//! A compiler that is not installed leaves its test out: `cargo xtask test` says which were.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use sandbox_core::{Compiler, InstanceMode, SandboxError, SecurityPolicy, WasmSandbox};
use serde_json::{Value, json};

/// Number of items in an order that is large: about a megabyte of JSON.
const MANY: usize = 20_000;

/// The toolchain's program, if it is installed: the one that the variable names, or the first of these on the path.
pub(crate) fn tool(variable: &str, names: &[&str]) -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(variable) {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
        .find(|candidate| candidate.is_file())
}

pub(crate) fn kit(language: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest-kits").join(language)
}

/// Where a language's plugin and its compiler's caches are.
pub(crate) fn folder(language: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guest-kits").join(language);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

pub(crate) fn build(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Has the program write into a module what its functions take and return.
fn declare(wasm: &Path) {
    let mut sandbox = Command::new(assert_cmd::cargo::cargo_bin!("sandbox"));
    build(sandbox.arg("declare").arg(wasm).args(["greet=text:text", "summarise=value:value"]));
}

fn zig(language: &str) -> Option<Command> {
    let mut zig = Command::new(tool("SANDBOX_TEST_ZIG", &["zig", "python-zig"])?);
    let cache = folder(language).join("cache");
    zig.env("ZIG_GLOBAL_CACHE_DIR", &cache).env("ZIG_LOCAL_CACHE_DIR", &cache);
    Some(zig)
}

fn policy(policy: SecurityPolicy, mode: InstanceMode) -> SecurityPolicy {
    // However busy the machine is.
    policy.with_wall_clock(Duration::from_secs(120)).with_instances(mode)
}

fn sandbox(wasm: &Path, policy: SecurityPolicy) -> WasmSandbox {
    let builder = WasmSandbox::builder().source(wasm).compiler(Compiler::Singlepass);
    builder.security_policy(policy).build_blocking().unwrap()
}

/// An order of that many items of which each costs less than the one before, and what is to be said of it.
fn order(items: usize) -> (Value, Value) {
    let item = |at: usize| json!({"name": format!("tea \"{at}\" é"), "price": 30_000 - at, "count": 2, "notes": [null, {}]});
    let order =
        json!({"customer": "Ada \u{1F642}\n", "items": (0..items).map(item).collect::<Vec<_>>()});
    let total: usize = (0..items).map(|at| 2 * (30_000 - at)).sum();
    let report = json!({
        "customer": "Ada \u{1F642}\n", "articles": 2 * items, "total": total, "dearest": "tea \"0\" é",
    });
    (order, report)
}

/// Error of an order that is none.
#[derive(Clone, Copy)]
enum NoOrder {
    Undecodable,
    GuestError,
}

/// Does with a plugin what hosts do, and what they should not.
fn check(wasm: &Path, no_order: NoOrder) {
    let presets = [
        ("basic", SecurityPolicy::basic(), MANY),
        ("strict", SecurityPolicy::strict(), MANY),
        // It takes less memory and fuel.
        ("paranoid", SecurityPolicy::paranoid(), 100),
    ];
    for (preset, given, many) in presets {
        for mode in [InstanceMode::Persistent, InstanceMode::Fresh] {
            let sandbox = sandbox(wasm, policy(given.clone(), mode));
            let said = format!("{preset}, {mode:?}");
            for name in ["World", "Wörld", &"long ".repeat(10_000), "World"] {
                let greeting: String = sandbox.call_blocking("greet", name).unwrap();
                assert_eq!(greeting, format!("Hello, {name}!"), "{said}");
            }
            for items in [1, 100, many, 1] {
                let (order, report) = order(items);
                let reported: Value = sandbox.call_blocking("summarise", &order).unwrap();
                assert_eq!(reported, report, "{said}");
            }
            check_errors(&sandbox, no_order, &said);
            let usage = sandbox.usage();
            assert!(usage.calls >= 8, "{said}: {usage:?}");
        }
    }
}

fn check_errors(sandbox: &WasmSandbox, no_order: NoOrder, said: &str) {
    let summarise = |order: Value| sandbox.call_blocking::<Value>("summarise", &order).unwrap_err();
    let error = sandbox.call_blocking::<String>("greet", "").unwrap_err();
    assert!(
        matches!(&error, SandboxError::GuestError { message, .. } if message.contains("nobody to greet")),
        "{said}: {error:?}"
    );
    let error = summarise(json!({"customer": "Ada", "items": []}));
    assert!(
        matches!(&error, SandboxError::GuestError { message, .. } if message.contains("the order has no items")),
        "{said}: {error:?}"
    );
    for wrong in
        [json!([1]), json!({"customer": 1, "items": []}), json!({"items": {}}), json!(null)]
    {
        let error = summarise(wrong.clone());
        let is_expected = match no_order {
            NoOrder::Undecodable => matches!(error, SandboxError::Undecodable { .. }),
            NoOrder::GuestError => matches!(error, SandboxError::GuestError { .. }),
        };
        // Some find that nothing is ordered.
        let is_empty = matches!(&error, SandboxError::GuestError { message, .. } if message.contains("no items"));
        assert!(is_expected || (is_empty && wrong != json!([1])), "{said}: {wrong}: {error:?}");
    }
    let error =
        summarise(json!({"customer": "Ada", "items": [{"name": "tea", "price": 1, "count": -1}]}));
    assert!(
        matches!(&error, SandboxError::GuestPanic { message, .. } if message.contains("a count is negative")),
        "{said}: {error:?}"
    );
    // A new instance.
    let greeting: String = sandbox.call_blocking("greet", "again").unwrap();
    assert_eq!(greeting, "Hello, again!", "{said}");
}

#[test]
fn a_plugin_in_c_is_called() {
    let Some(mut zig) = zig("c") else {
        return eprintln!("NOT TESTED: `zig`, as a compiler of C, is not installed");
    };
    let wasm = folder("c").join("plugin.wasm");
    zig.args(["cc", "-target", "wasm32-wasi", "-mexec-model=reactor", "-O2", "-s"]);
    zig.args(["-Wl,-z,stack-size=262144", "-Wall", "-Wextra", "-Werror"]);
    build(zig.arg(kit("c").join("plugin.c")).arg("-o").arg(&wasm));
    check(&wasm, NoOrder::Undecodable);
}

#[test]
fn a_plugin_in_zig_is_called() {
    let Some(mut zig) = zig("zig") else { return eprintln!("NOT TESTED: `zig` is not installed") };
    let wasm = folder("zig").join("plugin.wasm");
    zig.args(["build-exe", "-target", "wasm32-wasi", "-fno-entry", "-rdynamic"]);
    zig.args(["-O", "ReleaseSmall", "--stack", "262144"]);
    zig.arg(format!("-femit-bin={}", wasm.display()));
    build(zig.arg(kit("zig").join("plugin.zig")));
    check(&wasm, NoOrder::Undecodable);
}

/// The toolchain of Go, if one is installed that exports functions. Says so if not.
pub(crate) fn go() -> Option<PathBuf> {
    let Some(go) = tool("SANDBOX_TEST_GO", &["go"]) else {
        eprintln!("NOT TESTED: `go` is not installed");
        return None;
    };
    let version = Command::new(&go).args(["env", "GOVERSION"]).output().unwrap().stdout;
    let version = String::from_utf8_lossy(&version).trim().to_owned();
    let minor = version.strip_prefix("go1.").and_then(|rest| rest.split('.').next()?.parse().ok());
    if minor.is_none_or(|minor: u32| minor < 24) {
        eprintln!("NOT TESTED: {version} is older than Go 1.24 and exports no functions");
        return None;
    }
    Some(go)
}

#[test]
fn a_plugin_in_go_is_called() {
    let Some(go) = go() else { return };
    let folder = folder("go");
    let wasm = folder.join("plugin.wasm");
    let mut go = Command::new(go);
    go.current_dir(kit("go")).env("GOCACHE", folder.join("cache")).env("GOTOOLCHAIN", "local");
    go.env_remove("GOFLAGS").env("GOOS", "wasip1").env("GOARCH", "wasm");
    build(go.args(["build", "-buildmode=c-shared", "-o"]).arg(&wasm).arg("./example"));
    declare(&wasm);
    check(&wasm, NoOrder::Undecodable);
}

#[test]
fn a_plugin_in_tinygo_is_called() {
    let Some(tinygo) = tool("SANDBOX_TEST_TINYGO", &["tinygo"]) else {
        return eprintln!("NOT TESTED: `tinygo` is not installed");
    };
    let wasm = folder("tinygo").join("plugin.wasm");
    let mut tinygo = Command::new(tinygo);
    tinygo.current_dir(kit("go")).env("GOOS", "wasip1").env("GOARCH", "wasm");
    build(tinygo.args(["build", "-buildmode=c-shared", "-o"]).arg(&wasm).arg("./example"));
    declare(&wasm);
    let sandbox = sandbox(&wasm, policy(SecurityPolicy::strict(), InstanceMode::Persistent));
    let greeting: String = sandbox.call_blocking("greet", "World").unwrap();
    assert_eq!(greeting, "Hello, World!");
    let (order, report) = order(100);
    assert_eq!(sandbox.call_blocking::<Value>("summarise", &order).unwrap(), report);
}

#[test]
fn a_plugin_in_assemblyscript_is_called() {
    let Some(asc) = tool("SANDBOX_TEST_ASC", &["asc"]) else {
        return eprintln!("NOT TESTED: AssemblyScript's compiler `asc` is not installed");
    };
    let wasm = folder("assemblyscript").join("plugin.wasm");
    let mut compile = Command::new(asc);
    compile.current_dir(kit("assemblyscript")).arg("plugin.ts").args(["-O", "-o"]).arg(&wasm);
    build(compile.args(["--use", "abort=sandbox_guest/abort"]));
    declare(&wasm);
    check(&wasm, NoOrder::Undecodable);
}

/// The sources of the engine are not the project's, and tests fetch nothing.
#[test]
fn a_plugin_in_javascript_is_called() {
    let Some(zig) = tool("SANDBOX_TEST_ZIG", &["zig", "python-zig"]) else {
        return eprintln!("NOT TESTED: `zig`, as a compiler of C, is not installed");
    };
    let fetched = kit("javascript").join("build/vendor/rquickjs-sys/quickjs");
    let sources = std::env::var_os("SANDBOX_TEST_QUICKJS").map_or(fetched, PathBuf::from);
    if !sources.join("quickjs.h").is_file() {
        return eprintln!(
            "NOT TESTED: the sources of QuickJS are not there: guest-kits/javascript/build.sh fetches them"
        );
    }
    let folder = folder("javascript");
    let (wasm, cache) = (folder.join("plugin.wasm"), folder.join("cache"));
    let mut script = Command::new("sh");
    script.arg(kit("javascript").join("build.sh")).arg(kit("javascript").join("plugin.js"));
    script.env("CC", format!("{} cc -target wasm32-wasi", zig.display()));
    script.env("QUICKJS", sources).env("BUILD", folder.join("build"));
    script.env("ZIG_GLOBAL_CACHE_DIR", &cache).env("ZIG_LOCAL_CACHE_DIR", &cache);
    build(script.arg("-o").arg(&wasm));
    check(&wasm, NoOrder::GuestError);
}
