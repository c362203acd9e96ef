//! Control groups of Linux (cgroup v2), where this program may make them.
//!
//! The kernel counts every descendant of a member as a member, whatever it does to its session, its
//! environment or its parents, and also when this program is gone. A group has the family's mark as
//! its name, so whoever comes after a crash sees whose it was.

use std::fs::{self, File, OpenOptions};
use std::io;

use camino::{Utf8Path, Utf8PathBuf};

/// A control group for one family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ControlGroup {
    folder: Utf8PathBuf,
}

/// Beginning of all names of groups.
const PREFIX: &str = "bench-analyzer.";
const MEMBERS: &str = "cgroup.procs";
const KILL: &str = "cgroup.kill";

impl ControlGroup {
    /// Makes a group below the one that this process is in.
    pub(super) fn make(mark: &str) -> io::Result<Self> {
        let folder = own()?.join(format!("{PREFIX}{mark}"));
        fs::create_dir(&folder)?;
        let group = Self { folder };
        if !group.folder.join(KILL).exists() {
            group.remove();
            return Err(io::Error::other("the kernel is older than `cgroup.kill` (Linux 5.14)"));
        }
        Ok(group)
    }

    /// The group in a folder that was noted once, if it still is there.
    pub(super) fn noted(folder: &Utf8Path) -> Option<Self> {
        let named = folder.file_name().is_some_and(|name| name.starts_with(PREFIX));
        (named && folder.join(KILL).exists()).then(|| Self { folder: folder.to_owned() })
    }

    /// The groups beside this process whose mark `is_left`.
    pub(super) fn left(is_left: &mut dyn FnMut(&str) -> bool) -> Vec<Self> {
        let beside = own().and_then(|folder| folder.read_dir_utf8());
        let mut found = Vec::new();
        for entry in beside.into_iter().flatten().flatten() {
            let mark = entry.file_name().strip_prefix(PREFIX);
            if mark.is_some_and(&mut *is_left) {
                found.extend(Self::noted(entry.path()));
            }
        }
        found
    }

    /// Where it is.
    pub(super) fn folder(&self) -> &Utf8Path {
        &self.folder
    }

    /// File that a process writes itself into to become a member.
    pub(super) fn entrance(&self) -> io::Result<File> {
        OpenOptions::new().write(true).open(self.folder.join(MEMBERS))
    }

    /// The numbers of all members, as far as they can be seen from here.
    pub(super) fn members(&self) -> Vec<i32> {
        let mut members = Vec::new();
        visit(&self.folder, &mut |folder| {
            let text = fs::read_to_string(folder.join(MEMBERS)).unwrap_or_default();
            members.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
        });
        // Zero stands for processes of other containers.
        members.retain(|pid| *pid > 0);
        members
    }

    /// Kills all members at once, also those that are being born.
    pub(super) fn kill(&self) {
        let _ = fs::write(self.folder.join(KILL), "1");
    }

    /// Removes it; one that still has members stays.
    pub(super) fn remove(&self) {
        visit(&self.folder, &mut |folder| drop(fs::remove_dir(folder)));
    }
}

/// Visits the folders of a group and of those that its members made in it, innermost first.
fn visit(folder: &Utf8Path, what: &mut dyn FnMut(&Utf8Path)) {
    for entry in folder.read_dir_utf8().into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            visit(entry.path(), what);
        }
    }
    what(folder);
}

/// Finds the folder of the group that this process is in.
fn own() -> io::Result<Utf8PathBuf> {
    let none = || io::Error::other("there is no cgroup v2 here");
    let groups = fs::read_to_string("/proc/self/cgroup")?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::")).ok_or_else(none)?;
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let folder = mounts.lines().find_map(|line| folder_in(line, path)).ok_or_else(none)?;
    // A name space may show another part of the tree under this path.
    let members = fs::read_to_string(folder.join(MEMBERS))?;
    let own = std::process::id().to_string();
    if members.lines().any(|line| line == own) { Ok(folder) } else { Err(none()) }
}

/// Where the group `path` is, by a line that says what is mounted where.
fn folder_in(line: &str, path: &str) -> Option<Utf8PathBuf> {
    let (mounted, kind) = line.split_once(" - ")?;
    kind.starts_with("cgroup2 ").then_some(())?;
    let mut fields = mounted.split(' ').skip(3);
    let (root, place) = (fields.next()?, fields.next()?);
    let inside = if root == "/" { path } else { path.strip_prefix(root)? };
    let inside = inside.trim_start_matches('/');
    let place = Utf8Path::new(place);
    Some(if inside.is_empty() { place.to_owned() } else { place.join(inside) })
}

/// Tries whether groups can be made, and says below which one.
pub(super) fn tried() -> io::Result<Utf8PathBuf> {
    ControlGroup::make(&format!("try-{}", std::process::id()))?.remove();
    own()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_a_group_follows_from_what_is_mounted() {
        let line = |root: &str| {
            format!("41 31 0:38 {root} /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw")
        };
        let folder = |root, path| folder_in(&line(root), path).map(Utf8PathBuf::into_string);
        assert_eq!(folder("/", "/a.slice/b").as_deref(), Some("/sys/fs/cgroup/a.slice/b"));
        assert_eq!(folder("/a.slice", "/a.slice/b").as_deref(), Some("/sys/fs/cgroup/b"));
        assert_eq!(folder("/", "/").as_deref(), Some("/sys/fs/cgroup"));
        assert_eq!(folder("/elsewhere", "/a.slice/b"), None);
        let older = "40 31 0:37 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids";
        assert_eq!(folder_in(older, "/"), None);
    }
}
