//! The handler of faults.
//!
//! Wasmer has one too, which walks the whole stack of a guest by its unwind data. This one comes first: of a fault in
//! a guest's own code it notes the innermost calls by the chain of frames ([`frames`]), which takes no lock and allocates
//! nothing, and has Wasmer only unwind. All other faults go on to Wasmer's, and from there to the process's.

use std::ptr;

use wasmer::sys::vm::TrapCode;

use super::super::frames;
use super::super::interrupt::{Running, with_running};
use super::super::stack::Bounds;
use super::super::thread::Registers;
use super::{handlers, urgent};

/// Linux's `SI_KERNEL`: the kernel could not put the frame of a signal on the stack, among others.
const BY_KERNEL: libc::c_int = 0x80;

pub(super) extern "C" fn on_fault(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // SAFETY: the kernel gives valid pointers to a handler with SA_SIGINFO.
    unsafe {
        let errno = *libc::__errno_location();
        if is_guests(signal, &*info, context.cast()) {
            *libc::__errno_location() = errno;
            return;
        }
        if let Some(action) = handlers::pass_on(signal, info, context) {
            // Nobody handles it. So the kernel shall, when the instruction is executed again.
            let mut default = *action;
            default.sa_sigaction = libc::SIG_DFL;
            libc::sigaction(signal, &raw const default, ptr::null_mut());
        }
    }
}

/// Unwinds the guest, if the fault is that of its own code.
///
/// # Safety
/// The arguments are those that the kernel gave to a handler.
unsafe fn is_guests(
    signal: libc::c_int,
    info: &libc::siginfo_t,
    context: *mut libc::ucontext_t,
) -> bool {
    // Of the processor, and not sent by somebody.
    if info.si_code <= 0 {
        return false;
    }
    with_running(|running| {
        // SAFETY: our caller's contract.
        let registers = unsafe { urgent::registers(&*context) };
        if !running.code().contains(registers.counter)
            && !is_at_end_of_stack(signal, info, registers, running)
        {
            return false;
        }
        // SAFETY: a signal handler runs instead of the guest, and the registers are the guest's. After a fault in its
        // code, that can be unwound.
        unsafe {
            let reason = reason(signal, info, registers, running.stack());
            frames::note_fault(registers, running.code(), running.stack(), reason);
            let unwound = urgent::unwind(running, context, registers);
            if !unwound {
                frames::forget();
            }
            unwound
        }
    })
    .unwrap_or(false)
}

/// Whether a guest that was entered directly came to the end of its stack in one of the small functions of the host that its code
/// calls without looking for room: those that round a number. For Wasmer, a fault there is the guest's too.
fn is_at_end_of_stack(
    signal: libc::c_int,
    info: &libc::siginfo_t,
    registers: Registers,
    running: &Running,
) -> bool {
    // SAFETY: the kernel fills in the address for this signal.
    let address = || unsafe { info.si_addr() }.addr();
    signal == libc::SIGSEGV
        && running.direct().is_some()
        && running.stack().contain(registers.stack)
        && running.stack().contain(address())
}

/// Why the guest faulted, as far as the fault says. Of most instructions Wasmer knows better.
///
/// # Safety
/// The code at the program counter can be read.
unsafe fn reason(
    signal: libc::c_int,
    info: &libc::siginfo_t,
    registers: Registers,
    stack: Bounds,
) -> Option<TrapCode> {
    match signal {
        libc::SIGSEGV | libc::SIGBUS => {
            // SAFETY: the kernel fills in the address for these.
            let address = unsafe { info.si_addr() }.addr();
            let in_stack = stack.contain(address) || info.si_code == BY_KERNEL;
            Some(if in_stack { TrapCode::StackOverflow } else { TrapCode::HeapAccessOutOfBounds })
        }
        // SAFETY: our caller's contract.
        libc::SIGILL => unsafe { said_by_instruction(registers.counter) },
        _ => None,
    }
}

/// The reason for a trap that Singlepass writes into the undefined instruction by which it traps.
///
/// # Safety
/// The code at that address can be read.
unsafe fn said_by_instruction(address: usize) -> Option<TrapCode> {
    const REASONS: [TrapCode; 11] = [
        TrapCode::StackOverflow,
        TrapCode::HeapAccessOutOfBounds,
        TrapCode::HeapMisaligned,
        TrapCode::TableAccessOutOfBounds,
        TrapCode::IndirectCallToNull,
        TrapCode::BadSignature,
        TrapCode::IntegerOverflow,
        TrapCode::IntegerDivisionByZero,
        TrapCode::BadConversionToInteger,
        TrapCode::UnreachableCodeReached,
        TrapCode::UnalignedAtomic,
    ];
    // SAFETY: the instruction at the address is at least as long as what is looked at, which ends where it turns out to be
    // another.
    let byte = |offset: usize| unsafe {
        ptr::with_exposed_provenance::<u8>(address.wrapping_add(offset)).read()
    };
    let said = if cfg!(target_arch = "x86_64") {
        // UD1, with or without a REX prefix, and a register that stands for the reason.
        let opcode = usize::from(byte(0) & 0xF0 == 0x40);
        if byte(opcode) != 0x0F || byte(opcode + 1) != 0xB9 {
            return None;
        }
        byte(opcode + 2)
    } else {
        // UDF, with the reason as its number.
        if byte(2) != 0 || byte(3) != 0 {
            return None;
        }
        byte(0)
    };
    if said & 0xC0 != 0xC0 {
        return None;
    }
    REASONS.get(usize::from(said & 0x0F)).copied()
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_read_from_the_instruction() {
        let said = |code: &[u8]| {
            // SAFETY: the code lives.
            unsafe { said_by_instruction(code.as_ptr().expose_provenance()) }
        };
        assert_eq!(said(&[0x40, 0x0F, 0xB9, 0xC9]), Some(TrapCode::UnreachableCodeReached));
        assert_eq!(said(&[0x0F, 0xB9, 0xC1, 0]), Some(TrapCode::HeapAccessOutOfBounds));
        assert_eq!(said(&[0x0F, 0x0B, 0, 0]), None);
        assert_eq!(said(&[0x0F, 0xB9, 0xCF, 0]), None);
        assert_eq!(said(&[0x90, 0x90, 0x90, 0x90]), None);
    }
}
