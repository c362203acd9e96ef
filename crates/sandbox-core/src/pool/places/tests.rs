use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::policy::SecurityPolicy;

fn places(size: usize) -> Arc<Places> {
    let wasm = wat::parse_str(r#"(module (func (export "f")))"#).unwrap();
    let builder = WasmSandbox::builder().source_bytes(&wasm);
    let first = builder.security_policy(SecurityPolicy::strict()).build_blocking().unwrap();
    let module = Arc::new(PoolModule::new("f", first.clone()));
    let idle = vec![(module.id, first)];
    let limits = Limits::default();
    let rules = Rules { size, limits, wait_limit: None, replace_after: 8 };
    Arc::new(Places::new(vec![module], idle, rules))
}

fn caller() -> Caller {
    Caller::new("f".into())
}

#[test]
fn who_has_a_place_when_the_pool_is_closed_is_not_let_in() {
    let places = places(1);
    let place = places.place_at_once(&caller()).unwrap().unwrap();
    // Closing would wait for the place, which is taken; so not whole.
    places.state().closed = true;
    let admitted = pollster::block_on(places.settle_in(place, &caller()));
    assert!(matches!(admitted.map(drop), Err(SandboxError::PoolClosed)));
    assert_eq!(places.status().in_use, 0);
}

#[test]
fn closing_waits_for_those_who_are_in_and_nobody_comes_in_later() {
    for round in 0..100 {
        let places = places(2);
        let closed = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for number in 0..4 {
                let (places, closed) = (&places, &closed);
                scope.spawn(move || {
                    let started = Instant::now();
                    loop {
                        let acquired = pollster::block_on(places.acquire(&caller(), "f"));
                        let Ok(sandbox) = acquired else { break };
                        assert!(!closed.load(Ordering::SeqCst), "round {round}, caller {number}");
                        drop(sandbox);
                        assert!(started.elapsed() < Duration::from_secs(60), "never closed");
                    }
                });
            }
            std::thread::sleep(Duration::from_micros(37 * round));
            pollster::block_on(places.close());
            assert_eq!(places.status().in_use, 0);
            closed.store(true, Ordering::SeqCst);
        });
        assert_eq!((places.status().idle, places.status().waiting), (0, 0));
        assert!(places.state().in_use_of.is_empty());
    }
}

#[test]
fn places_of_callers_that_are_gone_go_to_the_next() {
    let places = places(1);
    let held = pollster::block_on(places.acquire(&caller(), "f")).unwrap();
    let mut waiting: Vec<_> = (0..3).map(|_| places.wait(&caller()).unwrap()).collect();
    // The first is gone with its place, and the second before it had one.
    let (_ticket, receiver) = waiting.remove(0);
    drop(receiver);
    drop(waiting.remove(0));
    drop(held);
    let (_waiting, mut receiver) = waiting.remove(0);
    assert!(receiver.try_recv().is_ok());
    assert_eq!(places.status().in_use, 0);
}
