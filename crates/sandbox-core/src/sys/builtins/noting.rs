//! Code that guests call in place of functions of which only Wasmer knows whether they trap.
//!
//! Should they trap, the guest is to have a backtrace. By the time that is known its stack is Wasmer's to use again, so where the
//! guest is has to be noted before. A walk by unwind data would do that in tens of microseconds, and under a lock of the
//! whole process, each time. These make a frame of the kind that compiled code makes, so that the chain of frames can be
//! followed from there.

macro_rules! noting {
    ($($name:ident,)*) => {$(
        /// Passes on all that came in registers, and that is all there is.
        #[cfg(target_arch = "x86_64")]
        #[unsafe(naked)]
        pub(super) unsafe extern "C-unwind" fn $name() {
            std::arch::naked_asm!(
                ".cfi_startproc",
                "push rbp",
                ".cfi_def_cfa_offset 16",
                ".cfi_offset rbp, -16",
                "mov rbp, rsp",
                ".cfi_def_cfa_register rbp",
                "push rdi",
                "push rsi",
                "push rdx",
                "push rcx",
                "push r8",
                "push r9",
                "mov rdi, rbp",
                "call {before}",
                "pop r9",
                "pop r8",
                "pop rcx",
                "pop rdx",
                "pop rsi",
                "pop rdi",
                "call {noted}",
                "pop rbp",
                ".cfi_def_cfa rsp, 8",
                "ret",
                ".cfi_endproc",
                before = sym super::before_noted,
                noted = sym super::$name,
            )
        }

        /// Passes on all that came in registers, and that is all there is.
        #[cfg(target_arch = "aarch64")]
        #[unsafe(naked)]
        pub(super) unsafe extern "C-unwind" fn $name() {
            std::arch::naked_asm!(
                ".cfi_startproc",
                "stp x29, x30, [sp, #-64]!",
                ".cfi_def_cfa_offset 64",
                ".cfi_offset x29, -64",
                ".cfi_offset x30, -56",
                "mov x29, sp",
                ".cfi_def_cfa_register x29",
                "stp x0, x1, [sp, #16]",
                "stp x2, x3, [sp, #32]",
                "stp x4, x5, [sp, #48]",
                "mov x0, x29",
                "bl {before}",
                "ldp x0, x1, [sp, #16]",
                "ldp x2, x3, [sp, #32]",
                "ldp x4, x5, [sp, #48]",
                "bl {noted}",
                "ldp x29, x30, [sp], #64",
                ".cfi_def_cfa sp, 0",
                "ret",
                ".cfi_endproc",
                before = sym super::before_noted,
                noted = sym super::$name,
            )
        }

        /// No guest runs on such a processor.
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        pub(super) use super::$name;
    )*};
}

noting! {
    imported_memory_fill,
    memory_init,
    table_init,
    imported_table_get,
    imported_table_set,
    wait32,
    imported_wait32,
    wait64,
    imported_wait64,
    notify,
    imported_notify,
}
