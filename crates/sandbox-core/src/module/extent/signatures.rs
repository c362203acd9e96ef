//! Numbers of values that functions take and return.

/// Numbers of values that a type of functions takes and returns.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Arity {
    pub(super) parameters: u32,
    pub(super) results: u32,
}

impl Arity {
    pub(super) fn values(self) -> u64 {
        u64::from(self.parameters) + u64::from(self.results)
    }
}

/// The types of a module's functions, as far as they matter here.
#[derive(Debug, Default)]
pub(super) struct Signatures {
    pub(super) types: Vec<Arity>,
    /// Of all functions, imported ones first, by their types.
    pub(super) functions: Vec<u32>,
    pub(super) imported: usize,
}

impl Signatures {
    pub(super) fn of_type(&self, index: u32) -> Arity {
        self.types.get(index as usize).copied().unwrap_or_default()
    }

    pub(super) fn of_function(&self, index: u32) -> Arity {
        self.functions.get(index as usize).map(|ty| self.of_type(*ty)).unwrap_or_default()
    }
}
