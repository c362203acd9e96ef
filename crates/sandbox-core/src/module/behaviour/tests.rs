use super::*;

fn behaviour(text: &str) -> Behaviour {
    Behaviour::of(&wat::parse_str(text).unwrap())
}

fn pure(text: &str) -> Vec<String> {
    behaviour(text).pure.into_iter().collect()
}

#[test]
fn what_only_computes_and_reads_is_pure() {
    let text = r#"(module (memory 1) (table 1 funcref) (global $g i32 (i32.const 1))
        (func $leaf (param i32) (result i32) (i32.load (local.get 0)))
        (func (export "all") (param i32) (result i32) (local v128)
            (local.set 1 (i32x4.add (local.get 1) (v128.load (i32.const 0))))
            (drop (table.get 0 (i32.const 0)))
            (if (i32.eqz (local.get 0)) (then (unreachable)))
            (block (loop (br_if 1 (global.get $g)) (br 0)))
            (i32.add (call $leaf (memory.size)) (i32.extend8_s (local.get 0)))))"#;
    assert_eq!(pure(text), ["all"]);
    assert_eq!(behaviour(text).irreversible(), None);
}

#[test]
fn what_changes_state_is_not_pure() {
    for instruction in [
        "(global.set $g (i32.const 2))",
        "(i32.store (i32.const 0) (i32.const 1))",
        "(i64.store32 (i32.const 0) (i64.const 1))",
        "(f64.store (i32.const 0) (f64.const 1))",
        "(v128.store (i32.const 0) (v128.const i64x2 0 0))",
        "(v128.store8_lane 3 (i32.const 0) (v128.const i64x2 0 0))",
        "(drop (memory.grow (i32.const 0)))",
        "(memory.fill (i32.const 0) (i32.const 0) (i32.const 0))",
        "(memory.copy (i32.const 0) (i32.const 0) (i32.const 0))",
        "(memory.init $d (i32.const 0) (i32.const 0) (i32.const 0))",
        "(call_indirect (i32.const 0))",
        "(call $host)",
        "(call $writer)",
    ] {
        let text = format!(
            r#"(module (import "wasi_snapshot_preview1" "f" (func $host))
                (memory 1) (table 1 funcref) (global $g (mut i32) (i32.const 1)) (data $d "x")
                (func $writer (i32.store8 (i32.const 0) (i32.const 1)))
                (func (export "f") {instruction}))"#
        );
        assert_eq!(pure(&text), [""; 0], "{instruction}");
        assert_eq!(behaviour(&text).irreversible(), None, "{instruction}");
    }
}

#[test]
fn what_a_reset_cannot_undo_is_found() {
    for instruction in [
        "(table.set 0 (i32.const 0) (ref.null func))",
        "(drop (table.grow 0 (ref.null func) (i32.const 1)))",
        "(table.fill 0 (i32.const 0) (ref.null func) (i32.const 1))",
        "(table.copy (i32.const 0) (i32.const 0) (i32.const 1))",
        "(table.init $e (i32.const 0) (i32.const 0) (i32.const 1))",
        "(data.drop $d)",
        "(elem.drop $e)",
        "(drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))",
    ] {
        let text = format!(
            r#"(module (memory 1) (table 1 funcref) (data $d "x") (elem $e func $f)
                (func $f) (func (export "f") {instruction}))"#
        );
        assert!(behaviour(&text).irreversible().is_some(), "{instruction}");
        assert_eq!(pure(&text), [""; 0], "{instruction}");
    }
}

#[test]
fn state_of_others_cannot_be_reset() {
    for text in [
        r#"(module (import "m" "m" (memory 1)))"#,
        r#"(module (import "m" "g" (global i32)))"#,
        r#"(module (import "m" "t" (table 1 funcref)))"#,
        "(module (memory 1 1 shared))",
        "(module (memory i64 1))",
        "(module (global (mut funcref) (ref.null func)))",
        "(module (tag))",
    ] {
        assert!(behaviour(text).irreversible().is_some(), "{text}");
    }
    let constant = "(module (func $f) (global funcref (ref.func $f)) (elem declare func $f))";
    assert_eq!(behaviour(constant).irreversible(), None);
}

#[test]
fn recursion_is_pure_if_all_of_it_is() {
    let text = r#"(module (global $g (mut i32) (i32.const 0))
        (func $even (export "even") (param i32) (result i32)
            (if (result i32) (local.get 0)
                (then (call $odd (i32.sub (local.get 0) (i32.const 1)))) (else (i32.const 1))))
        (func $odd (export "odd") (param i32) (result i32)
            (if (result i32) (local.get 0)
                (then (call $even (i32.sub (local.get 0) (i32.const 1)))) (else (i32.const 0))))
        (func $ping (export "ping") (call $pong))
        (func $pong (export "pong") (call $ping) (call $mark))
        (func $mark (global.set $g (i32.const 1))))"#;
    assert_eq!(pure(text), ["even", "odd"]);
}

#[test]
fn an_import_that_is_exported_again_is_not_pure() {
    let text = r#"(module (import "wasi_snapshot_preview1" "f" (func $f)) (export "f" (func $f)))"#;
    assert_eq!(pure(text), [""; 0]);
}

#[test]
fn bytes_that_are_no_module_are_taken_for_the_worst() {
    let behaviour = Behaviour::of(b"\0asm\x01\0\0\0\xff");
    assert!(behaviour.irreversible().is_some());
}

#[test]
fn what_can_reach_the_host_is_known() {
    let inward = |imports: &str, instruction: &str| {
        let text = format!(
            r#"(module {imports} (memory 1) (table 1 funcref) (type $t (func))
                (func $inner (i32.store (i32.const 0) (i32.const 1)))
                (func $indirect (call_indirect (type $t) (i32.const 0)))
                (func (export "f") {instruction}))"#
        );
        behaviour(&text).reach("f") != Reach::Imports
    };
    let function = r#"(import "env" "f" (func $host))"#;
    let table = r#"(import "env" "t" (table $host 1 funcref))"#;
    for instruction in ["(nop)", "(call $inner)", "(drop (memory.grow (i32.const 1)))"] {
        assert!(inward(function, instruction), "{instruction}");
        assert!(inward("", instruction), "{instruction}");
    }
    for instruction in ["(call_indirect (type $t) (i32.const 0))", "(call $indirect)"] {
        assert!(!inward(function, instruction), "{instruction}");
        assert!(!inward(table, instruction), "{instruction}");
        assert!(inward("", instruction), "{instruction}");
    }
    assert!(!inward(function, "(call $host)"));
    let exported = r#"(module (import "env" "f" (func $host)) (export "f" (func $host)))"#;
    assert_eq!(behaviour(exported).reach("f"), Reach::Imports);
    assert_eq!(behaviour(exported).reach("no such function"), Reach::Imports);
}

#[test]
fn what_wasmer_may_trap_for_is_known() {
    let enclosed = |others: &str, instruction: &str| {
        let text = format!(
            r#"(module (import "env" "f" (func $host)) (memory 1) (table 1 funcref) (data $d "bytes") (type $t (func))
                (func $inner (i32.store (i32.const 0) (i32.const 1)))
                (func $initialising (memory.init $d (i32.const 0) (i32.const 0) (i32.const 1)))
                {others}
                (func (export "f") {instruction}))"#
        );
        behaviour(&text).reach("f")
    };
    let alone = |text: &str| behaviour(text).reach("f");
    for instruction in [
        "(nop)",
        "unreachable",
        "(call $inner)",
        "(drop (memory.grow (i32.const 1)))",
        "(memory.fill (i32.const 0) (i32.const 0) (i32.const 1))",
        "(drop (i32.div_u (i32.const 1) (i32.const 0)))",
    ] {
        assert_eq!(enclosed("", instruction), Reach::OwnFunctions, "{instruction}");
    }
    for instruction in [
        "(call $initialising)",
        "(memory.init $d (i32.const 0) (i32.const 0) (i32.const 1))",
        "(drop (memory.atomic.notify (i32.const 0) (i32.const 1)))",
        "(drop (i32.atomic.load (i32.const 0)))",
        "(table.set (i32.const 0) (ref.null func))",
    ] {
        let reach = enclosed("", instruction);
        assert!(matches!(reach, Reach::Builtins | Reach::Imports), "{instruction}: {reach:?}");
    }
    // What is called through a table may be any function of the module.
    let indirect = "(func (export \"f\") (call_indirect (type $t) (i32.const 0)))";
    let harmless = "(func $g (i32.store (i32.const 0) (i32.const 1)))";
    let initialising = "(func $g (memory.init $d (i32.const 0) (i32.const 0) (i32.const 1)))";
    let module = |other: &str| {
        format!(
            r#"(module (memory 1) (table 1 funcref) (data $d "bytes") (type $t (func)) {other} {indirect})"#
        )
    };
    assert_eq!(alone(&module(harmless)), Reach::OwnFunctions);
    assert_eq!(alone(&module(initialising)), Reach::Builtins);
}
