//! Modules in WebAssembly's text format, for benchmarks in which a compiler must not take part.

/// Functions of numbers, without imports and without memory.
///
/// `count(n)` runs a loop of `n` rounds that no compiler can shorten; [`count`] is what it returns. `spin` never
/// returns. `nothing` does nothing.
pub const NUMBERS: &str = r#"(module
    (func (export "add") (param i32 i32) (result i32)
        (i32.add (local.get 0) (local.get 1)))
    (func (export "count") (param $left i64) (result i64)
        (local $sum i64)
        (block $done
            (loop $again
                (br_if $done (i64.eqz (local.get $left)))
                (local.set $sum
                    (i64.add
                        (i64.mul (local.get $sum) (i64.const 6364136223846793005))
                        (local.get $left)))
                (local.set $left (i64.sub (local.get $left) (i64.const 1)))
                (br $again)))
        (local.get $sum))
    (func (export "spin") (loop $again (br $again)))
    (func (export "nothing")))"#;

/// The bytes of a module in text form.
pub fn wasm(text: &str) -> Vec<u8> {
    crate::suite::expect(wat::parse_str(text))
}

/// Result of `count` of [`NUMBERS`].
pub fn count(rounds: i64) -> i64 {
    (1..=rounds)
        .rev()
        .fold(0_i64, |sum, left| sum.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(left))
}
