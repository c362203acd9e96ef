//! Expectations of programs about descriptors, paths and listings.
#![expect(clippy::cast_possible_truncation, reason = "sizes in these tests are small")]

use std::collections::BTreeSet;
use std::io::Write as _;

use sandbox_core::{Access, Clock, RunRequest, SecurityPolicy};

use crate::modules;
use crate::playground::Playground;
use crate::probe::{
    BADF, BUFFER, CREATE, DIRECTORY, INVAL, OTHER_PATH, PATH, Probe, READ, ROOT, TRUNCATE, WRITE,
};

const APPEND: u32 = 1;
const EXIST: i32 = 20;
const ISDIR: i32 = 31;
const NAMETOOLONG: i32 = 37;
const NOENT: i32 = 44;
const NOTDIR: i32 = 54;
const NOTEMPTY: i32 = 55;
const SPIPE: i32 = 70;
const NOTCAPABLE: i32 = 76;

/// The guest sees the host's clock, so that times of files can be compared.
fn in_memory_and_on_the_host() -> [(Playground, Probe, &'static str); 2] {
    ["", "/granted"].map(|folder| {
        let ground = Playground::new();
        let probe = Probe::new(ground.policy().with_clock(Clock::Real));
        (ground, probe, folder)
    })
}

#[test]
fn what_several_append_is_all_there() {
    let ground = Playground::new();
    let [first, second] = [(); 2].map(|()| Probe::new(ground.policy()));
    let log = ground.host("granted/log");
    std::fs::write(&log, "").unwrap();
    let open = |probe: &Probe| probe.open_with(ROOT, "granted/log", 0, WRITE, APPEND).unwrap();
    let (first_fd, second_fd) = (open(&first), open(&second));
    for _ in 0..3 {
        first.write_to(first_fd, b"a line of the first guest\n").unwrap();
        second.write_to(second_fd, b"another of the second\n").unwrap();
        let mut host = std::fs::OpenOptions::new().append(true).open(&log).unwrap();
        host.write_all(b"and one of the host\n").unwrap();
    }
    let expected = "a line of the first guest\nanother of the second\nand one of the host\n";
    assert_eq!(std::fs::read_to_string(log).unwrap(), expected.repeat(3));
}

#[test]
fn appending_after_a_truncation_leaves_no_gap() {
    for (_ground, probe, folder) in in_memory_and_on_the_host() {
        let path = format!("{folder}/log");
        probe.write(&path, "something long").unwrap();
        let below = path.trim_start_matches('/');
        let appending = probe.open_with(ROOT, below, 0, WRITE, APPEND).unwrap();
        probe.write_to(appending, b" and longer").unwrap();
        let other = probe.open(&path, TRUNCATE, WRITE).unwrap();
        probe.close(other);
        probe.write_to(appending, b"new").unwrap();
        assert_eq!(probe.read(&path).unwrap(), "new");
        assert_eq!(probe.seek(appending, 0, 1), Ok(3));
    }
}

#[test]
fn a_folder_that_was_not_looked_up_is_removed() {
    let ground = Playground::new();
    std::fs::create_dir(ground.host("granted/empty")).unwrap();
    let probe = Probe::new(ground.policy());
    assert_eq!(probe.with_path("path_remove_directory", "/granted/empty"), 0);
    assert!(!ground.host("granted/empty").exists());
    assert_eq!(probe.with_path("path_remove_directory", "/granted/empty"), NOENT);
    assert_eq!(probe.with_path("path_remove_directory", "/granted/file"), NOTDIR);
    assert_eq!(probe.with_path("path_remove_directory", "/granted/sub"), NOTEMPTY);
    assert_eq!(probe.with_path("path_unlink_file", "/granted/sub"), ISDIR);
}

#[test]
fn a_listing_neither_skips_nor_repeats_while_the_folder_changes() {
    for (_ground, probe, folder) in in_memory_and_on_the_host() {
        let list = format!("{folder}/list");
        assert_eq!(probe.with_path("path_create_directory", &list), 0);
        for index in 0..60 {
            probe.write(&format!("{list}/file{index}"), "").unwrap();
        }
        let fd = probe.open(&list, DIRECTORY, READ).unwrap();
        let (mut cookie, mut seen) = (0, Vec::new());
        loop {
            let (names, is_end) = probe.list_from(fd, cookie, 512);
            for (name, next) in names {
                if name.starts_with("file") {
                    let path = format!("{list}/{name}");
                    assert_eq!(probe.with_path("path_unlink_file", &path), 0, "{path}");
                    probe.write(&format!("{list}/new{name}"), "").unwrap();
                }
                (cookie, seen) = (next, [seen, vec![name]].concat());
            }
            if is_end {
                break;
            }
        }
        assert_eq!(seen[..2], [".", ".."]);
        let distinct: BTreeSet<&String> = seen.iter().collect();
        assert_eq!((distinct.len(), seen.len()), (62, 62), "{seen:?}");
        // From the beginning, the folder is as it is now; from a cookie, as it was.
        assert_eq!(probe.list_from(fd, 61, 512).0[0].0, seen[61]);
        let again = probe.list_from(fd, 0, 8192).0;
        assert!(again.iter().skip(2).all(|(name, _)| name.starts_with("new")), "{again:?}");
        assert_eq!(again.len(), 62);
        assert_eq!(probe.list_from(fd, u64::MAX, 512), (Vec::new(), true));
    }
}

#[test]
fn a_listing_shows_what_the_host_has_now() {
    let ground = Playground::new();
    let probe = Probe::new(ground.policy());
    assert_eq!(probe.list("/granted").unwrap(), ["file", "sub"]);
    std::fs::remove_file(ground.host("granted/file")).unwrap();
    std::fs::write(ground.host("granted/later"), "").unwrap();
    let mut names = probe.list("/granted").unwrap();
    names.sort();
    assert_eq!(names, ["later", "sub"]);
}

#[test]
fn a_full_buffer_ends_with_a_cut_entry() {
    let ground = Playground::new();
    let probe = Probe::new(ground.policy());
    let fd = probe.open("/granted", DIRECTORY, READ).unwrap();
    assert_eq!(probe.call("fd_readdir", (fd, BUFFER, 60, 0i64, 0)), 0);
    assert_eq!(
        probe.get_u64(0) as u32,
        60,
        "25 for `.`, 26 for `..`, and the beginning of a third"
    );
    assert_eq!(probe.get(BUFFER + 24, 1), b".");
    assert_eq!(probe.get(BUFFER + 49, 2), b"..");
}

/// The numbers and names of the folders that are there from the start.
fn preopened(probe: &Probe) -> Vec<(u32, String)> {
    (3..10)
        .take_while(|fd| probe.call("fd_prestat_get", (*fd, 64)) == 0)
        .map(|fd| {
            let len = (probe.get_u64(64) >> 32) as u32;
            assert_eq!(probe.call("fd_prestat_dir_name", (fd, 128, len - 1)), NAMETOOLONG);
            assert_eq!(probe.call("fd_prestat_dir_name", (fd, 128, len)), 0);
            (fd, String::from_utf8(probe.get(128, len)).unwrap())
        })
        .collect()
}

#[test]
fn there_is_one_root_and_it_can_create() {
    let ground = Playground::new();
    let probe = Probe::new(ground.policy());
    let names = preopened(&probe);
    let expected = [(3, "/".to_owned()), (4, "/granted".to_owned()), (5, "/readonly".to_owned())];
    assert_eq!(names, expected);
    assert!(probe.open_at(3, "created", CREATE, WRITE).is_ok());
    let (kind, _, rights, passed_on) = probe.fdstat(3).unwrap();
    assert_eq!(kind, 3);
    assert_eq!(rights & (READ | WRITE), 0, "no folder is read or written itself");
    assert_eq!(passed_on & (READ | WRITE), READ | WRITE);
}

#[test]
fn a_folder_of_the_host_can_be_the_root() {
    let ground = Playground::new();
    for guest in ["/", "."] {
        let policy =
            SecurityPolicy::strict().with_folder(ground.host("granted"), guest, Access::ReadWrite);
        let probe = Probe::new(policy);
        assert_eq!(preopened(&probe), [(3, "/".to_owned())], "{guest}");
        assert_eq!(probe.read("/file").unwrap(), "a file of granted");
        probe.write("/made", "by the guest").unwrap();
        assert_eq!(std::fs::read_to_string(ground.host("granted/made")).unwrap(), "by the guest");
    }
    ground.assert_untouched();
}

#[test]
fn no_clock_but_the_date_is_ever_zero() {
    for clock in [Clock::Real, Clock::Coarse, Clock::CoarseMonotonic] {
        let probe = Probe::new(SecurityPolicy::strict().with_clock(clock.clone()));
        for id in 1..=3 {
            assert!(probe.time(id) > 0, "{clock:?} {id}");
        }
    }
}

#[test]
fn an_open_file_survives_what_happens_to_its_name() {
    for (_ground, probe, folder) in in_memory_and_on_the_host() {
        let path = |name: &str| format!("{folder}/{name}");
        probe.write(&path("old"), "old").unwrap();
        probe.write(&path("new"), "new").unwrap();
        let open = probe.open(&path("old"), 0, READ).unwrap();
        assert_eq!(probe.rename(&path("new"), &path("old")), 0);
        assert_eq!(probe.read_from(open).unwrap(), b"old");
        assert_eq!(probe.read(&path("old")).unwrap(), "new");
        let open = probe.open(&path("old"), 0, READ | WRITE).unwrap();
        assert_eq!(probe.with_path("path_unlink_file", &path("old")), 0);
        probe.write_to(open, b"NEW and more").unwrap();
        assert_eq!(probe.seek(open, 0, 0), Ok(0));
        assert_eq!(probe.read_from(open).unwrap(), b"NEW and more");
        assert_eq!(probe.open(&path("old"), 0, READ), Err(NOENT));
    }
}

#[test]
fn what_others_did_to_a_file_is_seen_at_once() {
    let ground = Playground::new();
    let probe = Probe::new(ground.policy());
    let open = probe.open("/granted/file", 0, READ | WRITE).unwrap();
    assert_eq!(probe.fd_stat(open).unwrap().0, 17);
    std::fs::write(ground.host("granted/file"), "shorter").unwrap();
    assert_eq!(probe.fd_stat(open).unwrap().0, 7);
    let other = probe.open("/granted/file", 0, WRITE).unwrap();
    assert_eq!(probe.call("fd_filestat_set_size", (other, 3i64)), 0);
    assert_eq!(probe.fd_stat(open).unwrap().0, 3);
}

#[test]
fn times_of_files_are_set() {
    const MODIFIED: u32 = 1 << 2;
    const MODIFIED_NOW: u32 = 1 << 3;
    for (_ground, probe, folder) in in_memory_and_on_the_host() {
        let path = format!("{folder}/timed");
        probe.write(&path, "").unwrap();
        let fd = probe.open(&path, 0, READ | WRITE).unwrap();
        let set = |how: u32, time: u64| {
            probe.call("fd_filestat_set_times", (fd, 0i64, time.cast_signed(), how))
        };
        assert_eq!(set(MODIFIED, 1_700_000_000_123_000_000), 0);
        assert_eq!(probe.fd_stat(fd).unwrap().1, 1_700_000_000_123_000_000);
        assert_eq!(set(MODIFIED | MODIFIED_NOW, 5), INVAL);
        assert_eq!(set(1 << 4, 5), INVAL);
        assert_eq!(probe.fd_stat(fd).unwrap().1, 1_700_000_000_123_000_000);
        // Times that no clock will show.
        let _ = (set(MODIFIED, u64::MAX), set(MODIFIED, i64::MAX as u64 + 1));
        assert_eq!(set(MODIFIED_NOW, 0), 0);
        assert!(probe.fd_stat(fd).unwrap().1 > 1_700_000_000_123_000_000);
    }
}

#[test]
fn streams_are_no_terminals_and_have_one_direction() {
    const CHARACTER_DEVICE: u8 = 2;
    let probe = Probe::new(SecurityPolicy::strict());
    for fd in 0..3 {
        assert_ne!(probe.fdstat(fd).unwrap().0, CHARACTER_DEVICE);
        for name in ["fd_tell", "fd_filestat_get"] {
            let errno = probe.call(name, (fd, BUFFER));
            assert_eq!(errno, if name == "fd_tell" { SPIPE } else { 0 });
        }
        assert_eq!(probe.seek(fd, 0, 1), Err(SPIPE));
        assert_eq!(probe.call("fd_pread", (fd, 16, 1, 0i64, 0)), SPIPE);
        assert_eq!(probe.call("fd_pwrite", (fd, 16, 1, 0i64, 0)), SPIPE);
    }
    assert_eq!(probe.write_to(0, b"x"), Err(BADF));
    assert_eq!(probe.read_from(1), Err(BADF));
    assert_eq!(probe.read_from(2), Err(BADF));
    probe.write("/file", "text").unwrap();
    let reading = probe.open("/file", 0, READ).unwrap();
    assert_eq!(probe.write_to(reading, b"x"), Err(BADF));
    let writing = probe.open("/file", 0, WRITE).unwrap();
    assert_eq!(probe.read_from(writing), Err(BADF));
    assert_eq!(probe.read_from(ROOT), Err(ISDIR));
}

#[test]
fn an_unknown_descriptor_is_bad_before_anything_else_is_wrong() {
    let probe = Probe::new(SecurityPolicy::strict());
    for fd in [4u32, 99, u32::MAX] {
        let out = u32::MAX;
        for errno in [
            probe.call("fd_advise", (fd, -1i64, -1i64, 99)),
            probe.call("fd_allocate", (fd, -1i64, -1i64)),
            probe.call("fd_close", fd),
            probe.call("fd_datasync", fd),
            probe.call("fd_fdstat_get", (fd, out)),
            probe.call("fd_fdstat_set_flags", (fd, 0xffff)),
            probe.call("fd_fdstat_set_rights", (fd, -1i64, -1i64)),
            probe.call("fd_filestat_get", (fd, out)),
            probe.call("fd_filestat_set_size", (fd, -1i64)),
            probe.call("fd_filestat_set_times", (fd, 0i64, 0i64, 0xffff)),
            probe.call("fd_pread", (fd, out, out, -1i64, out)),
            probe.call("fd_prestat_get", (fd, out)),
            probe.call("fd_prestat_dir_name", (fd, out, out)),
            probe.call("fd_pwrite", (fd, out, out, -1i64, out)),
            probe.call("fd_read", (fd, out, out, out)),
            probe.call("fd_readdir", (fd, out, out, 0i64, out)),
            probe.call("fd_renumber", (fd, ROOT)),
            probe.call("fd_renumber", (ROOT, fd)),
            probe.call("fd_seek", (fd, 0i64, 99, out)),
            probe.call("fd_sync", fd),
            probe.call("fd_tell", (fd, out)),
            probe.call("fd_write", (fd, out, out, out)),
            probe.call("path_create_directory", (fd, out, out)),
            probe.call("path_filestat_get", (fd, 99, out, out, out)),
            probe.call("path_link", (fd, 99, out, out, ROOT, out, out)),
            probe.call("path_link", (ROOT, 99, out, out, fd, out, out)),
            probe.call("path_open", (fd, 99, out, out, 99, -1i64, -1i64, 0xffff, out)),
            probe.call("path_readlink", (fd, out, out, out, out, out)),
            probe.call("path_remove_directory", (fd, out, out)),
            probe.call("path_rename", (fd, out, out, ROOT, out, out)),
            probe.call("path_rename", (ROOT, out, out, fd, out, out)),
            probe.call("path_symlink", (out, out, fd, out, out)),
            probe.call("path_unlink_file", (fd, out, out)),
            probe.call("sock_recv", (fd, out, out, 99, out, out)),
            probe.call("sock_send", (fd, out, out, 99, out)),
            probe.call("sock_shutdown", (fd, 99)),
        ] {
            assert_eq!(errno, BADF);
        }
    }
    probe.assert_well();
}

#[test]
fn rights_only_shrink() {
    const PATH_FILESTAT_SET_SIZE: u64 = 1 << 19;
    let probe = Probe::new(SecurityPolicy::strict());
    probe.write("/file", "text").unwrap();
    let fd = probe.open("/", DIRECTORY, 0).unwrap();
    let (_, _, rights, passed_on) = probe.fdstat(fd).unwrap();
    let set = |rights: u64, passed_on: u64| {
        let (rights, passed_on) = (rights.cast_signed(), passed_on.cast_signed());
        probe.call("fd_fdstat_set_rights", (fd, rights, passed_on))
    };
    assert_eq!(set(u64::MAX, passed_on), NOTCAPABLE);
    assert_eq!(set(rights, passed_on | 1 << 40), NOTCAPABLE);
    assert_eq!(set(rights & !PATH_FILESTAT_SET_SIZE, passed_on & !WRITE), 0);
    assert_eq!(set(rights, passed_on), NOTCAPABLE, "what was taken is not given back");
    assert_eq!(probe.open_at(fd, "file", 0, READ | WRITE), Err(NOTCAPABLE));
    assert_eq!(probe.open_at(fd, "file", TRUNCATE, READ), Err(NOTCAPABLE));
    assert_eq!(probe.read("/file").unwrap(), "text");
    // Nor is it had again from below.
    let below = probe.open_at(fd, ".", DIRECTORY, 0).unwrap();
    assert_eq!(probe.open_at(below, "file", 0, READ | WRITE), Err(NOTCAPABLE));
    assert!(probe.open_at(below, "file", 0, READ).is_ok());
}

#[test]
fn opening_says_what_is_wrong() {
    const DIRECTORY_AND_CREATE: u32 = CREATE | DIRECTORY;
    const EXCLUSIVE: u32 = 1 << 2;
    for (_ground, probe, folder) in in_memory_and_on_the_host() {
        let path = |name: &str| format!("{folder}/{name}");
        probe.write(&path("text"), "text").unwrap();
        assert_eq!(probe.with_path("path_create_directory", &path("folder")), 0);
        let open = |name: &str, how, rights| probe.open(&path(name), how, rights).map(drop);
        assert_eq!(open("missing", 0, READ), Err(NOENT));
        assert_eq!(open("text/below", 0, READ), Err(NOTDIR));
        assert_eq!(open("text/", 0, READ), Err(NOTDIR));
        assert_eq!(open("text", DIRECTORY, READ), Err(NOTDIR));
        assert_eq!(open("text", CREATE | EXCLUSIVE, READ), Err(EXIST));
        assert_eq!(open("folder", 0, READ | WRITE), Err(ISDIR));
        assert_eq!(open("folder", TRUNCATE, READ), Err(ISDIR));
        assert_eq!(open("folder", DIRECTORY_AND_CREATE, READ), Err(INVAL));
        assert_eq!(open("text", 1 << 4, READ), Err(INVAL));
        assert_eq!(probe.open_with(ROOT, "x", 0, READ, 1 << 5), Err(INVAL));
        assert_eq!(probe.with_path("path_create_directory", &path("text")), EXIST);
        assert_eq!(probe.rename(&path("text"), &path("folder")), ISDIR);
        assert_eq!(probe.rename(&path("folder"), &path("text")), NOTDIR);
        assert_eq!(probe.rename(&path("folder"), &path("folder/in")), INVAL);
        assert_eq!(probe.with_path("path_remove_directory", &path("folder/.")), INVAL);
    }
}

#[test]
fn names_that_are_no_text_are_errors() {
    const ILSEQ: i32 = 25;
    let probe = Probe::new(SecurityPolicy::strict());
    for (name, errno) in [(&b"a\xff"[..], ILSEQ), (b"a\0b", INVAL)] {
        probe.put(PATH, name);
        let len = name.len() as u32;
        assert_eq!(probe.call("path_open", (ROOT, 0, PATH, len, 1, 2i64, 0i64, 0, 0)), errno);
        assert_eq!(probe.call("path_create_directory", (ROOT, PATH, len)), errno);
        probe.put(OTHER_PATH, b"fine");
        assert_eq!(probe.call("path_rename", (ROOT, OTHER_PATH, 4, ROOT, PATH, len)), errno);
    }
}

#[test]
fn a_program_is_called_what_the_host_says() {
    let text = r#"(module
        (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write"
            (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "_start")
            (drop (call $sizes (i32.const 16) (i32.const 4)))
            (drop (call $args (i32.const 64) (i32.const 256)))
            (i32.store (i32.const 0) (i32.const 256))
            (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))))"#;
    let sandbox = modules::builder(text).build_blocking().unwrap();
    let request = RunRequest::new().program("wc").argument("-l");
    assert_eq!(sandbox.run_blocking(request).unwrap().stdout, b"wc\0-l\0");
    assert_eq!(sandbox.run_blocking(RunRequest::new()).unwrap().stdout, b"guest\0");
    assert!(sandbox.run_blocking(RunRequest::new().program("a\0b")).is_err());
}
