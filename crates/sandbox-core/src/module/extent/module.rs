//! Counting in a whole module, section by section.

use std::collections::BTreeSet;

use wasmer::sys::wasmparser::{
    BinaryReaderError, CompositeInnerType, ElementItems, ElementKind, ExternalKind, FunctionBody,
    Operator, Payload, RefType, TableType, TypeRef,
};

use super::function::{Arity, FunctionCounter, Signatures};
use super::{Extent, holdings};
use crate::policy::CompileMeasure;

/// Counts so far. They hold for modules that are valid; of others it is only known that they are not.
#[derive(Debug, Default)]
pub(in crate::module) struct Tally {
    extent: Extent,
    signatures: Signatures,
    function: FunctionCounter,
    /// Number of functions with code that were counted.
    bodies: usize,
    growing_tables: BTreeSet<u32>,
    /// The sum of the squares of the functions' phis.
    squared_phis: u128,
}

impl Tally {
    /// Counts what a section declares. Those with code are not looked into.
    pub(in crate::module) fn section(
        &mut self,
        payload: &Payload<'_>,
    ) -> Result<(), BinaryReaderError> {
        match payload {
            Payload::TypeSection(types) => {
                for group in types.clone() {
                    group?.types().for_each(|ty| self.declare_type(&ty.composite_type.inner));
                }
            }
            Payload::ImportSection(imports) => {
                for import in imports.clone().into_imports() {
                    self.import(import?.ty);
                }
            }
            Payload::FunctionSection(functions) => {
                for ty in functions.clone() {
                    self.signatures.functions.push(ty?);
                    self.add(CompileMeasure::Functions, 1);
                    self.hold(holdings::FUNCTION);
                }
            }
            Payload::TableSection(tables) => {
                for table in tables.clone() {
                    self.table(&table?.ty);
                }
            }
            Payload::MemorySection(memories) => {
                self.hold(holdings::MEMORY * u64::from(memories.count()));
            }
            Payload::TagSection(tags) => {
                for tag in tags.clone() {
                    let values = self.signatures.of_type(tag?.func_type_idx).values();
                    self.add(CompileMeasure::Globals, 1);
                    self.hold(holdings::TAG + holdings::VALUE_OF_TYPE * values);
                }
            }
            Payload::GlobalSection(globals) => {
                self.add(CompileMeasure::Globals, globals.count().into());
                self.hold(holdings::GLOBAL * u64::from(globals.count()));
            }
            Payload::ExportSection(exports) => {
                for export in exports.clone() {
                    let export = export?;
                    let values = match export.kind {
                        ExternalKind::Func => self.signatures.of_function(export.index).values(),
                        _ => 0,
                    };
                    self.add(CompileMeasure::Exports, 1);
                    let named = 2 * export.name.len() as u64;
                    self.hold(holdings::EXPORT + named + holdings::VALUE_OF_TYPE * values);
                }
            }
            Payload::ElementSection(segments) => {
                for segment in segments.clone() {
                    let segment = segment?;
                    let items = match &segment.items {
                        ElementItems::Functions(items) => items.count(),
                        ElementItems::Expressions(_, items) => items.count(),
                    };
                    self.add(CompileMeasure::Elements, 1 + u64::from(items));
                    self.hold(holdings::SEGMENT);
                    if matches!(segment.kind, ElementKind::Passive) {
                        self.hold(holdings::KEPT_ELEMENT * u64::from(items));
                    }
                }
            }
            Payload::DataSection(segments) => {
                self.add(CompileMeasure::DataSegments, segments.count().into());
                self.hold(holdings::SEGMENT * u64::from(segments.count()));
            }
            Payload::CustomSection(_) => self.add(CompileMeasure::CustomSections, 1),
            _ => {}
        }
        Ok(())
    }

    /// Begins with the code of the next function. Its instructions follow, one by one.
    pub(in crate::module) fn begin_function(
        &mut self,
        body: &FunctionBody<'_>,
    ) -> Result<(), BinaryReaderError> {
        let index = self.index_of_body();
        let Arity { parameters, results } = self.signatures.of_function(index);
        self.most_of_one(CompileMeasure::FunctionBytes, body.as_bytes().len() as u64, index);
        self.function.begin(parameters.into(), results.into());
        for group in body.get_locals_reader()? {
            self.function.declare(group?.0);
        }
        self.function.begin_code();
        Ok(())
    }

    /// Counts what one instruction of the function adds.
    #[inline]
    pub(in crate::module) fn operator(&mut self, operator: &Operator<'_>) {
        if let Operator::TableGrow { table } = operator {
            self.growing_tables.insert(*table);
        }
        self.function.count(operator, &self.signatures);
    }

    /// Ends a function whose instructions were all counted.
    pub(in crate::module) fn end_function(&mut self) {
        let (index, counts) = (self.index_of_body(), self.function.counts());
        self.bodies += 1;
        self.most_of_one(CompileMeasure::FunctionLocals, counts.locals, index);
        self.most_of_one(CompileMeasure::FunctionBlocks, counts.blocks, index);
        self.most_of_one(CompileMeasure::BranchTargets, counts.branch_targets, index);
        self.most_of_one(CompileMeasure::Nesting, counts.nesting, index);
        self.add(CompileMeasure::Locals, counts.locals);
        self.add(CompileMeasure::MovedValues, counts.moved_values);
        let phis = u128::from(counts.phis);
        self.squared_phis = self.squared_phis.saturating_add(phis.saturating_mul(phis));
    }

    /// Counts of all of it.
    pub(in crate::module) fn extent(self) -> Extent {
        let mut extent = self.extent;
        extent.counts[CompileMeasure::Phis.at()] =
            u64::try_from(self.squared_phis.isqrt()).unwrap_or(u64::MAX);
        extent.growing_tables = self.growing_tables.into_iter().collect();
        extent
    }

    fn declare_type(&mut self, ty: &CompositeInnerType) {
        let arity = match ty {
            CompositeInnerType::Func(ty) => {
                // Of a valid module neither is over a thousand.
                let count = |values: usize| u32::try_from(values).unwrap_or(u32::MAX);
                Arity { parameters: count(ty.params().len()), results: count(ty.results().len()) }
            }
            // Forbidden everywhere; it takes the place of its index.
            _ => Arity::default(),
        };
        self.signatures.types.push(arity);
        self.add(CompileMeasure::Types, 1);
        // There is a trampoline for each type.
        self.add(CompileMeasure::MovedValues, arity.values());
        self.hold(holdings::TYPE);
    }

    fn import(&mut self, ty: TypeRef) {
        self.add(CompileMeasure::Imports, 1);
        self.hold(holdings::IMPORT);
        match ty {
            TypeRef::Func(ty) => {
                self.signatures.functions.push(ty);
                self.signatures.imported += 1;
                let values = self.signatures.of_type(ty).values();
                // There is a trampoline for each of them too.
                self.add(CompileMeasure::MovedValues, values);
                self.hold(holdings::VALUE_OF_TYPE * values);
            }
            TypeRef::Table(ty) => self.table(&ty),
            // No sandbox has others to offer.
            _ => {}
        }
    }

    fn table(&mut self, ty: &TableType) {
        self.add(CompileMeasure::Tables, 1);
        let is_fixed = ty.element_type == RefType::FUNCREF && ty.maximum == Some(ty.initial);
        let each = if is_fixed { holdings::FIXED_ELEMENT } else { holdings::ELEMENT };
        self.hold(holdings::TABLE.saturating_add(each.saturating_mul(ty.initial)));
        self.extent.table_elements = self.extent.table_elements.saturating_add(ty.initial);
    }

    /// The index of the function whose code comes next, or is being counted.
    fn index_of_body(&self) -> u32 {
        u32::try_from(self.signatures.imported + self.bodies).unwrap_or(u32::MAX)
    }

    fn add(&mut self, measure: CompileMeasure, count: u64) {
        let counted = &mut self.extent.counts[measure.at()];
        *counted = counted.saturating_add(count);
    }

    fn most_of_one(&mut self, measure: CompileMeasure, count: u64, function: u32) {
        let most = &mut self.extent.counts[measure.at()];
        if count > *most {
            *most = count;
            self.extent.functions[measure.at()] = function;
        }
    }

    fn hold(&mut self, bytes: u64) {
        self.extent.held_bytes = self.extent.held_bytes.saturating_add(bytes);
    }
}
