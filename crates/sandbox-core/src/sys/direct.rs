//! The short way into a guest: on a stack of ours, with nothing of Wasmer around it.
//!
//! Wasmer enters each guest as a coroutine, with what its own handler of faults needs: a third of what a short call takes.
//! Here the thread changes to another stack by a dozen instructions, and unwinding a guest is putting back the registers
//! that a function preserves, as they were when the guest was entered. Two do that: the handlers of faults and interrupts, which
//! change where their thread goes on ([`Entry::unwind_from_handler`]), and functions that guest code calls ([`Entry::leave`]).
//!
//! This holds only
//!
//! - where nothing between here and the guest's code has to be dropped;
//! - for functions that reach none of the host's, and of Wasmer's none that raises a trap by itself: Wasmer looks for its own
//!   coroutine then, finds none, and ends the process ([`Reach::OwnFunctions`](super::entry::Reach));
//! - for code of compilers whose functions of Wasmer are replaced ([`builtins`](super::builtins)), so not for LLVM's.
//!
//! `SANDBOX_CORE_DIRECT_ENTRY=off` in the environment of the process has all guests entered Wasmer's way. So are those on
//! other systems than Linux on x86-64.
#![expect(unsafe_code, reason = "changes the stack pointer")]

use std::cell::Cell;
use std::sync::OnceLock;

use wasmer::sys::vm::TrapCode;

/// Whether guests may be entered so, in this process.
pub(super) fn is_enabled() -> bool {
    static ENABLED: OnceLock<bool> = OnceLock::new();
    *ENABLED.get_or_init(|| {
        let is_off = std::env::var_os("SANDBOX_CORE_DIRECT_ENTRY").is_some_and(|set| set == "off");
        switch::IS_SUPPORTED && !is_off
    })
}

/// One entry into a guest, while it lasts.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Entry {
    /// The stack pointer of who entered, below the registers that were saved there.
    host: Cell<usize>,
    ended: Cell<Ended>,
}

/// How an entry ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The guest returned, or is still there.
    Returned,
    /// Its instruction at that address faulted, or was the last one before it was interrupted.
    At(usize),
    /// A function that it called ended it.
    For(TrapCode),
}

impl Entry {
    pub(super) fn new() -> Self {
        Self { host: Cell::new(0), ended: Cell::new(Ended::Returned) }
    }

    /// Calls the function on the stack that begins there, and says how that ended.
    ///
    /// # Safety
    /// The stack is large enough and nobody else's. Until this returns, nothing is put on it that has to be dropped.
    #[inline]
    pub(super) unsafe fn call(
        &self,
        stack_top: usize,
        function: unsafe extern "C-unwind" fn(*mut u8),
        argument: *mut u8,
    ) -> Ended {
        // SAFETY: our caller's contract.
        unsafe { switch::enter(self, stack_top & !15, argument, function) };
        self.ended.get()
    }

    /// Unwinds the guest from a function that it called.
    ///
    /// # Safety
    /// This is called on the stack that was entered, where nothing has to be dropped.
    pub(super) unsafe fn leave(&self, reason: TrapCode) -> ! {
        self.ended.set(Ended::For(reason));
        // SAFETY: our caller's contract.
        unsafe { switch::leave(self.host.get()) }
    }

    /// Unwinds the guest from the handler of a signal, which interrupted it at that address: has the thread go on where the
    /// guest was entered.
    ///
    /// # Safety
    /// `context` is what the kernel gave to the handler, and the thread is in the guest's own code.
    pub(super) unsafe fn unwind_from_handler(&self, context: *mut libc::ucontext_t, at: usize) {
        self.ended.set(Ended::At(at));
        // SAFETY: our caller's contract.
        unsafe { switch::go_on(context, self.host.get()) }
    }

    /// Calls a function on the stack from which the guest was entered: it may need more than is left of the guest's.
    ///
    /// # Safety
    /// This is called on the stack that was entered. The function unwinds nobody.
    pub(super) unsafe fn on_host_stack<T>(&self, function: impl FnOnce() -> T) -> T {
        struct Passage<F, T>(Option<F>, Option<T>);
        extern "C" fn call<F: FnOnce() -> T, T>(passage: *mut u8) {
            // SAFETY: it is the one below, which lives until this returns, and which nobody else uses meanwhile.
            let passage = unsafe { &mut *passage.cast::<Passage<F, T>>() };
            passage.1 = passage.0.take().map(|function| function());
        }
        fn caller_of<F: FnOnce() -> T, T>(_: &Passage<F, T>) -> extern "C" fn(*mut u8) {
            call::<F, T>
        }
        let mut passage = Passage(Some(function), None);
        let caller = caller_of(&passage);
        // SAFETY: our caller's contract. Below its stack pointer, who entered has left nothing.
        unsafe { switch::call_on(self.host.get(), caller, (&raw mut passage).cast()) };
        passage.1.expect("the function was called")
    }
}

/// Calls a function where there is more stack than a guest's: on that from which it was entered, so or by Wasmer.
///
/// # Safety
/// As for [`Entry::on_host_stack`], where there is an entry.
pub(super) unsafe fn on_host_stack<T>(entry: Option<&Entry>, function: impl FnOnce() -> T) -> T {
    match entry {
        // SAFETY: our caller's contract.
        Some(entry) => unsafe { entry.on_host_stack(function) },
        None => wasmer::sys::vm::on_host_stack(function),
    }
}

/// The instructions.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod switch {
    use std::arch::{asm, naked_asm};

    use super::Entry;

    pub(super) const IS_SUPPORTED: bool = true;

    /// Saves the registers that a function preserves, notes where, and calls a function on another stack.
    #[unsafe(naked)]
    pub(super) unsafe extern "C-unwind" fn enter(
        _: &Entry,
        _stack_top: usize,
        _argument: *mut u8,
        _function: unsafe extern "C-unwind" fn(*mut u8),
    ) {
        naked_asm!(
            ".cfi_startproc",
            "push rbp",
            ".cfi_def_cfa_offset 16",
            ".cfi_offset rbp, -16",
            "mov rbp, rsp",
            ".cfi_def_cfa_register rbp",
            "push rbx",
            "push r12",
            "push r13",
            "push r14",
            "push r15",
            ".cfi_offset rbx, -24",
            ".cfi_offset r12, -32",
            ".cfi_offset r13, -40",
            ".cfi_offset r14, -48",
            ".cfi_offset r15, -56",
            "mov [rdi], rsp",
            "mov rbx, rdi",
            "mov rsp, rsi",
            "mov rdi, rdx",
            "call rcx",
            "mov rsp, [rbx]",
            "jmp {returned}",
            ".cfi_endproc",
            returned = sym returned,
        )
    }

    /// Returns to who called [`enter`]; the stack pointer is the one that was noted.
    #[unsafe(naked)]
    unsafe extern "C" fn returned() {
        naked_asm!(
            ".cfi_startproc",
            ".cfi_def_cfa_offset 56",
            ".cfi_offset rbp, -16",
            ".cfi_offset rbx, -24",
            ".cfi_offset r12, -32",
            ".cfi_offset r13, -40",
            ".cfi_offset r14, -48",
            ".cfi_offset r15, -56",
            "pop r15",
            ".cfi_def_cfa_offset 48",
            "pop r14",
            ".cfi_def_cfa_offset 40",
            "pop r13",
            ".cfi_def_cfa_offset 32",
            "pop r12",
            ".cfi_def_cfa_offset 24",
            "pop rbx",
            ".cfi_def_cfa_offset 16",
            "pop rbp",
            ".cfi_def_cfa_offset 8",
            "ret",
            ".cfi_endproc",
        )
    }

    pub(super) unsafe fn leave(host: usize) -> ! {
        // SAFETY: our caller says that nothing on this stack is missed, and `host` is what `enter` noted.
        unsafe {
            asm!("mov rsp, {}", "jmp {}", in(reg) host, sym returned, options(noreturn));
        }
    }

    pub(super) unsafe fn go_on(context: *mut libc::ucontext_t, host: usize) {
        /// The bit of the flags by which string instructions go downwards; functions begin without it.
        const DIRECTION: i64 = 1 << 10;
        // SAFETY: the context is the kernel's.
        let registers = unsafe { &mut (*context).uc_mcontext.gregs };
        registers[libc::REG_RSP as usize] = host.cast_signed() as i64;
        registers[libc::REG_RIP as usize] = (returned as *const () as usize).cast_signed() as i64;
        registers[libc::REG_EFL as usize] &= !DIRECTION;
    }

    /// Calls a function with that stack pointer, which is aligned.
    #[unsafe(naked)]
    pub(super) unsafe extern "C" fn call_on(
        _stack_pointer: usize,
        _function: extern "C" fn(*mut u8),
        _argument: *mut u8,
    ) {
        naked_asm!(
            ".cfi_startproc",
            "push rbp",
            ".cfi_def_cfa_offset 16",
            ".cfi_offset rbp, -16",
            "mov rbp, rsp",
            ".cfi_def_cfa_register rbp",
            "mov rsp, rdi",
            "and rsp, -16",
            "mov rdi, rdx",
            "call rsi",
            "mov rsp, rbp",
            "pop rbp",
            ".cfi_def_cfa rsp, 8",
            "ret",
            ".cfi_endproc",
        )
    }
}

/// No guest is entered so.
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
mod switch {
    use super::Entry;

    pub(super) const IS_SUPPORTED: bool = false;

    pub(super) unsafe fn enter(
        _: &Entry,
        _stack_top: usize,
        _argument: *mut u8,
        _function: unsafe extern "C-unwind" fn(*mut u8),
    ) {
        std::process::abort()
    }

    pub(super) unsafe fn leave(_: usize) -> ! {
        std::process::abort()
    }

    pub(super) unsafe fn go_on(_: *mut libc::ucontext_t, _: usize) {
        std::process::abort()
    }

    pub(super) unsafe fn call_on(_: usize, _: extern "C" fn(*mut u8), _: *mut u8) {
        std::process::abort()
    }
}

#[cfg(all(test, target_os = "linux", target_arch = "x86_64"))]
mod tests {
    use super::*;
    use crate::sys::stack::OwnStack;

    const STACK_BYTES: usize = 1 << 20;

    struct Job {
        entry: *const Entry,
        within: Option<(usize, usize)>,
        leaves: bool,
    }

    unsafe extern "C-unwind" fn work(job: *mut u8) {
        // SAFETY: the job lives in the test, which waits for this.
        unsafe {
            let job = &mut *job.cast::<Job>();
            let here = super::super::stack::pointer();
            let on_host = (*job.entry).on_host_stack(super::super::stack::pointer);
            job.within = Some((here, on_host));
            if job.leaves {
                (*job.entry).leave(TrapCode::UnreachableCodeReached);
            }
        }
    }

    #[test]
    fn a_function_runs_on_the_stack_it_is_given_and_returns_or_leaves() {
        let stack = OwnStack::take(STACK_BYTES).unwrap();
        let bounds = stack.bounds();
        for (leaves, ended) in
            [(false, Ended::Returned), (true, Ended::For(TrapCode::UnreachableCodeReached))]
        {
            for _ in 0..1000 {
                let entry = Entry::new();
                let mut job = Job { entry: &raw const entry, within: None, leaves };
                // SAFETY: the stack is as large as `work` needs, which leaves nothing to be dropped on it.
                let how = unsafe { entry.call(bounds.top, work, (&raw mut job).cast()) };
                assert_eq!(how, ended);
                let (here, on_host) = job.within.unwrap();
                assert!((bounds.floor..bounds.top).contains(&here));
                assert!(!(bounds.floor..bounds.top).contains(&on_host));
            }
        }
        stack.put_back();
    }
}
