//! Calls that never end.

use std::hint::black_box;
use std::time::Duration;

use sandbox_guest::export;

/// A tight loop that touches no memory and calls nothing.
#[export]
fn spin() -> u32 {
    let mut state: u32 = 1;
    loop {
        // Never zero from a state that is not zero, which the compiler does not know.
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        if state == 0 {
            return state;
        }
    }
}

/// Spins for a number of steps, and ends: the same loop for a host that measures it.
#[export]
fn spin_for(steps: u64) -> u32 {
    let mut state: u32 = 1;
    for _ in 0..steps {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
    }
    state
}

/// Allocates and frees without end.
#[export]
fn spin_alloc() {
    loop {
        black_box(vec![1_u8; 4096]);
    }
}

/// Asks the host for the time without end: each turn enters a host function.
#[export]
fn spin_in_host() {
    loop {
        black_box(std::time::Instant::now());
    }
}

/// Sleeps as long as a guest can ask to.
#[export]
fn sleep_forever() {
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

/// Calls itself until the stack ends.
#[export]
fn recurse() -> u64 {
    deeper(black_box(1))
}

#[expect(unconditional_recursion, reason = "that is the attack")]
fn deeper(depth: u64) -> u64 {
    // The sum after the call keeps it from becoming a loop.
    black_box(deeper(black_box(depth + 1))) + depth
}
