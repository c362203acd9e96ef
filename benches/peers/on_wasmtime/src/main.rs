//! The rows in wasmtime, in each of its settings.
//!
//! Run by `cargo xtask bench-peers`; takes Criterion's command line.

mod artifact;
mod fresh;
mod settings;
mod start;
mod warm;

use peer_harness::{Rows, run};
use peer_rows::Engine;
use settings::Setting;

fn main() {
    run(|criterion| {
        for setting in [Setting::Tuned, Setting::Default] {
            let mut rows = Rows::of(setting.engine(), criterion);
            fresh::measure(&mut rows, setting);
            warm::measure(&mut rows, setting);
            start::measure(&mut rows, setting);
        }
        // Its code is slower than Cranelift's, so it is asked only for what it is for.
        let mut rows = Rows::of(Engine::WasmtimeWinch, criterion);
        start::first_call(&mut rows, Setting::Winch);
    });
}
