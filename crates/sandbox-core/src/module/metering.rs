//! Makes a module count the work that it does.
//!
//! The code is changed while it is compiled. A global that only the host and the inserted instructions can name
//! holds the fuel that is left. Before each instruction at which control can go somewhere else, the cost of what
//! was executed since the last one is subtracted; where that makes the global negative, the guest traps.
//! Instructions that do work in proportion to an operand subtract it first.

use std::sync::OnceLock;

use wasmer::sys::wasmparser::{BlockType, Operator, ValType};
use wasmer::sys::{FunctionMiddleware, MiddlewareError, MiddlewareReaderState, ModuleMiddleware};
use wasmer_types::entity::EntityRef;
use wasmer_types::{
    ExportIndex, GlobalInit, GlobalType, LocalFunctionIndex, ModuleInfo, Mutability, Type,
};

/// The name of what metering adds to the exports. The namespace is that of the guest ABI.
pub(crate) const FUEL_EXPORT: &str = "sandbox_fuel";

/// The logarithm of how many bytes are filled or copied for one unit.
const BYTES_PER_UNIT_LOG2: i64 = 3;

/// The logarithm of how many locals are set to zero for one unit.
const LOCALS_PER_UNIT_LOG2: u32 = 3;

/// Meters one module.
#[derive(Debug, Default)]
pub(super) struct Metering {
    globals: OnceLock<Globals>,
}

/// The globals that were added, by their place among the module's.
#[derive(Debug, Clone, Copy)]
struct Globals {
    /// The fuel that is left, as an `i64`.
    fuel: u32,
    /// Room for an operand of 32 bits.
    operand: u32,
}

impl Metering {
    fn failed(message: impl Into<String>) -> MiddlewareError {
        MiddlewareError::new("metering", message)
    }
}

impl ModuleMiddleware for Metering {
    fn generate_function_middleware<'a>(
        &self,
        _function: LocalFunctionIndex,
    ) -> Box<dyn FunctionMiddleware<'a> + 'a> {
        Box::new(Meter { globals: self.globals.get().copied(), cost: 0 })
    }

    fn transform_module_info(&self, info: &mut ModuleInfo) -> Result<(), MiddlewareError> {
        if info.exports.contains_key(FUEL_EXPORT) {
            return Err(Self::failed(format!(
                "the module exports `{FUEL_EXPORT}`, which is a name of the sandbox's own"
            )));
        }
        let mut add = |ty, initial| {
            info.global_initializers.push(initial);
            info.globals.push(GlobalType::new(ty, Mutability::Var))
        };
        let fuel = add(Type::I64, GlobalInit::I64Const(0));
        let operand = add(Type::I32, GlobalInit::I32Const(0));
        info.exports.insert(FUEL_EXPORT.to_owned(), ExportIndex::Global(fuel));
        let index = |global: wasmer_types::GlobalIndex| {
            u32::try_from(global.index()).map_err(|_| Self::failed("too many globals"))
        };
        let globals = Globals { fuel: index(fuel)?, operand: index(operand)? };
        self.globals.set(globals).map_err(|_| Self::failed("used for a second module"))
    }
}

/// Meters one function.
#[derive(Debug)]
struct Meter {
    globals: Option<Globals>,
    /// Cost of what was executed since the last subtraction.
    cost: i64,
}

impl<'a> FunctionMiddleware<'a> for Meter {
    /// Each call sets all locals to zero, which may take longer than the rest of the function.
    fn locals_info(&mut self, locals: &[ValType]) {
        self.cost += i64::try_from(locals.len() >> LOCALS_PER_UNIT_LOG2).unwrap_or(i64::MAX);
    }

    fn feed(
        &mut self,
        operator: Operator<'a>,
        state: &mut MiddlewareReaderState<'a>,
    ) -> Result<(), MiddlewareError> {
        let globals = self.globals.ok_or_else(|| Metering::failed("used without a module"))?;
        if !is_mark(&operator) {
            self.cost += 1;
        }
        let proportional = units_log2_of_operand(&operator);
        if self.cost > 0 && (leaves(&operator) || proportional.is_some()) {
            state.extend(subtract(globals, &[Operator::I64Const { value: self.cost }]));
            self.cost = 0;
            if proportional.is_none() {
                state.extend(trap_if_negative(globals));
            }
        }
        if let Some(log2) = proportional {
            // The operand is taken off the stack, remembered, and put back.
            let operand = Operator::GlobalGet { global_index: globals.operand };
            state.push_operator(Operator::GlobalSet { global_index: globals.operand });
            state.push_operator(operand.clone());
            let units = [
                operand,
                Operator::I64ExtendI32U,
                Operator::I64Const { value: log2 },
                Operator::I64ShrU,
            ];
            state.extend(subtract(globals, &units));
            state.extend(trap_if_negative(globals));
        }
        state.push_operator(operator);
        Ok(())
    }
}

/// Subtracts what the operators compute from the fuel.
fn subtract<'a>(globals: Globals, units: &[Operator<'a>]) -> Vec<Operator<'a>> {
    let mut operators = vec![Operator::GlobalGet { global_index: globals.fuel }];
    operators.extend_from_slice(units);
    operators.extend([Operator::I64Sub, Operator::GlobalSet { global_index: globals.fuel }]);
    operators
}

fn trap_if_negative<'a>(globals: Globals) -> [Operator<'a>; 6] {
    [
        Operator::GlobalGet { global_index: globals.fuel },
        Operator::I64Const { value: 0 },
        Operator::I64LtS,
        Operator::If { blockty: BlockType::Empty },
        Operator::Unreachable,
        Operator::End,
    ]
}

/// Instructions that only mark structure.
fn is_mark(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::Block { .. }
            | Operator::Loop { .. }
            | Operator::Else
            | Operator::End
            | Operator::Nop
    )
}

/// Whether what comes next in the code may not be what is executed next, or may be executed without this.
fn leaves(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::Else
            | Operator::End
            | Operator::Br { .. }
            | Operator::BrIf { .. }
            | Operator::BrTable { .. }
            | Operator::BrOnNull { .. }
            | Operator::BrOnNonNull { .. }
            | Operator::Return
            | Operator::Call { .. }
            | Operator::CallIndirect { .. }
            | Operator::CallRef { .. }
            | Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. }
            | Operator::ReturnCallRef { .. }
            | Operator::TryTable { .. }
            | Operator::Throw { .. }
            | Operator::ThrowRef
            | Operator::Unreachable
    )
}

/// For an instruction that works in proportion to the operand on top of the stack: the logarithm of how much of
/// it is one unit.
fn units_log2_of_operand(operator: &Operator<'_>) -> Option<i64> {
    match operator {
        Operator::MemoryCopy { .. } | Operator::MemoryFill { .. } | Operator::MemoryInit { .. } => {
            Some(BYTES_PER_UNIT_LOG2)
        }
        Operator::TableCopy { .. } | Operator::TableFill { .. } | Operator::TableInit { .. } => {
            Some(0)
        }
        _ => None,
    }
}
