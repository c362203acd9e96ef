//! Enforces the limits of memories and tables where Wasmer creates them.
#![expect(unsafe_code, reason = "Wasmer's trait for this has unsafe methods")]

use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use wasmer::sys::vm::{
    LinearMemory, MemoryError, MemoryStyle, TableStyle, Trap, VMConfig, VMGlobal,
    VMGlobalDefinition, VMMemory, VMMemoryDefinition, VMTable, VMTableDefinition,
};
use wasmer::sys::{BaseTunables, Tunables};
use wasmer::{GlobalType, MemoryType, Pages, TableType};

use super::memory::{ResetMethod, RestorableMemory};
use super::state::Recorder;
use super::{signals, stack};

use crate::policy::{PAGE_BYTES, SecurityPolicy};

/// The most pages that a 32-bit memory can have.
const MOST_PAGES: u32 = 65_536;

/// Remembers what a guest asked for and did not get.
///
/// A refused `memory.grow` only returns -1 to the guest, which then aborts in its own way. With this the
/// trap that follows can be told as what it is.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    memory_bytes: AtomicU64,
    /// Whether there is a capability that was denied.
    denied: AtomicBool,
    capability: Mutex<Option<String>>,
}

impl Refusals {
    /// Forgets what an earlier call was refused.
    #[inline]
    pub(crate) fn forget(&self) {
        // The check is cheaper than the store, and there is nearly never anything to forget.
        if self.memory_bytes.load(Ordering::Relaxed) != 0 {
            self.memory_bytes.store(0, Ordering::Relaxed);
        }
        if self.denied.load(Ordering::Relaxed) {
            self.take_capability();
        }
    }

    /// Remembers a capability that the guest was denied.
    pub(crate) fn deny(&self, capability: String) {
        tracing::debug!(capability, "a guest was denied what its policy does not grant");
        *self.capability.lock().unwrap_or_else(PoisonError::into_inner) = Some(capability);
        self.denied.store(true, Ordering::Relaxed);
    }

    /// The capability that was denied last since this was last asked.
    pub(crate) fn take_capability(&self) -> Option<String> {
        if !self.denied.swap(false, Ordering::Relaxed) {
            return None;
        }
        self.capability.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The largest memory that was refused since this was last asked, in bytes.
    pub(crate) fn take_memory(&self) -> Option<u64> {
        match self.memory_bytes.swap(0, Ordering::Relaxed) {
            0 => None,
            bytes => Some(bytes),
        }
    }
}

/// Creates memories and tables within the policy's limits.
pub(crate) struct LimitingTunables {
    base: BaseTunables,
    most_pages: u32,
    most_elements: u32,
    refusals: Arc<Refusals>,
    /// For an instance that will be reset.
    recorder: Option<Recorder>,
}

impl LimitingTunables {
    pub(crate) fn new(
        policy: &SecurityPolicy,
        refusals: Arc<Refusals>,
        recorder: Option<Recorder>,
    ) -> Self {
        if stack::make_room_for(policy.stack_bytes) {
            // Each thread has to find out whether it gets one.
            signals::forget_admissions();
        }
        Self {
            base: BaseTunables::new(),
            most_pages: most_pages(policy),
            most_elements: policy.table_limit_elements,
            refusals,
            recorder,
        }
    }

    /// The type with its maximum at the limit at most, so that Wasmer itself refuses to pass it.
    fn clamped_memory(&self, ty: &MemoryType) -> Result<MemoryType, MemoryError> {
        let most = Pages(self.most_pages);
        if ty.minimum > most {
            self.refuse(ty.minimum);
            return Err(MemoryError::MinimumMemoryTooLarge {
                min_requested: ty.minimum,
                max_allowed: most,
            });
        }
        let maximum = ty.maximum.map_or(most, |maximum| maximum.min(most));
        Ok(MemoryType { maximum: Some(maximum), ..*ty })
    }

    fn clamped_table(&self, ty: &TableType) -> Result<TableType, String> {
        if ty.minimum > self.most_elements {
            return Err(format!("a table of {} elements is over the limit", ty.minimum));
        }
        let maximum = ty.maximum.map_or(self.most_elements, |most| most.min(self.most_elements));
        Ok(TableType { maximum: Some(maximum), ..*ty })
    }

    fn refuse(&self, pages: Pages) {
        self.refusals.memory_bytes.fetch_max(u64::from(pages.0) * PAGE_BYTES, Ordering::Relaxed);
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
        VMMemory(Box::new(LimitedMemory { inner, refusals: Arc::clone(&self.refusals) }))
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
        self.inner.grow(delta).inspect_err(|_| {
            let wanted = (u64::from(before.0) + u64::from(delta.0)) * PAGE_BYTES;
            self.refusals.memory_bytes.fetch_max(wanted, Ordering::Relaxed);
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
