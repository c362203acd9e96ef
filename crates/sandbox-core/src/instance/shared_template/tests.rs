use super::*;
use crate::context::Context;
use crate::error::CoreDumps;
use crate::host::{HostBinding, HostFunctions};
use crate::policy::InstanceMode;

const TEXT: &str = r#"(module (memory 1)
    (func (export "_initialize") (i32.store (i32.const 8) (i32.const 1))))"#;

fn begin(module: &Module, policy: &Arc<SecurityPolicy>) -> SharedTemplate {
    let host = HostBinding::new(module, HostFunctions::default(), Context::default()).unwrap();
    let (module, policy, reset) = (module.clone(), Arc::clone(policy), ResetMethod::discard());
    let recipe =
        Recipe { module, policy, host, reset, core_dumps: CoreDumps::Never, profiler: None };
    SharedTemplate::of(&recipe, &Cancellation::default()).unwrap().1
}

fn shared(template: &SharedTemplate) -> &Arc<Shared> {
    template.0.as_ref().unwrap()
}

/// A policy under which all calls share an instance.
fn persistent() -> SecurityPolicy {
    SecurityPolicy::strict().with_instances(InstanceMode::Persistent)
}

#[test]
fn the_template_is_made_with_the_second_sandbox_and_goes_with_the_last() {
    let policy = Arc::new(persistent());
    let module = Module::compile(&wat::parse_str(TEXT).unwrap(), &policy).unwrap();
    let first = begin(&module, &policy);
    assert!(shared(&first).template().is_none());
    // Equal, and not the same.
    let second = begin(&module, &Arc::new(persistent()));
    assert!(Arc::ptr_eq(shared(&first), shared(&second)));
    assert!(shared(&first).template().is_some());
    assert!(Arc::ptr_eq(second.policy().unwrap(), &policy));
    let other = begin(&module, &Arc::new(SecurityPolicy::basic()));
    assert!(!Arc::ptr_eq(shared(&first), shared(&other)));
    let gone = Arc::downgrade(shared(&first));
    drop((first, second));
    assert!(gone.upgrade().is_none());
    assert!(shared(&begin(&module, &policy)).template().is_none());
}

#[test]
fn with_many_policies_the_latest_are_found() {
    let policy = |limit| Arc::new(persistent().with_table_limit(limit));
    let module = Module::compile(&wat::parse_str(TEXT).unwrap(), &policy(1)).unwrap();
    let all: Vec<SharedTemplate> = (0..300).map(|limit| begin(&module, &policy(limit))).collect();
    let is_found = |limit: u32| {
        Arc::ptr_eq(shared(&all[limit as usize]), shared(&begin(&module, &policy(limit))))
    };
    assert!(is_found(299) && is_found(100));
    assert!(!is_found(0));
}

/// Imports a function of the host and WASI; `_initialize` does what it is told.
fn text(initialize: &str) -> String {
    format!(
        r#"(module
            (import "env" "number" (func $number (result i32)))
            (import "wasi_snapshot_preview1" "fd_prestat_get" (func $prestat (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_filestat_get" (func $stat (param i32 i32) (result i32)))
            (memory (export "memory") 1)
            (func (export "_initialize") {initialize}))"#
    )
}

/// Makes two sandboxes alike but for their functions and the time when their folder was opened.
fn second(initialize: &str, policy: SecurityPolicy) -> SharedTemplate {
    let policy = Arc::new(policy);
    let module = Module::compile(&wat::parse_str(text(initialize)).unwrap(), &policy).unwrap();
    let begin = |number: i32| {
        let functions = HostFunctions::new().function("env", "number", move || number);
        let host = HostBinding::new(&module, functions, Context::new(number)).unwrap();
        let (module, policy, reset) = (module.clone(), Arc::clone(&policy), ResetMethod::discard());
        let recipe =
            Recipe { module, policy, host, reset, core_dumps: CoreDumps::Never, profiler: None };
        SharedTemplate::of(&recipe, &Cancellation::default()).unwrap().1
    };
    let _first = begin(1);
    begin(2)
}

#[test]
fn sandboxes_with_host_functions_share_unless_initialisation_calls_one() {
    let silent = second("(i32.store (i32.const 8) (i32.const 1))", persistent());
    assert!(shared(&silent).template().is_some());
    let asking = second("(drop (call $number))", persistent());
    assert!(shared(&asking).template().is_none());
}

#[test]
fn sandboxes_with_folders_share_unless_initialisation_looks_at_one() {
    let folder = tempfile::tempdir().unwrap();
    let access = crate::policy::Access::ReadWrite;
    let policy = persistent().with_folder(folder.path(), "/data", access);
    // What a library of C does before all else.
    let blind = second("(drop (call $prestat (i32.const 4) (i32.const 8)))", policy.clone());
    assert!(shared(&blind).template().is_some());
    let looking = second("(drop (call $stat (i32.const 4) (i32.const 64)))", policy);
    assert!(shared(&looking).template().is_none());
}
