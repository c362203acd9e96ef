//! Profiles of guests, as the command line writes them.

use crate::{Bench, CAT};

/// Where its programs spend their time is known.
const SPENDS: &str = r#"(module (memory (export "memory") 1)
    (func $work (param $rounds i32)
        (loop $again
            (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 1)))
            (br_if $again (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1))))))
    (func $outer (call $work (i32.const 200000000)))
    (func (export "_start") (call $outer))
    (func $endless (export "endless") (loop $again (call $work (i32.const 1000)) (br $again)))
    (func (export "fails") (call $outer) (unreachable)))"#;

#[test]
fn a_profile_tells_where_a_guest_spent_its_time_however_it_ended() {
    let bench = Bench::new();
    bench.module("spends.wasm", SPENDS);
    let file = bench.folder.path().join("out.json");
    for (arguments, code, stack) in [
        (&["run", "--profile", "out.json", "spends.wasm"][..], 0, &["_start", "outer", "work"][..]),
        (
            &["call", "--profile", "out.json", "--time", "300ms", "spends.wasm", "endless"],
            124,
            &["endless", "work"],
        ),
        (
            &[
                "call",
                "--profile-interval",
                "500us",
                "--profile",
                "out.json",
                "spends.wasm",
                "fails",
            ],
            134,
            &["fails", "outer", "work"],
        ),
    ] {
        let (ended, _, stderr) = bench.run(arguments);
        assert_eq!(ended, Some(code), "{arguments:?}: {stderr}");
        let said = stderr.lines().next().unwrap();
        assert!(said.starts_with("sandbox: ") && said.contains("open out.json"), "{stderr}");
        let read: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let name = |frame: &serde_json::Value| {
            let at = usize::try_from(frame.as_u64().unwrap()).unwrap();
            read["shared"]["frames"][at]["name"].as_str().unwrap().to_owned()
        };
        let stacks: Vec<Vec<String>> = read["profiles"][0]["samples"]
            .as_array()
            .unwrap()
            .iter()
            .map(|stack| stack.as_array().unwrap().iter().map(name).collect())
            .collect();
        assert!(stacks.iter().any(|found| found == stack), "{stack:?}: {stacks:?}");
        std::fs::remove_file(&file).unwrap();
    }
}

#[test]
fn a_profile_that_cannot_be_written_is_known_before_the_guest_runs() {
    let bench = Bench::new();
    bench.module("cat.wasm", CAT);
    let (code, stdout, stderr) =
        bench.run(&["run", "--profile", "missing/out.json", "cat.wasm", "argument"]);
    assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
    let (code, _, stderr) =
        bench.run(&["run", "--profile", "out.json", "--profile-interval", "1us", "cat.wasm"]);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("`100us` to `1s`"), "{stderr}");
    let (code, _, stderr) = bench.run(&["run", "--profile-interval", "2ms", "cat.wasm"]);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("--profile <FILE>"), "{stderr}");
}
