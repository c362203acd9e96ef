//! Bytes and text go into a guest with one copy, and come out with one.
//!
//! `cargo run -p sandbox-core --example bytes_and_text`

use bytes::Bytes;
use sandbox_core::{Result, WasmSandbox};

#[path = "support/guests.rs"]
mod guests;

#[tokio::main]
pub(crate) async fn main() -> Result<()> {
    let sandbox = WasmSandbox::builder().source(guests::guest("abi_probe")).build().await?;

    // In the guest: fn second_half(bytes: &[u8]) -> &[u8]
    let data: Vec<u8> = (0..100).collect();
    let half: Vec<u8> = sandbox.call("second_half", &data).await?;
    assert_eq!(half, data[50..]);
    let half: Bytes = sandbox.call("second_half", Bytes::from(data)).await?;
    assert_eq!(half.len(), 50);

    // In the guest: fn shout(text: &str) -> String
    let loud: String = sandbox.call("shout", "größe").await?;
    assert_eq!(loud, "GRÖSSE");
    Ok(())
}
