//! Guests that wait: for nothing, for ever, for files.
#![expect(clippy::cast_possible_truncation, reason = "sizes in these tests are small")]

use std::time::{Duration, Instant};

use sandbox_core::{SandboxError, SecurityPolicy};

use crate::probe::{BADF, BUFFER, INVAL, PATH, Probe};

/// No limit of time may be what ends a guest, where a test does not say so.
fn patient() -> SecurityPolicy {
    SecurityPolicy::strict().with_wall_clock(Duration::from_secs(60))
}

#[test]
fn a_poll_that_waits_for_nothing_ends_too() {
    let probe = Probe::new(patient());
    let poll = |count: u32| probe.try_call("poll_oneoff", (PATH, BUFFER, count, 0));
    assert_eq!(poll(0).unwrap(), INVAL);
    // A clock that is due at once.
    probe.put(PATH, &[0; 48]);
    assert_eq!(poll(1).unwrap(), 0);
    assert_eq!(probe.get_u64(0) as u32, 1);
    // A clock that there is not, a kind that there is not, and too many.
    probe.put(PATH + 16, &9u64.to_le_bytes());
    assert_eq!(poll(1).unwrap(), INVAL);
    probe.put(PATH + 8, &200u64.to_le_bytes());
    assert_eq!(poll(1).unwrap(), INVAL);
    assert_eq!(poll(u32::MAX).unwrap(), INVAL);
    probe.assert_well();
}

#[test]
fn sleeping_for_five_hundred_years_ends_at_the_deadline() {
    for namespace in ["wasi_snapshot_preview1", "wasi_unstable"] {
        for timeout in [u64::MAX, i64::MAX as u64, 3_600_000_000_000] {
            let probe = Probe::in_namespace(namespace, patient());
            let mut subscription = [0u8; 56];
            let at = if namespace == "wasi_unstable" { 24 } else { 16 };
            subscription[at] = 1;
            subscription[at + 8..at + 16].copy_from_slice(&timeout.to_le_bytes());
            probe.put(PATH, &subscription);
            let started = Instant::now();
            let hurried = probe.sandbox.with_time_limit(Duration::from_millis(200));
            let poll = hurried.call_blocking::<i32>("poll_oneoff", (PATH, BUFFER, 1, 0));
            let error = poll.unwrap_err();
            assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");
            assert!(started.elapsed() < Duration::from_secs(5));
            probe.assert_well();
        }
    }
}

#[test]
fn a_short_sleep_lasts_as_long_as_it_should() {
    let probe = Probe::new(patient());
    let mut subscriptions = [0u8; 96];
    subscriptions[0] = 7;
    subscriptions[16] = 1;
    subscriptions[24..32].copy_from_slice(&20_000_000u64.to_le_bytes());
    subscriptions[48] = 8;
    subscriptions[64] = 1;
    subscriptions[72..80].copy_from_slice(&3_600_000_000_000u64.to_le_bytes());
    probe.put(PATH, &subscriptions);
    let started = Instant::now();
    assert_eq!(probe.call("poll_oneoff", (PATH, BUFFER, 2, 0)), 0);
    assert!(started.elapsed() >= Duration::from_millis(20));
    assert_eq!(probe.get_u64(0) as u32, 1);
    assert_eq!(probe.get_u64(BUFFER), 7);
}

#[test]
fn files_are_ready_at_once_and_wrong_ones_are_told_apart() {
    let probe = Probe::new(patient());
    let mut subscriptions = [0u8; 96];
    subscriptions[8] = 2;
    subscriptions[16] = 1;
    subscriptions[56] = 1;
    subscriptions[64] = 77;
    probe.put(PATH, &subscriptions);
    assert_eq!(probe.call("poll_oneoff", (PATH, BUFFER, 2, 0)), 0);
    assert_eq!(probe.get_u64(0) as u32, 2);
    assert_eq!(probe.get(BUFFER + 8, 3), [0, 0, 2]);
    assert_eq!(probe.get(BUFFER + 40, 3), [BADF as u8, 0, 1]);
}
