use std::sync::atomic::{AtomicUsize, Ordering};
use std::{io, mem, ptr, thread};

use crate::sys::alone::{self, assert_traps, assert_well, builder, deny};
use crate::{SandboxError, SystemNeed};

/// Blocks all signals in this thread.
fn block_all() {
    // SAFETY: all-zero bytes are a set of signals, and the pointers are to live ones.
    unsafe {
        let mut all: libc::sigset_t = mem::zeroed();
        libc::sigfillset(&raw mut all);
        assert_eq!(libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, ptr::null_mut()), 0);
    }
}

/// The signals that this thread blocks.
fn blocked() -> Vec<libc::c_int> {
    // SAFETY: as above.
    unsafe {
        let mut blocked: libc::sigset_t = mem::zeroed();
        libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), &raw mut blocked);
        (1..64).filter(|signal| libc::sigismember(&raw const blocked, *signal) == 1).collect()
    }
}

/// Sets what happens on a signal; returns what did.
fn set(signal: libc::c_int, handler: usize, flags: libc::c_int) -> libc::sigaction {
    // SAFETY: all-zero bytes are a `sigaction`, and the tests give handlers of the type that the flags say.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = flags;
        let mut before: libc::sigaction = mem::zeroed();
        assert_eq!(libc::sigaction(signal, &raw const action, &raw mut before), 0);
        before
    }
}

static SEEN: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: libc::c_int) {
    SEEN.fetch_add(1, Ordering::SeqCst);
}

fn counted(run: impl FnOnce()) -> usize {
    let before = SEEN.load(Ordering::SeqCst);
    run();
    SEEN.load(Ordering::SeqCst) - before
}

fn raise_one() {
    // SAFETY: the handlers of the tests may be called anywhere.
    unsafe { assert_eq!(libc::raise(libc::SIGURG), 0) };
}

/// Defines a test that runs in a process of its own.
macro_rules! scenes {
    ($($(#[$doc:meta])* $name:ident = $scene:ident $body:block)*) => {$(
        $(#[$doc])*
        #[test]
        fn $name() {
            alone::run(concat!("sys::signals::tests::", stringify!($scene)));
        }

        /// Not a test: what runs in a process of its own.
        #[test]
        #[ignore = "runs only as a process of another test"]
        fn $scene() $body
    )*};
}

scenes! {
    guests_are_stopped_in_a_process_that_blocks_all_signals = all_blocked {
        block_all();
        let before = blocked();
        let sandbox = builder().build_blocking().unwrap();
        assert_well(&sandbox);
        assert_eq!(blocked(), before);
        let there = sandbox.clone();
        thread::spawn(move || {
            assert_well(&there);
            assert_eq!(blocked(), before);
        })
        .join()
        .unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        runtime.block_on(async {
            for _ in 0..3 {
                let hurried = sandbox.with_time_limit(std::time::Duration::from_millis(20));
                let error = hurried.call::<()>("spin", ()).await.unwrap_err();
                assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");
            }
        });
    }

    guests_are_stopped_on_a_thread_that_blocks_signals_between_calls = blocked_between {
        if !super::restart::is_supported() {
            return;
        }
        let sandbox = builder().build_blocking().unwrap();
        assert_well(&sandbox);
        block_all();
        let before = blocked();
        assert_well(&sandbox);
        assert_eq!(blocked(), before);
        assert_well(&sandbox);
    }

    guests_trap_on_a_thread_that_blocked_signals_after_it_made_the_sandbox = blocked_after_building {
        let sandbox = builder().build_blocking().unwrap();
        block_all();
        assert_traps(&sandbox);
        assert_well(&sandbox);
    }

    guests_are_stopped_where_somebody_ignores_the_signal_later = ignored_later {
        let sandbox = builder().build_blocking().unwrap();
        assert_well(&sandbox);
        for nothing in [libc::SIG_IGN, libc::SIG_DFL] {
            set(libc::SIGURG, nothing, 0);
            assert_well(&sandbox);
        }
    }

    guests_are_stopped_where_somebody_takes_the_signal_over_and_he_still_gets_it = taken_over_later {
        let sandbox = builder().build_blocking().unwrap();
        assert_well(&sandbox);
        set(libc::SIGURG, count as *const () as usize, 0);
        assert_well(&sandbox);
        assert_eq!(counted(raise_one), 1);
        assert_eq!(counted(|| assert_well(&sandbox)), 0);
    }

    a_handler_that_goes_on_with_ours_and_ours_with_it_is_called_once = chained_later {
        static BEFORE: AtomicUsize = AtomicUsize::new(0);
        extern "C" fn count_and_go_on(
            signal: libc::c_int,
            info: *mut libc::siginfo_t,
            context: *mut libc::c_void,
        ) {
            count(signal);
            type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
            let before = BEFORE.load(Ordering::SeqCst);
            // SAFETY: it is the handler that the test replaced, which takes that.
            unsafe { mem::transmute::<usize, Handler>(before)(signal, info, context) };
        }
        let flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        for signal in [libc::SIGURG, libc::SIGSEGV] {
            let sandbox = builder().build_blocking().unwrap();
            let before = set(signal, count_and_go_on as *const () as usize, flags);
            BEFORE.store(before.sa_sigaction, Ordering::SeqCst);
            assert_well(&sandbox);
            super::look_after_handlers();
            assert_well(&sandbox);
            if signal == libc::SIGURG {
                assert_eq!(counted(raise_one), 1);
            }
            // What comes next is to find its own.
            set(signal, before.sa_sigaction, before.sa_flags);
        }
    }

    a_handler_that_is_put_back_again_and_again_is_called_once_for_each_signal = contested {
        let sandbox = builder().build_blocking().unwrap();
        for _ in 0..10 {
            set(libc::SIGURG, count as *const () as usize, 0);
            super::look_after_handlers();
            assert_eq!(counted(raise_one), 1);
        }
        alone::assert_stops(&sandbox);
    }

    every_signal_that_others_send_reaches_who_waited_for_it_before = sent_by_others {
        set(libc::SIGURG, count as *const () as usize, libc::SA_RESTART);
        let sandbox = builder().build_blocking().unwrap();
        assert_well(&sandbox);
        // SAFETY: the calls have no preconditions, and the handler may be called anywhere.
        unsafe {
            let (process, thread) = (libc::getpid(), libc::gettid());
            assert_eq!(counted(raise_one), 1);
            assert_eq!(counted(|| assert_eq!(libc::pthread_kill(libc::pthread_self(), libc::SIGURG), 0)), 1);
            let tgkill = || assert_eq!(libc::syscall(libc::SYS_tgkill, process, thread, libc::SIGURG), 0);
            assert_eq!(counted(tgkill), 1);
            let value = libc::sigval { sival_ptr: ptr::null_mut() };
            let before = SEEN.load(Ordering::SeqCst);
            assert_eq!(libc::sigqueue(process, libc::SIGURG, value), 0);
            // Any thread may get that.
            while SEEN.load(Ordering::SeqCst) != before + 1 {
                thread::yield_now();
            }
        }
        assert_eq!(counted(|| assert_well(&sandbox)), 0);
    }

    signals_sent_to_a_running_guest_reach_who_waited_for_them = sent_to_a_guest {
        set(libc::SIGURG, count as *const () as usize, libc::SA_RESTART);
        let sandbox = builder().build_blocking().unwrap();
        let patient = sandbox.clone();
        let (started, number) = std::sync::mpsc::channel();
        let running = thread::spawn(move || {
            started.send(super::super::thread::ThreadNumber::of_this_thread().to_bits()).unwrap();
            for _ in 0..20 {
                alone::assert_stops(&patient);
            }
        });
        let number = number.recv().unwrap();
        let mut sent = 0;
        while !running.is_finished() {
            // SAFETY: the handler may be called anywhere.
            let status = unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), number, libc::SIGURG) };
            sent += usize::from(status == 0);
            // One that is on its way when another is sent would be the same.
            thread::sleep(std::time::Duration::from_millis(1));
        }
        running.join().unwrap();
        let seen = SEEN.load(Ordering::SeqCst);
        assert!(seen > 0 && seen <= sent, "{seen} of {sent}");
    }

    guests_are_stopped_where_signals_may_not_carry_a_mark = unmarked {
        deny(&[libc::SYS_rt_tgsigqueueinfo], libc::EPERM);
        set(libc::SIGURG, count as *const () as usize, 0);
        let sandbox = builder().build_blocking().unwrap();
        assert_well(&sandbox);
        assert_eq!(counted(raise_one), 1);
        assert_well(&sandbox);
    }

    where_signals_may_not_be_sent_no_guest_is_run = denied {
        deny(&[libc::SYS_rt_tgsigqueueinfo, libc::SYS_tgkill], libc::EPERM);
        let error = builder().build_blocking().unwrap_err();
        let SandboxError::SystemRefused { need: SystemNeed::Interrupts, error: cause } = &error else {
            panic!("{error}")
        };
        assert_eq!(cause.kind(), io::ErrorKind::PermissionDenied);
        assert!(error.to_string().contains("rt_tgsigqueueinfo"), "{error}");
    }

    guests_that_run_are_stopped_where_signals_may_no_longer_be_sent = denied_later {
        if !super::restart::is_supported() {
            return;
        }
        let sandbox = builder().build_blocking().unwrap();
        assert_well(&sandbox);
        deny(&[libc::SYS_rt_tgsigqueueinfo, libc::SYS_tgkill], libc::EPERM);
        alone::assert_stops(&sandbox);
        // It is known now.
        let error = sandbox.call_blocking::<()>("spin", ()).unwrap_err();
        assert!(matches!(error, SandboxError::SystemRefused { need: SystemNeed::Interrupts, .. }), "{error}");
    }

    a_crash_handler_that_was_installed_later_ends_nobody_at_a_trap = crash_handler_later {
        extern "C" fn crash(_: libc::c_int) {
            // SAFETY: it ends the process.
            unsafe { libc::_exit(7) };
        }
        let sandbox = builder().build_blocking().unwrap();
        assert_traps(&sandbox);
        for signal in [libc::SIGSEGV, libc::SIGILL, libc::SIGFPE, libc::SIGBUS] {
            set(signal, crash as *const () as usize, libc::SA_ONSTACK);
        }
        // The next sandbox that is made finds it out.
        let next = builder().build_blocking().unwrap();
        assert_traps(&next);
        assert_traps(&sandbox);
    }
}

#[test]
fn the_system_tells_which_threads_block_signals() {
    thread::spawn(|| {
        let this = crate::sys::thread::ThreadNumber::of_this_thread();
        assert_eq!(super::sending::blocks_signals(this), Some(false));
        block_all();
        assert_eq!(super::sending::blocks_signals(this), Some(true));
    })
    .join()
    .unwrap();
}

#[test]
fn a_crash_of_the_host_is_for_the_crash_handler() {
    let (status, said) = alone::run_to_end("sys::signals::tests::host_crashes");
    assert_eq!(status.code(), Some(7), "{said}");
}

/// Not a test: what runs in a process of its own.
#[test]
#[ignore = "runs only as a process of another test"]
fn host_crashes() {
    extern "C" fn crash(_: libc::c_int) {
        // SAFETY: it ends the process.
        unsafe { libc::_exit(7) };
    }
    let sandbox = builder().build_blocking().unwrap();
    set(libc::SIGSEGV, crash as *const () as usize, libc::SA_ONSTACK);
    assert_traps(&builder().build_blocking().unwrap());
    assert_traps(&sandbox);
    // SAFETY: it is a fault, which is what the test is about.
    unsafe { ptr::with_exposed_provenance_mut::<u8>(8).write_volatile(1) };
}

#[test]
fn a_crash_of_the_host_that_nobody_handles_ends_the_process() {
    use std::os::unix::process::ExitStatusExt;
    let (status, said) = alone::run_to_end("sys::signals::tests::host_crashes_alone");
    assert_eq!(status.signal(), Some(libc::SIGSEGV), "{said}");
}

/// Not a test: what runs in a process of its own.
#[test]
#[ignore = "runs only as a process of another test"]
fn host_crashes_alone() {
    assert_traps(&builder().build_blocking().unwrap());
    // SAFETY: as above.
    unsafe { ptr::with_exposed_provenance_mut::<u8>(8).write_volatile(1) };
}
