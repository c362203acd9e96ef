//! A guest that attacks. Each attack ends in a typed error, and the sandbox and its neighbour are well.

use std::time::Duration;

use sandbox_core::{InstanceMode, SandboxError, SecurityPolicy, TrapCode, WasmSandbox};

use super::MODE;
use crate::modules;

async fn hostile(policy: SecurityPolicy) -> WasmSandbox {
    let builder = WasmSandbox::builder().source(modules::guest("hostile"));
    builder.security_policy(policy.with_instances(MODE)).build().await.unwrap()
}

/// The attacked sandbox answers its next call, and so does another one.
async fn assert_well(sandbox: &WasmSandbox) {
    let neighbour = hostile(SecurityPolicy::strict()).await;
    for sandbox in [sandbox, &neighbour] {
        let one_step: u32 = sandbox.call("spin_for", 1u64).await.unwrap();
        assert_eq!(one_step, 270_369);
    }
}

#[tokio::test]
async fn what_never_ends_is_stopped() {
    let policy = SecurityPolicy::strict().with_wall_clock(Duration::from_secs(600));
    let sandbox = hostile(policy).await;
    let hurried = sandbox.with_time_limit(Duration::from_millis(50));
    for attack in ["spin", "spin_alloc", "spin_in_host", "sleep_forever"] {
        let error = hurried.call::<()>(attack, ()).await.unwrap_err();
        assert!(matches!(error, SandboxError::Timeout { .. }), "{attack}: {error}");
        assert_well(&sandbox).await;
    }
}

#[tokio::test]
async fn recursion_without_end_uses_up_the_stack() {
    let sandbox = hostile(SecurityPolicy::strict()).await;
    let error = sandbox.call::<u64>("recurse", ()).await.unwrap_err();
    // Rust keeps part of a frame in linear memory, so it may be that stack which ends first.
    assert!(
        matches!(
            error,
            SandboxError::Trap { code: TrapCode::StackOverflow | TrapCode::MemoryOutOfBounds, .. }
        ),
        "{error}"
    );
    assert_well(&sandbox).await;
}

#[tokio::test]
async fn memory_ends_at_its_limit() {
    let limit = 8 << 20;
    let sandbox = hostile(SecurityPolicy::strict().with_memory_limit(limit)).await;
    let pages: u32 = sandbox.call("hoard", ()).await.unwrap();
    assert!(u64::from(pages) * 65_536 < limit, "{pages} pages");
    let error = sandbox.call::<()>("allocate_until_abort", ()).await.unwrap_err();
    assert!(matches!(error, SandboxError::MemoryLimit { .. }), "{error}");
    assert_well(&sandbox).await;
}

#[tokio::test]
async fn floods_of_output_are_stopped() {
    let sandbox = hostile(SecurityPolicy::strict()).await;
    for attack in ["print_forever", "complain_forever"] {
        let error = sandbox.call::<()>(attack, ()).await.unwrap_err();
        assert!(matches!(error, SandboxError::OutputLimit { .. }), "{attack}: {error}");
        assert_well(&sandbox).await;
    }
}

#[tokio::test]
async fn lies_in_the_exchange_area_are_found_out() {
    let sandbox = hostile(SecurityPolicy::strict()).await;
    for lie in [
        "output_out_of_range",
        "output_too_long",
        "output_overflowing",
        "output_all_ones",
        "unknown_status",
    ] {
        let error = sandbox.call::<Vec<u8>>(lie, &b"input"[..]).await.unwrap_err();
        assert!(matches!(error, SandboxError::AbiViolation { .. }), "{lie}: {error}");
        assert_well(&sandbox).await;
    }
}

#[tokio::test]
async fn a_lie_about_the_next_input_harms_nobody_but_the_guest() {
    let sandbox = hostile(SecurityPolicy::strict()).await;
    let input = vec![7u8; 4096];
    let _ = sandbox.call::<Vec<u8>>("input_out_of_range", &input).await;
    let second = sandbox.call::<Vec<u8>>("input_out_of_range", &input).await;
    if MODE == InstanceMode::Persistent {
        let error = second.unwrap_err();
        assert!(matches!(error, SandboxError::AbiViolation { .. }), "{error}");
    }
    assert_well(&sandbox).await;
    // Written to the start of its own memory: what breaks there is the guest's alone.
    let _ = sandbox.call::<Vec<u8>>("input_at_zero", &input).await;
    let _ = sandbox.call::<Vec<u8>>("input_at_zero", &input).await;
    let neighbour = hostile(SecurityPolicy::strict()).await;
    assert_well(&neighbour).await;
}

#[tokio::test]
async fn rubbish_as_a_result_is_undecodable() {
    let sandbox = hostile(SecurityPolicy::strict()).await;
    let error = sandbox.call::<String>("text_not_utf8", &b""[..]).await.unwrap_err();
    assert!(matches!(error, SandboxError::Undecodable { .. }), "{error}");
    let error = sandbox.call::<Vec<String>>("value_of_rubbish", &b""[..]).await.unwrap_err();
    assert!(matches!(error, SandboxError::Undecodable { .. }), "{error}");
    let error = sandbox.call::<Vec<u8>>("error_not_utf8", &b""[..]).await.unwrap_err();
    assert!(matches!(error, SandboxError::GuestError { .. }), "{error}");
    for lie in ["false_panic", "unknown_state"] {
        // The call returned, whatever it says about a panic.
        sandbox.call::<Vec<u8>>(lie, &b""[..]).await.unwrap();
    }
    assert_well(&sandbox).await;
}

#[tokio::test]
async fn messages_without_end_are_cut() {
    let sandbox = hostile(SecurityPolicy::strict()).await;
    let errors = [
        sandbox.call::<String>("fail_at_length", ()).await.unwrap_err(),
        sandbox.call::<()>("panic_at_length", "").await.unwrap_err(),
        sandbox.call::<i32>("panic_out_of_range", 0i32).await.map(drop).unwrap_err(),
    ];
    for error in errors {
        assert!(error.to_string().len() < 8192, "{} bytes", error.to_string().len());
    }
    assert_well(&sandbox).await;
}
