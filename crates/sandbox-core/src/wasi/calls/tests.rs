#![cfg(feature = "wasix")]

use std::collections::BTreeMap;
use std::sync::Arc;

use wasmer::{Extern, FunctionType, Store};
use wasmer_wasix::{WasiEnvBuilder, WasiFunctionEnv};

use super::*;
use crate::output::Sinks;
use crate::policy::SecurityPolicy;
use crate::threads::runtime;
use crate::wasi::fs::Grants;
use crate::wasi::launch::Launch;
use crate::wasi::output::OutputCapture;
use crate::wasi::{Surroundings, state};
use crate::watchdog::CallControl;

/// Functions that WASIX has in a namespace.
fn offered_by_wasix(namespace: &str) -> BTreeMap<String, FunctionType> {
    let text =
        format!(r#"(module (import "{namespace}" "fd_close" (func (param i32) (result i32))))"#);
    let mut store = Store::default();
    let module = wasmer::Module::new(&store, wat::parse_str(text).unwrap()).unwrap();
    let _context = runtime::get().unwrap().enter();
    let environment = WasiEnvBuilder::new("test").engine(store.engine().clone()).build().unwrap();
    let environment = WasiFunctionEnv::new(&mut store, environment);
    let all = environment.import_object_for_all_wasi_versions(&mut store, &module).unwrap();
    all.into_iter()
        .filter(|((each, _), _)| each == namespace)
        .filter_map(|((_, name), value)| match value {
            Extern::Function(function) => Some((name, function.ty(&store))),
            _ => None,
        })
        .collect()
}

#[test]
fn every_function_that_wasix_has_is_here_with_its_type() {
    let policy = SecurityPolicy::strict();
    let control = CallControl::new(None).unwrap();
    let output = OutputCapture::new(0, Sinks::default(), Arc::clone(&control));
    let grants = Arc::new(Grants::open(&[], &[]).unwrap());
    let mut store = Store::default();
    let module = wasmer::Module::new(&store, wat::parse_str("(module)").unwrap()).unwrap();
    let surroundings = Surroundings {
        module: &module,
        policy: &policy,
        grants: &grants,
        lookups: &Arc::default(),
        control: &control,
        output: &output,
        refusals: &Arc::default(),
    };
    let given = Launch::default().granted(&policy, &grants).unwrap();
    let state = state::State::new(&surroundings, given).unwrap();
    let state = FunctionEnv::new(&mut store, state);
    for version in Version::ALL {
        let mut offered = offered_by_wasix(version.namespace());
        // Of threads, which there are none of.
        assert!(offered.remove("thread-spawn").is_some());
        let known: BTreeMap<String, FunctionType> = offered
            .keys()
            .filter_map(|name| {
                let known = function(&mut store, &state, version, name)?;
                Some((name.clone(), known.ty(&store)))
            })
            .collect();
        assert_eq!(known, offered, "{version:?}");
    }
    let sockets = offered_by_wasix(sockets::NAMESPACE);
    for name in sockets::FUNCTIONS {
        let known = socket_function(&mut store, &state, name).unwrap();
        assert_eq!(known.ty(&store), sockets[name], "{name}");
    }
}
