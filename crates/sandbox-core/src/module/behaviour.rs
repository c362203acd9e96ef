//! What a module can do to its own state, found by reading its code once.
//!
//! Two questions decide what a call on a fresh instance costs. Does anything in the module change state that a
//! reset cannot put back? And which functions change no state at all? Both are answered from the
//! instructions alone, so a wrong guess about the guest's intentions is impossible: an instruction that is not
//! known here counts as the worst that it could be.

mod instructions;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use wasmparser::{
    BinaryReaderError, ExternalKind, FunctionBody, Parser, Payload, TypeRef, ValType,
};

use instructions::Effect;

/// What a module's instances can do to their state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Behaviour {
    /// Why a used instance cannot be reset, if it cannot.
    irreversible: Option<String>,
    /// The exported functions that change no state, whatever they are called with.
    pure: BTreeSet<String>,
}

impl Behaviour {
    /// Of the module with those bytes, which have been validated.
    pub(crate) fn of(wasm: &[u8]) -> Self {
        let mut survey = Survey::default();
        match survey.read(wasm) {
            Ok(()) => survey.behaviour(),
            // Cannot be with a valid module; if it were, nothing would be known of it.
            Err(error) => Self {
                irreversible: Some(format!("its code cannot be read: {error}")),
                pure: BTreeSet::new(),
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

    /// Whether the exported function of that name changes no state.
    pub(crate) fn is_pure(&self, function: &str) -> bool {
        self.pure.contains(function)
    }
}

/// What has been found so far.
#[derive(Default)]
struct Survey {
    irreversible: Option<String>,
    imported_functions: u32,
    /// One for each function with code.
    functions: Vec<Function>,
    exports: Vec<(String, u32)>,
}

/// One function with code.
#[derive(Default)]
struct Function {
    changes_state: bool,
    calls: BTreeSet<u32>,
}

impl Survey {
    fn read(&mut self, wasm: &[u8]) -> Result<(), BinaryReaderError> {
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
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
        while !operators.eof() {
            match instructions::effect_of(&operators.read()?) {
                Effect::None => {}
                Effect::Calls(callee) => {
                    function.calls.insert(callee);
                }
                Effect::ChangesState => function.changes_state = true,
                Effect::Irreversible(instruction) => {
                    function.changes_state = true;
                    self.cannot_reset(instruction);
                }
            }
        }
        Ok(function)
    }

    fn cannot_reset(&mut self, reason: &str) {
        self.irreversible.get_or_insert_with(|| reason.to_owned());
    }

    fn behaviour(self) -> Behaviour {
        let changing = self.changing();
        let pure = self.exports.into_iter().filter_map(|(name, index)| {
            let at = index.checked_sub(self.imported_functions)?;
            let changes = changing.get(at as usize).copied().unwrap_or(true);
            (!changes).then_some(name)
        });
        Behaviour { pure: pure.collect(), irreversible: self.irreversible }
    }

    /// Which functions may change state, themselves or by what they call.
    fn changing(&self) -> Vec<bool> {
        let mut callers = vec![Vec::new(); self.functions.len()];
        let mut changing: Vec<bool> = self.functions.iter().map(|f| f.changes_state).collect();
        for (caller, function) in self.functions.iter().enumerate() {
            for callee in &function.calls {
                match callee.checked_sub(self.imported_functions) {
                    Some(callee) if (callee as usize) < callers.len() => {
                        callers[callee as usize].push(caller);
                    }
                    // An import: whatever the host does.
                    _ => changing[caller] = true,
                }
            }
        }
        let mut open: Vec<usize> = (0..changing.len()).filter(|at| changing[*at]).collect();
        while let Some(at) = open.pop() {
            for &caller in &callers[at] {
                if !changing[caller] {
                    changing[caller] = true;
                    open.push(caller);
                }
            }
        }
        changing
    }
}

#[cfg(test)]
mod tests;
