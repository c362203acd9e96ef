use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::*;
use crate::policy::SecurityPolicy;

fn places(size: usize) -> Arc<Places> {
    let wasm = wat::parse_str(r#"(module (func (export "f")))"#).unwrap();
    let builder = WasmSandbox::builder().source_bytes(&wasm);
    let first = builder.security_policy(SecurityPolicy::strict()).build_blocking().unwrap();
    let modules = vec![PoolModule { name: String::new(), first: first.clone() }];
    let rules = Rules { size, max_waiting: None, wait_limit: None, replace_after: 8 };
    Arc::new(Places::new(modules, vec![(0, first)], rules))
}

#[test]
fn who_has_a_permit_when_the_pool_is_closed_is_not_let_in() {
    let places = places(1);
    let permit = pollster::block_on(places.permit(&Scope::default(), "f")).unwrap();
    pollster::block_on(places.close());
    let admitted = places.admit(permit, 0);
    assert!(matches!(admitted.map(drop), Err(SandboxError::PoolClosed)));
    assert_eq!(places.status().in_use, 0);
}

#[test]
fn closing_waits_for_those_who_are_in_and_nobody_comes_in_later() {
    for round in 0..100 {
        let places = places(2);
        let closed = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for caller in 0..4 {
                let (places, closed) = (&places, &closed);
                scope.spawn(move || {
                    let started = Instant::now();
                    loop {
                        let acquired =
                            pollster::block_on(places.acquire(0, &Scope::default(), "f"));
                        let Ok(sandbox) = acquired else { break };
                        assert!(!closed.load(Ordering::SeqCst), "round {round}, caller {caller}");
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
    }
}
