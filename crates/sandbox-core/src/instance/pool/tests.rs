use std::time::Duration;

use super::*;
use crate::context::Context;
use crate::error::CoreDumps;
use crate::format::SerializationFormat;
use crate::host::{HostBinding, HostFunctions};
use crate::marshal::arguments::Arguments;
use crate::module::Module;
use crate::policy::InstanceMode;
use crate::sys::memory::ResetMethod;
use crate::watchdog::CallControl;

const TEXT: &str = r#"(module (memory 2) (global $g (mut i32) (i32.const 5))
    (func (export "pure") (result i32) (i32.load (i32.const 0)))
    (func (export "write") (result i32)
        (global.set $g (i32.const 6))
        (i32.store (i32.const 70000) (i32.const 1))
        (i32.load (i32.const 70000)))
    (func (export "trap") (drop (memory.grow (i32.const 3))) unreachable)
    (func (export "spin") (loop $again (br $again))))"#;

fn pool(text: &str, method: ResetMethod) -> Arc<InstancePool> {
    pool_within(Duration::from_secs(600), text, method)
}

/// A pool of a policy that lets calls take that long.
fn pool_within(wall_clock: Duration, text: &str, method: ResetMethod) -> Arc<InstancePool> {
    let policy = Arc::new(
        SecurityPolicy::strict()
            .with_instances(InstanceMode::Fresh)
            .with_max_instances(2)
            .with_wall_clock(wall_clock),
    );
    let module = Module::compile(&wat::parse_str(text).unwrap(), &policy).unwrap();
    InstancePool::new(&recipe(&module, &policy, method), &Cancellation::default()).unwrap()
}

fn recipe(module: &Module, policy: &Arc<SecurityPolicy>, reset: ResetMethod) -> Recipe {
    let host = HostBinding::new(module, HostFunctions::default(), Context::default()).unwrap();
    Recipe {
        module: module.clone(),
        policy: Arc::clone(policy),
        host,
        reset,
        core_dumps: CoreDumps::Never,
        profiler: None,
    }
}

fn methods() -> [ResetMethod; 3] {
    [ResetMethod::quickest(), ResetMethod::discard(), ResetMethod::Copy]
}

/// Takes an instance, calls the function in it, and gives it back. Says whose calls they were.
fn used(pool: &Arc<InstancePool>, function: &str) -> Arc<CallControl> {
    let mut instance = pool.take(&Cancellation::default()).unwrap();
    instance.begin_turn();
    let (id, export) = pool.recipe.module.function(function).unwrap();
    let (format, formats) = (SerializationFormat::default(), pool.recipe.module.formats());
    let mut arguments = Arguments::prepare(export, &(), format, formats).unwrap();
    let _ = instance.enter(id, export, arguments.call_buffer());
    let control = Arc::clone(instance.control());
    pool.put_back(instance);
    control
}

/// Waits until the worker thread has nothing left to do.
fn wait_for_workers(pool: &InstancePool) {
    while pool.being_cleaned.load(Ordering::Acquire) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn the_same_instance_serves_call_after_call() {
    for method in methods() {
        let pool = pool(TEXT, method);
        let first = used(&pool, "write");
        for function in ["write", "pure", "write", "pure"] {
            assert!(Arc::ptr_eq(&used(&pool, function), &first), "{method:?} {function}");
        }
    }
}

#[test]
fn after_the_first_call_the_instance_is_put_back_without_anybody_asking() {
    let pool = pool(TEXT, ResetMethod::quickest());
    let first = used(&pool, "write");
    wait_for_workers(&pool);
    assert!(pool.dirty().is_empty());
    let ready = pool.free.take().unwrap();
    assert!(Arc::ptr_eq(ready.control(), &first));
}

#[test]
fn a_pool_that_goes_before_its_first_instance_was_put_back_takes_it_along() {
    let pool = pool(TEXT, ResetMethod::quickest());
    let control = Arc::downgrade(&used(&pool, "write"));
    drop(pool);
    // Only the watchdog may still have it on its list, for a while.
    let until = std::time::Instant::now() + Duration::from_secs(10);
    while control.strong_count() > 0 && std::time::Instant::now() < until {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(control.strong_count(), 0);
}

#[test]
fn an_instance_that_trapped_is_put_back_where_memory_can_shrink() {
    let pool = pool(TEXT, ResetMethod::quickest());
    let first = used(&pool, "trap");
    wait_for_workers(&pool);
    let second = used(&pool, "write");
    if ResetMethod::quickest() != ResetMethod::Copy {
        assert!(Arc::ptr_eq(&first, &second));
    }
}

#[test]
fn an_instance_that_was_interrupted_is_replaced_in_advance() {
    for method in methods() {
        let pool = pool_within(Duration::from_millis(30), TEXT, method);
        let first = used(&pool, "spin");
        wait_for_workers(&pool);
        assert!(pool.free.take().is_some_and(|ready| !Arc::ptr_eq(ready.control(), &first)));
    }
}

#[test]
fn an_instance_that_cannot_be_put_back_is_not_kept() {
    let text = r#"(module (table 1 funcref)
        (func (export "write") (table.set (i32.const 0) (ref.null func))))"#;
    let pool = pool(text, ResetMethod::quickest());
    assert!(pool.template.is_none());
    let first = used(&pool, "write");
    assert!(!Arc::ptr_eq(&used(&pool, "write"), &first));
}

#[test]
fn no_more_instances_are_kept_than_may_run() {
    let pool = pool(TEXT, ResetMethod::quickest());
    let taken: Vec<_> = (0..4).map(|_| pool.take(&Cancellation::default()).unwrap()).collect();
    taken.into_iter().for_each(|instance| pool.put_back(instance));
    wait_for_workers(&pool);
    assert_eq!(std::iter::from_fn(|| pool.free.take()).count(), 2);
}

#[test]
fn a_pool_that_nobody_uses_is_emptied_and_filled_again() {
    let pool = pool(TEXT, ResetMethod::quickest());
    idle::look_at(&pool);
    assert_eq!(pool.instances.load(Ordering::Relaxed), 1, "it was used just now");
    idle::look_at(&pool);
    assert_eq!(pool.instances.load(Ordering::Relaxed), 0);
    used(&pool, "write");
    assert_eq!(pool.instances.load(Ordering::Relaxed), 1);
    idle::look_at(&pool);
    assert_eq!(pool.instances.load(Ordering::Relaxed), 1);
}

#[test]
fn sandboxes_that_are_alike_share_a_pool() {
    let policy = Arc::new(SecurityPolicy::strict().with_instances(InstanceMode::Fresh));
    let module = Module::compile(&wat::parse_str(TEXT).unwrap(), &policy).unwrap();
    let of = |policy: &Arc<SecurityPolicy>, method| {
        InstancePool::of(&recipe(&module, policy, method), &Cancellation::default()).unwrap()
    };
    let first = of(&policy, ResetMethod::quickest());
    assert!(Arc::ptr_eq(&first, &of(&policy, ResetMethod::quickest())));
    let other = Arc::new(SecurityPolicy::clone(&policy).with_table_limit(77));
    assert!(!Arc::ptr_eq(&first, &of(&other, ResetMethod::quickest())));
    let same_text = Module::compile(&wat::parse_str(TEXT).unwrap(), &policy).unwrap();
    let (method, none) = (ResetMethod::quickest(), Cancellation::default());
    let another = InstancePool::of(&recipe(&same_text, &policy, method), &none).unwrap();
    assert!(!Arc::ptr_eq(&first, &another));
    let folder = SecurityPolicy::clone(&policy);
    let folder = folder.with_folder(std::env::temp_dir(), "/tmp", crate::Access::ReadOnly);
    let folder = Arc::new(folder);
    let granted = of(&folder, ResetMethod::quickest());
    assert!(!Arc::ptr_eq(&granted, &of(&folder, ResetMethod::quickest())));
}

/// Panics whenever this crate has something to log.
struct Panicking;

impl tracing::Subscriber for Panicking {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("sandbox_core")
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        panic!("nobody may say anything");
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn a_panic_of_the_host_while_instances_are_put_back_loses_none_of_their_places() {
    const PRINTS: &str = r#"(module
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "print")
            (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))))"#;
    let folder = tempfile::tempdir().unwrap();
    let policy = Arc::new(
        SecurityPolicy::strict()
            .with_instances(InstanceMode::Fresh)
            .with_max_instances(2)
            .with_folder(folder.path(), "/granted", crate::Access::ReadOnly),
    );
    let module = Module::compile(&wat::parse_str(PRINTS).unwrap(), &policy).unwrap();
    let (method, none) = (ResetMethod::quickest(), Cancellation::default());
    let (first, template) =
        Template::of_module(&recipe(&module, &policy, method), Users::Calls, &none).unwrap();
    let pool = Arc::new(InstancePool {
        // Whoever makes the next instance is the first to open the folder.
        recipe: recipe(&module, &policy, method),
        template,
        instances: AtomicUsize::new(1),
        free: FreeList::new(),
        dirty: Mutex::default(),
        being_cleaned: AtomicBool::new(false),
        usage: Use::default(),
    });
    pool.free.put(Box::new(first));
    used(&pool, "print");
    wait_for_workers(&pool);
    assert_eq!(pool.instances.load(Ordering::Relaxed), 1);
    // Without the folder no other instance can be made in place of this one, and the host wants to say so.
    let (path, moved) = (folder.path().to_owned(), folder.path().with_extension("moved"));
    std::fs::rename(&path, &moved).unwrap();
    let mut dirty = pool.take(&none).unwrap();
    dirty.begin_turn();
    let (id, export) = pool.recipe.module.function("print").unwrap();
    let (format, formats) = (SerializationFormat::default(), pool.recipe.module.formats());
    let mut arguments = Arguments::prepare(export, &(), format, formats).unwrap();
    dirty.enter(id, export, arguments.call_buffer()).unwrap();
    dirty.condemn();
    pool.dirty().push(dirty);
    pool.being_cleaned.store(true, Ordering::Release);
    let worker = std::panic::AssertUnwindSafe(|| {
        tracing::subscriber::with_default(Panicking, || pool.clean_dirty());
    });
    assert!(std::panic::catch_unwind(worker).is_err(), "the panic goes on in the worker");
    assert!(!pool.being_cleaned.load(Ordering::Acquire));
    assert_eq!(pool.instances.load(Ordering::Relaxed), 0);
    assert!(pool.take(&none).is_err());
    std::fs::rename(&moved, &path).unwrap();
    let again = used(&pool, "print");
    wait_for_workers(&pool);
    assert!(Arc::ptr_eq(&again, &used(&pool, "print")));
    assert_eq!(pool.instances.load(Ordering::Relaxed), 1);
}

#[test]
fn an_instance_that_waits_to_be_put_back_gives_way_to_better_code() {
    use crate::module::{CacheOptions, Tiering, Wanted, obtain_tiered};
    use crate::policy::Compiler;

    let policy = Arc::new(SecurityPolicy::strict().with_instances(InstanceMode::Fresh));
    // Large enough for its first instance to be there before the better code is.
    let functions =
        "(func (param f64) (result f64) (f64.sqrt (f64.mul (local.get 0) (local.get 0))))";
    let text = format!("(module (memory 1) {})", functions.repeat(5_000));
    let wasm = bytes::Bytes::from(wat::parse_str(text).unwrap());
    let mut cache = CacheOptions::default();
    cache.switch_off();
    let (chosen, wanted) = (Compiler::Cranelift, Wanted::always());
    let module = obtain_tiered(&wasm, &policy, chosen, Tiering::Auto, &cache, &wanted).unwrap();
    assert_eq!(module.compiler(), Compiler::Singlepass);
    let (method, none) = (ResetMethod::quickest(), Cancellation::default());
    let pool = InstancePool::new(&recipe(&module, &policy, method), &none).unwrap();
    let first = pool.take(&none).unwrap();
    assert_eq!(first.compiler(), Compiler::Singlepass);
    pollster::block_on(module.best());
    // It came back, and no worker has had the time for it yet.
    pool.dirty().push(first);
    assert_eq!(pool.take(&none).unwrap().compiler(), Compiler::Cranelift);
}

#[test]
fn an_instance_that_was_out_for_long_is_given_up_one_day_too() {
    let pool = pool(TEXT, ResetMethod::quickest());
    let out = pool.take(&Cancellation::default()).unwrap();
    idle::look_at(&pool);
    idle::look_at(&pool);
    pool.put_back(out);
    wait_for_workers(&pool);
    assert_eq!(pool.instances.load(Ordering::Relaxed), 1);
    // Looked at again, it goes.
    idle::look_at(&pool);
    idle::look_at(&pool);
    assert_eq!(pool.instances.load(Ordering::Relaxed), 0);
}

#[test]
fn an_instance_that_did_not_begin_from_the_template_serves_one_call() {
    // The second has no state that could differ, and is refused all the same.
    for text in [TEXT, r#"(module (func (export "write")))"#] {
        let pool = pool(text, ResetMethod::quickest());
        let other = pool.initialise(&Cancellation::default()).unwrap();
        let control = Arc::clone(other.control());
        pool.instances.fetch_add(1, Ordering::Relaxed);
        pool.put_back(other);
        wait_for_workers(&pool);
        let mut ready = std::iter::from_fn(|| pool.free.take());
        assert!(ready.all(|instance| !Arc::ptr_eq(instance.control(), &control)));
    }
}
