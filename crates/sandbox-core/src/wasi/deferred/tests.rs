use super::*;
use crate::sys::limits::Refusals;
use crate::wasi::{Reuse, WasiContext};

const TEXT: &str = r#"(module
    (import "wasi_snapshot_preview1" "environ_sizes_get"
        (func $sizes (param i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "sizes") (result i32) (call $sizes (i32.const 0) (i32.const 4))))"#;

#[test]
fn after_an_environment_could_not_be_made_a_reset_makes_it_possible_again() {
    let mut store = Store::default();
    let module = Module::new(&store, wat::parse_str(TEXT).unwrap()).unwrap();
    let policy = Arc::new(SecurityPolicy::strict());
    let control = CallControl::new(None).unwrap();
    let output = OutputCapture::new(0, Arc::clone(&control));
    let refusals = Arc::<Refusals>::default();
    let surroundings = Surroundings {
        module: &module,
        policy: &policy,
        control: &control,
        output: &output,
        refusals: &refusals,
    };
    let (launch, reuse) = (Launch::default(), Reuse::AfterReset);
    let (mut wasi, offered) = WasiContext::new(&mut store, surroundings, launch, reuse).unwrap();
    let mut instance = Instance::new(&mut store, &module, &offered).unwrap();
    wasi.attach(&mut store, &mut instance).unwrap();
    let remembered = wasi.remember(&mut store);
    // What an attempt that failed leaves.
    wasi.deferred.as_mut(&mut store).belongings = None;
    let sizes = instance.exports.get_function("sizes").unwrap();
    assert!(sizes.call(&mut store, &[]).is_err());
    assert!(wasi.is_changed(), "although the function changes nothing itself");
    wasi.reset(&mut store, surroundings, &remembered).unwrap();
    assert_eq!(sizes.call(&mut store, &[]).unwrap().first(), Some(&Value::I32(0)));
}
