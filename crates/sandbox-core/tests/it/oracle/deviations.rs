//! Where WASIX is known to be wrong.

use super::Storage;
use super::guest::{Deed, How, Outcome};

const ACCES: i32 = 2;
const INVAL: i32 = 28;
const IO: i32 = 29;
const ISDIR: i32 = 31;
const NOENT: i32 = 44;
const NOTDIR: i32 = 54;
const NOTEMPTY: i32 = 55;

/// Something that WASIX does in another way than it should.
pub(super) struct Deviation {
    /// Name of the deviation, and the reason why it is wrong.
    pub(super) name: &'static str,
    /// Whether a difference is this one.
    pub(super) is: fn(&Seen<'_>) -> bool,
    /// Where its example shows it.
    pub(super) storage: Storage,
    /// Operations of which the last shows it.
    pub(super) example: fn() -> Vec<Deed>,
}

/// An operation with two outcomes, after others that had one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) before: &'a [Deed],
    pub(super) deed: &'a Deed,
    pub(super) ours: &'a Outcome,
    pub(super) theirs: &'a Outcome,
}

impl Seen<'_> {
    /// Whether both are these error numbers.
    fn are(&self, ours: i32, theirs: &[i32]) -> bool {
        *self.ours == Outcome::Errno(ours)
            && theirs.iter().any(|errno| *self.theirs == Outcome::Errno(*errno))
    }

    /// Whether ours is that error number, and theirs none.
    fn only_ours_fails(&self, ours: i32) -> bool {
        *self.ours == Outcome::Errno(ours) && *self.theirs == Outcome::Done
    }

    fn uses_open_file(&self) -> bool {
        matches!(
            self.deed,
            Deed::Read { .. }
                | Deed::ReadAt { .. }
                | Deed::Write { .. }
                | Deed::WriteAt { .. }
                | Deed::Seek { .. }
                | Deed::SetSize { .. }
                | Deed::StatFile { .. }
        )
    }

    fn is_rename(&self) -> bool {
        matches!(self.deed, Deed::Rename { .. })
    }

    fn has(&self, is_wanted: fn(&Deed) -> bool) -> bool {
        self.before.iter().any(is_wanted)
    }
}

fn open(path: &str, how: How) -> Deed {
    Deed::Open { path: path.to_owned(), how }
}

fn folder(path: &str) -> Deed {
    Deed::CreateFolder { path: path.to_owned() }
}

fn rename(path: &str, to: &str) -> Deed {
    Deed::Rename { path: path.to_owned(), to: to.to_owned() }
}

pub(super) const DEVIATIONS: &[Deviation] = &[
    Deviation {
        name: "a seek to before the begin is refused, and moves the position all the same",
        is: |seen| {
            matches!(seen.deed, Deed::Seek { whence: 1, .. })
                && matches!(seen.ours, Outcome::Stayed { errno: INVAL, .. })
                && matches!(
                    seen.theirs,
                    Outcome::Stayed { at, .. } | Outcome::Number(at) if *at > i64::MAX as u64
                )
        },
        storage: Storage::Memory,
        example: || vec![open("a", How::Created), Deed::Seek { fd: 0, offset: -1, whence: 1 }],
    },
    Deviation {
        name: "a seek from the end to before the begin is an error of the device, not of the guest",
        is: |seen| {
            matches!(seen.deed, Deed::Seek { whence: 2, .. })
                && matches!(seen.ours, Outcome::Stayed { errno: INVAL, .. })
                && matches!(seen.theirs, Outcome::Stayed { errno: IO, .. })
        },
        storage: Storage::Memory,
        example: || vec![open("a", How::Created), Deed::Seek { fd: 0, offset: -1, whence: 2 }],
    },
    Deviation {
        name: "folders have a position, which nothing goes by",
        is: |seen| {
            matches!(seen.deed, Deed::Seek { .. })
                && *seen.ours == Outcome::Errno(ISDIR)
                && matches!(seen.theirs, Outcome::Stayed { .. } | Outcome::Number(_))
        },
        storage: Storage::Memory,
        example: || {
            let seek = Deed::Seek { fd: 0, offset: 7, whence: 0 };
            vec![folder("a"), open("a", How::Folder), seek]
        },
    },
    Deviation {
        name: "an open folder is no file, and the error is that it may not be read or written",
        is: |seen| seen.uses_open_file() && seen.are(ISDIR, &[ACCES]),
        storage: Storage::Memory,
        example: || vec![folder("a"), open("a", How::Folder), Deed::Read { fd: 0, len: 1 }],
    },
    Deviation {
        name: "a rename to below a file has the error of something that is missing or in itself",
        is: |seen| seen.is_rename() && seen.are(NOTDIR, &[NOENT, INVAL]),
        storage: Storage::Memory,
        example: || vec![open("a", How::Created), rename("b", "a/c")],
    },
    Deviation {
        name: "a rename puts a file in the place of a folder, or has the error of a device",
        is: |seen| {
            let replaces = |errno| seen.only_ours_fails(errno) || seen.are(errno, &[IO]);
            seen.is_rename() && (replaces(ISDIR) || replaces(NOTEMPTY))
        },
        storage: Storage::Memory,
        example: || vec![open("a", How::Created), folder("b"), rename("a", "b")],
    },
    Deviation {
        name: "a rename puts a folder in the place of a file, or has the error of a device",
        is: |seen| seen.is_rename() && (seen.only_ours_fails(NOTDIR) || seen.are(NOTDIR, &[IO])),
        storage: Storage::Memory,
        example: || vec![folder("a"), open("b", How::Created), rename("a", "b")],
    },
    Deviation {
        name: "a folder that is refused as a file to be removed cannot be removed as a folder any more",
        is: |seen| {
            matches!(seen.deed, Deed::RemoveFolder { .. })
                && *seen.theirs == Outcome::Errno(NOENT)
                && seen.has(|deed| matches!(deed, Deed::RemoveFile { .. }))
        },
        storage: Storage::Memory,
        example: || {
            let path = || "a".to_owned();
            let remove = Deed::RemoveFile { path: path() };
            vec![folder("a"), remove, Deed::RemoveFolder { path: path() }]
        },
    },
    Deviation {
        name: "a file that another was renamed over is missing for who has it open",
        is: |seen| {
            let fails = |outcome: &Outcome| {
                matches!(
                    outcome,
                    Outcome::Errno(NOENT | INVAL) | Outcome::Stayed { errno: NOENT, .. }
                )
            };
            seen.uses_open_file()
                && !fails(seen.ours)
                && fails(seen.theirs)
                && seen.has(|deed| matches!(deed, Deed::Rename { .. }))
        },
        storage: Storage::Memory,
        example: || {
            vec![
                open("a", How::Created),
                open("b", How::Created),
                rename("b", "a"),
                Deed::SetSize { fd: 0, size: 5 },
            ]
        },
    },
    Deviation {
        name: "appending goes to where the end was, or to the position, and moves that",
        is: |seen| {
            let looks = matches!(
                seen.deed,
                Deed::Read { .. }
                    | Deed::ReadAt { .. }
                    | Deed::Seek { .. }
                    | Deed::Stat { .. }
                    | Deed::StatFile { .. }
            );
            let succeeded =
                |outcome: &Outcome| !matches!(outcome, Outcome::Errno(_) | Outcome::Broken(_));
            looks
                && succeeded(seen.ours)
                && succeeded(seen.theirs)
                && seen.has(|deed| matches!(deed, Deed::Open { how: How::Appending, .. }))
        },
        storage: Storage::Memory,
        example: || {
            vec![
                open("a", How::Appending),
                Deed::Write { fd: 0, len: 100 },
                open("a", How::Truncated),
                Deed::Write { fd: 0, len: 10 },
                Deed::StatFile { fd: 0 },
            ]
        },
    },
    Deviation {
        name: "what is known of an open file of the host is what it was when others have changed it since",
        is: |seen| {
            let known = |outcome: &Outcome| matches!(outcome, Outcome::Known { .. });
            matches!(seen.deed, Deed::StatFile { .. } | Deed::Stat { .. })
                && known(seen.ours)
                && known(seen.theirs)
        },
        storage: Storage::Host,
        example: || {
            vec![
                open("a", How::Created),
                Deed::Write { fd: 0, len: 100 },
                open("a", How::Truncated),
                Deed::StatFile { fd: 0 },
            ]
        },
    },
    Deviation {
        name: "a folder that another was renamed over is listed as what it was",
        is: |seen| {
            matches!(seen.deed, Deed::List { .. })
                && matches!((seen.ours, seen.theirs), (Outcome::Names(_), Outcome::Names(_)))
                && seen.has(|deed| matches!(deed, Deed::Rename { .. }))
        },
        storage: Storage::Memory,
        example: || {
            let list = Deed::List { path: "c".to_owned() };
            vec![folder("c"), folder("b"), folder("b/a"), rename("b", "c"), list]
        },
    },
    Deviation {
        name: "a write of nothing beyond the end enlarges the file",
        is: |seen| {
            matches!(seen.deed, Deed::StatFile { .. })
                && seen.has(|deed| matches!(deed, Deed::WriteAt { len: 0, .. }))
        },
        storage: Storage::Memory,
        example: || {
            let write = Deed::WriteAt { fd: 0, offset: 1, len: 0 };
            vec![open("a", How::Created), write, Deed::StatFile { fd: 0 }]
        },
    },
];
