//! Changes that the host makes to a granted folder meanwhile.

use std::io::IoSlice;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rand::{RngExt as _, SeedableRng};
use rand_pcg::Pcg64Mcg;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};

use super::*;

const SECRET: &str = "what is outside";
const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// Tells the others to stop, however its owner ends.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A folder of the grant by names only: what the host does here is not led out by its own links.
fn folder_of_host(granted: &OwnedFd, names: &str) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let names = if names.is_empty() { "." } else { names };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    rustix::fs::openat2(granted, names, flags, Mode::empty(), resolve)
}

/// Puts links that lead out in the place of folders and files, and folders and files in the place of links, until it is
/// told to stop.
fn swap(home: &Path, seed: u64, stop: &AtomicBool) {
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let granted = rustix::fs::open(home.join("granted"), flags, Mode::empty()).unwrap();
    let away = rustix::fs::open(home, flags, Mode::empty()).unwrap();
    let secret = home.join("outside/secret");
    while !stop.load(Ordering::Relaxed) {
        let depth = random.random_range(0..3);
        let parent: Vec<_> = (0..depth).map(|_| name(&mut random)).collect();
        let Ok(parent) = folder_of_host(&granted, &parent.join("/")) else { continue };
        let at = name(&mut random);
        let link = |target: &Path| {
            let _ = rustix::fs::symlinkat(target, &parent, "swap");
            rustix::fs::renameat(&parent, "swap", &parent, at)
        };
        // Each may find that it cannot, since the guest is at work too.
        let _ = match random.random_range(0..9) {
            0 => link(secret.parent().unwrap()),
            1 => link(&secret),
            2 => link(Path::new("../outside")),
            3 => link(Path::new("../../outside")),
            4 => link(Path::new("..")),
            5 => rustix::fs::mkdirat(&parent, at, Mode::from(0o777)),
            6 => rustix::fs::unlinkat(&parent, at, AtFlags::empty()),
            7 => rustix::fs::renameat(&parent, at, &parent, name(&mut random)),
            // A folder that the guest may be in is moved out of the grant, and back.
            _ => {
                let _ = rustix::fs::renameat(&parent, at, &away, "aside");
                rustix::fs::renameat(&away, "aside", &parent, at)
            }
        };
    }
}

fn name(random: &mut Pcg64Mcg) -> &'static str {
    NAMES[random.random_range(0..NAMES.len())]
}

fn random_path(random: &mut Pcg64Mcg) -> String {
    let names: Vec<_> = (0..random.random_range(1..5))
        .map(|_| match random.random_range(0..8) {
            0 => "..",
            1 => "secret",
            other => NAMES[other % NAMES.len()],
        })
        .collect();
    names.join("/")
}

/// Files that may not be reached, by their numbers.
struct Outside(Vec<u64>);

impl Outside {
    fn check(&self, stat: &Stat) {
        assert!(!self.0.contains(&stat.inode), "what is outside was reached: {stat:?}");
    }

    /// Checks that what is in a folder is not what is outside, but for the folder around it.
    fn check_entries(&self, listing: &Listing) {
        let entries = (0..listing.len() as u64).filter_map(|at| listing.entry(at));
        for entry in entries.filter(|entry| entry.name != "..") {
            assert!(!self.0.contains(&entry.inode), "{:?} is listed", entry.name);
        }
    }
}

/// Does one thing. What it changes outside is found out later.
fn act(folder: &Folder, outside: &Outside, random: &mut Pcg64Mcg) -> Option<Folder> {
    let (one, other) = (random_path(random), random_path(random));
    let (one, other) = (path(&one), path(&other));
    match random.random_range(0..14) {
        0 => drop(folder.create_folder(one)),
        1 => drop(folder.remove_file(one)),
        2 => drop(folder.remove_folder(one)),
        3 => drop(folder.rename(one, folder, other)),
        4 => drop(folder.stat_at(one, Follow::Links).map(|stat| outside.check(&stat))),
        5 => {
            let times = SetTimes { accessed: SetTime::To(77), modified: SetTime::To(77) };
            let _ = folder.set_times_at(one, Follow::Links, times);
        }
        6 => {
            if let Ok(Opened::Folder(opened)) = folder.open(one, LOOK) {
                outside.check(&opened.stat().unwrap());
                return Some(opened);
            }
        }
        7 => {
            let how = OpenHow { truncate: random.random(), ..WRITE };
            if let Ok(Opened::File(file)) = folder.open(one, how) {
                outside.check(&file.stat().unwrap());
                let _ = file.write_at(&[IoSlice::new(b"x")], 0, Durability::Eventual);
                let _ = file.set_len(1);
            }
        }
        8 => {
            if let Ok(Opened::File(file)) = folder.open(one, WRITE) {
                outside.check(&file.stat().unwrap());
                let _ = file.append(&[IoSlice::new(b"more")], Durability::Eventual);
                let _ = file.allocate(0, 100);
                let _ =
                    file.set_times(SetTimes { accessed: SetTime::Now, modified: SetTime::To(1) });
            }
        }
        9 => {
            if let Ok(Opened::Folder(opened)) = folder.open(one, LOOK)
                && let Ok(listing) = opened.list()
            {
                outside.check_entries(&listing);
            }
        }
        10 => drop(folder.read_link(one)),
        11 => drop(folder.symlink(path("../../outside"), one)),
        12 => drop(folder.link(one, Follow::Links, folder, other)),
        _ => {
            if let Ok(Opened::File(file)) = folder.open(one, LOOK) {
                outside.check(&file.stat().unwrap());
            }
        }
    }
    None
}

#[test]
fn nothing_outside_is_read_or_changed_while_the_host_swaps_links_and_folders() {
    for (resolver, seed) in RESOLVERS.into_iter().zip(1..) {
        let home = tempfile::tempdir().unwrap();
        let granted = home.path().join("granted");
        let outside = home.path().join("outside");
        std::fs::create_dir(&granted).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("secret"), SECRET).unwrap();
        let before = std::fs::metadata(outside.join("secret")).unwrap();
        let folder_before = std::fs::metadata(&outside).unwrap().modified().unwrap();
        let numbers = [home.path(), &*outside, &*outside.join("secret")];
        let reached = Outside(numbers.map(|path| std::fs::metadata(path).unwrap().ino()).to_vec());
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for number in 0..2 {
                let (home, stop) = (home.path(), &stop);
                scope.spawn(move || swap(home, seed * 10 + number, stop));
            }
            let _stop = Stop(&stop);
            let granted = grant(&granted, "/granted", Access::ReadWrite);
            let file_system = file_system(&[granted], resolver);
            let mut folders: Vec<_> =
                file_system.preopened().unwrap().into_iter().map(|(_, folder)| folder).collect();
            let mut random = Pcg64Mcg::seed_from_u64(seed);
            for _ in 0..20_000 {
                let number = random.random_range(0..folders.len());
                if let Some(opened) = act(&folders[number], &reached, &mut random) {
                    if folders.len() == 8 {
                        folders.remove(2);
                    }
                    folders.push(opened);
                }
            }
        });
        assert_eq!(std::fs::read_to_string(outside.join("secret")).unwrap(), SECRET);
        let after = std::fs::metadata(outside.join("secret")).unwrap();
        assert_eq!(after.modified().unwrap(), before.modified().unwrap());
        assert_eq!(std::fs::metadata(&outside).unwrap().modified().unwrap(), folder_before);
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
    }
}
