//! Behaviour of a module: what it can do to its own state, found by reading its code once.
//!
//! Two questions decide what a call on a fresh instance costs. Does anything in the module change state that a
//! reset cannot put back? And which functions change no state at all? A third one decides how functions are
//! entered: which can reach no function of the host? All are answered from the instructions alone, so a wrong guess about the guest's intentions is impossible: an instruction that is not
//! known here counts as the worst that it could be. The same pass counts what compilers and instances take time and
//! memory for (its [`Extent`]).

mod instructions;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use wasmer::sys::wasmparser::{
    BinaryReaderError, ExternalKind, FunctionBody, Parser, Payload, TypeRef, ValType,
};

use super::extent::{Extent, Tally};
use crate::sys::entry::Reach;
use instructions::Effect;

/// Effects that a module's instances can have on their state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Behaviour {
    /// Why a used instance cannot be reset, if it cannot.
    irreversible: Option<String>,
    /// The exported functions that change no state, whatever they are called with.
    pure: BTreeSet<String>,
    /// The exported functions that can reach no import, whatever they are called with.
    inward: BTreeSet<String>,
    /// Those of them that cause no trap but their own.
    enclosed: BTreeSet<String>,
    extent: Extent,
}

impl Behaviour {
    /// Of the module with those bytes. It holds for modules that are valid, and can be found out before it is known
    /// whether this one is: of other bytes it is only known that they are not.
    pub(crate) fn of(wasm: &[u8]) -> Self {
        let mut survey = Survey::default();
        match survey.read(wasm) {
            Ok(()) => survey.behaviour(),
            // Cannot be with a valid module; if it were, nothing would be known of it.
            Err(error) => Self {
                irreversible: Some(format!("its code cannot be read: {error}")),
                pure: BTreeSet::new(),
                inward: BTreeSet::new(),
                enclosed: BTreeSet::new(),
                extent: Extent::default(),
            },
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings can be written as JSON")
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// Why a used instance cannot be reset, if it cannot.
    pub(crate) fn irreversible(&self) -> Option<&str> {
        self.irreversible.as_deref()
    }

    /// Amounts in the module of what takes time and memory.
    pub(crate) fn extent(&self) -> &Extent {
        &self.extent
    }

    /// Whether the exported function of that name changes no state.
    pub(crate) fn is_pure(&self, function: &str) -> bool {
        self.pure.contains(function)
    }

    /// Functions that the exported function of that name may call.
    pub(crate) fn reach(&self, function: &str) -> Reach {
        if self.enclosed.contains(function) {
            Reach::OwnFunctions
        } else if self.inward.contains(function) {
            Reach::Builtins
        } else {
            Reach::Imports
        }
    }
}

/// Findings so far.
#[derive(Default)]
struct Survey {
    irreversible: Option<String>,
    imports_anything: bool,
    imported_functions: u32,
    /// One for each function with code.
    functions: Vec<Function>,
    exports: Vec<(String, u32)>,
    tally: Tally,
}

/// One function with code.
#[derive(Default)]
struct Function {
    changes_state: bool,
    /// It calls what cannot be told from its code, or does what nobody knows.
    calls_anything: bool,
    /// Wasmer may raise a trap for it.
    may_be_trapped: bool,
    calls: BTreeSet<u32>,
}

impl Survey {
    fn read(&mut self, wasm: &[u8]) -> Result<(), BinaryReaderError> {
        for payload in Parser::new(0).parse_all(wasm) {
            let payload = payload?;
            self.tally.section(&payload)?;
            match payload {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        self.imports_anything = true;
                        match import?.ty {
                            TypeRef::Func(_) => self.imported_functions += 1,
                            _ => self.cannot_reset("it imports state of others"),
                        }
                    }
                }
                Payload::MemorySection(memories) => {
                    for memory in memories {
                        let memory = memory?;
                        if memory.shared || memory.memory64 {
                            self.cannot_reset("it has a shared or a 64-bit memory");
                        }
                    }
                }
                Payload::GlobalSection(globals) => {
                    for global in globals {
                        let ty = global?.ty;
                        if ty.mutable && matches!(ty.content_type, ValType::Ref(_)) {
                            self.cannot_reset("it has a global reference that can change");
                        }
                    }
                }
                Payload::TagSection(_) => self.cannot_reset("it has exceptions"),
                Payload::ExportSection(exports) => {
                    for export in exports {
                        let export = export?;
                        if export.kind == ExternalKind::Func {
                            self.exports.push((export.name.to_owned(), export.index));
                        }
                    }
                }
                Payload::CodeSectionEntry(body) => {
                    let function = self.function(&body)?;
                    self.functions.push(function);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn function(&mut self, body: &FunctionBody<'_>) -> Result<Function, BinaryReaderError> {
        let mut function = Function::default();
        let mut operators = body.get_operators_reader()?;
        self.tally.begin_function(body)?;
        while !operators.eof() {
            let operator = operators.read()?;
            self.tally.operator(&operator);
            match instructions::effect_of(&operator) {
                Effect::None => {}
                Effect::Calls(callee) => {
                    function.calls.insert(callee);
                }
                Effect::ChangesState => function.changes_state = true,
                Effect::CallsWasmer => {
                    function.changes_state = true;
                    function.may_be_trapped = true;
                }
                Effect::CallsAnything => {
                    function.changes_state = true;
                    function.calls_anything = true;
                }
                Effect::Irreversible(instruction) => {
                    function.changes_state = true;
                    // It may be one that is not known here, and call.
                    function.calls_anything = true;
                    function.may_be_trapped = true;
                    self.cannot_reset(instruction);
                }
            }
        }
        self.tally.end_function();
        Ok(function)
    }

    fn cannot_reset(&mut self, reason: &str) {
        self.irreversible.get_or_insert_with(|| reason.to_owned());
    }

    fn behaviour(self) -> Behaviour {
        let callers = self.callers();
        // An import does whatever the host does.
        let changing =
            self.spread(&callers, |function| function.changes_state || self.calls_import(function));
        // Without imports there are none to be reached, in whatever way.
        let reaching = self.spread(&callers, |function| {
            self.imports_anything && (function.calls_anything || self.calls_import(function))
        });
        let any_may_be_trapped = self.functions.iter().any(|function| function.may_be_trapped);
        let leaving = self.spread(&callers, |function| {
            function.may_be_trapped
                || function.calls_anything && (self.imports_anything || any_may_be_trapped)
                || self.calls_import(function)
        });
        let without = |flags: &[bool]| {
            let exports = self.exports.iter().filter(|(_, index)| {
                let at = index.checked_sub(self.imported_functions);
                at.and_then(|at| flags.get(at as usize)).is_some_and(|flag| !flag)
            });
            exports.map(|(name, _)| name.clone()).collect()
        };
        let (pure, inward) = (without(&changing), without(&reaching));
        let enclosed = without(&leaving);
        let extent = self.tally.extent();
        Behaviour { pure, inward, enclosed, irreversible: self.irreversible, extent }
    }

    fn calls_import(&self, function: &Function) -> bool {
        function.calls.iter().any(|callee| self.at(*callee).is_none())
    }

    /// Where a function with code stands, by its index.
    fn at(&self, index: u32) -> Option<usize> {
        let at = index.checked_sub(self.imported_functions)? as usize;
        (at < self.functions.len()).then_some(at)
    }

    /// Who calls each function.
    fn callers(&self) -> Vec<Vec<usize>> {
        let mut callers = vec![Vec::new(); self.functions.len()];
        for (caller, function) in self.functions.iter().enumerate() {
            for callee in function.calls.iter().filter_map(|callee| self.at(*callee)) {
                callers[callee].push(caller);
            }
        }
        callers
    }

    /// Which functions have a property, themselves or by what they call.
    fn spread(&self, callers: &[Vec<usize>], has: impl Fn(&Function) -> bool) -> Vec<bool> {
        let mut having: Vec<bool> = self.functions.iter().map(has).collect();
        let mut open: Vec<usize> = (0..having.len()).filter(|at| having[*at]).collect();
        while let Some(at) = open.pop() {
            for &caller in &callers[at] {
                if !having[caller] {
                    having[caller] = true;
                    open.push(caller);
                }
            }
        }
        having
    }
}

#[cfg(test)]
mod tests;
