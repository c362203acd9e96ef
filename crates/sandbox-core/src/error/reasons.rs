//! Closed vocabularies of errors: what was needed, denied, granted or too much.

use std::fmt;
use std::net::SocketAddr;

use crate::policy::WasmFeature;
use crate::text::shown;

/// Feature of WebAssembly that a module needs and a compiler does not offer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NeededFeature {
    /// One that policies speak of, and that another compiler may offer.
    Known(WasmFeature),
    /// A proposal that no compiler offers here, by its name.
    Other(String),
}

impl fmt::Display for NeededFeature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(feature) => feature.fmt(f),
            Self::Other(name) => f.write_str(name),
        }
    }
}

/// Something that a guest asked for and its policy does not grant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeniedCapability {
    /// A connection to that address.
    Connection(SocketAddr),
    /// A datagram to that address.
    Datagram(SocketAddr),
    /// A local address of the guest's choice.
    LocalAddress(SocketAddr),
    /// A lookup of the host of that name.
    Lookup(String),
}

impl DeniedCapability {
    /// Change of the policy that would grant it.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::LocalAddress(_) => {
                "a guest sends and connects from a port of the host's choice; leave the address open"
            }
            Self::Connection(_) | Self::Datagram(_) | Self::Lookup(_) => {
                "grant the host with `SecurityPolicy::with_network_host`, under a policy that accepts grants of the network, \
                 such as `permissive`"
            }
        }
    }
}

impl fmt::Display for DeniedCapability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(to) => write!(f, "a connection to {to}"),
            Self::Datagram(to) => write!(f, "a datagram to {to}"),
            Self::LocalAddress(address) => write!(f, "the local address {address}"),
            Self::Lookup(name) => write!(f, "a lookup of the host \"{}\"", shown(name)),
        }
    }
}

/// Kind of what a policy or a request grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GrantKind {
    /// A folder of the host.
    Folder,
    /// A bundle of files.
    Bundle,
    /// A variable of the environment.
    Variable,
    /// An argument.
    Argument,
    /// The name that a program sees as its own.
    ProgramName,
    /// A file in the guest's memory.
    File,
    /// A host of the network.
    NetworkHost,
}

impl fmt::Display for GrantKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Folder => "the folder",
            Self::Bundle => "the bundle",
            Self::Variable => "the environment variable",
            Self::Argument => "the argument",
            Self::ProgramName => "the program's name",
            Self::File => "the file",
            Self::NetworkHost => "the network host",
        })
    }
}

/// Why a call cannot be made out of a host function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NestingFault {
    /// The guest that the call would wait for waits for the host function.
    WaitsForItself,
    /// As many instances as may be are in use, and one of them waits for the host function.
    NoInstanceLeft,
    /// Calls are nested as deep as they may be.
    #[non_exhaustive]
    TooDeep {
        /// The deepest nesting.
        limit: usize,
    },
    /// As many guests wait for host functions as may, and no worker thread is free.
    #[non_exhaustive]
    NoThreadLeft {
        /// Number of guests that wait.
        waiting: usize,
    },
    /// The guest is only being started.
    NotStarted,
    /// The guest was ended in the middle of the call.
    GuestEnded,
    /// The function takes or returns more than numbers.
    NotOfNumbers,
}

impl fmt::Display for NestingFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WaitsForItself => {
                f.write_str("the guest that it would wait for waits for the host function")
            }
            Self::NoInstanceLeft => f.write_str(
                "as many instances as may be are in use, and one of them waits for the host function",
            ),
            Self::TooDeep { limit } => {
                write!(f, "calls out of host functions are nested {limit} deep, and this is one more")
            }
            Self::NoThreadLeft { waiting } => write!(
                f,
                "{waiting} guests wait for host functions, as many as may, and no worker thread is free"
            ),
            Self::NotStarted => f.write_str("the guest is only being started"),
            Self::GuestEnded => f.write_str("the guest was ended in the middle of it"),
            Self::NotOfNumbers => f.write_str("it takes or returns more than numbers"),
        }
    }
}

/// Measure of a Wasmer package, counted before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PackageMeasure {
    /// The size of the file, in bytes.
    Bytes,
    /// The size of its manifest, in bytes.
    ManifestBytes,
    /// The size of its index, in bytes.
    IndexBytes,
    /// The folders that it has.
    Folders,
    /// The folders that its commands are shown.
    ShownFolders,
    /// The files, folders and links in all its folders.
    Entries,
    /// Deepest nesting of its folders.
    Depth,
    /// The names that are passed by on the way to its folders.
    PassedNames,
}

impl fmt::Display for PackageMeasure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bytes => "bytes",
            Self::ManifestBytes => "bytes of its manifest",
            Self::IndexBytes => "bytes of its index",
            Self::Folders => "folders",
            Self::ShownFolders => "folders that are shown",
            Self::Entries => "files, folders and links",
            Self::Depth => "folders within each other",
            Self::PassedNames => "names on the way to its folders",
        })
    }
}
