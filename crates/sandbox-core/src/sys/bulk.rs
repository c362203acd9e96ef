//! Lets a guest be stopped that does nothing but fill and copy.
//!
//! The instructions that fill and copy memory and tables are functions of Wasmer, which an interrupt does not unwind
//! (see [`interrupt`](super::interrupt)). A guest that only calls them is hardly ever in its own code. So each
//! instance gets functions of ours in their place, in the table of its own through which compiled code calls them. They
//! look before and after Wasmer's work whether the call is to stop. One such instruction runs to its end; for a
//! limit of 256 MiB that is some tens of milliseconds.
#![expect(unsafe_code, reason = "replaces functions in the context of an instance")]

use wasmer::sys::vm::{StoreObject, VMBuiltinFunctionIndex, VMContext, VMInstance, libcalls};
use wasmer::{AsStoreMut, Store};

use super::interrupt::unwind_if_told;

/// Puts the functions in place, in all instances of the store. No guest code may have run in them.
pub(super) fn guard(store: &mut Store) {
    type Index = VMBuiltinFunctionIndex;
    let functions = [
        (Index::get_memory_copy_index(), memory_copy as *const () as usize),
        (Index::get_memory_fill_index(), memory_fill as *const () as usize),
        (Index::get_imported_memory_fill_index(), imported_memory_fill as *const () as usize),
        (Index::get_memory_init_index(), memory_init as *const () as usize),
        (Index::get_table_copy_index(), table_copy as *const () as usize),
        (Index::get_table_init_index(), table_init as *const () as usize),
        (Index::get_table_fill_index(), table_fill as *const () as usize),
    ];
    for instance in VMInstance::list(store.objects_mut().as_sys()) {
        for (index, function) in functions {
            let offset = instance.vmoffsets().vmctx_builtin_function(index) as usize;
            // SAFETY: the offset is that of the function's address in the context of this instance. Ours take the
            // same arguments. We have the store to ourselves, so nobody reads the table now.
            unsafe {
                instance.vmctx_ptr().cast::<u8>().add(offset).cast::<usize>().write(function);
            }
        }
    }
}

/// Defines a function that does what the one of that name does, unless the call is to stop.
macro_rules! guarded {
    ($($name:ident = $original:ident($($argument:ident: $ty:ty),*);)*) => {$(
        unsafe extern "C" fn $name(context: *mut VMContext, $($argument: $ty),*) {
            // SAFETY: called by the guest as Wasmer's own function is, with the same arguments. Nothing here has
            // to be dropped.
            unsafe {
                unwind_if_told();
                libcalls::$original(context, $($argument),*);
                unwind_if_told();
            }
        }
    )*};
}

guarded! {
    memory_copy = wasmer_vm_memory32_copy(to: u32, from: u32, at: u32, source: u32, len: u32);
    memory_fill = wasmer_vm_memory32_fill(memory: u32, at: u32, value: u32, len: u32);
    imported_memory_fill = wasmer_vm_imported_memory32_fill(memory: u32, at: u32, value: u32, len: u32);
    memory_init = wasmer_vm_memory32_init(memory: u32, data: u32, at: u32, source: u32, len: u32);
    table_copy = wasmer_vm_table_copy(to: u32, from: u32, at: u32, source: u32, len: u32);
    table_init = wasmer_vm_table_init(table: u32, element: u32, at: u32, source: u32, len: u32);
}

/// The same for `table.fill`. Its item is a union of references, which travels as an address does.
unsafe extern "C" fn table_fill(
    context: *mut VMContext,
    table: u32,
    at: u32,
    item: usize,
    len: u32,
) {
    type Original = unsafe extern "C" fn(*mut VMContext, u32, u32, usize, u32);
    // SAFETY: as above; the type is that of the function but for the union, which has the size of an address.
    unsafe {
        unwind_if_told();
        let original = libcalls::wasmer_vm_table_fill as *const ();
        std::mem::transmute::<*const (), Original>(original)(context, table, at, item, len);
        unwind_if_told();
    }
}
