use super::super::cache::{CacheOptions, obtain_in_background};
use super::*;
use crate::policy::SecurityPolicy;

fn order(wasm: &[u8]) -> Order {
    let wasm = wasm.to_vec();
    Order::new(Compiler::Cranelift, move |wanted| {
        let options = CacheOptions::default();
        obtain_in_background(
            &wasm,
            &SecurityPolicy::strict(),
            Compiler::Cranelift,
            &options,
            wanted,
        )
    })
}

fn first() -> (Vec<u8>, Module) {
    let wasm = wat::parse_str(r#"(module (func (export "f")))"#).unwrap();
    let module =
        Module::compile_with(&wasm, &SecurityPolicy::strict(), Compiler::Singlepass).unwrap();
    (wasm, module)
}

/// One that is not in the queue, and the handle of somebody who waits for it.
fn awaited(order: Order, first: &Module) -> (Arc<Successor>, Arc<Successor>) {
    let successor = successor(order, first);
    (Arc::clone(&successor), successor)
}

/// One that is not in the queue.
fn successor(order: Order, first: &Module) -> Arc<Successor> {
    Arc::new(Successor {
        first: first.clone(),
        order,
        key: None,
        found: OnceLock::new(),
        hooks: Mutex::new(Hooks::Waiting(Vec::new())),
        settled: OnceCell::new(),
    })
}

#[test]
fn what_nobody_waits_for_any_more_is_not_compiled() {
    let (wasm, first) = first();
    let (dropped, wanted) = (successor(order(&wasm), &first), successor(order(&wasm), &first));
    let waiting = VecDeque::from([Arc::downgrade(&dropped), Arc::downgrade(&wanted)]);
    let queue = Queue(Mutex::new(Line { waiting, is_served: true }));
    drop(dropped);
    assert!(queue.next().is_some_and(|next| Arc::ptr_eq(&next, &wanted)));
    assert!(queue.next().is_none());
    assert!(!lock(&queue.0).is_served);
}

#[test]
fn what_cannot_be_compiled_leaves_the_first_tier_and_runs_no_hook() {
    let (_, first) = first();
    let (failing, _waiting) = awaited(order(b"no module"), &first);
    failing.when_found(Box::new(|| panic!("there is nothing to be done")));
    failing.make();
    pollster::block_on(failing.settled());
    failing.when_found(Box::new(|| panic!("there is nothing to be done")));
    assert!(failing.found().is_none());
}

#[test]
fn what_nobody_waits_for_any_more_stops_being_compiled() {
    let (_, first) = first();
    let functions = "(func)".repeat(100);
    let wasm = wat::parse_str(format!(r#"(module {functions} (func (export "f")))"#)).unwrap();
    let unwanted = successor(order(&wasm), &first);
    unwanted.make();
    assert!(unwanted.found().is_none(), "nobody but this test had it");
    let (wanted, _waiting) = awaited(order(&wasm), &first);
    wanted.make();
    assert!(wanted.found().is_some());
}

#[test]
fn code_with_other_exports_is_not_taken() {
    let (_, first) = first();
    let other = wat::parse_str(r#"(module (func (export "g")))"#).unwrap();
    let (successor, _waiting) = awaited(order(&other), &first);
    successor.make();
    assert!(successor.found().is_none());
}

#[test]
fn hooks_run_once_whenever_they_are_set() {
    let (wasm, first) = first();
    let (successor, _waiting) = awaited(order(&wasm), &first);
    let runs = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let hook = || {
        let runs = Arc::clone(&runs);
        Box::new(move || {
            runs.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        })
    };
    successor.when_found(hook());
    successor.make();
    successor.when_found(hook());
    assert_eq!(runs.load(std::sync::atomic::Ordering::Relaxed), 2);
    assert_eq!(successor.found().unwrap().compiler(), Compiler::Cranelift);
}

#[test]
fn those_who_want_the_same_code_wait_for_the_same_compilation() {
    let (wasm, first) = first();
    let key = Some([7; 32]);
    let one = Successor::of(&first, key, order(&wasm));
    assert!(Arc::ptr_eq(&one, &Successor::of(&first, key, order(&wasm))));
    assert!(!Arc::ptr_eq(&one, &Successor::of(&first, None, order(&wasm))));
    drop(one);
    // The worker may have it still.
    while shared().contains_key(&[7; 32]) {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}
