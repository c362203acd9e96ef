use std::sync::Arc;

use super::*;

fn wasm(name: &str) -> Vec<u8> {
    wat::parse_str(format!(r#"(module (func (export "{name}")))"#)).unwrap()
}

fn obtained(wasm: &[u8], policy: &SecurityPolicy, options: &CacheOptions) -> Result<Module> {
    obtain(wasm, policy, Compiler::Cranelift, options, &Wanted::always())
}

#[test]
fn ten_builders_at_once_compile_once() {
    let wasm = wasm("ten_builders");
    let (policy, options) = (SecurityPolicy::basic(), CacheOptions::default());
    let modules: Vec<Module> = std::thread::scope(|scope| {
        let builders: Vec<_> =
            (0..10).map(|_| scope.spawn(|| obtained(&wasm, &policy, &options).unwrap())).collect();
        builders.into_iter().map(|builder| builder.join().unwrap()).collect()
    });
    assert!(modules.iter().all(|module| Arc::ptr_eq(&module.inner, &modules[0].inner)));
    let compiled = modules.iter().filter(|module| module.origin() == ModuleOrigin::Compiled);
    assert_eq!(compiled.count(), 1);
}

#[test]
fn a_cached_module_is_still_too_large_for_a_smaller_limit() {
    let wasm = wasm("too_large");
    let options = CacheOptions::default();
    obtained(&wasm, &SecurityPolicy::basic(), &options).unwrap();
    let policy = SecurityPolicy::basic().with_module_limit(8);
    assert!(obtained(&wasm, &policy, &options).is_err());
}

#[test]
fn modules_of_different_compilers_are_not_mixed_up() {
    let wasm = wasm("two_compilers");
    let (policy, options) = (SecurityPolicy::basic(), CacheOptions::default());
    for compiler in [Compiler::Cranelift, Compiler::Singlepass] {
        let module = obtain(&wasm, &policy, compiler, &options, &Wanted::always()).unwrap();
        assert_eq!(module.origin(), ModuleOrigin::Compiled, "{compiler}");
        let again = obtain(&wasm, &policy, compiler, &options, &Wanted::always()).unwrap();
        assert_eq!(again.origin(), ModuleOrigin::MemoryCache, "{compiler}");
    }
}

#[test]
fn a_failure_is_not_kept() {
    let (policy, options) = (SecurityPolicy::basic(), CacheOptions::default());
    for _ in 0..2 {
        assert!(obtained(b"\0asm\x01\0\0\0\xff", &policy, &options).is_err());
    }
}

#[test]
fn the_switch_and_the_folder_decide_together_in_any_order() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = || temporary.path().join("modules");
    let opens = |change: &dyn Fn(&mut CacheOptions)| {
        let mut options = CacheOptions::default();
        change(&mut options);
        options.open_disk().is_some()
    };
    assert!(!opens(&|_| ()));
    assert!(opens(&|options| options.set_folder(folder())));
    assert!(!opens(&|options| {
        options.set_folder(folder());
        options.switch_off();
    }));
    assert!(!opens(&|options| {
        options.switch_off();
        options.set_folder(folder());
    }));
    assert!(opens(&|options| {
        options.switch_off();
        options.set_folder(folder());
        options.switch_on();
    }));
}

#[test]
fn without_the_cache_every_module_is_compiled() {
    let wasm = wasm("never_cached");
    let mut options = CacheOptions::default();
    options.switch_off();
    for _ in 0..2 {
        let module = obtained(&wasm, &SecurityPolicy::basic(), &options).unwrap();
        assert_eq!(module.origin(), ModuleOrigin::Compiled);
    }
}
