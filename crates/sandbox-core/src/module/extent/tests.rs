use std::collections::BTreeSet;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::*;
use crate::module::Behaviour;

fn extent(text: &str) -> Extent {
    Behaviour::of(&wat::parse_str(text).unwrap()).extent().clone()
}

#[track_caller]
fn assert_counts(text: &str, expected: &[(CompileMeasure, u64)]) {
    let extent = extent(text);
    for (measure, count) in expected {
        assert_eq!(extent.count(*measure), *count, "{measure}: {text}");
    }
}

#[test]
fn what_a_module_declares_is_counted() {
    assert_counts(
        r#"(module
            (type (func (param i32 i32) (result i64)))
            (import "a" "f" (func (param i32 i32) (result i64)))
            (import "a" "g" (func))
            (table 3 funcref) (table 2 5 externref)
            (memory 1)
            (global i32 (i32.const 0)) (global (mut i64) (i64.const 0)) (global f32 (f32.const 0))
            (export "m" (memory 0)) (export "t" (table 0))
            (elem (i32.const 0) func 0 1) (elem func 0)
            (data "one") (data (i32.const 0) "two")
            (func (local i32 i32)) (func (param f64) (local i64))
            (@custom "c" "d"))"#,
        &[
            (CompileMeasure::Types, 3),
            (CompileMeasure::Imports, 2),
            (CompileMeasure::Functions, 2),
            (CompileMeasure::Tables, 2),
            (CompileMeasure::Globals, 3),
            (CompileMeasure::Exports, 2),
            (CompileMeasure::Elements, 5),
            (CompileMeasure::DataSegments, 2),
            (CompileMeasure::CustomSections, 1),
            (CompileMeasure::FunctionLocals, 2),
            (CompileMeasure::Locals, 4),
        ],
    );
}

#[test]
fn what_a_function_has_is_counted_in_the_one_that_has_most() {
    let text = r#"(module (import "a" "f" (func))
        (func)
        (func (param i32) (local i32 i32)
            (block (block (loop (br_table 0 1 2 0 (local.get 0)))))
            (if (local.get 0) (then (nop)) (else (block)))))"#;
    assert_counts(
        text,
        &[
            (CompileMeasure::FunctionBlocks, 5),
            (CompileMeasure::Nesting, 3),
            (CompileMeasure::BranchTargets, 4),
            (CompileMeasure::FunctionLocals, 3),
        ],
    );
    let mut limits = CompileLimits::permissive();
    limits.nesting = 2;
    let error = extent(text).require_within(&limits).unwrap_err();
    assert_eq!(
        error.to_string(),
        "function 2 has 3 levels of blocks, and the policy compiles at most 2; raise it in `CompileLimits` if the \
         module is to be trusted so far"
    );
}

#[test]
fn values_are_counted_wherever_they_are_moved() {
    let values = |text: &str| extent(text).count(CompileMeasure::MovedValues);
    // A trampoline for the type, and what the function begins with.
    assert_eq!(values("(module (func (param i32 i32)))"), 2 + 2);
    let callee =
        "(type $t (func (param i32 i32 i32) (result i32))) (func $f (type $t) (i32.const 0))";
    let arguments = "(i32.const 0) (i32.const 0) (i32.const 0)";
    let without = values(&format!("(module {callee} (func))"));
    let with = values(&format!("(module {callee} (func (drop (call $f {arguments}))))"));
    assert_eq!(with - without, 4);
    let block = |inner: &str| {
        values(&format!("(module (func (drop (block (result i32) (i32.const 1) {inner}))))"))
    };
    assert_eq!(block("(br_if 0 (i32.const 0))") - block(""), 1);
    assert_eq!(block("(br_table 0 0 0 (i32.const 0))") - block(""), 3);
}

#[test]
fn ways_that_meet_merge_what_was_set_on_them() {
    let phis = |body: &str| {
        extent(&format!("(module (func (param i32) (local i32 i32 i32) {body}))"))
            .count(CompileMeasure::Phis)
    };
    let set = |local: u32| format!("(local.set {local} (i32.const 7))");
    assert_eq!(phis(&format!("(block {})", set(1))), 0, "nothing branches to it");
    assert_eq!(
        phis(&format!("(block {} {} {} (br_if 0 (local.get 0)))", set(1), set(1), set(2))),
        2
    );
    assert_eq!(phis(&format!("(if (local.get 0) (then {}) (else {}))", set(1), set(2))), 2);
    // The inner one's are the outer one's too, once.
    let nested = format!(
        "(block (block {} (br_if 0 (local.get 0))) {} (br_if 0 (local.get 0)))",
        set(1),
        set(1)
    );
    assert_eq!(phis(&nested), 2);
    let nested = format!("(block {} (loop {} {} (br_if 1 (local.get 0))))", set(3), set(1), set(3));
    assert_eq!(phis(&nested), 2);
    // What a block takes and gives merges too.
    assert_eq!(phis("(drop (block (result i32) (i32.const 1) (br_if 0 (local.get 0))))"), 1);
}

/// A tree of blocks, as it is written and as it is counted by looking everywhere.
enum Code {
    Set(u32),
    Block { is_loop: bool, branched_to: bool, body: Vec<Code> },
}

const LOCALS: u32 = 6;

fn any_code(random: &mut Pcg64Mcg, depth: u32) -> Vec<Code> {
    (0..random.random_range(0..5u32))
        .map(|_| {
            if depth == 0 || random.random_range(0..2u32) == 0 {
                return Code::Set(random.random_range(0..LOCALS));
            }
            let (is_loop, branched_to) =
                (random.random_range(0..2u32) == 0, random.random_range(0..3u32) > 0);
            Code::Block { is_loop, branched_to, body: any_code(random, depth - 1) }
        })
        .collect()
}

fn written(code: &[Code], to: &mut String) {
    for part in code {
        match part {
            Code::Set(local) => to.push_str(&format!("(local.set {local} (i32.const 1))")),
            Code::Block { is_loop, branched_to, body } => {
                to.push_str(if *is_loop { "(loop " } else { "(block " });
                written(body, to);
                if *branched_to {
                    to.push_str("(br_if 0 (i32.const 0))");
                }
                to.push(')');
            }
        }
    }
}

/// The locals that are set in there; adds to `phis` what the blocks have.
fn set_in(code: &[Code], phis: &mut u64) -> BTreeSet<u32> {
    let mut all = BTreeSet::new();
    for part in code {
        match part {
            Code::Set(local) => {
                all.insert(*local);
            }
            Code::Block { branched_to, body, .. } => {
                let inner = set_in(body, phis);
                if *branched_to {
                    *phis += inner.len() as u64;
                }
                all.extend(inner);
            }
        }
    }
    all
}

#[test]
fn distinct_variables_are_counted_as_sets_would_count_them() {
    for seed in 0..500 {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let (mut functions, mut squares) = (String::new(), 0u128);
        for _ in 0..3 {
            let code = any_code(&mut random, 5);
            let mut body = String::new();
            written(&code, &mut body);
            functions.push_str(&format!("(func (local i32 i32 i32 i32 i32 i32) {body})"));
            let mut phis = 0;
            set_in(&code, &mut phis);
            squares += u128::from(phis * phis);
        }
        let counted = extent(&format!("(module {functions})")).count(CompileMeasure::Phis);
        assert_eq!(u128::from(counted), squares.isqrt(), "seed {seed}: {functions}");
    }
}

#[test]
fn tables_that_can_grow_are_known() {
    let text = "(module (table 7 funcref) (table 2 externref) (table 1 1 funcref)
        (func (drop (table.grow 1 (ref.null extern) (i32.const 3)))))";
    let extent = extent(text);
    assert_eq!(extent.growing_tables(), [1]);
    assert_eq!(extent.table_elements(), 10);
}

#[test]
fn whatever_bytes_there_are_can_be_counted() {
    let wasm = wat::parse_str(
        r#"(module (type (func (param i32) (result i32 i32))) (table 1 funcref)
            (func (export "f") (type 0) (local i64)
                (block (br_table 0 0 (local.get 0))) (local.tee 0 (i32.const 1)) (i32.const 2)))"#,
    )
    .unwrap();
    for seed in 0..2_000 {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let mut damaged = wasm.clone();
        for _ in 0..random.random_range(1..6u32) {
            let at = random.random_range(8..damaged.len());
            damaged[at] = random.random_range(0..=u8::MAX);
        }
        // It must neither panic nor take long, whatever it says.
        let _ = Behaviour::of(&damaged);
    }
}
