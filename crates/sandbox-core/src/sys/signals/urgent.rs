//! The handler of the signal by which guests are interrupted.

use std::mem;

use super::super::interrupt::{Running, with_running};
use super::super::thread::Registers;
use super::{Handler, admission, handlers, sending};

/// A `siginfo_t` of a memory fault.
#[repr(C)]
struct FaultInfo {
    signal: libc::c_int,
    error: libc::c_int,
    code: libc::c_int,
    address: usize,
    rest: [usize; 13],
}

const _: () = assert!(mem::size_of::<FaultInfo>() == mem::size_of::<libc::siginfo_t>());

pub(super) extern "C" fn on_signal(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // SAFETY: the kernel gives valid pointers to a handler with SA_SIGINFO.
    unsafe {
        let errno = *libc::__errno_location();
        let sender = sending::sender_of(&*info);
        if sender != sending::Sender::Watchdog {
            handlers::pass_on(signal, info, context);
        }
        admission::note_arrival(sender);
        // Also where somebody else sent it: the kernel keeps only one of two that come at once.
        act(sender, context.cast());
        *libc::__errno_location() = errno;
    }
}

/// Takes a sample of the guest that runs on this thread, if one is wanted. Then unwinds the guest, if its call has been told to
/// stop and it is in its own code; else has the thread hand over its worker, if it sits on one and the guest is in its own code.
///
/// # Safety
/// `context` is what the kernel gave to a handler.
unsafe fn act(sender: sending::Sender, context: *mut libc::ucontext_t) {
    with_running(|running| {
        // SAFETY: our caller's contract.
        let registers = unsafe { registers(&*context) };
        if let Some(sampler) = running.sampler() {
            // SAFETY: the registers are those of this thread, which runs the handler instead of the guest.
            unsafe { sampler.take(registers, running.code(), running.stack()) };
        }
        if !running.code().contains(registers.counter) {
            return;
        }
        if running.is_told_to_stop() {
            // SAFETY: as above, and the guest is in its own code.
            unsafe { unwind(running, context, registers) };
        } else if sender != sending::Sender::Other
            && let Some(hand_over) = handlers::HAND_OVER.get()
        {
            hand_over();
        }
    });
}

/// Unwinds the guest that runs on this thread. Returns whether it was unwound.
///
/// One that Wasmer entered is unwound by Wasmer, as if it had run out of stack: of all faults, that is the one after which
/// Wasmer does not walk the stack, which is not safe between any two instructions.
///
/// # Safety
/// `context` is what the kernel gave to a handler, and its thread is in a guest's code.
pub(super) unsafe fn unwind(
    running: &Running,
    context: *mut libc::ucontext_t,
    registers: Registers,
) -> bool {
    if let Some(entry) = running.direct() {
        // SAFETY: our caller's contract.
        unsafe { entry.unwind_from_handler(context, registers.counter) };
        return true;
    }
    let Some(wasmers) = handlers::wasmers() else { return false };
    let mut info = FaultInfo {
        signal: libc::SIGSEGV,
        error: 0,
        // Linux does not export its name here: SEGV_ACCERR.
        code: 2,
        address: registers.stack,
        rest: [0; 13],
    };
    // SAFETY: Wasmer's handler is of this type, because it was installed with SA_SIGINFO. `FaultInfo` has the
    // layout of the kernel's structure.
    unsafe {
        let handler = mem::transmute::<usize, Handler>(wasmers.sa_sigaction);
        handler(libc::SIGSEGV, (&raw mut info).cast(), context.cast());
        let unwound = self::registers(&*context).counter != registers.counter;
        if !unwound {
            // The stack pointer is nowhere on the Wasm stack. Wasmer takes that for a crash, and may have uninstalled
            // what it took for its own handler.
            handlers::put_back(libc::SIGSEGV);
        }
        unwound
    }
}

/// Where the thread was when the signal came.
#[cfg(target_arch = "x86_64")]
pub(super) fn registers(context: &libc::ucontext_t) -> Registers {
    let register = |index: libc::c_int| {
        // A register that is no address, which cannot be, lies in no code.
        usize::try_from(context.uc_mcontext.gregs[index as usize]).unwrap_or_default()
    };
    Registers {
        counter: register(libc::REG_RIP),
        stack: register(libc::REG_RSP),
        frame: register(libc::REG_RBP),
        return_address: None,
    }
}

/// Where the thread was when the signal came.
#[cfg(target_arch = "aarch64")]
pub(super) fn registers(context: &libc::ucontext_t) -> Registers {
    let address = |register: u64| usize::try_from(register).unwrap_or_default();
    let context = &context.uc_mcontext;
    Registers {
        counter: address(context.pc),
        stack: address(context.sp),
        frame: address(context.regs[29]),
        return_address: Some(address(context.regs[30])),
    }
}
