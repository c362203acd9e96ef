//! The stack that a guest runs on, and what lies below the part that is the guest's.
//!
//! ```text
//! top      what entering took
//!          the guest's own: as much as its policy says
//!          the host's reserve: functions of Wasmer that guest code calls run here
//! floor    a guard, which nobody can access
//! ```
//!
//! Wasmer makes the stacks of guests that it enters, each with one page at its end that cannot be accessed. That is not enough for two reasons.
//!
//! The functions of Wasmer that guest code calls ([`builtins`](super::builtins)) run on the guest's stack, and some
//! of them allocate, take locks and walk the stack. If the stack ended in the middle of that, the guest would be unwound
//! from there, and the locks stay taken for ever. So they only begin where the whole [`HOST_RESERVE`] is left.
//!
//! And code of Singlepass moves the stack pointer by up to 20 KiB at once, for locals, arguments and results,
//! without touching what is between: it would step over a single page, into whatever memory lies below. So the
//! lowest [`GUARD`] bytes are made inaccessible too. Our own stacks ([`OwnStack`]) are made so.
//!
//! All stacks of a process are as large as the largest policy so far needs, since Wasmer hands them around. A guest whose
//! policy allows less begins further down on its stack, so each has what its policy says.
#![expect(
    unsafe_code,
    reason = "moves the stack pointer, and takes access away from the end of a stack"
)]

use std::cell::Cell;
use std::io;
use std::panic::catch_unwind;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use wasmer::sys::vm::{VMCallerCheckedAnyfunc, VMConfig, catch_traps};
use wasmer_types::RawValue;

use super::memory::page_bytes;

/// Bytes of a guest's stack that the functions of the host need, with much to spare: walking the stack takes 3 KiB of
/// it, resolving a symbol at its first use as much, and builds for debugging several times that.
pub(super) const HOST_RESERVE: usize = 64 * 1024;

/// More than any code that Wasmer compiles moves the stack pointer without touching memory.
const GUARD: usize = 64 * 1024;

/// The largest page of any system.
const PAGE: usize = 64 * 1024;

/// More than what lies between the top of a stack and the page in which guests are entered.
const ENTRY: usize = 2 * PAGE;

/// Size of the stack on which handlers of signals run: as much as Wasmer wants for its own.
const SIGNAL_STACK: usize = 64 * 1024;

/// Says of memory that it is a stack, where the system wants to know.
#[cfg(target_os = "linux")]
const MAP_STACK: libc::c_int = libc::MAP_STACK;
#[cfg(not(target_os = "linux"))]
const MAP_STACK: libc::c_int = 0;

/// No policy asks for more in earnest, and sums of it do not overflow.
const MOST_STACK_BYTES: usize = 1 << 40;

/// The size of all stacks. Never freed: those that were replaced may still be in use.
static CONFIG: AtomicPtr<VMConfig> = AtomicPtr::new(ptr::null_mut());

/// Size that a stack needs so that a guest can have that much of it.
pub(crate) fn size_for(stack_bytes: usize) -> usize {
    (stack_bytes.min(MOST_STACK_BYTES) + HOST_RESERVE + GUARD + ENTRY + 2 * PAGE) & !(PAGE - 1)
}

/// Has all stacks from now on be large enough for a guest that may use that much. Returns whether they were not.
pub(crate) fn make_room_for(stack_bytes: usize) -> bool {
    let wanted = size_for(stack_bytes);
    let mut current = CONFIG.load(Ordering::Acquire);
    while size_of(current) < wanted {
        let larger = Box::into_raw(Box::new(VMConfig { wasm_stack_size: Some(wanted) }));
        match CONFIG.compare_exchange(current, larger, Ordering::AcqRel, Ordering::Acquire) {
            // A handful in the life of a process: one for each larger policy.
            Ok(_) => return true,
            Err(other) => {
                current = other;
                // SAFETY: it was made above, and nobody else has seen it.
                drop(unsafe { Box::from_raw(larger) });
            }
        }
    }
    false
}

/// Tries whether the system gives memory for a stack. Wasmer, which asks for it when a guest is entered, takes for granted
/// that it does.
pub(crate) fn try_to_make() -> io::Result<()> {
    Mapping::new(size() + PAGE, PAGE).map(drop)
}

/// Has this thread keep what guests need on it beside a stack of ours: one for handlers of signals, and one of Wasmer's.
///
/// # Errors
/// Those of the system where it gives no memory for one. The next time it is tried anew.
pub(crate) fn prepare() -> io::Result<()> {
    keep_signal_stack()?;
    try_to_make()?;
    // All the same Wasmer may get none, and panics then, on the host's stack and before it has changed anything.
    // SAFETY: nothing is called that would have to be dropped.
    let entered = catch_unwind(|| unsafe { catch_traps(None, config(), || ()) });
    if matches!(entered, Ok(Ok(()))) { Ok(()) } else { Err(io::ErrorKind::OutOfMemory.into()) }
}

/// Has this thread have a stack for handlers of signals that is large enough for them.
///
/// Rust's threads have a small one, and others none. Wasmer would make one, and where it gets no memory for it, panic or
/// refuse every guest on this thread for as long as that lives. So it finds one that is there.
fn keep_signal_stack() -> io::Result<()> {
    // SAFETY: all-zero bytes are a value of the type, the pointers are to live ones, and the stack that is set is kept until the thread
    // ends, when it is taken away before its memory is.
    unsafe {
        let mut present: libc::stack_t = std::mem::zeroed();
        if libc::sigaltstack(ptr::null(), &raw mut present) != 0 {
            return Err(io::Error::last_os_error());
        }
        if present.ss_flags & libc::SS_DISABLE == 0 && present.ss_size >= SIGNAL_STACK {
            return Ok(());
        }
        let stack = SignalStack(Mapping::new(PAGE + SIGNAL_STACK, PAGE)?);
        let base = stack.0.base.byte_add(PAGE);
        let new = libc::stack_t { ss_sp: base, ss_flags: 0, ss_size: SIGNAL_STACK };
        if libc::sigaltstack(&raw const new, ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
        // At the end of a thread it is taken away again, and Wasmer makes one.
        let _ = SIGNALS.try_with(|kept| kept.set(Some(stack)));
    }
    Ok(())
}

/// Memory of our own, of which the lowest bytes cannot be accessed.
#[derive(Debug)]
struct Mapping {
    base: *mut libc::c_void,
    len: usize,
}

impl Mapping {
    /// Maps `len` bytes, the lowest `guard` of which nobody can access.
    fn new(len: usize, guard: usize) -> io::Result<Self> {
        let (protection, flags) = (
            libc::PROT_NONE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | MAP_STACK,
        );
        // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists. Access is given to what lies
        // above the guard in it.
        unsafe {
            let base = libc::mmap(ptr::null_mut(), len, protection, flags, -1, 0);
            if base == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            let mapping = Self { base, len };
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            let status =
                libc::mprotect(base.byte_add(guard), len.saturating_sub(guard), protection);
            if status == 0 { Ok(mapping) } else { Err(io::Error::last_os_error()) }
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: it is a mapping of our own, and nobody runs on it: who does has the stack.
        unsafe { libc::munmap(self.base, self.len) };
    }
}

/// The stack for handlers of signals of the thread that has this.
#[derive(Debug)]
struct SignalStack(Mapping);

impl Drop for SignalStack {
    fn drop(&mut self) {
        // SAFETY: all-zero bytes are a value of the type, and the pointers are to live ones. Handlers that run from now on do so on the
        // thread's own stack, or on whichever somebody set meanwhile.
        unsafe {
            let mut present: libc::stack_t = std::mem::zeroed();
            libc::sigaltstack(ptr::null(), &raw mut present);
            if present.ss_sp == self.0.base.byte_add(PAGE) {
                present.ss_flags = libc::SS_DISABLE;
                libc::sigaltstack(&raw const present, ptr::null_mut());
            }
        }
    }
}

/// A stack of ours, for guests that are entered [directly](super::direct).
#[derive(Debug)]
pub(super) struct OwnStack(Mapping);

thread_local! {
    /// The one that this thread had last.
    static SPARE: Cell<Option<OwnStack>> = const { Cell::new(None) };
    static SIGNALS: Cell<Option<SignalStack>> = const { Cell::new(None) };
}

impl OwnStack {
    /// A stack of at least that size. `None` where the system gives no memory for one.
    #[inline]
    pub(super) fn take(size: usize) -> Option<Self> {
        let spare = SPARE.try_with(Cell::take).ok().flatten();
        spare.filter(|stack| stack.0.len >= size).or_else(|| Self::make(size))
    }

    /// Leaves the stack to whoever enters a guest on this thread next.
    #[inline]
    pub(super) fn put_back(self) {
        // At the end of a thread there is nobody.
        let _ = SPARE.try_with(|spare| spare.set(Some(self)));
    }

    #[cold]
    fn make(len: usize) -> Option<Self> {
        // The handlers of faults need a stack too. And the thread has a stack of Wasmer's from now on, as those rely on that enter
        // guests on it later.
        prepare().ok()?;
        Mapping::new(len, GUARD).ok().map(Self)
    }

    /// All of it but the guard.
    #[inline]
    pub(super) fn bounds(&self) -> Bounds {
        let base = self.0.base.expose_provenance();
        Bounds { top: base + self.0.len, floor: base + GUARD }
    }
}

/// Settings that Wasmer is given for stacks.
pub(crate) fn config() -> &'static VMConfig {
    static BEFORE_ANY_POLICY: VMConfig = VMConfig { wasm_stack_size: None };
    // SAFETY: it is null, or came from a box that is never freed.
    unsafe { CONFIG.load(Ordering::Acquire).as_ref() }.unwrap_or(&BEFORE_ANY_POLICY)
}

fn size_of(config: *const VMConfig) -> usize {
    // SAFETY: as in `config`.
    unsafe { config.as_ref() }.and_then(|config| config.wasm_stack_size).unwrap_or_default()
}

/// The size of the stacks that are used now, in bytes. It never shrinks.
#[inline]
pub(crate) fn size() -> usize {
    size_of(CONFIG.load(Ordering::Acquire))
}

/// The part of a stack that can be used below the place where a guest was entered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) top: usize,
    pub(super) floor: usize,
}

impl Bounds {
    /// Whether a function of the host may run on this stack, called from here.
    #[inline]
    pub(super) fn have_room(self) -> bool {
        pointer() >= self.floor.wrapping_add(HOST_RESERVE)
    }

    /// Distance from the top at which a guest begins that may use that much.
    #[inline]
    pub(super) fn gap(self, stack_bytes: usize) -> usize {
        self.top.saturating_sub(self.floor + HOST_RESERVE).saturating_sub(stack_bytes)
    }

    /// Whether an address lies in the stack or in the guard below it.
    pub(super) fn contain(self, address: usize) -> bool {
        (self.floor.saturating_sub(GUARD)..self.top).contains(&address)
    }
}

/// Finds out where the stack ends on which this is called, and sees to it that nobody gets past that.
///
/// Costs one load, since a stack whose end is guarded says so. `None` where the system does not let it be guarded, or where
/// stacks became larger meanwhile: this may be one of the larger ones, whose end is elsewhere.
///
/// # Safety
/// This is called where a guest is entered, less than [`PAGE`] bytes below the top of a stack of at least `size` bytes,
/// which Wasmer made. That was the [`size`] of stacks before Wasmer was asked for it.
#[inline]
pub(super) unsafe fn bounds(size: usize) -> Option<Bounds> {
    let top = pointer();
    let guard = (page_of(top) + ENTRY).wrapping_sub(size);
    let floor = guard + GUARD;
    let mark = ptr::with_exposed_provenance_mut::<usize>(floor);
    // SAFETY: our caller says how large the stack is: the mark lies in it. It is accessible, since only this takes access
    // away, at the same place of a stack each time. Memory of a new stack is zero, so a mark that is there was written
    // after the end was guarded. The guest, which can write to its stack too, cannot have written one where there was
    // none: it does not run before this.
    unsafe {
        if mark.read_volatile() != mark_for(floor) {
            if size != self::size() || !make_inaccessible(guard) {
                return None;
            }
            mark.write_volatile(mark_for(floor));
        }
    }
    Some(Bounds { top, floor })
}

/// The page that stands for a place near the top of a stack: the same for all places from which guests are entered.
///
/// Those are fixed in the code, and differ by some hundred bytes, while stacks begin at the beginning of a page. So where the first
/// of them is taken for the middle of a page, the others are in the same.
#[inline]
fn page_of(top: usize) -> usize {
    /// Not a distance within a page: it was not found out yet.
    const UNKNOWN: usize = usize::MAX;
    static TO_THE_MIDDLE: AtomicUsize = AtomicUsize::new(UNKNOWN);
    let page = page_bytes();
    let mut shift = TO_THE_MIDDLE.load(Ordering::Relaxed);
    if shift == UNKNOWN {
        let to_the_middle = (page / 2).wrapping_sub(top) & (page - 1);
        let set = TO_THE_MIDDLE.compare_exchange(
            UNKNOWN,
            to_the_middle,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        shift = set.map_or_else(|first| first, |_| to_the_middle);
    }
    (top + shift) & !(page - 1)
}

/// A number that stands at that address for no other reason.
const fn mark_for(floor: usize) -> usize {
    floor.rotate_left(17) ^ 0x5ac0_f1e1_d00d_5a1d
}

#[cold]
fn make_inaccessible(guard: usize) -> bool {
    let guard = ptr::with_exposed_provenance_mut::<libc::c_void>(guard);
    // SAFETY: the range lies at the end of a stack that is entered now, as our caller knows, far below what is in
    // use of it. It is part of the stack's mapping, which Wasmer unmaps as a whole.
    unsafe { libc::mprotect(guard, GUARD, libc::PROT_NONE) == 0 }
}

/// The stack pointer, here.
#[inline(always)]
pub(super) fn pointer() -> usize {
    let pointer: usize;
    // SAFETY: it only reads a register.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        std::arch::asm!("mov {}, rsp", out(reg) pointer, options(nomem, nostack, preserves_flags));
        #[cfg(target_arch = "aarch64")]
        std::arch::asm!("mov {}, sp", out(reg) pointer, options(nomem, nostack, preserves_flags));
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        {
            let here = 0u8;
            pointer = (&raw const here).expose_provenance();
        }
    }
    pointer
}

/// Calls a function of a guest with the stack pointer lowered by `gap` bytes.
///
/// # Safety
/// That much of the stack is there and unused, the values are of the types that the function takes, and nothing
/// here has to be dropped when the guest is unwound.
#[inline]
pub(super) unsafe fn call_below(
    gap: usize,
    target: &VMCallerCheckedAnyfunc,
    values: *mut RawValue,
) {
    // SAFETY: our caller's contract.
    unsafe {
        lowered::call(target.vmctx.vmctx, target.func_ptr, values, target.call_trampoline, gap)
    }
}

/// On every architecture: a frame whose unwind data do not depend on the stack pointer.
mod lowered {
    use wasmer::sys::vm::{VMContext, VMFunctionBody, VMTrampoline};
    use wasmer_types::RawValue;

    #[cfg(target_arch = "x86_64")]
    #[unsafe(naked)]
    pub(super) unsafe extern "C-unwind" fn call(
        _: *mut VMContext,
        _: *const VMFunctionBody,
        _: *mut RawValue,
        _: VMTrampoline,
        _: usize,
    ) {
        std::arch::naked_asm!(
            ".cfi_startproc",
            "push rbp",
            ".cfi_def_cfa_offset 16",
            ".cfi_offset rbp, -16",
            "mov rbp, rsp",
            ".cfi_def_cfa_register rbp",
            "sub rsp, r8",
            "and rsp, -16",
            "call rcx",
            "mov rsp, rbp",
            "pop rbp",
            ".cfi_def_cfa rsp, 8",
            "ret",
            ".cfi_endproc",
        )
    }

    #[cfg(target_arch = "aarch64")]
    #[unsafe(naked)]
    pub(super) unsafe extern "C-unwind" fn call(
        _: *mut VMContext,
        _: *const VMFunctionBody,
        _: *mut RawValue,
        _: VMTrampoline,
        _: usize,
    ) {
        std::arch::naked_asm!(
            ".cfi_startproc",
            "stp x29, x30, [sp, #-16]!",
            ".cfi_def_cfa_offset 16",
            ".cfi_offset x29, -16",
            ".cfi_offset x30, -8",
            "mov x29, sp",
            ".cfi_def_cfa_register x29",
            "and x4, x4, #-16",
            "sub sp, sp, x4",
            "blr x3",
            "mov sp, x29",
            "ldp x29, x30, [sp], #16",
            ".cfi_def_cfa sp, 0",
            ".cfi_restore x29",
            ".cfi_restore x30",
            "ret",
            ".cfi_endproc",
        )
    }

    /// Guests begin at the top: no guest can be stopped on these, so none runs.
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    pub(super) unsafe fn call(
        context: *mut VMContext,
        body: *const VMFunctionBody,
        values: *mut RawValue,
        trampoline: VMTrampoline,
        _: usize,
    ) {
        // SAFETY: our caller's contract.
        unsafe { trampoline(context, body, values) }
    }
}

#[cfg(test)]
mod tests;
