//! Core dumps of guests that trapped.

use wasm_encoder::{
    ConstExpr, CoreDumpInstancesSection, CoreDumpModulesSection, CoreDumpSection,
    CoreDumpStackSection, DataSection, MemorySection, MemoryType, Module,
};

use super::Instance;
use crate::error::{CoreDump, CoreDumps};
use crate::policy::PAGE_BYTES;

/// The one thread of a guest, as debuggers show it.
const THREAD: &str = "main";

impl Instance {
    /// Writes down the guest as it is, and those functions that it was in, innermost first, if its sandbox asks for that.
    pub(super) fn core_dump(&self, functions: &[u32]) -> Option<CoreDump> {
        match self.core_dumps {
            CoreDumps::Never => None,
            CoreDumps::OnTrap => {
                let name = self.module.wasm_hash();
                Some(CoreDump::new(written(name, functions, self.guest.memory())))
            }
        }
    }
}

/// Writes a core dump: who it is of, its calls, and its linear memory, if it has one.
fn written(name: &str, functions: &[u32], memory: &[u8]) -> Vec<u8> {
    let mut modules = CoreDumpModulesSection::new();
    modules.module(name);
    let memories: &[u32] = if memory.is_empty() { &[] } else { &[0] };
    let mut instances = CoreDumpInstancesSection::new();
    instances.instance(0, memories.iter().copied(), []);
    let mut stack = CoreDumpStackSection::new(THREAD);
    for function in functions {
        stack.frame(0, *function, 0, [], []);
    }
    let mut dump = Module::new();
    dump.section(&CoreDumpSection::new(name)).section(&modules).section(&instances).section(&stack);
    if !memory.is_empty() {
        let pages = memory.len() as u64 / PAGE_BYTES;
        let mut sizes = MemorySection::new();
        sizes.memory(MemoryType {
            minimum: pages,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        dump.section(&sizes).section(&contents(memory));
    }
    dump.finish()
}

/// The pages of a memory that are not all zero, those that follow each other together.
fn contents(memory: &[u8]) -> DataSection {
    const PAGE: usize = 64 * 1024;
    let mut data = DataSection::new();
    let pages: Vec<&[u8]> = memory.chunks(PAGE).collect();
    let mut first = 0;
    for run in pages.chunk_by(|one, next| is_zero(one) == is_zero(next)) {
        let start = first * PAGE;
        first += run.len();
        if run.first().is_some_and(|page| !is_zero(page)) {
            let bytes = &memory[start..(start + run.len() * PAGE).min(memory.len())];
            // An address beyond 2 GiB is a negative constant.
            let address =
                i32::from_ne_bytes(u32::try_from(start).unwrap_or(u32::MAX).to_ne_bytes());
            data.active(0, &ConstExpr::i32_const(address), bytes.iter().copied());
        }
    }
    data
}

fn is_zero(page: &[u8]) -> bool {
    page.iter().all(|byte| *byte == 0)
}
