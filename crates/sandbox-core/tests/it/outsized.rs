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

/// The same with the type that takes many parameters.
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
