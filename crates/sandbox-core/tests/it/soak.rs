//! Honest and hostile guests side by side for a time, on all cores, while what they take is counted.
//!
//! `cargo xtask soak --sandbox --minutes N` plays it for long; the tests play it for a moment.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64;
use sandbox_core::{
    Compiler, InstanceMode, SandboxError, SandboxPool, SecurityPolicy, WasmSandbox,
};

use crate::alone;
use crate::modules::wasm;

/// Says for how many minutes it is played.
const MINUTES: &str = "SOAK_MINUTES";

/// Time that a guest has which never ends.
const PATIENCE: Duration = Duration::from_millis(20);

/// Time between two looks at what the process has.
const LOOK: Duration = Duration::from_millis(500);

/// Computes, and does whatever is bad.
const GUEST: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 2)
    (data (i32.const 16) "\20\00\00\00\00\04\00\00")
    (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add)
    (func (export "canary") (param i32) (result i32)
        (i32.load (i32.const 70000))
        (i32.store (i32.const 70000) (local.get 0)))
    (func (export "spin") (loop $again br $again))
    (func (export "trap") unreachable)
    (func $deep (export "deep") (result i32) (i32.add (call $deep) (i32.const 1)))
    (func (export "hoard") (loop $more
        (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
        (memory.fill (i32.shl (i32.sub (memory.size) (i32.const 1)) (i32.const 16))
            (i32.const 7) (i32.const 65536))
        br $more))
    (func (export "flood") (loop $more
        (drop (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 8)))
        br $more))
    (func (export "leave") (call $exit (i32.const 3))))"#;

/// A module that nobody has seen before.
fn unseen(number: u64) -> Vec<u8> {
    wasm(&format!(r#"(module (func (export "number") (result i64) (i64.const {number})))"#))
}

/// Resources of the process at a moment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Holdings {
    memory_bytes: u64,
    pub(crate) descriptors: u64,
    pub(crate) threads: u64,
    pub(crate) mappings: u64,
}

impl Holdings {
    pub(crate) fn now() -> Self {
        let count = |folder: &str| std::fs::read_dir(folder).unwrap().count() as u64;
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages: u64 = pages.split(' ').nth(1).unwrap().parse().unwrap();
        Self {
            memory_bytes: pages * 4096,
            descriptors: count("/proc/self/fd"),
            threads: count("/proc/self/task"),
            mappings: std::fs::read_to_string("/proc/self/maps").unwrap().lines().count() as u64,
        }
    }

    fn most(all: &[Self]) -> Self {
        all.iter().fold(Self::default(), |most, one| Self {
            memory_bytes: most.memory_bytes.max(one.memory_bytes),
            descriptors: most.descriptors.max(one.descriptors),
            threads: most.threads.max(one.threads),
            mappings: most.mappings.max(one.mappings),
        })
    }

    /// Whether the second half of a time took no more than the first, with room for chance.
    fn is_flat(before: Self, after: Self) -> bool {
        let within = |before: u64, after: u64, room: u64| after <= before + before / 10 + room;
        within(before.memory_bytes, after.memory_bytes, 16 << 20)
            && within(before.descriptors, after.descriptors, 4)
            && within(before.threads, after.threads, 4)
            && within(before.mappings, after.mappings, 64)
    }
}

/// The sandboxes that all threads share.
struct Scene {
    fresh: WasmSandbox,
    persistent: WasmSandbox,
    pool: SandboxPool,
    folder: tempfile::TempDir,
    modules: AtomicU64,
    calls: AtomicU64,
    failures: AtomicU64,
    /// Nanoseconds of honest calls, one in a hundred.
    times: Mutex<Vec<u64>>,
}

impl Scene {
    fn new() -> Self {
        let bytes = wasm(GUEST);
        let policy =
            || SecurityPolicy::strict().with_wall_clock(PATIENCE).with_memory_limit(4 << 20);
        let build = |mode| {
            let policy = policy().with_instances(mode);
            let builder = WasmSandbox::builder().source_bytes(&bytes).security_policy(policy);
            builder.build_blocking().unwrap()
        };
        let persistent = build(InstanceMode::Persistent);
        let one = WasmSandbox::builder().source_bytes(&bytes).security_policy(policy());
        Self {
            fresh: build(InstanceMode::Fresh),
            pool: SandboxPool::builder().sandbox(one).size(3).build_blocking().unwrap(),
            persistent,
            folder: tempfile::tempdir().unwrap(),
            modules: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            times: Mutex::default(),
        }
    }

    /// Does one thing, and looks at what comes of it. What is wrong ends the test.
    fn act(&self, random: &mut Pcg64) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let sandbox = if random.random_bool(0.5) { &self.fresh } else { &self.persistent };
        match random.random_range(0..100) {
            0..60 => self.honest(sandbox, random),
            60..75 => {
                let found =
                    self.fresh.call_blocking::<i32>("canary", 1 + random.random_range(0..1000));
                self.judge(found, |found| *found == 0, is_slow);
            }
            75..80 => {
                self.fails(sandbox, "trap", |error| matches!(error, SandboxError::Trap { .. }))
            }
            80..83 => {
                self.fails(sandbox, "deep", |error| matches!(error, SandboxError::Trap { .. }))
            }
            83..86 => self.fails(sandbox, "hoard", |error| {
                matches!(error, SandboxError::MemoryLimit { .. } | SandboxError::Trap { .. })
            }),
            86..89 => self
                .fails(sandbox, "flood", |error| matches!(error, SandboxError::OutputLimit { .. })),
            89..92 => self.fails(sandbox, "leave", |error| {
                matches!(error, SandboxError::Exited { code: 3, .. })
            }),
            92..95 => self.fails(sandbox, "spin", |_| false),
            95..98 => self.cancel(sandbox),
            _ => self.build_unseen(random),
        }
    }

    fn honest(&self, sandbox: &WasmSandbox, random: &mut Pcg64) {
        let (one, other) = (random.random_range(0..1_000_000), random.random_range(0..1_000_000));
        let is_timed = random.random_range(0..100) == 0;
        let began = is_timed.then(Instant::now);
        let sum = if random.random_bool(0.2) {
            self.pool.call_blocking::<i32>("add", (one, other))
        } else {
            sandbox.call_blocking::<i32>("add", (one, other))
        };
        if let Some(began) = began {
            let nanos = u64::try_from(began.elapsed().as_nanos()).unwrap();
            self.times.lock().unwrap().push(nanos);
        }
        self.judge(sum, |sum| *sum == one + other, is_slow);
    }

    /// A call that is dropped while its guest runs.
    fn cancel(&self, sandbox: &WasmSandbox) {
        let call = std::pin::pin!(sandbox.call::<()>("spin", ()));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        if let std::task::Poll::Ready(outcome) = call.poll(&mut context) {
            self.judge(outcome, |()| false, is_slow);
        }
    }

    /// A module that is compiled and kept in a folder that has room for few.
    fn build_unseen(&self, random: &mut Pcg64) {
        let number = self.modules.fetch_add(1, Ordering::Relaxed);
        let compiler =
            if random.random_bool(0.5) { Compiler::Cranelift } else { Compiler::Singlepass };
        let builder = WasmSandbox::builder().source_bytes(unseen(number)).compiler(compiler);
        let builder = builder.cache_dir(self.folder.path()).cache_limit(256 * 1024);
        let sandbox = builder.build_blocking().unwrap();
        let found = sandbox.call_blocking::<u64>("number", ());
        self.judge(found, |found| *found == number, |_| false);
    }

    fn fails(&self, sandbox: &WasmSandbox, name: &str, is_right: impl Fn(&SandboxError) -> bool) {
        let outcome = sandbox.call_blocking::<()>(name, ());
        self.judge(outcome, |()| false, |error| is_right(error) || is_slow(error));
    }

    fn judge<T: std::fmt::Debug>(
        &self,
        outcome: Result<T, SandboxError>,
        is_right: impl FnOnce(&T) -> bool,
        may_fail: impl FnOnce(&SandboxError) -> bool,
    ) {
        match outcome {
            Ok(value) => assert!(is_right(&value), "a wrong value: {value:?}"),
            Err(error) => {
                assert!(may_fail(&error), "a wrong error: {error}");
                self.failures.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// On a busy machine any guest may be out of time.
fn is_slow(error: &SandboxError) -> bool {
    matches!(error, SandboxError::Timeout { .. })
}

/// Plays for that time, and returns a report.
fn play(time: Duration) -> String {
    let scene = Scene::new();
    let cores = std::thread::available_parallelism().unwrap().get();
    let end = Instant::now() + time;
    let mut seen = Vec::new();
    std::thread::scope(|scope| {
        for number in 0..cores as u64 {
            let scene = &scene;
            scope.spawn(move || {
                let mut random = Pcg64::seed_from_u64(number);
                while Instant::now() < end {
                    scene.act(&mut random);
                }
            });
        }
        while Instant::now() < end {
            std::thread::sleep(LOOK);
            seen.push(Holdings::now());
        }
    });
    let (first, second) = seen.split_at(seen.len() / 2);
    let (first, second) = (Holdings::most(first), Holdings::most(second));
    let report = report(&scene, time, &seen);
    // The caches fill in the first minutes.
    assert!(time < Duration::from_secs(120) || Holdings::is_flat(first, second), "{report}");
    assert!(entries(scene.folder.path()) < 200, "the cache folder has no bound: {report}");
    report
}

fn entries(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

fn report(scene: &Scene, time: Duration, seen: &[Holdings]) -> String {
    let mut text = format!(
        "{} s, {} deeds, {} of them failed as they had to, {} modules compiled\n",
        time.as_secs(),
        scene.calls.load(Ordering::Relaxed),
        scene.failures.load(Ordering::Relaxed),
        scene.modules.load(Ordering::Relaxed)
    );
    let mut times = scene.times.lock().unwrap().clone();
    times.sort_unstable();
    if !times.is_empty() {
        let at = |per_mille: usize| times[(times.len() - 1) * per_mille / 1000] / 1000;
        writeln!(
            text,
            "honest calls: half within {} us, 90% {} us, 99% {} us, 99.9% {} us, all {} us ({} timed)",
            at(500),
            at(900),
            at(990),
            at(999),
            at(1000),
            times.len()
        )
        .unwrap();
    }
    for (quarter, seen) in seen.chunks(seen.len().div_ceil(4).max(1)).enumerate() {
        let most = Holdings::most(seen);
        writeln!(
            text,
            "quarter {}: at most {} MiB, {} descriptors, {} threads, {} mappings",
            quarter + 1,
            most.memory_bytes >> 20,
            most.descriptors,
            most.threads,
            most.mappings
        )
        .unwrap();
    }
    text
}

#[test]
fn honest_guests_are_well_beside_hostile_ones() {
    alone::run("soak::for_a_time");
}

/// Not a test: what runs in a process of its own.
#[test]
#[ignore = "runs only as a process of another test"]
fn for_a_time() {
    let minutes = std::env::var(MINUTES).ok().and_then(|minutes| minutes.parse().ok());
    let time = Duration::from_secs_f64(60.0 * minutes.unwrap_or(0.05));
    println!("{}", play(time));
}
