//! The linear memory of a guest that waits for a host function.
#![expect(unsafe_code, reason = "Wasmer offers no slice of a memory to host functions")]

use std::marker::PhantomData;
use std::ptr::NonNull;

use wasmer::sys::vm::{LinearMemory, StoreObject, VMMemory, VMMemoryDefinition};
use wasmer::{AsStoreMut, StoreMut};

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

/// A guest that waits for a host function: its memory, and its store, of which one can be used at a time.
pub(crate) struct WaitingGuest<'a> {
    memory: GuestMemory<'a>,
    store: StoreMut<'a>,
}

impl<'a> WaitingGuest<'a> {
    /// The guest in that store.
    pub(crate) fn of(store: &'a mut impl AsStoreMut) -> Self {
        let mut store = store.as_store_mut();
        let GuestMemory { definition, .. } = GuestMemory::of(&mut store);
        // It is found again at each look, whoever used the store meanwhile: definitions stay where they are.
        Self { memory: GuestMemory { definition, store: PhantomData }, store }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.memory.bytes()
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        self.memory.bytes_mut()
    }

    /// The store, to have the guest run. No slice of its memory is borrowed meanwhile.
    pub(super) fn store(&mut self) -> &mut StoreMut<'a> {
        &mut self.store
    }
}
