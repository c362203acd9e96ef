//! Profiles of guests, read again as speedscope reads them.

use std::collections::BTreeMap;
use std::time::Duration;

use sandbox_core::{
    Compiler, InstanceMode, Profile, Profiler, RunRequest, SandboxError, SecurityPolicy,
    WasmSandboxBuilder,
};
use serde::Deserialize;

use crate::modules;

/// Two functions of which one works nine times as long as the other, each below one of its own.
const SHARES: &str = r#"(module (memory 1)
    (func $spin (param $rounds i32)
        (loop $again
            (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 1)))
            (br_if $again (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1))))))
    (func $once (param $rounds i32)
        (loop $again
            (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 1)))
            (br_if $again (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1))))))
    (func $nine_times (param $rounds i32)
        (loop $again
            (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 1)))
            (br_if $again (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1))))))
    (func $outer (param $rounds i32)
        (call $once (local.get $rounds))
        (call $nine_times (i32.mul (local.get $rounds) (i32.const 9))))
    (func $main (export "main") (param $rounds i32) (param $times i32)
        (loop $again
            (call $outer (local.get $rounds))
            (br_if $again (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))))"#;

/// Ways to end that are not returning.
const ENDS: &str = r#"(module
    (import "env" "nap" (func $nap (param i32)))
    (memory 1)
    (func $spin (loop $again (br $again)))
    (func $work (param $rounds i32)
        (loop $again
            (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 1)))
            (br_if $again (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1))))))
    (func $endless (export "endless") (call $spin))
    (func $fails (export "fails") (call $work (i32.const 100000000)) (unreachable))
    (func $waits (export "waits") (param i32) (call $nap (local.get 0)))
    (func $deep (export "deep") (param $left i32)
        (if (local.get $left)
            (then (call $deep (i32.sub (local.get $left) (i32.const 1))))
            (else (call $work (i32.const 100000000))))
        (i32.store (i32.const 4) (local.get $left)))
    (func $short (export "short")))"#;

/// The fields that the format asks for, and no others.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "$schema")]
    schema: String,
    exporter: String,
    name: String,
    #[serde(rename = "activeProfileIndex")]
    active: usize,
    shared: Shared,
    profiles: Vec<Sampled>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shared {
    frames: Vec<Frame>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Frame {
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sampled {
    r#type: String,
    name: String,
    unit: String,
    #[serde(rename = "startValue")]
    start: u64,
    #[serde(rename = "endValue")]
    end: u64,
    samples: Vec<Vec<usize>>,
    weights: Vec<u64>,
}

/// How often each stack was met, by the names of its functions.
type Stacks = BTreeMap<Vec<String>, u64>;

/// Reads what a profile writes down, and checks it against the rules of the format and what the profile says itself.
fn read(profile: &Profile) -> Stacks {
    let file: File = serde_json::from_str(&profile.to_speedscope()).unwrap();
    assert_eq!(file.schema, "https://www.speedscope.app/file-format-schema.json");
    assert!(file.exporter.starts_with("sandbox-core@"), "{}", file.exporter);
    assert!(file.name.contains(&format!("{:?}", profile.interval())), "{}", file.name);
    assert!(file.active < file.profiles.len());
    let mut stacks = Stacks::new();
    for sampled in &file.profiles {
        assert_eq!((sampled.r#type.as_str(), sampled.unit.as_str()), ("sampled", "none"));
        assert!(sampled.name.starts_with("module "), "{}", sampled.name);
        assert_eq!(sampled.samples.len(), sampled.weights.len());
        assert_eq!((sampled.start, sampled.end), (0, sampled.weights.iter().sum()));
        for (stack, weight) in sampled.samples.iter().zip(&sampled.weights) {
            let names = stack.iter().map(|frame| file.shared.frames[*frame].name.clone());
            *stacks.entry(names.collect()).or_default() += weight;
        }
    }
    assert_eq!(stacks.values().sum::<u64>(), profile.samples());
    let in_host = stacks.iter().filter(|(stack, _)| stack.last().is_some_and(|it| it == "[host]"));
    assert_eq!(in_host.map(|(_, weight)| weight).sum::<u64>(), profile.in_host());
    let mut same = Stacks::new();
    for (stack, weight) in profile.stacks() {
        *same.entry(stack.into_iter().map(str::to_owned).collect()).or_default() += weight;
    }
    assert_eq!(same, stacks);
    stacks
}

fn profiled(text: &str, profiler: &Profiler) -> WasmSandboxBuilder {
    modules::builder(text).security_policy(SecurityPolicy::basic()).profiler(profiler)
}

fn ends(profiler: &Profiler) -> WasmSandboxBuilder {
    let nap = |millis: u32| std::thread::sleep(Duration::from_millis(millis.into()));
    profiled(ENDS, profiler).host_function("env", "nap", nap)
}

/// Weight of the stacks that are exactly that one.
fn weight(stacks: &Stacks, stack: &[&str]) -> u64 {
    stacks.iter().filter(|(found, _)| *found == stack).map(|(_, weight)| weight).sum()
}

#[test]
fn functions_have_the_share_of_the_samples_that_they_have_of_the_time() {
    for compiler in [Compiler::Cranelift, Compiler::Singlepass] {
        for mode in [InstanceMode::Persistent, InstanceMode::Fresh] {
            let profiler = Profiler::new();
            let policy = SecurityPolicy::basic().with_instances(mode);
            let builder = profiled(SHARES, &profiler).security_policy(policy);
            let sandbox = builder.compiler(compiler).build_blocking().unwrap();
            let mut stacks = Stacks::new();
            // However slow the machine is.
            while profiler.profile().samples() < 300 {
                sandbox.call_blocking::<()>("main", (100_000, 100)).unwrap();
                stacks = read(&profiler.profile());
            }
            let once = weight(&stacks, &["main", "outer", "once"]);
            let nine_times = weight(&stacks, &["main", "outer", "nine_times"]);
            let all: u64 = stacks.values().sum();
            assert!(once + nine_times >= all * 9 / 10, "{compiler}, {mode:?}: {stacks:?}");
            assert!(once > 0 && (4 * once..=20 * once).contains(&nine_times), "{stacks:?}");
        }
    }
}

#[test]
fn a_sample_at_any_instruction_of_a_call_has_all_callers() {
    const QUICK: &str = r#"(module
        (func $leaf (param i32) (result i32) (i32.xor (local.get 0) (i32.const 5)))
        (func $caller (param i32) (result i32) (call $leaf (call $leaf (local.get 0))))
        (func $top (export "top") (param $rounds i32) (result i32) (local $sum i32)
            (loop $again
                (local.set $sum (i32.add (local.get $sum) (call $caller (local.get $rounds))))
                (br_if $again (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))
            (local.get $sum)))"#;
    for compiler in [Compiler::Cranelift, Compiler::Singlepass] {
        let profiler = Profiler::with_interval(Duration::from_micros(200));
        let sandbox = profiled(QUICK, &profiler).compiler(compiler).build_blocking().unwrap();
        while profiler.profile().samples() < 1000 {
            sandbox.call_blocking::<i32>("top", 10_000_000).unwrap();
        }
        let stacks = read(&profiler.profile());
        for stack in stacks.keys() {
            assert!(
                ["top", "caller", "leaf"]
                    .starts_with(&stack.iter().map(String::as_str).collect::<Vec<_>>())
                    || stack == &["[host]"],
                "{compiler}: {stacks:?}"
            );
        }
        assert!(weight(&stacks, &["top", "caller", "leaf"]) > 0, "{compiler}: {stacks:?}");
    }
}

#[test]
fn a_guest_that_is_stopped_or_traps_leaves_its_profile() {
    let profiler = Profiler::new();
    let policy = SecurityPolicy::basic().with_wall_clock(Duration::from_millis(300));
    let sandbox = ends(&profiler).security_policy(policy).build_blocking().unwrap();
    let error = sandbox.call_blocking::<()>("endless", ()).unwrap_err();
    assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");
    assert!(weight(&read(&profiler.profile()), &["endless", "spin"]) > 0);

    let profiler = Profiler::new();
    let sandbox = ends(&profiler).build_blocking().unwrap();
    let mut stacks = Stacks::new();
    while weight(&stacks, &["fails", "work"]) == 0 {
        let error = sandbox.call_blocking::<()>("fails", ()).unwrap_err();
        assert!(matches!(&error, SandboxError::Trap { backtrace, .. } if *backtrace == ["fails"]));
        stacks = read(&profiler.profile());
    }
}

#[test]
fn time_in_functions_of_the_host_is_the_hosts_with_who_called_it() {
    let profiler = Profiler::new();
    let sandbox = ends(&profiler).build_blocking().unwrap();
    let mut stacks = Stacks::new();
    while weight(&stacks, &["waits", "[host]"]) < 20 {
        sandbox.call_blocking::<()>("waits", 50).unwrap();
        stacks = read(&profiler.profile());
    }
    assert!(weight(&stacks, &["waits", "[host]"]) >= stacks.values().sum::<u64>() * 8 / 10);

    // Where the guest is stopped there, nobody tells any more who called it.
    let profiler = Profiler::new();
    let policy = SecurityPolicy::basic().with_wall_clock(Duration::from_millis(50));
    let sandbox = ends(&profiler).security_policy(policy).build_blocking().unwrap();
    let mut profile = profiler.profile();
    while profile.in_host() == 0 {
        let error = sandbox.call_blocking::<()>("waits", 100).unwrap_err();
        assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");
        profile = profiler.profile();
    }
    read(&profile);
}

#[test]
fn time_in_functions_of_wasi_is_the_hosts_too() {
    const SLEEPS: &str = r#"(module
        (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func $sleep
            (i32.store8 (i32.const 8) (i32.const 0))
            (i32.store (i32.const 16) (i32.const 1))
            (i64.store (i32.const 24) (i64.const 50000000))
            (if (call $poll (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 200)) (then unreachable)))
        (func $begin (export "_start") (call $sleep)))"#;
    let profiler = Profiler::new();
    let sandbox = profiled(SLEEPS, &profiler).build_blocking().unwrap();
    let mut stacks = Stacks::new();
    while weight(&stacks, &["begin", "sleep", "[host]"]) < 20 {
        assert_eq!(sandbox.run_blocking(RunRequest::new()).unwrap().exit_code, 0);
        stacks = read(&profiler.profile());
    }
}

#[test]
fn a_guest_that_recurses_deep_is_cut_to_its_innermost_calls() {
    let profiler = Profiler::new();
    let sandbox = ends(&profiler).build_blocking().unwrap();
    let mut stacks = Stacks::new();
    let is_cut = |stack: &Vec<String>| stack.len() == 129;
    while !stacks.keys().any(is_cut) {
        sandbox.call_blocking::<()>("deep", 5000).unwrap();
        stacks = read(&profiler.profile());
    }
    let cut = stacks.keys().find(|stack| is_cut(stack)).unwrap();
    assert_eq!(cut[0], "[outer calls]");
    assert!(cut[1..128].iter().all(|name| name == "deep"), "{cut:?}");
    assert!(stacks.keys().all(|stack| stack.len() <= 129));
}

#[test]
fn many_guests_at_once_are_in_one_profile_and_others_in_none() {
    let profiler = Profiler::with_interval(Duration::ZERO);
    assert_eq!(profiler.interval(), Profiler::SHORTEST_INTERVAL);
    // Alike but for the profiler, and so not of the same instances.
    for mode in [InstanceMode::Persistent, InstanceMode::Fresh] {
        let policy = SecurityPolicy::basic().with_instances(mode).with_max_instances(8);
        let builder = || modules::builder(SHARES).security_policy(policy.clone());
        let sampled = builder().profiler(&profiler).build_blocking().unwrap();
        let before = profiler.profile().samples();
        let silent = builder().build_blocking().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| silent.call_blocking::<()>("main", (100_000, 20)).unwrap());
            }
        });
        assert_eq!(profiler.profile().samples(), before, "{mode:?}");
        while profiler.profile().samples() < before + 100 {
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| sampled.call_blocking::<()>("main", (100_000, 20)).unwrap());
                }
            });
        }
    }
    let other = ends(&profiler).build_blocking().unwrap();
    let mut stacks = Stacks::new();
    while !stacks.keys().any(|stack| stack.first().is_some_and(|name| name == "fails")) {
        other.call_blocking::<()>("fails", ()).unwrap_err();
        stacks = read(&profiler.profile());
    }
    // Of two modules, and so two profiles in one file.
    let json = profiler.profile().to_speedscope();
    assert_eq!(json.matches(r#""type":"sampled""#).count(), 2);
}

#[tokio::test]
async fn calls_of_tasks_are_sampled_and_return_what_they_did() {
    let profiler = Profiler::with_interval(Duration::from_micros(200));
    let sandbox = profiled(SHARES, &profiler).build().await.unwrap();
    while profiler.profile().samples() < 50 {
        sandbox.call::<()>("main", (100_000, 20)).await.unwrap();
    }
    read(&profiler.profile());
    let quick = ends(&profiler).build().await.unwrap();
    for _ in 0..1000 {
        quick.call::<()>("short", ()).await.unwrap();
    }
    read(&profiler.profile());
}

#[test]
fn a_guest_within_a_guest_is_in_its_own_profile() {
    let (outer_profiler, inner_profiler) = (Profiler::new(), Profiler::new());
    let inner = profiled(SHARES, &inner_profiler).build_blocking().unwrap();
    let outer = profiled(ENDS, &outer_profiler)
        .host_function("env", "nap", move |times: i32| {
            inner.call_blocking::<()>("main", (100_000, times)).unwrap();
        })
        .build_blocking()
        .unwrap();
    while inner_profiler.profile().samples() < 20 {
        outer.call_blocking::<()>("waits", 50).unwrap();
    }
    assert!(read(&inner_profiler.profile()).keys().all(|stack| stack[0] != "waits"));
    let of_outer = read(&outer_profiler.profile());
    assert!(of_outer.keys().flatten().all(|name| name != "main" && name != "nine_times"));
}

#[test]
fn names_that_are_meant_to_harm_do_none() {
    let long = "x".repeat(2 << 20);
    let busy = r#"(loop $again
        (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 1)))
        (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))"#;
    let text = format!(
        r#"(module (memory 1)
            (func ${long} (param i32) {busy})
            (func $"\22], \0a\0d\00\1b[2J\\ \e2\80\ae </script>" (param i32) {busy})
            (func $"[host]" (param i32) {busy})
            (func (export "exported") (param i32) {busy})
            (func (param i32) {busy})
            (func (export "main") (param i32)
                (call 0 (local.get 0)) (call 1 (local.get 0)) (call 2 (local.get 0))
                (call 3 (local.get 0)) (call 4 (local.get 0))))"#
    );
    let profiler = Profiler::new();
    let sandbox = profiled(&text, &profiler).build_blocking().unwrap();
    let expected = [
        format!("{}...", "x".repeat(256)),
        "\"], \\n\\r\\0\\u{1b}[2J\\ \\u{202e} </script>".to_owned(),
        "func[2] [host]".to_owned(),
        "exported".to_owned(),
        "func[4]".to_owned(),
    ];
    let mut stacks = Stacks::new();
    while expected.iter().any(|name| weight(&stacks, &["main", name]) == 0) {
        sandbox.call_blocking::<()>("main", 10_000_000).unwrap();
        let profile = profiler.profile();
        stacks = read(&profile);
        assert!(profile.to_speedscope().len() < 1 << 20);
        assert!(profile.to_speedscope().chars().all(|char| !char.is_control()));
    }
}

#[test]
fn what_was_never_run_is_an_empty_profile() {
    let profiler = Profiler::new();
    assert_eq!(profiler.profile().samples(), 0);
    let _sandbox = profiled(SHARES, &profiler).build_blocking().unwrap();
    let stacks = read(&profiler.profile());
    assert!(stacks.values().sum::<u64>() <= 1, "{stacks:?}");
}
