//! Computations of guests in Rust, on both tiers.

use std::collections::BTreeMap;
use std::fmt::Debug;

use abi_probe::{Line, Order, Report, Status};
use sandbox_core::{Compiler, RunRequest, SandboxError, SecurityPolicy, Tiering, WasmSandbox};

use super::{busy_compiler, fresh};
use crate::modules;

/// One guest on each tier, and one that has moved.
struct Tiers {
    /// A persistent instance of the first tier, which stays there.
    first: WasmSandbox,
    /// Fresh instances of the second tier, which begin with what code of the first left.
    moved: WasmSandbox,
    /// A persistent instance that began on the second tier.
    second: WasmSandbox,
}

impl Tiers {
    async fn of<const N: usize>(guests: [&str; N]) -> [Self; N] {
        let busy = busy_compiler();
        let mut first_tier = Vec::new();
        for guest in guests {
            let builder = WasmSandbox::builder().source(modules::guest(guest)).disable_cache();
            let builder = builder.security_policy(modules::strict_and_persistent());
            let first = builder.tiering(Tiering::Auto).build().await.unwrap();
            let moved = alike(&first, fresh()).await;
            for sandbox in [&first, &moved] {
                assert_eq!(sandbox.compiler().await, Compiler::Singlepass, "{guest}");
            }
            first_tier.push((first, moved));
        }
        drop(busy);
        let mut tiers = Vec::new();
        for (first, moved) in first_tier {
            assert_eq!(moved.optimised().await.compiler(), Compiler::Cranelift);
            let second = alike(&first, modules::strict_and_persistent()).await;
            tiers.push(Self { first, moved, second });
        }
        tiers.try_into().unwrap_or_else(|_| unreachable!("one for each guest"))
    }

    /// Does the same with each, and returns what all of them gave.
    async fn same<T: PartialEq + Debug>(&self, calls: impl AsyncFn(&WasmSandbox) -> T) -> T {
        assert_eq!(self.first.compiler().await, Compiler::Singlepass);
        let result = calls(&self.first).await;
        for other in [&self.moved, &self.second] {
            assert_eq!(other.compiler().await, Compiler::Cranelift);
            assert_eq!(calls(other).await, result);
        }
        result
    }
}

/// Another sandbox of the same module, under another policy.
async fn alike(sandbox: &WasmSandbox, policy: SecurityPolicy) -> WasmSandbox {
    let builder = WasmSandbox::builder().module(sandbox.module());
    builder.security_policy(policy).build().await.unwrap()
}

fn order() -> Order {
    Order {
        id: u64::MAX - 7,
        customer: Some("Zoë".to_owned()),
        lines: (1..40i32)
            .map(|at| Line {
                article: format!("article {at}"),
                count: at - 20,
                price: f64::from(at) / 7.0,
            })
            .collect(),
        notes: BTreeMap::from([("gift".to_owned(), "yes".to_owned())]),
        status: Status::Shipped { tracking: "T1".to_owned(), parcels: 2 },
    }
}

#[tokio::test]
async fn numbers_text_and_values_of_a_guest_in_rust_are_the_same_on_both_tiers() {
    let [probe] = Tiers::of(["abi_probe"]).await;
    let mixed = async |sandbox: &WasmSandbox| -> f64 {
        let arguments = (-1i8, 2u16, u32::MAX, -1i64 << 40, 2.9f32, true);
        sandbox.call("mixed_numbers", arguments).await.unwrap()
    };
    let expected = abi_probe::mixed_numbers(-1, 2, u32::MAX, -1 << 40, 2.9, true);
    assert_eq!(probe.same(mixed).await, expected);
    let shout =
        async |sandbox: &WasmSandbox| -> String { sandbox.call("shout", "größe").await.unwrap() };
    assert_eq!(probe.same(shout).await, "GRÖSSE");
    let half = async |sandbox: &WasmSandbox| -> Vec<u8> {
        let bytes: Vec<u8> = (0..=250).cycle().take(100_000).collect();
        sandbox.call("second_half", bytes).await.unwrap()
    };
    assert_eq!(probe.same(half).await.len(), 50_000);
    let echoed = async |sandbox: &WasmSandbox| -> Order {
        sandbox.call("echo_order", order()).await.unwrap()
    };
    assert_eq!(probe.same(echoed).await, order());
    let summary = async |sandbox: &WasmSandbox| -> Report {
        sandbox.call("summarise", order()).await.unwrap()
    };
    assert_eq!(probe.same(summary).await, order().summary());
    let quotients = async |sandbox: &WasmSandbox| -> Vec<Result<i64, String>> {
        let mut quotients = Vec::new();
        for divisor in [3i64, -1, 0] {
            let quotient = sandbox.call("divide", (i64::MIN, divisor)).await;
            quotients.push(quotient.map_err(|error: SandboxError| error.to_string()));
        }
        quotients
    };
    let quotients = probe.same(quotients).await;
    assert!(matches!(&quotients[..], [Ok(_), Err(_), Err(_)]), "{quotients:?}");
    // Last, because who panics is replaced, by an instance with the better code.
    let panic = async |sandbox: &WasmSandbox| -> String {
        let error = sandbox.call::<u32>("third_of_three", 3u32).await.unwrap_err();
        let SandboxError::GuestPanic { message, .. } = error else { panic!("{error}") };
        message
    };
    let message = probe.same(panic).await;
    assert!(message.contains("index") && message.contains("lib.rs:"), "{message}");
}

#[tokio::test]
async fn guests_in_rust_that_compute_much_give_the_same_on_both_tiers() {
    let guests = ["cpu_intensive", "computation", "gc_heavy", "record", "small_module"];
    let [collatz, matrices, allocations, record, checksums] = Tiers::of(guests).await;
    let longest =
        async |sandbox: &WasmSandbox| -> u64 { sandbox.call("compute", 10_000u32).await.unwrap() };
    assert_eq!(collatz.same(longest).await, 6171 << 32 | 261);
    let squares = async |sandbox: &WasmSandbox| -> u64 {
        sandbox.call("compute_intensive", 20u32).await.unwrap()
    };
    matrices.same(squares).await;
    let pressure = async |sandbox: &WasmSandbox| -> u64 {
        sandbox.call("allocation_pressure", 1_000u32).await.unwrap()
    };
    allocations.same(pressure).await;
    for number in [0, 7, u32::MAX] {
        let encoded = async |sandbox: &WasmSandbox| -> u32 {
            sandbox.call("serialise_record", number).await.unwrap()
        };
        record.same(encoded).await;
    }
    let sums = async |sandbox: &WasmSandbox| -> Vec<u8> {
        sandbox.call("run", &b"123456789"[..]).await.unwrap()
    };
    // The check values that the algorithms are published with.
    let mut expected = 0xcbf4_3926u32.to_le_bytes().to_vec();
    expected.extend(0x091e_01deu32.to_le_bytes());
    expected.extend(0x06d5_5739_23c6_cdfcu64.to_le_bytes());
    assert_eq!(checksums.same(sums).await, expected);
}

#[tokio::test]
async fn a_program_in_rust_prints_the_same_on_both_tiers() {
    let busy = busy_compiler();
    let builder = WasmSandbox::builder().source(modules::guest("sha256")).disable_cache();
    let builder = builder.security_policy(fresh()).tiering(Tiering::Auto);
    let sandbox = builder.build().await.unwrap();
    let hash = async || sandbox.run(RunRequest::new().stdin("abc")).await.unwrap().stdout;
    let first = hash().await;
    // Nobody goes back, so that was the first tier.
    assert_eq!(sandbox.compiler().await, Compiler::Singlepass);
    drop(busy);
    assert_eq!(sandbox.optimised().await.compiler(), Compiler::Cranelift);
    assert_eq!(hash().await, first);
    let published = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(String::from_utf8(first).unwrap(), published);
}
