//! Doing two things at once, where each takes much longer than it takes to start a thread.

use std::panic::resume_unwind;
use std::thread;

/// Does the first on another thread and the second on this one. Where the system has no thread to give, this one does
/// both.
pub(super) fn join<T: Send, U>(there: impl Fn() -> T + Sync, here: impl FnOnce() -> U) -> (T, U) {
    thread::scope(|scope| {
        let started = thread::Builder::new().name("sandbox-survey".to_owned());
        match started.spawn_scoped(scope, &there) {
            Ok(started) => {
                let here = here();
                (started.join().unwrap_or_else(|panic| resume_unwind(panic)), here)
            }
            Err(_) => {
                let here = here();
                (there(), here)
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn both_are_done_at_the_same_time() {
        let meeting = Barrier::new(2);
        let meet = || meeting.wait().is_leader();
        let (there, here) = join(meet, meet);
        assert_ne!(there, here);
    }

    #[test]
    #[should_panic(expected = "over there")]
    fn a_panic_of_the_other_thread_is_one_of_the_caller() {
        join(|| panic!("over there"), || ());
    }
}
