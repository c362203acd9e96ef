//! Guests written in Rust against `sandbox-guest`.

use sandbox_core::{SecurityPolicy, WasmSandbox};

use crate::modules;

async fn sandbox(guest: &str) -> WasmSandbox {
    WasmSandbox::builder()
        .source(modules::guest(guest))
        .security_policy(SecurityPolicy::strict())
        .build()
        .await
        .unwrap()
}

#[tokio::test]
async fn simple_math_adds() {
    let sandbox = sandbox("simple_math").await;
    let sum: i32 = sandbox.call("add", (42i32, 24i32)).await.unwrap();
    assert_eq!(sum, 66);
}

#[tokio::test]
async fn bytes_make_the_round_trip_whatever_their_length() {
    let sandbox = sandbox("memory_ops").await;
    for len in [0usize, 1, 1000, 65_536, 3 << 20, 10] {
        let data: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
        let copied: Vec<u8> = sandbox.call("copy_memory", &data).await.unwrap();
        assert!(copied == data, "{len} bytes came back changed");
    }
}
