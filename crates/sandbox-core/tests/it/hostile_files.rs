//! Guests and hosts that do strange things to granted folders.
#![expect(clippy::cast_possible_truncation, reason = "sizes in these tests are small")]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};

use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;
use rustix::fs::{AtFlags, CWD, FileType, Mode};
use sandbox_core::{Clock, SandboxError, SecurityPolicy};

use crate::playground::{Playground, SECRET};
use crate::probe::{
    BUFFER, CREATE, DIRECTORY, INVAL, OTHER_PATH, PATH, Probe, READ, ROOT, TRUNCATE, WRITE,
};

const ACCES: i32 = 2;
const FBIG: i32 = 22;
const ILSEQ: i32 = 25;
const NOENT: i32 = 44;
const PERM: i32 = 63;

/// Which times are set.
const SET_BOTH: i32 = 1 | 1 << 2;

#[test]
fn pipes_and_sockets_are_seen_and_not_waited_for() {
    let ground = Playground::new();
    let pipe = ground.host("granted/pipe");
    rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::from(0o666), 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(ground.host("granted/socket")).unwrap();
    symlink("pipe", ground.host("granted/link")).unwrap();
    let probe = Probe::new(ground.policy());
    for name in ["/granted/pipe", "/granted/socket", "/granted/link"] {
        for rights in [READ, WRITE, READ | WRITE] {
            for how in [0, CREATE, CREATE | TRUNCATE] {
                assert_eq!(probe.open(name, how, rights), Err(ACCES), "{name}");
            }
        }
    }
    assert_eq!(probe.stat("/granted/pipe").unwrap()[16], 0);
    assert_eq!(probe.stat("/granted/socket").unwrap()[16], 6);
    assert_eq!(probe.list("/granted").unwrap().len(), 5);
    assert_eq!(probe.with_path("path_unlink_file", "/granted/pipe"), 0);
    assert!(!pipe.exists());
}

#[test]
fn a_name_that_is_no_text_is_listed_opened_renamed_and_removed() {
    let ground = Playground::new();
    let name = OsStr::from_bytes(b"gr\xfcn");
    std::fs::write(ground.host("granted").join(name), "green").unwrap();
    let probe = Probe::new(ground.policy());
    let names = probe.list("/granted").unwrap();
    let shown = names.iter().find(|name| name.starts_with("gr")).expect("it is listed");
    let path = format!("/granted/{shown}");
    assert_eq!(probe.read(&path).unwrap(), "green");
    assert_eq!(probe.rename(&path, "/granted/green"), 0);
    assert!(ground.host("granted/green").exists());
    assert_eq!(probe.rename("/granted/green", &path), 0);
    assert!(ground.host("granted").join(name).exists());
    assert_eq!(probe.with_path("path_unlink_file", &path), 0);
    assert!(!ground.host("granted").join(name).exists());
    // The bytes themselves are no path.
    probe.put(PATH, b"granted/gr\xfcn");
    assert_eq!(probe.call("path_unlink_file", (ROOT, PATH, 12)), ILSEQ);
}

#[test]
fn times_and_places_at_the_extremes_are_survived() {
    let ground = Playground::new();
    let sparse = std::fs::File::create(ground.host("granted/sparse")).unwrap();
    sparse.set_len(1 << 40).unwrap();
    let probe = Probe::new(ground.policy().with_clock(Clock::Real));
    probe.write("/file", "text").unwrap();
    for path in ["/file", "/granted/file"] {
        let fd = probe.open(path, 0, READ | WRITE).unwrap();
        for time in [0, 1, i64::MAX, i64::MIN, -1] {
            assert_eq!(probe.call("fd_filestat_set_times", (fd, time, time, SET_BOTH)), 0);
            let (_, modified) = probe.fd_stat(fd).unwrap();
            assert!(modified <= time.cast_unsigned(), "{modified} for {time}");
        }
        // A time and the present one, each of both times.
        for how in [0b11, 0b1100, 0b1111] {
            assert_eq!(probe.call("fd_filestat_set_times", (fd, 5i64, 5i64, how)), INVAL);
        }
        for beyond in [i64::MIN, -1] {
            assert_eq!(probe.call("fd_filestat_set_size", (fd, beyond)), FBIG);
            assert_eq!(probe.call("fd_allocate", (fd, beyond, 1i64)), FBIG);
            assert_eq!(probe.call("fd_allocate", (fd, 1i64, beyond)), FBIG);
            assert_eq!(probe.call("fd_pwrite", (fd, 16, 1, beyond, 0)), INVAL);
            assert_eq!(probe.call("fd_pread", (fd, 16, 1, beyond, 0)), INVAL);
        }
        assert_eq!(probe.seek(fd, i64::MAX, 0), Ok(i64::MAX.cast_unsigned()));
        assert_eq!(probe.seek(fd, 1, 1).ok(), None);
        probe.close(fd);
    }
    let fd = probe.open("/granted/sparse", 0, READ).unwrap();
    assert_eq!(probe.seek(fd, -4, 2), Ok((1 << 40) - 4));
    assert_eq!(probe.read_from(fd).unwrap(), [0; 4]);
    probe.assert_well();
}

#[test]
fn a_granted_folder_that_the_host_removes_is_empty() {
    let ground = Playground::new();
    let probe = Probe::new(ground.policy());
    let fd = probe.open("/granted/file", 0, READ).unwrap();
    std::fs::remove_dir_all(ground.host("granted")).unwrap();
    assert_eq!(probe.list("/granted").unwrap(), Vec::<String>::new());
    assert_eq!(probe.read("/granted/file"), Err(NOENT));
    assert_eq!(probe.write("/granted/new", "text"), Err(NOENT));
    assert_eq!(probe.with_path("path_create_directory", "/granted/new"), NOENT);
    assert_eq!(probe.read_from(fd).unwrap(), b"a file of granted");
    probe.assert_well();
}

#[test]
fn files_fill_the_folder_in_memory_to_the_last_byte() {
    let probe = Probe::new(SecurityPolicy::strict().with_scratch_limit(16 * 1024));
    let fd = probe.open("/file", CREATE, READ | WRITE).unwrap();
    // A name counts a kilobyte.
    assert_eq!(probe.write_to(fd, &[7; 15 * 1024]), Ok(15 * 1024));
    assert_eq!(probe.write_to(fd, &[7]), Err(51));
    assert_eq!(probe.call("fd_filestat_set_size", (fd, 14 * 1024i64)), 0);
    assert_eq!(probe.with_path("path_create_directory", "/folder"), 0);
    assert_eq!(probe.with_path("path_create_directory", "/another"), 51);
    assert_eq!(probe.call("fd_filestat_get", (fd, BUFFER)), 0);
    assert_eq!(probe.get_u64(BUFFER + 32), 14 * 1024);
    probe.assert_well();
}

#[test]
fn links_of_a_guest_lead_nowhere_else() {
    let ground = Playground::new();
    let probe = Probe::new(ground.policy());
    let outside = ground.outside().to_str().unwrap().to_owned();
    for (target, at) in [("../secret", "/up"), ("granted/../../secret", "/around")] {
        assert_eq!(probe.symlink(target, at), 0);
        assert_eq!(probe.read(at), Err(PERM));
        assert_eq!(probe.write(at, "changed"), Err(PERM));
    }
    assert_ne!(probe.symlink(&format!("{outside}/secret"), "/absolute"), 0);
    assert_eq!(probe.symlink("granted/file", "/inside"), 0);
    assert_eq!(probe.read("/inside").unwrap(), "a file of granted");
    ground.assert_untouched();
}

#[test]
fn whatever_follows_a_name_that_is_renamed_or_removed_is_survived() {
    let ground = Playground::new();
    let probe = Probe::new(ground.policy());
    for parent in ["", "granted/"] {
        let (name, other) = (format!("{parent}x"), format!("{parent}b"));
        let rename = |from: &str, to: &str| {
            probe.put(PATH, from.as_bytes());
            probe.put(OTHER_PATH, to.as_bytes());
            let (from, to) = (from.len() as u32, to.len() as u32);
            probe.call("path_rename", (ROOT, PATH, from, ROOT, OTHER_PATH, to))
        };
        for tail in ["/.", "/./.", "/..", "/../b", "/./../b", "/./b", "/"] {
            let path = name.clone() + tail;
            for is_file in [true, false] {
                let attacks: [&dyn Fn() -> i32; 4] = [
                    &|| probe.with_path("path_unlink_file", &path),
                    &|| probe.with_path("path_remove_directory", &path),
                    &|| rename(&name, &path),
                    &|| rename(&path, &format!("{parent}n")),
                ];
                for attack in attacks {
                    for path in [&name, &other, &format!("{parent}n")] {
                        let _ = probe.with_path("path_unlink_file", path);
                        let _ = probe.with_path("path_remove_directory", path);
                    }
                    if is_file {
                        probe.write(&name, "text").unwrap();
                    } else {
                        assert_eq!(probe.with_path("path_create_directory", &name), 0);
                    }
                    probe.write(&other, "other").unwrap();
                    // An error number in most cases, and whatever it is, an answer.
                    attack();
                    probe.assert_well();
                }
            }
        }
    }
    ground.assert_untouched();
}

/// A path of few names, which are links and folders in turn.
fn random_path(random: &mut Pcg64Mcg) -> String {
    const NAMES: [&str; 10] =
        ["granted", "readonly", "a", "b", "c", "..", ".", "secret", "sub", "file"];
    let names: Vec<_> = (0..random.random_range(1..5))
        .map(|_| NAMES[random.random_range(0..NAMES.len())])
        .collect();
    let slash = if random.random_range(0..8) == 0 { "/" } else { "" };
    names.join("/") + slash
}

/// Calls something with two paths. Whatever comes of it is an error number.
fn call_at_random(probe: &Probe, random: &mut Pcg64Mcg) -> Result<i32, SandboxError> {
    let (one, other) = (random_path(random), random_path(random));
    probe.put(PATH, one.as_bytes());
    probe.put(OTHER_PATH, other.as_bytes());
    let (len, other_len) = (one.len() as u32, other.len() as u32);
    // Mostly the root, or nearly all of it would be told that there is no such folder.
    let mut any = || [ROOT, ROOT, ROOT, random.random_range(3..12)][random.random_range(0..4)];
    let (fd, other_fd) = (any(), any());
    let folder = (fd, PATH, len);
    match random.random_range(0..13) {
        0 => probe.try_call("path_create_directory", folder),
        1 => probe.try_call("path_remove_directory", folder),
        2 => probe.try_call("path_unlink_file", folder),
        3 => probe.try_call("path_rename", (fd, PATH, len, other_fd, OTHER_PATH, other_len)),
        4 => probe.try_call("path_link", (fd, 0, PATH, len, other_fd, OTHER_PATH, other_len)),
        5 => probe.try_call("path_symlink", (PATH, len, other_fd, OTHER_PATH, other_len)),
        6 => probe.try_call("path_readlink", (fd, PATH, len, BUFFER, 64, 0)),
        7 => {
            probe.try_call("path_filestat_get", (fd, random.random_range(0..2), PATH, len, BUFFER))
        }
        8 => probe.try_call("path_filestat_set_times", (fd, 1, PATH, len, 5i64, 5i64, SET_BOTH)),
        9 => probe.try_call("fd_readdir", (fd, BUFFER, 4096, 0i64, 0)),
        10 => probe.try_call("fd_close", fd.max(5)),
        _ => {
            let how = [0, CREATE, DIRECTORY, CREATE | TRUNCATE][random.random_range(0..4)];
            let rights = [READ, READ | WRITE, !0][random.random_range(0..3)];
            let opened =
                probe.try_call("path_open", (fd, 1, PATH, len, how, rights, !0u64, 0, 0))?;
            if opened != 0 {
                return Ok(opened);
            }
            let fd = probe.get_u64(0) as u32;
            let bytes = probe.read_from(fd).unwrap_or_default();
            assert_ne!(bytes, SECRET.as_bytes(), "{one}");
            Ok(probe.write_to(fd, b"x").err().unwrap_or(0))
        }
    }
}

#[test]
fn random_calls_never_panic_nor_get_out_while_the_host_swaps_links() {
    let ground = Playground::new();
    let stop = AtomicBool::new(false);
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    std::thread::scope(|scope| {
        let _stop = Stop(&stop);
        let granted = std::fs::File::open(ground.host("granted")).expect("a folder that is there");
        let (stop, outside) = (&stop, ground.outside().to_owned());
        scope.spawn(move || {
            let mut random = Pcg64Mcg::seed_from_u64(1);
            // Only names right in the granted folder: the host itself is not led out by its links.
            while !stop.load(Ordering::Relaxed) {
                let name = ["a", "b", "c", "sub"][random.random_range(0..4)];
                let target =
                    [outside.clone(), outside.join("secret"), "..".into(), "../secret".into()]
                        [random.random_range(0..4)]
                    .clone();
                let _ = match random.random_range(0..4) {
                    0 => rustix::fs::symlinkat(&target, &granted, name),
                    1 => rustix::fs::unlinkat(&granted, name, AtFlags::empty()),
                    2 => rustix::fs::mkdirat(&granted, name, Mode::from(0o777)),
                    _ => rustix::fs::renameat(&granted, name, &granted, "b"),
                };
            }
        });
        let probe = Probe::new(ground.policy().with_open_file_limit(12));
        let mut random = Pcg64Mcg::seed_from_u64(2);
        for _ in 0..20_000 {
            call_at_random(&probe, &mut random).unwrap();
        }
        probe.assert_well();
    });
    ground.assert_untouched();
}
