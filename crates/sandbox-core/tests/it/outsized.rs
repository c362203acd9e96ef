//! Modules with as much of one thing as is wanted, written without a text that would be a hundred times as large.

use sandbox_core::CompileMeasure;
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, CustomSection, DataCountSection, DataSection,
    ElementSection, Elements, EntityType, ExportKind, ExportSection, Function, FunctionSection,
    GlobalSection, GlobalType, ImportSection, Instruction, Module, RefType, TableSection,
    TableType, TypeSection, ValType,
};

/// As many values as a type of functions may have.
const MANY_VALUES: u32 = 1000;

/// The type without parameters and results, and one with many parameters.
const NOTHING: u32 = 0;
const MANY: u32 = 1;

/// A valid module that has at least so much of that, and hardly anything else.
pub(crate) fn module(measure: CompileMeasure, count: u32) -> Vec<u8> {
    match measure {
        CompileMeasure::FunctionBytes => function([], |code| {
            (0..count).for_each(|_| put(code, &Instruction::Nop));
        }),
        CompileMeasure::FunctionLocals => function([(count, ValType::I32)], |_| ()),
        CompileMeasure::FunctionBlocks => function([], |code| {
            for _ in 0..count {
                put(code, &Instruction::Block(BlockType::Empty));
                put(code, &Instruction::End);
            }
        }),
        CompileMeasure::BranchTargets => function([], |code| {
            put(code, &Instruction::Block(BlockType::Empty));
            put(code, &Instruction::I32Const(0));
            put(code, &Instruction::BrTable(vec![0; count as usize - 1].into(), 0));
            put(code, &Instruction::End);
        }),
        CompileMeasure::Nesting => function([], |code| {
            (0..count).for_each(|_| put(code, &Instruction::Block(BlockType::Empty)));
            (0..count).for_each(|_| put(code, &Instruction::End));
        }),
        CompileMeasure::Phis => {
            const BLOCKS: u32 = 50;
            nested(BLOCKS, count.div_ceil(BLOCKS))
        }
        CompileMeasure::Locals => {
            let each = 4_000;
            functions(count.div_ceil(each), |_| Function::new([(each, ValType::I32)]))
        }
        CompileMeasure::MovedValues => function([], |code| {
            // Behind it values of all types are there, as many as are wanted.
            put(code, &Instruction::Unreachable);
            (0..count.div_ceil(MANY_VALUES)).for_each(|_| put(code, &Instruction::Call(1)));
        }),
        CompileMeasure::Types => {
            let mut types = TypeSection::new();
            (0..count).for_each(|_| types.ty().function([], []));
            Module::new().section(&types).clone().finish()
        }
        CompileMeasure::Imports => {
            let mut imports = ImportSection::new();
            for _ in 0..count {
                imports.import("m", "f", EntityType::Function(NOTHING));
            }
            Module::new().section(&types()).section(&imports).clone().finish()
        }
        CompileMeasure::Functions => functions(count, |_| Function::new([])),
        CompileMeasure::Tables => {
            let mut tables = TableSection::new();
            for _ in 0..count {
                tables.table(table(0, None));
            }
            Module::new().section(&tables).clone().finish()
        }
        CompileMeasure::Globals => {
            let mut globals = GlobalSection::new();
            let ty = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
            for _ in 0..count {
                globals.global(ty, &ConstExpr::i32_const(0));
            }
            Module::new().section(&globals).clone().finish()
        }
        CompileMeasure::Exports => exporting(count, 1, NOTHING),
        CompileMeasure::Elements => {
            let mut elements = ElementSection::new();
            let items = vec![0; count as usize - 1];
            elements.passive(Elements::Functions(items.into()));
            let (functions, code) = bodies(1, |_| Function::new([]));
            let mut module = Module::new();
            module.section(&types()).section(&functions).section(&elements).section(&code);
            module.finish()
        }
        CompileMeasure::DataSegments => {
            let mut data = DataSection::new();
            for _ in 0..count {
                data.passive([]);
            }
            let counted = DataCountSection { count };
            Module::new().section(&counted).section(&data).clone().finish()
        }
        CompileMeasure::CustomSections => {
            let mut module = Module::new();
            for _ in 0..count {
                module.section(&CustomSection { name: "c".into(), data: (&[][..]).into() });
            }
            module.finish()
        }
        other => panic!("there is no module with much of {other}"),
    }
}

/// Blocks in blocks, each branched to, with variables that are set in the innermost: so many times so many phis.
pub(crate) fn nested(blocks: u32, locals: u32) -> Vec<u8> {
    function([(locals, ValType::I32)], |code| nest(code, blocks, locals))
}

fn nest(code: &mut Function, blocks: u32, locals: u32) {
    (0..blocks).for_each(|_| put(code, &Instruction::Block(BlockType::Empty)));
    for local in 0..locals {
        put(code, &Instruction::I32Const(7));
        put(code, &Instruction::LocalSet(local));
    }
    for depth in 0..blocks {
        put(code, &Instruction::LocalGet(depth % locals));
        put(code, &Instruction::BrIf(0));
        put(code, &Instruction::End);
    }
}

/// A function with one table of branches to all of the blocks.
pub(crate) fn switch(blocks: u32, locals: u32) -> Vec<u8> {
    function([(locals, ValType::I32)], |code| {
        (0..blocks).for_each(|_| put(code, &Instruction::Block(BlockType::Empty)));
        put(code, &Instruction::LocalGet(0));
        put(code, &Instruction::BrTable((0..blocks).collect(), 0));
        for local in 0..blocks {
            put(code, &Instruction::End);
            put(code, &Instruction::LocalGet(local % locals));
            put(code, &Instruction::I32Const(7));
            put(code, &Instruction::I32Add);
            put(code, &Instruction::LocalSet((local + 1) % locals));
        }
    })
}

/// Code that goes straight on, in one function.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Straight {
    /// Sums of which each needs the one before.
    Sums,
    /// Calls across which many values live.
    Calls,
    /// Calls that are found in a table.
    IndirectCalls,
    /// Values that are pushed, as many as fit, before the first is used.
    Stack,
    Stores,
    Loads,
    Divisions,
    Conversions,
    Selects,
    /// Instructions that are calls of the host.
    MemoryGrows,
    TableGets,
    Globals,
}

impl Straight {
    pub(crate) const ALL: [Self; 12] = [
        Self::Sums,
        Self::Calls,
        Self::IndirectCalls,
        Self::Stack,
        Self::Stores,
        Self::Loads,
        Self::Divisions,
        Self::Conversions,
        Self::Selects,
        Self::MemoryGrows,
        Self::TableGets,
        Self::Globals,
    ];

    /// Text that is repeated.
    fn step(self) -> &'static str {
        match self {
            Self::Sums => "(local.set 0 (i32.add (local.get 0) (local.get 1)))",
            Self::Calls => "(call 0)",
            Self::IndirectCalls => "(call_indirect (type 0) (local.get 0))",
            Self::Stack => "local.get 0 ",
            Self::Stores => "(i32.store8 (local.get 0) (local.get 1))",
            Self::Loads => "(local.set 0 (i32.load (local.get 0)))",
            Self::Divisions => "(local.set 0 (i32.div_s (local.get 1) (local.get 0)))",
            Self::Conversions => {
                "(local.set 0 (i32.trunc_f64_s (f64.convert_i32_s (local.get 0))))"
            }
            Self::Selects => "(local.set 0 (select (local.get 0) (local.get 1) (local.get 0)))",
            Self::MemoryGrows => "(drop (memory.grow (local.get 0)))",
            Self::TableGets => "(drop (table.get $t (local.get 0)))",
            Self::Globals => "(global.set $g (i32.add (global.get $g) (local.get 0)))",
        }
    }

    /// A module with one function of at most so many bytes, with so many variables at most.
    pub(crate) fn module(self, bytes: usize, variables: usize) -> Vec<u8> {
        // As many values as a policy lets a function have, all of them needed after the last step.
        let live = if matches!(self, Self::Calls) { variables } else { 2 };
        let text = |steps: usize| {
            let mut middle = self.step().repeat(steps);
            if matches!(self, Self::Stack) {
                middle.push_str(&" i32.add".repeat(steps.saturating_sub(1)));
                middle.push_str(" drop");
            }
            let sets: String = (0..live)
                .map(|at| format!("(local.set {at} (i32.add (local.get 0) (i32.const {at})))"))
                .collect();
            let gets: String = (0..live)
                .map(|at| format!("(i32.store offset={at} (local.get 0) (local.get {at}))"))
                .collect();
            format!(
                r#"(module (type (func)) (memory 1) (table $t 1 externref) (table $f 1 funcref)
                    (global $g (mut i32) (i32.const 0)) (func)
                    (func (export "run") (local {}) {sets} {middle} {gets}))"#,
                "i32 ".repeat(live),
            )
            .replace("(call_indirect", "(call_indirect $f")
        };
        let wasm = |steps: usize| wat::parse_str(text(steps)).unwrap();
        let (none, some) = (wasm(1).len(), wasm(1001).len());
        let each = (some - none).div_ceil(1000);
        wasm(bytes.saturating_sub(none) / each)
    }
}

/// So many functions that each take an optimising compiler some milliseconds.
pub(crate) fn heavy(count: u32) -> Vec<u8> {
    let (blocks, locals) = (60, 20);
    functions(count, |_| {
        let mut code = Function::new([(locals, ValType::I32)]);
        nest(&mut code, blocks, locals);
        code
    })
}

/// So many functions, and so many exports of the first one, of the type with nothing or with much.
pub(crate) fn exporting(exports: u32, functions: u32, ty: u32) -> Vec<u8> {
    let mut exported = ExportSection::new();
    for index in 0..exports {
        exported.export(&format!("e{index}"), ExportKind::Func, 0);
    }
    let mut declared = FunctionSection::new();
    let mut code = CodeSection::new();
    for _ in 0..functions {
        declared.function(ty);
        let mut body = Function::new([]);
        put(&mut body, &Instruction::End);
        code.function(&body);
    }
    let mut module = Module::new();
    module.section(&types()).section(&declared).section(&exported).section(&code);
    module.finish()
}

/// A module that exports much, with a type that takes many parameters.
pub(crate) fn exporting_much(exports: u32, functions: u32) -> Vec<u8> {
    exporting(exports, functions, MANY)
}

/// Tables with so many elements each.
pub(crate) fn tables(sizes: &[(u64, Option<u64>)]) -> Vec<u8> {
    let mut tables = TableSection::new();
    for (minimum, maximum) in sizes {
        tables.table(table(*minimum, *maximum));
    }
    Module::new().section(&tables).clone().finish()
}

fn table(minimum: u64, maximum: Option<u64>) -> TableType {
    TableType { element_type: RefType::FUNCREF, table64: false, minimum, maximum, shared: false }
}

fn put(function: &mut Function, instruction: &Instruction<'_>) {
    function.instruction(instruction);
}

fn types() -> TypeSection {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    types.ty().function(vec![ValType::I32; MANY_VALUES as usize], []);
    types
}

/// The function that is wanted, exported as `run`, and one that takes many parameters.
fn function<const N: usize>(
    locals: [(u32, ValType); N],
    code: impl FnOnce(&mut Function),
) -> Vec<u8> {
    let mut functions = FunctionSection::new();
    functions.function(NOTHING).function(MANY);
    let mut exports = ExportSection::new();
    exports.export("run", ExportKind::Func, 0);
    let mut bodies = CodeSection::new();
    let mut wanted = Function::new(locals);
    code(&mut wanted);
    put(&mut wanted, &Instruction::End);
    let mut many = Function::new([]);
    put(&mut many, &Instruction::End);
    bodies.function(&wanted).function(&many);
    let mut module = Module::new();
    module.section(&types()).section(&functions).section(&exports).section(&bodies);
    module.finish()
}

fn functions(count: u32, each: impl Fn(u32) -> Function) -> Vec<u8> {
    let (functions, code) = bodies(count, each);
    Module::new().section(&types()).section(&functions).section(&code).clone().finish()
}

fn bodies(count: u32, each: impl Fn(u32) -> Function) -> (FunctionSection, CodeSection) {
    let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
    for index in 0..count {
        functions.function(NOTHING);
        let mut body = each(index);
        put(&mut body, &Instruction::End);
        code.function(&body);
    }
    (functions, code)
}
