//! Answers of a hostile guest to the chunks of a stream.

use std::sync::LazyLock;
use std::time::Duration;

use sandbox_core::{SecurityPolicy, StreamingSandbox};
use tokio::runtime::Runtime;

use crate::well::assert_typed;

/// Makes the beginning of each chunk its exchange area, and the byte after it its status. The rest of the chunk can be
/// its output.
const GUEST: &str = r#"(module
    (@custom "sandbox-guest" "{\"abi\":1,\"export\":\"process_chunk\",\"input\":\"stream\",\"output\":\"bytes\"}")
    (memory (export "memory") 2)
    (func (export "sandbox_exchange") (result i32) i32.const 0)
    (func (export "sandbox_reserve") (param i32) (result i32)
        (i32.store (i32.const 0) (i32.const 4096))
        (i32.store (i32.const 4) (i32.const 65536))
        i32.const 4096)
    (func (export "process_chunk") (param $len i32) (result i32)
        (if (i32.lt_u (local.get $len) (i32.const 25)) (then
            (i32.store (i32.const 12) (i32.const 0))
            (return (i32.const 0))))
        (memory.copy (i32.const 0) (i32.const 4096) (i32.const 24))
        (i32.load8_s (i32.const 4120))))"#;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("there are threads")
});

/// With small buffers and with large ones.
static SANDBOXES: LazyLock<[StreamingSandbox; 2]> = LazyLock::new(|| {
    [64, 65_536].map(|buffer| {
        let builder = StreamingSandbox::builder()
            .source_bytes(wat::parse_str(GUEST).expect("the text is valid"))
            .security_policy(SecurityPolicy::strict().with_wall_clock(Duration::from_secs(20)))
            .function("process_chunk")
            .buffer_size(buffer);
        RUNTIME.block_on(builder.build()).expect("the guest starts")
    })
});

/// Takes bytes, and panics if the promise is broken.
pub fn run(data: &[u8]) {
    let Some((how, mut data)) = data.split_first() else { return };
    let large = how & 1 != 0;
    let most = if large { 65_536 } else { 64 };
    let mut chunks = Vec::new();
    while let Some((len, rest)) = data.split_first() {
        let (chunk, rest) = rest.split_at(rest.len().min(usize::from(*len)));
        chunks.push(chunk.to_vec());
        data = rest;
    }
    // It is made with the runtime, and so before the runtime is entered.
    let sandbox = &SANDBOXES[usize::from(large)];
    RUNTIME.block_on(async {
        let mut processor = sandbox.create_stream_processor().await.expect("there is an instance");
        // A stream after one that failed begins anew.
        for chunks in [chunks, vec![b"short".to_vec()]] {
            let input = futures::stream::iter(chunks.into_iter().map(bytes::Bytes::from));
            let mut output = match processor.process_stream(input).await {
                Ok(output) => std::pin::pin!(output),
                Err(error) => {
                    assert_typed(&error);
                    continue;
                }
            };
            while let Some(chunk) = futures::StreamExt::next(&mut output).await {
                match chunk {
                    Ok(chunk) => assert!(chunk.len() <= most, "a chunk of {} bytes", chunk.len()),
                    Err(error) => assert_typed(&error),
                }
            }
        }
    });
}

/// Bytes to begin with.
pub fn seeds() -> Vec<Vec<u8>> {
    let chunk = |pointer: u32, len: u32, status: u8, output: &[u8]| {
        let area = [4096, 65_536, pointer, len, 0, 0u32];
        let mut chunk: Vec<u8> = area.into_iter().flat_map(u32::to_le_bytes).collect();
        chunk.push(status);
        chunk.extend(output);
        chunk.insert(0, u8::try_from(chunk.len()).unwrap_or(u8::MAX));
        chunk
    };
    let honest = || chunk(4096 + 25, 6, 0, b"answer");
    let chunks = [
        vec![honest()],
        vec![honest(), honest(), honest()],
        vec![honest(), chunk(4096 + 25, 60_000, 0, b"long"), honest()],
        vec![chunk(u32::MAX, 16, 0, b"")],
        vec![chunk(131_064, 16, 0, b"")],
        vec![chunk(4096 + 25, 5, 1, b"error")],
        vec![chunk(4096 + 25, 2, 2, &[0xff, 0xfe])],
        vec![chunk(0, 0, 0xff, b"")],
    ];
    [0, 1]
        .into_iter()
        .flat_map(|how| chunks.iter().map(move |chunks| [vec![how], chunks.concat()].concat()))
        .collect()
}
