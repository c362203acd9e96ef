//! An environment of WASIX that is made when a guest first calls it.
//!
//! To make one takes many times as long as everything else about an instance, and as much memory; and most guests that
//! import WASI do so for the day that they panic. So a guest is given functions of ours, of the types that WASI says
//! they have. The first call of one makes the environment with the functions behind it.
//!
//! What can be wrong with a grant is found out before, when the instance is made.
//!
//! A guest that does nothing but call the host is hardly ever in its own code when the watchdog interrupts it. So each
//! function looks after its work whether the call is to stop, and unwinds the guest itself.

use std::sync::Arc;

use wasmer::{
    AsStoreMut, AsStoreRef, Engine, Exports, Extern, Function, FunctionEnv, FunctionEnvMut,
    FunctionType, Imports, Instance, Module, RuntimeError, Store, Value,
};
use wasmer_wasix::{WasiEnv, WasiEnvBuilder, WasiFunctionEnv};

use super::calls::{self, Calls};
use super::changes::{self, Changes};
use super::files::GuestFiles;
use super::launch::{self, Launch};
use super::output::OutputCapture;
use super::{Surroundings, capabilities, host_runtime, is_namespace_served, runtime, signatures};
use crate::error::{Result, SandboxError};
use crate::policy::{Access, SecurityPolicy};
use crate::watchdog::CallControl;

/// All that an environment is made from, and the environment once it is made. Lives in the instance's store.
pub(super) struct Deferred {
    module: Module,
    policy: Arc<SecurityPolicy>,
    control: Arc<CallControl>,
    output: Arc<OutputCapture>,
    /// For the first environment.
    belongings: Option<Belongings>,
    calls: Calls,
    changes: Changes,
    /// Whose memory the functions work on, once it is there.
    instance: Option<Instance>,
    made: Option<Made>,
}

/// What the host gives to one environment.
pub(super) struct Belongings {
    launch: Launch,
    /// The folders that are granted, opened when they were. Nothing where there are none.
    files: Option<GuestFiles>,
}

struct Made {
    environment: WasiFunctionEnv,
    /// In the order in which the module imports them from namespaces that are served.
    functions: Vec<Option<Function>>,
}

impl Belongings {
    /// # Errors
    /// [`SandboxError::InvalidGrant`] if the policy grants what it cannot.
    pub(super) fn new(
        policy: &SecurityPolicy,
        control: &Arc<CallControl>,
        launch: Launch,
    ) -> Result<Self> {
        launch.granted(policy)?;
        let has_folders = !policy.folders.is_empty();
        let files = has_folders.then(|| GuestFiles::new(policy, control)).transpose()?;
        Ok(Self { launch, files })
    }
}

impl Deferred {
    pub(super) fn new(
        surroundings: &Surroundings<'_>,
        belongings: Belongings,
        calls: Calls,
        changes: Changes,
    ) -> Self {
        let Surroundings { module, policy, control, output, .. } = surroundings;
        Self {
            module: (*module).clone(),
            policy: Arc::clone(policy),
            control: Arc::clone(control),
            output: Arc::clone(output),
            belongings: Some(belongings),
            calls,
            changes,
            instance: None,
            made: None,
        }
    }

    /// What the module may import: functions that make the environment where they need it.
    ///
    /// Where the module imports functions of sockets, it is made at once: only then is it known which there are.
    pub(super) fn imports(store: &mut Store, deferred: &FunctionEnv<Self>) -> Result<Imports> {
        let module = deferred.as_ref(store).module.clone();
        if module.imports().any(|import| import.module() == calls::SOCKETS) {
            make(&mut deferred.clone().into_mut(store))?;
        }
        let mut imports = Imports::new();
        let served = module.imports().filter(|import| is_namespace_served(import.module()));
        for (at, import) in served.enumerate() {
            let (namespace, name) = (import.module(), import.name());
            if let Some(own) = deferred.as_ref(store).calls.clone().own(store, namespace, name) {
                imports.define(namespace, name, own);
                continue;
            }
            let ty = deferred.as_ref(store).type_of(store, at, namespace, name);
            if let Some(ty) = ty {
                imports.define(namespace, name, standing_in(store, deferred, at, name, ty));
            }
        }
        Ok(imports)
    }

    fn type_of(
        &self,
        store: &Store,
        at: usize,
        namespace: &str,
        name: &str,
    ) -> Option<FunctionType> {
        match &self.made {
            Some(made) => Some(made.functions.get(at)?.as_ref()?.ty(store)),
            None => signatures::of(namespace, name),
        }
    }

    fn environment(&self, engine: Engine, belongings: Belongings) -> Result<WasiEnv> {
        let failed = |message: String| SandboxError::Instantiation { message };
        let Belongings { launch, files } = belongings;
        let (arguments, variables) = launch.granted(&self.policy)?;
        let files = match files {
            Some(files) => files,
            None => GuestFiles::new(&self.policy, &self.control)?,
        };
        // WASIX makes standard streams of the host's, which want tokio, before it takes ours.
        let _context = host_runtime()?.enter();
        let mut builder = WasiEnvBuilder::new(launch::PROGRAM)
            .runtime(runtime::SealedRuntime::new(engine, Arc::clone(&self.control)))
            .capabilities(capabilities())
            .disable_default_builtins(true)
            .args(arguments)
            .envs(variables)
            .stdin(Box::new(virtual_fs::StaticFile::new(launch.stdin)))
            .stdout(self.output.stdout())
            .stderr(self.output.stderr())
            .fs(Arc::new(files) as Arc<_>);
        // The root lets a guest name anything by an absolute path. The granted folders have a descriptor
        // each besides, because that is where libraries look for folders.
        let folders = self.policy.folders.iter();
        let granted =
            folders.map(|grant| (grant.guest.as_str(), grant.access == Access::ReadWrite));
        for (path, writable) in std::iter::once(("/", true)).chain(granted) {
            builder
                .add_preopen_build(|folder| {
                    folder.directory(path).read(true).write(writable).create(writable)
                })
                .map_err(|error| failed(error.to_string()))?;
        }
        builder.build().map_err(|error| failed(error.to_string()))
    }

    /// Puts another environment in the place of the one that was made.
    ///
    /// # Errors
    /// As [`super::WasiContext::new`]; the instance is not to be used then.
    pub(super) fn replace(
        store: &mut Store,
        deferred: &FunctionEnv<Self>,
        belongings: Belongings,
    ) -> Result<()> {
        let this = deferred.as_mut(store);
        let Some(made) = &this.made else {
            this.belongings = Some(belongings);
            return Ok(());
        };
        let environment = made.environment.clone();
        let engine = store.engine().clone();
        *environment.data_mut(store) = deferred.as_ref(store).environment(engine, belongings)?;
        let instance = deferred.as_ref(store).instance.clone();
        connect(store, environment, instance)
    }

    /// Connects the functions with the instance's memory.
    ///
    /// # Errors
    /// [`SandboxError::InvalidDeclaration`] if the module exports no memory for WASI to use.
    pub(super) fn attach(
        store: &mut Store,
        deferred: &FunctionEnv<Self>,
        instance: &mut Instance,
    ) -> Result<()> {
        if instance.exports.iter().memories().next().is_none() {
            return Err(no_memory());
        }
        let this = deferred.as_mut(store);
        let instance = this.instance.insert(without_functions(instance));
        match &this.made {
            Some(made) => {
                let (environment, instance) = (made.environment.clone(), instance.clone());
                connect(store, environment, Some(instance))
            }
            None => Ok(()),
        }
    }
}

fn connect(
    store: &mut impl AsStoreMut,
    mut environment: WasiFunctionEnv,
    instance: Option<Instance>,
) -> Result<()> {
    match instance {
        Some(instance) => environment.initialize(store, instance).map_err(|_| no_memory()),
        None => Ok(()),
    }
}

/// The same instance with nothing exported but what WASIX looks for in every guest: its memory, and globals that say
/// where its stack is. There are few of these, and it is kept in every instance that imports WASI.
fn without_functions(instance: &mut Instance) -> Instance {
    let all = std::mem::take(&mut instance.exports);
    let mut reduced = instance.clone();
    let is_kept = |value: &Extern| matches!(value, Extern::Memory(_) | Extern::Global(_));
    let kept = || all.iter().filter(|(_, value)| is_kept(value));
    reduced.exports = Exports::with_capacity(kept().count());
    kept().for_each(|(name, value)| reduced.exports.insert(name.clone(), value.clone()));
    instance.exports = all;
    reduced
}

fn no_memory() -> SandboxError {
    SandboxError::InvalidDeclaration {
        message: "the module imports WASI but exports no memory".to_owned(),
    }
}

/// A function that stands in for the one of WASIX at that place.
fn standing_in(
    store: &mut Store,
    deferred: &FunctionEnv<Deferred>,
    at: usize,
    name: &str,
    ty: FunctionType,
) -> Function {
    let is_harmless = changes::is_harmless(name);
    Function::new_with_env(
        store,
        deferred,
        ty,
        move |mut context: FunctionEnvMut<'_, Deferred>, arguments: &[Value]| {
            if !is_harmless {
                context.data().changes.note();
            }
            // WASIX wants tokio; lent here, calls of guests that do not use it need not pay for that.
            let runtime = host_runtime().map_err(|error| RuntimeError::new(error.to_string()))?;
            let _context = crate::call::seat::enter_in_call(runtime);
            let original = original(&mut context, at)?;
            let results = original.call(&mut context, arguments)?;
            super::stop_if_told(&context.data().control)?;
            Ok(results.into_vec())
        },
    )
}

fn original(
    context: &mut FunctionEnvMut<'_, Deferred>,
    at: usize,
) -> std::result::Result<Function, RuntimeError> {
    if context.data().made.is_none() {
        make(context).map_err(|error| {
            // What it would have been made from is gone, and a reset has to bring it back.
            context.data().changes.note();
            RuntimeError::new(error.to_string())
        })?;
    }
    let made = context.data().made.as_ref();
    let function = made.and_then(|made| made.functions.get(at)?.clone());
    function.ok_or_else(|| RuntimeError::new("a function of WASI is missing in WASIX"))
}

/// Makes the environment, and the functions that the module imports.
fn make(context: &mut FunctionEnvMut<'_, Deferred>) -> Result<()> {
    let failed = |message: String| SandboxError::Instantiation { message };
    let engine = context.as_store_ref().engine().clone();
    let this = context.data_mut();
    let belongings =
        this.belongings.take().ok_or_else(|| failed("an environment was made already".into()))?;
    let (module, calls, instance) =
        (this.module.clone(), this.calls.clone(), this.instance.clone());
    let environment = this.environment(engine, belongings)?;
    let environment = WasiFunctionEnv::new(context, environment);
    let mut all = environment
        .import_object_for_all_wasi_versions(context, &module)
        .map_err(|error| failed(error.to_string()))?;
    if module.imports().any(|import| import.module() == calls::SOCKETS) {
        all = without_extensions(&all);
    }
    calls.replace(context, &mut all);
    connect(context, environment.clone(), instance)?;
    let served = module.imports().filter(|import| is_namespace_served(import.module()));
    let functions = served
        .map(|import| match all.get_export(import.module(), import.name())? {
            Extern::Function(function) => Some(function),
            _ => None,
        })
        .collect();
    context.data_mut().made = Some(Made { environment, functions });
    Ok(())
}

/// Only what is in the namespaces of WASI, and nothing that WASIX adds to it.
fn without_extensions(all: &Imports) -> Imports {
    let mut imports = Imports::new();
    for ((namespace, name), value) in all {
        if super::NAMESPACES.contains(&namespace.as_str()) {
            imports.define(&namespace, &name, value.clone());
        }
    }
    imports
}

/// What WASIX itself has in a namespace.
#[cfg(test)]
pub(super) fn offered_by_wasix(
    namespace: &str,
) -> std::collections::BTreeMap<String, FunctionType> {
    let text =
        format!(r#"(module (import "{namespace}" "fd_close" (func (param i32) (result i32))))"#);
    let mut store = Store::default();
    let module = Module::new(&store, wat::parse_str(text).unwrap()).unwrap();
    let _context = host_runtime().unwrap().enter();
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

#[cfg(test)]
mod tests;
