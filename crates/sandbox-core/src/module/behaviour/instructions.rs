//! Effects of single instructions on an instance's state.

use wasmer::sys::wasmparser::Operator;

/// Effect of one instruction on the state of its instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// No effect: it computes, reads, branches, or traps.
    None,
    /// The effect of the function of that index.
    Calls(u32),
    /// It writes to a memory or a global.
    ChangesState,
    /// It writes to a memory by a function of Wasmer that may raise a trap.
    CallsWasmer,
    /// It calls what cannot be told from the code.
    CallsAnything,
    /// It changes what a reset cannot put back.
    Irreversible(&'static str),
}

/// Effects of a proposal's instructions, unless [`effect_of`] knows better.
macro_rules! proposals {
    ($( @$proposal:ident $name:ident $({ $($field:ident: $type:ty),* })? => $visit:ident
        ($($annotation:tt)*) )*) => {
        fn proposal_of(operator: &Operator<'_>) -> &'static str {
            match operator {
                $( Operator::$name { .. } => stringify!($proposal), )*
                // The enumeration may get instructions of proposals to come.
                _ => "unknown",
            }
        }
    };
}
wasmer::sys::wasmparser::for_each_operator!(proposals);

/// The proposals all of whose instructions were considered for [`effect_of`].
const CONSIDERED: [&str; 7] = [
    "mvp",
    "sign_extension",
    "saturating_float_to_int",
    "bulk_memory",
    "reference_types",
    "simd",
    "relaxed_simd",
];

pub(super) fn effect_of(operator: &Operator<'_>) -> Effect {
    use Operator as Op;
    match operator {
        Op::Call { function_index } | Op::ReturnCall { function_index } => {
            Effect::Calls(*function_index)
        }
        Op::CallIndirect { .. } | Op::ReturnCallIndirect { .. } => Effect::CallsAnything,
        Op::GlobalSet { .. }
        | Op::MemoryGrow { .. }
        | Op::MemoryCopy { .. }
        | Op::MemoryFill { .. }
        | Op::I32Store { .. }
        | Op::I64Store { .. }
        | Op::F32Store { .. }
        | Op::F64Store { .. }
        | Op::I32Store8 { .. }
        | Op::I32Store16 { .. }
        | Op::I64Store8 { .. }
        | Op::I64Store16 { .. }
        | Op::I64Store32 { .. }
        | Op::V128Store { .. }
        | Op::V128Store8Lane { .. }
        | Op::V128Store16Lane { .. }
        | Op::V128Store32Lane { .. }
        | Op::V128Store64Lane { .. } => Effect::ChangesState,
        Op::MemoryInit { .. } => Effect::CallsWasmer,
        Op::TableSet { .. }
        | Op::TableGrow { .. }
        | Op::TableFill { .. }
        | Op::TableCopy { .. }
        | Op::TableInit { .. } => Effect::Irreversible("its code changes a table"),
        Op::DataDrop { .. } | Op::ElemDrop { .. } => {
            Effect::Irreversible("its code drops a segment")
        }
        other if CONSIDERED.contains(&proposal_of(other)) => Effect::None,
        _ => Effect::Irreversible("it uses instructions whose effects are not known"),
    }
}
