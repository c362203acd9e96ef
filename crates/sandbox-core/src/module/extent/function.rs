//! Counting in the code of one function, and the types of functions that this takes.

use wasmer::sys::wasmparser::{BlockType, Operator};

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

/// Counts of one function.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct FunctionCounts {
    pub(super) locals: u64,
    pub(super) blocks: u64,
    pub(super) branch_targets: u64,
    pub(super) nesting: u64,
    pub(super) phis: u64,
    pub(super) moved_values: u64,
}

/// Counts in the code of one function after the other.
///
/// How many distinct local variables are set within a block is found without sets: when a variable is set, only those of
/// the open blocks have not seen it that were opened after it was last set, and these are the innermost ones. So the
/// innermost gains one, and the first around it that has seen the variable loses one; what a block has when it is closed
/// goes to the block around it, and is the number of its variables.
#[derive(Debug, Default)]
pub(super) struct FunctionCounter {
    counts: FunctionCounts,
    /// The open blocks, the function itself first.
    open: Vec<Block>,
    /// When each variable was last set, in all functions so far: a moment before this function began is never.
    last_set: Vec<u64>,
    now: u64,
}

#[derive(Debug, Clone, Copy)]
struct Block {
    opened: u64,
    /// The distinct variables set within, less those that a block around it has seen already.
    set: i64,
    /// The values that come in and go out.
    values: u64,
    /// The values that a branch to it takes along.
    taken_along: u64,
    /// Whether ways through the function meet at its end or its beginning.
    is_meeting: bool,
}

/// More variables a valid function does not have.
const MOST_LOCALS: u64 = 50_000;

impl FunctionCounter {
    /// Begins with a function that has so many parameters and results.
    pub(super) fn begin(&mut self, parameters: u64, results: u64) {
        self.counts = FunctionCounts { locals: parameters, ..FunctionCounts::default() };
        self.counts.moved_values = parameters;
        self.open.clear();
        self.open(parameters + results, results);
    }

    /// Adds variables beside the parameters.
    pub(super) fn declare(&mut self, locals: u32) {
        self.counts.locals = self.counts.locals.saturating_add(u64::from(locals));
    }

    /// Begins with the code, after all variables were declared.
    pub(super) fn begin_code(&mut self) {
        // Of a function with more the module is not valid, and what is counted does not matter.
        let locals = usize::try_from(self.counts.locals.min(MOST_LOCALS)).unwrap_or_default();
        if self.last_set.len() < locals {
            self.last_set.resize(locals, 0);
        }
    }

    /// Counts since the function began.
    pub(super) fn counts(&self) -> FunctionCounts {
        self.counts
    }

    /// Counts what one instruction adds.
    #[inline]
    pub(super) fn count(&mut self, operator: &Operator<'_>, signatures: &Signatures) {
        match operator {
            Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                self.set(*local_index);
            }
            Operator::Block { blockty } => self.open_block(*blockty, signatures, |_, out| out),
            Operator::Loop { blockty } => self.open_block(*blockty, signatures, |into, _| into),
            Operator::If { blockty } => {
                self.open_block(*blockty, signatures, |_, out| out);
                self.meet(0);
            }
            Operator::TryTable { try_table } => {
                self.open_block(try_table.ty, signatures, |_, out| out);
                for catch in &try_table.catches {
                    use wasmer::sys::wasmparser::Catch;
                    let (Catch::One { label, .. }
                    | Catch::OneRef { label, .. }
                    | Catch::All { label }
                    | Catch::AllRef { label }) = catch;
                    self.branch(label.saturating_add(1));
                }
            }
            Operator::End => self.close(),
            Operator::Br { relative_depth }
            | Operator::BrIf { relative_depth }
            | Operator::BrOnNull { relative_depth }
            | Operator::BrOnNonNull { relative_depth } => self.branch(*relative_depth),
            Operator::BrTable { targets } => {
                self.counts.branch_targets += u64::from(targets.len()) + 1;
                targets.targets().flatten().for_each(|target| self.branch(target));
                self.branch(targets.default());
            }
            Operator::Return => {
                self.counts.moved_values += self.open.first().map_or(0, |block| block.taken_along);
            }
            Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                self.counts.moved_values += signatures.of_function(*function_index).values();
            }
            Operator::CallIndirect { type_index, .. }
            | Operator::ReturnCallIndirect { type_index, .. } => {
                self.counts.moved_values += signatures.of_type(*type_index).values();
            }
            _ => {}
        }
    }

    fn open_block(
        &mut self,
        ty: BlockType,
        signatures: &Signatures,
        taken_along: impl FnOnce(u64, u64) -> u64,
    ) {
        let (into, out) = match ty {
            BlockType::Empty => (0, 0),
            BlockType::Type(_) => (0, 1),
            BlockType::FuncType(index) => {
                let ty = signatures.of_type(index);
                (ty.parameters.into(), ty.results.into())
            }
        };
        self.counts.blocks += 1;
        self.counts.moved_values += into + out;
        self.open(into + out, taken_along(into, out));
        self.counts.nesting = self.counts.nesting.max(self.open.len() as u64 - 1);
    }

    fn open(&mut self, values: u64, taken_along: u64) {
        self.now += 1;
        let opened = self.now;
        self.open.push(Block { opened, set: 0, values, taken_along, is_meeting: false });
    }

    fn close(&mut self) {
        let Some(block) = self.open.pop() else { return };
        if let Some(around) = self.open.last_mut() {
            around.set += block.set;
            if block.is_meeting {
                self.counts.phis += block.set.unsigned_abs() + block.values;
            }
        }
    }

    #[inline]
    fn set(&mut self, local: u32) {
        let Some(last) = self.last_set.get_mut(local as usize) else { return };
        self.now += 1;
        let before = std::mem::replace(last, self.now);
        let Some(innermost) = self.open.last_mut() else { return };
        if before > innermost.opened {
            return;
        }
        innermost.set += 1;
        let seen = self.open.partition_point(|block| block.opened < before);
        if let Some(seen) = seen.checked_sub(1).and_then(|at| self.open.get_mut(at)) {
            seen.set -= 1;
        }
    }

    fn branch(&mut self, depth: u32) {
        let taken_along = self.meet(depth);
        self.counts.moved_values += taken_along;
    }

    /// Notes that a way through the function leads to the block so many levels out. Returns how many values it takes along.
    fn meet(&mut self, depth: u32) -> u64 {
        let at = self.open.len().checked_sub(1 + depth as usize);
        let Some(block) = at.and_then(|at| self.open.get_mut(at)) else { return 0 };
        block.is_meeting = true;
        block.taken_along
    }
}
