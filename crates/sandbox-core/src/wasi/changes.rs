//! What stands around each WASI function that a guest imports.
//!
//! An environment of WASIX is expensive to make and cannot be copied. So a used instance keeps the one that it has, if
//! it called no function that can change it. Which functions cannot is a list of names; every other function
//! that the module imports is called through one that takes note.
//!
//! A guest that does nothing but call the host is hardly ever in its own code when the watchdog interrupts it. So each
//! function looks after its work whether the call is to stop, and unwinds the guest itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::watchdog::CallControl;
use wasmer::{
    Extern, Function, FunctionEnv, FunctionEnvMut, Imports, Module, RuntimeError, Store, Value,
};

/// The functions that only read, or whose state [`Calls`](super::calls::Calls) puts back itself.
const HARMLESS: [&str; 11] = [
    "args_get",
    "args_sizes_get",
    "clock_res_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_fdstat_get",
    "fd_prestat_dir_name",
    "fd_prestat_get",
    "poll_oneoff",
    "random_get",
];

/// Functions of this crate that take less time than the guest's way to them, or look themselves.
const QUICK: [&str; 4] = ["clock_res_get", "clock_time_get", "poll_oneoff", "random_get"];

/// What is known of one environment.
#[derive(Debug, Clone, Default)]
pub(super) struct Changes(Arc<AtomicBool>);

impl Changes {
    /// Puts functions that take note, and that see when to stop, in the place of those that the module imports.
    ///
    /// They also lend WASIX the tokio context that it wants, so that calls without them do not pay for it.
    pub(super) fn watch(
        store: &mut Store,
        imports: &mut Imports,
        module: &Module,
        control: &Arc<CallControl>,
    ) -> Self {
        let changes = Self::default();
        let noted = FunctionEnv::new(store, changes.clone());
        let watched = module.imports().filter(|import| {
            super::is_namespace_served(import.module()) && !QUICK.contains(&import.name())
        });
        for import in watched {
            let (namespace, name) = (import.module(), import.name());
            let Some(Extern::Function(original)) = imports.get_export(namespace, name) else {
                continue;
            };
            let ty = original.ty(store);
            let is_harmless = HARMLESS.contains(&name);
            let control = Arc::clone(control);
            let noting = Function::new_with_env(
                store,
                &noted,
                ty,
                move |mut context: FunctionEnvMut<'_, Self>, arguments: &[Value]| {
                    if !is_harmless {
                        context.data().0.store(true, Ordering::Relaxed);
                    }
                    let runtime = super::host_runtime()
                        .map_err(|error| RuntimeError::new(error.to_string()))?;
                    let _context = crate::call::seat::enter_in_call(runtime);
                    let results = original.call(&mut context, arguments)?;
                    super::stop_if_told(&control)?;
                    Ok(results.into_vec())
                },
            );
            imports.define(namespace, name, noting);
        }
        changes
    }

    /// Whether the environment may be another than it was.
    pub(super) fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// The environment is as it was.
    pub(super) fn forget(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}
