//! Rows on an instance that lives on.

use std::hint::black_box;

use peer_harness::{Rows, expect, touch};
use peer_rows::{BATCH, Row};
use wasmtime::{Instance, Module, Store, TypedFunc};

use crate::settings::Setting;

type Add = TypedFunc<(i32, i32), i32>;

/// An instance and its function.
struct Warm {
    store: Store<()>,
    instance: Instance,
    add: Add,
}

/// Measures all of them.
pub(crate) fn measure(rows: &mut Rows<'_>, setting: Setting) {
    rows.awaiting(
        Row::WarmCallAsync,
        || warm(setting),
        async |warm| {
            let sum = warm.add.call_async(&mut warm.store, (black_box(42), 24)).await;
            assert_eq!(expect(sum), 66);
        },
    );
    for row in [Row::WarmCallTyped, Row::WarmCallInSession] {
        rows.timed(
            row,
            || warm(setting),
            |warm| {
                let sum = warm.add.call(&mut warm.store, (black_box(42), 24));
                assert_eq!(expect(sum), 66);
            },
        );
    }
    rows.timed(
        Row::WarmCallByName,
        || warm(setting),
        |warm| {
            let add: Add = expect(warm.instance.get_typed_func(&mut warm.store, "add"));
            assert_eq!(expect(add.call(&mut warm.store, (black_box(42), 24))), 66);
        },
    );
    // A batch is a loop: wasmtime has nothing quicker for many calls.
    rows.batch(
        || warm(setting),
        |warm| {
            for number in (0i32..).take(BATCH) {
                let sum = warm.add.call(&mut warm.store, (black_box(number), 24));
                assert_eq!(expect(sum), number + 24);
            }
        },
    );
}

fn warm(setting: Setting) -> Warm {
    let engine = setting.start();
    let module = expect(Module::new(&engine, touch()));
    let mut store = Store::new(&engine, ());
    let instance = expect(Instance::new(&mut store, &module, &[]));
    let add = expect(instance.get_typed_func(&mut store, "add"));
    Warm { store, instance, add }
}
