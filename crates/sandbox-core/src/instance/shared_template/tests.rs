use super::*;
use crate::host::{Context, HostFunctions};
use crate::module::Module;

const TEXT: &str = r#"(module (memory 1)
    (func (export "_initialize") (i32.store (i32.const 8) (i32.const 1))))"#;

fn begin(module: &Module, policy: &Arc<SecurityPolicy>) -> SharedTemplate {
    let host = HostBinding::new(module, HostFunctions::default(), Context::default()).unwrap();
    let (module, policy, reset) = (module.clone(), Arc::clone(policy), ResetMethod::discard());
    let recipe = Recipe { module, policy, host, reset };
    SharedTemplate::of(&recipe, &Cancellation::default()).unwrap().1
}

fn shared(template: &SharedTemplate) -> &Arc<Shared> {
    template.0.as_ref().unwrap()
}

#[test]
fn the_template_is_made_with_the_second_sandbox_and_goes_with_the_last() {
    let policy = Arc::new(SecurityPolicy::strict());
    let module = Module::compile(&wat::parse_str(TEXT).unwrap(), &policy).unwrap();
    let first = begin(&module, &policy);
    assert!(shared(&first).template().is_none());
    // Equal, and not the same.
    let second = begin(&module, &Arc::new(SecurityPolicy::strict()));
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
    let policy = |limit| Arc::new(SecurityPolicy::strict().with_table_limit(limit));
    let module = Module::compile(&wat::parse_str(TEXT).unwrap(), &policy(1)).unwrap();
    let all: Vec<SharedTemplate> = (0..300).map(|limit| begin(&module, &policy(limit))).collect();
    let is_found = |limit: u32| {
        Arc::ptr_eq(shared(&all[limit as usize]), shared(&begin(&module, &policy(limit))))
    };
    assert!(is_found(299) && is_found(100));
    assert!(!is_found(0));
}
