//! The error numbers of WASI preview 1.

use std::fmt;
use std::io;

/// Result of what a guest asked for: the error is the number that the guest gets.
pub(crate) type Result<T> = std::result::Result<T, Errno>;

/// Error number of WASI preview 1, in the order of the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub(crate) enum Errno {
    /// No error.
    Success = 0,
    /// E2BIG: argument list too long.
    TooBig = 1,
    /// EACCES: permission denied.
    Acces = 2,
    /// EADDRINUSE: address in use.
    AddrInUse = 3,
    /// EADDRNOTAVAIL: address not available.
    AddrNotAvail = 4,
    /// EAFNOSUPPORT: address family not supported.
    AfNoSupport = 5,
    /// EAGAIN: resource unavailable, or the operation would block.
    Again = 6,
    /// EALREADY: connection already in progress.
    Already = 7,
    /// EBADF: bad file descriptor.
    BadF = 8,
    /// EBADMSG: bad message.
    BadMsg = 9,
    /// EBUSY: device or resource busy.
    Busy = 10,
    /// ECANCELED: operation canceled.
    Canceled = 11,
    /// ECHILD: no child processes.
    Child = 12,
    /// ECONNABORTED: connection aborted.
    ConnAborted = 13,
    /// ECONNREFUSED: connection refused.
    ConnRefused = 14,
    /// ECONNRESET: connection reset.
    ConnReset = 15,
    /// EDEADLK: resource deadlock would occur.
    DeadLk = 16,
    /// EDESTADDRREQ: destination address required.
    DestAddrReq = 17,
    /// EDOM: argument out of the domain of a function.
    Dom = 18,
    /// EDQUOT: disk quota exceeded.
    DQuot = 19,
    /// EEXIST: file exists.
    Exist = 20,
    /// EFAULT: bad address.
    Fault = 21,
    /// EFBIG: file too large.
    FBig = 22,
    /// EHOSTUNREACH: host is unreachable.
    HostUnreach = 23,
    /// EIDRM: identifier removed.
    IdRm = 24,
    /// EILSEQ: illegal byte sequence.
    IlSeq = 25,
    /// EINPROGRESS: operation in progress.
    InProgress = 26,
    /// EINTR: interrupted function.
    Intr = 27,
    /// EINVAL: invalid argument.
    Inval = 28,
    /// EIO: input or output error.
    Io = 29,
    /// EISCONN: socket is connected.
    IsConn = 30,
    /// EISDIR: is a directory.
    IsDir = 31,
    /// ELOOP: too many levels of symbolic links.
    Loop = 32,
    /// EMFILE: too many open files of the guest.
    MFile = 33,
    /// EMLINK: too many links.
    MLink = 34,
    /// EMSGSIZE: message too large.
    MsgSize = 35,
    /// EMULTIHOP: reserved.
    MultiHop = 36,
    /// ENAMETOOLONG: file name too long.
    NameTooLong = 37,
    /// ENETDOWN: network is down.
    NetDown = 38,
    /// ENETRESET: connection aborted by the network.
    NetReset = 39,
    /// ENETUNREACH: network unreachable.
    NetUnreach = 40,
    /// ENFILE: too many open files of the system.
    NFile = 41,
    /// ENOBUFS: no buffer space available.
    NoBufs = 42,
    /// ENODEV: no such device.
    NoDev = 43,
    /// ENOENT: no such file or directory.
    NoEnt = 44,
    /// ENOEXEC: executable file format error.
    NoExec = 45,
    /// ENOLCK: no locks available.
    NoLck = 46,
    /// ENOLINK: reserved.
    NoLink = 47,
    /// ENOMEM: not enough memory.
    NoMem = 48,
    /// ENOMSG: no message of the desired type.
    NoMsg = 49,
    /// ENOPROTOOPT: protocol not available.
    NoProtoOpt = 50,
    /// ENOSPC: no space left.
    NoSpc = 51,
    /// ENOSYS: function not supported.
    NoSys = 52,
    /// ENOTCONN: the socket is not connected.
    NotConn = 53,
    /// ENOTDIR: not a directory or a link to one.
    NotDir = 54,
    /// ENOTEMPTY: directory not empty.
    NotEmpty = 55,
    /// ENOTRECOVERABLE: state not recoverable.
    NotRecoverable = 56,
    /// ENOTSOCK: not a socket.
    NotSock = 57,
    /// ENOTSUP: not supported.
    NotSup = 58,
    /// ENOTTY: inappropriate operation on a device.
    NoTty = 59,
    /// ENXIO: no such device or address.
    NxIo = 60,
    /// EOVERFLOW: value too large to be stored.
    Overflow = 61,
    /// EOWNERDEAD: previous owner died.
    OwnerDead = 62,
    /// EPERM: operation not permitted.
    Perm = 63,
    /// EPIPE: broken pipe.
    Pipe = 64,
    /// EPROTO: protocol error.
    Proto = 65,
    /// EPROTONOSUPPORT: protocol not supported.
    ProtoNoSupport = 66,
    /// EPROTOTYPE: protocol wrong type for the socket.
    Prototype = 67,
    /// ERANGE: result too large.
    Range = 68,
    /// EROFS: read-only file system.
    RoFs = 69,
    /// ESPIPE: invalid seek.
    SPipe = 70,
    /// ESRCH: no such process.
    Srch = 71,
    /// ESTALE: reserved.
    Stale = 72,
    /// ETIMEDOUT: connection timed out.
    TimedOut = 73,
    /// ETXTBSY: text file busy.
    TxtBsy = 74,
    /// EXDEV: cross-device link.
    XDev = 75,
    /// ENOTCAPABLE: capabilities insufficient.
    NotCapable = 76,
}

impl Errno {
    /// Returns the number that a guest gets for a result.
    pub(crate) fn of(result: Result<()>) -> Self {
        result.err().unwrap_or(Self::Success)
    }

    /// Returns the number as a function of the guest returns it.
    pub(crate) const fn code(self) -> i32 {
        self as i32
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "WASI error {} ({self:?})", *self as u16)
    }
}

impl std::error::Error for Errno {}

impl From<rustix::io::Errno> for Errno {
    /// Translates a number of the host. What has none here is [`Errno::Io`], and is told to the host's log.
    fn from(host: rustix::io::Errno) -> Self {
        use rustix::io::Errno as Host;
        match host {
            Host::TOOBIG => Self::TooBig,
            Host::ACCESS => Self::Acces,
            Host::ADDRINUSE => Self::AddrInUse,
            Host::ADDRNOTAVAIL => Self::AddrNotAvail,
            Host::AFNOSUPPORT => Self::AfNoSupport,
            Host::AGAIN => Self::Again,
            Host::ALREADY => Self::Already,
            Host::BADF => Self::BadF,
            Host::BADMSG => Self::BadMsg,
            Host::BUSY => Self::Busy,
            Host::CANCELED => Self::Canceled,
            Host::CHILD => Self::Child,
            Host::CONNABORTED => Self::ConnAborted,
            Host::CONNREFUSED => Self::ConnRefused,
            Host::CONNRESET => Self::ConnReset,
            Host::DEADLK => Self::DeadLk,
            Host::DESTADDRREQ => Self::DestAddrReq,
            Host::DOM => Self::Dom,
            Host::DQUOT => Self::DQuot,
            Host::EXIST => Self::Exist,
            Host::FAULT => Self::Fault,
            Host::FBIG => Self::FBig,
            Host::HOSTUNREACH => Self::HostUnreach,
            Host::IDRM => Self::IdRm,
            Host::ILSEQ => Self::IlSeq,
            Host::INPROGRESS => Self::InProgress,
            Host::INTR => Self::Intr,
            Host::INVAL => Self::Inval,
            Host::IO => Self::Io,
            Host::ISCONN => Self::IsConn,
            Host::ISDIR => Self::IsDir,
            Host::LOOP => Self::Loop,
            Host::MFILE => Self::MFile,
            Host::MLINK => Self::MLink,
            Host::MSGSIZE => Self::MsgSize,
            Host::MULTIHOP => Self::MultiHop,
            Host::NAMETOOLONG => Self::NameTooLong,
            Host::NETDOWN => Self::NetDown,
            Host::NETRESET => Self::NetReset,
            Host::NETUNREACH => Self::NetUnreach,
            Host::NFILE => Self::NFile,
            Host::NOBUFS => Self::NoBufs,
            Host::NODEV => Self::NoDev,
            Host::NOENT => Self::NoEnt,
            Host::NOEXEC => Self::NoExec,
            Host::NOLCK => Self::NoLck,
            Host::NOLINK => Self::NoLink,
            Host::NOMEM => Self::NoMem,
            Host::NOMSG => Self::NoMsg,
            Host::NOPROTOOPT => Self::NoProtoOpt,
            Host::NOSPC => Self::NoSpc,
            Host::NOSYS => Self::NoSys,
            Host::NOTCONN => Self::NotConn,
            Host::NOTDIR => Self::NotDir,
            Host::NOTEMPTY => Self::NotEmpty,
            Host::NOTRECOVERABLE => Self::NotRecoverable,
            Host::NOTSOCK => Self::NotSock,
            Host::NOTSUP => Self::NotSup,
            Host::NOTTY => Self::NoTty,
            Host::NXIO => Self::NxIo,
            Host::OVERFLOW => Self::Overflow,
            Host::OWNERDEAD => Self::OwnerDead,
            Host::PERM => Self::Perm,
            Host::PIPE => Self::Pipe,
            Host::PROTO => Self::Proto,
            Host::PROTONOSUPPORT => Self::ProtoNoSupport,
            Host::PROTOTYPE => Self::Prototype,
            Host::RANGE => Self::Range,
            Host::ROFS => Self::RoFs,
            Host::SPIPE => Self::SPipe,
            Host::SRCH => Self::Srch,
            Host::STALE => Self::Stale,
            Host::TIMEDOUT => Self::TimedOut,
            Host::TXTBSY => Self::TxtBsy,
            Host::XDEV => Self::XDev,
            Host::HOSTDOWN => Self::HostUnreach,
            Host::SHUTDOWN => Self::Pipe,
            host if host == Host::OPNOTSUPP => Self::NotSup,
            host => {
                tracing::warn!(%host, "an error of the host has no number in WASI preview 1; the guest gets EIO");
                Self::Io
            }
        }
    }
}

impl From<io::Error> for Errno {
    /// Translates an error of the standard library: by the host's number if it has one, else by its kind.
    fn from(error: io::Error) -> Self {
        if let Some(host) = rustix::io::Errno::from_io_error(&error) {
            return host.into();
        }
        match error.kind() {
            io::ErrorKind::NotFound => Self::NoEnt,
            io::ErrorKind::PermissionDenied => Self::Perm,
            io::ErrorKind::AlreadyExists => Self::Exist,
            io::ErrorKind::WouldBlock => Self::Again,
            io::ErrorKind::InvalidInput => Self::Inval,
            io::ErrorKind::InvalidData => Self::IlSeq,
            io::ErrorKind::TimedOut => Self::TimedOut,
            io::ErrorKind::Interrupted => Self::Intr,
            io::ErrorKind::Unsupported => Self::NotSup,
            io::ErrorKind::OutOfMemory => Self::NoMem,
            io::ErrorKind::BrokenPipe => Self::Pipe,
            io::ErrorKind::NotConnected => Self::NotConn,
            io::ErrorKind::ConnectionRefused => Self::ConnRefused,
            io::ErrorKind::ConnectionReset => Self::ConnReset,
            io::ErrorKind::ConnectionAborted => Self::ConnAborted,
            kind => {
                tracing::warn!(?kind, %error, "an error of the host has no number in WASI preview 1; the guest gets EIO");
                Self::Io
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_specification() {
        assert_eq!(Errno::Success as u16, 0);
        assert_eq!(Errno::BadF as u16, 8);
        assert_eq!(Errno::Inval as u16, 28);
        assert_eq!(Errno::NoEnt as u16, 44);
        assert_eq!(Errno::NotEmpty as u16, 55);
        assert_eq!(Errno::SPipe as u16, 70);
        assert_eq!(Errno::NotCapable as u16, 76);
    }

    #[test]
    fn errors_of_the_host_keep_their_meaning() {
        assert_eq!(Errno::from(rustix::io::Errno::XDEV), Errno::XDev);
        assert_eq!(Errno::from(rustix::io::Errno::OPNOTSUPP), Errno::NotSup);
        assert_eq!(Errno::from(io::Error::from_raw_os_error(39)), Errno::NotEmpty);
        assert_eq!(Errno::from(io::Error::from(io::ErrorKind::BrokenPipe)), Errno::Pipe);
        assert_eq!(Errno::from(rustix::io::Errno::UCLEAN), Errno::Io);
    }
}
