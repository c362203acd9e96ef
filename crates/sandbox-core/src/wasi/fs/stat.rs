//! Status of files and folders.

/// Kind of a file, with the number that it has in WASI preview 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Kind {
    /// A pipe, or something that preview 1 has no number for.
    Unknown = 0,
    BlockDevice = 1,
    CharacterDevice = 2,
    Folder = 3,
    File = 4,
    /// A socket in the file system: it cannot be opened.
    Socket = 6,
    Link = 7,
}

/// Status of a file or folder. Times are nanoseconds since 1970, as they are: blurring them for a guest is the
/// caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    /// Number of the device: the same for all in memory, and for the rest the host's.
    pub(crate) device: u64,
    /// Number of the inode on its device. It stays the same as long as the file exists, and is not zero.
    pub(crate) inode: u64,
    pub(crate) kind: Kind,
    /// Number of names that the file has.
    pub(crate) links: u64,
    /// Length of a file or of the target of a link, in bytes.
    pub(crate) size: u64,
    pub(crate) accessed: u64,
    pub(crate) modified: u64,
    pub(crate) changed: u64,
}

/// Device number of what is not the host's: one that no device of the host has.
pub(super) const DEVICE: u64 = 1 << 44;

impl Stat {
    /// Makes the status of a folder that is only there to lead to granted ones. It has no date.
    pub(super) const fn of_fixed_folder(inode: u64) -> Self {
        Self {
            device: DEVICE,
            inode,
            kind: Kind::Folder,
            links: 1,
            size: 0,
            accessed: 0,
            modified: 0,
            changed: 0,
        }
    }
}

/// Change of one time of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum SetTime {
    #[default]
    Keep,
    /// Sets the time of the change.
    Now,
    /// Sets nanoseconds since 1970.
    To(u64),
}

/// Changes of the times of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SetTimes {
    pub(crate) accessed: SetTime,
    pub(crate) modified: SetTime,
}
