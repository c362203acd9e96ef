//! Modules that use what their policy forbids, or what their compiler does not know.

use sandbox_core::{
    Compiler, Compilers, NanBits, NeededFeature, SandboxError, SecurityPolicy, TrapCode,
    WasmFeature, WasmFeatures, WasmSandboxBuilder,
};

use crate::modules::{self, COMPILERS};

/// A module for each feature that needs it to compute 7.
const SEVENS: [(WasmFeature, &str); 14] = [
    (
        WasmFeature::BulkMemory,
        "(memory 1) (func (export \"seven\") (result i32)
            (memory.fill (i32.const 0) (i32.const 7) (i32.const 4)) (i32.load8_u (i32.const 3)))",
    ),
    (
        WasmFeature::Exceptions,
        "(tag $t (param i32)) (func (export \"seven\") (result i32)
            (block $caught (result i32)
                (try_table (catch $t $caught) (throw $t (i32.const 7))) unreachable))",
    ),
    (
        WasmFeature::ExtendedConst,
        "(global $g i32 (i32.add (i32.const 3) (i32.const 4)))
            (func (export \"seven\") (result i32) global.get $g)",
    ),
    (
        WasmFeature::MultiMemory,
        "(memory $a 1) (memory $b 1) (func (export \"seven\") (result i32)
            (i32.store $b (i32.const 0) (i32.const 7))
            (i32.add (i32.load $a (i32.const 0)) (i32.load $b (i32.const 0))))",
    ),
    (
        WasmFeature::MultiValue,
        "(func $two (result i32 i32) i32.const 3 i32.const 4)
            (func (export \"seven\") (result i32) call $two i32.add)",
    ),
    (
        WasmFeature::MutableGlobals,
        "(global $g (export \"g\") (mut i32) (i32.const 7))
            (func (export \"seven\") (result i32) global.get $g)",
    ),
    (
        WasmFeature::ReferenceTypes,
        "(table $t 7 funcref) (func (export \"seven\") (result i32) table.size $t)",
    ),
    (
        WasmFeature::RelaxedSimd,
        "(func (export \"seven\") (result i32)
            (i32.trunc_f32_s (f32x4.extract_lane 0 (f32x4.relaxed_madd
                (f32x4.splat (f32.const 2)) (f32x4.splat (f32.const 3))
                (f32x4.splat (f32.const 1))))))",
    ),
    (
        WasmFeature::SaturatingFloatToInt,
        "(func (export \"seven\") (result i32) (i32.trunc_sat_f32_s (f32.const 7.5)))",
    ),
    (
        WasmFeature::SignExtension,
        "(func (export \"seven\") (result i32) (i32.extend8_s (i32.const 0x107)))",
    ),
    (
        WasmFeature::Simd,
        "(func (export \"seven\") (result i32)
            (i32x4.extract_lane 3 (i32x4.splat (i32.const 7))))",
    ),
    (
        WasmFeature::TailCalls,
        "(func $seven (result i32) i32.const 7)
            (func (export \"seven\") (result i32) return_call $seven)",
    ),
    (
        WasmFeature::Threads,
        "(memory 1) (func (export \"seven\") (result i32)
            (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 7)))
            (i32.atomic.load (i32.const 0)))",
    ),
    (
        WasmFeature::WideArithmetic,
        "(func (export \"seven\") (result i32)
            (i64.add128 (i64.const 3) (i64.const 0) (i64.const 4) (i64.const 0))
            drop i32.wrap_i64)",
    ),
];

fn builder(text: &str, features: WasmFeatures, compiler: Compiler) -> WasmSandboxBuilder {
    let policy = SecurityPolicy::permissive().with_features(features);
    modules::builder(&format!("(module {text})")).security_policy(policy).compiler(compiler)
}

#[test]
fn each_feature_works_where_it_is_offered_and_allowed() {
    for (feature, text) in SEVENS {
        for &compiler in COMPILERS {
            let built = builder(text, WasmFeatures::ALL, compiler).build_blocking();
            if compiler.features().contains(feature) {
                let sandbox = built.unwrap_or_else(|e| panic!("{feature}, {compiler}: {e}"));
                assert_eq!(sandbox.call_blocking::<i32>("seven", ()).unwrap(), 7, "{feature}");
                continue;
            }
            let error = built.map(drop).unwrap_err();
            let SandboxError::UnsupportedFeature { feature: named, compiler: by, offset, .. } =
                &error
            else {
                panic!("{feature}, {compiler}: {error}")
            };
            assert_eq!((named, *by), (&NeededFeature::Known(feature), compiler), "{error}");
            assert!(*offset > 8, "{error}");
        }
    }
}

#[test]
fn each_feature_is_refused_by_name_and_place_where_it_is_forbidden() {
    for (feature, text) in SEVENS {
        for &compiler in COMPILERS {
            let features = WasmFeatures::ALL.without(feature);
            let error = builder(text, features, compiler).build_blocking().map(drop).unwrap_err();
            if let SandboxError::UnsupportedFeature { .. } = &error {
                // It needs yet another one, which the compiler lacks.
                assert!(feature == WasmFeature::RelaxedSimd && compiler == Compiler::Singlepass);
                continue;
            }
            let SandboxError::ForbiddenFeature { feature: named, offset, .. } = &error else {
                panic!("{feature}, {compiler}: {error}")
            };
            assert_eq!(*named, feature, "{error}");
            assert!(*offset > 8, "{error}");
        }
    }
}

#[test]
fn what_no_compiler_offers_is_refused_by_name() {
    for (name, text) in [
        ("memory64", "(memory i64 1)"),
        ("gc", "(type (struct (field i32)))"),
        ("custom page sizes", "(memory 1 (pagesize 1))"),
    ] {
        let error =
            builder(text, WasmFeatures::ALL, Compiler::Cranelift).build_blocking().map(drop);
        let error = error.unwrap_err();
        let SandboxError::UnsupportedFeature { feature, .. } = &error else {
            panic!("{name}: {error}")
        };
        assert_eq!(*feature, NeededFeature::Other(name.to_owned()), "{error}");
    }
}

#[test]
fn memories_that_threads_could_share_are_refused_under_every_policy() {
    for policy in [
        SecurityPolicy::permissive(),
        SecurityPolicy::basic(),
        SecurityPolicy::strict(),
        SecurityPolicy::paranoid(),
    ] {
        for text in [
            "(module (memory 1 2 shared))",
            r#"(module (import "env" "memory" (memory 1 2 shared)))"#,
        ] {
            let builder = modules::builder(text).security_policy(policy.clone());
            let error = builder.build_blocking().map(drop).unwrap_err();
            let forbidden = matches!(
                error,
                SandboxError::SharedMemory { .. }
                    | SandboxError::ForbiddenFeature { feature: WasmFeature::Threads, .. }
            );
            assert!(forbidden, "{text}: {error}");
        }
    }
}

#[test]
fn a_wait_for_another_thread_ends_at_once() {
    let text = r#"(memory 1)
        (func (export "wait") (result i32)
            (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))
        (func (export "notify") (result i32) (memory.atomic.notify (i32.const 0) (i32.const 9)))
        (func (export "unaligned") (result i32) (i32.atomic.load (i32.const 1)))
        (func (export "outside") (result i32) (i32.atomic.load (i32.const 65536)))"#;
    for &compiler in COMPILERS {
        let sandbox = builder(text, WasmFeatures::ALL, compiler).build_blocking().unwrap();
        let error = sandbox.call_blocking::<i32>("wait", ()).unwrap_err();
        assert!(
            matches!(error, SandboxError::Trap { code: TrapCode::WaitOnUnsharedMemory, .. }),
            "{compiler}: {error}"
        );
        assert_eq!(sandbox.call_blocking::<i32>("notify", ()).unwrap(), 0);
        for function in ["unaligned", "outside"] {
            let error = sandbox.call_blocking::<i32>(function, ()).unwrap_err();
            assert!(matches!(error, SandboxError::Trap { .. }), "{function}: {error}");
        }
    }
}

/// A NaN that carries a message.
const MARKED_F64: u64 = 0x7ff8_0000_dead_beef;
const MARKED_F32: u32 = 0x7fc0_1234;
const CANONICAL_F64: u64 = 0x7ff8_0000_0000_0000;
const CANONICAL_F32: u32 = 0x7fc0_0000;

/// Arithmetic on the bits of a float, one function for each instruction, and a division that makes a NaN.
fn arithmetic() -> String {
    let mut functions = String::new();
    for (float, int) in [("f32", "i32"), ("f64", "i64")] {
        let value = format!("({float}.reinterpret_{int} (local.get 0))");
        for op in ["add", "sub", "mul", "div", "min", "max"] {
            functions.push_str(&format!(
                r#"(func (export "{float}.{op}") (param {int}) (result {int})
                ({int}.reinterpret_{float} ({float}.{op} {value} ({float}.const 1))))"#
            ));
        }
        for op in ["sqrt", "ceil", "floor", "trunc", "nearest"] {
            functions.push_str(&format!(
                r#"(func (export "{float}.{op}") (param {int}) (result {int})
                ({int}.reinterpret_{float} ({float}.{op} {value})))"#
            ));
        }
        functions.push_str(&format!(
            r#"(func (export "{float}.zero_by") (param {int}) (result {int})
            ({int}.reinterpret_{float} ({float}.div ({float}.const 0) {value})))"#
        ));
    }
    functions.push_str(
        r#"(func (export "promote") (param i32) (result i64)
            (i64.reinterpret_f64 (f64.promote_f32 (f32.reinterpret_i32 (local.get 0)))))
        (func (export "demote") (param i64) (result i32)
            (i32.reinterpret_f32 (f32.demote_f64 (f64.reinterpret_i64 (local.get 0)))))"#,
    );
    functions
}

const OPERATIONS: [&str; 11] =
    ["add", "sub", "mul", "div", "min", "max", "sqrt", "ceil", "floor", "trunc", "nearest"];

#[test]
fn paranoid_guests_see_the_same_bits_in_every_nan() {
    let text = format!("(module {})", arithmetic());
    for &compiler in COMPILERS {
        let builder = modules::builder(&text)
            .security_policy(SecurityPolicy::paranoid().with_compilers(Compilers::Any));
        let sandbox = builder.compiler(compiler).build_blocking().unwrap();
        for op in OPERATIONS {
            let double: i64 =
                sandbox.call_blocking(&format!("f64.{op}"), MARKED_F64.cast_signed()).unwrap();
            assert_eq!(double.cast_unsigned(), CANONICAL_F64, "f64.{op}, {compiler}");
            let single: i32 =
                sandbox.call_blocking(&format!("f32.{op}"), MARKED_F32.cast_signed()).unwrap();
            assert_eq!(single.cast_unsigned(), CANONICAL_F32, "f32.{op}, {compiler}");
        }
        // On x86-64 the processor makes a NaN with the sign bit set.
        let double: i64 = sandbox.call_blocking("f64.zero_by", 0i64).unwrap();
        assert_eq!(double.cast_unsigned(), CANONICAL_F64, "{compiler}");
        let single: i32 = sandbox.call_blocking("f32.zero_by", 0i32).unwrap();
        assert_eq!(single.cast_unsigned(), CANONICAL_F32, "{compiler}");
        let double: i64 = sandbox.call_blocking("promote", MARKED_F32.cast_signed()).unwrap();
        assert_eq!(double.cast_unsigned(), CANONICAL_F64, "{compiler}");
        let single: i32 = sandbox.call_blocking("demote", MARKED_F64.cast_signed()).unwrap();
        assert_eq!(single.cast_unsigned(), CANONICAL_F32, "{compiler}");
        // Other numbers are what they were, to the sign of a zero.
        for number in [-0f32, 0.0, 1.5, -3e-40, f32::INFINITY, f32::MIN] {
            let double: i64 =
                sandbox.call_blocking("promote", number.to_bits().cast_signed()).unwrap();
            assert_eq!(double.cast_unsigned(), f64::from(number).to_bits(), "{number}");
            let single: i32 = sandbox.call_blocking("demote", double).unwrap();
            assert_eq!(single.cast_unsigned(), number.to_bits(), "{number}");
        }
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn without_that_the_bits_tell_of_the_processor() {
    let text = format!("(module {})", arithmetic());
    for &compiler in COMPILERS {
        let policy =
            SecurityPolicy::strict().with_nan_bits(NanBits::Native).with_compilers(Compilers::Any);
        let builder = modules::builder(&text).security_policy(policy);
        let sandbox = builder.compiler(compiler).build_blocking().unwrap();
        let double: i64 = sandbox.call_blocking("f64.add", MARKED_F64.cast_signed()).unwrap();
        assert_eq!(double.cast_unsigned(), MARKED_F64, "{compiler}");
        let double: i64 = sandbox.call_blocking("f64.zero_by", 0i64).unwrap();
        assert_eq!(double.cast_unsigned(), CANONICAL_F64 | 1 << 63, "{compiler}");
    }
}

#[test]
fn vectors_of_paranoid_guests_have_canonical_nans_too() {
    let text = r#"(module (func (export "add") (param i64) (result i64)
        (i64x2.extract_lane 1 (f64x2.add (i64x2.splat (local.get 0)) (f64x2.splat (f64.const 1))))))"#;
    let bits = |policy| {
        let sandbox = modules::builder(text).security_policy(policy).build_blocking().unwrap();
        let bits: i64 = sandbox.call_blocking("add", MARKED_F64.cast_signed()).unwrap();
        bits.cast_unsigned()
    };
    assert_eq!(bits(SecurityPolicy::paranoid()), CANONICAL_F64);
    assert_eq!(bits(SecurityPolicy::strict()), MARKED_F64);
}
