//! Stands between guest code and the functions of Wasmer that it calls.
//!
//! What WebAssembly can do and no processor in one instruction is done by functions of Wasmer: filling memory, growing a table,
//! raising a trap. Compiled code calls them through a table that each instance has, and on the guest's stack. There
//! two things can go wrong, so each instance gets functions of ours in every place of that table.
//!
//! - The stack may be nearly used up. Then the function is not called, and the guest ends as one that recursed too deep
//!   (see [`stack`](super::stack)). `raise_trap` is replaced whole, since Wasmer's allocates and walks the stack.
//! - An interrupt does not unwind them (see [`interrupt`](super::interrupt)), and a guest that does nothing but fill
//!   and copy is hardly ever in its own code. So those look before and after Wasmer's work whether the call is to
//!   stop. One such instruction runs to its end; for a limit of 256 MiB that is some tens of milliseconds.
//!
//! LLVM's code does not use the table: it is bound to the functions when it is loaded. So it is for guests only that nobody
//! has to fear ([`Compiler::Llvm`](crate::Compiler)).
#![expect(unsafe_code, reason = "replaces functions in the context of an instance")]

use std::ffi::c_void;
use std::mem::transmute;

use wasmer::AsStoreMut;
use wasmer::Store;
use wasmer::sys::vm::{
    StoreObject, TrapCode, VMBuiltinFunctionIndex, VMContext, VMInstance, VMOffsets, libcalls,
};

use super::interrupt::{unwind_for, unwind_if_told, unwind_without_room};

type Index = VMBuiltinFunctionIndex;

/// Puts the functions in place, in all instances of the store. No guest code may have run in them.
pub(super) fn guard(store: &mut Store) {
    for instance in VMInstance::list(store.objects_mut().as_sys()) {
        for (index, function) in functions() {
            // SAFETY: the place is that of the function's address in the context of this instance. Ours take the
            // same arguments. We have the store to ourselves, so nobody reads the table now.
            unsafe { place(instance.vmctx_ptr(), instance.vmoffsets(), index).write(function) };
        }
    }
}

/// Where the context of an instance has the address of a function.
fn place(context: *mut VMContext, offsets: &VMOffsets, index: Index) -> *mut usize {
    let offset = offsets.vmctx_builtin_function(index) as usize;
    context.cast::<u8>().wrapping_add(offset).cast()
}

/// Defines functions that do what those of Wasmer do, where there is room for them on the stack.
macro_rules! guarded {
    ($($name:ident = $original:ident($($argument:ident: $ty:ty),*) $(-> $result:ty)?;)*) => {$(
        unsafe extern "C-unwind" fn $name(context: *mut VMContext, $($argument: $ty),*) $(-> $result)? {
            // SAFETY: called by the guest as Wasmer's own function is, with the same arguments. Nothing here has
            // to be dropped.
            unsafe {
                unwind_without_room();
                libcalls::$original(context, $($argument),*)
            }
        }
    )*};
}

/// The same for functions that may take long, which also look whether the call is to stop.
macro_rules! interruptible {
    ($($name:ident = $original:ident($($argument:ident: $ty:ty),*) $(-> $result:ty)?;)*) => {$(
        unsafe extern "C-unwind" fn $name(context: *mut VMContext, $($argument: $ty),*) $(-> $result)? {
            // SAFETY: as above.
            unsafe {
                unwind_without_room();
                unwind_if_told();
                let result = libcalls::$original(context, $($argument),*);
                unwind_if_told();
                result
            }
        }
    )*};
}

/// The same for functions that take or give an element of a table: a union of references, which travels as an address
/// does, and whose name is Wasmer's own.
macro_rules! of_elements {
    ($($name:ident = $original:ident($($argument:ident: $ty:ty),*) $(-> $result:ty)?;)*) => {$(
        unsafe extern "C-unwind" fn $name(context: *mut VMContext, $($argument: $ty),*) $(-> $result)? {
            type Original = unsafe extern "C" fn(*mut VMContext, $($ty),*) $(-> $result)?;
            // SAFETY: as above; the type is that of the function but for the union, which has the size of an
            // address.
            unsafe {
                unwind_without_room();
                unwind_if_told();
                let original = transmute::<*const (), Original>(libcalls::$original as *const ());
                let result = original(context, $($argument),*);
                unwind_if_told();
                result
            }
        }
    )*};
}

guarded! {
    memory_grow = wasmer_vm_memory32_grow(delta: u32, memory: u32) -> u32;
    imported_memory_grow = wasmer_vm_imported_memory32_grow(delta: u32, memory: u32) -> u32;
    memory_size = wasmer_vm_memory32_size(memory: u32) -> u32;
    imported_memory_size = wasmer_vm_imported_memory32_size(memory: u32) -> u32;
    table_size = wasmer_vm_table_size(table: u32) -> u32;
    imported_table_size = wasmer_vm_imported_table_size(table: u32) -> u32;
    element_drop = wasmer_vm_elem_drop(element: u32);
    data_drop = wasmer_vm_data_drop(data: u32);
    alloc_exception = wasmer_vm_alloc_exception(tag: u32) -> u32;
    throw = wasmer_vm_throw(exception: u32) -> !;
}

interruptible! {
    memory_copy = wasmer_vm_memory32_copy(to: u32, from: u32, at: u32, source: u32, len: u32);
    memory_fill = wasmer_vm_memory32_fill(memory: u32, at: u32, value: u32, len: u32);
    imported_memory_fill = wasmer_vm_imported_memory32_fill(memory: u32, at: u32, value: u32, len: u32);
    memory_init = wasmer_vm_memory32_init(memory: u32, data: u32, at: u32, source: u32, len: u32);
    table_copy = wasmer_vm_table_copy(to: u32, from: u32, at: u32, source: u32, len: u32);
    table_init = wasmer_vm_table_init(table: u32, element: u32, at: u32, source: u32, len: u32);
    wait32 = wasmer_vm_memory32_atomic_wait32(memory: u32, at: u32, value: u32, timeout: i64) -> u32;
    imported_wait32 =
        wasmer_vm_imported_memory32_atomic_wait32(memory: u32, at: u32, value: u32, timeout: i64) -> u32;
    wait64 = wasmer_vm_memory32_atomic_wait64(memory: u32, at: u32, value: u64, timeout: i64) -> u32;
    imported_wait64 =
        wasmer_vm_imported_memory32_atomic_wait64(memory: u32, at: u32, value: u64, timeout: i64) -> u32;
    notify = wasmer_vm_memory32_atomic_notify(memory: u32, at: u32, count: u32) -> u32;
    imported_notify = wasmer_vm_imported_memory32_atomic_notify(memory: u32, at: u32, count: u32) -> u32;
}

of_elements! {
    table_fill = wasmer_vm_table_fill(table: u32, at: u32, item: usize, len: u32);
    table_get = wasmer_vm_table_get(table: u32, at: u32) -> usize;
    imported_table_get = wasmer_vm_imported_table_get(table: u32, at: u32) -> usize;
    table_set = wasmer_vm_table_set(table: u32, at: u32, item: usize);
    imported_table_set = wasmer_vm_imported_table_set(table: u32, at: u32, item: usize);
    table_grow = wasmer_vm_table_grow(item: usize, delta: u32, table: u32) -> u32;
    imported_table_grow = wasmer_vm_imported_table_grow(item: usize, delta: u32, table: u32) -> u32;
    function_reference = wasmer_vm_func_ref(function: u32) -> usize;
}

/// Ends the guest. It gets a trap as Wasmer would make it, but for a backtrace of all of the stack.
unsafe extern "C-unwind" fn raise_trap(reason: TrapCode) -> ! {
    // SAFETY: called by the guest, and nothing here has to be dropped.
    unsafe {
        unwind_without_room();
        unwind_for(reason)
    }
}

/// What a guest that caught an exception calls, to see which one it is. Called while the stack is unwound, from a frame
/// that was there before, so there is room if there was for [`throw`].
unsafe extern "C-unwind" fn personality(context: *mut VMContext, exception: *mut c_void) -> i32 {
    // SAFETY: as above. The pointer is one to a structure that is Wasmer's own.
    unsafe {
        unwind_without_room();
        libcalls::wasmer_eh_personality2(context, exception.cast())
    }
}

unsafe extern "C-unwind" fn exception_into_reference(exception: *mut c_void) -> u32 {
    // SAFETY: as above.
    unsafe {
        unwind_without_room();
        libcalls::wasmer_vm_exception_into_exnref(exception)
    }
}

unsafe extern "C-unwind" fn read_exception(context: *mut VMContext, reference: u32) -> *mut c_void {
    // SAFETY: as above.
    unsafe { unwind_without_room() };
    libcalls::wasmer_vm_read_exnref(context, reference).cast()
}

/// For debugging compilers. None of them calls it otherwise.
unsafe extern "C-unwind" fn debug_number(value: usize) {
    // SAFETY: as above.
    unsafe { unwind_without_room() };
    libcalls::wasmer_vm_dbg_usize(value);
}

/// The same for text.
unsafe extern "C-unwind" fn debug_text(address: usize, len: u32) {
    // SAFETY: as above.
    unsafe { unwind_without_room() };
    libcalls::wasmer_vm_dbg_str(address, len);
}

/// What stands in each place of the table.
fn functions() -> [(Index, usize); Index::builtin_functions_total_number() as usize] {
    macro_rules! table {
        ($($index:ident: $function:ident,)*) => {
            [$((Index::$index(), $function as *const () as usize),)*]
        };
    }
    table![
        get_memory32_grow_index: memory_grow,
        get_imported_memory32_grow_index: imported_memory_grow,
        get_memory32_size_index: memory_size,
        get_imported_memory32_size_index: imported_memory_size,
        get_table_copy_index: table_copy,
        get_table_init_index: table_init,
        get_elem_drop_index: element_drop,
        get_memory_copy_index: memory_copy,
        get_memory_fill_index: memory_fill,
        get_imported_memory_fill_index: imported_memory_fill,
        get_memory_init_index: memory_init,
        get_data_drop_index: data_drop,
        get_raise_trap_index: raise_trap,
        get_table_size_index: table_size,
        get_imported_table_size_index: imported_table_size,
        get_table_grow_index: table_grow,
        get_imported_table_grow_index: imported_table_grow,
        get_table_get_index: table_get,
        get_imported_table_get_index: imported_table_get,
        get_table_set_index: table_set,
        get_imported_table_set_index: imported_table_set,
        get_func_ref_index: function_reference,
        get_table_fill_index: table_fill,
        get_memory_atomic_wait32_index: wait32,
        get_imported_memory_atomic_wait32_index: imported_wait32,
        get_memory_atomic_wait64_index: wait64,
        get_imported_memory_atomic_wait64_index: imported_wait64,
        get_memory_atomic_notify_index: notify,
        get_imported_memory_atomic_notify_index: imported_notify,
        get_imported_debug_usize_index: debug_number,
        get_imported_debug_str_index: debug_text,
        get_imported_personality2_index: personality,
        get_imported_alloc_exception_index: alloc_exception,
        get_imported_throw_index: throw,
        get_imported_read_exnref_index: read_exception,
        get_imported_exception_into_exnref_index: exception_into_reference,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_place_of_the_table_is_left_to_wasmer() {
        let mut store = Store::default();
        let wasm = wat::parse_str("(module (memory 1) (table 1 funcref))").unwrap();
        let module = wasmer::Module::new(&store, wasm).unwrap();
        let _instance =
            wasmer::Instance::new(&mut store, &module, &wasmer::Imports::new()).unwrap();
        let table = |store: &mut Store| -> Vec<usize> {
            let instances = VMInstance::list(store.objects_mut().as_sys());
            let instance = &instances[0];
            let first = place(instance.vmctx_ptr(), instance.vmoffsets(), functions()[0].0);
            let len = Index::builtin_functions_total_number() as usize;
            // SAFETY: the functions lie one after the other, in the order of their indices.
            unsafe { std::slice::from_raw_parts(first, len) }.to_vec()
        };
        let wasmers = table(&mut store);
        guard(&mut store);
        let ours = table(&mut store);
        for (index, (wasmers, ours)) in wasmers.iter().zip(&ours).enumerate() {
            assert_ne!(wasmers, ours, "the function of index {index} is Wasmer's");
        }
        let mut indices: Vec<u32> = functions().iter().map(|(index, _)| index.index()).collect();
        indices.sort_unstable();
        indices.dedup();
        assert_eq!(indices.len(), wasmers.len());
    }
}
