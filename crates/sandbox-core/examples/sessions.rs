//! A plugin that knows no ABI but a pointer and a length, in C style: the host asks it for room, writes there, calls,
//! and reads what came out. A session keeps one instance for all of that, and nobody's call comes between.
//!
//! `cargo run -p sandbox-core --example sessions`

use sandbox_core::{InstanceMode, Result, SandboxError, SecurityPolicy, Session, WasmSandbox};

/// Turns text around. Room is never given back: the instance is put back when the session is dropped.
const PLUGIN: &str = r#"(module
    (memory (export "memory") 1)
    (global $free (mut i32) (i32.const 1024))
    (func (export "alloc") (param i32) (result i32)
        global.get $free
        (global.set $free (i32.add (global.get $free) (local.get 0))))
    (func (export "reverse") (param $from i32) (param $len i32) (param $to i32)
        (block $done (loop $next
            (br_if $done (i32.eqz (local.get $len)))
            (local.set $len (i32.sub (local.get $len) (i32.const 1)))
            (i32.store8 (local.get $to) (i32.load8_u (i32.add (local.get $from) (local.get $len))))
            (local.set $to (i32.add (local.get $to) (i32.const 1)))
            (br $next)))))"#;

fn reverse(session: &mut Session, text: &[u8]) -> Result<Vec<u8>> {
    let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
    let from: u32 = session.call_blocking("alloc", len)?;
    let to: u32 = session.call_blocking("alloc", len)?;
    session.write(from, text)?;
    let () = session.call_blocking("reverse", (from, len, to))?;
    Ok(session.read(to, len)?.to_vec())
}

pub(crate) fn main() -> Result<()> {
    let wasm = wat::parse_str(PLUGIN).expect("the text is valid");
    let policy = SecurityPolicy::strict().with_instances(InstanceMode::Fresh);
    let sandbox =
        WasmSandbox::builder().source_bytes(&wasm).security_policy(policy).build_blocking()?;

    let mut session = sandbox.session_blocking()?;
    assert_eq!(reverse(&mut session, b"stressed")?, b"desserts");
    assert_eq!(reverse(&mut session, b"again")?, b"niaga");

    // Pointers are checked, whoever made them up.
    let outside = session.read(u32::MAX, 4);
    assert!(matches!(outside, Err(SandboxError::GuestMemory(_))));
    // Dropping the session resets the instance for the next caller.
    drop(session);
    let mut next = sandbox.session_blocking()?;
    assert_eq!(next.call_blocking::<u32>("alloc", 8)?, 1024);
    Ok(())
}
