//! Functions of Wasmer that may trap or make an exception, called so that this costs the same at every depth.
//!
//! Where they do, Wasmer walks the stack by its unwind data, all of it, on the guest's stack: what that takes, and what it keeps,
//! would be up to the guest. Each of these puts a frame between guest and function whose unwind data say that nobody called it. The
//! walk ends there. Unwinding a trap needs no such data, since Wasmer leaves the stack as a whole.

use wasmer::sys::vm::{VMContext, libcalls};

macro_rules! unwalked {
    ($($name:ident = $original:ident($($argument:ident: $ty:ty),*) $(-> $result:ty)?;)*) => {$(
        #[cfg(target_arch = "x86_64")]
        #[unsafe(naked)]
        pub(super) unsafe extern "C-unwind" fn $name(
            _: *mut VMContext, $(_: $ty),*
        ) $(-> $result)? {
            std::arch::naked_asm!(
                ".cfi_startproc",
                "push rbp",
                ".cfi_def_cfa_offset 16",
                ".cfi_offset rbp, -16",
                "mov rbp, rsp",
                ".cfi_def_cfa_register rbp",
                ".cfi_undefined rip",
                "call {original}",
                "pop rbp",
                ".cfi_def_cfa rsp, 8",
                "ret",
                ".cfi_endproc",
                original = sym libcalls::$original,
            )
        }

        #[cfg(target_arch = "aarch64")]
        #[unsafe(naked)]
        pub(super) unsafe extern "C-unwind" fn $name(
            _: *mut VMContext, $(_: $ty),*
        ) $(-> $result)? {
            std::arch::naked_asm!(
                ".cfi_startproc",
                "stp x29, x30, [sp, #-16]!",
                ".cfi_def_cfa_offset 16",
                ".cfi_offset x29, -16",
                "mov x29, sp",
                ".cfi_def_cfa_register x29",
                ".cfi_undefined x30",
                "bl {original}",
                "ldp x29, x30, [sp], #16",
                ".cfi_def_cfa sp, 0",
                "ret",
                ".cfi_endproc",
                original = sym libcalls::$original,
            )
        }

        /// No guest runs on such a processor.
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        pub(super) unsafe extern "C-unwind" fn $name(
            context: *mut VMContext, $($argument: $ty),*
        ) $(-> $result)? {
            type Original = unsafe extern "C" fn(*mut VMContext, $($ty),*) $(-> $result)?;
            // SAFETY: the type is that of the function, but for a union that travels as an address does.
            unsafe {
                let original = std::mem::transmute::<*const (), Original>(
                    libcalls::$original as *const (),
                );
                original(context, $($argument),*)
            }
        }
    )*};
}

unwalked! {
    memory_copy = wasmer_vm_memory32_copy(to: u32, from: u32, at: u32, source: u32, len: u32);
    memory_fill = wasmer_vm_memory32_fill(memory: u32, at: u32, value: u32, len: u32);
    imported_memory_fill = wasmer_vm_imported_memory32_fill(memory: u32, at: u32, value: u32, len: u32);
    memory_init = wasmer_vm_memory32_init(memory: u32, data: u32, at: u32, source: u32, len: u32);
    table_copy = wasmer_vm_table_copy(to: u32, from: u32, at: u32, source: u32, len: u32);
    table_init = wasmer_vm_table_init(table: u32, element: u32, at: u32, source: u32, len: u32);
    table_fill = wasmer_vm_table_fill(table: u32, at: u32, item: usize, len: u32);
    table_get = wasmer_vm_table_get(table: u32, at: u32) -> usize;
    imported_table_get = wasmer_vm_imported_table_get(table: u32, at: u32) -> usize;
    table_set = wasmer_vm_table_set(table: u32, at: u32, item: usize);
    imported_table_set = wasmer_vm_imported_table_set(table: u32, at: u32, item: usize);
    wait32 = wasmer_vm_memory32_atomic_wait32(memory: u32, at: u32, value: u32, timeout: i64) -> u32;
    imported_wait32 =
        wasmer_vm_imported_memory32_atomic_wait32(memory: u32, at: u32, value: u32, timeout: i64) -> u32;
    wait64 = wasmer_vm_memory32_atomic_wait64(memory: u32, at: u32, value: u64, timeout: i64) -> u32;
    imported_wait64 =
        wasmer_vm_imported_memory32_atomic_wait64(memory: u32, at: u32, value: u64, timeout: i64) -> u32;
    notify = wasmer_vm_memory32_atomic_notify(memory: u32, at: u32, count: u32) -> u32;
    alloc_exception = wasmer_vm_alloc_exception(tag: u32) -> u32;
    imported_notify = wasmer_vm_imported_memory32_atomic_notify(memory: u32, at: u32, count: u32) -> u32;
}
