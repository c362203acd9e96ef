//! Stands between guest code and the functions of Wasmer that it calls.
//!
//! What WebAssembly can do and no processor in one instruction is done by functions of Wasmer: filling memory, growing a table,
//! raising a trap. Compiled code calls them through a table that each instance has, and on the guest's stack. There
//! three things can go wrong, so each instance gets functions of ours in every place of that table.
//!
//! - The stack may be nearly used up. Then the function is not called, and the guest ends as one that recursed too deep
//!   (see [`stack`](super::stack)). `raise_trap` is replaced whole, since Wasmer's allocates and walks the stack.
//! - Where they trap, Wasmer walks the stack, all of it. So the trap is ours where it can be told before, and where not, the
//!   walk ends at once ([`unwalked`]).
//! - An interrupt does not unwind them (see [`interrupt`](super::interrupt)), and a guest that does nothing but fill
//!   and copy is hardly ever in its own code. So those look before and after Wasmer's work whether the call is to
//!   stop. One such instruction runs to its end; for a limit of 256 MiB that is some tens of milliseconds.
//!
//! LLVM's code does not use the table: it is bound to the functions when it is loaded. So it is for guests only that nobody
//! has to fear ([`Compiler::Llvm`](crate::Compiler)).
#![expect(unsafe_code, reason = "replaces functions in the context of an instance")]

mod noting;
mod unwalked;

use std::ffi::c_void;
use std::mem::transmute;

use wasmer::AsStoreMut;
use wasmer::Store;
use wasmer::sys::vm::{
    StoreObject, TrapCode, VMBuiltinFunctionIndex, VMContext, VMInstance, VMOffsets, libcalls,
};

use super::frames;
use super::interrupt::{
    note_callers, note_where, on_host_stack, unwind_for, unwind_if_told, unwind_without_room,
    with_running,
};
use super::refusals::RefusedTable;
use crate::policy::PAGE_BYTES;

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

/// Replaces functions that may trap or take long, of which it can be told before whether they will trap. A trap is
/// ours then, and of the innermost calls. They also look whether the call is to stop.
macro_rules! checked {
    ($($name:ident($context:ident, $($argument:ident: $ty:ty),*) $(-> $result:ty)?: $trap:expr;)*) => {$(
        unsafe extern "C-unwind" fn $name($context: *mut VMContext, $($argument: $ty),*) $(-> $result)? {
            // SAFETY: as above.
            unsafe {
                unwind_without_room();
                unwind_if_told();
                if let Some(reason) = $trap {
                    unwind_for(reason);
                }
                let result = unwalked::$name($context, $($argument),*);
                unwind_if_told();
                result
            }
        }
    )*};
}

/// Replaces functions of which only Wasmer knows whether they trap. Guests do not call these, but the code before them
/// ([`noting`]), which looks at all that is to be looked at before, and notes where the guest is.
macro_rules! noted {
    ($($name:ident($($argument:ident: $ty:ty),*) $(-> $result:ty)?;)*) => {$(
        unsafe extern "C-unwind" fn $name(context: *mut VMContext, $($argument: $ty),*) $(-> $result)? {
            // SAFETY: as above.
            unsafe {
                let result = unwalked::$name(context, $($argument),*);
                frames::forget();
                unwind_if_told();
                result
            }
        }
    )*};
}

guarded! {
    imported_memory_grow = wasmer_vm_imported_memory32_grow(delta: u32, memory: u32) -> u32;
    memory_size = wasmer_vm_memory32_size(memory: u32) -> u32;
    imported_memory_size = wasmer_vm_imported_memory32_size(memory: u32) -> u32;
    table_size = wasmer_vm_table_size(table: u32) -> u32;
    imported_table_size = wasmer_vm_imported_table_size(table: u32) -> u32;
    element_drop = wasmer_vm_elem_drop(element: u32);
    data_drop = wasmer_vm_data_drop(data: u32);
}

checked! {
    memory_copy(context, to: u32, from: u32, at: u32, source: u32, len: u32):
        beyond_memory(context, to, at, len).or_else(|| beyond_memory(context, from, source, len));
    memory_fill(context, memory: u32, at: u32, value: u32, len: u32): beyond_memory(context, memory, at, len);
    table_copy(context, to: u32, from: u32, at: u32, source: u32, len: u32):
        beyond_table(context, to, at, len).or_else(|| beyond_table(context, from, source, len));
    table_fill(context, table: u32, at: u32, item: usize, len: u32): beyond_table(context, table, at, len);
    table_get(context, table: u32, at: u32) -> usize: beyond_table(context, table, at, 1);
    table_set(context, table: u32, at: u32, item: usize): beyond_table(context, table, at, 1);
}

noted! {
    imported_memory_fill(memory: u32, at: u32, value: u32, len: u32);
    memory_init(memory: u32, data: u32, at: u32, source: u32, len: u32);
    table_init(table: u32, element: u32, at: u32, source: u32, len: u32);
    imported_table_get(table: u32, at: u32) -> usize;
    imported_table_set(table: u32, at: u32, item: usize);
    wait32(memory: u32, at: u32, value: u32, timeout: i64) -> u32;
    imported_wait32(memory: u32, at: u32, value: u32, timeout: i64) -> u32;
    wait64(memory: u32, at: u32, value: u64, timeout: i64) -> u32;
    imported_wait64(memory: u32, at: u32, value: u64, timeout: i64) -> u32;
    notify(memory: u32, at: u32, count: u32) -> u32;
    imported_notify(memory: u32, at: u32, count: u32) -> u32;
}

/// Enlarges a memory, which asks the system for more than there need be room for on the guest's stack.
unsafe extern "C-unwind" fn memory_grow(context: *mut VMContext, delta: u32, memory: u32) -> u32 {
    // SAFETY: called by the guest as Wasmer's own function is, which traps nowhere. Nothing here has to be dropped.
    unsafe {
        unwind_without_room();
        on_host_stack(|| libcalls::wasmer_vm_memory32_grow(context, delta, memory))
    }
}

/// Prepares the call of a function that is [`noted!`], by a guest whose frame has that address.
unsafe extern "C-unwind" fn before_noted(frame: usize) {
    // SAFETY: a guest called a function with that frame, and nothing here has to be dropped.
    unsafe {
        unwind_without_room();
        unwind_if_told();
        note_callers(frame);
    }
}

/// The trap of an instruction that works on so many bytes of a memory, if they are not all in it. No module imports a memory or
/// a table, so what counts those that a module defines counts all of them.
///
/// # Safety
/// Called by a guest with that context, which has the memory.
unsafe fn beyond_memory(
    context: *mut VMContext,
    memory: u32,
    at: u32,
    len: u32,
) -> Option<TrapCode> {
    let end = u64::from(at) + u64::from(len);
    // Small copies are frequent, and what has been looked up holds until the guest returns: memories do not shrink.
    let is_known =
        memory == 0 && with_running(|running| end <= running.known_bytes()) == Some(true);
    if is_known {
        return None;
    }
    // SAFETY: our caller's contract.
    let pages = unsafe { libcalls::wasmer_vm_memory32_size(context, memory) };
    let bytes = u64::from(pages) * PAGE_BYTES;
    if memory == 0 {
        with_running(|running| running.know_bytes(bytes));
    }
    (end > bytes).then_some(TrapCode::HeapAccessOutOfBounds)
}

/// Returns the trap of an access to elements of a table, if it goes beyond the end.
///
/// # Safety
/// As [`beyond_memory`].
unsafe fn beyond_table(context: *mut VMContext, table: u32, at: u32, len: u32) -> Option<TrapCode> {
    // SAFETY: our caller's contract.
    let elements = unsafe { libcalls::wasmer_vm_table_size(context, table) };
    let end = u64::from(at) + u64::from(len);
    (end > u64::from(elements)).then_some(TrapCode::TableAccessOutOfBounds)
}

/// Makes an exception, which Wasmer keeps as long as the instance. So there are only so many of them.
unsafe extern "C-unwind" fn alloc_exception(context: *mut VMContext, tag: u32) -> u32 {
    // SAFETY: called by the guest as Wasmer's own function is, and nothing here has to be dropped.
    unsafe {
        unwind_without_room();
        if with_running(|running| running.refusals().allow_exception()) == Some(false) {
            unwind_for(TrapCode::UncaughtException);
        }
        unwalked::alloc_exception(context, tag)
    }
}

/// Throws it. Who does not catch it gets a backtrace from here.
unsafe extern "C-unwind" fn throw(context: *mut VMContext, exception: u32) -> ! {
    // SAFETY: as above.
    unsafe {
        unwind_without_room();
        unwind_if_told();
        note_where();
        libcalls::wasmer_vm_throw(context, exception)
    }
}

/// Enlarges a table, and notes where that is refused. An element is a union of references, which travels as an address does, and
/// whose name is Wasmer's own.
unsafe extern "C-unwind" fn table_grow(
    context: *mut VMContext,
    item: usize,
    delta: u32,
    table: u32,
) -> u32 {
    type Grow = unsafe extern "C" fn(*mut VMContext, usize, u32, u32) -> u32;
    // SAFETY: called by the guest as Wasmer's own function is, and nothing here has to be dropped. The type is that of the
    // function but for the union.
    unsafe {
        unwind_without_room();
        unwind_if_told();
        let grow = transmute::<*const (), Grow>(libcalls::wasmer_vm_table_grow as *const ());
        let before = grow(context, item, delta, table);
        if before == u32::MAX {
            let size = libcalls::wasmer_vm_table_size(context, table);
            let refused = RefusedTable { index: table, elements: size.saturating_add(delta) };
            with_running(|running| running.refusals().refuse_table(refused));
        }
        unwind_if_told();
        before
    }
}

/// Stands in for a function that no guest calls, since no module imports a table.
unsafe extern "C-unwind" fn imported_table_grow(
    context: *mut VMContext,
    item: usize,
    delta: u32,
    table: u32,
) -> u32 {
    type Grow = unsafe extern "C" fn(*mut VMContext, usize, u32, u32) -> u32;
    // SAFETY: as above.
    unsafe {
        unwind_without_room();
        let original = libcalls::wasmer_vm_imported_table_grow as *const ();
        transmute::<*const (), Grow>(original)(context, item, delta, table)
    }
}

unsafe extern "C-unwind" fn function_reference(context: *mut VMContext, function: u32) -> usize {
    type Refer = unsafe extern "C" fn(*mut VMContext, u32) -> usize;
    // SAFETY: as above.
    unsafe {
        unwind_without_room();
        let original = libcalls::wasmer_vm_func_ref as *const ();
        transmute::<*const (), Refer>(original)(context, function)
    }
}

/// Ends the guest. It gets a trap as Wasmer would make it, but for a backtrace of all of the stack.
unsafe extern "C-unwind" fn raise_trap(reason: TrapCode) -> ! {
    // SAFETY: called by the guest, and nothing here has to be dropped.
    unsafe {
        unwind_without_room();
        unwind_for(reason)
    }
}

/// Tells a guest that caught an exception which one it is. Called while the stack is unwound, from a frame that was
/// there before, so there is room if there was for [`throw`].
unsafe extern "C-unwind" fn personality(context: *mut VMContext, exception: *mut c_void) -> i32 {
    // SAFETY: as above. The pointer is one to a structure that is Wasmer's own.
    unsafe {
        unwind_without_room();
        libcalls::wasmer_eh_personality2(context, exception.cast())
    }
}

/// Gives a guest that caught an exception a reference to it, which it asks for first.
unsafe extern "C-unwind" fn exception_into_reference(exception: *mut c_void) -> u32 {
    // SAFETY: as above.
    unsafe {
        unwind_without_room();
        frames::forget();
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

/// Prints a text, for debugging compilers.
unsafe extern "C-unwind" fn debug_text(address: usize, len: u32) {
    // SAFETY: as above.
    unsafe { unwind_without_room() };
    libcalls::wasmer_vm_dbg_str(address, len);
}

/// Returns the function for each place of the table.
fn functions() -> [(Index, usize); Index::builtin_functions_total_number() as usize] {
    macro_rules! table {
        ($($index:ident: $function:path,)*) => {
            [$((Index::$index(), $function as *const () as usize),)*]
        };
    }
    table![
        get_memory32_grow_index: memory_grow,
        get_imported_memory32_grow_index: imported_memory_grow,
        get_memory32_size_index: memory_size,
        get_imported_memory32_size_index: imported_memory_size,
        get_table_copy_index: table_copy,
        get_table_init_index: noting::table_init,
        get_elem_drop_index: element_drop,
        get_memory_copy_index: memory_copy,
        get_memory_fill_index: memory_fill,
        get_imported_memory_fill_index: noting::imported_memory_fill,
        get_memory_init_index: noting::memory_init,
        get_data_drop_index: data_drop,
        get_raise_trap_index: raise_trap,
        get_table_size_index: table_size,
        get_imported_table_size_index: imported_table_size,
        get_table_grow_index: table_grow,
        get_imported_table_grow_index: imported_table_grow,
        get_table_get_index: table_get,
        get_imported_table_get_index: noting::imported_table_get,
        get_table_set_index: table_set,
        get_imported_table_set_index: noting::imported_table_set,
        get_func_ref_index: function_reference,
        get_table_fill_index: table_fill,
        get_memory_atomic_wait32_index: noting::wait32,
        get_imported_memory_atomic_wait32_index: noting::imported_wait32,
        get_memory_atomic_wait64_index: noting::wait64,
        get_imported_memory_atomic_wait64_index: noting::imported_wait64,
        get_memory_atomic_notify_index: noting::notify,
        get_imported_memory_atomic_notify_index: noting::imported_notify,
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
    use wasmer::sys::NativeEngineExt;

    use super::*;
    use crate::policy::SecurityPolicy;
    use crate::sys::limits::{LimitingTunables, Room};

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

    #[test]
    fn no_trapping_function_walks_the_stack() {
        const DEPTH: i32 = 25_000;
        const MIB: usize = 1 << 20;
        let policy = SecurityPolicy::basic().with_stack(16 * MIB);
        for (end, trap) in [
            ("(drop (table.get $t (i32.const 9)))", TrapCode::TableAccessOutOfBounds),
            ("(table.set $t (i32.const 9) (ref.null extern))", TrapCode::TableAccessOutOfBounds),
            (
                "(table.fill $t (i32.const 1) (ref.null extern) (i32.const -1))",
                TrapCode::TableAccessOutOfBounds,
            ),
            (
                "(table.copy $t $t (i32.const 0) (i32.const 1) (i32.const 1))",
                TrapCode::TableAccessOutOfBounds,
            ),
            (
                "(table.init $f $some (i32.const 0) (i32.const 1) (i32.const 1))",
                TrapCode::TableAccessOutOfBounds,
            ),
            (
                "(memory.fill (i32.const 65536) (i32.const 0) (i32.const 1))",
                TrapCode::HeapAccessOutOfBounds,
            ),
            (
                "(memory.copy (i32.const 0) (i32.const 1) (i32.const 65536))",
                TrapCode::HeapAccessOutOfBounds,
            ),
            (
                "(memory.init $bytes (i32.const 0) (i32.const 5) (i32.const 1))",
                TrapCode::HeapAccessOutOfBounds,
            ),
            (
                "(drop (memory.atomic.notify (i32.const 65536) (i32.const 0)))",
                TrapCode::HeapAccessOutOfBounds,
            ),
            (
                "(drop (memory.atomic.wait32 (i32.const 65536) (i32.const 0) (i64.const 0)))",
                TrapCode::HeapAccessOutOfBounds,
            ),
            ("unreachable", TrapCode::UnreachableCodeReached),
        ] {
            let mut engine = wasmer::Engine::default();
            let room = Room { most_pages: 1, most_elements: 9, ..Room::default() };
            engine.set_tunables(LimitingTunables::new(&policy, room, Default::default(), None));
            let mut store = Store::new(engine);
            let text = format!(
                r#"(module (memory 1) (table $t 1 externref) (table $f 1 funcref)
                    (data $bytes "bytes") (elem $some func $down)
                    (func $down (export "down") (param i32)
                        (if (local.get 0)
                            (then (call $down (i32.sub (local.get 0) (i32.const 1))))
                            (else {end}))))"#
            );
            let module = wasmer::Module::new(&store, wat::parse_str(text).unwrap()).unwrap();
            let instance =
                wasmer::Instance::new(&mut store, &module, &wasmer::Imports::new()).unwrap();
            guard(&mut store);
            let down = instance.exports.get_function("down").unwrap().clone();
            let error = down.call(&mut store, &[DEPTH.into()]).unwrap_err();
            // Of those that the guest's own backtrace is made for, Wasmer has seen none.
            assert_eq!(error.trace().len(), 0, "{end}");
            assert_eq!(error.to_trap(), Some(trap), "{end}");
        }
    }
}
