use wasmer::sys::NativeEngineExt;

use super::*;
use crate::policy::SecurityPolicy;
use crate::sys::limits::LimitingTunables;
use crate::sys::number::{Number, ZERO};
use crate::sys::samples::Requests;

const STACK_BYTES: usize = 256 * 1024;

fn store() -> Store {
    let mut engine = wasmer::Engine::default();
    let policy = SecurityPolicy::basic().with_stack(STACK_BYTES);
    let room = crate::sys::limits::Room { most_pages: 2, ..Default::default() };
    engine.set_tunables(LimitingTunables::new(&policy, room, Default::default(), None));
    Store::new(engine)
}

fn instance(store: &mut Store, text: &str) -> wasmer::Instance {
    let wasm = wat::parse_str(text).unwrap();
    let module = wasmer::Module::new(store, wasm).unwrap();
    wasmer::Instance::new(store, &module, &wasmer::Imports::new()).unwrap()
}

fn target(store: &mut Store, instance: &wasmer::Instance, name: &str, reach: Reach) -> Target {
    let function = instance.exports.get_function(name).unwrap().clone();
    Target::new(store, function, reach)
}

#[test]
fn values_of_every_number_type_go_both_ways() {
    let mut store = store();
    let instance = instance(
        &mut store,
        r#"(module (func (export "turn") (param i32 i64 f32 f64) (result f64 f32 i64 i32)
            local.get 3 local.get 2 local.get 1 local.get 0))"#,
    );
    let gate = Gate::new(&mut store, STACK_BYTES);
    for reach in [Reach::Imports, Reach::OwnFunctions] {
        let target = target(&mut store, &instance, "turn", reach);
        let mut values = [(-1i32).into(), i64::MIN.into(), 0.5f32.into(), RawValue::from(-0.25f64)];
        let (returned, outcome) = gate.call(&mut store, &target, &mut values, 1);
        outcome.unwrap();
        let types = [Type::F64, Type::F32, Type::I64, Type::I32];
        let results: Vec<Number> =
            types.iter().zip(&values).map(|(ty, value)| Number::read(*ty, value)).collect();
        let expected =
            [Number::F64(-0.25), Number::F32(0.5), Number::I64(i64::MIN), Number::I32(-1)];
        assert_eq!((returned, &results[..]), (1, &expected[..]));
        assert!(gate.call(&mut store, &target, &mut values[1..], 1).1.is_err());
        assert!(gate.call(&mut store, &target, &mut values, 2).1.is_err());
    }
}

#[test]
fn a_trap_in_a_row_of_calls_ends_it_and_keeps_the_results_before() {
    let mut store = store();
    let instance = instance(
        &mut store,
        r#"(module (func (export "divide") (param i32 i32) (result i32)
            local.get 0 local.get 1 i32.div_s))"#,
    );
    let gate = Gate::new(&mut store, STACK_BYTES);
    for reach in [Reach::Imports, Reach::OwnFunctions] {
        let target = target(&mut store, &instance, "divide", reach);
        let mut values: Vec<RawValue> = [12, 1, 12, 2, 12, 0, 12, 3].map(RawValue::from).to_vec();
        let (returned, outcome) = gate.call(&mut store, &target, &mut values, 4);
        let result = |at: usize| Number::read(Type::I32, &values[2 * at]);
        assert_eq!((returned, result(0), result(1)), (2, Number::I32(12), Number::I32(6)));
        let error = outcome.unwrap_err();
        assert!(error.message().contains("integer divide by zero"));
        assert_eq!(error.trace().len(), 1);
        let (returned, outcome) = gate.call(&mut store, &target, &mut values[6..], 1);
        assert_eq!((returned, outcome.is_ok()), (1, true));
    }
}

#[test]
fn a_function_without_values_is_called_as_often_as_asked() {
    let mut store = store();
    let instance = instance(
        &mut store,
        r#"(module (global $count (mut i32) (i32.const 0))
            (func (export "count") (global.set $count (i32.add (global.get $count) (i32.const 1))))
            (func (export "counted") (result i32) global.get $count))"#,
    );
    let gate = Gate::new(&mut store, STACK_BYTES);
    let count = target(&mut store, &instance, "count", Reach::OwnFunctions);
    assert_eq!(gate.call(&mut store, &count, &mut [], 3).0, 3);
    let counted = target(&mut store, &instance, "counted", Reach::OwnFunctions);
    let mut values = [ZERO];
    gate.call(&mut store, &counted, &mut values, 1).1.unwrap();
    assert_eq!(Number::read(Type::I32, &values[0]), Number::I32(3));
}

#[test]
fn references_cannot_be_given() {
    let mut store = store();
    let instance = instance(
        &mut store,
        r#"(module (func (export "take") (param externref)) (func (export "none") (result externref)
            ref.null extern))"#,
    );
    let gate = Gate::new(&mut store, STACK_BYTES);
    let take = target(&mut store, &instance, "take", Reach::OwnFunctions);
    assert!(gate.call(&mut store, &take, &mut [ZERO], 1).1.is_err());
    let none = target(&mut store, &instance, "none", Reach::OwnFunctions);
    let mut values = [ZERO];
    gate.call(&mut store, &none, &mut values, 1).1.unwrap();
    assert_eq!(Number::read(Type::ExternRef, &values[0]), Number::Other(Type::ExternRef));
}

#[test]
fn a_guest_has_as_much_of_a_larger_stack_as_its_policy_says() {
    let mut store = store();
    let instance = instance(
        &mut store,
        r#"(module (func $down (export "down") (param i32) (result i32)
            (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 1))
                (else (i32.add (i32.const 1) (call $down (i32.sub (local.get 0) (i32.const 1))))))))"#,
    );
    let small = Gate::new(&mut store, STACK_BYTES);
    let large = Gate::new(&mut store, 4 * STACK_BYTES);
    stack::make_room_for(4 * STACK_BYTES);
    for reach in [Reach::Imports, Reach::OwnFunctions] {
        let down = target(&mut store, &instance, "down", reach);
        let mut deepest = |gate: &Gate| {
            let fits = |store: &mut Store, depth: i32| {
                gate.call(store, &down, &mut [depth.into()], 1).1.is_ok()
            };
            let (mut fitting, mut failing) = (0, 1 << 20);
            while fitting + 1 < failing {
                let middle = i32::midpoint(fitting, failing);
                if fits(&mut store, middle) { fitting = middle } else { failing = middle }
            }
            f64::from(fitting)
        };
        let ratio = deepest(&large) / deepest(&small);
        // The reserve of the host is beyond both.
        assert!((2.5..4.0).contains(&ratio), "{ratio}");
    }
}
#[test]
fn a_guest_that_is_entered_directly_traps_as_one_that_wasmer_enters() {
    use crate::sys::code::Code;
    use crate::sys::{builtins, frames, signals};

    assert!(signals::install(|| ()));
    let mut store = store();
    let text = r#"(module (memory 1 2) (global $count (mut i32) (i32.const 0))
        (func (export "divide") (param i32) (result i32) i32.const 1 local.get 0 i32.div_s)
        (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
        (func (export "end") (param i32) (result i32) unreachable)
        (func $down (export "down") (param i32) (result i32)
            (i32.add (i32.const 1) (call $down (local.get 0))))
        (func (export "fill") (param i32) (result i32)
            (memory.fill (local.get 0) (i32.const 0) (i32.const 65536)) (i32.const 7))
        (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"#;
    let module = wasmer::Module::new(&store, wat::parse_str(text).unwrap()).unwrap();
    let code = Code::of(&module);
    let instance = wasmer::Instance::new(&mut store, &module, &wasmer::Imports::new()).unwrap();
    builtins::guard(&mut store);
    let mut gate = Gate::new(&mut store, STACK_BYTES);
    let (requests, refusals) = (Requests::new(), crate::sys::refusals::Refusals::new(0));
    let outcomes = |gate: &Gate, store: &mut Store| {
        let calls = [
            ("divide", 1),
            ("divide", 0),
            ("load", 65_532),
            ("load", 65_533),
            ("end", 0),
            ("down", 0),
            ("fill", 0),
            ("fill", 1),
            ("grow", 9),
            ("grow", 0),
            ("divide", 1),
        ];
        calls.map(|(name, argument)| {
            let target = target(store, &instance, name, Reach::OwnFunctions);
            let mut values = [RawValue::from(argument)];
            let call = || gate.call(store, &target, &mut values, 1);
            let (returned, outcome) = interrupt::within(&code, &requests, &refusals, call);
            let noted = frames::take();
            let reason = outcome.err().map(|error| (error.to_trap(), noted.is_some()));
            let of_fault = noted.as_ref().and_then(|noted| noted.code);
            let functions: Vec<_> = noted
                .iter()
                .flat_map(|noted| &noted.frames)
                .map(|frame| code.function_at(*frame))
                .collect();
            let result = (returned == 1).then(|| Number::read(Type::I32, &values[0]));
            (result, reason, of_fault, functions)
        })
    };
    assert_eq!(gate.is_direct, direct::is_enabled());
    let directly = outcomes(&gate, &mut store);
    gate.is_direct = false;
    assert_eq!(directly, outcomes(&gate, &mut store));
    let trapped: Vec<bool> = directly.iter().map(|(_, reason, ..)| reason.is_some()).collect();
    let (yes, no) = (true, false);
    assert_eq!(trapped, [no, yes, no, yes, yes, yes, no, yes, no, no, no]);
    assert_eq!(directly[5].2, Some(TrapCode::StackOverflow));
    assert_eq!(directly[8].0, Some(Number::I32(-1)));
}
