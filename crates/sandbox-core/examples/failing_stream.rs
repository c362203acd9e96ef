//! A gigabyte goes through a guest that may have 4 MiB of memory, and then the source fails: that is an error of the
//! output, and not an end. So nobody takes half of the data for all of it.
//!
//! `cargo run --release -p sandbox-core --example failing_stream`

use std::io;

use bytes::Bytes;
use futures::{StreamExt, stream};
use sandbox_core::{Result, SandboxError, StreamingSandbox};

#[path = "support/guests.rs"]
mod guests;

const CHUNK_BYTES: usize = 64 * 1024;
const CHUNKS: usize = 16 * 1024;

#[tokio::main]
pub(crate) async fn main() -> Result<()> {
    let sandbox = StreamingSandbox::builder()
        .source(guests::guest("stream_processor"))
        .memory_limit(4 * 1024 * 1024)
        .build()
        .await?;
    let mut processor = sandbox.create_stream_processor().await?;

    // A download, say, whose connection breaks after a gigabyte.
    let chunk = Bytes::from(vec![1u8; CHUNK_BYTES]);
    let data = std::iter::repeat_n(chunk, CHUNKS).map(Ok);
    let broken = Err(io::Error::new(io::ErrorKind::ConnectionReset, "the peer is gone"));
    let mut output = processor.process_stream(stream::iter(data.chain([broken]))).await?;

    let mut bytes = 0;
    let failure = loop {
        match output.next().await {
            Some(Ok(chunk)) => bytes += chunk.len(),
            Some(Err(error)) => break error,
            None => panic!("the guest was told of an end that there was not"),
        }
    };
    // All that came in went out, and no checksum of eight bytes that would say: this is whole.
    assert_eq!(bytes, CHUNKS * CHUNK_BYTES);
    assert!(matches!(&failure, SandboxError::SourceFailed { error, .. }
        if error.to_string() == "the peer is gone"));
    let usage = output.usage();
    assert_eq!(usage.bytes_in, 1 << 30);
    assert!(sandbox.sandbox().usage().memory_high_water_bytes <= 4 << 20);
    Ok(())
}
