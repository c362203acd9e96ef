//! Where a guest was when it trapped, or when a sample of it was taken.
//!
//! Of a trap that is noted on the thread that ran the guest, at most [`MOST_FRAMES`] calls of it, innermost first, and nothing of
//! whoever called it. What notes them allocates nothing and takes no lock, because some of it runs in a signal handler, and
//! what they cost does not depend on how deep the guest was.
#![expect(unsafe_code, reason = "reads the stack of a guest")]

use std::cell::Cell;
use std::ptr;

use wasmer::sys::vm::TrapCode;

use super::code::Code;
use super::direct::{self, Entry};
use super::stack::Bounds;
use super::thread::Registers;

/// Largest number of a guest's calls in a backtrace.
pub(crate) const MOST_FRAMES: usize = 64;

/// Addresses in the code of a guest, noted as it trapped.
struct Notes {
    is_there: Cell<bool>,
    code: Cell<Option<TrapCode>>,
    len: Cell<usize>,
    frames: [Cell<usize>; MOST_FRAMES],
}

thread_local! {
    /// Has no destructor and is initialised at compile time, so a signal handler may use it.
    static NOTES: Notes = const {
        Notes {
            is_there: Cell::new(false),
            code: Cell::new(None),
            len: Cell::new(0),
            frames: [const { Cell::new(0) }; MOST_FRAMES],
        }
    };
}

/// Where and why a guest trapped.
#[derive(Debug)]
pub(crate) struct Noted {
    /// Reason that the fault itself states.
    pub(crate) code: Option<TrapCode>,
    /// Addresses within the instructions that were executed, innermost first.
    pub(crate) frames: Vec<usize>,
}

/// Takes what was noted on this thread since this was last asked.
pub(crate) fn take() -> Option<Noted> {
    NOTES.with(|notes| {
        if !notes.is_there.replace(false) {
            return None;
        }
        let frames = notes.frames[..notes.len.get()].iter().map(Cell::get).collect();
        Some(Noted { code: notes.code.get(), frames })
    })
}

/// Forgets what was noted: it was no trap.
pub(super) fn forget() {
    NOTES.with(|notes| notes.is_there.set(false));
}

/// Notes the beginning of a trap.
fn begin(code: Option<TrapCode>) {
    NOTES.with(|notes| {
        notes.code.set(code);
        notes.len.set(0);
        notes.is_there.set(true);
    });
}

/// Notes one more call; says whether there is room for another.
fn add(address: usize) -> bool {
    NOTES.with(|notes| {
        let len = notes.len.get();
        if let Some(frame) = notes.frames.get(len) {
            frame.set(address);
            notes.len.set(len + 1);
        }
        notes.len.get() < MOST_FRAMES
    })
}

/// Notes the calls of a guest that faulted, by the chain of frames that its code keeps.
///
/// # Safety
/// As for [`walk`].
pub(super) unsafe fn note_fault(
    registers: Registers,
    code: &Code,
    stack: Bounds,
    reason: Option<TrapCode>,
) {
    begin(reason);
    // SAFETY: our caller's contract.
    unsafe { walk(registers, code, stack, add) };
}

/// Shows `visit` the calls of a guest that a signal interrupted, innermost first, until it wants no more. They are those that
/// the chain of frames tells of which its code keeps.
///
/// To be called in the signal handler. Reads the guest's stack, and nothing that is not between its stack pointer and the
/// place where it was entered.
///
/// # Safety
/// The registers are those of a guest with that code on that stack, and it does not run meanwhile.
pub(super) unsafe fn walk(
    registers: Registers,
    code: &Code,
    stack: Bounds,
    mut visit: impl FnMut(usize) -> bool,
) {
    if !visit(registers.counter) {
        return;
    }
    // SAFETY: our caller's contract; nothing outside the stack is read.
    unsafe {
        if let Frame::NotInChain { above } = own_frame(registers.counter, code) {
            let in_register = registers.return_address;
            let on_stack = || word(registers.stack + above, registers.stack, stack);
            if !visit_caller(in_register.or_else(on_stack), code, &mut visit) {
                return;
            }
        }
        visit_chain(registers.frame, registers.stack, code, stack, visit);
    }
}

/// Notes the calls of a guest that calls a function of the host now, which may end it, by the chain of frames that its code
/// keeps. That takes next to nothing at any depth.
///
/// # Safety
/// The frame is that of a function that a guest with that code called on that stack: the address of the guest's own frame, and
/// behind it the one that the function returns to.
pub(super) unsafe fn note_callers(frame: usize, code: &Code, stack: Bounds) {
    begin(None);
    // SAFETY: our caller's contract.
    unsafe { visit_chain(frame, frame, code, stack, add) }
}

/// Shows `visit` the calls that a chain of frames tells of.
///
/// # Safety
/// Requires that all between the stack pointer and the top of the stack is readable.
unsafe fn visit_chain(
    mut frame: usize,
    stack_pointer: usize,
    code: &Code,
    stack: Bounds,
    mut visit: impl FnMut(usize) -> bool,
) {
    // SAFETY: our caller's contract; `word` reads nothing outside the stack.
    let word = |address: usize| unsafe { word(address, stack_pointer, stack) };
    let return_address = |frame: usize| frame.checked_add(size_of::<usize>()).and_then(word);
    while visit_caller(return_address(frame), code, &mut visit) {
        match word(frame) {
            Some(outer) if outer > frame => frame = outer,
            _ => return,
        }
    }
}

/// Shows `visit` a call by the address that it returns to, if that is in the guest's code; says whether another may follow.
fn visit_caller(
    returns_to: Option<usize>,
    code: &Code,
    visit: &mut impl FnMut(usize) -> bool,
) -> bool {
    let caller = returns_to.and_then(|address| address.checked_sub(1));
    caller.filter(|caller| code.contains(*caller)).is_some_and(visit)
}

/// A word of the part of the stack that is in use.
///
/// # Safety
/// That part is readable.
unsafe fn word(address: usize, stack_pointer: usize, stack: Bounds) -> Option<usize> {
    let word = size_of::<usize>();
    let in_use = stack_pointer.max(stack.floor)..stack.top.saturating_sub(word);
    if !in_use.contains(&address) || !address.is_multiple_of(word) {
        return None;
    }
    // SAFETY: the address is aligned, and lies between the floor and the top of a stack.
    Some(unsafe { ptr::with_exposed_provenance::<usize>(address).read_volatile() })
}

/// Frame of the function that a guest is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frame {
    /// It is the first of the chain.
    FirstInChain,
    /// The chain begins with the caller's. Where no register holds the address that the function returns to, that is so many
    /// bytes above the stack pointer.
    NotInChain { above: usize },
}

/// Finds the frame of the function that is at that address: it may just have been entered, be about to return, or be one that
/// calls nothing and makes no frame.
///
/// # Safety
/// The code of the function can be read.
unsafe fn own_frame(counter: usize, code: &Code) -> Frame {
    let Some(start) = code.start_of_function_at(counter) else { return Frame::FirstInChain };
    // SAFETY: our caller's contract. The code is longer than that, since it has a return.
    let first = unsafe { ptr::with_exposed_provenance::<[u8; 4]>(start).read_unaligned() };
    if cfg!(target_arch = "x86_64") {
        const RETURN: u8 = 0xC3;
        // PUSH RBP, with or without a prefix that changes nothing. The frame is in the chain after the next instruction.
        let pushed = match first {
            [0x55, ..] => 1,
            [0x40, 0x55, ..] => 2,
            _ => return Frame::NotInChain { above: 0 },
        };
        // SAFETY: our caller's contract.
        let here = unsafe { ptr::with_exposed_provenance::<u8>(counter).read() };
        if counter == start || here == RETURN {
            Frame::NotInChain { above: 0 }
        } else if counter == start + pushed {
            Frame::NotInChain { above: size_of::<usize>() }
        } else {
            Frame::FirstInChain
        }
    } else {
        const RETURN: [u8; 4] = [0xC0, 0x03, 0x5F, 0xD6];
        // STP X29, X30, [SP, #-16]! The frame is in the chain after the next instruction.
        let makes_frame = first == [0xFD, 0x7B, 0xBF, 0xA9];
        // SAFETY: our caller's contract; each instruction has four bytes.
        let here = unsafe { ptr::with_exposed_provenance::<[u8; 4]>(counter).read_unaligned() };
        if !makes_frame || counter == start || counter == start + 4 || here == RETURN {
            Frame::NotInChain { above: 0 }
        } else {
            Frame::FirstInChain
        }
    }
}

/// Notes the calls of a guest that calls a function of the host now, which ends it.
///
/// Walks the stack by its unwind data, on the host's own stack: what is left of the guest's would do as well, but nothing
/// of the host need rely on it.
///
/// # Safety
/// The guest called a function that calls this; it was entered by that entry, or by Wasmer.
pub(super) unsafe fn note_call(code: &Code, reason: TrapCode, entry: Option<&Entry>) {
    begin(Some(reason));
    // SAFETY: our caller's contract, and a walk unwinds nobody.
    unsafe { direct::on_host_stack(entry, || visit_callers(code, add)) };
}

/// Shows `visit` the calls of a guest that called the function of the host that calls this, innermost first, until it wants no
/// more. Walks the stack by its unwind data, under a lock of the whole process: not for handlers of signals.
pub(super) fn visit_callers(code: &Code, mut visit: impl FnMut(usize) -> bool) {
    let mut in_guest = false;
    backtrace::trace(|frame| {
        let caller = frame.ip().addr().wrapping_sub(1);
        let is_guests = code.contains(caller);
        // Outside of it are the host's functions that it called, and then who called it.
        let goes_on = if is_guests { visit(caller) } else { !in_guest };
        in_guest |= is_guests;
        goes_on
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_can_be_taken_once() {
        begin(Some(TrapCode::StackOverflow));
        for address in 0..2 * MOST_FRAMES {
            add(address);
        }
        let noted = take().unwrap();
        assert_eq!(noted.code, Some(TrapCode::StackOverflow));
        assert_eq!(noted.frames, (0..MOST_FRAMES).collect::<Vec<_>>());
        assert!(take().is_none());
    }

    #[test]
    fn only_the_part_of_a_stack_that_is_in_use_is_read() {
        let stack = [11usize, 22, 33, 44];
        let at = |index: usize| (&raw const stack[index]).expose_provenance();
        let bounds = Bounds { floor: at(0), top: at(3) + 1 };
        // SAFETY: all of it is in the array.
        let read = |address| unsafe { word(address, at(1), bounds) };
        assert_eq!([read(at(0)), read(at(1)), read(at(2))], [None, Some(22), Some(33)]);
        assert_eq!([read(at(1) + 1), read(at(3) + 64), read(0)], [None, None, None]);
    }
}
