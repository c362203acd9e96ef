//! Keeps a module's start function from running by itself.
//!
//! It would run while the instance is being made: before there is fuel, and before the instructions that fill and
//! copy can be stopped. So it becomes an export, which the host calls as the first function of all.

use wasmer::sys::{FunctionMiddleware, MiddlewareError, ModuleMiddleware};
use wasmer_types::{ExportIndex, LocalFunctionIndex, ModuleInfo};

/// The name under which the start function is exported. The namespace is that of the guest ABI.
pub(crate) const START_EXPORT: &str = "sandbox_start";

/// Makes the start function of a module an export.
#[derive(Debug)]
pub(super) struct StartByHost;

impl ModuleMiddleware for StartByHost {
    fn generate_function_middleware<'a>(
        &self,
        _function: LocalFunctionIndex,
    ) -> Box<dyn FunctionMiddleware<'a> + 'a> {
        Box::new(Unchanged)
    }

    fn transform_module_info(&self, info: &mut ModuleInfo) -> Result<(), MiddlewareError> {
        if info.exports.contains_key(START_EXPORT) {
            return Err(MiddlewareError::new(
                "start",
                format!(
                    "the module exports `{START_EXPORT}`, which is a name of the sandbox's own"
                ),
            ));
        }
        if let Some(start) = info.start_function.take() {
            info.exports.insert(START_EXPORT.to_owned(), ExportIndex::Function(start));
        }
        Ok(())
    }
}

/// Leaves the code as it is.
#[derive(Debug)]
struct Unchanged;

impl FunctionMiddleware<'_> for Unchanged {}
