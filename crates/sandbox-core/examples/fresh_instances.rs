//! With fresh instances, no call sees what another left behind, and calls run side by side.
//!
//! `cargo run -p sandbox-core --example fresh_instances`

use sandbox_core::{InstanceMode, Result, SecurityPolicy, WasmSandbox};

const GUEST: &str = r#"(module
    (global $count (mut i32) (i32.const 0))
    (func (export "count") (result i32)
        (global.set $count (i32.add (global.get $count) (i32.const 1)))
        global.get $count))"#;

#[tokio::main]
pub(crate) async fn main() -> Result<()> {
    let wasm = wat::parse_str(GUEST).expect("the text is valid");
    for (mode, expected) in [(InstanceMode::Persistent, [1, 2, 3]), (InstanceMode::Fresh, [1; 3])] {
        let policy = SecurityPolicy::strict().with_instances(mode).with_max_instances(16);
        let builder = WasmSandbox::builder().source_bytes(&wasm).security_policy(policy);
        let sandbox = builder.build().await?;
        for count in expected {
            assert_eq!(sandbox.call::<i32>("count", ()).await?, count, "{mode:?}");
        }
    }
    Ok(())
}
