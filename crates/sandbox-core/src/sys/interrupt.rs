//! Lets an interrupt unwind a guest only where that is safe.
//!
//! Wasmer unwinds whatever runs on the Wasm stack when its signal arrives. That can be Rust code: the way
//! into a host function, or growing a memory. Unwound in the middle of an allocation, it would leave the
//! allocator locked for ever. So a handler in front of Wasmer's looks where the thread is. In the module's
//! own code it passes the signal on; elsewhere it passes on a context that lies on no Wasm stack, so that
//! Wasmer takes note and unwinds nothing. The watchdog tries again at its next tick.
#![expect(unsafe_code, reason = "installs a signal handler")]

use std::cell::Cell;
use std::ops::Range;
use std::sync::Once;

thread_local! {
    /// Where the code of the guest lies that this thread runs. Has no destructor and is initialised at
    /// compile time, so the signal handler may read it.
    static CODE: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// Runs a guest whose code lies there; only that code is interrupted.
pub(crate) fn within<T>(code: &Range<usize>, run: impl FnOnce() -> T) -> T {
    struct Restore((usize, usize));
    impl Drop for Restore {
        fn drop(&mut self) {
            CODE.set(self.0);
        }
    }
    handler::install();
    let _restore = Restore(CODE.replace((code.start, code.end)));
    run()
}

static INSTALLED: Once = Once::new();

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod handler {
    use std::mem::MaybeUninit;

    use super::{CODE, INSTALLED};

    static mut OF_WASMER: MaybeUninit<libc::sigaction> = MaybeUninit::uninit();

    type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

    pub(super) fn install() {
        INSTALLED.call_once(|| {
            wasmer::sys::vm::init_traps();
            // SAFETY: runs once, before any guest runs, and after Wasmer has installed its handlers, which
            // it does only once too. The action is Wasmer's own but for the function, so the flags fit it.
            unsafe {
                let wasmers = (&raw mut OF_WASMER).cast::<libc::sigaction>();
                libc::sigaction(libc::SIGUSR1, std::ptr::null(), wasmers);
                let mut ours = *wasmers;
                ours.sa_sigaction = on_interrupt as *const () as usize;
                libc::sigaction(libc::SIGUSR1, &raw const ours, std::ptr::null_mut());
            }
        });
    }

    extern "C" fn on_interrupt(
        signal: libc::c_int,
        info: *mut libc::siginfo_t,
        context: *mut libc::c_void,
    ) {
        const STACK: usize = libc::REG_RSP as usize;
        const COUNTER: usize = libc::REG_RIP as usize;
        // SAFETY: the kernel gives a valid context to a handler with SA_SIGINFO, and `OF_WASMER` was written
        // before this handler was installed; it holds a function of that type, or Wasmer would not work.
        unsafe {
            let wasmers = (*(&raw const OF_WASMER).cast::<libc::sigaction>()).sa_sigaction;
            let wasmers = std::mem::transmute::<usize, Handler>(wasmers);
            let mut elsewhere: libc::ucontext_t = *context.cast::<libc::ucontext_t>();
            let (start, end) = CODE.get();
            // A counter that is no address, which cannot be, lies in no code.
            let counter = usize::try_from(elsewhere.uc_mcontext.gregs[COUNTER]).unwrap_or_default();
            if (start..end).contains(&counter) {
                wasmers(signal, info, context);
            } else {
                elsewhere.uc_mcontext.gregs[STACK] = 0;
                elsewhere.uc_mcontext.gregs[COUNTER] = 0;
                wasmers(signal, info, (&raw mut elsewhere).cast());
            }
        }
    }
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
mod handler {
    /// Elsewhere Wasmer's handler stands alone.
    pub(super) fn install() {
        super::INSTALLED.call_once(|| ());
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
