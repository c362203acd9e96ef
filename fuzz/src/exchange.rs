//! Results that a hostile guest hands back: an exchange area of any contents, and values in all formats.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use sandbox_core::{InstanceMode, SecurityPolicy, SerializationFormat, WasmSandbox};
use serde::{Deserialize, Serialize};

use crate::well::{assert_typed, assert_well};

/// Bytes at the beginning of the input that the guest makes its exchange area, and then the status that it returns.
const AREA: usize = 24;

/// Answers each call with what is in its input.
const GUEST: &str = r#"(module
    (@custom "sandbox-guest" "{\"abi\":1,\"formats\":[\"json\",\"messagepack\",\"bincode\"]}\0a{\"abi\":1,\"export\":\"value\",\"input\":\"bytes\",\"output\":\"value\"}\0a{\"abi\":1,\"export\":\"text\",\"input\":\"bytes\",\"output\":\"text\"}\0a{\"abi\":1,\"export\":\"bytes\",\"input\":\"bytes\",\"output\":\"bytes\"}\0a{\"abi\":1,\"export\":\"unit\",\"input\":\"bytes\",\"output\":\"unit\"}")
    (memory (export "memory") 2)
    (func (export "sandbox_exchange") (result i32) i32.const 0)
    (func (export "sandbox_reserve") (param i32) (result i32)
        (i32.store (i32.const 0) (i32.const 4096))
        (i32.store (i32.const 4) (i32.const 65536))
        i32.const 4096)
    (func $answer (param $len i32) (result i32)
        (if (i32.lt_u (local.get $len) (i32.const 25)) (then (return (i32.const 0))))
        (memory.copy (i32.const 0) (i32.const 4096) (i32.const 24))
        (i32.load8_s (i32.const 4120)))
    (export "value" (func $answer)) (export "text" (func $answer))
    (export "bytes" (func $answer)) (export "unit" (func $answer)))"#;

/// A sandbox for each format, with new instances and with one.
static SANDBOXES: LazyLock<[[WasmSandbox; 3]; 2]> = LazyLock::new(|| {
    use SerializationFormat::{Bincode, Json, MessagePack};
    let wasm = wat::parse_str(GUEST).expect("the text is valid");
    [InstanceMode::Fresh, InstanceMode::Persistent].map(|mode| {
        [Json, MessagePack, Bincode].map(|format| {
            let policy = SecurityPolicy::strict()
                .with_instances(mode)
                .with_wall_clock(Duration::from_secs(20));
            let builder = WasmSandbox::builder().source_bytes(&wasm).security_policy(policy);
            builder.serialization_format(format).build_blocking().expect("the guest starts")
        })
    })
});

/// A list that takes a level for each of its elements.
#[derive(Debug, Serialize, Deserialize)]
enum Chain {
    End,
    Link(Box<Chain>),
}

/// A value as services exchange them.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    name: String,
    amounts: Vec<u64>,
    price: f64,
    note: Option<String>,
    state: State,
}

#[derive(Debug, Serialize, Deserialize)]
enum State {
    Open,
    Paid { by: String },
    Sent(u8, i128),
}

/// Takes bytes, and panics if the promise is broken.
pub fn run(data: &[u8]) {
    let Some((how, data)) = data.split_first() else { return };
    let input = &data[..data.len().min(60_000)];
    let is_kept = how & 0x80 != 0;
    let how = how & 0x7f;
    let sandbox = &SANDBOXES[usize::from(is_kept)][usize::from(how % 3)];
    let result = match how / 3 % 12 {
        0 => sandbox.call_blocking::<Vec<u8>>("bytes", input).map(drop),
        1 => sandbox.call_blocking::<String>("text", input).map(drop),
        2 => sandbox.call_blocking::<()>("unit", input),
        3 => sandbox.call_blocking::<Order>("value", input).map(drop),
        4 => sandbox.call_blocking::<Chain>("value", input).map(drop),
        5 => sandbox.call_blocking::<Vec<()>>("value", input).map(drop),
        6 => sandbox.call_blocking::<BTreeMap<String, Vec<Option<u32>>>>("value", input).map(drop),
        7 => sandbox.call_blocking::<(f32, i8, char, bool, String)>("value", input).map(drop),
        8 => sandbox.call_blocking::<Vec<Order>>("value", input).map(drop),
        9 if how % 3 != 2 => sandbox.call_blocking::<serde_json::Value>("value", input).map(drop),
        10 => sandbox.call_blocking::<Result<u64, String>>("value", input).map(drop),
        _ => sandbox.call_blocking::<BTreeMap<(), [u64; 0]>>("value", input).map(drop),
    };
    if let Err(error) = result {
        assert_typed(&error);
    }
    // The next caller finds an instance that answers; one that is kept is as the guest left it.
    let answer = answer(0, b"{}");
    match sandbox.call_blocking::<Vec<u8>>("bytes", &answer[..]) {
        Err(error) if is_kept => assert_typed(&error),
        Ok(_) if is_kept => {}
        well => assert!(matches!(&well, Ok(bytes) if bytes == b"{}"), "{well:?}"),
    }
    assert_well();
}

/// An input whose answer is those bytes, as an honest guest would give them.
fn answer(status: u8, output: &[u8]) -> Vec<u8> {
    let len = u32::try_from(output.len()).expect("answers of a test are short");
    let area = [4096, 65_536, 4096 + 25, len, 0, 0u32];
    let mut input: Vec<u8> = area.into_iter().flat_map(u32::to_le_bytes).collect();
    debug_assert_eq!(input.len(), AREA);
    input.push(status);
    input.extend(output);
    input
}

/// Bytes to begin with.
pub fn seeds() -> Vec<Vec<u8>> {
    let order =
        r#"{"name":"a","amounts":[1,2],"price":1.5,"note":null,"state":{"Paid":{"by":"b"}}}"#;
    let outputs: [&[u8]; 9] = [
        order.as_bytes(),
        b"\"text\"",
        b"[[],[],[]]",
        br#"{"Link":{"Link":"End"}}"#,
        &[
            0x95, 0xa1, b'a', 0x92, 1, 2, 0xcb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0, 0xc0, 0xa4, b'O',
            b'p', b'e', b'n',
        ],
        &[0xdd, 0xff, 0xff, 0xff, 0xff],
        &[0xfc, 0xff, 0xff, 0xff, 0xff],
        &[1, 1, 1, 1, 1, 0],
        &[0xff; 40],
    ];
    let mut seeds = Vec::new();
    for (number, output) in outputs.iter().enumerate() {
        for status in [0, 1, 2, 0xff] {
            for how in [0, 1, 2, 0x80, 0x81, 0x82] {
                let how = how + 3 * u8::try_from(number).unwrap_or(0);
                seeds.push([&[how][..], &answer(status, output)].concat());
            }
        }
    }
    seeds
}
