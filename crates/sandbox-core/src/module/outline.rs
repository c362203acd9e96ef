//! Exports, imports and custom sections of a module, for who wants to know them before it runs.

use wasmer::{ExternType, Type};

use super::{FUEL_EXPORT, Module, START_EXPORT};
use crate::marshal::export::{ExportKind, Payload};
use crate::marshal::types::ValueType;
use crate::policy::PAGE_BYTES;

/// An export of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModuleExport<'a> {
    /// The export's name.
    pub name: &'a str,
    /// Type of what is exported.
    pub ty: ExternalType,
    /// Kinds of what a function passes through the exchange area, if the module declares that it does.
    pub payloads: Option<(Payload, Payload)>,
}

/// An import of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModuleImport {
    /// Namespace that the module imports from.
    pub module: String,
    /// The import's name.
    pub name: String,
    /// Type of what is imported.
    pub ty: ExternalType,
    /// Kinds of what a function of the host takes and returns, if the module declares that they are more than numbers.
    pub payloads: Option<(Payload, Payload)>,
}

/// Type of what crosses the border of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExternalType {
    /// A function.
    Function {
        /// Types of what it takes.
        parameters: Vec<ValueType>,
        /// Types of what it returns.
        results: Vec<ValueType>,
    },
    /// A linear memory.
    #[non_exhaustive]
    Memory {
        /// Size that it begins with, in bytes.
        minimum_bytes: u64,
        /// Size that the module itself lets it grow to, in bytes.
        maximum_bytes: Option<u64>,
    },
    /// A table.
    #[non_exhaustive]
    Table {
        /// Number of elements that it begins with.
        minimum: u32,
        /// Number of elements that the module itself lets it grow to.
        maximum: Option<u32>,
    },
    /// A global.
    Global {
        /// Type of its value.
        ty: ValueType,
    },
    /// An exception.
    Tag,
}

impl ExternalType {
    fn of(ty: &ExternType) -> Self {
        match ty {
            ExternType::Function(ty) => {
                Self::Function { parameters: types(ty.params()), results: types(ty.results()) }
            }
            ExternType::Memory(ty) => {
                let bytes = |pages: u32| u64::from(pages) * PAGE_BYTES;
                Self::Memory {
                    minimum_bytes: bytes(ty.minimum.0),
                    maximum_bytes: ty.maximum.map(|maximum| bytes(maximum.0)),
                }
            }
            ExternType::Table(ty) => Self::Table { minimum: ty.minimum, maximum: ty.maximum },
            ExternType::Global(ty) => Self::Global { ty: ValueType::from_wasmer(ty.ty) },
            ExternType::Tag(_) => Self::Tag,
        }
    }
}

fn types(types: &[Type]) -> Vec<ValueType> {
    types.iter().copied().map(ValueType::from_wasmer).collect()
}

impl Module {
    /// Lists what the module exports, in its own order.
    ///
    /// ```
    /// use sandbox_core::{ExternalType, Module, NumberType, SecurityPolicy, ValueType};
    ///
    /// # fn main() -> sandbox_core::Result<()> {
    /// # let wasm = wat::parse_str(r#"(module (func (export "answer") (result i32) i32.const 42))"#)
    /// #     .expect("valid text");
    /// let module = Module::compile(&wasm, &SecurityPolicy::strict())?;
    /// let exports = module.exports();
    /// let number = ValueType::Number(NumberType::I32);
    /// assert_eq!(exports[0].name, "answer");
    /// assert_eq!(exports[0].ty, ExternalType::Function { parameters: vec![], results: vec![number] });
    /// assert!(module.has("answer") && !module.has("question"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn exports(&self) -> Vec<ModuleExport<'_>> {
        let info = self.compiled().info();
        info.exports
            .iter()
            .zip(self.compiled().exports())
            .filter(|((name, _), _)| ![START_EXPORT, FUEL_EXPORT].contains(&name.as_str()))
            .map(|((name, _), export)| {
                let payloads = match self.function(name).map(|(_, export)| &export.kind) {
                    Ok(ExportKind::Declared(payloads)) => Some((payloads.input, payloads.output)),
                    _ => None,
                };
                ModuleExport { name, ty: ExternalType::of(export.ty()), payloads }
            })
            .collect()
    }

    /// Lists what the module imports, in its own order: what a sandbox has to offer it.
    pub fn imports(&self) -> Vec<ModuleImport> {
        self.compiled()
            .imports()
            .map(|import| ModuleImport {
                module: import.module().to_owned(),
                name: import.name().to_owned(),
                ty: ExternalType::of(import.ty()),
                payloads: self
                    .declared_import(import.module(), import.name())
                    .map(|payloads| (payloads.input, payloads.output)),
            })
            .collect()
    }

    /// Whether the module has a function of that name that can be called.
    pub fn has(&self, function: &str) -> bool {
        self.inner.index.contains_key(function)
    }

    /// The contents of the custom section of that name: of the first, if there are several.
    ///
    /// The names of functions are not kept there; they are in backtraces.
    pub fn custom_section(&self, name: &str) -> Option<Box<[u8]>> {
        self.compiled().custom_sections(name).next()
    }
}
