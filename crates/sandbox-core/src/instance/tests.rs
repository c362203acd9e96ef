use super::*;
use crate::context::Context;
use crate::format::SerializationFormat;
use crate::host::{HostBinding, HostFunctions};
use crate::marshal::arguments::Arguments;
use crate::policy::InstanceMode;
use crate::sys::memory::ResetMethod;
use crate::watchdog::StopReason;

const TEXT: &str = r#"(module (global $g (mut i32) (i32.const 0))
    (func $start (global.set $g (i32.const 1)))
    (start $start)
    (func (export "work") (param $rounds i32) (local $i i32)
        (loop $again
            (global.set $g (local.get $i))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $i) (local.get $rounds))))))"#;

fn work(instance: &mut Instance, module: &Module, rounds: i32) -> Result<Returned> {
    let (id, export) = module.function("work").unwrap();
    let format = SerializationFormat::default();
    let mut arguments = Arguments::prepare(export, &rounds, format, module.formats()).unwrap();
    instance.enter(id, export, arguments.call_buffer()).map_err(|error| *error)
}

#[test]
fn a_call_that_never_enters_the_guest_reports_no_fuel() {
    let policy = SecurityPolicy::strict().with_instances(InstanceMode::Fresh).with_fuel(1_000_000);
    let policy = Arc::new(policy);
    let module = Module::compile(&wat::parse_str(TEXT).unwrap(), &policy).unwrap();
    let host = HostBinding::new(&module, HostFunctions::default(), Context::default()).unwrap();
    let reset = ResetMethod::quickest();
    let recipe = Recipe {
        module: module.clone(),
        policy,
        host,
        reset,
        core_dumps: CoreDumps::Never,
        profiler: None,
    };
    let none = Cancellation::default();
    let (first, template) = Template::of_module(&recipe, Users::Calls, &none).unwrap();
    let template = template.unwrap();
    let other = Instance::from_template(&recipe, &template, &none).unwrap();
    for mut instance in [first, other] {
        let refuse = |instance: &mut Instance| {
            let turn = instance.begin_turn();
            instance.control().request_stop(turn, StopReason::Cancelled);
            let refused = work(instance, &module, 1);
            assert!(matches!(refused, Err(SandboxError::Cancelled { .. })), "{refused:?}");
            assert_eq!(instance.fuel_used(), Some(FuelUnits(0)));
        };
        refuse(&mut instance);
        instance.begin_turn();
        work(&mut instance, &module, 1000).unwrap();
        let used = instance.fuel_used().unwrap();
        assert!(used > FuelUnits(5000), "{used}");
        refuse(&mut instance);
        instance.begin_turn();
        work(&mut instance, &module, 1000).unwrap();
        assert_eq!(instance.fuel_used(), Some(used));
    }
}
