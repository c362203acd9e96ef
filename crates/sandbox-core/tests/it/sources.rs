//! Time, randomness, environment and arguments: what a guest learns of the world.
#![expect(clippy::cast_possible_truncation, reason = "sizes in these tests are small")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sandbox_core::{Clock, Randomness, SecurityPolicy};

use crate::probe::{BUFFER, INVAL, NOTSUP, Probe};

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64
}

const MILLISECOND: u64 = 1_000_000;
const MINUTE: u64 = 60 * 1000 * MILLISECOND;

#[test]
fn a_real_clock_shows_the_time() {
    let probe = Probe::new(SecurityPolicy::basic());
    assert!(probe.time(0).abs_diff(now()) < MINUTE);
    let times: Vec<u64> = (0..20).map(|_| probe.time(1)).collect();
    assert!(times.is_sorted());
    assert!(times.iter().any(|time| time % MILLISECOND != 0));
    assert!(times[0] < MINUTE, "the monotonic clock starts with the instance");
    assert_eq!(probe.call("clock_time_get", (4, 1, 0)), INVAL);
    assert_eq!(probe.call("clock_res_get", (4, 0)), INVAL);
}

#[test]
fn a_coarse_clock_shows_whole_milliseconds_everywhere() {
    let probe = Probe::new(SecurityPolicy::strict());
    probe.write("/file", "text").unwrap();
    let stat = probe.stat("/file").unwrap();
    let file_times =
        stat[40..64].chunks(8).map(|time| u64::from_le_bytes(time.try_into().unwrap()));
    for time in (0..4).map(|clock| probe.time(clock)).chain(file_times) {
        assert_eq!(time % MILLISECOND, 0);
    }
    assert!(probe.time(0).abs_diff(now()) < MINUTE);
    assert_eq!(probe.call("clock_res_get", (1, 0)), 0);
    assert_eq!(probe.get_u64(0), MILLISECOND);
    std::thread::sleep(Duration::from_millis(5));
    assert!(probe.time(1) >= 5 * MILLISECOND);
}

#[test]
fn a_paranoid_policy_does_not_tell_the_date() {
    let probe = Probe::new(SecurityPolicy::paranoid());
    assert_eq!(probe.time(0), 0);
    assert_eq!(probe.time(1) % MILLISECOND, 0);
    probe.write("/file", "text").unwrap();
    assert_eq!(probe.stat("/file").unwrap()[40..64], [0; 24]);
    assert_eq!(probe.stat("/").unwrap()[40..64], [0; 24]);
}

#[test]
fn the_older_wasi_has_the_same_clocks_and_files() {
    let policy = SecurityPolicy::strict().with_clock(Clock::CoarseMonotonic);
    let probe = Probe::in_namespace("wasi_unstable", policy);
    assert_eq!(probe.time(0), 0);
    probe.write("/file", "text").unwrap();
    assert_eq!(probe.read("/file").unwrap(), "text");
    let stat = probe.stat("/file").unwrap();
    assert_eq!(stat[24..32], 4u64.to_le_bytes());
    assert_eq!(stat[32..56], [0; 24]);
}

fn random(probe: &Probe) -> Vec<u8> {
    assert_eq!(probe.call("random_get", (BUFFER, 100_000)), 0);
    probe.get(BUFFER, 100_000)
}

#[test]
fn random_bytes_are_random_unless_there_is_a_seed() {
    let secure = Probe::new(SecurityPolicy::strict());
    assert_ne!(random(&secure), random(&secure));
    let seeded =
        |seed| Probe::new(SecurityPolicy::strict().with_randomness(Randomness::Seeded(seed)));
    let first = seeded(1);
    let bytes = random(&first);
    assert_ne!(bytes, random(&first));
    assert_eq!(bytes, random(&seeded(1)));
    assert_ne!(bytes, random(&seeded(2)));
}

#[test]
fn random_bytes_can_be_denied() {
    let probe = Probe::new(SecurityPolicy::strict().with_randomness(Randomness::Denied));
    probe.put(BUFFER, &[7; 16]);
    assert_eq!(probe.call("random_get", (BUFFER, 16)), NOTSUP);
    assert_eq!(probe.get(BUFFER, 16), [7; 16]);
    probe.assert_well();
}

/// The number and the texts of a list that WASI gives in two calls.
fn listed(probe: &Probe, sizes: &str, get: &str) -> Vec<String> {
    assert_eq!(probe.call(sizes, (0, 8)), 0);
    let (count, len) = (probe.get_u64(0) as u32, probe.get_u64(8) as u32);
    assert_eq!(probe.call(get, (1024, BUFFER)), 0);
    let text = String::from_utf8(probe.get(BUFFER, len)).unwrap();
    let list: Vec<String> = text.split_terminator('\0').map(str::to_owned).collect();
    assert_eq!(list.len(), count as usize);
    list
}

#[test]
fn environment_and_arguments_are_those_that_were_granted() {
    let policy = SecurityPolicy::strict()
        .with_environment("LANG", "C")
        .with_environment("MODE", "one")
        .with_environment("MODE", "two")
        .with_argument("-v")
        .with_argument("with space");
    let probe = Probe::new(policy);
    let arguments = listed(&probe, "args_sizes_get", "args_get");
    assert_eq!(arguments, ["guest", "-v", "with space"]);
    let environment = listed(&probe, "environ_sizes_get", "environ_get");
    assert_eq!(environment, ["LANG=C", "MODE=two"]);
}

#[test]
fn nothing_of_the_hosts_environment_is_there() {
    for policy in [
        SecurityPolicy::permissive(),
        SecurityPolicy::basic(),
        SecurityPolicy::strict(),
        SecurityPolicy::paranoid(),
    ] {
        let probe = Probe::new(policy);
        assert_eq!(listed(&probe, "args_sizes_get", "args_get"), ["guest"]);
        assert_eq!(listed(&probe, "environ_sizes_get", "environ_get"), Vec::<String>::new());
    }
}
