//! An open folder of a guest, and what can be done below it.

use super::*;

/// Whether a symbolic link as the last name of a path is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follow {
    /// The link itself is meant; opening one is [`Errno::Loop`].
    Never,
    Links,
}

/// What a path must lead to, or is made if it is not there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Presence {
    /// What exists is opened (`oflags` without `creat`).
    #[default]
    Required,
    /// What exists is opened, and a missing file created (`creat`).
    Created,
    /// A file is created, and may not exist (`creat` and `excl`).
    Exclusive,
}

/// How something is opened. The caller translates rights and flags; reading is always possible where the host allows it
/// or nothing else is asked for. Appending is not a way to open but an operation, [`File::append`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpenHow {
    pub(crate) follow: Follow,
    pub(crate) presence: Presence,
    /// Only a folder will do (`directory`). With a presence other than required that is [`Errno::Inval`].
    pub(crate) folder_only: bool,
    /// Cuts a file to nothing (`trunc`), which needs `write`: without it that is [`Errno::Inval`].
    pub(crate) truncate: bool,
    pub(crate) read: bool,
    /// The file will be written to or its length be changed. A folder is [`Errno::IsDir`] then.
    pub(crate) write: bool,
}

/// What a path led to.
#[derive(Debug)]
pub(crate) enum Opened {
    File(File),
    Folder(Folder),
}

/// Open folder of a guest. Clones are the same folder.
#[derive(Debug, Clone)]
pub(crate) struct Folder {}

/// What a template keeps of an open folder; [`FileSystem::reopen_folder`] makes it one again.
#[derive(Debug, Clone)]
pub(crate) struct SavedFolder {}

impl Folder {
    /// Opens what a path leads to.
    ///
    /// # Errors
    /// As `openat` of Linux: see the module for what it is that differs.
    pub(crate) fn open(&self, path: GuestPath<'_>, how: OpenHow) -> Result<Opened> { todo!() }

    /// Tells what is known of the folder itself.
    pub(crate) fn stat(&self) -> Result<Stat> { todo!() }

    /// Tells what is known of what a path leads to.
    pub(crate) fn stat_at(&self, path: GuestPath<'_>, follow: Follow) -> Result<Stat> { todo!() }

    /// Lists the folder as it is now, beginning with `.` and `..`.
    ///
    /// # Errors
    /// [`Errno::NoMem`] if the open listings of the guest have become too large, and those of the host.
    pub(crate) fn list(&self) -> Result<Listing> { todo!() }

    /// Makes a folder.
    pub(crate) fn create_folder(&self, path: GuestPath<'_>) -> Result<()> { todo!() }

    /// Removes an empty folder.
    pub(crate) fn remove_folder(&self, path: GuestPath<'_>) -> Result<()> { todo!() }

    /// Removes a name of a file or link. Who has it open keeps it.
    pub(crate) fn remove_file(&self, path: GuestPath<'_>) -> Result<()> { todo!() }

    /// Renames what a path leads to, over what may be there, atomically.
    pub(crate) fn rename(&self, from: GuestPath<'_>, to_folder: &Folder, to: GuestPath<'_>) -> Result<()> { todo!() }

    /// Gives a file in memory another name. `follow` is about a link as the last name of `from`.
    pub(crate) fn link(&self, from: GuestPath<'_>, follow: Follow, to_folder: &Folder, to: GuestPath<'_>) -> Result<()> { todo!() }

    /// Makes a symbolic link in memory. Its target is kept as it is.
    pub(crate) fn symlink(&self, target: GuestPath<'_>, path: GuestPath<'_>) -> Result<()> { todo!() }

    /// Tells the target of a symbolic link.
    pub(crate) fn read_link(&self, path: GuestPath<'_>) -> Result<String> { todo!() }

    /// Sets the times of the folder itself.
    pub(crate) fn set_times(&self, times: SetTimes) -> Result<()> { todo!() }

    /// Sets the times of what a path leads to.
    pub(crate) fn set_times_at(&self, path: GuestPath<'_>, follow: Follow, times: SetTimes) -> Result<()> { todo!() }

    /// Waits until the folder is on the disk.
    pub(crate) fn sync(&self) -> Result<()> { todo!() }

    /// Keeps the folder for a template.
    pub(crate) fn save(&self) -> SavedFolder { todo!() }
}
