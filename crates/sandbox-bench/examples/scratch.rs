use sandbox_bench::plain_wasmer::{PlainInstance, TypedFunction};
use sandbox_bench::texts;
use sandbox_core::{InstanceMode, SecurityPolicy, WasmSandbox};
use std::hint::black_box;
fn cpu() -> f64 {
    let s = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    s.split(' ').next().unwrap().parse::<f64>().unwrap()
}
fn best(name: &str, n: usize, rounds: usize, mut f: impl FnMut()) {
    let mut best = f64::MAX;
    for _ in 0..rounds {
        let t = cpu();
        for _ in 0..n {
            f()
        }
        best = best.min((cpu() - t) / n as f64);
    }
    println!("{name:20} {best:8.1} ns");
}
fn main() {
    let only = std::env::args().nth(1);
    let want = |n: &str| only.as_deref().is_none_or(|o| n == o);
    let rounds: usize = std::env::args().nth(2).map_or(20, |r| r.parse().unwrap());
    let wasm = texts::wasm(texts::NUMBERS);
    let mut plain = PlainInstance::new(&wasm).unwrap();
    let add: TypedFunction<(i32, i32), i32> = plain.function("add").unwrap();
    let n = 100_000;
    if want("wasmer") {
        best("wasmer", n, rounds, || {
            assert_eq!(add.call(plain.store(), black_box(42), 24).unwrap(), 66)
        });
    }
    let sandbox = WasmSandbox::builder()
        .source_bytes(&wasm)
        .security_policy(SecurityPolicy::basic())
        .build_blocking()
        .unwrap();
    for _ in 0..1000 {
        let _: i32 = sandbox.call_blocking("add", (1i32, 2i32)).unwrap();
    }
    let f = sandbox.function::<(i32, i32), i32>("add").unwrap();
    if want("handle_blocking") {
        best("handle_blocking", n, rounds, || {
            assert_eq!(f.call_blocking((black_box(42), 24)).unwrap(), 66)
        });
    }
    if want("name_blocking") {
        best("name_blocking", n, rounds, || {
            let r: i32 = sandbox.call_blocking("add", (black_box(42i32), 24i32)).unwrap();
            assert_eq!(r, 66)
        });
    }
    let fresh = WasmSandbox::builder()
        .source_bytes(&wasm)
        .security_policy(SecurityPolicy::basic().with_instances(InstanceMode::Fresh))
        .build_blocking()
        .unwrap();
    for _ in 0..1000 {
        let _: i32 = fresh.call_blocking("add", (1i32, 2i32)).unwrap();
    }
    let g = fresh.function::<(i32, i32), i32>("add").unwrap();
    if want("fresh") {
        best("fresh", n, rounds, || assert_eq!(g.call_blocking((black_box(42), 24)).unwrap(), 66));
    }
    let rt =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    if want("handle") || want("name") || want("batch64") || want("batch1000") {
        let (s, f) = (sandbox.clone(), f.clone());
        let only = only.clone();
        rt.block_on(async {
            tokio::spawn(async move {
                let want = |n: &str| only.as_deref().is_none_or(|o| n == o);
                for _ in 0..100 {
                    let _: i32 = s.call("add", (1i32, 2i32)).await.unwrap();
                }
                macro_rules! bestx {
                    ($name:expr, $n:expr, $per:expr, $e:expr) => {
                        if want($name) {
                            let mut best = f64::MAX;
                            for _ in 0..rounds {
                                let t = cpu();
                                for _ in 0..$n {
                                    $e
                                }
                                best = best.min((cpu() - t) / ($n * $per) as f64);
                            }
                            println!("{:20} {best:8.1} ns", $name);
                        }
                    };
                }
                bestx!("handle", 100_000, 1, {
                    assert_eq!(f.call((black_box(42), 24)).await.unwrap(), 66)
                });
                bestx!("name", 100_000, 1, {
                    let r: i32 = s.call("add", (black_box(42i32), 24i32)).await.unwrap();
                    assert_eq!(r, 66)
                });
                bestx!("batch64", 2000, 64, {
                    let r: Vec<Result<i32, _>> = s
                        .call_batch("add", (0..64).map(|_| (black_box(42i32), 24i32)))
                        .await
                        .unwrap();
                    assert!(r.into_iter().all(|r| r.unwrap() == 66))
                });
                bestx!("batch1000", 200, 1000, {
                    let r: Vec<Result<i32, _>> = s
                        .call_batch("add", (0..1000).map(|_| (black_box(42i32), 24i32)))
                        .await
                        .unwrap();
                    assert!(r.into_iter().all(|r| r.unwrap() == 66))
                });
            })
            .await
            .unwrap()
        });
    }
}
