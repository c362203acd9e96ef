//! A program of which one system call fails.
//!
//! The program gets a filter of the kernel's (seccomp) that asks this process about system calls of some numbers: it lets them go on, and
//! has one of them fail instead, with an error that the call can really give. All threads of the program have the filter, and it
//! keeps it through `exec`. Faults begin where the program has begun, or the loader would be what fails.

#![allow(
    unsafe_code,
    reason = "filters of the kernel, and the descriptor by which it asks, have no safe interface"
)]

use std::io;
use std::mem::{MaybeUninit, offset_of, size_of};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// A system call that can be made to fail, and the error that it gives then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub(super) name: &'static str,
    number: libc::c_long,
    error: i32,
}

macro_rules! calls {
    ($($(#[$attribute:meta])* $name:ident $number:ident $error:ident,)+) => {
        &[$($(#[$attribute])* Call {
            name: stringify!($name),
            number: libc::$number,
            error: libc::$error,
        },)+]
    };
}

/// Calls by which the system says that there is no more of something, or that a disk is full or broken.
///
/// A wait that is cut short is a `futex` that ends with `EINTR`.
pub(super) const CALLS: &[Call] = calls! {
    clone3 SYS_clone3 EAGAIN,
    epoll_create1 SYS_epoll_create1 EMFILE,
    epoll_ctl SYS_epoll_ctl ENOSPC,
    eventfd2 SYS_eventfd2 EMFILE,
    fallocate SYS_fallocate ENOSPC,
    fcntl SYS_fcntl ENOLCK,
    fdatasync SYS_fdatasync EIO,
    flock SYS_flock ENOLCK,
    fstat SYS_fstat EIO,
    fsync SYS_fsync EIO,
    ftruncate SYS_ftruncate ENOSPC,
    futex SYS_futex EINTR,
    getdents64 SYS_getdents64 EIO,
    getrandom SYS_getrandom EINTR,
    ioctl SYS_ioctl EINVAL,
    lseek SYS_lseek EIO,
    madvise SYS_madvise ENOMEM,
    membarrier SYS_membarrier ENOMEM,
    memfd_create SYS_memfd_create EMFILE,
    #[cfg(target_arch = "x86_64")]
    mkdir SYS_mkdir ENOSPC,
    mkdirat SYS_mkdirat ENOSPC,
    mmap SYS_mmap ENOMEM,
    mprotect SYS_mprotect ENOMEM,
    mremap SYS_mremap ENOMEM,
    newfstatat SYS_newfstatat EIO,
    openat SYS_openat EMFILE,
    openat2 SYS_openat2 EMFILE,
    pread64 SYS_pread64 EIO,
    pwrite64 SYS_pwrite64 ENOSPC,
    read SYS_read EIO,
    #[cfg(target_arch = "x86_64")]
    rename SYS_rename ENOSPC,
    renameat SYS_renameat ENOSPC,
    renameat2 SYS_renameat2 ENOSPC,
    rt_tgsigqueueinfo SYS_rt_tgsigqueueinfo EAGAIN,
    socketpair SYS_socketpair EMFILE,
    statx SYS_statx EIO,
    #[cfg(target_arch = "x86_64")]
    unlink SYS_unlink EIO,
    unlinkat SYS_unlinkat EIO,
    write SYS_write ENOSPC,
    writev SYS_writev ENOSPC,
};

/// Where in a program's life faults begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    /// Where it asks for its process group the first time; and they end where it asks again.
    AtMarks,
    /// Where Rust's runtime has set the main thread up.
    AtMain,
}

/// The fault: that call, for the `nth` time that it is made, beginning with 0.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault {
    pub(super) call: usize,
    pub(super) nth: usize,
}

/// Account of a program that has ended.
pub(super) struct Played {
    pub(super) status: ExitStatus,
    pub(super) said: String,
    /// How often each of [`CALLS`] was made where it could have failed.
    pub(super) made: Vec<usize>,
    /// Whether the fault took place.
    pub(super) happened: bool,
}

/// Runs a program to its end, with one fault or with none.
///
/// # Errors
/// If it cannot be started, or takes longer than `limit`.
pub(super) fn play(
    command: &mut Command,
    begin: Begin,
    fault: Option<Fault>,
    limit: Duration,
) -> Result<Played> {
    let (ours, theirs) = UnixStream::pair().context("failed to make a pair of sockets")?;
    let filter = filter(begin, fault);
    let their_descriptor = theirs.as_raw_fd();
    // SAFETY: the closure makes system calls only, with memory that it has already.
    unsafe {
        command.pre_exec(move || send(their_descriptor, install(&filter)?));
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("failed to start the program")?;
    drop(theirs);
    let listener = receive(&ours).context("failed to get the filter's descriptor")?;
    let readers = [
        child.stdout.take().map(|stream| read_all(Box::new(stream))),
        child.stderr.take().map(|stream| read_all(Box::new(stream))),
    ];
    let mut kernel =
        Kernel { listener, begin, fault, made: vec![0; CALLS.len()], marks: 0, happened: false };
    let status = kernel.answer_until_end(&mut child, limit);
    let said: String =
        readers.into_iter().flatten().map(|reader| reader.join().unwrap_or_default()).collect();
    let status = status.with_context(|| said.clone())?;
    Ok(Played { status, said, made: kernel.made, happened: kernel.happened })
}

fn read_all(mut stream: Box<dyn io::Read + Send>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The number of the call by which a program begins.
fn mark(begin: Begin) -> libc::c_long {
    match begin {
        Begin::AtMarks => libc::SYS_getpgid,
        Begin::AtMain => libc::SYS_sigaltstack,
    }
}

/// The program of the filter: asks about the calls that may fail, and lets all others go on.
fn filter(begin: Begin, fault: Option<Fault>) -> Vec<libc::sock_filter> {
    let asked = match fault {
        Some(Fault { call, .. }) => vec![CALLS[call].number],
        None => CALLS.iter().map(|call| call.number).collect(),
    };
    let numbers: Vec<u32> = asked
        .into_iter()
        .chain([mark(begin)])
        .map(|number| u32::try_from(number).expect("numbers of system calls are small"))
        .collect();
    let code = |bits: u32| u16::try_from(bits).expect("codes of filters have 16 bits");
    let load = code(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS);
    let equal = code(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K);
    let done = code(libc::BPF_RET | libc::BPF_K);
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let offset = u32::try_from(offset_of!(libc::seccomp_data, nr)).unwrap_or(0);
    let mut program = vec![step(load, 0, 0, offset)];
    let count = numbers.len();
    program.extend(numbers.into_iter().enumerate().map(|(at, number)| {
        // Past the other comparisons, and past the step that lets a call go on.
        let ahead = u8::try_from(count - at).unwrap_or(u8::MAX);
        step(equal, ahead, 0, number)
    }));
    program.push(step(done, 0, 0, libc::SECCOMP_RET_ALLOW));
    program.push(step(done, 0, 0, libc::SECCOMP_RET_USER_NOTIF));
    program
}

/// Puts the filter on the calling thread, and returns the descriptor by which the kernel asks. It ends with `exec`: who closed it here
/// might make a call that nobody answers yet.
fn install(filter: &[libc::sock_filter]) -> io::Result<RawFd> {
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).unwrap_or(u16::MAX),
        filter: filter.as_ptr().cast_mut(),
    };
    // SAFETY: an option with numbers alone.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel reads a program that lives as long as the call.
    let descriptor = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &raw const program,
        )
    };
    match RawFd::try_from(descriptor) {
        Ok(descriptor) if descriptor >= 0 => Ok(descriptor),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Room for a control message with one descriptor, aligned as the kernel writes it.
#[repr(C, align(8))]
struct Control([u8; 64]);

/// A message of one byte, with room for a descriptor beside it.
fn with_message<T>(
    control: &mut Control,
    byte: &mut u8,
    pass: impl FnOnce(&mut libc::msghdr) -> T,
) -> T {
    let mut part = libc::iovec { iov_base: (&raw mut *byte).cast(), iov_len: 1 };
    // SAFETY: all fields are numbers and pointers, of which null is a value.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    // SAFETY: it computes with numbers alone.
    message.msg_controllen =
        unsafe { libc::CMSG_SPACE(u32::try_from(size_of::<RawFd>()).unwrap_or(4)) } as _;
    pass(&mut message)
}

/// Sends a descriptor over a socket.
fn send(socket: RawFd, descriptor: RawFd) -> io::Result<()> {
    let (mut control, mut byte) = (Control([0; 64]), 1);
    with_message(&mut control, &mut byte, |message| {
        // SAFETY: the message has room for one header and one descriptor, and all it points to lives on.
        let sent = unsafe {
            let header = libc::CMSG_FIRSTHDR(message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len =
                libc::CMSG_LEN(u32::try_from(size_of::<RawFd>()).unwrap_or(4)) as _;
            libc::CMSG_DATA(header).cast::<RawFd>().write_unaligned(descriptor);
            libc::sendmsg(socket, message, 0)
        };
        if sent == 1 { Ok(()) } else { Err(io::Error::last_os_error()) }
    })
}

/// Receives the descriptor that was sent.
fn receive(socket: &UnixStream) -> io::Result<OwnedFd> {
    let (mut control, mut byte) = (Control([0; 64]), 0);
    with_message(&mut control, &mut byte, |message| {
        // SAFETY: the message has room for what is written to it; a header is read where there is one.
        unsafe {
            if libc::recvmsg(socket.as_raw_fd(), message, libc::MSG_CMSG_CLOEXEC) != 1 {
                return Err(io::Error::last_os_error());
            }
            let header = libc::CMSG_FIRSTHDR(message);
            if header.is_null() || (*header).cmsg_type != libc::SCM_RIGHTS {
                return Err(io::Error::other("no descriptor came"));
            }
            let descriptor = libc::CMSG_DATA(header).cast::<RawFd>().read_unaligned();
            Ok(OwnedFd::from_raw_fd(descriptor))
        }
    })
}

/// Questions of the kernel, and the answers so far.
struct Kernel {
    listener: OwnedFd,
    begin: Begin,
    fault: Option<Fault>,
    made: Vec<usize>,
    marks: usize,
    happened: bool,
}

impl Kernel {
    /// Answers until the program has ended.
    fn answer_until_end(&mut self, child: &mut Child, limit: Duration) -> Result<ExitStatus> {
        let until = Instant::now() + limit;
        loop {
            if self.is_asked()? {
                self.answer()?;
            } else if let Some(status) = child.try_wait()? {
                return Ok(status);
            } else if Instant::now() > until {
                child.kill()?;
                child.wait()?;
                bail!("it did not end within {limit:?}");
            }
        }
    }

    /// Waits for a question, for a moment.
    fn is_asked(&self) -> Result<bool> {
        let mut poll =
            libc::pollfd { fd: self.listener.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one entry that lives as long as the call.
        let count = unsafe { libc::poll(&raw mut poll, 1, 20) };
        if poll.revents & libc::POLLHUP != 0 && poll.revents & libc::POLLIN == 0 {
            // Nobody has the filter any more, and the end is near.
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(count > 0 && poll.revents & libc::POLLIN != 0)
    }

    fn answer(&mut self) -> Result<()> {
        // SAFETY: all fields are numbers; the kernel wants it zeroed.
        let mut asked: libc::seccomp_notif = unsafe { MaybeUninit::zeroed().assume_init() };
        if !self.control(libc::SECCOMP_IOCTL_NOTIF_RECV, &mut asked)? {
            return Ok(());
        }
        let error = self.decide(&asked);
        // SAFETY: as above.
        let mut answer: libc::seccomp_notif_resp = unsafe { MaybeUninit::zeroed().assume_init() };
        answer.id = asked.id;
        match error {
            Some(error) => answer.error = -error,
            None => answer.flags = u32::try_from(libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE)?,
        }
        self.control(libc::SECCOMP_IOCTL_NOTIF_SEND, &mut answer)?;
        Ok(())
    }

    /// Returns whether the kernel took part: who asked may have been killed meanwhile, or been interrupted.
    fn control<T>(&self, request: libc::Ioctl, with: &mut T) -> Result<bool> {
        // SAFETY: the request is the one that is for this type.
        let outcome = unsafe { libc::ioctl(self.listener.as_raw_fd(), request, &raw mut *with) };
        if outcome >= 0 {
            return Ok(true);
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::ENOENT | libc::EINTR | libc::EINPROGRESS) => Ok(false),
            _ => Err(error).context("the kernel did not take an answer"),
        }
    }

    /// The error that the call is to give, if it is to fail.
    fn decide(&mut self, asked: &libc::seccomp_notif) -> Option<i32> {
        let data = &asked.data;
        let number = libc::c_long::from(data.nr);
        if number == mark(self.begin) {
            self.marks += 1;
            return None;
        }
        let at = CALLS.iter().position(|call| call.number == number)?;
        let has_begun = match self.begin {
            Begin::AtMarks => self.marks == 1,
            Begin::AtMain => self.marks >= 1,
        };
        if !has_begun || !may_fail(&CALLS[at], asked) {
            return None;
        }
        let nth = self.made[at];
        self.made[at] += 1;
        let fault = self.fault.filter(|fault| fault.call == at && fault.nth == nth)?;
        self.happened = true;
        Some(CALLS[fault.call].error)
    }
}

/// Whether such a call can give that error at all.
fn may_fail(call: &Call, asked: &libc::seccomp_notif) -> bool {
    let arguments = &asked.data.args;
    match call.name {
        // What it says is said to us.
        "write" | "writev" if arguments[0] <= 2 => false,
        // A counter of events is neither full nor broken.
        "read" | "write" => {
            let link = format!("/proc/{}/fd/{}", asked.pid, arguments[0]);
            std::fs::read_link(link).map_or(true, |what| what != Path::new("anon_inode:[eventfd]"))
        }
        // Waiting may be cut short, and waking may not.
        "futex" => {
            let operation = i32::try_from(arguments[1] & 0x7f).unwrap_or(-1);
            matches!(operation, libc::FUTEX_WAIT | libc::FUTEX_WAIT_BITSET)
        }
        // Only locks are refused, not flags.
        "fcntl" => matches!(
            i32::try_from(arguments[1]).unwrap_or(-1),
            libc::F_SETLK | libc::F_SETLKW | libc::F_OFD_SETLK | libc::F_OFD_SETLKW
        ),
        _ => true,
    }
}
