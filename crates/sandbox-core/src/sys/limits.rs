//! Enforces the limits of memories and tables where Wasmer creates them.
#![expect(unsafe_code, reason = "Wasmer's trait for this has unsafe methods")]

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use wasmer::sys::vm::{
    LinearMemory, MemoryError, MemoryStyle, TableStyle, Trap, VMConfig, VMGlobal,
    VMGlobalDefinition, VMMemory, VMMemoryDefinition, VMTable, VMTableDefinition,
};
use wasmer::sys::{BaseTunables, Tunables};
use wasmer::{GlobalType, MemoryType, Pages, TableType};

use super::memory::{ResetMethod, RestorableMemory};
use super::refusals::Refusals;
use super::state::Recorder;
use super::{signals, stack};

use crate::policy::{PAGE_BYTES, SecurityPolicy};

/// The most pages that a 32-bit memory can have.
const MOST_PAGES: u32 = 65_536;

/// Room of an instance: its policy's limits, less what the instance makes the host hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Room {
    /// The most pages that one of its linear memories can begin with.
    pub(crate) most_pages: u32,
    /// By how many pages each linear memory can grow.
    pub(crate) growth_pages: u32,
    /// The most elements that one of its tables can begin with.
    pub(crate) most_elements: u32,
    /// By how many elements each table can grow that the module's code enlarges.
    pub(crate) growth_elements: u32,
    /// Those tables, by their index, in order.
    pub(crate) growing_tables: Vec<u32>,
    /// Number of exceptions that can be made in its life.
    pub(crate) exceptions: u32,
}

impl Room {
    /// The size that a memory of that type can grow to.
    pub(crate) fn most_grown(&self, ty: &MemoryType) -> Pages {
        let most = Pages(ty.minimum.0.saturating_add(self.growth_pages).min(MOST_PAGES));
        ty.maximum.map_or(most, |maximum| maximum.min(most))
    }
}

/// Creates memories and tables within the room that an instance has.
pub(crate) struct LimitingTunables {
    base: BaseTunables,
    room: Room,
    /// Number of tables that were created.
    tables: AtomicU32,
    refusals: Arc<Refusals>,
    /// For an instance that will be reset.
    recorder: Option<Recorder>,
}

impl LimitingTunables {
    pub(crate) fn new(
        policy: &SecurityPolicy,
        room: Room,
        refusals: Arc<Refusals>,
        recorder: Option<Recorder>,
    ) -> Self {
        if stack::make_room_for(policy.stack_bytes) {
            // Each thread has to find out whether it gets one.
            signals::forget_admissions();
        }
        Self { base: BaseTunables::new(), room, tables: AtomicU32::new(0), refusals, recorder }
    }

    /// The type with its maximum where the memory has to end, so that Wasmer itself refuses to pass that.
    fn clamped_memory(&self, ty: &MemoryType) -> Result<MemoryType, MemoryError> {
        let max_allowed = Pages(self.room.most_pages);
        if ty.minimum > max_allowed {
            return Err(MemoryError::MinimumMemoryTooLarge {
                min_requested: ty.minimum,
                max_allowed,
            });
        }
        Ok(MemoryType { maximum: Some(self.room.most_grown(ty)), ..*ty })
    }

    /// The type with its maximum where the table has to end. Only those that the code enlarges can get larger, and all of
    /// them together have the room that is left.
    fn clamped_table(&self, ty: &TableType) -> Result<TableType, String> {
        let Room { most_elements, growth_elements, growing_tables, .. } = &self.room;
        if ty.minimum > *most_elements {
            return Err(format!("a table of {} elements is over the limit", ty.minimum));
        }
        let index = self.tables.fetch_add(1, Ordering::Relaxed);
        let grows = growing_tables.binary_search(&index).is_ok();
        let most = if grows {
            ty.minimum.saturating_add(*growth_elements).min(*most_elements)
        } else {
            *most_elements
        };
        let maximum = ty.maximum.map_or(most, |maximum| maximum.min(most));
        Ok(TableType { maximum: Some(maximum), ..*ty })
    }

    /// A memory that the recorder can put back.
    ///
    /// # Safety
    /// As [`Tunables::create_vm_memory`].
    unsafe fn restorable_memory(
        &self,
        recorder: &Recorder,
        ty: &MemoryType,
        style: &MemoryStyle,
        location: NonNull<VMMemoryDefinition>,
    ) -> Result<VMMemory, MemoryError> {
        #[cfg(target_os = "linux")]
        if *style == MemoryStyle::Static && recorder.method() != ResetMethod::Copy {
            // SAFETY: the caller says that the location is valid, and it is this memory's alone.
            let memory = unsafe {
                let (method, contents) = (recorder.method(), recorder.contents());
                super::memory::MappedMemory::new(*ty, method, contents, location)
            }?;
            recorder.note_memory(RestorableMemory::Mapped(Arc::clone(memory.mapping())));
            return Ok(VMMemory(Box::new(memory)));
        }
        // SAFETY: `location` is passed on as the caller gave it to us, under the same contract.
        let memory = unsafe { self.base.create_vm_memory(ty, style, location) }?;
        recorder.note_memory(RestorableMemory::Plain { definition: location });
        Ok(memory)
    }

    fn limited(&self, inner: VMMemory) -> VMMemory {
        let (minimum, refusals) = (inner.size(), Arc::clone(&self.refusals));
        VMMemory(Box::new(LimitedMemory { inner, minimum, refusals }))
    }
}

/// The policy's limit in whole pages.
pub(crate) fn most_pages(policy: &SecurityPolicy) -> u32 {
    policy.memory_limit_bytes.map_or(MOST_PAGES, |bytes| {
        u32::try_from(bytes / PAGE_BYTES).unwrap_or(MOST_PAGES).min(MOST_PAGES)
    })
}

impl Tunables for LimitingTunables {
    fn memory_style(&self, memory: &MemoryType) -> MemoryStyle {
        self.base.memory_style(memory)
    }

    fn table_style(&self, table: &TableType) -> TableStyle {
        self.base.table_style(table)
    }

    fn create_host_memory(
        &self,
        ty: &MemoryType,
        style: &MemoryStyle,
    ) -> Result<VMMemory, MemoryError> {
        let ty = self.clamped_memory(ty)?;
        Ok(self.limited(self.base.create_host_memory(&ty, style)?))
    }

    unsafe fn create_vm_memory(
        &self,
        ty: &MemoryType,
        style: &MemoryStyle,
        location: NonNull<VMMemoryDefinition>,
    ) -> Result<VMMemory, MemoryError> {
        let ty = self.clamped_memory(ty)?;
        let memory = match &self.recorder {
            // SAFETY: `location` is passed on as the caller gave it to us, under the same contract.
            Some(recorder) if !ty.shared => unsafe {
                self.restorable_memory(recorder, &ty, style, location)
            },
            // SAFETY: as above.
            _ => unsafe { self.base.create_vm_memory(&ty, style, location) },
        };
        Ok(self.limited(memory?))
    }

    unsafe fn create_vm_global(
        &self,
        ty: GlobalType,
        location: NonNull<VMGlobalDefinition>,
    ) -> Result<VMGlobal, String> {
        if let Some(recorder) = &self.recorder {
            recorder.note_global(ty, location);
        }
        // SAFETY: `location` is passed on as the caller gave it to us, under the same contract.
        unsafe { self.base.create_vm_global(ty, location) }
    }

    fn create_host_table(&self, ty: &TableType, style: &TableStyle) -> Result<VMTable, String> {
        self.base.create_host_table(&self.clamped_table(ty)?, style)
    }

    unsafe fn create_vm_table(
        &self,
        ty: &TableType,
        style: &TableStyle,
        location: NonNull<VMTableDefinition>,
    ) -> Result<VMTable, String> {
        let ty = self.clamped_table(ty)?;
        // SAFETY: `location` is passed on as the caller gave it to us, under the same contract.
        unsafe { self.base.create_vm_table(&ty, style, location) }
    }

    fn vmconfig(&self) -> &VMConfig {
        stack::config()
    }
}

/// A memory that remembers refused growth.
#[derive(Debug)]
struct LimitedMemory {
    inner: VMMemory,
    /// Size that it began with.
    minimum: Pages,
    refusals: Arc<Refusals>,
}

impl LinearMemory for LimitedMemory {
    fn ty(&self) -> MemoryType {
        self.inner.ty()
    }

    fn size(&self) -> Pages {
        self.inner.size()
    }

    fn style(&self) -> MemoryStyle {
        self.inner.style()
    }

    fn grow(&mut self, delta: Pages) -> Result<Pages, MemoryError> {
        let before = self.inner.size();
        self.inner.grow(delta).inspect_err(|error| match error {
            MemoryError::Region(_) => self.refusals.note_system(),
            _ => {
                let wanted = u64::from(before.0) + u64::from(delta.0);
                let growth = wanted.saturating_sub(self.minimum.0.into());
                self.refusals.refuse_memory(growth * PAGE_BYTES);
            }
        })
    }

    fn grow_at_least(&mut self, min_size: u64) -> Result<(), MemoryError> {
        self.inner.grow_at_least(min_size)
    }

    fn reset(&mut self) -> Result<(), MemoryError> {
        self.inner.reset()
    }

    fn vmmemory(&self) -> NonNull<VMMemoryDefinition> {
        self.inner.vmmemory()
    }

    fn try_clone(&self) -> Result<Box<dyn LinearMemory + Send + Sync + 'static>, MemoryError> {
        self.inner.0.try_clone()
    }

    unsafe fn initialize_with_data(&self, start: usize, data: &[u8]) -> Result<(), Trap> {
        // SAFETY: the contract is that of the inner memory, which this one merely wraps.
        unsafe { self.inner.initialize_with_data(start, data) }
    }

    fn copy(&self) -> Result<Box<dyn LinearMemory + Send + Sync + 'static>, MemoryError> {
        self.inner.0.copy()
    }
}
