//! Unwinds a guest from another thread, and only where that is safe.
//!
//! The watchdog sends [`libc::SIGURG`] to the thread that runs the guest. The handler looks where that thread
//! is. In the module's own code, and if the call that runs there has been told to stop, it hands the thread to
//! Wasmer's handler of memory faults, which unwinds the guest to where it was entered. Everywhere else, in a host
//! function, in Wasmer's own code that grows a memory, or in a call that nobody wants to stop, it does
//! nothing, and the watchdog tries again at its next tick: Rust code that is unwound in the middle of an
//! allocation would leave the allocator locked for ever.
//!
//! The same signal reaches a guest that is not to stop and only takes long on its caller's thread. There, in the
//! module's own code, the handler lets another thread have the caller's other tasks ([`hand_over`](crate::call::seat::hand_over)), and
//! the guest goes on. That code calls nothing and holds no lock of the host, so the handler may do what any host
//! function may that the guest could have called there instead, allocating included.
//!
//! A signal that comes too late, or from somebody else, therefore does no harm. `SIGURG` is ignored by processes
//! that do not ask for it, so one that comes before the handler is installed is harmless too.
#![expect(unsafe_code, reason = "installs a signal handler")]

use std::cell::Cell;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering, compiler_fence};

use wasmer::sys::vm::{Trap, TrapCode, raise_lib_trap};

/// The bits of a stop word that hold a reason to stop. None of them is set while nobody wants that.
pub(crate) const REASON: u64 = 0xff;

/// What the signal handler of this thread needs to know.
struct Running {
    /// Where the code of the guest lies.
    start: usize,
    end: usize,
    /// The stop word of the call.
    stop: *const AtomicU64,
}

thread_local! {
    /// The guest that this thread runs, or null. Has no destructor and is initialised at compile time, so the signal
    /// handler may read it; and it is one word, so that the handler sees it old or new, but never in between.
    static RUNNING: Cell<*const Running> = const { Cell::new(ptr::null()) };
    /// The number by which the kernel knows this thread, or zero before it was asked for.
    static THREAD: Cell<libc::pid_t> = const { Cell::new(0) };
}

/// Runs a guest whose code lies there; from then on until it returns, [`interrupt`] unwinds it as soon as
/// `stop` holds a reason.
#[inline]
pub(crate) fn within<T>(code: &Range<usize>, stop: &AtomicU64, run: impl FnOnce() -> T) -> T {
    /// The pointer in `Running` is gone before the reference that it came from.
    struct Restore(*const Running);
    impl Drop for Restore {
        fn drop(&mut self) {
            compiler_fence(Ordering::SeqCst);
            RUNNING.set(self.0);
        }
    }
    let running = Running { start: code.start, end: code.end, stop };
    let _restore = Restore(RUNNING.replace(&raw const running));
    compiler_fence(Ordering::SeqCst);
    run()
}

/// Unwinds the guest that this thread runs if its call has been told to stop.
///
/// # Safety
/// As for [`raise_lib_trap`]: there is guest code on the stack, and nothing above it that has to be dropped.
pub(super) unsafe fn unwind_if_told() {
    let running = RUNNING.get();
    // SAFETY: what it points to lives as long as the call (see `within`), in which this thread is.
    let is_told =
        !running.is_null() && unsafe { (*(*running).stop).load(Ordering::Acquire) & REASON != 0 };
    if is_told {
        // SAFETY: our caller's contract is that of the function.
        unsafe { raise_lib_trap(Trap::lib(TrapCode::HostInterrupt)) }
    }
}

/// A thread, as far as it can be interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ThreadNumber(libc::pid_t);

impl ThreadNumber {
    #[inline]
    pub(crate) fn of_this_thread() -> Self {
        let known = THREAD.get();
        if known != 0 {
            return Self(known);
        }
        THREAD.set(handler::thread_number());
        Self(THREAD.get())
    }

    pub(crate) const fn from_bits(bits: i32) -> Self {
        Self(bits)
    }

    pub(crate) const fn to_bits(self) -> i32 {
        self.0
    }
}

pub(crate) use handler::{install, interrupt};

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod handler {
    use std::mem;
    use std::ptr;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicPtr, Ordering};

    use super::{REASON, RUNNING, ThreadNumber};
    use crate::call::seat;

    const SIGNAL: libc::c_int = libc::SIGURG;

    type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

    /// What was installed before.
    struct Before {
        /// Wasmer's handler of memory faults.
        faults: libc::sigaction,
        /// Whoever else waits for the signal.
        signal: libc::sigaction,
    }

    /// Never freed, and written before the handler that reads it is installed.
    static BEFORE: AtomicPtr<Before> = AtomicPtr::new(ptr::null_mut());

    /// Prepares the process for [`interrupt`]. Returns whether guests can be interrupted here.
    pub(crate) fn install() -> bool {
        static INSTALLED: OnceLock<bool> = OnceLock::new();
        *INSTALLED.get_or_init(|| {
            // Wasmer installs its handlers only once too.
            wasmer::sys::vm::init_traps();
            // SAFETY: all-zero bytes are a `sigaction`; the pointers are to live values of the right types; and
            // the handler is of the type that SA_SIGINFO asks for.
            unsafe {
                let mut before: Before = mem::zeroed();
                let mut ours: libc::sigaction = mem::zeroed();
                ours.sa_sigaction = on_signal as *const () as usize;
                // On the alternative stack, because the guest's may be used up; Wasmer gives each thread that
                // enters a guest one of at least 64 KiB. Interrupted system calls of host functions go on. Not
                // blocked meanwhile, because a thread that the handler starts must be reachable too, and would
                // inherit that.
                ours.sa_flags =
                    libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART | libc::SA_NODEFER;
                libc::sigemptyset(&raw mut ours.sa_mask);
                if libc::sigaction(libc::SIGSEGV, ptr::null(), &raw mut before.faults) != 0
                    || libc::sigaction(SIGNAL, ptr::null(), &raw mut before.signal) != 0
                    || before.faults.sa_flags & libc::SA_SIGINFO == 0
                {
                    return false;
                }
                BEFORE.store(Box::into_raw(Box::new(before)), Ordering::Release);
                libc::sigaction(SIGNAL, &raw const ours, ptr::null_mut()) == 0
            }
        })
    }

    /// Unwinds the guest that runs on that thread, if its call has been told to stop and it is in its own code; else
    /// has the thread hand over its worker, if it sits on one and the guest is in its own code.
    pub(crate) fn interrupt(thread: ThreadNumber) {
        // SAFETY: the call takes numbers only. If the thread is gone by now, nobody or a thread that does not
        // care gets the signal.
        unsafe {
            libc::syscall(libc::SYS_tgkill, libc::getpid(), thread.0, SIGNAL);
        }
    }

    pub(super) fn thread_number() -> libc::pid_t {
        // SAFETY: the call has no preconditions.
        unsafe { libc::gettid() }
    }

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

    extern "C" fn on_signal(
        signal: libc::c_int,
        info: *mut libc::siginfo_t,
        context: *mut libc::c_void,
    ) {
        // SAFETY: the kernel gives valid pointers to a handler with SA_SIGINFO. `BEFORE` was stored before this
        // handler was installed and is never freed. What `RUNNING` points to, and the stop word in it,
        // outlive the call that this thread is in (see `within`).
        unsafe {
            let before = &*BEFORE.load(Ordering::Acquire);
            let is_ours = (*info).si_code == libc::SI_TKILL && (*info).si_pid() == libc::getpid();
            if !is_ours {
                pass_on(&before.signal, signal, info, context);
                return;
            }
            let Some(running) = RUNNING.get().as_ref() else { return };
            let context = context.cast::<libc::ucontext_t>();
            let (counter, stack) = registers(&*context);
            if !(running.start..running.end).contains(&counter) {
                return;
            }
            if (*running.stop).load(Ordering::Acquire) & REASON != 0 {
                unwind(before, context, counter, stack);
            } else {
                let errno = *libc::__errno_location();
                seat::hand_over();
                *libc::__errno_location() = errno;
            }
        }
    }

    /// Has Wasmer unwind the guest as if it had run out of stack: of all faults, that is the one after which
    /// Wasmer does not walk the stack, which is not safe between any two instructions.
    ///
    /// # Safety
    /// `context` is what the kernel gave to a handler, and its thread is in a guest's code.
    unsafe fn unwind(
        before: &Before,
        context: *mut libc::ucontext_t,
        counter: usize,
        stack: usize,
    ) {
        let mut info = FaultInfo {
            signal: libc::SIGSEGV,
            error: 0,
            // Linux does not export its name here: SEGV_ACCERR.
            code: 2,
            address: stack,
            rest: [0; 13],
        };
        // SAFETY: Wasmer's handler is of this type, because it was installed with SA_SIGINFO. `FaultInfo` has the
        // layout of the kernel's structure.
        unsafe {
            let wasmers = mem::transmute::<usize, Handler>(before.faults.sa_sigaction);
            wasmers(libc::SIGSEGV, (&raw mut info).cast(), context.cast());
            if registers(&*context).0 == counter {
                // Not unwound, because the stack pointer is nowhere on the Wasm stack. Wasmer takes that for a
                // crash and uninstalls its handler.
                libc::sigaction(libc::SIGSEGV, &raw const before.faults, ptr::null_mut());
            }
        }
    }

    /// Calls the handler that was there before ours, if there was one.
    ///
    /// # Safety
    /// The arguments are those that the kernel gave to our handler.
    unsafe fn pass_on(
        to: &libc::sigaction,
        signal: libc::c_int,
        info: *mut libc::siginfo_t,
        context: *mut libc::c_void,
    ) {
        if to.sa_sigaction == libc::SIG_DFL || to.sa_sigaction == libc::SIG_IGN {
            return;
        }
        // SAFETY: the flag says which of the two types the handler has.
        unsafe {
            if to.sa_flags & libc::SA_SIGINFO != 0 {
                mem::transmute::<usize, Handler>(to.sa_sigaction)(signal, info, context);
            } else {
                mem::transmute::<usize, extern "C" fn(libc::c_int)>(to.sa_sigaction)(signal);
            }
        }
    }

    /// The program counter and the stack pointer.
    #[cfg(target_arch = "x86_64")]
    fn registers(context: &libc::ucontext_t) -> (usize, usize) {
        let register = |index: libc::c_int| {
            // A register that is no address, which cannot be, lies in no code.
            usize::try_from(context.uc_mcontext.gregs[index as usize]).unwrap_or_default()
        };
        (register(libc::REG_RIP), register(libc::REG_RSP))
    }

    /// The program counter and the stack pointer.
    #[cfg(target_arch = "aarch64")]
    fn registers(context: &libc::ucontext_t) -> (usize, usize) {
        let address = |register: u64| usize::try_from(register).unwrap_or_default();
        (address(context.uc_mcontext.pc), address(context.uc_mcontext.sp))
    }
}

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod handler {
    use super::ThreadNumber;

    /// Guests cannot be interrupted here, so none is started.
    pub(crate) fn install() -> bool {
        false
    }

    pub(crate) fn interrupt(_: ThreadNumber) {}

    pub(super) fn thread_number() -> libc::pid_t {
        1
    }
}

/// Where the native code of a module lies.
pub(crate) fn code_of(module: &wasmer::Module) -> Range<usize> {
    let extents = module.sys_artifact().and_then(|artifact| artifact.finished_function_extents());
    let ranges = extents.unwrap_or_default().into_iter().map(|(_, extent)| {
        let start = extent.ptr.addr();
        start..start + extent.length
    });
    ranges.reduce(|all, one| all.start.min(one.start)..all.end.max(one.end)).unwrap_or_default()
}
