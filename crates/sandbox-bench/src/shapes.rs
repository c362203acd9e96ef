//! Generated modules: as much of one shape of code as is wanted, to see how compiling grows with it.

use wasm_encoder::{
    BlockType, CodeSection, ExportKind, ExportSection, Function, FunctionSection, Instruction,
    Module, TypeSection, ValType,
};

/// A shape of code, of which there can be more or less.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Name of the shape in that of the benchmark.
    pub name: &'static str,
    /// The most of it that is asked for.
    pub most: u32,
    make: fn(u32) -> Vec<u8>,
}

/// The shapes that compilers take longest for, none beyond what the narrowest policy has compiled of it.
pub const SHAPES: [Shape; 10] = [
    Shape { name: "arithmetic", most: 36_000, make: arithmetic },
    Shape { name: "blocks", most: 10_000, make: blocks },
    Shape { name: "nesting", most: 5_000, make: nesting },
    Shape { name: "branch_targets", most: 50_000, make: branch_targets },
    Shape { name: "phis_in_one_function", most: 40_000, make: |phis| merging(1, phis) },
    Shape {
        name: "phis_in_many_functions",
        most: 50_000,
        make: |phis| merging(phis.div_ceil(500), 500),
    },
    Shape { name: "locals", most: 1_000_000, make: locals },
    Shape { name: "moved_values", most: 2_000_000, make: moved_values },
    Shape { name: "functions", most: 25_000, make: functions },
    Shape { name: "exports", most: 5_000, make: exports },
];

impl Shape {
    /// A module with so much of it.
    pub fn module(self, count: u32) -> Vec<u8> {
        (self.make)(count)
    }
}

/// A long straight function: two instructions for each.
fn arithmetic(count: u32) -> Vec<u8> {
    one_function(1, |code| {
        for _ in 0..count {
            code.instruction(&Instruction::LocalGet(0));
            code.instruction(&Instruction::I32Const(3));
            code.instruction(&Instruction::I32Mul);
            code.instruction(&Instruction::LocalSet(0));
        }
    })
}

/// Conditions one after the other, each of which sets a variable.
fn blocks(count: u32) -> Vec<u8> {
    const LOCALS: u32 = 100;
    one_function(LOCALS, |code| {
        for block in 0..count {
            code.instruction(&Instruction::LocalGet(block % LOCALS));
            code.instruction(&Instruction::If(BlockType::Empty));
            code.instruction(&Instruction::I32Const(7));
            code.instruction(&Instruction::LocalSet((block + 1) % LOCALS));
            code.instruction(&Instruction::End);
        }
    })
}

/// Blocks in blocks, each left from the innermost.
fn nesting(count: u32) -> Vec<u8> {
    one_function(1, |code| {
        (0..count).for_each(|_| open(code));
        for depth in 0..count {
            code.instruction(&Instruction::LocalGet(0));
            code.instruction(&Instruction::BrIf(depth));
        }
        (0..count).for_each(|_| close(code));
    })
}

/// A branch table into some hundred blocks.
fn branch_targets(count: u32) -> Vec<u8> {
    const BLOCKS: u32 = 500;
    one_function(1, |code| {
        (0..BLOCKS).for_each(|_| open(code));
        code.instruction(&Instruction::LocalGet(0));
        let targets: Vec<u32> = (0..count - 1).map(|target| target % BLOCKS).collect();
        code.instruction(&Instruction::BrTable(targets.into(), 0));
        (0..BLOCKS).for_each(|_| close(code));
    })
}

/// Functions in each of which so many values are merged: blocks in blocks around some variables.
fn merging(functions: u32, phis: u32) -> Vec<u8> {
    const LOCALS: u32 = 50;
    module(functions, LOCALS, |code| {
        let blocks = phis / LOCALS;
        (0..blocks).for_each(|_| open(code));
        for local in 0..LOCALS {
            code.instruction(&Instruction::I32Const(7));
            code.instruction(&Instruction::LocalSet(local));
        }
        for depth in 0..blocks {
            code.instruction(&Instruction::LocalGet(depth % LOCALS));
            code.instruction(&Instruction::BrIf(0));
            close(code);
        }
    })
}

/// Functions with many variables and nothing else.
fn locals(count: u32) -> Vec<u8> {
    const LOCALS: u32 = 1_000;
    module(count / LOCALS, LOCALS, |_| ())
}

/// Calls that take a hundred values along each.
fn moved_values(count: u32) -> Vec<u8> {
    const VALUES: u32 = 100;
    const CALLS_OF_ONE: u32 = 500;
    let calls = count / VALUES;
    module_of(calls / CALLS_OF_ONE, 1, VALUES, |code| {
        for _ in 0..CALLS_OF_ONE {
            for _ in 0..VALUES {
                code.instruction(&Instruction::LocalGet(0));
            }
            code.instruction(&Instruction::Call(0));
        }
    })
}

fn functions(count: u32) -> Vec<u8> {
    module(count, 0, |_| ())
}

fn exports(count: u32) -> Vec<u8> {
    let mut exports = ExportSection::new();
    for index in 0..count {
        exports.export(&format!("e{index}"), ExportKind::Func, 0);
    }
    assembled(1, 0, 0, Some(&exports), |_| ())
}

fn open(code: &mut Function) {
    code.instruction(&Instruction::Block(BlockType::Empty));
}

fn close(code: &mut Function) {
    code.instruction(&Instruction::End);
}

fn one_function(locals: u32, code: impl Fn(&mut Function)) -> Vec<u8> {
    module(1, locals, code)
}

fn module(functions: u32, locals: u32, code: impl Fn(&mut Function)) -> Vec<u8> {
    module_of(functions, locals, 0, code)
}

fn module_of(functions: u32, locals: u32, values: u32, code: impl Fn(&mut Function)) -> Vec<u8> {
    assembled(functions, locals, values, None, code)
}

/// So many functions of that code, behind one with nothing in it that takes so many values.
fn assembled(
    functions: u32,
    locals: u32,
    values: u32,
    exports: Option<&ExportSection>,
    code: impl Fn(&mut Function),
) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function(vec![ValType::I32; values as usize], []);
    types.ty().function([], []);
    let (mut declared, mut bodies) = (FunctionSection::new(), CodeSection::new());
    let mut add = |ty, locals, code: &dyn Fn(&mut Function)| {
        declared.function(ty);
        let mut body = Function::new([(locals, ValType::I32)]);
        code(&mut body);
        body.instruction(&Instruction::End);
        bodies.function(&body);
    };
    add(0, 0, &|_| ());
    (0..functions).for_each(|_| add(1, locals, &code));
    let mut module = Module::new();
    module.section(&types).section(&declared);
    if let Some(exports) = exports {
        module.section(exports);
    }
    module.section(&bodies);
    module.finish()
}

#[cfg(test)]
mod tests {
    use sandbox_core::{Compiler, Module, SecurityPolicy};

    use super::*;

    #[test]
    fn every_shape_is_compiled_under_the_narrowest_policy_by_the_chosen_compiler() {
        for shape in SHAPES {
            // A fortieth is enough to see that it is valid.
            let wasm = shape.module(shape.most / 40);
            let module = Module::compile(&wasm, &SecurityPolicy::paranoid())
                .unwrap_or_else(|error| panic!("{}: {error}", shape.name));
            assert_eq!(module.compiler(), Compiler::Cranelift, "{}", shape.name);
        }
    }
}
