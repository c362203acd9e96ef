//! Why snapshots cannot be used.

/// Why a [snapshot](crate::Snapshot) was not taken, saved or loaded, or cannot be where the instances of a sandbox begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotFault {
    /// The module changes tables or drops segments, and those are not part of a snapshot.
    #[error("the module changes its tables or drops segments, which a snapshot does not hold")]
    TablesOrSegments,
    /// The guest has something open that only one instance can have: a reader of the host, or a file or folder within a granted
    /// folder.
    #[error(
        "the guest has a file or folder within a granted folder open, or reads from the host: have it close that first"
    )]
    OpenOfHost,
    /// The guest changed a granted folder, which no other instance would find as it was.
    #[error("the guest has changed a granted folder: take the snapshot before that")]
    HostChanged,
    /// The policy grants hosts of the network. Connections are an instance's own.
    #[error("the policy grants hosts of the network, and connections are not part of a snapshot")]
    Network,
    /// The policy holds a bundle or a manual clock, which are values of this process.
    #[error(
        "its policy holds a bundle or a manual clock, which cannot be saved: use the snapshot in this process"
    )]
    PolicyOfProcess,
    /// The snapshot was taken of another module, or of code that counts fuel where this does not.
    #[error("it was taken of another module: give the one that it was taken of")]
    OtherModule,
    /// The snapshot was taken under another policy.
    #[error(
        "it was taken under another policy: give that one, in which only instance mode and number of instances may differ"
    )]
    OtherPolicy,
    /// A memory had grown when the snapshot was taken, and memories are copied here and not mapped.
    #[error(
        "a memory had grown when it was taken, and such a one has to be mapped: choose another `MemoryReset` than `Copy`"
    )]
    GrownMemory,
    /// The file is something else, or was made by a version of this library with another file format.
    #[error("it is no snapshot that this version knows: take it again")]
    Unrecognised,
    /// The file was sealed with another key.
    #[error("it was sealed with another key: load it with the key that it was saved with")]
    ForeignKey,
    /// The file is not what was sealed.
    #[error("it was changed after it was sealed, or is not whole: copy it again, or take it again")]
    Altered,
}
