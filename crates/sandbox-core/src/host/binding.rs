//! The host functions that one module imports, for one sandbox.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use super::define::{Definition, Waits};
use super::functions::HostFunctions;
use super::values;
use crate::context::Context;
use crate::error::{NestingFault, Result, SandboxError};
use crate::marshal::export::signature_in_words;
use crate::module::Module;
use crate::policy::SecurityPolicy;
use crate::threads::nesting::{self, Level, MOST_LEVELS};
use crate::wasi::{self, Grants, Lookups};

/// Functions of the host that a module imports, of a set. All instances of a sandbox share it.
#[derive(Debug, Clone)]
pub(crate) struct HostBinding {
    functions: Vec<Arc<Definition>>,
    waits: Waits,
    imports_wasi: bool,
    /// Whether the guest can fetch outputs.
    holds_output: bool,
    context: Context,
    /// The whole set, for what is said about an import that is not in it.
    set: HostFunctions,
    module: Module,
    /// The folders and bundles that its guests get, once one needed them.
    grants: OnceLock<Arc<Grants>>,
    /// Lookups of names that its guests make.
    lookups: Arc<Lookups>,
}

impl HostBinding {
    /// Looks up what the module imports, and checks its types.
    ///
    /// # Errors
    /// [`SandboxError::IncompatibleImport`] if a function has another type than the module expects;
    /// [`SandboxError::DuplicateHostFunction`].
    pub(crate) fn new(module: &Module, set: HostFunctions, context: Context) -> Result<Arc<Self>> {
        set.require_unambiguous()?;
        let mut functions: Vec<Arc<Definition>> = Vec::new();
        let mut bound = HashSet::new();
        for import in module.compiled().imports() {
            let (namespace, name) = (import.module(), import.name());
            let own = || values::own_function(namespace, name).map(Arc::new);
            let Some(definition) = set.get(namespace, name).cloned().or_else(own) else { continue };
            let incompatible = |expected: String, given: String| SandboxError::IncompatibleImport {
                module: namespace.to_owned(),
                name: name.to_owned(),
                expected,
                given,
            };
            if !matches!(import.ty(), wasmer::ExternType::Function(ty) if *ty == definition.signature)
            {
                let given = definition.signature_in_words();
                return Err(incompatible(signature_in_words(import.ty()), given));
            }
            if let Some(expected) = module.declared_import(namespace, name)
                && definition.payloads != Some(*expected)
            {
                let given = match definition.payloads {
                    Some(given) => given.to_string(),
                    None => definition.signature_in_words(),
                };
                return Err(incompatible(expected.to_string(), given));
            }
            // A module may import the same function several times, and may import as many as it likes.
            if bound.insert((namespace.to_owned(), name.to_owned())) {
                functions.push(definition);
            }
        }
        let imports_wasi =
            module.compiled().imports().any(|import| wasi::is_namespace_served(import.module()));
        let waits = functions.iter().any(|function| function.waits == Waits::Yes);
        let waits = if waits { Waits::Yes } else { Waits::No };
        let holds_output =
            functions.iter().any(|function| function.name.module == values::NAMESPACE);
        let module = module.clone();
        let (grants, lookups) = (OnceLock::new(), Arc::default());
        Ok(Arc::new(Self {
            functions,
            waits,
            imports_wasi,
            holds_output,
            context,
            set,
            module,
            grants,
            lookups,
        }))
    }

    /// The folders and bundles that the policy grants, opened when the first instance needed them. The sandbox keeps what it opened
    /// then, whatever becomes of the path.
    ///
    /// # Errors
    /// [`SandboxError::InvalidGrant`] if one cannot be granted.
    pub(crate) fn grants(&self, policy: &SecurityPolicy) -> Result<&Arc<Grants>> {
        if let Some(grants) = self.grants.get() {
            return Ok(grants);
        }
        let opened = Arc::new(Grants::open(&policy.folders, &policy.bundles)?);
        Ok(self.grants.get_or_init(|| opened))
    }

    /// The look-ups of names of all guests of the sandbox.
    pub(crate) fn lookups(&self) -> &Arc<Lookups> {
        &self.lookups
    }

    /// Returns these functions for guests that do not take turns with those of this binding.
    pub(crate) fn detached(&self) -> Arc<Self> {
        Arc::new(self.clone())
    }

    /// Whether the module imports none.
    pub(crate) fn is_empty(&self) -> bool {
        self.functions.is_empty()
    }

    /// Whether the module imports one that may make its thread wait.
    pub(crate) fn waits(&self) -> bool {
        self.waits == Waits::Yes
    }

    pub(super) fn functions(&self) -> &[Arc<Definition>] {
        &self.functions
    }

    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    pub(super) fn holds_output(&self) -> bool {
        self.holds_output
    }

    pub(super) fn module(&self) -> &Module {
        &self.module
    }

    pub(super) fn set(&self) -> &HostFunctions {
        &self.set
    }
}

impl HostBinding {
    /// Whether the module imports functions of WASI.
    pub(crate) fn imports_wasi(&self) -> bool {
        self.imports_wasi
    }

    /// Notes that a guest of this sandbox runs on this thread.
    ///
    /// # Errors
    /// If calls are nested too deep.
    pub(crate) fn enter(self: &Arc<Self>) -> Result<Level, NestingFault> {
        Level::begin(self.address()).ok_or(NestingFault::TooDeep { limit: MOST_LEVELS })
    }

    /// Whether this thread is in a host function that a guest of this sandbox called.
    pub(crate) fn is_running_here(self: &Arc<Self>) -> bool {
        !self.is_empty() && nesting::is_running_here(self.address())
    }

    fn address(self: &Arc<Self>) -> usize {
        Arc::as_ptr(self).addr()
    }
}
