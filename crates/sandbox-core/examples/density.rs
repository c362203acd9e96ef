//! Density: the number of guests that one process can hold, and what each of them takes.
//!
//! `cargo run --release -p sandbox-core --example density 10000 100000` makes 10,000 live instances of a WASI module, each
//! called once, and 100,000 idle sandboxes with fresh instances, and lets them go again. What is printed is per piece of the
//! last nine tenths: what comes along only once is in the first.

use std::time::Instant;

use sandbox_core::{InstanceMode, Module, Result, SecurityPolicy, WasmSandbox};

#[path = "support/guests.rs"]
mod guests;
#[path = "support/process.rs"]
mod process;

use process::Holdings;

pub(crate) fn main() -> Result<()> {
    let mut numbers = std::env::args().skip(1).map_while(|argument| argument.parse().ok());
    let (live, idle) = (numbers.next().unwrap_or(100), numbers.next().unwrap_or(1000));
    let wasm = std::fs::read(guests::guest("simple_math")).expect("the guest is there");
    let strict = SecurityPolicy::strict();
    let module = Module::compile(&wasm, &strict)?;
    // What the first one of each kind brings along stays: threads, caches, the template.
    drop((sandbox(&module, InstanceMode::Persistent)?, sandbox(&module, InstanceMode::Fresh)?));

    // Together: the allocator does not give back what is dropped, and the second kind would seem to take nothing.
    let live = Kind::hold("live instance", live, || sandbox(&module, InstanceMode::Persistent))?;
    let idle = Kind::hold("idle sandbox", idle, || sandbox(&module, InstanceMode::Fresh))?;
    idle.let_go();
    live.let_go();
    Ok(())
}

/// A sandbox of the module that has been called once.
fn sandbox(module: &Module, mode: InstanceMode) -> Result<WasmSandbox> {
    let policy = SecurityPolicy::strict().with_instances(mode);
    let sandbox = WasmSandbox::builder().module(module).security_policy(policy).build_blocking()?;
    let sum: i32 = sandbox.call_blocking("add", (42i32, 24i32))?;
    assert_eq!(sum, 66);
    Ok(sandbox)
}

/// Many sandboxes of one kind.
struct Kind {
    what: &'static str,
    held: Vec<WasmSandbox>,
    before: Holdings,
}

impl Kind {
    /// Makes so many, and says what each of the last nine tenths holds.
    fn hold(
        what: &'static str,
        number: usize,
        make: impl Fn() -> Result<WasmSandbox>,
    ) -> Result<Self> {
        let before = Holdings::now();
        let started = Instant::now();
        let mut held = Vec::with_capacity(number);
        while held.len() < number / 10 {
            held.push(make()?);
        }
        let (first, with_first) = (held.len(), Holdings::now());
        while held.len() < number {
            held.push(make()?);
        }
        let made = started.elapsed();
        let with = Holdings::now() - with_first;

        #[expect(clippy::cast_precision_loss, reason = "to be read by people")]
        let each = |all: i64| all as f64 / (number - first).max(1) as f64;
        println!("{number} times {what}: made in {made:.1?}");
        println!("  resident       {:>10.2} KiB each", each(with.resident_kib));
        println!("  page tables    {:>10.2} KiB each", each(with.page_tables_kib));
        println!("  address space  {:>10.2} MiB each", each(with.address_space_mib));
        println!("  mappings       {:>10.2} each", each(with.mappings));
        println!("  descriptors    {:>10.2} each", each(with.descriptors));
        Ok(Self { what, held, before })
    }

    fn let_go(self) {
        let started = Instant::now();
        drop(self.held);
        let dropped = started.elapsed();
        let after = Holdings::now() - self.before;
        println!("all of {} dropped in {dropped:.1?}, left: {after:?}", self.what);
    }
}
