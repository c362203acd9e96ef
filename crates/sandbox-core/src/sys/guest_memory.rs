//! The linear memory of a guest that waits for a host function.
#![expect(unsafe_code, reason = "Wasmer offers no slice of a memory to host functions")]

use std::marker::PhantomData;
use std::ptr::NonNull;

use wasmer::AsStoreMut;
use wasmer::sys::vm::{LinearMemory, StoreObject, VMMemory, VMMemoryDefinition};

/// A guest's memory, found in its store rather than among its exports: so it is there in a start function too, and
/// where it is not exported.
pub(crate) struct GuestMemory<'a> {
    definition: Option<NonNull<VMMemoryDefinition>>,
    store: PhantomData<&'a mut ()>,
}

impl<'a> GuestMemory<'a> {
    /// The memory of the guest in that store. This crate offers a module no memory to import, so the store's
    /// first is the guest's first: where it has several, the one that its code means if it names none.
    pub(crate) fn of(store: &'a mut impl AsStoreMut) -> Self {
        let memories = VMMemory::list(store.objects_mut().as_sys());
        let definition = memories.first().map(|memory| memory.vmmemory());
        Self { definition, store: PhantomData }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        let Some(definition) = self.definition else { return &[] };
        // SAFETY: the definition belongs to a memory in the store, which `self` borrows exclusively: nobody drops
        // it, nobody grows it and the guest does not run, so base and length stay true while the slice lives. No
        // other thread has the memory, since guests have no threads. Linear memory is always initialised, and
        // has a base even where it is empty, since address space is reserved for its growth.
        unsafe {
            let definition = definition.as_ref();
            std::slice::from_raw_parts(definition.base, definition.current_length)
        }
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        let Some(definition) = self.definition else { return &mut [] };
        // SAFETY: as in `bytes`, and `self` is borrowed exclusively.
        unsafe {
            let definition = definition.as_ref();
            std::slice::from_raw_parts_mut(definition.base, definition.current_length)
        }
    }
}
