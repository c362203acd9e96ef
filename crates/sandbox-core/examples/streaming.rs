//! A stream goes through a guest chunk by chunk, in bounded memory, as fast as its output is read.
//!
//! `cargo run -p sandbox-core --example streaming`

use std::pin::pin;

use bytes::Bytes;
use futures::{StreamExt, stream};
use sandbox_core::{Result, StreamingSandbox};

#[path = "support/guests.rs"]
mod guests;

#[tokio::main]
pub(crate) async fn main() -> Result<()> {
    // In the guest: fn process_stream(chunk: Option<&[u8]>) -> Vec<u8>, which masks bytes, and at the end
    // returns a checksum of eight bytes.
    let sandbox = StreamingSandbox::builder()
        .source(guests::guest("stream_processor"))
        .memory_limit(4 * 1024 * 1024)
        .buffer_size(64 * 1024)
        .build()
        .await?;

    // Four times as much as the guest has memory.
    let chunk = Bytes::from(vec![1u8; 64 * 1024]);
    let input = stream::iter(std::iter::repeat_n(chunk, 256));
    let mut processor = sandbox.create_stream_processor().await?;
    let mut output = pin!(processor.process_stream(input).await?);
    let mut bytes = 0;
    while let Some(chunk) = output.next().await {
        bytes += chunk?.len();
    }
    assert_eq!(bytes, 16 * 1024 * 1024 + 8);

    // The next stream of the same processor begins with a new guest.
    let mut processor = sandbox.create_stream_processor().await?;
    let output = processor.process_stream(stream::iter(["first", "second"])).await?;
    let chunks: Vec<Result<Bytes>> = output.collect().await;
    assert_eq!(chunks.len(), 3, "two chunks and the checksum");
    Ok(())
}
