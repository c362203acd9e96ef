//! Stops a guest that no signal reaches.
//!
//! A thread may block all signals after it was admitted, and a filter of system calls may come when guests run already. Then
//! there is one more way on Linux. The kernel offers each thread *restartable sequences*: a thread that is interrupted in
//! a given range of code does not go on there, but at another address. The C library has them ready for each thread.
//! They are meant for short sequences that a thread begins itself. Here the watchdog begins one for the thread of the
//! guest: the range is the guest's code, and where it goes on is a function of ours, which unwinds the guest. No signal is
//! needed for that, and the kernel is told to interrupt all threads by `membarrier`.
//!
//! A thread that is in code of the host then is not in the range, and the kernel forgets the sequence; so that is done again and
//! again, as signals are sent. If the thread has a sequence of its own, that goes first.
//!
//! This is the last resort, and only for what cannot be reached otherwise: who goes on elsewhere cannot come back, so
//! a call that begins on the thread just when the one before it ended could be stopped in its place. To keep that from
//! happening, each thread is admitted anew before it enters another guest once this was used, and forgets what was begun for
//! it.

use std::arch::{asm, global_asm};
use std::collections::HashMap;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::super::interrupt::{self, with_running};
use super::super::thread::ThreadNumber;

/// Of Linux's `linux/membarrier.h`.
const REGISTER: libc::c_int = 1 << 8;
const RESTART: libc::c_int = 1 << 7;

/// Area that the C library shares with the kernel for each thread, as far as it is of interest: Linux's `struct
/// rseq`.
#[repr(C, align(32))]
struct Area {
    cpu_id_start: AtomicU32,
    /// Negative if the kernel does not know of the area.
    cpu_id: AtomicU32,
    /// The address of the [`Sequence`] that the thread is in.
    sequence: AtomicU64,
}

/// Sequence that the kernel looks at when it interrupts a thread: Linux's `struct rseq_cs`.
#[repr(C, align(32))]
struct Sequence {
    version: u32,
    flags: u32,
    start: u64,
    len: u64,
    /// Where to go on.
    elsewhere: u64,
}

/// A thread that enters guests.
struct Listed {
    area: *const Area,
    /// Sequence that was begun for it. In a box of its own, whose address the kernel knows.
    sequence: Option<Box<Sequence>>,
}

// SAFETY: the area belongs to a thread that takes itself off the list before it ends.
unsafe impl Send for Listed {}

/// The threads that enter guests, by their number. An area is only written to while this is locked.
static LISTED: OnceLock<Mutex<HashMap<libc::pid_t, Listed>>> = OnceLock::new();

fn listed() -> MutexGuard<'static, HashMap<libc::pid_t, Listed>> {
    LISTED.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes this thread off the list when it ends.
struct Membership(ThreadNumber);

impl Drop for Membership {
    fn drop(&mut self) {
        let mut listed = listed();
        if let Some(thread) = listed.remove(&self.0.to_bits()) {
            thread.forget();
        }
    }
}

thread_local! {
    static MEMBERSHIP: OnceLock<Membership> = const { OnceLock::new() };
}

/// Lists this thread, so that a guest on it can be stopped, and forgets what was begun for it.
pub(super) fn admit_this_thread() {
    let Some(area) = area_of_this_thread() else { return };
    let this = ThreadNumber::of_this_thread();
    let mut listed = listed();
    let thread = listed.entry(this.to_bits()).or_insert(Listed { area, sequence: None });
    thread.forget();
    drop(listed);
    // A thread that ends at the moment does not come here again.
    let _ = MEMBERSHIP.try_with(|membership| {
        membership.get_or_init(|| Membership(this));
    });
}

impl Listed {
    /// Sees to it that the kernel does not look at a sequence of ours. Only the thread itself calls this.
    fn forget(&self) {
        if let Some(sequence) = &self.sequence {
            let (ours, none) = ((&raw const **sequence).addr() as u64, 0);
            // Whatever else stands there is not ours to change.
            let _ = self.place().compare_exchange(ours, none, Ordering::SeqCst, Ordering::SeqCst);
        }
    }

    fn place(&self) -> &AtomicU64 {
        // SAFETY: the thread lives, or it would not be on the list.
        unsafe { &(*self.area).sequence }
    }

    /// Has the thread go on elsewhere as soon as it is interrupted in that code.
    fn begin(&mut self, code: &Range<usize>) {
        let (start, len) = (code.start as u64, code.len() as u64);
        let place = self.place();
        if let Some(sequence) = &self.sequence {
            let ours = (&raw const **sequence).addr() as u64;
            if place.load(Ordering::SeqCst) == ours {
                // The kernel may be looking at it. Of another guest's code it is forgotten as that one is entered.
                return;
            }
        }
        let elsewhere = (&raw const sandbox_restarted).addr() as u64;
        let sequence = Box::new(Sequence { version: 0, flags: 0, start, len, elsewhere });
        let ours = (&raw const *sequence).expose_provenance() as u64;
        // The one before is no longer looked at: its address is not there, and only this puts one there.
        let sequence = self.sequence.insert(sequence);
        debug_assert_eq!((&raw const **sequence).addr() as u64, ours);
        // A sequence that the thread has begun itself goes first.
        let _ = self.place().compare_exchange(0, ours, Ordering::SeqCst, Ordering::SeqCst);
    }
}

/// Whether this system can stop guests without signals.
pub(super) fn is_supported() -> bool {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    offset_of_areas().is_some() && *REGISTERED.get_or_init(|| membarrier(REGISTER))
}

/// Has the guest that runs on that thread be unwound as soon as it is in its code, which lies there. Returns whether this
/// system can do that.
pub(super) fn restart(thread: ThreadNumber, code: &Range<usize>) -> bool {
    if code.is_empty() || !is_supported() {
        return false;
    }
    {
        let mut listed = listed();
        let Some(thread) = listed.get_mut(&thread.to_bits()) else { return false };
        thread.begin(code);
    }
    membarrier(RESTART)
}

fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: the call takes numbers only, and interrupts threads, which they have to expect at any time.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

/// Area that the C library shares with the kernel for this thread, if it does.
fn area_of_this_thread() -> Option<*const Area> {
    let offset = offset_of_areas()?;
    let thread: usize;
    // SAFETY: the word at the thread pointer is the thread pointer itself, by the ABI.
    unsafe { asm!("mov {}, fs:[0]", out(reg) thread, options(nostack, preserves_flags, readonly)) };
    let area = ptr::with_exposed_provenance::<Area>(thread.wrapping_add_signed(offset));
    // SAFETY: the C library says that the area of each thread is there.
    let is_known = unsafe { (*area).cpu_id.load(Ordering::Relaxed) }.cast_signed() >= 0;
    is_known.then_some(area)
}

/// Distance of the areas from the thread pointers. `None` where the C library has none.
fn offset_of_areas() -> Option<isize> {
    static OFFSET: OnceLock<Option<isize>> = OnceLock::new();
    *OFFSET.get_or_init(|| {
        // SAFETY: the names are terminated. The symbols, where there are any, are constants of these types once the program
        // runs.
        unsafe {
            let size = libc::dlsym(libc::RTLD_DEFAULT, c"__rseq_size".as_ptr()).cast::<u32>();
            let offset = libc::dlsym(libc::RTLD_DEFAULT, c"__rseq_offset".as_ptr()).cast::<isize>();
            let size = *size.as_ref()?;
            (size > 0).then_some(*offset.as_ref()?)
        }
    })
}

unsafe extern "C" {
    /// Where a thread goes on that was interrupted in a guest.
    static sandbox_restarted: u8;
}

// The number before it is what the C library told the kernel to look for there. All registers are the guest's, and so is the
// stack, whose end may be near: so it first stands on a stack that threads use one after the other, to find out where that
// of the guest begins. All that is on that one is given up.
global_asm!(
    ".pushsection .text.sandbox_restarted, \"ax\", @progbits",
    ".balign 16",
    ".byte 0x0f, 0xb9, 0x3d",
    ".long 0x53053053",
    ".globl sandbox_restarted",
    ".hidden sandbox_restarted",
    "sandbox_restarted:",
    "2:",
    "mov eax, 1",
    "xchg dword ptr [rip + {taken}], eax",
    "test eax, eax",
    "jz 3f",
    "pause",
    "jmp 2b",
    "3:",
    "cld",
    "lea rsp, [rip + {stack} + {stack_bytes}]",
    "call {top}",
    "mov rsp, rax",
    "mov dword ptr [rip + {taken}], 0",
    "call {unwind}",
    "ud2",
    ".popsection",
    taken = sym TAKEN,
    stack = sym STACK,
    stack_bytes = const STACK_BYTES,
    top = sym top_of_stack,
    unwind = sym unwind,
);

const STACK_BYTES: usize = 16 * 1024;

/// Whether somebody stands on [`STACK`].
static TAKEN: AtomicU32 = AtomicU32::new(0);

#[repr(align(64))]
struct Stack(
    #[expect(dead_code, reason = "only assembly uses it")] std::cell::UnsafeCell<[u8; STACK_BYTES]>,
);

// SAFETY: who uses it has taken it.
unsafe impl Sync for Stack {}

static STACK: Stack = Stack(std::cell::UnsafeCell::new([0; STACK_BYTES]));

/// Where the stack of this thread's guest begins, with room for what is called there.
extern "C" fn top_of_stack() -> usize {
    let top = with_running(|running| running.stack().top).unwrap_or_default();
    top.wrapping_sub(256) & !15
}

/// Unwinds the guest of this thread.
extern "C" fn unwind() -> ! {
    // SAFETY: the thread was in the guest's code, so there is nothing on the stack that has to be dropped.
    unsafe { interrupt::give_up() }
}
