//! Limits on the amount and the shape of what is compiled.

use std::fmt;
use std::time::Duration;

/// Measure of a module that takes a compiler time and memory, counted before it is compiled.
///
/// [`SandboxError::CompileLimit`](crate::SandboxError::CompileLimit) names one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum CompileMeasure {
    /// The size of a function's code, in bytes of WebAssembly.
    FunctionBytes,
    /// The parameters and local variables of a function.
    FunctionLocals,
    /// The blocks, loops and conditions of a function.
    FunctionBlocks,
    /// The targets of all branch tables (`br_table`) of a function.
    BranchTargets,
    /// The deepest nesting of a function's blocks.
    Nesting,
    /// The values that a compiler has to merge where ways through a function meet (`phis`): for each block, loop and
    /// condition that is branched to, its parameters and results and the local variables that are set within. That of a
    /// module is the root of the sum of the squares of those of its functions.
    Phis,
    /// The parameters and local variables of all functions.
    Locals,
    /// The values that all calls, branches and blocks take along: an instruction of two bytes may move a thousand.
    MovedValues,
    /// The types of functions.
    Types,
    /// The imports.
    Imports,
    /// The functions that have code.
    Functions,
    /// The tables.
    Tables,
    /// The globals.
    Globals,
    /// The exports.
    Exports,
    /// The segments of tables and the elements in them.
    Elements,
    /// The data segments.
    DataSegments,
    /// The custom sections.
    CustomSections,
}

impl CompileMeasure {
    /// All of them, those of single functions first.
    pub const ALL: &'static [Self] = &[
        Self::FunctionBytes,
        Self::FunctionLocals,
        Self::FunctionBlocks,
        Self::BranchTargets,
        Self::Nesting,
        Self::Phis,
        Self::Locals,
        Self::MovedValues,
        Self::Types,
        Self::Imports,
        Self::Functions,
        Self::Tables,
        Self::Globals,
        Self::Exports,
        Self::Elements,
        Self::DataSegments,
        Self::CustomSections,
    ];

    /// Name of the measure in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FunctionBytes => "bytes of code",
            Self::FunctionLocals => "local variables",
            Self::FunctionBlocks => "blocks",
            Self::BranchTargets => "targets of branch tables",
            Self::Nesting => "levels of blocks",
            Self::Phis => "merged values (phis)",
            Self::Locals => "local variables in all functions",
            Self::MovedValues => "values moved by calls and branches",
            Self::Types => "types of functions",
            Self::Imports => "imports",
            Self::Functions => "functions",
            Self::Tables => "tables",
            Self::Globals => "globals",
            Self::Exports => "exports",
            Self::Elements => "elements of tables",
            Self::DataSegments => "data segments",
            Self::CustomSections => "custom sections",
        }
    }

    /// Whether it is counted for each function, and not for the module.
    pub(crate) const fn is_of_function(self) -> bool {
        (self as usize) < Self::Phis as usize
    }

    /// Its place in [`Self::ALL`].
    pub(crate) const fn at(self) -> usize {
        self as usize
    }
}

impl fmt::Display for CompileMeasure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The most of each [`CompileMeasure`] that is compiled, and for how long.
///
/// All of it is counted before anything is compiled, in the pass that reads a module's code anyway. What passes takes a
/// compiler little more than proportionally longer the larger it is. A module that is over a limit is refused with
/// [`SandboxError::CompileLimit`](crate::SandboxError::CompileLimit), which names the place; but one with more
/// [`phis`](Self::phis) than its compiler is to merge is compiled with
/// `Compiler::Singlepass` instead, which merges none, if that is there and knows the features that it uses.
///
/// `u32::MAX` leaves a count to the limits that WebAssembly's implementations have agreed on.
///
/// ```
/// use sandbox_core::{CompileLimits, SecurityPolicy};
///
/// let mut limits = CompileLimits::paranoid();
/// limits.exports = 100;
/// let policy = SecurityPolicy::strict().with_compile_limits(limits);
/// assert_eq!(policy.compile_limits.exports, 100);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct CompileLimits {
    /// The size of a function's code, in bytes of WebAssembly.
    pub function_bytes: u32,
    /// The parameters and local variables of one function.
    pub function_locals: u32,
    /// The blocks, loops and conditions of one function.
    pub function_blocks: u32,
    /// The targets of all branch tables of one function.
    pub branch_targets: u32,
    /// Deepest nesting of one function's blocks.
    pub nesting: u32,
    /// The values that are merged where ways through functions meet ([`CompileMeasure::Phis`]). Compilers that
    /// optimise take time with the square of it: 25,000 are about a second, 40,000 two or three.
    pub phis: u32,
    /// The parameters and local variables of all functions.
    pub locals: u32,
    /// The values that all calls, branches and blocks take along.
    pub moved_values: u32,
    /// The types of functions.
    pub types: u32,
    /// The imports.
    pub imports: u32,
    /// The functions that have code.
    pub functions: u32,
    /// The tables.
    pub tables: u32,
    /// The globals.
    pub globals: u32,
    /// The exports.
    pub exports: u32,
    /// The segments of tables, and the elements in them.
    pub elements: u32,
    /// The data segments.
    pub data_segments: u32,
    /// The custom sections.
    pub custom_sections: u32,
    /// Longest time that a compiler may take. It is looked at between two functions. `None` sets no limit.
    pub time: Option<Duration>,
}

/// No limit beyond those that WebAssembly's implementations have agreed on.
const UNLIMITED: u32 = u32::MAX;

/// Within one function a compiler is not stopped, so the size of a function bounds what it takes where no other limit does: in code
/// that goes straight on. Measured with Cranelift, in processor time on a busy 2-core virtual machine and in memory at the peak
/// (`straight_code_of_many_sizes` in the tests measures it here):
///
/// | one function of | 128 KiB | 256 KiB | 512 KiB |
/// |---|---|---|---|
/// | calls that are found in a table | 1.5 s | 3.3 s, 300 MiB | 8 s, 300 MiB |
/// | calls across which 4,000 variables live | 0.3 s | 0.9 s, 110 MiB | 2.1 s, 230 MiB |
/// | `table.get`; `memory.grow` | 0.3 s | 1 s, 80 MiB | 2.1 s, 220 MiB |
/// | divisions; conversions that may trap | 0.3 s | 0.7 s | 1.6 s, 200 MiB |
/// | loads; sums | 0.2 s | 0.4 s | 0.8 s, 70 MiB |
/// | stores, selects, globals, values on the stack | 0.04 s | 0.07 s | 0.14 s |
///
/// Of functions as large as the wider presets let pass, calls across which four fifths of the variables live were measured: 1 MiB takes
/// Cranelift 3 s and 560 MiB, 2 MiB 7 s and 690 MiB; Singlepass at most 0.7 s and 50 MiB. Calls that are found in a table were not
/// measured at those sizes. Time for all functions together is bounded by [`CompileLimits::time`].
///
/// It grows a little faster than the size. The largest function of the guests here, a template engine, has 50 KiB. So this is
/// five times that, and costs a few seconds at most.
const PARANOID_FUNCTION_BYTES: u32 = 256 * 1024;

impl CompileLimits {
    /// As much as the compilers bear.
    pub const fn permissive() -> Self {
        Self {
            function_bytes: UNLIMITED,
            function_locals: UNLIMITED,
            function_blocks: UNLIMITED,
            branch_targets: UNLIMITED,
            nesting: UNLIMITED,
            phis: 1_000_000,
            locals: 50_000_000,
            moved_values: 100_000_000,
            types: UNLIMITED,
            imports: UNLIMITED,
            functions: UNLIMITED,
            tables: UNLIMITED,
            globals: UNLIMITED,
            exports: UNLIMITED,
            elements: UNLIMITED,
            data_segments: UNLIMITED,
            custom_sections: UNLIMITED,
            time: None,
        }
    }

    /// More than programs have that anybody writes.
    pub const fn basic() -> Self {
        Self {
            function_bytes: 4 * 1024 * 1024,
            function_locals: 40_000,
            function_blocks: 200_000,
            branch_targets: 1_000_000,
            nesting: 20_000,
            phis: 100_000,
            locals: 10_000_000,
            moved_values: 30_000_000,
            types: 100_000,
            imports: 20_000,
            functions: 500_000,
            tables: 50,
            globals: 200_000,
            exports: 200_000,
            elements: 5_000_000,
            data_segments: 90_000,
            custom_sections: 1_000,
            time: Some(Duration::from_secs(300)),
        }
    }

    /// As much as large programs have.
    pub const fn strict() -> Self {
        Self {
            function_bytes: 1024 * 1024,
            function_locals: 20_000,
            function_blocks: 50_000,
            branch_targets: 200_000,
            nesting: 10_000,
            phis: 60_000,
            locals: 4_000_000,
            moved_values: 10_000_000,
            types: 20_000,
            imports: 5_000,
            functions: 200_000,
            tables: 20,
            globals: 20_000,
            exports: 20_000,
            elements: 500_000,
            data_segments: 90_000,
            custom_sections: 500,
            time: Some(Duration::from_secs(60)),
        }
    }

    /// A few times as much as ordinary programs have.
    pub const fn paranoid() -> Self {
        Self {
            function_bytes: PARANOID_FUNCTION_BYTES,
            function_locals: 5_000,
            function_blocks: 10_000,
            branch_targets: 50_000,
            nesting: 5_000,
            phis: 40_000,
            locals: 1_000_000,
            moved_values: 4_000_000,
            types: 5_000,
            imports: 1_000,
            functions: 50_000,
            tables: 10,
            globals: 5_000,
            exports: 5_000,
            elements: 100_000,
            data_segments: 50_000,
            custom_sections: 100,
            time: Some(Duration::from_secs(30)),
        }
    }

    /// The most of that measure that is compiled.
    #[must_use]
    pub const fn of(&self, measure: CompileMeasure) -> u32 {
        match measure {
            CompileMeasure::FunctionBytes => self.function_bytes,
            CompileMeasure::FunctionLocals => self.function_locals,
            CompileMeasure::FunctionBlocks => self.function_blocks,
            CompileMeasure::BranchTargets => self.branch_targets,
            CompileMeasure::Nesting => self.nesting,
            CompileMeasure::Phis => self.phis,
            CompileMeasure::Locals => self.locals,
            CompileMeasure::MovedValues => self.moved_values,
            CompileMeasure::Types => self.types,
            CompileMeasure::Imports => self.imports,
            CompileMeasure::Functions => self.functions,
            CompileMeasure::Tables => self.tables,
            CompileMeasure::Globals => self.globals,
            CompileMeasure::Exports => self.exports,
            CompileMeasure::Elements => self.elements,
            CompileMeasure::DataSegments => self.data_segments,
            CompileMeasure::CustomSections => self.custom_sections,
        }
    }
}

impl Default for CompileLimits {
    /// Returns [`CompileLimits::basic`].
    fn default() -> Self {
        Self::basic()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_measure_is_in_the_list_at_its_own_place() {
        for (at, &measure) in CompileMeasure::ALL.iter().enumerate() {
            assert_eq!(measure.at(), at);
        }
        assert!(CompileMeasure::Nesting.is_of_function() && !CompileMeasure::Phis.is_of_function());
    }
}
